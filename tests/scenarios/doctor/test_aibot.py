"""An aibot: called at our address, or with the socket that only one process may have."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from bot.cli.doctor.aibot import check_aibot
from bot.cli.doctor.facts import LeaseFact, Reached, TenantFacts
from bot.cli.doctor.finding import Finding
from bot.config import AibotSettings, Settings, TenantSettings
from tests.fakes.wecom import settings as wecom_settings
from tests.rows import NOW
from tests.scenarios.doctor.visits import KEY, facts_of, fails, found, only, tenant_facts, visit_of

URL: dict[str, Any] = {"token": "QDG6eK", "aes_key": "j" * 43, "name": "店小二"}
ARRIVED = {"aibot": Reached(accepted_at=NOW)}


@pytest.fixture
async def port() -> AsyncIterator[int]:
    """Something that listens."""
    server = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()


async def look(tenant: TenantFacts | None, *, app: bool = True, **values: Any) -> list[Finding]:
    settings = AibotSettings.model_validate(values)
    configured = TenantSettings(wecom=wecom_settings() if app else None, aibot=settings)
    return await check_aibot(visit_of(Settings(), facts_of(tenant) if tenant else None), KEY, configured, settings)


def by_socket(port: int) -> dict[str, Any]:
    return {"mode": "socket", "bot_id": "b", "secret": "s", "name": "店小二", "socket_url": f"ws://127.0.0.1:{port}"}


async def test_a_bot_that_is_called_and_has_been() -> None:
    assert {finding.state for finding in await look(tenant_facts(reached=ARRIVED), **URL)} == {"ok"}


async def test_a_bot_that_was_never_called_is_told_where_to_save() -> None:
    fix = found(await look(tenant_facts(), **URL))["aibot.arrival.never"].fix
    assert "选「URL 回调」：URL 填 https://您的域名/wecom/acme/aibot" in fix
    assert "点「保存」" in fix


async def test_wrong_keys_name_the_section_of_the_bot() -> None:
    finding = only(await look(tenant_facts(reached={"aibot": Reached(None, NOW, "signature")}), **URL))
    assert finding.code == "aibot.arrival.token"
    assert "[tenants.acme.aibot] token" in finding.fix


async def test_a_bot_without_a_name_or_an_app() -> None:
    findings = found(await look(tenant_facts(reached=ARRIVED), app=False, **URL | {"name": ""}))
    assert findings["aibot.name"].state == findings["aibot.push"].state == "warn"


async def test_a_socket_that_is_held(port: int) -> None:
    lease = LeaseFact("shop-server:4711:abcd", NOW + timedelta(seconds=20))
    facts = facts_of(tenant_facts(reached=ARRIVED), aibot_1=lease)
    settings = AibotSettings.model_validate(by_socket(port))
    findings = found(await check_aibot(visit_of(Settings(), facts), KEY, TenantSettings(aibot=settings), settings))
    assert {finding.state for finding in findings.values()} == {"ok"}
    assert findings["aibot.socket"].detail == "由 shop-server 上的进程 4711 负责"


async def test_a_socket_nobody_holds(port: int) -> None:
    finding = only(await look(tenant_facts(reached=ARRIVED), **by_socket(port)))
    assert finding.code == "aibot.socket"
    assert "daogou serve" in finding.fix


async def test_the_server_of_sockets_cannot_be_reached() -> None:
    assert fails(await look(None, **by_socket(9))) == ["aibot.unreachable"]
    nowhere = await look(None, **by_socket(9) | {"socket_url": "wss://nowhere.invalid"})
    assert "域名解析不到" in only(nowhere).detail


@pytest.mark.parametrize(
    ("reason", "code", "fix"),
    [
        ("subscription_refused:853000", "aibot.arrival.credentials", "[tenants.acme.aibot] bot_id"),
        ("kicked", "aibot.arrival.kicked", "停掉用同一个 bot_id 的其他程序"),
    ],
)
async def test_why_the_socket_does_not_work(port: int, reason: str, code: str, fix: str) -> None:
    findings = found(await look(tenant_facts(reached={"aibot": Reached(None, NOW, reason)}), **by_socket(port)))
    assert fix in findings[code].fix
