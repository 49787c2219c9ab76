"""WeCom's aibot (智能机器人), called at our address or through a socket of ours."""

from __future__ import annotations

from bot.config import AibotSettings
from bot.platforms.aibot.platform_socket import AibotSocketPlatform
from bot.platforms.aibot.platform_url import AibotUrlPlatform
from bot.platforms.base import Platform
from bot.platforms.services import Services


def open_aibot(
    settings: AibotSettings, services: Services, app: Platform | None = None
) -> AibotUrlPlatform | AibotSocketPlatform:
    """Return the bot in the mode of its settings; `app` is the tenant's self-built app, if it has one."""
    if settings.mode == "socket":
        return AibotSocketPlatform(settings, services, app)
    return AibotUrlPlatform(settings, services, app)
