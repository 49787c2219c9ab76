"""Each thing that can be wrong with a WeCom app, and the line that says how to mend it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from bot.cli.doctor.facts import Reached, TenantFacts
from bot.cli.doctor.finding import Finding
from bot.cli.doctor.wecom import check_wecom
from bot.config import Settings
from bot.platforms.wecom.menu import DEFAULT_MENU
from tests.fakes.wecom import HANG_UP, MENU_PATH, TOKEN_PATH, USER_PATH, FakeWecom, settings
from tests.rows import NOW
from tests.scenarios.doctor.visits import KEY, facts_of, fails, found, only, tenant_facts, visit_of

AGENT_PATH = "/cgi-bin/agent/get"
GET_MENU_PATH = MENU_PATH.replace("create", "get")


@pytest.fixture
async def wecom() -> AsyncIterator[FakeWecom]:
    async with FakeWecom(NOW.timestamp).running() as running:
        running.cloud.menus.shown = list(DEFAULT_MENU["button"])
        yield running


async def look(wecom: FakeWecom, tenant: TenantFacts | None = None, **changes: Any) -> list[Finding]:
    """What is found at the app, configured rightly but for the changes."""
    app = settings(**{"base_url": wecom.settings.base_url} | changes)
    return await check_wecom(visit_of(Settings(), facts_of(tenant) if tenant else None), KEY, app)


async def test_an_app_that_is_right_has_nothing_to_mend(wecom: FakeWecom) -> None:
    reached = {"wecom": Reached(accepted_at=NOW - timedelta(minutes=5))}
    tenant = tenant_facts({"wecom": ["lily", "Boss"]}, reached, used={("wecom", "calls"): 12})
    findings = await look(wecom, tenant)
    assert {finding.state for finding in findings} == {"ok"}
    assert found(findings)["wecom.arrival"].detail == "11-21 10:25，5 分钟前"
    assert found(findings)["wecom.usage"].detail == "本月 12 次"


@pytest.mark.parametrize(
    ("path", "errcode", "code", "fix"),
    [
        (TOKEN_PATH, 40013, "wecom.corp_id", "我的企业 → 企业信息"),
        (TOKEN_PATH, 40001, "wecom.secret", "在 Secret 一行点「查看」（会发到您手机"),
        (TOKEN_PATH, 40091, "wecom.secret", "[tenants.acme.wecom] secret"),
        (AGENT_PATH, 40056, "wecom.agent_id", "把 AgentId 抄到 config.toml 的 [tenants.acme.wecom] agent_id"),
        (AGENT_PATH, 301002, "wecom.agent_id", "Secret 也要是同一个应用的"),
        (AGENT_PATH, 48002, "wecom.secret", "把应用自己的 Secret 抄到"),
        (AGENT_PATH, 50003, "wecom.stopped", "点「启用应用」"),
        (AGENT_PATH, 41001, "wecom.refused", "devtool/query?e=41001"),
        (GET_MENU_PATH, 60020, "wecom.trusted_ip", "企业可信IP"),
    ],
)
async def test_a_refusal_names_the_page_and_the_key(
    wecom: FakeWecom, path: str, errcode: int, code: str, fix: str
) -> None:
    wecom.fail[path] += [{"errcode": errcode, "errmsg": "no"}]
    finding = only(await look(wecom))
    assert finding.code == code
    assert fix in finding.fix


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"corp_id": "ww2"}, "wecom.corp_id"),
        ({"secret": "another"}, "wecom.secret"),
        ({"agent_id": 1000003}, "wecom.agent_id"),
    ],
)
async def test_what_the_cloud_itself_refuses(wecom: FakeWecom, changes: dict[str, Any], code: str) -> None:
    assert fails(await look(wecom, **changes)) == [code]


async def test_the_address_that_must_be_trusted_is_the_one_wecom_saw(wecom: FakeWecom) -> None:
    message = "not allow to access from your ip, hint: [1662], from ip: 203.0.113.7, more info at https://…"
    wecom.fail[AGENT_PATH] += [{"errcode": 60020, "errmsg": message}]
    finding = only(await look(wecom))
    assert finding.code == "wecom.trusted_ip"
    assert finding.fix.startswith("把 203.0.113.7 加进 管理后台 → 应用管理")


async def test_an_address_that_is_none_is_not_repeated(wecom: FakeWecom) -> None:
    wecom.fail[AGENT_PATH] += [{"errcode": 60020, "errmsg": "from ip: dead.beef, more"}]
    assert "这台服务器的出口 IP" in only(await look(wecom)).fix


async def test_the_cloud_turns_away_an_address_it_does_not_trust(wecom: FakeWecom) -> None:
    wecom.cloud.tokens.trusted_ips = {"203.0.113.9"}
    assert "127.0.0.1" in only(await look(wecom)).fix


async def test_a_stopped_app(wecom: FakeWecom) -> None:
    wecom.cloud.agent.stopped = True
    assert only(await look(wecom)).code == "wecom.stopped"


async def test_nobody_is_in_the_range(wecom: FakeWecom) -> None:
    wecom.cloud.agent.parties = []
    finding = only(await look(wecom))
    assert (finding.code, finding.detail) == ("wecom.visible_range", "是空的，谁也收不到消息")
    assert "可见范围，点「编辑」" in finding.fix


async def test_colleagues_outside_the_range_are_named(wecom: FakeWecom) -> None:
    wecom.cloud.people.invisible = {"boss"}
    tenant = tenant_facts({"wecom": ["lily", "boss", "gone"]}, {"wecom": Reached(accepted_at=NOW)})
    finding = only(await look(wecom, tenant), "warn")
    assert finding.code == "wecom.visible_range.outside"
    assert "员工boss（boss）、员工gone（gone）" in finding.detail
    assert "lily" not in finding.detail


async def test_who_is_named_in_the_range_is_not_asked_for(wecom: FakeWecom) -> None:
    agent = wecom.cloud.agent
    agent.users, agent.parties = ["lily", "boss"], []
    await look(wecom, tenant_facts({"wecom": ["Lily", "BOSS"]}))
    assert len(wecom.called(USER_PATH)) == 1  # one of them, for what may be seen of a member


async def test_of_many_only_some_are_asked_for(wecom: FakeWecom) -> None:
    crowd = [f"user{number}" for number in range(50)]
    wecom.cloud.members |= set(crowd)
    await look(wecom, tenant_facts({"wecom": crowd}))
    assert len(wecom.called(USER_PATH)) == 20


@pytest.mark.parametrize(("old_app", "said"), [(True, "看得到"), (False, "看不到（2022 年 6 月以后")])
async def test_whether_mobile_numbers_are_seen(wecom: FakeWecom, *, old_app: bool, said: str) -> None:
    wecom.cloud.people.old_app = old_app
    findings = found(await look(wecom, tenant_facts({"wecom": ["lily"]})))
    assert findings["wecom.mobile"].detail.startswith(said)
    assert findings["wecom.mobile"].state == "ok"


async def test_a_menu_that_is_missing(wecom: FakeWecom) -> None:
    wecom.cloud.menus.shown = []
    finding = only(await look(wecom), "warn")
    assert finding.fix == "执行 daogou wecom menu --tenant acme，放上自带的菜单"


async def test_wecom_is_busy(wecom: FakeWecom) -> None:
    wecom.fail[TOKEN_PATH] += [{"errcode": -1, "errmsg": "busy"}]
    assert only(await look(wecom), "warn").code == "wecom.busy"


async def test_wecom_cannot_be_reached(wecom: FakeWecom) -> None:
    finding = only(await look(wecom, base_url="http://127.0.0.1:9"))
    assert finding.code == "wecom.unreachable"
    assert "没有程序在听" in finding.detail


async def test_somebody_else_answers_or_hangs_up(wecom: FakeWecom) -> None:
    wecom.fail[TOKEN_PATH] += [{"welcome": "portal"}, HANG_UP, 2.0]
    details = [only(await look(wecom)).detail for _ in range(3)]
    assert details == [
        "连不上企业微信：连接中断（应答的不是企业微信，HTTP 200）",
        "连不上企业微信：连接中断",
        "连不上企业微信：没有在几秒内应答",
    ]


async def test_an_answer_that_is_lost_half_way(wecom: FakeWecom) -> None:
    wecom.fail[USER_PATH] += [HANG_UP, HANG_UP]
    assert only(await look(wecom, tenant_facts({"wecom": ["lily", "boss"]}, {"wecom": Reached(NOW)}))).code == (
        "wecom.unreachable"
    )


async def test_a_channel_that_went_quiet(wecom: FakeWecom) -> None:
    reached = {"wecom": Reached(accepted_at=NOW - timedelta(days=9))}
    finding = only(await look(wecom, tenant_facts({"wecom": ["lily"]}, reached)), "warn")
    assert (finding.code, finding.detail) == ("wecom.arrival.quiet", "11-12 10:30，9 天前，之后没有了")


async def test_nobody_is_bound_and_nothing_ever_came(wecom: FakeWecom) -> None:
    findings = found(await look(wecom, tenant_facts()))
    assert "daogou staff --tenant acme import 员工.csv" in findings["wecom.staff"].fix
    never = findings["wecom.arrival.never"]
    assert never.state == "warn"
    assert "接收消息 → 设置API接收：URL 填 https://您的域名/wecom/acme/app" in never.fix
    assert "点「保存」" in never.fix


@pytest.mark.parametrize(
    ("reason", "code", "fix"),
    [
        ("signature", "wecom.arrival.token", "把控制台的 Token 抄到 config.toml 的 [tenants.acme.wecom] token"),
        ("padding_or_length", "wecom.arrival.aes_key", "EncodingAESKey（43 个字符）"),
        ("receive_id", "wecom.arrival.receive_id", "[tenants.acme.wecom] corp_id"),
        ("stale", "wecom.arrival.stale", "校准这台机器的时间"),
        ("unparsable", "wecom.arrival.unreadable", "rejected"),
    ],
)
async def test_why_somebody_was_turned_away(wecom: FakeWecom, reason: str, code: str, fix: str) -> None:
    turned_away = Reached(NOW - timedelta(days=2), NOW - timedelta(minutes=1), reason)
    finding = only(await look(wecom, tenant_facts(reached={"wecom": turned_away})))
    assert finding.code == code
    assert fix in finding.fix
    assert "1 分钟前" in finding.detail


@pytest.mark.parametrize(
    "reached",
    [
        Reached(NOW, NOW - timedelta(minutes=1), "signature"),
        Reached(NOW - timedelta(days=1), NOW, "missing_parameter"),
    ],
)
async def test_what_was_mended_or_came_from_a_passer_by_is_no_fault(wecom: FakeWecom, reached: Reached) -> None:
    assert not fails(await look(wecom, tenant_facts(reached={"wecom": reached})))
