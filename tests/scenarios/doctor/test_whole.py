"""The whole command: in order, in time, without a secret, and the same JSON every day."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.cli import build_parser
from bot.cli.doctor import run
from bot.cli.doctor.demo import with_running_demo
from bot.cli.doctor.examine import examine
from bot.cli.doctor.finding import Finding
from bot.cli.doctor.output import as_json, as_text, without_secrets
from bot.config import Settings
from bot.platforms.wecom.menu import DEFAULT_MENU
from bot.runtime import utc_now
from bot.sandbox.accounts import Running, note_running
from bot.usage import month_of
from db.engine import Database
from db.migrate import migrate
from db.models import Tenant
from db.usage import used
from tests.demo_server import DemoServer
from tests.fakes.dingtalk import fake_dingtalk
from tests.fakes.wecom import GROUP_KEY, FakeWecom
from tests.rows import NOW
from tests.scenarios.doctor.visits import KEY, fails, found

# One of each kind of secret; none of them may be printed.
SECRETS = {
    "database": "dbp4ssword",
    "broker": "brokerp4ssword",
    "redis": "redisp4ssword",
    "llm": "sk-llmllmllm",
    "crm": "crmkeycrmkey",
    "weather": "weathertoken",
    "wecom": "appsecretappsecret",
    "token": "callbacktoken1",
    "aes": "A" * 43,
    "aibot": "botsecretbotsecret",
    "dingtalk": "clientsecretclientsecret",
    "wecom_group": "11111111-2222-3333-4444-555555555555",
    "dingtalk_group": "ab" * 32,
    "sign": "SEC0123456789",
    "seal": "sealsealsealsealsealsealseal",
}


def everywhere(port: int, directory: Path) -> Settings:
    """An installation with everything there is, all of it at one port of this machine."""
    here, s = f"127.0.0.1:{port}", SECRETS
    keys = {"token": s["token"], "aes_key": s["aes"]}
    tenant = {
        "wecom": {"corp_id": "ww1", "agent_id": 1, "secret": s["wecom"], "base_url": f"http://{here}", **keys},
        "aibot": {"mode": "socket", "bot_id": "b", "secret": s["aibot"], "socket_url": f"ws://{here}", "name": "x"},
        "dingtalk": {
            "client_id": "d",
            "client_secret": s["dingtalk"],
            "robot_code": "d",
            "stream": False,
            "base_url": f"http://{here}",
            "oapi_base_url": f"http://{here}",
        },
        "wecom_groups": {"店长群": {"key": s["wecom_group"]}},
        "dingtalk_groups": {"店长群": {"access_token": s["dingtalk_group"], "secret": s["sign"]}},
    }
    return Settings.model_validate(
        {
            "server": {"port": port, "public_url": f"http://{here}", "secret_key": s["seal"]},
            "database": {"url": f"mysql+aiomysql://root:{s['database']}@{here}/x"},
            "cluster": {
                "broker_url": f"amqp://u:{s['broker']}@{here}/",
                "redis_url": f"redis://:{s['redis']}@{here}/0",
                "replicas": 2,
            },
            "llm": {"base_url": f"http://{here}/v1", "api_key": s["llm"]},
            "crm": {"base_url": f"http://{here}/crm", "api_key": s["crm"]},
            "weather": {"provider": "caiyun", "token": s["weather"], "base_url": f"http://{here}"},
            "knowledge": {"directory": directory / "chroma"},
            "state_directory": directory,
            "tenants": {KEY: tenant, "other": {"wecom": tenant["wecom"]}},
        }
    )


async def doctor(settings: Settings, *words: str) -> int:
    return await run(build_parser().parse_args(["doctor", *words]), settings)


@asynccontextmanager
async def black_hole() -> AsyncIterator[int]:
    """A port that takes every connection and never says a word."""
    writers: list[asyncio.StreamWriter] = []

    async def swallow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        while await reader.read(65536):
            pass

    server = await asyncio.start_server(swallow, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for writer in writers:
            writer.transport.abort()
        await server.wait_closed()


EVERYTHING = {
    "database.reachable",
    "broker.reachable",
    "redis.reachable",
    "llm.unreachable",
    "crm.unreachable",
    "wecom.unreachable",
    "dingtalk.unreachable",
}


async def test_everything_is_down(tmp_path: Path) -> None:
    began = time.monotonic()
    codes = set(fails(await examine(everywhere(9, tmp_path))))
    assert time.monotonic() - began < 10
    assert codes >= EVERYTHING | {"wecom.callback.refused", "dingtalk.callback.refused", "aibot.unreachable"}


async def test_everybody_is_silent(tmp_path: Path) -> None:
    async with black_hole() as port:
        began = time.monotonic()
        codes = set(fails(await examine(everywhere(port, tmp_path))))
        assert time.monotonic() - began < 10
    assert codes >= EVERYTHING | {"wecom.callback.timeout", "dingtalk.callback.timeout"}


@pytest.mark.parametrize("words", [(), ("--json",)])
async def test_no_secret_is_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]) -> None:
    assert await doctor(everywhere(9, tmp_path), *words) == 1
    said = "".join(capsys.readouterr())
    assert "数据库" in said
    assert [name for name, secret in SECRETS.items() if secret in said] == []


def test_a_secret_that_a_check_wrote_after_all_is_struck_out(tmp_path: Path) -> None:
    settings = everywhere(9, tmp_path)
    careless = Finding("x", "x", "fail", " ".join(SECRETS.values()), f"打 13800138000，{SECRETS['wecom']}")
    (struck,) = without_secrets([careless], settings)
    assert set(struck.detail.split()) == {"***"}
    assert struck.fix == "打 ***，***"


async def test_the_json_keeps_its_shape(tmp_path: Path) -> None:
    listed = json.loads(as_json(await examine(everywhere(9, tmp_path))))
    for one in listed:
        assert list(one) == ["code", "what", "state", "detail", "fix", "tenant", "channel"]
        assert one["state"] in {"ok", "warn", "fail"}
        assert re.fullmatch(r"[a-z_]+(\.[A-Za-z_]+)+", one["code"])
        assert bool(one["fix"]) == (one["state"] != "ok")
        assert all(isinstance(value, str) for value in one.values())
    assert {(one["tenant"], one["channel"]) for one in listed if one["tenant"]} == {
        (KEY, "wecom"),
        (KEY, "aibot"),
        (KEY, "dingtalk"),
        (KEY, "wecom_group"),
        (KEY, "dingtalk_group"),
        ("other", "wecom"),
    }


async def test_one_tenant_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = everywhere(9, tmp_path)
    assert {one.tenant for one in await examine(settings, tenant="other")} == {"", "other"}
    assert await doctor(settings, "--tenant", "nobody") == 2
    assert "现有：acme、other" in capsys.readouterr().err


async def test_a_tenant_stands_under_its_own_head(tmp_path: Path) -> None:
    lines = list(as_text(await examine(everywhere(9, tmp_path))))
    heads = [line for line in lines if line.startswith("【")]
    assert heads[:3] == ["【这套系统】", "【acme · 企业微信应用】", "【acme · 企业微信智能机器人】"]
    assert len(heads) == len(set(heads))
    assert re.fullmatch(r"要修 \d+ 处（✗），要留意 \d+ 处（!）。.*再执行一次 daogou doctor。", lines[-1])


async def test_a_check_that_breaks_is_told_beside_the_others(tmp_path: Path) -> None:
    (tmp_path / "chroma" / "lock").mkdir(parents=True)
    settings = Settings(state_directory=tmp_path).model_copy(update={"llm": None})
    findings = found(await examine(settings))
    assert findings["doctor.broken"].what == "大模型"
    assert findings["machine.python"].state == "ok"


@asynccontextmanager
async def sound(directory: Path) -> AsyncIterator[Settings]:
    """Two clouds that answer and a seeded nothing: what is left to mend has nothing to do with them."""
    async with FakeWecom(time.time).running() as wecom, fake_dingtalk() as dingtalk:
        wecom.cloud.menus.shown = list(DEFAULT_MENU["button"])
        url = f"sqlite+aiosqlite:///{directory / 'x.db'}"
        database = Database(url)
        await migrate(database)
        await database.close()
        tenant: dict[str, Any] = {
            "wecom": wecom.settings,
            "dingtalk": dingtalk.settings(),
            "wecom_groups": {"店长群": {"key": GROUP_KEY}},
        }
        yield Settings.model_validate(
            {"database": {"url": url}, "state_directory": directory, "server": {"port": 9}, "tenants": {KEY: tenant}}
        )


async def test_what_the_visit_cost_is_added_to_the_months_calls(tmp_path: Path) -> None:
    async with sound(tmp_path) as settings:
        database = Database(settings.database.url.get_secret_value())
        async with database.write() as session:
            session.add(Tenant(id=1, key=KEY, name="x", created_at=NOW))
        for free, count in ((True, 0), (False, 2)):
            await examine(settings, free=free)
            assert await used(database, 1, "dingtalk", "calls", month_of(utc_now())) == count
        await database.close()


async def test_a_tenant_no_server_has_seen_yet(tmp_path: Path) -> None:
    async with sound(tmp_path) as settings:
        finding = found(await examine(settings, free=True))["database.tenant_missing"]
    assert finding.detail == "配置里的 acme 还没有建"


async def test_the_clock_is_found_out_through_the_platforms(tmp_path: Path) -> None:
    async with sound(tmp_path) as settings:
        assert found(await examine(settings, free=True))["machine.clock"].state == "ok"
        wrong = await examine(settings, free=True, clock=lambda: utc_now() - timedelta(minutes=10))
    finding = found(wrong)["machine.clock"]
    assert (finding.state, "慢 10 分钟" in finding.detail) == ("fail", True)


# The demo


async def test_a_running_demo_looks_good(demo: DemoServer, tmp_path: Path) -> None:
    settings = Settings(
        database=demo.runtime.settings.database,
        knowledge=demo.runtime.settings.knowledge,
        state_directory=demo.runtime.settings.state_directory,
    )
    demo.stage.listens(demo.base)
    seen = await with_running_demo(settings)
    for platform in ("wecom", "dingtalk"):
        await demo.say(platform, "hq1", "/我是谁")
        await demo.shown(platform, "hq1", lambda text: "您是" in text)
    await demo.runtime.reached.flush()
    findings = await examine(seen)
    assert not fails(findings)
    assert {one.state for one in findings if one.channel} == {"ok"}
    assert found(one for one in findings if one.channel == "wecom")["wecom.callback"].state == "ok"


async def test_a_demo_that_was_killed_is_not_asked(tmp_path: Path) -> None:
    (tmp_path / "sandbox").mkdir()
    note_running(tmp_path / "sandbox", Running("http://127.0.0.1:9", "http://127.0.0.1:8"))
    settings = Settings.model_validate(
        {"state_directory": tmp_path, "server": {"port": 9}, "database": {"url": f"sqlite+aiosqlite:///{tmp_path}/x"}}
    )
    assert await with_running_demo(settings) == settings
    assert "make demo" in found(await examine(settings))["platforms.none"].fix
