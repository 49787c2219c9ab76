"""What is not WeCom's, or not from now: refused by the running server before anything is decrypted or stored."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable
from dataclasses import replace

import aiohttp
import pytest
from sqlalchemy import func, select

from bot.platforms.wecom.crypto import Envelope, Sealed
from bot.sandbox.wecom_callbacks import Callback, Callbacks
from db.models import Inbox
from tests.fakes.wecom import settings
from tests.faults.installation import TENANT, Installation
from tests.faults.replica import Replica

YEAR = 365 * 24 * 3600
TEXT = {"Content": "喊：旧的"}


def now() -> float:
    return time.time()


def typed(clock: Callable[[], float] = now, **account: str) -> Callback:
    """A callback as WeCom would send it, by this clock, to the app or to another one."""
    return Callbacks(settings(**account), clock).message("somebody", "text", TEXT)


def year_old() -> Callback:
    return typed(lambda: now() - YEAR)


def from_the_future() -> Callback:
    return typed(lambda: now() + 3600)


def old_with_a_fresh_timestamp() -> Callback:
    """The signature covers the timestamp."""
    old = year_old()
    return replace(old, query={**old.query, "timestamp": str(int(now()))})


def another_corp() -> Callback:
    return typed(corp_id="ww-another")


def another_token() -> Callback:
    return typed(token="another")


def another_key() -> Callback:
    return typed(aes_key="A" * 43)


def altered() -> Callback:
    """One bit of the cipher, under the signature of the whole."""
    good = typed()
    return replace(good, body=good.body.replace(b"<![CDATA[", b"<![CDATA[A", 3))


def sealed(encrypt: str) -> Callback:
    """A cipher that is properly signed."""
    app = settings()
    envelope = Envelope(app.token.get_secret_value(), app.aes_key.get_secret_value(), app.corp_id)
    stamp, nonce = str(int(now())), "1"
    query = {"msg_signature": envelope.sign(encrypt, stamp, nonce), "timestamp": stamp, "nonce": nonce}
    return Callback(query, f"<xml><Encrypt><![CDATA[{encrypt}]]></Encrypt></xml>".encode(), "")


def padded(pad: bytes) -> Callback:
    """A cipher whose plain text ends like this, properly signed."""
    app = settings()
    envelope = Envelope(app.token.get_secret_value(), app.aes_key.get_secret_value(), app.corp_id)
    plain = (b"r" * 16 + b"\x00\x00\x00\x04" + b"<a/>" + app.corp_id.encode()).ljust(96 - len(pad), b" ") + pad
    return sealed(base64.b64encode(envelope._cipher.encrypt(plain)).decode())


def seal_of(message: bytes) -> Callback:
    """A message that is no XML of WeCom's, sealed with the right key."""
    app = settings()
    envelope = Envelope(app.token.get_secret_value(), app.aes_key.get_secret_value(), app.corp_id)
    one: Sealed = envelope.seal(message, str(int(now())), "1")
    return sealed(one.encrypt)


REFUSED: dict[str, tuple[Callable[[], Callback], tuple[int, ...]]] = {
    "a year old": (year_old, (403,)),
    "an hour ahead": (from_the_future, (403,)),
    "old, with a fresh timestamp": (old_with_a_fresh_timestamp, (403,)),
    "for another corp": (another_corp, (403,)),
    "signed with another token": (another_token, (403,)),
    "sealed with another key": (another_key, (400, 403)),
    "altered": (altered, (400, 403)),
    "no base64": (lambda: sealed("***"), (400,)),
    "half a block": (lambda: sealed(base64.b64encode(b"x" * 17).decode()), (400,)),
    "a pad of nothing": (lambda: padded(b"\x00"), (400,)),
    "a pad that is too long": (lambda: padded(b"\x21" * 33), (400,)),
    "a pad that does not repeat": (lambda: padded(b"\x01\x02\x03"), (400,)),
    "no XML inside": (lambda: seal_of(b"hello"), (400,)),
    "bad UTF-8 inside": (lambda: seal_of(b"<xml><FromUserName>\xff</FromUserName></xml>"), (400,)),
    "nobody inside": (lambda: seal_of(b"<xml><MsgType>text</MsgType></xml>"), (400,)),
}


@pytest.fixture
async def server(alone: Installation) -> Replica:
    server = alone.replica()
    await server.start()
    return server


async def test_nothing_of_it_is_stored(alone: Installation, server: Replica, report: Callable[[object], None]) -> None:
    async with aiohttp.ClientSession() as http:

        async def post(callback: Callback) -> int:
            url = f"{server.base}/wecom/acme/app"
            async with http.post(url, params=callback.query, data=callback.body) as response:
                assert await response.read() == b""
                return response.status

        answers = {name: await post(make()) for name, (make, _) in REFUSED.items()}
    wrong = {name: status for name, status in answers.items() if status not in REFUSED[name][1]}
    report(f"{len(answers)} kinds refused")
    assert wrong == {}
    async with alone.database.read() as session:
        assert await session.scalar(select(func.count()).where(Inbox.tenant_id == TENANT)) == 0
    assert len(server.logged("wecom.rejected")) == len(REFUSED)
    assert "旧的" not in server.said()


async def test_a_message_repeated_within_its_five_minutes_is_one(alone: Installation, server: Replica) -> None:
    """Whoever recorded it may send it again for as long; its id is known by then."""
    callback = alone.wecom.cloud.callbacks.message(alone.people[0], "text", {"Content": "喊：一次"})
    async with aiohttp.ClientSession() as http:
        for _ in range(3):
            url = f"{server.base}/wecom/acme/app"
            async with http.post(url, params=callback.query, data=callback.body) as response:
                assert response.status == 200
    alone.note("wecom", alone.people[0], "喊：一次")
    assert (await alone.judge()).answered == 1
