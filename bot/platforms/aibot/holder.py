"""The one socket of a bot among replicas (WeCom doc 101463: a second subscription closes the first).

    hold the lease → connect → subscribe → stay, and reconnect as long as the lease is ours
        lease lost               close the socket
        subscription refused     the next attempt waits long: attempts are counted against us
        disconnected_event       somebody else has taken over

Who took over is either a replica of ours, which then holds the lease, or a connection we know nothing of. That one
is not fought: the lease is kept without a socket for some minutes, so that none of our replicas comes back
meanwhile, and the operator is told.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import aiohttp
import structlog
from sqlalchemy.exc import SQLAlchemyError

from bot.config import AibotSettings
from bot.platforms.aibot.connection import (
    IN_TIME,
    SUBSCRIBE,
    Frame,
    Link,
    LinkTiming,
    NoAck,
    NotConnected,
    open_link,
)
from bot.platforms.aibot.decode import PLATFORM
from bot.platforms.aibot.fields import Fields
from bot.platforms.aibot.http import is_loopback
from bot.platforms.services import Services
from bot.platforms.wecom.answers import OK
from db.callback_checks import Reach, note_reach
from db.leases import give_up, hold

log = structlog.get_logger()

DISCONNECTED = "disconnected_event"
GONE = (SQLAlchemyError, OSError, TimeoutError)


class SubscriptionRefused(Exception):
    """WeCom did not accept the bot's id and secret."""


@dataclass(frozen=True, slots=True)
class HolderTiming:
    """Seconds: how long a lease lasts, how often it is renewed, how long giving it up may take; pauses; and when a
    connection counts as good.
    """

    lease: float = 30.0
    renew: float = 10.0
    first_pause: float = 1.0
    longest_pause: float = 30.0
    refused_pause: float = 60.0
    longest_refused_pause: float = 600.0
    kicked_pause: float = 300.0
    good_after: float = 60.0
    give_up: float = 2.0
    link: LinkTiming = IN_TIME

    def pause(self, failures: int, jitter: float, *, refused: bool) -> float:
        """Return the wait after so many failures in a row; `jitter`, 0 to 1, keeps replicas and bots apart."""
        first, longest = self.first_pause, self.longest_pause
        if refused:
            first, longest = self.refused_pause, self.longest_refused_pause
        doubled: float = first * 2.0 ** min(max(failures - 1, 0), 16)
        return min(doubled, longest) * (0.5 + jitter / 2)


PATIENT = HolderTiming()


