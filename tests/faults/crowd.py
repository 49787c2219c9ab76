"""People who write to the bot as the platforms deliver it: each waits for its acknowledgement before the next line."""

from __future__ import annotations

import asyncio
import itertools
import secrets
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager, suppress

import aiohttp

from bot.sandbox.dingtalk_frames import MESSAGE_TOPIC, bot_message
from bot.sandbox.dingtalk_gateway import NotConnected
from bot.sandbox.wecom_callbacks import Callback
from tests.faults.installation import Installation
from tests.faults.replica import Replica

# Five seconds for an answer, three attempts in all (WeCom doc 90238).
ANSWER_SECONDS = 5.0
ATTEMPTS = 3
# DingTalk gives up after two seconds and delivers the same message under a new frame id.
ACK_SECONDS = 2.0
PAUSE_SECONDS = 0.05
# WeCom takes 30 messages a minute to one person; a chat of half a minute stays below.
CHAT_SECONDS = 1.0
BACK_SECONDS = 60.0


class Crowd:
    """Writes to an installation; what was acknowledged is noted there.

    Callbacks go to one replica after another, as a load balancer sends them. While none listens, an attempt waits for
    one: so a test may take its time to start the next process and an attempt still counts as one.
    """

    def __init__(self, at: Installation) -> None:
        self.at = at
        self.refused: list[int] = []
        self._next = itertools.count()
        self._run = secrets.token_hex(3)

    def text(self, what: str = "喊") -> str:
        """Return a text nobody has said before."""
        return f"{what}：{self._run}n{next(self._next):04}"

    async def talk(
        self, users: Sequence[str], lines: int, platform: str = "wecom", what: str = "喊", pause: float = PAUSE_SECONDS
    ) -> int:
        """Have every user write some lines, all users at once; return how many lines were acknowledged."""
        once = [self._lines(user, platform, what, pause, range(lines)) for user in users]
        return sum(await asyncio.gather(*once))

    @asynccontextmanager
    async def talking(
        self, users: Sequence[str], platform: str = "wecom", what: str = "喊", pause: float = CHAT_SECONDS
    ) -> AsyncIterator[None]:
        """Keep every user writing while the block runs; it ends when their last lines are acknowledged or given up."""
        on = [True]
        more = iter(lambda: on[0], False)
        tasks = [asyncio.create_task(self._lines(user, platform, what, pause, more)) for user in users]
        try:
            yield
        finally:
            on.clear()
            on.append(False)
            await asyncio.gather(*tasks)

    async def _lines(self, user: str, platform: str, what: str, pause: float, times: Iterable[object]) -> int:
        say = self.say_wecom if platform == "wecom" else self.say_dingtalk
        taken = 0
        for _ in times:
            taken += await say(user, self.text(what))
            await asyncio.sleep(pause)
        return taken

    async def say_wecom(self, user: str, text: str) -> bool:
        """Post a callback as WeCom does, three times at most; whether it was acknowledged."""
        callback = self.callback(user, text)
        for _ in range(ATTEMPTS):
            if await self.post_to(await self._anyone(), callback) == 200:
                self.at.note("wecom", user, text)
                return True
        return False

    def callback(self, user: str, text: str) -> Callback:
        """Return the callback of a text that was typed now."""
        return self.at.wecom.cloud.callbacks.message(user, "text", {"Content": text})

    async def say_dingtalk(self, user: str, text: str) -> bool:
        """Push a frame as DingTalk does, again under another frame id; whether it was acknowledged."""
        cloud, data = self.at.dingtalk.cloud, None
        for _ in range(ATTEMPTS):
            with suppress(TimeoutError, NotConnected, ConnectionError):
                await self._linked()
                link = cloud.gateway.any_link()
                data = data or bot_message(cloud._written(user, text, cloud.open_session(link.base, user)))
                await cloud.push(MESSAGE_TOPIC, data, link=link, seconds=ACK_SECONDS)
                self.at.note("dingtalk", user, text)
                return True
        return False

    async def post_to(self, replica: Replica, callback: Callback) -> int:
        """Return the status one replica answers a callback with, 0 for none."""
        return await self.post_at(replica.base, callback)

    async def post_at(self, base: str, callback: Callback) -> int:
        """Return the status an address answers a callback with, 0 for none."""
        url, timeout = f"{base}/wecom/acme/app", aiohttp.ClientTimeout(ANSWER_SECONDS)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout) as http,
                http.post(url, params=callback.query, data=callback.body) as response,
            ):
                await response.read()
                status = response.status
        except (aiohttp.ClientError, TimeoutError):
            status = 0
        if status != 200:
            self.refused.append(status)
        return status

    async def _anyone(self) -> Replica:
        """Return the next replica that listens, waiting until there is one."""
        async with asyncio.timeout(BACK_SECONDS):
            while True:
                living = [replica for replica in self.at.replicas if replica.alive]
                for _ in living:
                    replica = living[next(self._next) % len(living)]
                    if await _listens(replica):
                        return replica
                await asyncio.sleep(0.05)

    async def _linked(self) -> None:
        async with asyncio.timeout(BACK_SECONDS):
            while not self.at.dingtalk.cloud.links:  # noqa: ASYNC110 (a socket that opens tells nobody)
                await asyncio.sleep(0.05)


async def _listens(replica: Replica) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", replica.port)
    except OSError:
        return False
    writer.close()
    return True
