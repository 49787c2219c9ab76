"""The whole loop on both wires: real encrypted bytes and real frames in, real payloads out.

The same sentences run on WeCom (encrypted XML, template card) and on DingTalk (stream frame, interactive card).
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from sqlalchemy import func, select

from bot.sandbox.wecom_callbacks import Callback
from db.models import ActionLog, CardRow, Inbox, Outbox, StaffIdentity
from tests.demo_server import DemoServer, eventually

PLATFORMS = ("wecom", "dingtalk")
PLAN = "给高价值老客做一个促复购活动，预算3万，7天"
LAUNCHED = "已上架 · 券 "


async def plan_card(demo: DemoServer, platform: str, user: str = "manager3") -> dict[str, Any]:
    """Ask for the plan and return the card's bubble."""
    await demo.say(platform, user, PLAN)
    bubbles = await demo.shown(platform, user, lambda text: "launch" in text)
    return next(bubble for bubble in bubbles if "launch" in str(bubble))


async def press(demo: DemoServer, platform: str, card: dict[str, Any], user: str = "manager3") -> int:
    body = {"platform": platform, "user": user, "message_id": card["id"], "button": "launch"}
    return (await demo.post("/sandbox/api/press", body))[0]


async def count(demo: DemoServer, model: type[Any], *where: Any) -> int:
    async with demo.runtime.database.read() as session:
        return int(await session.scalar(select(func.count()).select_from(model).where(*where)) or 0)


def coupons(demo: DemoServer) -> list[dict[str, Any]]:
    assert demo.runtime.mock_crm is not None
    return demo.runtime.mock_crm.book.all()


@pytest.mark.parametrize("platform", PLATFORMS)
async def test_a_report_arrives_as_text(demo: DemoServer, platform: str) -> None:
    await demo.say(platform, "hq1", "最近7天各门店GMV、客单价、订单数，按天趋势")
    text = str(await demo.shown(platform, "hq1", lambda text: "口径" in text))
    assert "¥351.0万" in text


@pytest.mark.parametrize("platform", PLATFORMS)
async def test_launch_pressed_twice_at_once_makes_one_coupon_and_one_truthful_card(
    demo: DemoServer, platform: str
) -> None:
    card = await plan_card(demo, platform)

    assert list(await asyncio.gather(press(demo, platform, card), press(demo, platform, card))) == [200, 200]

    bubbles = await demo.shown(platform, "manager3", lambda text: LAUNCHED in text)
    await eventually(lambda: count(demo, Inbox, Inbox.status == "done"), lambda done: done == 3)
    assert len(coupons(demo)) == 1
    assert await count(demo, ActionLog, ActionLog.status == "succeeded") == 2
    assert sum(LAUNCHED in str(bubble) for bubble in bubbles) == 1
    assert '"launch"' not in str(bubbles)


async def test_the_same_plan_launched_on_both_platforms_is_one_coupon(demo: DemoServer) -> None:
    for platform in PLATFORMS:
        await press(demo, platform, await plan_card(demo, platform))
        await demo.shown(platform, "manager3", lambda text: LAUNCHED in text)

    assert len(coupons(demo)) == 1


@pytest.mark.parametrize("platform", PLATFORMS)
async def test_a_clerk_gets_no_plan(demo: DemoServer, platform: str) -> None:
    await demo.say(platform, "clerk3a", PLAN)
    await demo.shown(platform, "clerk3a", lambda text: "店长" in text)
    assert await count(demo, CardRow) == 0


