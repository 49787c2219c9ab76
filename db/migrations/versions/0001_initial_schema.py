"""The first schema: the chain's business, its organisation, messaging, work and knowledge."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql, sqlite

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")  # SQLite numbers INTEGER keys only
MONEY = sa.Numeric(12, 2)
INSTANT = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")  # MySQL's DATETIME cuts to seconds


def exact(length: int) -> sa.String:
    """Return a text type that tells letters apart by case on every engine."""
    return sa.String(length).with_variant(mysql.VARCHAR(length, collation="utf8mb4_bin"), "mysql", "mariadb")


def caseless(length: int) -> sa.String:
    """Return a text type that compares without regard to case on every engine."""
    return sa.String(length).with_variant(sqlite.VARCHAR(length, collation="NOCASE"), "sqlite")


TABLES = (
    "tenants",
    "conversations",
    "inbox",
    "kb_documents",
    "products",
    "staff",
    "stores",
    "action_logs",
    "campaigns",
    "cards",
    "daily_sales",
    "members",
    "messages",
    "schedules",
    "staff_identities",
    "staff_stores",
    "coupons",
    "feedback",
    "orders",
    "outbox",
    "tasks",
    "member_coupons",
    "order_items",
)


def upgrade() -> None:  # noqa: PLR0915 - one statement per table and index
    op.create_table(
        "tenants",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("key", exact(32), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("demo_as_of", sa.Date(), nullable=True),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tenants")),
        sa.UniqueConstraint("key", name=op.f("uq_tenants_key")),
    )
    op.create_table(
        "conversations",
        sa.Column("platform", sa.String(length=16), nullable=False),
        sa.Column("key", exact(128), nullable=False),
        sa.Column("is_group", sa.Boolean(), nullable=False),
        sa.Column("context", sa.JSON(), nullable=False),
        sa.Column("updated_at", INSTANT, nullable=False),
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_conversations_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_conversations")),
        sa.UniqueConstraint("tenant_id", "platform", "key", name=op.f("uq_conversations_tenant_id_platform_key")),
    )
    op.create_index(op.f("ix_conversations_tenant_id"), "conversations", ["tenant_id"])

    op.create_table(
        "inbox",
        sa.Column("platform", sa.String(length=16), nullable=False),
        sa.Column("dedupe_key", exact(191), nullable=False),
        sa.Column("conversation_key", exact(128), nullable=False),
        sa.Column("update", sa.JSON(), nullable=False),
        sa.Column("status", sa.String(length=8), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("owner", sa.String(length=64), nullable=True),
        sa.Column("lease_until", INSTANT, nullable=True),
        sa.Column("error", sa.String(length=500), nullable=True),
        sa.Column("received_at", INSTANT, nullable=False),
        sa.Column("finished_at", INSTANT, nullable=True),
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_inbox_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_inbox")),
        sa.UniqueConstraint("tenant_id", "platform", "dedupe_key", name=op.f("uq_inbox_tenant_id_platform_dedupe_key")),
    )
    op.create_index("ix_inbox_conversation", "inbox", ["tenant_id", "platform", "conversation_key", "status"])
    op.create_index(op.f("ix_inbox_tenant_id"), "inbox", ["tenant_id"])
    op.create_index("ix_inbox_work", "inbox", ["status", "id"])

    op.create_table(
        "kb_documents",
        sa.Column("slug", sa.String(length=64), nullable=False),
        sa.Column("title", sa.String(length=128), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("tags", sa.JSON(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("content_hash", sa.String(length=64), nullable=False),
        sa.Column("embedder", sa.String(length=64), nullable=False),
        sa.Column("embedding", sa.LargeBinary(length=16384), nullable=False),
        sa.Column("updated_at", INSTANT, nullable=False),
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_kb_documents_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_kb_documents")),
        sa.UniqueConstraint("tenant_id", "slug", name=op.f("uq_kb_documents_tenant_id_slug")),
    )
    op.create_index(op.f("ix_kb_documents_tenant_id"), "kb_documents", ["tenant_id"])

    op.create_table(
        "products",
        sa.Column("sku", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("category", sa.String(length=32), nullable=False),
        sa.Column("material", sa.String(length=64), nullable=False),
        sa.Column("price", MONEY, nullable=False),
        sa.Column("colors", sa.JSON(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_products_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_products")),
        sa.UniqueConstraint("tenant_id", "sku", name=op.f("uq_products_tenant_id_sku")),
    )
    op.create_index(op.f("ix_products_tenant_id"), "products", ["tenant_id"])

    op.create_table(
        "staff",
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_staff_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_staff")),
    )
    op.create_index(op.f("ix_staff_tenant_id"), "staff", ["tenant_id"])

    op.create_table(
        "stores",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("city", sa.String(length=32), nullable=False),
        sa.Column("adcode", sa.String(length=6), nullable=False),
        sa.Column("lat", sa.Double(), nullable=False),
        sa.Column("lon", sa.Double(), nullable=False),
        sa.Column("opens_at", sa.String(length=5), nullable=False),
        sa.Column("closes_at", sa.String(length=5), nullable=False),
        sa.Column("timezone", sa.String(length=40), nullable=False),
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_stores_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stores")),
        sa.UniqueConstraint("tenant_id", "name", name=op.f("uq_stores_tenant_id_name")),
    )
    op.create_index(op.f("ix_stores_tenant_id"), "stores", ["tenant_id"])

    op.create_table(
        "action_logs",
        sa.Column("idempotency_key", exact(80), nullable=False),
        sa.Column("action", sa.String(length=32), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("staff_id", KEY, nullable=False),
        sa.Column("request", sa.JSON(), nullable=False),
        sa.Column("response", sa.JSON(), nullable=True),
        sa.Column("error", sa.String(length=500), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("owner", sa.String(length=64), nullable=True),
        sa.Column("lease_until", INSTANT, nullable=True),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("updated_at", INSTANT, nullable=False),
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name=op.f("fk_action_logs_staff_id")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_action_logs_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_action_logs")),
        sa.UniqueConstraint("tenant_id", "idempotency_key", name=op.f("uq_action_logs_tenant_id_idempotency_key")),
    )
    op.create_index(op.f("ix_action_logs_tenant_id"), "action_logs", ["tenant_id"])

    op.create_table(
        "campaigns",
        sa.Column("idempotency_key", exact(64), nullable=False),
        sa.Column("goal", sa.String(length=255), nullable=False),
        sa.Column("plan", sa.JSON(), nullable=False),
        sa.Column("budget", MONEY, nullable=False),
        sa.Column("starts_on", sa.Date(), nullable=False),
        sa.Column("ends_on", sa.Date(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("staff_id", KEY, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name=op.f("fk_campaigns_staff_id")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_campaigns_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_campaigns")),
        sa.UniqueConstraint("tenant_id", "idempotency_key", name=op.f("uq_campaigns_tenant_id_idempotency_key")),
    )
    op.create_index(op.f("ix_campaigns_tenant_id"), "campaigns", ["tenant_id"])

    op.create_table(
        "cards",
        sa.Column("public_id", exact(64), nullable=False),
        sa.Column("conversation_id", KEY, nullable=True),
        sa.Column("platform", sa.String(length=16), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("staff_id", KEY, nullable=True),
        sa.Column("content", sa.JSON(), nullable=False),
        sa.Column("buttons", sa.JSON(), nullable=False),
        sa.Column("address", sa.JSON(), nullable=False),
        sa.Column("handle", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("updated_at", INSTANT, nullable=False),
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["conversation_id"], ["conversations.id"], name=op.f("fk_cards_conversation_id")),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name=op.f("fk_cards_staff_id")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_cards_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cards")),
        sa.UniqueConstraint("public_id", name=op.f("uq_cards_public_id")),
    )
    op.create_index(op.f("ix_cards_tenant_id"), "cards", ["tenant_id"])

    op.create_table(
        "daily_sales",
        sa.Column("store_id", KEY, nullable=False),
        sa.Column("business_date", sa.Date(), nullable=False),
        sa.Column("channel", sa.String(length=16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("orders", sa.Integer(), nullable=False),
        sa.Column("units", sa.Integer(), nullable=False),
        sa.Column("total_amount", MONEY, nullable=False),
        sa.Column("discount_amount", MONEY, nullable=False),
        sa.Column("pay_amount", MONEY, nullable=False),
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["store_id"], ["stores.id"], name=op.f("fk_daily_sales_store_id")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_daily_sales_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_daily_sales")),
        sa.UniqueConstraint(
            "tenant_id",
            "store_id",
            "business_date",
            "channel",
            name=op.f("uq_daily_sales_tenant_id_store_id_business_date_channel"),
        ),
    )
    op.create_index(op.f("ix_daily_sales_tenant_id"), "daily_sales", ["tenant_id"])

    op.create_table(
        "members",
        sa.Column("store_id", KEY, nullable=False),
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("gender", sa.String(length=8), nullable=False),
        sa.Column("birth_calendar", sa.String(length=5), nullable=False),
        sa.Column("birth_year", sa.Integer(), nullable=True),
        sa.Column("birth_month", sa.Integer(), nullable=False),
        sa.Column("birth_day", sa.Integer(), nullable=False),
        sa.Column("phone_encrypted", sa.LargeBinary(length=255), nullable=True),
        sa.Column("level", sa.String(length=16), nullable=False),
        sa.Column("total_spent", MONEY, nullable=False),
        sa.Column("joined_at", INSTANT, nullable=False),
        sa.Column("first_paid_at", INSTANT, nullable=True),
        sa.Column("preferences", sa.JSON(), nullable=False),
        sa.Column("do_not_disturb", sa.Boolean(), nullable=False),
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["store_id"], ["stores.id"], name=op.f("fk_members_store_id")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_members_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_members")),
    )
    op.create_index(
        "ix_members_birthday", "members", ["tenant_id", "store_id", "birth_calendar", "birth_month", "birth_day"]
    )
    op.create_index(op.f("ix_members_first_paid_at"), "members", ["first_paid_at"])
    op.create_index(op.f("ix_members_tenant_id"), "members", ["tenant_id"])

    op.create_table(
        "messages",
        sa.Column("conversation_id", KEY, nullable=False),
        sa.Column("inbox_id", KEY, nullable=True),
        sa.Column("direction", sa.String(length=3), nullable=False),
        sa.Column("staff_id", KEY, nullable=True),
        sa.Column("intent", sa.String(length=16), nullable=True),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["conversation_id"], ["conversations.id"], name=op.f("fk_messages_conversation_id")),
        sa.ForeignKeyConstraint(["inbox_id"], ["inbox.id"], name=op.f("fk_messages_inbox_id")),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name=op.f("fk_messages_staff_id")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_messages_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_messages")),
    )
    op.create_index("ix_messages_conversation", "messages", ["conversation_id", "id"])
    op.create_index(op.f("ix_messages_tenant_id"), "messages", ["tenant_id"])

    op.create_table(
        "schedules",
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("store_id", KEY, nullable=True),
        sa.Column("at", sa.String(length=5), nullable=False),
        sa.Column("grace_minutes", sa.Integer(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["store_id"], ["stores.id"], name=op.f("fk_schedules_store_id")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_schedules_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_schedules")),
    )
    op.create_index(op.f("ix_schedules_tenant_id"), "schedules", ["tenant_id"])

    op.create_table(
        "staff_identities",
        sa.Column("staff_id", KEY, nullable=False),
        sa.Column("platform", sa.String(length=16), nullable=False),
        sa.Column("user_id", caseless(64), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name=op.f("fk_staff_identities_staff_id")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_staff_identities_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_staff_identities")),
        sa.UniqueConstraint(
            "tenant_id", "platform", "user_id", name=op.f("uq_staff_identities_tenant_id_platform_user_id")
        ),
    )
    op.create_index(op.f("ix_staff_identities_staff_id"), "staff_identities", ["staff_id"])
    op.create_index(op.f("ix_staff_identities_tenant_id"), "staff_identities", ["tenant_id"])

    op.create_table(
        "staff_stores",
        sa.Column("staff_id", KEY, nullable=False),
        sa.Column("store_id", KEY, nullable=False),
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name=op.f("fk_staff_stores_staff_id")),
        sa.ForeignKeyConstraint(["store_id"], ["stores.id"], name=op.f("fk_staff_stores_store_id")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_staff_stores_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_staff_stores")),
        sa.UniqueConstraint("staff_id", "store_id", name=op.f("uq_staff_stores_staff_id_store_id")),
    )
    op.create_index(op.f("ix_staff_stores_tenant_id"), "staff_stores", ["tenant_id"])

    op.create_table(
        "coupons",
        sa.Column("campaign_id", KEY, nullable=True),
        sa.Column("crm_id", sa.String(length=64), nullable=True),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("type", sa.String(length=16), nullable=False),
        sa.Column("threshold", MONEY, nullable=False),
        sa.Column("value", MONEY, nullable=False),
        sa.Column("max_redemptions", sa.Integer(), nullable=False),
        sa.Column("starts_at", INSTANT, nullable=False),
        sa.Column("ends_at", INSTANT, nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["campaign_id"], ["campaigns.id"], name=op.f("fk_coupons_campaign_id")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_coupons_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_coupons")),
    )
    op.create_index(op.f("ix_coupons_tenant_id"), "coupons", ["tenant_id"])

    op.create_table(
        "feedback",
        sa.Column("message_id", KEY, nullable=True),
        sa.Column("staff_id", KEY, nullable=False),
        sa.Column("verdict", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.String(length=255), nullable=True),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["message_id"], ["messages.id"], name=op.f("fk_feedback_message_id")),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name=op.f("fk_feedback_staff_id")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_feedback_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_feedback")),
    )
    op.create_index(op.f("ix_feedback_tenant_id"), "feedback", ["tenant_id"])

    op.create_table(
        "orders",
        sa.Column("store_id", KEY, nullable=False),
        sa.Column("member_id", KEY, nullable=True),
        sa.Column("channel", sa.String(length=16), nullable=False),
        sa.Column("status", sa.String(length=8), nullable=False),
        sa.Column("total_amount", MONEY, nullable=False),
        sa.Column("discount_amount", MONEY, nullable=False),
        sa.Column("pay_amount", MONEY, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("business_date", sa.Date(), nullable=False),
        sa.Column("business_hour", sa.Integer(), nullable=False),
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["member_id"], ["members.id"], name=op.f("fk_orders_member_id")),
        sa.ForeignKeyConstraint(["store_id"], ["stores.id"], name=op.f("fk_orders_store_id")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_orders_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_orders")),
    )
    op.create_index(op.f("ix_orders_created_at"), "orders", ["created_at"])
    op.create_index("ix_orders_day", "orders", ["tenant_id", "business_date"])
    op.create_index("ix_orders_member", "orders", ["tenant_id", "member_id", "business_date"])
    op.create_index("ix_orders_store_day", "orders", ["tenant_id", "store_id", "business_date"])
    op.create_index(op.f("ix_orders_tenant_id"), "orders", ["tenant_id"])

    op.create_table(
        "outbox",
        sa.Column("platform", sa.String(length=16), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("dedupe_key", exact(191), nullable=False),
        sa.Column("conversation_key", exact(128), nullable=False),
        sa.Column("address", sa.JSON(), nullable=False),
        sa.Column("message", sa.JSON(), nullable=False),
        sa.Column("card_id", KEY, nullable=True),
        sa.Column("inbox_id", KEY, nullable=True),
        sa.Column("store_id", KEY, nullable=True),
        sa.Column("staff_id", KEY, nullable=True),
        sa.Column("due_date", sa.Date(), nullable=True),
        sa.Column("status", sa.String(length=8), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("pieces_sent", sa.Integer(), nullable=False),
        sa.Column("not_before", INSTANT, nullable=False),
        sa.Column("expire_at", INSTANT, nullable=True),
        sa.Column("owner", sa.String(length=64), nullable=True),
        sa.Column("lease_until", INSTANT, nullable=True),
        sa.Column("payloads", sa.JSON(), nullable=True),
        sa.Column("receipt", sa.JSON(), nullable=True),
        sa.Column("error", sa.String(length=500), nullable=True),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("sent_at", INSTANT, nullable=True),
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["card_id"], ["cards.id"], name=op.f("fk_outbox_card_id")),
        sa.ForeignKeyConstraint(["inbox_id"], ["inbox.id"], name=op.f("fk_outbox_inbox_id")),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name=op.f("fk_outbox_staff_id")),
        sa.ForeignKeyConstraint(["store_id"], ["stores.id"], name=op.f("fk_outbox_store_id")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_outbox_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
        sa.UniqueConstraint("tenant_id", "dedupe_key", name=op.f("uq_outbox_tenant_id_dedupe_key")),
        sa.UniqueConstraint(
            "tenant_id",
            "store_id",
            "staff_id",
            "kind",
            "due_date",
            name=op.f("uq_outbox_tenant_id_store_id_staff_id_kind_due_date"),
        ),
    )
    op.create_index("ix_outbox_conversation", "outbox", ["tenant_id", "platform", "conversation_key", "status"])
    op.create_index(op.f("ix_outbox_tenant_id"), "outbox", ["tenant_id"])
    op.create_index("ix_outbox_work", "outbox", ["status", "not_before", "id"])

    op.create_table(
        "tasks",
        sa.Column("store_id", KEY, nullable=False),
        sa.Column("staff_id", KEY, nullable=False),
        sa.Column("member_id", KEY, nullable=True),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("title", sa.String(length=64), nullable=False),
        sa.Column("draft", sa.Text(), nullable=False),
        sa.Column("due_date", sa.Date(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.String(length=255), nullable=True),
        sa.Column("evidence", sa.JSON(), nullable=True),
        sa.Column("dedupe_key", exact(96), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("done_at", INSTANT, nullable=True),
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["member_id"], ["members.id"], name=op.f("fk_tasks_member_id")),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name=op.f("fk_tasks_staff_id")),
        sa.ForeignKeyConstraint(["store_id"], ["stores.id"], name=op.f("fk_tasks_store_id")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_tasks_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tasks")),
        sa.UniqueConstraint("tenant_id", "dedupe_key", name=op.f("uq_tasks_tenant_id_dedupe_key")),
    )
    op.create_index("ix_tasks_open", "tasks", ["tenant_id", "staff_id", "due_date", "state"])
    op.create_index(op.f("ix_tasks_tenant_id"), "tasks", ["tenant_id"])

    op.create_table(
        "member_coupons",
        sa.Column("coupon_id", KEY, nullable=False),
        sa.Column("member_id", KEY, nullable=False),
        sa.Column("status", sa.String(length=8), nullable=False),
        sa.Column("issued_at", INSTANT, nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
        sa.Column("used_at", INSTANT, nullable=True),
        sa.Column("order_id", KEY, nullable=True),
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["coupon_id"], ["coupons.id"], name=op.f("fk_member_coupons_coupon_id")),
        sa.ForeignKeyConstraint(["member_id"], ["members.id"], name=op.f("fk_member_coupons_member_id")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_member_coupons_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_member_coupons")),
    )
    op.create_index("ix_member_coupons_expiry", "member_coupons", ["tenant_id", "expires_at"])
    op.create_index(op.f("ix_member_coupons_member_id"), "member_coupons", ["member_id"])
    op.create_index(op.f("ix_member_coupons_tenant_id"), "member_coupons", ["tenant_id"])

    op.create_table(
        "order_items",
        sa.Column("order_id", KEY, nullable=False),
        sa.Column("product_id", KEY, nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("price", MONEY, nullable=False),
        sa.Column("amount", MONEY, nullable=False),
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_order_items_order_id")),
        sa.ForeignKeyConstraint(["product_id"], ["products.id"], name=op.f("fk_order_items_product_id")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_order_items_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_order_items")),
    )
    op.create_index(op.f("ix_order_items_order_id"), "order_items", ["order_id"])
    op.create_index(op.f("ix_order_items_tenant_id"), "order_items", ["tenant_id"])


def downgrade() -> None:
    for table in reversed(TABLES):
        op.drop_table(table)
