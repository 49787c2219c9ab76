"""The chain of `daogou serve --demo`, whose clouds listen on a port of their own while it runs."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

from bot.config import Settings
from bot.sandbox.accounts import accounts_of, find_running
from bot.server import DEMO_TENANT

SECONDS = 1.0


async def with_running_demo(settings: Settings) -> Settings:
    """Return the settings with the accounts of a demo that runs, where no real ones are configured."""
    directory = settings.state_directory / "sandbox"
    running = find_running(directory)
    if settings.tenants or running is None or not await _listens(running.clouds):
        return settings
    parts = urlsplit(running.server)
    server = settings.server.model_copy(
        update={"host": parts.hostname, "port": parts.port, "public_url": settings.server.public_url or running.server}
    )
    tenants = {DEMO_TENANT: accounts_of(directory, running)}
    return settings.model_copy(update={"server": server, "tenants": tenants, "demo": True})


async def _listens(address: str) -> bool:
    parts = urlsplit(address)
    try:
        async with asyncio.timeout(SECONDS):
            _, writer = await asyncio.open_connection(parts.hostname, parts.port)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True
