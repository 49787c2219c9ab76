"""The database as the place where replicas share an account's access token.

While the database is gone every process keeps a token of its own: sending goes on.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import structlog
from sqlalchemy.exc import SQLAlchemyError

from bot.platforms.access_token import StoredToken
from bot.seal import Sealer
from db.tokens import TokenRows

log = structlog.get_logger()

GONE = (SQLAlchemyError, OSError, TimeoutError)


class SharedTokenStore:
    """One account's row. `clock` tells the moment leases of the renewal are counted by."""

    def __init__(self, rows: TokenRows, sealer: Sealer, clock: Callable[[], datetime]) -> None:
        self._rows = rows
        self._sealer = sealer
        self._clock = clock

    async def read(self) -> StoredToken:
        """Return what the replicas know; nothing while the database is gone."""
        try:
            sealed, expires_at, version = await self._rows.read()
        except GONE as error:
            return self._alone(error)
        token = self._sealer.open(sealed.decode()) if sealed else ""
        return StoredToken(token, expires_at.timestamp() if expires_at else 0.0, version)

    async def take(self, version: int) -> bool:
        """Whether this process is to ask the platform."""
        try:
            return await self._rows.take(version, self._clock())
        except GONE as error:
            self._alone(error)
            return True

    async def write(self, token: str, until: float, version: int) -> None:
        """Publish a token."""
        try:
            await self._rows.write(self._sealer.seal(token).encode(), datetime.fromtimestamp(until, UTC), version)
        except GONE as error:
            self._alone(error)

    async def give_back(self, version: int) -> None:
        """Let another process ask."""
        try:
            await self._rows.give_back(version)
        except GONE as error:
            self._alone(error)

    @staticmethod
    def _alone(error: Exception) -> StoredToken:
        log.warning("token.not_shared", error=type(error).__name__)
        return StoredToken("", 0.0, 0)
