"""An installation under test: its database, its servers, the pretend platforms, the people, and what they said."""

from __future__ import annotations

import asyncio
import fcntl
import os
import secrets
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, make_url

from db.engine import Database
from db.migrate import migrate
from db.models import Conversation, Inbox, Message, Outbox, Staff, StaffIdentity, StaffStore, Store, Tenant
from tests.conftest import drop_mariadb, new_mariadb
from tests.fakes.checker import (
    ECHO,
    Counts,
    Evidence,
    Line,
    push_keys_sent_twice,
    rows_by_tenant,
    rows_of,
    unfinished,
)
from tests.fakes.dingtalk import SECRET as DINGTALK_SECRET
from tests.fakes.dingtalk import FakeDingtalk, fake_dingtalk
from tests.fakes.tcp_proxy import TcpProxy
from tests.fakes.wecom import FakeWecom
from tests.faults.forks import Forks
from tests.faults.replica import Replica
from tests.rows import NOW

TENANT, BYSTANDER = 1, 2
PEOPLE = 32
LEASE_SECONDS = 2.0
SETTLE_SECONDS = 60.0
SEAL_KEY = "the-key-that-seals-in-tests"


class Installation:
    """A chain `acme` with its `people`, and another chain that nobody writes to."""

    def __init__(self, folder: Path, url: str, wecom: FakeWecom, dingtalk: FakeDingtalk, forks: Forks) -> None:
        self.folder, self.url, self._forks = folder, url, forks
        self.servers_url = url  # where the servers find the database, if by another way
        self.wecom, self.dingtalk = wecom, dingtalk
        self.database = Database(url)
        # Their own in every installation: limits of a person are counted in a Redis that all tests share.
        run = secrets.token_hex(2)
        self.people = [f"p{run}-{number:02}" for number in range(PEOPLE)]
        self.replicas: list[Replica] = []
        self.said: list[Line] = []
        self._others: Mapping[str, int] = {}
        # The servers find the index taken and answer from memory: Chroma is not what is tested here.
        (folder / "chroma").mkdir(exist_ok=True)
        self._index = (folder / "chroma" / "lock").open("w")
        fcntl.flock(self._index, fcntl.LOCK_EX)

    async def prepare(self) -> None:
        """Make the schema and the people."""
        await migrate(self.database)
        await _people(self.database, self.people)
        self._others = (await rows_by_tenant(self.database))[BYSTANDER]
        self.wecom.cloud.members |= set(self.people)

    def replica(self, name: str = "a", /, **sections: Mapping[str, Any] | str) -> Replica:
        """Return a server of this installation, not started; `sections` add to its settings."""
        settings = {**self.settings, "state_directory": str(self.folder / name)}
        for section, values in sections.items():
            settings[section] = values if isinstance(values, str) else {**settings.get(section, {}), **values}
        made = Replica(name, self.folder, settings, self._forks)
        self.replicas.append(made)
        return made

    @property
    def settings(self) -> dict[str, Any]:
        """What all servers have in common."""
        return {
            "server": {"secret_key": SEAL_KEY},
            "database": {"url": self.servers_url},
            "knowledge": {"directory": str(self.folder / "chroma")},
            "schedule": {"enabled": False},
            "cluster": {"lease_seconds": LEASE_SECONDS},
            "tenants": {
                "acme": {"wecom": _plain(self.wecom), "dingtalk": self._dingtalk()},
                "other": {"wecom": _plain(self.wecom) | {"corp_id": "ww2"}},
            },
        }

    def _dingtalk(self) -> dict[str, Any]:
        base = self.dingtalk.base
        return {
            "client_id": "dingfake",
            "client_secret": DINGTALK_SECRET,
            "robot_code": "dingfake",
            "base_url": base,
            "oapi_base_url": base,
            "calls_per_second": 1000,
        }

    def note(self, platform: str, user: str, text: str) -> None:
        """Remember that this was acknowledged."""
        self.said.append(Line(platform, user, text))

    # What is to be seen.

    def heard(self) -> list[Line]:
        """Every reply of the echo handler on every phone, oldest first on each."""
        lines = []
        for platform, phones in (("wecom", self.wecom.phones), ("dingtalk", self.dingtalk.phones)):
            for user in self.people:
                bubbles = [shown for shown in phones.screen(platform, user, 10_000) if shown.direction == "in"]
                texts = [_text(bubble.payload) for bubble in bubbles]
                lines += [Line(platform, user, t.removeprefix(ECHO)) for t in texts if t.startswith(ECHO)]
        return lines

    async def settled(self, seconds: float = SETTLE_SECONDS) -> float:
        """Wait until everything that was accepted has come to its end; return how long that took."""
        started = time.monotonic()
        while not await self._is_settled():
            assert time.monotonic() - started < seconds, await self._unsettled()
            await asyncio.sleep(0.1)
        return time.monotonic() - started

    async def _is_settled(self) -> bool:
        known = {row.line for row in await rows_of(self.database, TENANT)}
        return set(self.said) <= known and not await unfinished(self.database)

    async def _unsettled(self) -> str:
        rows = await rows_of(self.database, TENANT)
        missing = sorted(line.text for line in set(self.said) - {row.line for row in rows})
        waiting = [str(row) for row in rows if row.status not in {"done", "dead"} or "queued" in row.ends]
        return f"not settled: missing {missing[:5]}, waiting {waiting[:5]}"

    async def judge(self) -> Counts:
        """Return how everything ended; `AssertionError` names what does not hold."""
        await self.settled()
        rows, forbidden = await rows_of(self.database, TENANT), self._secrets()
        logs = [replica.log for replica in self.replicas]
        counts = Evidence(list(dict.fromkeys(self.said)), self.heard(), rows, logs, forbidden).judge()
        assert (await rows_by_tenant(self.database))[BYSTANDER] == self._others, "rows of another chain were touched"
        assert await push_keys_sent_twice(self.database) == []
        return counts

    def _secrets(self) -> Sequence[str]:
        settings = self.wecom.settings
        wecom = [secret.get_secret_value() for secret in (settings.secret, settings.token, settings.aes_key)]
        cloud = self.dingtalk.cloud
        tokens = [*self.wecom.cloud.tokens._until, *cloud.door.tokens, *cloud.webhooks._sessions]
        return [*wecom, *tokens, DINGTALK_SECRET, SEAL_KEY]

    async def close(self) -> None:
        """Leave nothing running."""
        await asyncio.gather(*(replica.end() for replica in self.replicas))
        self._index.close()
        await self.database.close()


