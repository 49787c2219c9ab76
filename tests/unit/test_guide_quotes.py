"""What the guide says about the program is what the program says: sentences, log events, error codes, limits."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bot.answering import NOT_BOUND, OUTSIDER
from bot.cards import aibot_card, dingtalk_card, dingtalk_choice, dingtalk_markdown, wecom_group, wecom_limits
from bot.cards.aibot import MAX_MARKDOWN_BYTES
from bot.cards.wecom_text import MAX_TEXT_BYTES
from bot.cli.serve import READY
from bot.delivery import NO_PLATFORM
from bot.identity import BOUND, TOO_MANY, WRONG_CODE
from bot.platforms.aibot import decode as aibot_decode
from bot.platforms.aibot.acks import NEVER_WROTE
from bot.platforms.aibot.greeting import WELCOME
from bot.platforms.aibot.polls import SWITCHED, UNKNOWN
from bot.platforms.aibot.snapshot import WAITING
from bot.platforms.dingtalk import decode as dingtalk_decode
from bot.platforms.dingtalk.errors import CODES, MISSING_PERMISSION
from bot.platforms.dingtalk.robot import NOT_REACHED, USERS_PER_CALL
from bot.platforms.dingtalk_group.platform import NO_ROBOT, SENDS_A_MINUTE
from bot.platforms.wecom import decode as wecom_decode
from bot.platforms.wecom.answers import error_of
from bot.platforms.wecom.platform import BATCH
from bot.platforms.wecom.uploads import MAX_FILE_BYTES, MAX_GROUP_IMAGE_BYTES, MAX_IMAGE_BYTES
from bot.recording import ASK_ALONE
from bot.web.errors import NOT_ALLOWED, NOT_FOUND
from handlers.help import HELP_HEAD
from handlers.messages import STALE
from knowledge.compiler import NO_STORE
from tests import guide

BOT = Path(__file__).parents[2] / "bot"
SOURCES = "".join(path.read_text("utf-8") for path in BOT.rglob("*.py"))
TROUBLE = "trouble"
CODE_ROW = re.compile(r"^\| (?P<codes>[^|]+) \| (?P<said>[^|]+) \| [^|]+ \|$", re.MULTILINE)


@pytest.mark.parametrize(
    "sentence",
    [
        NOT_BOUND.splitlines()[0],
        BOUND.format(name="王店长"),
        WRONG_CODE.split("。")[0],
        TOO_MANY,
        OUTSIDER,
        HELP_HEAD,
        NO_STORE,
        ASK_ALONE,
        WELCOME.format(name="店小二").split("。")[0],
        WAITING,
        SWITCHED,
        UNKNOWN,
        NO_PLATFORM,
        NEVER_WROTE,
        NOT_REACHED,
        NO_ROBOT,
        MISSING_PERMISSION.format(scopes=""),
        NOT_FOUND,
        NOT_ALLOWED.format(method="GET"),
        READY.partition("（")[0],
    ],
)
def test_what_people_read_is_quoted_as_it_is(sentence: str) -> None:
    assert sentence in guide.whole().text


def test_every_event_it_names_is_logged() -> None:
    composed = {f"{one.PLATFORM}.rejected" for one in (wecom_decode, aibot_decode, dingtalk_decode)}
    composed.add(f"{dingtalk_decode.PLATFORM}.{STALE}")
    named = guide.inline(r"(?:update|dispatch|delivery|wecom|aibot|dingtalk)\.[a-z_]+")
    assert len(named) > 10
    assert [event for event in named if event not in composed and f'"{event}"' not in SOURCES] == []


def test_every_error_code_of_wecom_means_what_the_table_says() -> None:
    rows = codes("企业微信", r"-?\d+")
    assert len(rows) > 15
    assert [code for code, said in rows.items() if not error_of(int(code)).reason.startswith(said)] == []


def test_every_error_code_of_dingtalk_means_what_the_table_says() -> None:
    rows = codes("钉钉", r"`(?!dingtalk\.)[\w.]+`")
    assert len(rows) > 12
    assert {code: dingtalk_says(code.strip("`")) for code in rows} == rows


@pytest.mark.parametrize(
    ("row", "limits"),
    [
        ("给一个人或一个群", (30, 1000, SENDS_A_MINUTE)),
        ("一次群发", (BATCH, USERS_PER_CALL)),
        (
            "一条文字",
            (MAX_TEXT_BYTES, MAX_MARKDOWN_BYTES, wecom_group.MAX_MARKDOWN_BYTES, dingtalk_markdown.MESSAGE_CHARS),
        ),
        ("图片", (MAX_IMAGE_BYTES >> 20, MAX_GROUP_IMAGE_BYTES >> 20)),
        ("文件", (MAX_FILE_BYTES >> 20,)),
        ("卡片按钮", (wecom_limits.MAX_BUTTONS, aibot_card.MAX_BUTTONS, dingtalk_card.BUTTON_CHARS)),
        ("卡片选项", (wecom_limits.MAX_VOTE_OPTIONS, wecom_limits.MAX_SELECT_OPTIONS, dingtalk_choice.MOST_OPTIONS)),
        ("卡片正文", (wecom_limits.APP.sub_title, aibot_card.MAX_SUB_TITLE, dingtalk_card.CARD_CHARS)),
    ],
)
def test_every_limit_is_the_one_in_the_code(row: str, limits: tuple[int, ...]) -> None:
    (line,) = re.findall(rf"^\| {row} \|.*$", guide.section("上限").text, re.MULTILINE)
    assert set(limits) <= {int(number) for number in re.findall(r"\d+", line)}


def codes(title: str, code: str) -> dict[str, str]:
    """The rows of a table of error codes: what is said by code."""
    listed = re.compile(rf"{code}(?:、{code})*")
    rows = CODE_ROW.finditer(guide.section(title, TROUBLE).text)
    return {one: row["said"] for row in rows if listed.fullmatch(row["codes"]) for one in row["codes"].split("、")}


def dingtalk_says(code: str) -> str | None:
    """What an error code means to us; the new API's have dotted names, of which the last part may do."""
    return CODES[code]().reason if code in CODES else None
