"""The last step before the acknowledgement: commit the update, ring the bell, nothing else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

import structlog

from bot.metrics import Metrics
from bot.worker import Doorbell
from db import inbox
from db.engine import Database
from handlers.codec import dump_update
from handlers.messages import Update

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Receiver:
    """Puts updates of every platform into the inbox."""

    database: Database
    tenant_ids: Mapping[str, int]
    bell: Doorbell
    metrics: Metrics
    clock: Callable[[], datetime]

    async def __call__(self, update: Update) -> bool:
        """Commit the update; False when this delivery was seen before. Raises when the database does not take it."""
        platform = update.address.platform
        new = await inbox.receive(
            self.database,
            tenant_id=self.tenant_ids[update.tenant],
            platform=platform,
            dedupe_key=update.dedupe_key,
            conversation_key=update.address.conversation,
            update=dump_update(update),
            now=self.clock(),
        )
        self.metrics.updates.labels(platform, "new" if new else "duplicate").inc()
        log.info("update.received", platform=platform, kind=update.kind, note=update.note, new=new)
        if new:
            self.bell.ring()
        return new
