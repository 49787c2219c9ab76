"""The app's menu in the pretend WeCom (WeCom docs 90231–90233)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from aiohttp import web

from bot.sandbox.wecom_api import Answer, ApiError, json_body

# Errcodes of a top button and of one below it.
COUNT, TYPE, NAME, KEY, URL = (40016, 40023), (40017, 40024), (40018, 40025), (40019, 40026), (40020, 40027)
COUNTS, NAME_BYTES = (3, 5), (16, 40)
NO_MENU = 46003


class Menus:
    """One app's menu."""

    def __init__(self, agent_id: int) -> None:
        self._agent_id = str(agent_id)
        self.shown: list[dict[str, Any]] = []

    async def create(self, request: web.Request) -> Answer:
        """Answer menu/create."""
        self._check_agent(request)
        buttons = (await json_body(request)).get("button")
        if fault := next(_faults(buttons, 0), None):
            raise ApiError(fault, "invalid button")
        self.shown = list(buttons or [])
        return {}

    async def get(self, request: web.Request) -> Answer:
        """Answer menu/get."""
        self._check_agent(request)
        if not self.shown:
            raise ApiError(NO_MENU, "menu no exist")
        return {"button": self.shown}

    async def delete(self, request: web.Request) -> Answer:
        """Answer menu/delete."""
        self._check_agent(request)
        self.shown = []
        return {}

    def _check_agent(self, request: web.Request) -> None:
        if request.query.get("agentid") != self._agent_id:
            raise ApiError(40056, "invalid agentid")


def _faults(buttons: Any, level: int) -> Iterator[int]:
    if level == len(COUNTS):
        yield 40022
        return
    if not isinstance(buttons, list) or not 1 <= len(buttons) <= COUNTS[level]:
        yield COUNT[level]
        return
    for button in buttons:
        yield from _faults_of(button, level)


def _faults_of(button: dict[str, Any], level: int) -> Iterator[int]:
    if not 0 < len(str(button.get("name") or "").encode()) <= NAME_BYTES[level]:
        yield NAME[level]
    if "sub_button" in button:
        yield from _faults(button["sub_button"], level + 1)
    elif button.get("type") == "click":
        if not 0 < len(str(button.get("key") or "").encode()) <= 128:
            yield KEY[level]
    elif button.get("type") == "view":
        if not str(button.get("url") or "").startswith(("http://", "https://")):
            yield URL[level]
    else:
        yield TYPE[level]
