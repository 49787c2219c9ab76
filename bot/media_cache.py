"""What was uploaded once is not uploaded again while the platform keeps it: uploads by the digest of their bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import delete, select

from db.engine import Database
from db.insert_new import insert_new
from db.models import Media

MediaKind = Literal["image", "file", "voice", "video"]
# Returns what the platform calls the upload and how long it keeps it.
Upload = Callable[[], Awaitable[tuple[str, timedelta]]]
# An upload this close to its end is not used any more.
MARGIN = timedelta(hours=2)


@dataclass(frozen=True, slots=True)
class MediaCache:
    """The uploads of one tenant, shared by all replicas."""

    database: Database
    tenant_id: int
    clock: Callable[[], datetime]

    async def reference(self, account: str, kind: MediaKind, data: bytes, upload: Upload) -> str:
        """Return what the platform calls these bytes, uploaded now if need be."""
        digest = hashlib.sha256(data).hexdigest()
        query = select(Media.reference).where(*self._is(account, kind, digest), Media.expires_at > self.clock())
        async with self.database.read() as session:
            known = await session.scalar(query)
        if known is not None:
            return known
        reference, life = await upload()
        row = {"tenant_id": self.tenant_id, "account": account, "kind": kind, "digest": digest}
        async with self.database.write() as session:
            await session.execute(delete(Media).where(*self._is(account, kind, digest)))
            await insert_new(session, Media, row | {"reference": reference, "expires_at": self.clock() + life - MARGIN})
        return reference

    async def forget(self, account: str, kind: MediaKind, data: bytes) -> None:
        """Forget an upload that the platform does not know any more."""
        digest = hashlib.sha256(data).hexdigest()
        async with self.database.write() as session:
            await session.execute(delete(Media).where(*self._is(account, kind, digest)))

    def _is(self, account: str, kind: str, digest: str) -> tuple[Any, ...]:
        return (
            Media.tenant_id == self.tenant_id,
            Media.account == account,
            Media.kind == kind,
            Media.digest == digest,
        )
