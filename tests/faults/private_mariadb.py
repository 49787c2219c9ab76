"""A MariaDB server of one test's own, which may be stopped, killed, and made read-only."""

from __future__ import annotations

import asyncio
import getpass
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiomysql
import pytest

from tests.conftest import REQUIRED
from tests.faults.replica import free_port

START_SECONDS = 60.0
DATABASE = "daogou"
# Who may not write while the server is read-only.
BOT = "bot"


class PrivateMariadb:
    """A server with a port and a folder of its own; `url` is the bot's."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"mysql+aiomysql://{BOT}@127.0.0.1:{self.port}/{DATABASE}"
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start it and return once it answers."""
        options = {
            "datadir": self.folder,
            "user": getpass.getuser(),
            "port": self.port,
            "bind-address": "127.0.0.1",
            "socket": self.folder / "socket",
            "innodb-buffer-pool-size": "32M",
            "innodb-fast-shutdown": "1",
        }
        said = self.folder / "server.log"
        log = said.open("ab")
        arguments = [f"--{name}={value}" for name, value in options.items()]
        self._process = await asyncio.create_subprocess_exec(
            "mariadbd", "--no-defaults", *arguments, stdout=log, stderr=log
        )
        log.close()
        async with asyncio.timeout(START_SECONDS):
            while not await self._answers():
                assert self._process.returncode is None, (self.folder / "server.log").read_text(errors="replace")[
                    -2000:
                ]
                await asyncio.sleep(0.1)

    async def stop(self, number: int = signal.SIGTERM) -> None:
        """Stop it, or kill it."""
        assert self._process is not None
        self._process.send_signal(number)
        await asyncio.wait_for(self._process.wait(), START_SECONDS)

    async def close(self) -> None:
        """Leave nothing running."""
        if self._process is not None and self._process.returncode is None:
            await self.stop(signal.SIGKILL)

    async def sql(self, statement: str) -> None:
        """Run one statement as root."""
        async with self.connected("root", "mysql") as cursor:
            await cursor.execute(statement)

    @asynccontextmanager
    async def connected(self, user: str = BOT, database: str = DATABASE) -> AsyncIterator[Any]:
        """A cursor in a transaction of its own; nothing is committed by itself."""
        connection = await aiomysql.connect("127.0.0.1", user, port=self.port, db=database, autocommit=False)
        try:
            async with connection.cursor() as cursor:
                yield cursor
        finally:
            connection.close()

    async def _answers(self) -> bool:
        try:
            await self.sql("SELECT 1")
        except Exception:  # noqa: BLE001 (a server that is about to start has many ways of not answering)
            return False
        return True


@asynccontextmanager
async def private_mariadb(folder: Path) -> AsyncIterator[PrivateMariadb]:
    """A running server with an empty database; skip or fail where MariaDB is not installed."""
    if shutil.which("mariadbd") is None or shutil.which("mariadb-install-db") is None:
        message = "mariadbd is not installed"
        if REQUIRED:
            pytest.fail(message)
        pytest.skip(message)
    command = ["mariadb-install-db", "--no-defaults", f"--datadir={folder}", f"--user={getpass.getuser()}"]
    options = ["--auth-root-authentication-method=normal", "--skip-test-db"]
    made = await asyncio.create_subprocess_exec(*command, *options, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    said, _ = await made.communicate()
    assert made.returncode == 0, f"{made.returncode}: {said.decode(errors='replace')[-2000:]}"
    server = PrivateMariadb(folder)
    try:
        await server.start()
        for statement in (
            f"CREATE DATABASE {DATABASE} CHARACTER SET utf8mb4",
            f"CREATE USER {BOT}@'127.0.0.1'",
            f"CREATE USER {BOT}@'localhost'",
            f"GRANT ALL ON {DATABASE}.* TO {BOT}@'127.0.0.1'",
            f"GRANT ALL ON {DATABASE}.* TO {BOT}@'localhost'",
        ):
            await server.sql(statement)
        yield server
    finally:
        await server.close()
        shutil.rmtree(folder, ignore_errors=True)
