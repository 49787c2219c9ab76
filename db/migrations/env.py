"""What alembic runs to reach the database; `db.migrate` hands the connection over.

Constraint names come from the models' naming convention, and SQLite, which cannot alter a table in place, gets a
copy of it instead (batch mode).
"""

from __future__ import annotations

from alembic import context

import db.models  # noqa: F401 - registers every table
from db.base import Base
from db.migrations.drawing import different_type, draw

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,
    render_item=draw,
    compare_type=different_type,
)
with context.begin_transaction():
    context.run_migrations()
