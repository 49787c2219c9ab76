"""How often an aibot may speak in one conversation, replies and pushes together (WeCom doc 101463)."""

from __future__ import annotations

from bot.platforms.base import Rate
from handlers.messages import Address


def conversation_rates(bot: str, address: Address) -> tuple[Rate, Rate]:
    """Return the two limits that one send counts against."""
    name = f"aibot:{bot}:{address.conversation}"
    return Rate(f"{name}:minute", 30, 60), Rate(f"{name}:hour", 1000, 3600)
