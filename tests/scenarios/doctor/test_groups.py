"""Webhooks of groups: looked at, never tried."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from pydantic import SecretStr

from bot.cli.doctor.dingtalk_group import check_dingtalk_groups
from bot.cli.doctor.facts import Sent
from bot.cli.doctor.finding import Finding
from bot.cli.doctor.wecom_group import check_wecom_groups
from bot.config import DingtalkGroupSettings, Settings, WecomGroupSettings
from bot.platforms.base import SendError
from bot.platforms.dingtalk_group.platform import DingtalkGroupPlatform
from bot.platforms.wecom_group.platform import WecomGroupPlatform
from handlers.messages import Address
from tests.fakes.dingtalk import GROUP_ROBOT, Planned, fake_dingtalk
from tests.fakes.wecom import GROUP_PATH, FakeWecom
from tests.rows import NOW
from tests.scenarios.doctor.visits import KEY, facts_of, found, only, tenant_facts, visit_of

UUID, TOKEN = "693a91f6-7a11-4bc4-97a0-0ec2abf5aaaa", "0a" * 32
GROUP = "店长群"


def sent(status: str, error: str = "") -> Sent:
    return Sent(status, NOW - timedelta(hours=2), error)


async def wecom(key: str = UUID, last: Sent | None = None) -> list[Finding]:
    groups = {GROUP: WecomGroupSettings(key=SecretStr(key))}
    facts = facts_of(tenant_facts(groups={("wecom_group", GROUP): last} if last else {}))
    return await check_wecom_groups(visit_of(Settings(), facts), KEY, groups)


async def dingtalk(token: str = TOKEN, secret: str = "SEC1", last: Sent | None = None) -> list[Finding]:
    groups = {GROUP: DingtalkGroupSettings(access_token=SecretStr(token), secret=SecretStr(secret))}
    facts = facts_of(tenant_facts(groups={("dingtalk_group", GROUP): last} if last else {}))
    return await check_dingtalk_groups(visit_of(Settings(), facts), KEY, groups)


async def test_groups_that_are_right() -> None:
    for findings in (
        await wecom(),
        await wecom(last=sent("sent")),
        await dingtalk(),
        await dingtalk(last=sent("sent")),
    ):
        assert {finding.state for finding in findings} == {"ok"}
    assert "送达，11-21 08:30，2 小时前" in [finding.detail for finding in await wecom(last=sent("sent"))]


async def test_a_whole_address_is_not_a_key() -> None:
    finding = only(await wecom(f"https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key={UUID}"))
    assert finding.code == "wecom_group.key"
    assert 'config.toml 的 [tenants.acme.wecom_groups."店长群"] key' in finding.fix
    finding = only(await dingtalk(f"https://oapi.dingtalk.com/robot/send?access_token={TOKEN}"))
    assert finding.code == "dingtalk_group.token"


async def test_a_key_that_was_cut_off() -> None:
    assert only(await wecom(UUID[:-3]), "warn").detail == "有 33 个字符，一般是 36 个（8-4-4-4-12）"
    assert only(await dingtalk(TOKEN[:-1]), "warn").detail == "有 63 个字符，一般是 64 个"


async def test_a_robot_that_is_not_signed() -> None:
    finding = only(await dingtalk(secret="keyword"))
    assert finding.code == "dingtalk_group.secret"
    assert "「加签」" in finding.fix


async def test_what_may_have_arrived_is_looked_for_in_the_group() -> None:
    finding = only(await wecom(last=sent("unknown", "企业微信没有应答")))
    assert finding.code == "wecom_group.last_send.unknown"
    assert "到群里看一眼" in finding.fix


@pytest.fixture
async def cloud() -> AsyncIterator[FakeWecom]:
    async with FakeWecom(NOW.timestamp).running() as running:
        yield running


@pytest.mark.parametrize(
    ("errcode", "code", "fix"),
    [
        (93000, "wecom_group.last_send.key", "这个 key 已经失效"),
        (45009, "wecom_group.last_send.too_often", "一分钟最多 20 条"),
        (40008, "wecom_group.last_send.failed", "daogou outbox retry"),
    ],
)
async def test_the_reason_a_send_to_wecom_leaves_finds_its_cure(
    cloud: FakeWecom, errcode: int, code: str, fix: str
) -> None:
    """The reason is the one the platform itself writes down."""
    cloud.fail[GROUP_PATH] += [{"errcode": errcode, "errmsg": "no"}]
    platform = WecomGroupPlatform({GROUP: WecomGroupSettings(key=SecretStr("k"), base_url=cloud.settings.base_url)})
    with pytest.raises(SendError) as refused:
        await platform.send(
            Address("wecom_group", GROUP, "", group=True), {"msgtype": "text", "text": {"content": "x"}}
        )
    await platform.close()
    finding = only(await wecom(last=sent("failed", refused.value.reason)))
    assert finding.code == code
    assert fix in finding.fix


@pytest.mark.parametrize(
    ("errcode", "code", "fix"),
    [
        (310000, "dingtalk_group.last_send.security", "勾选「加签」"),
        (300001, "dingtalk_group.last_send.token", "access_token= 后面的部分"),
        (130101, "dingtalk_group.last_send.too_often", "停 10 分钟"),
        (460101, "dingtalk_group.last_send.too_long", "20000 字节"),
    ],
)
async def test_the_reason_a_send_to_dingtalk_leaves_finds_its_cure(errcode: int, code: str, fix: str) -> None:
    settings = DingtalkGroupSettings(access_token=SecretStr("t"), secret=SecretStr("SEC"))
    async with fake_dingtalk() as fake:
        fake.plan(GROUP_ROBOT, Planned(200, {"errcode": errcode, "errmsg": "no"}))
        platform = DingtalkGroupPlatform({GROUP: settings.model_copy(update={"base_url": fake.base})})
        with pytest.raises(SendError) as refused:
            await platform.send(
                Address("dingtalk_group", GROUP, "", group=True), {"type": "markdown", "title": "x", "text": "x"}
            )
        await platform.close()
    findings = found(await dingtalk(last=sent("failed", refused.value.reason)))
    assert fix in findings[code].fix
