"""The demo's other side: pretend WeCom and DingTalk on a loopback port of their own, with phones before them.

    phone → pretend cloud → encrypted callback or Stream frame → the bot → its HTTP call → pretend cloud → phone

The bot reaches the clouds over HTTP and a websocket with the code it uses for the real ones; nothing here calls
into it.
"""

from __future__ import annotations

import json
import socket
from collections import OrderedDict
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from aiohttp import web

from bot.config import TenantSettings
from bot.platforms.wecom.menu import DEFAULT_MENU
from bot.sandbox.accounts import (
    DINGTALK_PREFIX,
    WECOM_PREFIX,
    Running,
    accounts,
    forget_running,
    note_running,
    wecom_account,
)
from bot.sandbox.changes import Changes
from bot.sandbox.dingtalk_cloud import DingtalkCloud
from bot.sandbox.dingtalk_gateway import NotConnected
from bot.sandbox.journeys import Journey, Journeys
from bot.sandbox.keys import load_keys
from bot.sandbox.phones import Phones
from bot.sandbox.wecom_callbacks import Callback, deliver
from bot.sandbox.wecom_cloud import WecomCloud
from bot.sandbox.wecom_media import MAX_REQUEST_BYTES
from bot.sandbox.wecom_presses import Chosen, NotOnPhone

HOST = "127.0.0.1"
FRAMES_KEPT = 200
SHUTDOWN_SECONDS = 1.0


class NotDelivered(Exception):
    """What was typed or pressed did not reach the bot."""


class NoSuchButton(Exception):
    """The phone shows no such card or button any more."""


class DemoStage:
    """Two clouds, the phones of everybody invited, and what travelled between them and the bot."""

    def __init__(self, state_directory: Path) -> None:
        self._directory = state_directory
        self._keys = load_keys(state_directory)
        # Bound now and served later, so that the address is known before anything is configured with it.
        self._socket = socket.create_server((HOST, 0))
        self.base_url = f"http://{HOST}:{self._socket.getsockname()[1]}"
        self.phones = Phones(state_directory / "phones.db")
        self.changes = Changes(self.phones)
        self.journeys = Journeys()
        self.wecom = WecomCloud(self.phones, wecom_account(self._keys, self.base_url), [])
        keys = self._keys
        self.dingtalk = DingtalkCloud(self.phones, keys.client_id, keys.client_secret, keys.robot_code)
        self.wecom.menus.shown = list(DEFAULT_MENU["button"])
        self.dingtalk.travellers.append(self._hear)
        self._frames: OrderedDict[str, dict[str, Any]] = OrderedDict()
        self._runner: web.AppRunner | None = None
        self._http: httpx.AsyncClient | None = None

    def tenant_settings(self) -> TenantSettings:
        """Return the accounts of both clouds, as an administrator would write them into the configuration."""
        return accounts(self._keys, self.base_url)

    def invite(self, members: Iterable[str], colleagues: Iterable[str] = ()) -> None:
        """Give these user ids of WeCom and of DingTalk a phone; nobody else can be written to."""
        self.wecom.members |= {member.casefold() for member in members}
        self.dingtalk.book.open_to(colleagues)

    def listens(self, server: str) -> None:
        """Write down where the bot's server is, for `daogou doctor` of another process."""
        note_running(self._directory, Running(self.base_url, server))

    async def open(self) -> None:
        """Serve both clouds."""
        app = web.Application(client_max_size=MAX_REQUEST_BYTES)
        app.add_routes(self.wecom.routes(WECOM_PREFIX))
        self.dingtalk.add_to(app, DINGTALK_PREFIX)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_SECONDS)
        await self._runner.setup()
        await web.SockSite(self._runner, self._socket).start()
        self._http = httpx.AsyncClient(trust_env=False)

    async def close(self) -> None:
        """Stop serving and close the phones' file."""
        forget_running(self._directory, self.base_url)
        self.changes.close()
        if self._http is not None:
            await self._http.aclose()
        if self._runner is not None:
            await self._runner.cleanup()
        self._socket.close()
        self.phones.close()

    async def hush(self, _app: web.Application | None = None) -> None:
        """End the pages' event streams; for `on_shutdown` of the server that carries them."""
        self.changes.close()

    async def say(self, platform: str, user_id: str, text: str, callback_url: str) -> None:
        """Type a text on a phone and let it travel; `NotDelivered` when nobody takes it."""
        if platform == "wecom":
            await self._post(user_id, self.wecom.type_text(user_id, text), callback_url)
            return
        started = datetime.now(UTC)
        try:
            ack = await self.dingtalk.say(user_id, text)
        except (NotConnected, TimeoutError) as error:
            raise NotDelivered from error
        self._note_frame(user_id, started, ack)

    async def press(
        self, platform: str, user_id: str, message_id: str, button: str, callback_url: str, chosen: Chosen | None = None
    ) -> None:
        """Press a button on a phone and let that travel; `NoSuchButton` when the phone does not show it.

        `chosen` are the options picked on the card by question.
        """
        started = datetime.now(UTC)
        try:
            if platform == "wecom":
                await self._post(user_id, self.wecom.press(user_id, message_id, button, chosen), callback_url)
                return
            self._check_button(user_id, message_id, button)
            ack = await self.dingtalk.press(user_id, message_id, button)
        except (NotOnPhone, LookupError) as error:
            raise NoSuchButton from error
        except (NotConnected, TimeoutError) as error:
            raise NotDelivered from error
        self._note_frame(user_id, started, ack)

    async def _post(self, user_id: str, callback: Callback, url: str) -> None:
        """Carry a callback to the bot as WeCom does and remember what travelled."""
        if self._http is None:
            raise NotDelivered
        wire = {
            "method": "POST",
            "url": url,
            "query": callback.query,
            "body": callback.body.decode(),
            "decrypted": callback.xml,
        }
        self.journeys.note(Journey("wecom", user_id, datetime.now(UTC), wire))
        if not await deliver(self._http, url, callback):
            raise NotDelivered

    def _hear(self, what: str, body: dict[str, Any]) -> None:
        """Keep every frame until its acknowledgement says whose it was."""
        if what != "frame":
            return
        self._frames[str(body["headers"]["messageId"])] = body
        if len(self._frames) > FRAMES_KEPT:
            self._frames.popitem(last=False)

    def _note_frame(self, user_id: str, left_at: datetime, ack: dict[str, Any]) -> None:
        frame = self._frames.pop(str(ack["headers"].get("messageId")), None)
        if frame is not None:
            self.journeys.note(Journey("dingtalk", user_id, left_at, {"frame": frame, "ack": ack}))

    def _check_button(self, user_id: str, message_id: str, button: str) -> None:
        """Refuse what the phone does not show; the pretend cloud itself passes every id on, as DingTalk does."""
        shown = next((one for one in self.phones.find("dingtalk", message_id) if one.user_id == user_id), None)
        if shown is None or button not in _button_ids(shown.payload):
            raise NoSuchButton


def _button_ids(payload: dict[str, Any]) -> set[str]:
    params = payload.get("cardParamMap") or {}
    full = json.loads(params.get("sys_full_json_obj") or "{}")
    return {str(button.get("id")) for button in full.get("msgButtons") or []}
