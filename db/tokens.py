"""Access tokens shared by replicas: one row per account, renewed by whoever takes the renewal first.

The renewal is a lease on the row, so a process that dies while it asks the platform holds the others up for
seconds only. The token itself comes sealed; nothing here can read it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import CursorResult, or_, select, update

from db.engine import Database
from db.insert_new import insert_new
from db.models import AccessTokenRow

RENEWAL = timedelta(seconds=12)  # longer than a platform may take to answer


@dataclass(frozen=True, slots=True)
class TokenRows:
    """The row of one account. `owner` names this process."""

    database: Database
    tenant_id: int
    account: str
    owner: str

    async def read(self) -> tuple[bytes | None, datetime | None, int]:
        """Return the sealed token, its end and its version; the row is made when it is missing."""
        query = select(AccessTokenRow.sealed, AccessTokenRow.expires_at, AccessTokenRow.version).where(*self._is())
        async with self.database.read() as session:
            found = (await session.execute(query)).one_or_none()
        if found is not None:
            return found.sealed, found.expires_at, found.version
        async with self.database.write() as session:
            values = {"tenant_id": self.tenant_id, "account": self.account, "version": 0}
            await insert_new(session, AccessTokenRow, values)
        return None, None, 0

    async def take(self, version: int, now: datetime) -> bool:
        """Whether the renewal of this version is ours now."""
        free = or_(AccessTokenRow.renewing_until.is_(None), AccessTokenRow.renewing_until <= now)
        values = {"renewing": self.owner, "renewing_until": now + RENEWAL}
        return await self._change(values, AccessTokenRow.version == version, free)

    async def write(self, sealed: bytes, expires_at: datetime, version: int) -> None:
        """Publish the next version, unless another process has meanwhile taken the renewal over."""
        values = {"sealed": sealed, "expires_at": expires_at, "version": version + 1}
        done = {"renewing": None, "renewing_until": None}
        await self._change(values | done, AccessTokenRow.version == version, AccessTokenRow.renewing == self.owner)

    async def give_back(self, version: int) -> None:
        """Set the renewal free."""
        mine = (AccessTokenRow.version == version, AccessTokenRow.renewing == self.owner)
        await self._change({"renewing": None, "renewing_until": None}, *mine)

    async def _change(self, values: dict[str, Any], *where: Any) -> bool:
        statement = update(AccessTokenRow).where(*self._is(), *where).values(**values)
        async with self.database.write() as session:
            result: CursorResult[Any] = await session.execute(statement)  # type: ignore[assignment]
        return result.rowcount == 1

    def _is(self) -> tuple[Any, ...]:
        return AccessTokenRow.tenant_id == self.tenant_id, AccessTokenRow.account == self.account