async def test_morning_drafts_arrive_once_and_are_done_by_a_press(demo: DemoServer) -> None:
    for expected in ("已发出", "已经发过"):
        _, body = await demo.post("/sandbox/api/push", {"kind": "morning", "user": "clerk3a"})
        assert expected in body["message"]
    (bubble,) = await demo.shown("wecom", "clerk3a", lambda text: "早上好" in text)
    assert "生日" in str(bubble)

    button = bubble["payload"]["template_card"]["button_list"][0]["key"]
    body = {"platform": "wecom", "user": "clerk3a", "message_id": bubble["id"], "button": button}
    assert (await demo.post("/sandbox/api/press", body))[0] == 200

    (bubble,) = await demo.shown("wecom", "clerk3a", lambda text: "✅" in text)
    _, evening = await demo.post("/sandbox/api/push", {"kind": "evening", "user": "clerk3a"})
    assert "已发出" in evening["message"]
    await demo.shown("wecom", "clerk3a", lambda text: "还" in text.split("早上好")[-1])


@pytest.mark.parametrize("platform", PLATFORMS)
async def test_a_stranger_gets_a_hint_and_sees_nothing(demo: DemoServer, platform: str) -> None:
    async with demo.runtime.database.write() as session:
        row = (await session.scalars(select(StaffIdentity).where(StaffIdentity.user_id == "hq1"))).first()
        assert row is not None
    stage = demo.stage
    stage.invite(["stranger"])
    if platform == "wecom":
        callback = stage.wecom.type_text("stranger", "最近7天GMV")
        assert await deliver(demo, callback) == 200
    else:
        await stage.dingtalk.say("stranger", "最近7天GMV")

    shown = await eventually(lambda: phone(demo, platform, "stranger"), lambda text: "绑定" in text)

    assert "stranger" in shown
    assert "¥" not in shown


async def phone(demo: DemoServer, platform: str, user: str) -> str:
    """What is on a phone that the sandbox page would not show."""
    return str([one.payload for one in demo.stage.phones.screen(platform, user)])


async def deliver(demo: DemoServer, callback: Callback, **change: str) -> int:
    async with demo.http.post(
        f"{demo.base}/wecom/demo/app", params=callback.query | change, data=callback.body
    ) as response:
        return response.status


async def test_wecom_delivers_three_times_and_is_answered_once(demo: DemoServer) -> None:
    callback = demo.stage.wecom.type_text("hq1", "/我是谁")

    assert [await deliver(demo, callback) for _ in range(3)] == [200, 200, 200]

    await demo.shown("wecom", "hq1", lambda text: "您是" in text)
    assert await count(demo, Inbox) == 1
    assert await count(demo, Outbox) == 1


async def test_the_same_question_asked_twice_is_answered_twice(demo: DemoServer) -> None:
    for times in (1, 2):
        await demo.say("wecom", "hq1", "/我是谁")
        await demo.shown("wecom", "hq1", lambda text, times=times: text.count("您是") == times)  # type: ignore[misc]


async def test_callbacks_that_cannot_be_trusted_leave_no_row(demo: DemoServer) -> None:
    callback = demo.stage.wecom.type_text("hq1", "/我是谁")

    assert await deliver(demo, callback, msg_signature="0" * 40) == 403
    assert await deliver(demo, callback, timestamp="1409659813") == 403
    assert await deliver(demo, Callback(callback.query, b"<xml>", "")) in {400, 403}
    assert await deliver(demo, Callback(callback.query, b"x" * 70_000, "")) == 413
    async with demo.http.post(f"{demo.base}/wecom/nobody/app", data=b"") as response:
        assert response.status == 404

    assert await count(demo, Inbox) == 0


async def test_the_url_check_is_answered_with_the_digits_alone(demo: DemoServer) -> None:
    query, digits = demo.stage.wecom.callbacks.url_check()
    async with demo.http.get(f"{demo.base}/wecom/demo/app", params=query) as response:
        assert (response.status, await response.text()) == (200, digits)


async def test_nothing_that_travelled_is_kept_with_its_credentials(demo: DemoServer) -> None:
    await press(demo, "wecom", await plan_card(demo, "wecom"))
    await demo.shown("wecom", "manager3", lambda text: LAUNCHED in text)
    async with demo.runtime.database.read() as session:
        payloads = json.dumps([row.payloads for row in (await session.scalars(select(Outbox))).all()])
    assert "access_token" not in payloads
