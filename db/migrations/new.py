"""For developers: `python -m db.migrations.new "add a column"` writes the step that the changed models need.

The models are compared with a fresh SQLite database at the newest revision. Read what comes out before committing
it: alembic sees neither renames nor what data must be carried over.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

from db.engine import Database
from db.migrate import migrate, revisions, write_revision

USAGE = '用法：python -m db.migrations.new "说明这一步做什么（英文）"'


async def new_revision(message: str) -> None:
    """Write one new file to versions/."""
    with tempfile.TemporaryDirectory() as directory:
        database = Database(f"sqlite+aiosqlite:///{Path(directory) / 'fresh.db'}")
        try:
            if revisions():
                await migrate(database)
            async with database.writer.begin() as connection:
                await connection.run_sync(write_revision, message)
        finally:
            await database.close()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(USAGE)
    asyncio.run(new_revision(sys.argv[1]))
