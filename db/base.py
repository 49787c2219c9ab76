"""The declarative base and the column types every model shares."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import BigInteger, DateTime, Dialect, ForeignKey, Integer, MetaData, Numeric, String, TypeDecorator
from sqlalchemy.dialects import mysql, sqlite
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

CENT = Decimal("0.01")

# SQLite gives rowid autoincrement to INTEGER only, MySQL wants BIGINT for 10 M orders.
BigId = BigInteger().with_variant(Integer(), "sqlite")


def key_text(length: int) -> String:
    """Return a text type that tells letters apart by case on every engine, for what platforms use as ids.

    MariaDB's default collation takes `aB` and `Ab` for the same key, which would make one of them a duplicate.
    """
    return String(length).with_variant(mysql.VARCHAR(length, collation="utf8mb4_bin"), "mysql", "mariadb")


def caseless_text(length: int) -> String:
    """Return a text type that keeps its spelling and compares without regard to case, also in a unique key."""
    return String(length).with_variant(sqlite.VARCHAR(length, collation="NOCASE"), "sqlite")


class UtcDateTime(TypeDecorator[datetime]):
    """An aware datetime, kept as naive UTC with microseconds.

    A naive value is refused: which zone it was in cannot be known afterwards.
    """

    impl = DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        """Return DATETIME(6) on MySQL, whose plain DATETIME cuts to seconds."""
        if dialect.name in {"mysql", "mariadb"}:
            return dialect.type_descriptor(mysql.DATETIME(fsp=6))
        return dialect.type_descriptor(DateTime())

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Turn an aware value into naive UTC."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a naive datetime was given where an aware one is needed")
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Turn what is stored into an aware UTC value."""
        return None if value is None else value.replace(tzinfo=UTC)


class Money(TypeDecorator[Decimal]):
    """An amount in yuan, DECIMAL(12,2), `Decimal` in Python.

    SQLite has no decimal storage; there the value travels as a float and is rounded to the cent on the way out,
    which is exact for any single amount that fits DECIMAL(12,2).
    """

    impl = Numeric(12, 2)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        """Return the plain float form on SQLite, the exact one elsewhere."""
        if dialect.name == "sqlite":
            return dialect.type_descriptor(Numeric(12, 2, asdecimal=False))
        return dialect.type_descriptor(Numeric(12, 2))

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> Decimal | float | None:
        """Hand SQLite a float; every other dialect takes the Decimal as it is."""
        return float(value) if value is not None and dialect.name == "sqlite" else value

    def process_result_value(self, value: Any, dialect: Dialect) -> Decimal | None:
        """Return the amount rounded to the cent."""
        return None if value is None else Decimal(str(value)).quantize(CENT)


class Base(DeclarativeBase):
    """The base of every model; constraint names are fixed so that migrations can drop them on both engines."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {datetime: UtcDateTime, Decimal: Money}  # noqa: RUF012 - SQLAlchemy reads it as it is


class TenantRow:
    """Mixin: a surrogate key and the tenant the row belongs to."""

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenants.id"), index=True)
