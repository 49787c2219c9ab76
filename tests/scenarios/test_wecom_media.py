"""Pictures, tables and files of the app: drawn, uploaded once, sent by media id."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from bot.platforms.base import Refused, TryLater
from bot.platforms.wecom.platform import WecomPlatform
from bot.platforms.wecom.uploads import ascii_name
from db.engine import Database
from handlers.messages import Address, Article, File, News, Picture, Table
from tests.fakes.table_picture import PlainPictures
from tests.fakes.wecom import SEND_PATH, UPLOAD_PATH, Clock, FakeWecom, services
from tests.rows import small_chain

BOSS = Address("wecom", "user:boss", "boss")
LILY = Address("wecom", "user:lily", "lily")
LARGE = Table("各门店", ("门店", "GMV"), tuple((f"{n} 号店", str(n)) for n in range(20)))
PNG = PlainPictures().draw_table(LARGE)
POSTER = Picture("海报.png", base64.b64encode(PNG).decode())
ROTA = File("十一月 排班.xlsx", base64.b64encode(b"not empty").decode())
MEGABYTE = 2**20


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def wecom(clock: Clock) -> AsyncIterator[FakeWecom]:
    async with FakeWecom(clock).running() as running:
        yield running


@pytest.fixture
def pictures() -> PlainPictures:
    return PlainPictures()


@pytest.fixture
async def platform(wecom: FakeWecom, clock: Clock, pictures: PlainPictures) -> AsyncIterator[WecomPlatform]:
    async with httpx.AsyncClient(timeout=30) as http:
        yield WecomPlatform(wecom.settings, http, clock, pictures=pictures)


@pytest.fixture
async def shared(wecom: FakeWecom, clock: Clock, database: Database) -> AsyncIterator[list[WecomPlatform]]:
    """Two replicas on one database."""
    await small_chain(database)
    async with httpx.AsyncClient(timeout=30) as http:
        yield [WecomPlatform(wecom.settings, http, clock, services(database, clock)) for _ in range(2)]


def stored(wecom: FakeWecom, user: str = "boss", at: int = -1) -> bytes:
    """The bytes behind a picture or file on a phone."""
    shown = wecom.screen(user)[at]
    kept = wecom.phones.kept(shown[shown["msgtype"]]["media_id"])
    assert kept is not None
    return kept.data


async def test_a_picture_arrives(platform: WecomPlatform, wecom: FakeWecom) -> None:
    await platform.send(BOSS, platform.render(POSTER)[0])
    assert stored(wecom) == PNG
    assert wecom.called(UPLOAD_PATH)[0].query["type"] == "image"


async def test_a_file_arrives_under_a_name_wecom_can_read(platform: WecomPlatform, wecom: FakeWecom) -> None:
    await platform.send(BOSS, platform.render(ROTA)[0])
    assert stored(wecom) == b"not empty"
    assert wecom.screen("boss")[0]["file"]["name"].endswith(".xlsx")


async def test_news_arrive(platform: WecomPlatform, wecom: FakeWecom) -> None:
    await platform.send(BOSS, platform.render(News((Article("羊绒怎么洗", "https://example.invalid/care"),)))[0])
    assert wecom.screen("boss")[0]["news"]["articles"] == [
        {"title": "羊绒怎么洗", "url": "https://example.invalid/care"}
    ]


async def test_a_large_table_is_drawn_when_it_is_sent(
    platform: WecomPlatform, wecom: FakeWecom, pictures: PlainPictures
) -> None:
    for payload in platform.render(LARGE):
        await platform.send(BOSS, payload)
    assert pictures.drawn == ["各门店"]
    assert stored(wecom, at=0) == PNG
    assert wecom.screen("boss")[1]["text"]["content"] == "各门店\n共 20 行"


@pytest.mark.parametrize("part", [POSTER, ROTA, LARGE])
async def test_what_is_recorded_of_a_send_holds_no_bytes(platform: WecomPlatform, part: Picture | File | Table) -> None:
    payload = platform.render(part)[0]
    await platform.send(BOSS, payload)
    kind = payload["msgtype"]
    assert payload == {"msgtype": kind, kind: {"media_id": payload[kind]["media_id"]}}


async def test_the_same_picture_for_many_is_uploaded_once(platform: WecomPlatform, wecom: FakeWecom) -> None:
    await asyncio.gather(*(platform.send(one, platform.render(POSTER)[0]) for one in (BOSS, LILY) for _ in "ab"))
    assert len(wecom.called(UPLOAD_PATH)) == 1


async def test_replicas_share_an_upload_for_three_days(
    shared: list[WecomPlatform], wecom: FakeWecom, clock: Clock
) -> None:
    for platform in (*shared, *shared):
        await platform.send(BOSS, platform.render(POSTER)[0])
    assert len(wecom.called(UPLOAD_PATH)) == 1
    clock.now += 3 * 86400 - 3600  # two hours early, so that none expires on its way
    await shared[0].send(BOSS, shared[0].render(POSTER)[0])
    assert len(wecom.called(UPLOAD_PATH)) == 2


async def test_an_upload_wecom_has_forgotten_is_made_again_once(platform: WecomPlatform, wecom: FakeWecom) -> None:
    await platform.send(BOSS, platform.render(POSTER)[0])
    gone = {"errcode": 40007, "errmsg": "invalid media_id"}
    wecom.fail[SEND_PATH].append(gone)
    await platform.send(LILY, platform.render(POSTER)[0])
    assert len(wecom.called(UPLOAD_PATH)) == 2
    assert stored(wecom, "lily") == PNG
    wecom.fail[SEND_PATH] += [gone, gone]
    with pytest.raises(Refused, match="素材已过期"):
        await platform.send(LILY, platform.render(POSTER)[0])
    assert len(wecom.called(UPLOAD_PATH)) == 3


async def test_a_shared_upload_wecom_has_forgotten_is_forgotten_by_all(
    shared: list[WecomPlatform], wecom: FakeWecom
) -> None:
    await shared[0].send(BOSS, shared[0].render(POSTER)[0])
    wecom.fail[SEND_PATH].append({"errcode": 40007, "errmsg": "invalid media_id"})
    for platform in shared:
        await platform.send(BOSS, platform.render(POSTER)[0])
    assert len(wecom.called(UPLOAD_PATH)) == 2


async def test_a_picture_repeated_after_a_lost_answer_is_shown_once(platform: WecomPlatform, wecom: FakeWecom) -> None:
    wecom.fail[SEND_PATH].append("drop")
    with pytest.raises(TryLater):
        await platform.send(BOSS, platform.render(POSTER)[0], key="r:1")
    await platform.send(BOSS, platform.render(POSTER)[0], key="r:1")
    assert len(wecom.screen("boss")) == 1


def payload(kind: str, name: str, data: bytes) -> dict[str, Any]:
    return {"msgtype": kind, "upload": {"name": name, "data": base64.b64encode(data).decode()}}


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (payload("image", "a.png", PNG[:8] + bytes(10 * MEGABYTE)), "a.png 太大（10.0 MB），企业微信最多收 10 MB"),
        (payload("file", "b.pdf", bytes(20 * MEGABYTE + 1)), "b.pdf 太大（20.0 MB），企业微信最多收 20 MB"),
        (payload("image", "a.gif", b"GIF89a..."), "a.gif 不是 PNG 或 JPG 图片，企业微信不收"),
        (payload("file", "c.txt", b"12345"), "c.txt 是空的"),
        ({"msgtype": "image", "upload": {"name": "d.png", "data": "???"}}, "d.png 的内容读不出来"),
    ],
)
async def test_what_wecom_would_not_take_is_refused_before_it_travels(
    platform: WecomPlatform, wecom: FakeWecom, body: dict[str, Any], reason: str
) -> None:
    with pytest.raises(Refused) as caught:
        await platform.send(BOSS, body)
    assert caught.value.reason == reason
    assert wecom.calls == []


async def test_the_largest_file_is_taken(platform: WecomPlatform, wecom: FakeWecom) -> None:
    await platform.send(BOSS, payload("file", "b.pdf", bytes(20 * MEGABYTE)))
    assert len(stored(wecom)) == 20 * MEGABYTE


@pytest.mark.parametrize(
    ("name", "ascii"),
    [
        ("report-11.csv", "report-11.csv"),
        ("门店 11-20 报表.csv", "11-20.csv"),
        ("海报.png", "ed968e840d10.png"),
        ("海报", "ed968e840d10"),
        ('a"b\r\nc.txt', "a-b-c.txt"),
        ("x" * 200 + ".pdf", "x" * 64 + ".pdf"),
    ],
)
def test_a_name_is_kept_as_far_as_it_is_ascii(name: str, ascii: str) -> None:  # noqa: A002
    assert ascii_name(name, b"aaaaa") == ascii


async def test_a_table_without_a_drawer_is_refused_and_not_retried(wecom: FakeWecom, clock: Clock) -> None:
    platform = WecomPlatform(wecom.settings, clock=clock)
    drawn = WecomPlatform(wecom.settings, clock=clock, pictures=PlainPictures()).render(LARGE)[0]
    with pytest.raises(Refused, match="没有画表格的工具"):
        await platform.send(BOSS, drawn)
    await platform.close()
