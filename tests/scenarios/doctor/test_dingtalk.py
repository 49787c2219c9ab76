"""Each thing that can be wrong with a DingTalk app, and the line that says how to mend it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from bot.cli.doctor.dingtalk import check_dingtalk
from bot.cli.doctor.facts import Arrivals, Reached, TenantFacts
from bot.cli.doctor.finding import Finding
from bot.cli.doctor.visit import Visit
from bot.config import Settings
from tests.fakes.dingtalk import (
    BATCH_SEND,
    BY_MOBILE,
    CARD,
    STREAMING,
    TOKEN,
    USER,
    FakeDingtalk,
    Planned,
    fake_dingtalk,
)
from tests.rows import NOW
from tests.scenarios.doctor.visits import KEY, facts_of, fails, found, only, tenant_facts, visit_of

REACHED = {"dingtalk": Reached(accepted_at=NOW - timedelta(hours=3))}


@pytest.fixture
async def dingtalk() -> AsyncIterator[FakeDingtalk]:
    async with fake_dingtalk(clock=NOW.timestamp) as fake:
        fake.cloud.book.add("u1", "张三", "13800000001")
        fake.cloud.book.open_to(["u1", "u2"])
        yield fake


def visit(tenant: TenantFacts | None = None, **more: Any) -> Visit:
    return visit_of(Settings(), facts_of(tenant) if tenant else None, **more)


async def look(dingtalk: FakeDingtalk, tenant: TenantFacts | None = None, **changes: Any) -> list[Finding]:
    """What is found at the app, configured rightly but for the changes."""
    return await check_dingtalk(visit(tenant), KEY, dingtalk.settings(**changes))


def denied(scope: str) -> Planned:
    code = "Forbidden.AccessDenied.AccessTokenPermissionDenied"
    return Planned(403, {"code": code, "message": "…", "accessdenieddetail": {"requiredScopes": [scope]}})


async def test_an_app_that_is_right_has_nothing_to_mend(dingtalk: FakeDingtalk) -> None:
    tenant = tenant_facts({"dingtalk": ["u1"]}, REACHED, dingtalk=Arrivals(recent=9))
    findings = await look(dingtalk, tenant, streaming_card=True)
    assert {finding.state for finding in findings} == {"ok"}
    assert found(findings)["dingtalk.arrival"].detail == "11-21 07:30，3 小时前"


async def test_nobody_gets_a_message_and_no_card_is_delivered(dingtalk: FakeDingtalk) -> None:
    await look(dingtalk, tenant_facts({"dingtalk": ["u1", "u2"]}))
    assert dingtalk.screen("u1") == dingtalk.screen("u2") == []
    (sent,) = dingtalk.called(BATCH_SEND)
    assert dingtalk.screen(sent.body["userIds"][0]) == []


@pytest.mark.parametrize(
    ("path", "answer", "code", "fix"),
    [
        (TOKEN, Planned(400, {"code": "invalidClientIdOrSecret"}), "dingtalk.credentials", "凭证与基础信息"),
        (
            BATCH_SEND,
            Planned(400, {"code": "invalidParameter.robotCode.notExsit"}),
            "dingtalk.robot_code",
            "把 RobotCode 抄到 config.toml 的 [tenants.acme.dingtalk] robot_code",
        ),
        (BATCH_SEND, Planned(400, {"code": "chatbotId.notAllow.sendOTO"}), "dingtalk.robot_code", "添加应用能力"),
        (
            BATCH_SEND,
            denied("qyapi_robot_sendmsg"),
            "dingtalk.permission.qyapi_robot_sendmsg",
            "权限管理，搜索并申请：企业内机器人发送消息（qyapi_robot_sendmsg）；然后 版本管理与发布",
        ),
        (CARD, denied("Card.Instance.Write"), "dingtalk.permission.Card.Instance.Write", "Card.Instance.Write"),
        (CARD, Planned(400, {"code": "param.templateNotExist"}), "dingtalk.template", "fe/card"),
        (CARD, Planned(400, {"code": "param.templateUnpublished"}), "dingtalk.template", "点「发布」"),
        (CARD, Planned(400, {"code": "param.somethingNew"}), "dingtalk.refused", "搜这个错误码"),
        (
            BATCH_SEND,
            Planned(403, {"code": "Forbidden.AccessDenied.ApiCountLimitForOrg"}),
            "dingtalk.quota",
            "增购包",
        ),
        (
            BATCH_SEND,
            Planned(403, {"code": "Forbidden.AccessDenied.IpNotInWhiteList", "message": "request ip=203.0.113.7 x"}),
            "dingtalk.ip_whitelist",
            "服务器出口 IP，加上 203.0.113.7",
        ),
        (USER, Planned(200, {"errcode": 99999, "errmsg": "…"}), "dingtalk.refused", "搜这个错误码"),
    ],
)
async def test_a_refusal_names_the_page_and_the_key(
    dingtalk: FakeDingtalk, path: str, answer: Planned, code: str, fix: str
) -> None:
    dingtalk.plan(path, answer)
    finding = only(await look(dingtalk))
    assert finding.code == code
    assert fix in finding.fix


@pytest.mark.parametrize(
    ("changes", "codes"),
    [
        ({"client_secret": "another"}, ["dingtalk.credentials"]),
        ({"robot_code": "dingother"}, ["dingtalk.robot_code"]),
        ({"card_template_id": "mine.schema"}, ["dingtalk.template"]),
        ({"streaming_card": True, "streaming_template_id": "mine.schema"}, ["dingtalk.streaming_template"]),
    ],
)
async def test_what_the_cloud_itself_refuses(dingtalk: FakeDingtalk, changes: dict[str, Any], codes: list[str]) -> None:
    assert fails(await look(dingtalk, **changes)) == codes


@pytest.mark.parametrize("scope", ["qyapi_robot_sendmsg", "Card.Instance.Write", "Card.Streaming.Write"])
async def test_a_permission_the_cloud_withholds(dingtalk: FakeDingtalk, scope: str) -> None:
    dingtalk.cloud.door.withheld = {scope}
    finding = only(await look(dingtalk, streaming_card=True))
    assert finding.code == f"dingtalk.permission.{scope}"


async def test_a_template_that_is_a_draft(dingtalk: FakeDingtalk) -> None:
    dingtalk.cloud.cards.drafts = {"mine.schema"}
    finding = only(await look(dingtalk, card_template_id="mine.schema"))
    assert finding.detail == "模板还没有发布"
    assert "[tenants.acme.dingtalk] card_template_id" in finding.fix


async def test_a_template_of_ones_own_that_is_there(dingtalk: FakeDingtalk) -> None:
    dingtalk.cloud.cards.templates.add("mine.schema")
    findings = found(await look(dingtalk, card_template_id="mine.schema"))
    assert findings["dingtalk.template"].detail == "自己的，已发布"


async def test_an_address_that_is_not_on_the_list_is_said_once(dingtalk: FakeDingtalk) -> None:
    dingtalk.cloud.door.trusted_ips = {"203.0.113.9"}
    assert "加上 127.0.0.1" in only(await look(dingtalk)).fix


async def test_an_empty_quota_is_said_once(dingtalk: FakeDingtalk) -> None:
    dingtalk.cloud.door.quota_spent = True
    assert only(await look(dingtalk)).code == "dingtalk.quota"


@pytest.mark.parametrize("code", ["staffId.notExisted", "robot.oto.notExist"])
async def test_that_nobody_is_nobody_may_be_said_in_another_way(dingtalk: FakeDingtalk, code: str) -> None:
    dingtalk.plan(BATCH_SEND, Planned(400, {"code": code}))
    assert found(await look(dingtalk))["dingtalk.robot_code"].state == "ok"


async def test_dingtalk_is_busy_or_cannot_be_reached(dingtalk: FakeDingtalk) -> None:
    dingtalk.plan(TOKEN, Planned(500, {"code": "system.error"}), Planned(200, "<html>", delay=2))
    assert only(await look(dingtalk), "warn").code == "dingtalk.busy"
    assert "没有在几秒内应答" in only(await look(dingtalk)).detail
    assert "没有程序在听" in only(await look(dingtalk, base_url="http://127.0.0.1:9")).detail


async def test_a_throttling_edge_answers_with_a_page(dingtalk: FakeDingtalk) -> None:
    dingtalk.plan(CARD, Planned(200, "<html>slow down</html>"))
    assert only(await look(dingtalk), "warn").code == "dingtalk.busy"


async def test_the_metered_calls_are_counted_and_can_be_left_out(dingtalk: FakeDingtalk) -> None:
    key = (1, "dingtalk", "calls", "2026-11")
    for more, streaming, count in (({}, False, 2), ({}, True, 4), ({"free": True}, True, 0)):
        calls = visit(tenant_facts(), **more)
        await check_dingtalk(calls, KEY, dingtalk.settings(streaming_card=streaming))
        assert calls.spent[key] == count
    assert len(dingtalk.called(BATCH_SEND)) == 2


async def test_the_last_calls_of_the_month_are_left_to_others(dingtalk: FakeDingtalk) -> None:
    findings = found(await look(dingtalk, tenant_facts(used={("dingtalk", "calls"): 4990})))
    assert findings["dingtalk.not_probed"].detail == "没有试（本月额度快用完了）"
    assert findings["dingtalk.quota"].state == "warn"
    assert not dingtalk.called(BATCH_SEND)


@pytest.mark.parametrize(
    ("used", "received", "calls", "codes"),
    [
        (5000, 0, 5000, {"dingtalk.quota": "fail"}),
        (4100, 2500, 5000, {"dingtalk.quota": "warn", "dingtalk.received": "warn"}),
        (4100, 2500, 205_000, {}),
    ],
)
async def test_the_quota_of_the_month(
    dingtalk: FakeDingtalk, used: int, received: int, calls: int, codes: dict[str, str]
) -> None:
    counts = {("dingtalk", "calls"): used, ("dingtalk", "received"): received}
    findings = await look(dingtalk, tenant_facts({"dingtalk": ["u1"]}, REACHED, counts), monthly_calls=calls)
    assert {one.code: one.state for one in findings if one.state != "ok"} == codes


@pytest.mark.parametrize(
    ("arrivals", "state", "said"),
    [
        (Arrivals(recent=4, outsiders=4), "fail", "应用还没有发布"),
        (Arrivals(recent=4, outsiders=1), "ok", "1 条来自企业外的人"),
        (Arrivals(recent=4), "ok", "已发布"),
    ],
)
async def test_whether_a_version_is_published(
    dingtalk: FakeDingtalk, arrivals: Arrivals, state: str, said: str
) -> None:
    finding = found(await look(dingtalk, tenant_facts(dingtalk=arrivals)))["dingtalk.published"]
    assert finding.state == state
    assert said in finding.detail
    assert state == "ok" or "版本管理与发布 → 创建新版本 → 发布" in finding.fix


async def test_messages_that_came_late(dingtalk: FakeDingtalk) -> None:
    findings = found(await look(dingtalk, tenant_facts(dingtalk=Arrivals(recent=5, stale=2))))
    assert findings["dingtalk.stale"].state == "warn"


async def test_messages_that_came_without_contents(dingtalk: FakeDingtalk) -> None:
    findings = found(await look(dingtalk, tenant_facts(dingtalk=Arrivals(recent=5, over_quota=2))))
    assert findings["dingtalk.over_quota"].state == "warn"
    assert "2 条到的时候没有内容" in findings["dingtalk.over_quota"].detail


async def test_the_address_book(dingtalk: FakeDingtalk) -> None:
    bound = tenant_facts({"dingtalk": ["u1", "u2", "left"]})
    assert "left" in found(await look(dingtalk, bound))["dingtalk.visible_range"].detail
    dingtalk.cloud.book.invisible = {"u2"}
    assert "员工u2（u2）、员工left（left）" in found(await look(dingtalk, bound))["dingtalk.visible_range"].detail


@pytest.mark.parametrize(("user", "said"), [("u1", "查得到人"), ("u2", "查得到人，看不到手机号")])
async def test_whether_mobile_numbers_are_seen(dingtalk: FakeDingtalk, user: str, said: str) -> None:
    finding = found(await look(dingtalk, tenant_facts({"dingtalk": [user]})))["dingtalk.contacts"]
    assert finding.detail.partition("：")[0] == said


@pytest.mark.parametrize(("path", "scope"), [(USER, "qyapi_get_member"), (BY_MOBILE, "qyapi_get_member_by_mobile")])
async def test_who_is_who_cannot_be_asked(dingtalk: FakeDingtalk, path: str, scope: str) -> None:
    dingtalk.cloud.door.withheld = {scope}
    finding = found(await look(dingtalk))["dingtalk.contacts"]
    assert (finding.state, scope in finding.fix) == ("warn", True)
    assert len(dingtalk.called(path)) == 1


async def test_nothing_came_yet(dingtalk: FakeDingtalk) -> None:
    assert "选「Stream 模式」" in found(await look(dingtalk, tenant_facts()))["dingtalk.arrival.never"].fix
    by_http = found(await look(dingtalk, tenant_facts(), stream=False))["dingtalk.arrival.never"]
    assert "消息接收地址填 https://您的域名/dingtalk/acme/robot" in by_http.fix


@pytest.mark.parametrize(
    ("reason", "code"),
    [("wrong signature", "dingtalk.arrival.signature"), ("too old", "dingtalk.arrival.stale")],
)
async def test_why_dingtalk_was_turned_away(dingtalk: FakeDingtalk, reason: str, code: str) -> None:
    reached = {"dingtalk": Reached(None, NOW, reason)}
    assert only(await look(dingtalk, tenant_facts(reached=reached))).code == code


async def test_both_addresses_are_tried_where_dingtalk_calls_them(dingtalk: FakeDingtalk) -> None:
    outside = visit(public_url="http://127.0.0.1:9")
    findings = await check_dingtalk(outside, KEY, dingtalk.settings(stream=False))
    assert fails(findings) == ["dingtalk.callback.refused", "dingtalk.card_callback.refused"]


async def test_a_step_of_a_stream_is_refused(dingtalk: FakeDingtalk) -> None:
    dingtalk.plan(STREAMING, Planned(400, {"code": "param.stream.content"}))
    assert only(await look(dingtalk, streaming_card=True)).code == "dingtalk.refused"
