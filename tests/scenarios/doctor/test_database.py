"""The database: reached or not, of the right version, set rightly, and what its rows say."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import make_url, text

from bot.cli.doctor.database import check_database, server_settings
from bot.cli.doctor.facts import Arrivals, Sent, read_facts
from db.callback_checks import Reach, note_reach
from db.engine import Database
from db.inbox import NewUpdate, receive_many
from db.leases import hold
from db.migrate import migrate, newest_revision
from db.models import Inbox, Outbox
from db.outbox import NewMessage, queue
from db.usage import add_usage
from tests.conftest import MARIADB, drop_mariadb, new_mariadb
from tests.fakes.tcp_proxy import TcpProxy
from tests.rows import NOW, small_chain
from tests.scenarios.doctor.visits import found

NOBODY = make_url(MARIADB).set(username="nobody_at_all", password="wr0ng-p4ssword")


@pytest.fixture
async def migrated(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url)
    await migrate(database)
    yield database
    await database.close()


@pytest.fixture
async def mariadb() -> AsyncIterator[str]:
    name = f"daogou_doctor_{os.getpid()}"
    yield await new_mariadb(name)
    await drop_mariadb(name)


def now() -> datetime:
    return datetime.now(UTC)


async def test_a_database_that_is_right(migrated: Database, database_url: str) -> None:
    await small_chain(migrated)
    report = await check_database(database_url, now())
    assert {finding.state for finding in report.findings} == {"ok"}
    findings = found(report.findings)
    assert findings["database.revision"].detail == f"版本 {newest_revision()}"
    assert findings["database.tenants"].detail == "demo（3 位员工）"
    assert report.facts is not None
    if not migrated.is_sqlite:
        assert findings["database.settings"].detail == "utf8mb4、READ COMMITTED、UTC"
        assert report.clock is not None
        assert abs(report.clock.ahead) < timedelta(seconds=5)


async def test_no_tenant_yet(migrated: Database, database_url: str) -> None:
    finding = found((await check_database(database_url, now())).findings)["database.tenants"]
    assert (finding.state, "[tenants.xxx]" in finding.fix) == ("warn", True)


async def test_a_schema_of_another_version(migrated: Database, database_url: str) -> None:
    for revision, code, state in (("0001", "database.revision", "warn"), ("0999", "database.too_new", "fail")):
        async with migrated.write() as session:
            await session.execute(text(f"UPDATE alembic_version SET version_num = '{revision}'"))
        report = await check_database(database_url, now())
        assert found(report.findings)[code].state == state
        assert report.facts is None


async def test_tables_without_a_version(migrated: Database, database_url: str) -> None:
    async with migrated.write() as session:
        await session.execute(text("DROP TABLE alembic_version"))
    assert found((await check_database(database_url, now())).findings)["database.half_done"].state == "fail"


async def test_a_file_that_is_missing_or_broken(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    (finding,) = (await check_database(f"sqlite+aiosqlite:///{path}", now())).findings
    assert (finding.code, finding.state) == ("database.missing", "warn")
    assert not path.exists()
    path.write_bytes(b"this is no database" * 100)
    (finding,) = (await check_database(f"sqlite+aiosqlite:///{path}", now())).findings
    assert (finding.code, finding.state) == ("database.file", "fail")


@pytest.mark.parametrize("address", ["nonsense", "mysql://root:secret-word@h/x", "oracle+x://root:secret-word@h/x"])
async def test_an_address_that_cannot_be_used(address: str) -> None:
    (finding,) = (await check_database(address, now())).findings
    assert (finding.code, finding.state) == ("database.url", "fail")
    assert "mysql+aiomysql://" in finding.fix
    assert "secret-word" not in str(finding)


async def test_who_is_not_let_in(mariadb: str) -> None:
    address = NOBODY.set(database=make_url(mariadb).database).render_as_string(hide_password=False)
    (finding,) = (await check_database(address, now())).findings
    assert (finding.code, finding.state) == ("database.denied", "fail")
    assert "wr0ng-p4ssword" not in str(finding)


async def test_a_database_that_was_never_made(mariadb: str) -> None:
    (finding,) = (await check_database(mariadb.replace("daogou_doctor", "daogou_nowhere"), now())).findings
    assert finding.code == "database.no_database"
    assert "CREATE DATABASE daogou_nowhere" in finding.fix


async def test_a_server_that_is_gone_or_says_nothing(mariadb: str) -> None:
    async with TcpProxy("127.0.0.1", make_url(mariadb).port or 3306) as proxy:
        address = make_url(mariadb).set(host="127.0.0.1", port=proxy.port).render_as_string(hide_password=False)
        proxy.swallow()
        began = asyncio.get_running_loop().time()
        (finding,) = (await check_database(address, now())).findings
        assert "没有在几秒内应答" in finding.detail
        assert asyncio.get_running_loop().time() - began < 6
        await proxy.refuse()
        (finding,) = (await check_database(address, now())).findings
        assert (finding.code, finding.state) == ("database.reachable", "fail")
        assert "连不上（2003）" in finding.detail


async def test_a_database_of_another_character_set(mariadb: str) -> None:
    database = Database(mariadb)
    async with database.write() as session:
        await session.execute(text(f"ALTER DATABASE {database.url.database} CHARACTER SET latin1"))
    await database.close()
    finding = found((await check_database(mariadb, now())).findings)["database.charset"]
    assert "latin1" in finding.detail
    assert "CHARACTER SET utf8mb4" in finding.fix


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"version": "5.7.44-log"}, "database.version"),
        ({"version": "10.5.23-MariaDB"}, "database.version"),
        ({"tx_isolation": "REPEATABLE-READ"}, "database.isolation"),
        ({"log_bin": "ON", "binlog_format": "STATEMENT"}, "database.binlog"),
        ({"time_zone": "SYSTEM"}, "database.time_zone"),
    ],
)
def test_what_a_server_may_be_set_to(changes: dict[str, str], code: str) -> None:
    right = {"version": "10.11.6-MariaDB", "tx_isolation": "READ-COMMITTED", "time_zone": "+00:00"}
    right |= {"character_set_database": "utf8mb4", "log_bin": "ON", "binlog_format": "MIXED"}
    assert [finding.code for finding in server_settings(right, "x")] == ["database.settings"]
    assert [finding.code for finding in server_settings(right | changes, "x")] == [code]


# What the rows say


def update(number: int, note: str, received_at: datetime) -> NewUpdate:
    said = json.dumps({"text": "悄悄话", "note": note})
    return NewUpdate(1, "dingtalk", f"k{number}", "user:a", said, received_at)


async def outbox(database: Database, platform: str, key: str, chat: str, **values: object) -> None:
    message = NewMessage(1, platform, "reply", key, chat, {}, {"kind": "text", "text": "x"})
    async with database.write() as session:
        row = await session.get_one(Outbox, await queue(session, message, NOW))
        for name, value in values.items():
            setattr(row, name, value)


async def test_what_the_rows_say(migrated: Database) -> None:
    await small_chain(migrated)
    await receive_many(migrated, [update(1, "outsider", NOW), update(2, "stale", NOW), update(3, "over_quota", NOW)])
    await outbox(migrated, "wecom_group", "a", "店长群", status="failed", error="…（93000）")
    await outbox(migrated, "wecom_group", "b", "店长群", status="sent", sent_at=NOW)
    await outbox(migrated, "wecom", "c", "user:a", status="unknown")
    await outbox(migrated, "wecom", "d", "user:a")
    async with migrated.write() as session:
        await note_reach(session, Reach(1, "wecom", rejected_at=NOW, reason="signature"))
        row = await session.get_one(Inbox, 1)
        row.status = "dead"
    await add_usage(migrated, {(1, "dingtalk", "calls", "2026-11"): 7, (1, "dingtalk", "calls", "2026-10"): 9})
    await hold(migrated, "aibot:1", "one", NOW, timedelta(seconds=30))
    facts = await read_facts(migrated, NOW + timedelta(minutes=6), "2026-11")
    tenant = facts.tenants["demo"]
    assert tenant.dingtalk == Arrivals(recent=3, outsiders=1, stale=1, over_quota=1)
    assert tenant.groups == {("wecom_group", "店长群"): Sent("sent", NOW, "")}
    assert tenant.used == {("dingtalk", "calls"): 7}
    assert (tenant.staff, len(tenant.bound["wecom"])) == (3, 3)
    assert (tenant.reached["wecom"].reason, facts.leases["aibot:1"].owner) == ("signature", "one")
    rows = facts.rows
    assert (rows.dead, rows.failed, rows.unknown, rows.waiting, rows.unsent) == (1, 1, 1, 2, 1)


async def test_messages_nobody_picks_up_and_messages_that_failed(migrated: Database, database_url: str) -> None:
    await small_chain(migrated)
    await receive_many(migrated, [update(1, "", now() - timedelta(minutes=10)), update(2, "", now())])
    await outbox(migrated, "wecom", "c", "user:a", status="failed")
    findings = found((await check_database(database_url, now())).findings)
    assert findings["messages.waiting"].detail.startswith("1 条收到的和 0 条要发的")
    assert "daogou outbox retry" in findings["messages.failed"].fix


async def test_while_the_clock_is_wrong_rows_are_judged_by_that_of_the_database(mariadb: str) -> None:
    database = Database(mariadb)
    await migrate(database)
    await small_chain(database)
    await receive_many(database, [update(1, "", now())])
    await database.close()
    report = await check_database(mariadb, now() + timedelta(hours=1))
    assert "messages.waiting" not in found(report.findings)
    assert report.clock is not None
    assert timedelta(minutes=59) < report.clock.ahead < timedelta(minutes=61)
