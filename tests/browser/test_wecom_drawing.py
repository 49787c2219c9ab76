"""What the WeCom phone draws beyond text: pictures, files, news, and the five template cards."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.async_api import Locator, Page

from tests.browser.sandbox import Demo

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

PAGE = {"type": 1, "url": "https://example.invalid/page"}
DRAW = """async (payload) => {
    const { wecom } = await import("/sandbox/static/wecom.js");
    const over = document.createElement("div");
    over.id = "drawn";
    over.style.cssText = "position: fixed; inset: 0; z-index: 99; background: white";
    over.append(wecom.draw(payload, (...pressed) => (window.pressed = pressed)).node);
    document.body.append(over);
}"""
VOTE: dict[str, Any] = {
    "card_type": "vote_interaction",
    "main_title": {"title": "排班"},
    "task_id": "t1",
    "checkbox": {
        "question_key": "shop",
        "mode": 1,
        "option_list": [{"id": "s1", "text": "一店", "is_checked": True}, {"id": "s2", "text": "二店"}],
    },
    "submit_button": {"text": "提交", "key": "submit"},
}
SELECTS = {
    "card_type": "multiple_interaction",
    "main_title": {"title": "筛选"},
    "task_id": "t2",
    "select_list": [
        {
            "question_key": "city",
            "title": "城市",
            "option_list": [{"id": "sh", "text": "上海"}, {"id": "hz", "text": "杭州"}],
        }
    ],
    "submit_button": {"text": "提交", "key": "submit"},
}
NOTICE = {
    "card_type": "news_notice",
    "main_title": {"title": "上周周报"},
    "card_image": {"url": "https://example.invalid/p.png", "aspect_ratio": 2.25},
    "vertical_content_list": [{"title": "GMV", "desc": "+3%"}],
    "card_action": PAGE,
}


async def draw(page: Page, demo: Demo, payload: dict[str, Any]) -> Locator:
    """Draw a message over the page and return it."""
    await page.goto(f"{demo.url}/sandbox")
    await page.evaluate(DRAW, payload)
    return page.locator("#drawn")


def card(body: dict[str, Any]) -> dict[str, Any]:
    return {"msgtype": "template_card", "template_card": body}


async def pressed(page: Page) -> list[Any]:
    """The key of the pressed button and what was chosen."""
    return list(await page.evaluate("[window.pressed[0], window.pressed[2]]"))


async def test_a_vote_tells_what_was_ticked(page: Page, demo: Demo) -> None:
    drawn = await draw(page, demo, card(VOTE))
    await drawn.get_by_label("二店").check()
    await drawn.get_by_role("button", name="提交").click()
    assert await pressed(page) == ["submit", {"shop": ["s1", "s2"]}]
    await drawn.get_by_label("一店").uncheck()
    await drawn.get_by_role("button", name="提交").click()
    assert await pressed(page) == ["submit", {"shop": ["s2"]}]


async def test_one_answer_is_a_circle(page: Page, demo: Demo) -> None:
    drawn = await draw(page, demo, card({**VOTE, "checkbox": {**VOTE["checkbox"], "mode": 0}}))
    await drawn.get_by_role("radio", name="二店").check()
    await drawn.get_by_role("button", name="提交").click()
    assert await pressed(page) == ["submit", {"shop": ["s2"]}]


async def test_a_selector_tells_what_was_selected(page: Page, demo: Demo) -> None:
    drawn = await draw(page, demo, card(SELECTS))
    await drawn.get_by_label("城市").select_option("杭州")
    await drawn.get_by_role("button", name="提交").click()
    assert await pressed(page) == ["submit", {"city": ["hz"]}]


async def test_a_finished_vote_cannot_be_answered(page: Page, demo: Demo) -> None:
    drawn = await draw(page, demo, card({**VOTE, "replace_text": "已处理"}))
    assert await drawn.get_by_role("checkbox").count() == 0
    assert await drawn.get_by_role("button", name="已处理").is_disabled()


async def test_a_notice_opens_its_page_in_another_tab(page: Page, demo: Demo) -> None:
    drawn = await draw(page, demo, card(NOTICE))
    link = drawn.get_by_role("link", name="查看详情")
    assert [await link.get_attribute(name) for name in ("href", "target")] == [PAGE["url"], "_blank"]
    assert await drawn.get_by_text("〔图片〕example.invalid").is_visible()
    assert await drawn.locator("img").count() == 0


async def test_news_and_files_are_links_and_a_bad_address_is_none(page: Page, demo: Demo) -> None:
    articles = [
        {"title": "羊绒", "url": PAGE["url"], "description": "怎么洗"},
        {"title": "坏的", "url": "javascript:0"},
    ]
    drawn = await draw(page, demo, {"msgtype": "news", "news": {"articles": articles}})
    assert await drawn.get_by_role("link").all_inner_texts() == ["羊绒"]
    drawn = await draw(page, demo, {"msgtype": "file", "file": {"media_id": "m/1", "name": "a.csv", "size": 2048}})
    link = drawn.get_by_role("link", name="a.csv")
    assert [await link.get_attribute(name) for name in ("href", "download")] == ["/sandbox/wecom/files/m%2F1", "a.csv"]
    assert "2 KB" in await link.inner_text()


async def test_a_picture_is_the_one_that_was_sent(page: Page, demo: Demo) -> None:
    drawn = await draw(page, demo, {"msgtype": "image", "image": {"media_id": "m1", "name": "a.png"}})
    picture = drawn.get_by_role("img", name="图片 a.png")
    assert await picture.get_attribute("src") == "/sandbox/wecom/files/m1"
