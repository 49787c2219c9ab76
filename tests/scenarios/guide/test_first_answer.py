"""Every chapter of the guide leads from an empty console to the first answer, with the configuration it prints."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import pytest

from bot.answering import NOT_BOUND
from bot.identity import BOUND
from tests import guide
from tests.scenarios.guide.desk import Desk, reads
from tests.scenarios.guide.phones import (
    Phone,
    aibot_socket,
    aibot_url,
    dingtalk_http,
    dingtalk_stream,
    wecom_app,
)

CODE = re.compile(r"绑定码：(\d{6})")
STRANGER = NOT_BOUND.splitlines()[0]
MANAGER = next(csv.DictReader(io.StringIO(guide.section("认识第一个人").block("csv"))))

CHAPTERS = [
    ("1 企业微信自建应用", wecom_app),
    ("2 企业微信智能机器人", aibot_url),
    ("3 企业微信智能机器人", aibot_socket),
    ("5 钉钉应用机器人", dingtalk_stream),
    ("6 钉钉应用机器人", dingtalk_http),
]


@pytest.mark.parametrize(("title", "opened"), CHAPTERS, ids=[title[0] for title, _ in CHAPTERS])
async def test_from_an_empty_console_to_the_first_answer(
    title: str, opened: Callable[[], AbstractAsyncContextManager[Phone]], desk: Desk
) -> None:
    chapter = guide.section(title)
    async with opened() as phone, desk.following(chapter, phone.account) as base:
        await phone.check("".join(base + path for path in chapter.paths[:1]))
        await phone.say("你好")
        await reads(phone.screen, STRANGER)
        await desk.types("daogou staff import 员工.csv")
        code = CODE.search(await desk.types("daogou staff code 1"))
        assert code
        await phone.say(f"绑定 {code[1]}")
        await reads(phone.screen, BOUND.format(name=MANAGER["姓名"]))
        await phone.say("/我是谁")
        await reads(phone.screen, f"您是{MANAGER['姓名']}，{MANAGER['角色']}，负责：全部门店")