@asynccontextmanager
async def installed(folder: Path, url: str, forks: Forks) -> AsyncIterator[Installation]:
    """An installation over this empty database, without a server yet."""
    async with FakeWecom(time.time).running() as wecom, fake_dingtalk() as dingtalk:
        made = Installation(folder, url, wecom, dingtalk, forks)
        try:
            await made.prepare()
            yield made
        finally:
            await made.close()


@asynccontextmanager
async def behind_proxy(folder: Path, forks: Forks) -> AsyncIterator[tuple[Installation, TcpProxy]]:
    """An installation on MariaDB whose servers reach it through a proxy that can break."""
    name = f"daogou_fault_{os.getpid()}"
    url = make_url(await new_mariadb(name))
    async with (
        TcpProxy(url.host or "127.0.0.1", url.port or 3306) as proxy,
        installed(folder, _text_of(url), forks) as at,
    ):
        at.servers_url = _text_of(url.set(host="127.0.0.1", port=proxy.port))
        yield at, proxy
        await proxy.restore()
    await drop_mariadb(name)


def _text_of(url: URL) -> str:
    return url.render_as_string(hide_password=False)


def _text(payload: Mapping[str, Any]) -> str:
    """Return the words of a bubble of either platform."""
    inner = payload.get(str(payload["msgtype"]))
    return str(inner.get("content", "") if isinstance(inner, dict) else payload.get("text", ""))


def _plain(wecom: FakeWecom) -> dict[str, Any]:
    settings = wecom.settings
    hidden = {name: getattr(settings, name).get_secret_value() for name in ("secret", "token", "aes_key")}
    return {"corp_id": settings.corp_id, "agent_id": settings.agent_id, "base_url": settings.base_url, **hidden}


async def _people(database: Database, people: Sequence[str]) -> None:
    async with database.write() as session:
        for tenant_id, key in ((TENANT, "acme"), (BYSTANDER, "other")):
            session.add(Tenant(id=tenant_id, key=key, name=key, created_at=NOW))
        await session.flush()
        store = Store(id=1, tenant_id=TENANT, name="上海一店", city="上海", adcode="310106", lat=31.2, lon=121.4)
        session.add(store)
        clerks = list(enumerate(people, 1))
        session.add_all(Staff(id=n, tenant_id=TENANT, name=f"店员{user}", role="clerk") for n, user in clerks)
        await session.flush()
        for number, user in clerks:
            session.add(StaffStore(tenant_id=TENANT, staff_id=number, store_id=1))
            for platform in ("wecom", "dingtalk"):
                bound = {"tenant_id": TENANT, "staff_id": number, "platform": platform, "user_id": user}
                session.add(StaffIdentity(**bound, created_at=NOW))
        await _bystander(session)


async def _bystander(session: Any) -> None:
    """One conversation of the other chain that has come to its end."""
    words = {"tenant_id": BYSTANDER, "platform": "wecom"}
    update = {"text": "旁人的话", "address": {"user_id": "somebody"}}
    received = Inbox(**words, dedupe_key="x", conversation_key="user:x", update=update, status="done", received_at=NOW)
    chat = Conversation(**words, key="user:x", context={}, updated_at=NOW)
    session.add_all([received, chat])
    await session.flush()
    said = {"tenant_id": BYSTANDER, "conversation_id": chat.id, "inbox_id": received.id}
    session.add(Message(**said, direction="in", text="旁人的话", created_at=NOW))
    address = {"platform": "wecom", "user_id": "somebody", "conversation": "user:x"}
    session.add(
        Outbox(
            **words, kind="reply", dedupe_key="x", conversation_key="user:x", address=address, message={},
            inbox_id=received.id, status="sent", created_at=NOW,
        )
    )  # fmt: skip
