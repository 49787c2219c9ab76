"""Channels: streams, shared tokens, uploads, leases, binding codes, the audit of presses, counts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
INSTANT = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")

TABLES = (
    "access_tokens",
    "callback_checks",
    "media",
    "streams",
    "usage_counts",
    "binding_codes",
    "card_presses",
)


def exact(length: int) -> sa.String:
    """Return a text type that tells letters apart by case on every engine."""
    return sa.String(length).with_variant(mysql.VARCHAR(length, collation="utf8mb4_bin"), "mysql", "mariadb")


def tenant_table(name: str, unique: tuple[str, ...], *columns: sa.schema.SchemaItem) -> None:
    """Make a table whose rows belong to a tenant and are unique by some of their columns."""
    op.create_table(
        name,
        *columns,
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=f"fk_{name}_tenant_id"),
        sa.PrimaryKeyConstraint("id", name=f"pk_{name}"),
        sa.UniqueConstraint(*unique, name=f"uq_{name}_{'_'.join(unique)}"),
    )
    op.create_index(f"ix_{name}_tenant_id", name, ["tenant_id"])


def upgrade() -> None:
    op.create_table(
        "leases",
        sa.Column("name", exact(96), nullable=False),
        sa.Column("owner", sa.String(64), nullable=False),
        sa.Column("until", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_leases"),
    )
    tenant_table(
        "access_tokens",
        ("tenant_id", "account"),
        sa.Column("account", exact(96), nullable=False),
        sa.Column("sealed", sa.LargeBinary(2048), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("expires_at", INSTANT, nullable=True),
        sa.Column("renewing", sa.String(64), nullable=True),
        sa.Column("renewing_until", INSTANT, nullable=True),
    )
    tenant_table(
        "callback_checks",
        ("tenant_id", "channel"),
        sa.Column("channel", sa.String(16), nullable=False),
        sa.Column("accepted_at", INSTANT, nullable=True),
        sa.Column("rejected_at", INSTANT, nullable=True),
        sa.Column("reason", sa.String(64), nullable=True),
    )
    tenant_table(
        "media",
        ("tenant_id", "account", "kind", "digest"),
        sa.Column("account", exact(96), nullable=False),
        sa.Column("kind", sa.String(8), nullable=False),
        sa.Column("digest", exact(64), nullable=False),
        sa.Column("reference", sa.String(512), nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
    )
    tenant_table(
        "streams",
        ("tenant_id", "public_id"),
        sa.Column("public_id", exact(191), nullable=False),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("pieces", sa.JSON(), nullable=False),
        sa.Column("live", sa.Text(), nullable=False),
        sa.Column("opened_at", INSTANT, nullable=False),
        sa.Column("asked_at", INSTANT, nullable=True),
    )
    op.create_index("ix_streams_open", "streams", ["tenant_id", "state", "opened_at"])
    tenant_table(
        "usage_counts",
        ("tenant_id", "platform", "what", "month"),
        sa.Column("platform", sa.String(16), nullable=False),
        sa.Column("what", sa.String(8), nullable=False),
        sa.Column("month", sa.String(7), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
    )
    _people_and_presses()
    _changed_columns()


def _people_and_presses() -> None:
    tenant_table(
        "binding_codes",
        ("tenant_id", "digest"),
        sa.Column("digest", exact(64), nullable=False),
        sa.Column("staff_id", KEY, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
        sa.Column("used_at", INSTANT, nullable=True),
        sa.Column("used_platform", sa.String(16), nullable=True),
        sa.Column("used_user", exact(64), nullable=True),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name="fk_binding_codes_staff_id"),
    )
    tenant_table(
        "card_presses",
        ("tenant_id", "dedupe_key"),
        sa.Column("card_id", KEY, nullable=False),
        sa.Column("staff_id", KEY, nullable=True),
        sa.Column("user_id", exact(64), nullable=False),
        sa.Column("action", sa.String(32), nullable=False),
        sa.Column("outcome", sa.String(8), nullable=False),
        sa.Column("detail", sa.String(255), nullable=False),
        sa.Column("dedupe_key", exact(96), nullable=False),
        sa.Column("pressed_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(["card_id"], ["cards.id"], name="fk_card_presses_card_id"),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name="fk_card_presses_staff_id"),
    )
    op.create_index("ix_card_presses_card_id", "card_presses", ["card_id"])


def _changed_columns() -> None:
    with op.batch_alter_table("feedback") as table:
        table.add_column(sa.Column("inbox_id", KEY, nullable=True))
        table.alter_column("staff_id", existing_type=KEY, nullable=True)
        table.create_unique_constraint("uq_feedback_inbox_id", ["inbox_id"])
        table.create_foreign_key("fk_feedback_inbox_id", "inbox", ["inbox_id"], ["id"])
    with op.batch_alter_table("outbox") as table:
        table.alter_column("not_before", existing_type=INSTANT, nullable=True)
        table.create_index("ix_outbox_inbox_id", ["inbox_id"])
    with op.batch_alter_table("staff") as table:
        table.add_column(sa.Column("mobile_digest", exact(64), nullable=True))
        table.create_index("ix_staff_mobile", ["tenant_id", "mobile_digest"])


def downgrade() -> None:
    """Go back: feedback of strangers and rows that wait for nothing get the values the old columns demand."""
    op.execute("DELETE FROM feedback WHERE staff_id IS NULL")
    op.execute("UPDATE outbox SET not_before = created_at WHERE not_before IS NULL")
    with op.batch_alter_table("staff") as table:
        table.drop_index("ix_staff_mobile")
        table.drop_column("mobile_digest")
    with op.batch_alter_table("outbox") as table:
        # MariaDB keeps the foreign key only while some index serves it; before, it was one of its own making.
        table.create_index("inbox_id", ["inbox_id"])
        table.drop_index("ix_outbox_inbox_id")
        table.alter_column("not_before", existing_type=INSTANT, nullable=False)
    with op.batch_alter_table("feedback") as table:
        table.drop_constraint("fk_feedback_inbox_id", type_="foreignkey")
        table.drop_constraint("uq_feedback_inbox_id", type_="unique")
        table.alter_column("staff_id", existing_type=KEY, nullable=False)
        table.drop_column("inbox_id")
    for name in reversed(TABLES):
        op.drop_table(name)
    op.drop_table("leases")
