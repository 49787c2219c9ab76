"""The doors to the database."""

from __future__ import annotations

import socket

from sqlalchemy import text

from db.engine import VANISHED, Database


async def test_a_server_that_vanishes_is_noticed(database: Database) -> None:
    """A machine that loses its power closes no connection: the system is told to ask."""
    if database.is_sqlite:
        return
    async with database.reader.connect() as connection:
        await connection.execute(text("SELECT 1"))
        raw = await connection.get_raw_connection()
        assert raw.driver_connection is not None
        wire = raw.driver_connection._writer.get_extra_info("socket")
        assert wire.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        set_to = {name: wire.getsockopt(socket.IPPROTO_TCP, getattr(socket, name)) for name in VANISHED}
    assert set_to == VANISHED
