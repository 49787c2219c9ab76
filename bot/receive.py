"""The last step before the acknowledgement: make the update safe, ring the bell, nothing else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

import structlog

from bot.intake import Intake
from bot.metrics import Metrics
from bot.reached import Reached
from db.inbox import NewUpdate
from handlers.codec import dump_update
from handlers.messages import Update

log = structlog.get_logger()

KEY_CHARS = 128  # inbox.conversation_key; no platform's ids come near it


@dataclass(frozen=True, slots=True)
class Receiver:
    """Puts updates of every platform into the inbox."""

    intake: Intake
    tenant_ids: Mapping[str, int]
    ring: Callable[[], None]
    metrics: Metrics
    reached: Reached
    clock: Callable[[], datetime]

    async def __call__(self, update: Update) -> bool:
        """Return once the update is safe; False when this delivery was seen before. Raises when nothing takes it."""
        tenant_id, platform = self.tenant_ids[update.tenant], update.address.platform
        self.reached.accepted(tenant_id, platform)
        new = await self.intake.put(
            NewUpdate(
                tenant_id=tenant_id,
                platform=platform,
                dedupe_key=update.dedupe_key,
                conversation_key=update.address.conversation[:KEY_CHARS],
                update=dump_update(update),
                received_at=self.clock(),
            )
        )
        self.metrics.updates.labels(platform, "new" if new else "duplicate").inc()
        log.info("update.received", platform=platform, kind=update.kind, note=update.note, new=new)
        if new:
            self.ring()
        return new
