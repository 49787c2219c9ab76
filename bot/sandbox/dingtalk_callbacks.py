"""The pretend DingTalk's calls to the bot's own address, signed as DingTalk signs them (HTTP mode)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping

import httpx

from bot.sandbox.dingtalk_api import Json

SECONDS = 5.0


class NotTaken(Exception):
    """The bot did not take what was brought to it."""


class Callbacks:
    """Posts messages and presses."""

    def __init__(self, client_secret: str, clock: Callable[[], float]) -> None:
        self._secret = client_secret
        self._clock = clock

    async def message(self, url: str, data: Json) -> Json:
        """Bring a robot message to the address of the console and return the answer."""
        timestamp = self._now()
        sign = _sign(self._secret, f"{timestamp}\n{self._secret}")
        return await _post(url, data, {"timestamp": timestamp, "sign": sign})

    async def press(self, url: str, secret: str, data: Json) -> Json:
        """Bring the press of a card to the address that was registered and return the answer."""
        timestamp = self._now()
        signed = {"x-ddpaas-signature-timestamp": timestamp, "x-ddpaas-signature": _sign(secret, timestamp)}
        return await _post(url, data, signed)

    def _now(self) -> str:
        return str(int(self._clock() * 1000))


def _sign(secret: str, text: str) -> str:
    return base64.b64encode(hmac.new(secret.encode(), text.encode(), hashlib.sha256).digest()).decode()


async def _post(url: str, data: Json, headers: Mapping[str, str]) -> Json:
    body = json.dumps(data, ensure_ascii=False).encode()
    try:
        async with httpx.AsyncClient(timeout=SECONDS, trust_env=False) as http:
            typed = {"Content-Type": "application/json; charset=utf-8", **headers}
            response = await http.post(url, content=body, headers=typed)
    except httpx.HTTPError as error:
        raise NotTaken(type(error).__name__) from error
    if not response.is_success:
        raise NotTaken(f"HTTP {response.status_code}")
    answer = response.json()
    return answer if isinstance(answer, dict) else {}
