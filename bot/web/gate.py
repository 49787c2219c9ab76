"""What every callback route notes: who got in, who was turned away, and why."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

import structlog

from bot.metrics import Metrics
from bot.reached import Reached

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Gate:
    """Counts and remembers the callbacks of every tenant; `clock` tells when they came."""

    metrics: Metrics
    reached: Reached
    tenant_ids: Mapping[str, int]
    clock: Callable[[], datetime]

    def checked(self, tenant: str, channel: str) -> None:
        """Note a check of our address that went well; what is received notes itself."""
        if tenant in self.tenant_ids:
            self.reached.accepted(self.tenant_ids[tenant], channel)

    def rejected(self, tenant: str, channel: str, reason: str) -> None:
        """Note one that could not. The sender gets no hint; the reason is ours to read."""
        self.metrics.updates.labels(channel, "rejected").inc()
        log.warning(f"{channel}.rejected", tenant=tenant, reason=reason)
        if tenant in self.tenant_ids:
            self.reached.rejected(self.tenant_ids[tenant], channel, reason)
