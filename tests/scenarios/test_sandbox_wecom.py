"""Pictures, files and choices on the demo's WeCom phone, through the page's own addresses."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import select

from bot.platforms.base import CardRef
from bot.platforms.wecom.platform import WecomPlatform
from db.models import CardRow, Inbox
from handlers.messages import Address, Button, Card, Choice, File, Option, Picture, Table
from tests.demo_server import DemoServer
from tests.fakes.table_picture import PlainPictures

BOSS = Address("wecom", "user:manager3", "manager3")
PHONE = {"platform": "wecom", "user": "manager3"}
PNG = PlainPictures().draw_table(Table("", (), ()))
SHOP = Choice("shop", "哪家？", (Option("s1", "一店"), Option("s2", "二店")))
VOTE = Card("pick", "排班", choices=(SHOP,), buttons=(Button("submit", "提交", "choose", primary=True),))
REF = CardRef("c-0123456789abcdef")


@pytest.fixture
async def platform(demo: DemoServer) -> AsyncIterator[WecomPlatform]:
    settings = demo.stage.tenant_settings().wecom
    assert settings is not None
    made = WecomPlatform(settings)
    yield made
    await made.close()


async def shown(demo: DemoServer) -> dict[str, Any]:
    return (await demo.screen("wecom", "manager3"))[-1]


async def fetch(demo: DemoServer, media_id: str) -> tuple[int, str, str, bytes]:
    """Return status, type, disposition and body of a file on a phone."""
    async with demo.http.get(f"{demo.base}/sandbox/wecom/files/{media_id}") as response:
        how = response.headers.get("Content-Disposition", "")
        return response.status, response.content_type, how, await response.read()


async def test_a_picture_on_the_phone_can_be_looked_at(demo: DemoServer, platform: WecomPlatform) -> None:
    await platform.send(BOSS, platform.render(Picture("海报.png", base64.b64encode(PNG).decode()))[0])
    payload = (await shown(demo))["payload"]
    assert await fetch(demo, payload["image"]["media_id"]) == (200, "image/png", "", PNG)


async def test_a_file_on_the_phone_is_saved_and_never_run(demo: DemoServer, platform: WecomPlatform) -> None:
    page = b"<script>alert(1)</script>"
    await platform.send(BOSS, platform.render(File("a.html", base64.b64encode(page).decode()))[0])
    payload = (await shown(demo))["payload"]
    status, kind, how, body = await fetch(demo, payload["file"]["media_id"])
    assert (status, kind, body) == (200, "application/octet-stream", page)
    assert how == 'attachment; filename="a.html"'
    assert (await fetch(demo, "made-up"))[0] == 404


async def test_another_site_is_shown_no_file(demo: DemoServer) -> None:
    async with demo.http.get(f"{demo.base}/sandbox/wecom/files/x", headers={"Host": "evil.example"}) as response:
        assert response.status == 403


async def test_what_is_chosen_on_the_page_reaches_the_bot(demo: DemoServer, platform: WecomPlatform) -> None:
    await platform.send(BOSS, platform.render(VOTE, REF)[0], REF)
    press = {**PHONE, "message_id": (await shown(demo))["id"], "button": "submit"}
    assert (await demo.post("/sandbox/api/press", {**press, "chosen": {"shop": ["s2"]}}))[0] == 200
    async with demo.runtime.database.read() as session:
        (row,) = (await session.scalars(select(Inbox))).all()
    assert row.update["press"] == {"card": REF.public_id, "button": "submit", "selected": {"shop": ["s2"]}}


async def test_no_row_holds_a_response_code_that_can_be_used(demo: DemoServer) -> None:
    await demo.say("wecom", "manager3", "给高价值老客做一个促复购活动，预算3万，7天")
    bubble = (await demo.shown("wecom", "manager3", lambda text: "launch" in text))[-1]
    await demo.post("/sandbox/api/press", {**PHONE, "message_id": bubble["id"], "button": "launch"})
    await demo.shown("wecom", "manager3", lambda text: "已上架 · 券 " in text)
    async with demo.runtime.database.read() as session:
        (card,) = (await session.scalars(select(CardRow))).all()
        updates = (await session.scalars(select(Inbox).order_by(Inbox.id))).all()
    for sealed in (card.handle["response_code"], updates[-1].update["address"]["hints"]["response_code"]):
        assert bubble["id"] not in sealed  # the pretend WeCom writes the message into its codes
        assert bubble["id"] in demo.runtime.sealer.open(sealed)


@pytest.mark.parametrize(
    ("chosen", "status"), [({"shop": ["s9"]}, 409), ({"shop": "s1"}, 400), ([], 400), ({"shop": [1]}, 400)]
)
async def test_what_is_not_on_the_card_cannot_be_chosen(
    demo: DemoServer, platform: WecomPlatform, chosen: Any, status: int
) -> None:
    await platform.send(BOSS, platform.render(VOTE, REF)[0], REF)
    press = {**PHONE, "message_id": (await shown(demo))["id"], "button": "submit", "chosen": chosen}
    assert (await demo.post("/sandbox/api/press", press))[0] == status
