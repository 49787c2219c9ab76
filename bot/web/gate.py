"""What every callback route notes: who got in, who was turned away, and why."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

import structlog
from aiohttp import web

from bot.metrics import Metrics
from bot.reached import Reached

log = structlog.get_logger()

DOCTOR = "daogou-doctor"


@dataclass(frozen=True, slots=True)
class Gate:
    """Counts and remembers the callbacks of every tenant; `clock` tells when they came."""

    metrics: Metrics
    reached: Reached
    tenant_ids: Mapping[str, int]
    clock: Callable[[], datetime]

    def checked(self, request: web.Request, channel: str) -> None:
        """Note a check of our address that went well; what is received notes itself."""
        tenant = request.match_info["tenant"]
        if tenant in self.tenant_ids and not _is_doctor(request):
            self.reached.accepted(self.tenant_ids[tenant], channel)

    def rejected(self, request: web.Request, channel: str, reason: str) -> None:
        """Note one that could not. The sender gets no hint; the reason is ours to read."""
        tenant = request.match_info["tenant"]
        self.metrics.updates.labels(channel, "rejected").inc()
        log.warning(f"{channel}.rejected", tenant=tenant, reason=reason)
        if tenant in self.tenant_ids and not _is_doctor(request):
            self.reached.rejected(self.tenant_ids[tenant], channel, reason)


def _is_doctor(request: web.Request) -> bool:
    """Whether this is `daogou doctor` trying the address: no visit of a platform, so nothing to remember."""
    return request.headers.get("User-Agent") == DOCTOR
