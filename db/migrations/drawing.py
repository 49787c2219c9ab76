"""How the models' column types are written down in a migration, and when a database's type equals a model's.

A migration keeps the type as it was on its day, so it names plain SQLAlchemy types and none of ours.
"""

from __future__ import annotations

from typing import Any, Literal

from alembic.autogenerate.api import AutogenContext
from alembic.runtime.migration import MigrationContext
from sqlalchemy import JSON, Column, LargeBinary
from sqlalchemy.dialects import mysql

from db.base import BigId, Money, UtcDateTime

MYSQL_IMPORT = "from sqlalchemy.dialects import mysql"
TINYBLOB_BYTES = 255


def draw(kind: str, value: Any, context: AutogenContext) -> str | Literal[False]:
    """Return the source of a type of ours, or False to let alembic write it."""
    if kind != "type":
        return False
    if isinstance(value, UtcDateTime):
        context.imports.add(MYSQL_IMPORT)
        return 'sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")'
    if isinstance(value, Money):
        return "sa.Numeric(12, 2)"
    if value is BigId:
        return 'sa.BigInteger().with_variant(sa.Integer(), "sqlite")'
    return False


def different_type(
    _context: MigrationContext, _found_column: Column[Any], _column: Column[Any], found: Any, wanted: Any
) -> bool | None:
    """Return whether two types differ, False where they only look different; None leaves the judgement to alembic.

    MariaDB has no JSON type: it stores LONGTEXT with a check. MySQL makes a TINYBLOB of a BLOB(255) or shorter.
    """
    if isinstance(wanted, JSON) and isinstance(found, mysql.LONGTEXT):
        return False
    if isinstance(wanted, LargeBinary) and isinstance(found, mysql.TINYBLOB):
        return (wanted.length or TINYBLOB_BYTES + 1) > TINYBLOB_BYTES
    return None
