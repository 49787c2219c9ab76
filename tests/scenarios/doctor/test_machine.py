"""This machine: its disk, its clock, its files, its key, its server."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from bot.cli.doctor.clock import check_clock
from bot.cli.doctor.finding import Finding
from bot.cli.doctor.machine import check_machine
from bot.cli.doctor.public_url import check_public_url
from bot.cli.doctor.secret_key import check_secret_key
from bot.cli.doctor.visit import Visit
from bot.cli.doctor.web import ClockSample
from bot.cli.doctor.wecom import check_wecom
from bot.config import AibotSettings, DingtalkSettings, Settings, TenantSettings
from bot.loopback import loopback_site
from bot.seal import FILE, Sealer
from bot.workers import SPOOL_FILE
from db.inbox import NewUpdate
from db.spool import Spool
from tests.fakes.wecom import FakeWecom
from tests.fakes.wecom import settings as wecom_settings
from tests.rows import NOW
from tests.scenarios.doctor.visits import KEY, facts_of, found, only, tenant_facts, visit_of


def at(directory: Path, **more: Any) -> Visit:
    return visit_of(Settings.model_validate({"state_directory": directory, "server": {"port": 9}, **more}))


def update(number: int, received_at: datetime) -> NewUpdate:
    return NewUpdate(1, "wecom", f"k{number}", "user:a", json.dumps({"text": "悄悄话"}), received_at)


async def test_a_machine_that_is_right(tmp_path: Path) -> None:
    findings = found(await check_machine(at(tmp_path)))
    assert {findings[code].state for code in ("machine.disk", "machine.state_directory", "spool.waiting")} == {"ok"}
    missing = found(await check_machine(at(tmp_path / "later")))
    assert "第一次启动时会建" in missing["machine.state_directory"].detail


async def test_a_directory_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    findings = found(await check_machine(at(tmp_path / "file")))
    assert findings["machine.state_directory"].state == "fail"
    assert "state_directory" in findings["machine.state_directory"].fix


async def test_updates_that_wait_and_updates_that_were_set_aside(tmp_path: Path) -> None:
    spool = Spool(tmp_path / SPOOL_FILE, max_rows=100)
    spool.add([update(number, NOW - timedelta(minutes=12)) for number in range(3)])
    spool.set_aside(spool.first(1)[0], "DataError")
    findings = found(await check_machine(at(tmp_path)))
    assert findings["spool.waiting"].detail == "2 条在等数据库恢复，最早的 11-21 10:18，12 分钟前"
    assert findings["spool.set_aside"].detail == "1 条数据库不收：DataError 1 条"
    assert f'sqlite3 {tmp_path / SPOOL_FILE} "SELECT id' in findings["spool.set_aside"].fix
    assert "悄悄话" not in str(findings)
    assert (spool.waiting, spool.aside()) == (2, 1)


async def test_a_spool_that_is_nearly_full_or_broken(tmp_path: Path) -> None:
    Spool(tmp_path / SPOOL_FILE, max_rows=10).add([update(number, NOW) for number in range(8)])
    full = found(await check_machine(at(tmp_path, spool={"max_rows": 10})))["spool.nearly_full"]
    assert (full.state, "max_rows" in full.fix) == ("fail", True)
    (tmp_path / SPOOL_FILE).write_bytes(b"no database" * 100)
    assert found(await check_machine(at(tmp_path)))["spool.unreadable"].state == "fail"


@pytest.mark.parametrize(
    ("status", "body", "state", "said"),
    [
        (200, {"ok": True, "database": "ok"}, "ok", "在运行"),
        (503, {"ok": False, "database": "OperationalError"}, "fail", "它连不上数据库"),
        (404, {"hello": "world"}, "warn", "应答的不是导购（HTTP 404）"),
    ],
)
async def test_the_server_of_this_machine(
    tmp_path: Path, status: int, body: dict[str, Any], state: str, said: str
) -> None:
    async def healthz(_request: web.Request) -> web.Response:
        return web.json_response(body, status=status)

    app = web.Application()
    app.router.add_get("/healthz", healthz)
    async with loopback_site(app) as base:
        server = {"host": "0.0.0.0", "port": int(base.rpartition(":")[2])}
        finding = found(await check_machine(at(tmp_path, server=server)))["machine.server"]
    assert finding.state == state
    assert said in finding.detail


async def test_no_server_on_this_machine(tmp_path: Path) -> None:
    finding = found(await check_machine(at(tmp_path)))["machine.server"]
    assert (finding.state, "daogou serve" in finding.fix) == ("warn", True)


# The clock


def sample(seconds: float, whose: str = "企业微信") -> ClockSample:
    return ClockSample(whose, timedelta(seconds=seconds))


@pytest.mark.parametrize(
    ("samples", "state", "said"),
    [
        ([], "ok", "没有可以对照的"),
        ([sample(2)], "ok", "和企业微信一致"),
        ([sample(45)], "warn", "比企业微信快 45 秒"),
        ([sample(-400)], "fail", "比企业微信慢 7 分钟"),
        # One answer was slow; the next one shows that the clock is right.
        ([sample(40), sample(1)], "ok", "一致"),
        ([sample(1), sample(7200, "钉钉")], "fail", "比钉钉快 2 小时"),
    ],
)
def test_our_clock_by_theirs(samples: list[ClockSample], state: str, said: str) -> None:
    (finding,) = check_clock(samples, None, Settings())
    assert (finding.code, finding.state) == ("machine.clock", state)
    assert said in finding.detail
    assert state != "fail" or "被当作过期拒收" in finding.detail


def test_the_database_speaks_where_no_platform_does() -> None:
    (finding,) = check_clock([], sample(600, "数据库"), Settings())
    assert (finding.code, finding.state) == ("machine.clock", "fail")


def test_a_wrong_database_is_told_from_a_wrong_machine() -> None:
    ours, theirs = check_clock([sample(1)], sample(600, "数据库"), Settings())
    assert (ours.state, theirs.code, theirs.state) == ("ok", "database.clock", "warn")


def test_a_shorter_freshness_makes_a_smaller_error_fatal() -> None:
    tenant = TenantSettings(wecom=wecom_settings(freshness_seconds=60))
    (finding,) = check_clock([sample(90)], None, Settings(tenants={KEY: tenant}))
    assert finding.state == "fail"


async def test_the_date_of_an_answer_is_what_the_clock_is_compared_with() -> None:
    visit = visit_of(Settings())  # its clock stands at a day in 2026, the fake's server tells the real one
    async with FakeWecom(NOW.timestamp).running() as wecom:
        await check_wecom(visit, KEY, wecom.settings)
    real = datetime.now(NOW.tzinfo)
    assert {one.whose for one in visit.web.samples} == {"企业微信"}
    assert all(abs(one.ahead - (NOW - real)) < timedelta(seconds=30) for one in visit.web.samples)


# The key


async def key(tmp_path: Path, secret: str, *sealed: bytes) -> Finding:
    facts = replace(facts_of(tenant_facts()), sealed=sealed)
    settings = Settings.model_validate({"state_directory": tmp_path, "server": {"secret_key": secret}})
    (finding,) = await check_secret_key(visit_of(settings, facts))
    return finding


async def test_the_key(tmp_path: Path) -> None:
    good, other = "k" * 40, Sealer("another key altogether").seal("token").encode()
    mine = Sealer(good).seal("token").encode()
    assert (await key(tmp_path, good, mine, other)).state == "ok"
    assert (await key(tmp_path, "short")).state == "warn"
    changed = await key(tmp_path, good, other)
    assert (changed.code, changed.state) == ("server.secret_key_changed", "fail")
    assert "daogou staff import" in changed.fix


async def test_a_key_of_our_own_is_named_and_never_made(tmp_path: Path) -> None:
    assert "第一次启动时" in (await key(tmp_path, "")).detail
    assert not (tmp_path / FILE).exists()
    (tmp_path / FILE).write_text("made-before-and-long-enough")
    assert str(tmp_path / FILE) in (await key(tmp_path, "")).detail


# The address


def with_url(url: str, tenant: TenantSettings) -> Settings:
    return Settings.model_validate({"server": {"public_url": url}, "tenants": {KEY: tenant}})


def test_an_address_is_needed_where_a_platform_calls_us() -> None:
    by_socket = AibotSettings.model_validate({"mode": "socket", "bot_id": "b", "secret": "s"})
    stream = DingtalkSettings.model_validate({"client_id": "d", "client_secret": "s", "robot_code": "d"})
    assert check_public_url(with_url("", TenantSettings(aibot=by_socket, dingtalk=stream))) == []
    called = stream.model_copy(update={"stream": False})
    finding = only(check_public_url(with_url("", TenantSettings(wecom=wecom_settings(), dingtalk=called))))
    assert "企业微信应用、钉钉 的回调查不了" in finding.detail
    assert "[server] public_url" in finding.fix


@pytest.mark.parametrize(
    ("url", "state"),
    [("https://bot.example.com", "ok"), ("http://bot.example.com", "warn"), ("http://127.0.0.1:8080", "warn")],
)
def test_what_an_address_looks_like(url: str, state: str) -> None:
    (finding,) = check_public_url(with_url(url, TenantSettings(wecom=wecom_settings())))
    assert finding.state == state
