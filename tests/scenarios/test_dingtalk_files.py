"""Pictures, files, tables and pages to open over real HTTP to the fake DingTalk; what people send, fetched."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from bot.cards import table_picture
from bot.cards.dingtalk import as_list
from bot.platforms.base import Receipt, Refused, TryLater
from bot.platforms.dingtalk.platform import DingtalkPlatform
from db.engine import Database
from handlers.messages import Address, Article, File, News, Part, Picture, Table
from tests.fakes.dingtalk import BATCH_SEND, GROUP_SEND, UPLOAD, WEBHOOK, FakeDingtalk, Planned, fake_dingtalk
from tests.rows import small_chain
from tests.services import services_of

PERSON = Address("dingtalk", "user:u1", "u1")
GROUP = Address("dingtalk", "cidGroup==", "u1", group=True)
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)
CHART = Picture("gmv.png", base64.b64encode(PNG).decode(), "最近7天 GMV 走势")
SHEET = File("排班表.xlsx", base64.b64encode(b"PK\x03\x04 a sheet").decode())
LARGE = Table(
    "各店业绩", ("门店", "日期", "GMV", "订单数"), tuple((f"{n}店", "11-20", f"{n},000", str(n)) for n in range(1, 13))
)
PAGE = Article("促销手册", "https://x.cn/1", "怎么说", "https://x.cn/1.png")
NO_PERMISSION = {
    "errcode": 88,
    "errmsg": "ding talk error",
    "sub_code": "60011",
}


@pytest.fixture
async def dingtalk() -> AsyncIterator[FakeDingtalk]:
    async with fake_dingtalk() as fake:
        fake.cloud.add_group("cidGroup==", "售后群", ("u1", "u2"))
        yield fake


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(timeout=5) as client:
        yield client


@pytest.fixture
def platform(dingtalk: FakeDingtalk, http: httpx.AsyncClient) -> DingtalkPlatform:
    return DingtalkPlatform(dingtalk.settings(), http, pictures=table_picture)


async def show(platform: DingtalkPlatform, part: Part, address: Address = PERSON) -> list[dict[str, Any]]:
    """Send a part and return what would be recorded of it."""
    payloads = platform.render(part)
    for payload in payloads:
        await platform.send(address, payload)
    return payloads


def asked(dingtalk: FakeDingtalk) -> Address:
    session = dingtalk.cloud.open_session(dingtalk.base, "u1")
    return replace(PERSON, hints={"sessionWebhook": session.url, "sessionWebhookExpiredTime": session.expires_ms})


# --- pictures and files ---


@pytest.mark.parametrize(
    ("address", "path", "phones"), [(PERSON, BATCH_SEND, ["u1"]), (GROUP, GROUP_SEND, ["u1", "u2"])]
)
async def test_a_picture_is_uploaded_and_seen(
    dingtalk: FakeDingtalk, platform: DingtalkPlatform, address: Address, path: str, phones: list[str]
) -> None:
    await show(platform, CHART, address)
    [call] = dingtalk.called(path)
    [media_id] = dingtalk.cloud.media.uploads
    assert json.loads(call.body["msgParam"]) == {"photoURL": media_id}
    for user in phones:
        [bubble] = dingtalk.screen(user)
        assert base64.b64decode(bubble["picture"].partition("base64,")[2]) == PNG


async def test_a_picture_does_not_go_by_the_session_webhook(dingtalk: FakeDingtalk, platform: DingtalkPlatform) -> None:
    await show(platform, CHART, asked(dingtalk))
    assert not dingtalk.called(WEBHOOK)
    assert dingtalk.screen("u1")[0]["msgtype"] == "image"


async def test_what_is_recorded_names_the_upload_and_holds_no_bytes(
    dingtalk: FakeDingtalk, platform: DingtalkPlatform
) -> None:
    for part in (CHART, SHEET):
        [recorded] = await show(platform, part)
        assert recorded["media"] in dingtalk.cloud.media.uploads
        assert part.data not in json.dumps(recorded)


async def test_a_file_arrives_under_its_name(dingtalk: FakeDingtalk, platform: DingtalkPlatform) -> None:
    await show(platform, SHEET)
    [call] = dingtalk.called(BATCH_SEND)
    assert json.loads(call.body["msgParam"])["fileType"] == "xlsx"
    [bubble] = dingtalk.screen("u1")
    assert (bubble["msgtype"], bubble["name"]) == ("file", "排班表.xlsx")


async def test_the_same_picture_is_uploaded_once_for_all_replicas(
    dingtalk: FakeDingtalk, http: httpx.AsyncClient, database: Database
) -> None:
    await small_chain(database)
    for owner in ("first", "second"):
        replica = DingtalkPlatform(dingtalk.settings(), http, services=services_of(database, owner=owner))
        await show(replica, CHART)
    assert len(dingtalk.called(UPLOAD)) == 1
    assert len(dingtalk.screen("u1")) == 2


async def test_many_people_get_one_upload_in_one_call(dingtalk: FakeDingtalk, platform: DingtalkPlatform) -> None:
    [payload] = platform.render(CHART)
    people = [replace(PERSON, user_id=f"u{n}") for n in range(3)]
    outcomes = await platform.send_many(people, payload)
    assert [type(outcome) for outcome in outcomes.values()] == [Receipt] * 3
    assert (len(dingtalk.called(UPLOAD)), len(dingtalk.called(BATCH_SEND))) == (1, 1)


@pytest.mark.parametrize(
    ("part", "words"),
    [(CHART, "最近7天 GMV 走势"), (SHEET, "（没能发出：排班表.xlsx）"), (LARGE, "**1店**：日期 11-20")],
)
async def test_what_cannot_be_uploaded_is_said_in_words(
    dingtalk: FakeDingtalk, platform: DingtalkPlatform, part: Part, words: str
) -> None:
    dingtalk.plan(UPLOAD, Planned(200, NO_PERMISSION))
    await show(platform, part, asked(dingtalk))
    assert words in dingtalk.screen("u1")[0]["text"]


async def test_a_file_above_20_mb_never_leaves(dingtalk: FakeDingtalk, platform: DingtalkPlatform) -> None:
    await show(platform, File("big.zip", base64.b64encode(bytes(20 * 2**20 + 1)).decode()), asked(dingtalk))
    assert not dingtalk.called(UPLOAD)
    assert "big.zip" in dingtalk.screen("u1")[0]["text"]


async def test_an_upload_that_is_throttled_is_for_later(dingtalk: FakeDingtalk, platform: DingtalkPlatform) -> None:
    dingtalk.plan(UPLOAD, Planned(200, {"errcode": 90018, "errmsg": "slow"}))
    with pytest.raises(TryLater):
        await show(platform, CHART)
    assert dingtalk.screen("u1") == []


async def test_an_outsider_gets_the_words_of_a_picture(dingtalk: FakeDingtalk, platform: DingtalkPlatform) -> None:
    await show(platform, CHART, replace(asked(dingtalk), user_id="", conversation="cidOut=="))
    assert (dingtalk.screen("u1")[0]["text"], dingtalk.called(UPLOAD)) == ("最近7天 GMV 走势", [])


async def test_an_upload_renews_an_expired_token(dingtalk: FakeDingtalk, platform: DingtalkPlatform) -> None:
    await platform.check()
    dingtalk.cloud.tokens.clear()
    await show(platform, CHART)
    assert dingtalk.screen("u1")[0]["msgtype"] == "image"


# --- tables ---


async def test_a_large_table_is_a_picture_with_its_gist(dingtalk: FakeDingtalk, platform: DingtalkPlatform) -> None:
    recorded = await show(platform, LARGE, asked(dingtalk))
    picture, gist = dingtalk.screen("u1")
    assert picture["picture"].startswith("data:image/png;base64,")
    assert "各店业绩" in gist["text"]
    assert recorded[0]["table"]["columns"] == ["门店", "日期", "GMV", "订单数"]
    assert "base64" not in json.dumps(recorded)


async def test_a_small_table_is_a_list(dingtalk: FakeDingtalk, platform: DingtalkPlatform) -> None:
    small = replace(LARGE, rows=LARGE.rows[:2])
    assert await show(platform, small, asked(dingtalk)) == as_list(small)
    assert [call.path for call in dingtalk.calls] == [WEBHOOK]


# --- pages to open ---


@pytest.mark.parametrize("by_webhook", [True, False])
@pytest.mark.parametrize(("articles", "kind"), [((PAGE,), "link"), ((PAGE, PAGE), "feedCard")])
async def test_pages_are_opened_from_links(
    dingtalk: FakeDingtalk, platform: DingtalkPlatform, articles: tuple[Article, ...], kind: str, by_webhook: bool
) -> None:
    [recorded] = await show(platform, News(articles), asked(dingtalk) if by_webhook else PERSON)
    assert recorded["type"] == kind
    [bubble] = dingtalk.screen("u1")
    shown = bubble["links"][0]["url"] if bubble["msgtype"] == "links" else bubble["text"]
    assert "https://x.cn/1" in shown


async def test_pages_without_pictures_are_a_list(platform: DingtalkPlatform) -> None:
    bare = replace(PAGE, picture_url="")
    [payload] = platform.render(News((PAGE, bare)))
    assert payload["type"] == "markdown"
    assert payload["text"].count("[促销手册](https://x.cn/1)") == 2


# --- what people send ---


async def test_what_a_person_sent_can_be_fetched(dingtalk: FakeDingtalk, platform: DingtalkPlatform) -> None:
    code = dingtalk.cloud.media.attach(PNG)
    assert await platform.download(code) == PNG


@pytest.mark.parametrize(
    "url", ["http://169.254.169.254/latest", "https://10.0.0.1/x", "https://localhost/x", "file:///etc/passwd", "//x"]
)
async def test_an_address_inside_our_own_network_is_not_fetched(
    dingtalk: FakeDingtalk, platform: DingtalkPlatform, url: str
) -> None:
    dingtalk.plan("/v1.0/robot/messageFiles/download", Planned(200, {"downloadUrl": url}))
    with pytest.raises(Refused, match="不可信"):
        await platform.download("code")


async def test_what_is_gone_cannot_be_fetched(dingtalk: FakeDingtalk, platform: DingtalkPlatform) -> None:
    with pytest.raises(Refused):
        await platform.download("never-sent")
    with pytest.raises(Refused, match="没有下载码"):
        await platform.download("")
