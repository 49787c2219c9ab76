"""What a platform may use of ours: the shared token, uploads, counts, sealing, and the names it needs for leases."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from bot.media_cache import MediaCache
from bot.platforms.access_token import TokenStore
from bot.seal import Sealer
from bot.shared_token import SharedTokenStore
from bot.usage import UsageCounter
from db.engine import Database
from db.tokens import TokenRows


@dataclass(frozen=True, slots=True)
class Services:
    """One tenant's. `owner` names this process, `clock` tells the time of day, `steady` is what leases go by."""

    tenant_id: int
    database: Database
    sealer: Sealer
    usage: UsageCounter
    owner: str
    clock: Callable[[], datetime]
    steady: Callable[[], datetime]
    tenant: str = ""  # its key in the settings, as addresses name it

    @property
    def media(self) -> MediaCache:
        """Return the tenant's uploads."""
        return MediaCache(self.database, self.tenant_id, self.clock)

    def token_store(self, account: str) -> TokenStore:
        """Return where the replicas share the access token of one account."""
        rows = TokenRows(self.database, self.tenant_id, account, self.owner)
        return SharedTokenStore(rows, self.sealer, self.steady)

    def count(self, platform: str, what: str) -> None:
        """Count one metered call or update."""
        self.usage.count(self.tenant_id, platform, what)
