"""Asking somebody over HTTP: within a few seconds, with what went wrong told apart, and what their clock said."""

from __future__ import annotations

import socket
import ssl
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Literal

import httpx

from bot.web.gate import DOCTOR

SECONDS = 5.0
CONNECT_SECONDS = 3.0
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})

Trouble = Literal["dns", "refused", "certificate", "timeout", "address", "broken"]
WORDS: Mapping[Trouble, str] = {
    "dns": "域名解析不到",
    "refused": "连接被拒绝，没有程序在听",
    "certificate": "HTTPS 证书有问题",
    "timeout": "没有在几秒内应答",
    "address": "地址写得不对",
    "broken": "连接中断",
}


class Unreachable(Exception):
    """No HTTP answer came; `trouble` says in which way, `detail` more of it, never an address."""

    def __init__(self, trouble: Trouble, detail: str = "") -> None:
        super().__init__(trouble)
        self.trouble: Trouble = trouble
        self.detail = detail

    @property
    def words(self) -> str:
        """What went wrong, in Chinese."""
        return f"{WORDS[self.trouble]}（{self.detail}）" if self.detail else WORDS[self.trouble]


@dataclass(frozen=True, slots=True)
class ClockSample:
    """How far our clock is ahead of somebody's."""

    whose: str
    ahead: timedelta


@dataclass(slots=True)
class Web:
    """What the doctor asks with, each question for so many seconds; `samples` gathers what clocks of platforms said."""

    clock: Callable[[], datetime]
    seconds: float = SECONDS
    samples: list[ClockSample] = field(default_factory=list)

    @asynccontextmanager
    async def client(self, base_url: str) -> AsyncIterator[httpx.AsyncClient]:
        """Yield a client; a proxy of the environment serves the internet, not this machine."""
        try:
            outside = httpx.URL(base_url).host not in LOOPBACK
        except httpx.InvalidURL:
            outside = True
        headers = {"User-Agent": DOCTOR}
        timeout = httpx.Timeout(self.seconds, connect=min(self.seconds, CONNECT_SECONDS))
        async with httpx.AsyncClient(timeout=timeout, trust_env=outside, headers=headers) as http:
            yield http

    async def ask(
        self, http: httpx.AsyncClient, method: str, url: str, *, clock_of: str = "", **call: Any
    ) -> httpx.Response:
        """Return the answer, whatever its status; `Unreachable` without one. `clock_of` names whose time it bears."""
        try:
            response = await http.request(method, url, **call)
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            raise unreachable(error) from None
        if clock_of:
            self._note_clock(clock_of, response)
        return response

    def note_clock(self, whose: str, said: datetime) -> None:
        """Note what somebody's clock says now."""
        self.samples.append(ClockSample(whose, self.clock() - said))

    def _note_clock(self, whose: str, response: httpx.Response) -> None:
        # What a cache answers bears the time at which it was kept.
        if "Age" in response.headers:
            return
        try:
            said = parsedate_to_datetime(response.headers.get("Date", ""))
        except ValueError:
            return
        self.note_clock(whose, said if said.tzinfo else said.replace(tzinfo=UTC))


def unreachable(error: Exception) -> Unreachable:
    """Return in which way there was no answer."""
    if isinstance(error, httpx.InvalidURL | httpx.UnsupportedProtocol | ValueError):
        return Unreachable("address")
    for cause in _causes(error):
        if isinstance(cause, socket.gaierror):
            return Unreachable("dns")
        if isinstance(cause, ssl.SSLCertVerificationError):
            return Unreachable("certificate", cause.verify_message)
        if isinstance(cause, ssl.SSLError):
            return Unreachable("certificate", cause.reason or "")
        if isinstance(cause, ConnectionRefusedError):
            return Unreachable("refused")
    return Unreachable("timeout" if isinstance(error, httpx.TimeoutException) else "broken")


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and what caused it, innermost last; several addresses of one name fail as a group."""
    found: BaseException | None = error
    while found is not None:
        yield found
        if isinstance(found, BaseExceptionGroup):
            for one in found.exceptions:
                yield from _causes(one)
        found = found.__cause__ or found.__context__