class Holder:
    """Keeps the socket of one tenant's bot wherever the lease is; `on_frame` gets its callbacks in order."""

    def __init__(
        self,
        settings: AibotSettings,
        services: Services,
        on_frame: Callable[[Frame], None],
        timing: HolderTiming = PATIENT,
    ) -> None:
        self._settings = settings
        self._services = services
        self._take = on_frame
        self._timing = timing
        self._name = lease_name(services.tenant_id)
        self._log = log.bind(tenant_id=services.tenant_id)
        self._link: Link | None = None
        self._kicked = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def link(self) -> Link | None:
        """The subscribed socket, None while this process has none."""
        return self._link if self._link is not None and self._link.open else None

    def start(self) -> None:
        """Begin to try for the lease, in a task of the running loop."""
        if self._task is not None:
            raise RuntimeError("the holder is already running")
        self._task = asyncio.create_task(self._run(), name=f"aibot-holder-{self._services.tenant_id}")

    async def stop(self) -> None:
        """Close the socket and let the next replica take the lease at once; while the database hangs, it runs out."""
        task, self._task = self._task, None
        if task is None:
            return
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        try:
            async with asyncio.timeout(self._timing.give_up):
                await give_up(self._services.database, self._name, self._services.owner, self._services.steady())
        except GONE as error:
            self._log.warning("aibot.lease_not_given_up", error=type(error).__name__)

    async def _run(self) -> None:
        async with aiohttp.ClientSession(trust_env=not is_loopback(self._settings.socket_url)) as http:
            while True:
                try:
                    if await self._holds(self._timing.lease):
                        await self._while_ours(http)
                except Exception:
                    log.exception("aibot.holder_failed")
                await asyncio.sleep(self._timing.renew)

    async def _holds(self, seconds: float) -> bool | None:
        """Take or prolong the lease; False while somebody else has it, None when nobody can say."""
        services, length = self._services, timedelta(seconds=seconds)
        try:
            async with asyncio.timeout(self._timing.renew):
                return await hold(services.database, self._name, services.owner, services.steady(), length)
        except GONE as error:
            self._log.warning("aibot.lease_not_reached", error=type(error).__name__)
            return None

    async def _while_ours(self, http: aiohttp.ClientSession) -> None:
        """Return when the lease is lost, or when somebody else has taken over."""
        self._kicked.clear()
        await _first_of(self._stay_connected(http), self._keep_lease())
        if self._kicked.is_set():
            await self._stand_back()

    async def _keep_lease(self) -> None:
        """Renew the lease; return when it is somebody else's, or has run out because nobody could be asked."""
        until = self._end_of_lease()
        while True:
            await asyncio.sleep(self._timing.renew)
            end = self._end_of_lease()
            ours = await self._holds(self._timing.lease)
            if ours:
                until = end
            elif ours is False or self._services.steady() + timedelta(seconds=self._timing.renew) >= until:
                self._log.warning("aibot.lease_lost")
                return

    def _end_of_lease(self) -> datetime:
        return self._services.steady() + timedelta(seconds=self._timing.lease)

    async def _stand_back(self) -> None:
        """Leave the bot to whoever took it over."""
        pause = self._timing.kicked_pause
        if await self._holds(pause) is False:
            self._log.info("aibot.handed_over")
            return
        self._log.error("aibot.kicked", pause_seconds=pause)
        await self._note("kicked")
        await asyncio.sleep(pause)

    async def _stay_connected(self, http: aiohttp.ClientSession) -> None:
        """Connect again and again; return when somebody else has taken over."""
        failures = 0
        while not self._kicked.is_set():
            began, refused = time.monotonic(), False
            try:
                await self._be_connected(http)
            except SubscriptionRefused as error:
                refused = True
                self._log.error("aibot.subscription_refused", errcode=str(error))
                await self._note(f"subscription_refused:{error}")
            except (NotConnected, NoAck) as error:
                self._log.warning("aibot.not_connected", why=str(error))
            failures = 0 if time.monotonic() - began > self._timing.good_after else failures + 1
            if not self._kicked.is_set():
                await asyncio.sleep(self._timing.pause(failures, random.random(), refused=refused))

    async def _be_connected(self, http: aiohttp.ClientSession) -> None:
        """Return when a connection that was good has ended."""
        async with open_link(http, self._settings.socket_url, self._on_frame, self._timing.link) as link:
            await self._subscribe(link)
            self._link = link
            self._log.info("aibot.connected")
            try:
                await self._note()
                await _first_of(link.ended(), self._kicked.wait())
            finally:
                self._link = None
                self._log.info("aibot.disconnected")

    async def _subscribe(self, link: Link) -> None:
        secret = self._settings.secret
        body = {"bot_id": self._settings.bot_id, "secret": secret.get_secret_value() if secret else ""}
        ack = await link.request(SUBSCRIBE, body)
        if ack.get("errcode") != OK:
            raise SubscriptionRefused(ack.get("errcode"))

    async def _note(self, refusal: str = "") -> None:
        """Write down, for `daogou doctor`, that we got in or why we did not."""
        services, now = self._services, self._services.clock()
        reach = Reach(services.tenant_id, PLATFORM, accepted_at=now)
        if refusal:
            reach = Reach(services.tenant_id, PLATFORM, rejected_at=now, reason=refusal)
        try:
            async with asyncio.timeout(self._timing.renew), services.database.write() as session:
                await note_reach(session, reach)
        except GONE as error:
            self._log.warning("aibot.not_noted", error=type(error).__name__)

    def _on_frame(self, frame: Frame) -> None:
        if _is_disconnected(frame.body):
            self._kicked.set()
        else:
            self._take(frame)


def lease_name(tenant_id: int) -> str:
    """Return the name of the lease of a tenant's socket."""
    return f"aibot:{tenant_id}"


async def _first_of(*waits: Coroutine[Any, Any, Any]) -> None:
    """Return when one of them does."""
    tasks = [asyncio.create_task(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in tasks:
        if not task.cancelled():
            task.result()


def _is_disconnected(body: Any) -> bool:
    return Fields.of(body).inside("event").text("eventtype") == DISCONNECTED
