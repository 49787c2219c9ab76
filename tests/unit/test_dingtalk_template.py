"""The template that can be imported fits what the renderer fills."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bot.cards.dingtalk_card import card_params, for_own_template
from handlers.messages import Button, Card

FILE = Path(__file__).parents[2] / "docs" / "dingtalk-card-template.json"
CARD = Card("plan", "方案", "正文", buttons=(Button("launch", "上架", "x"),), footer="小字", link="https://x.cn/1")


def editor() -> dict[str, Any]:
    exported = json.loads(FILE.read_text("utf-8"))
    assert (exported["type"], exported["mode"]) == ("im", "card")
    found: dict[str, Any] = json.loads(exported["editorData"])
    return found


def filled() -> dict[str, Any]:
    """Every variable as the template sees it: texts, and what the full JSON holds."""
    params = for_own_template(card_params(CARD))
    return {**params, **json.loads(params.pop("sys_full_json_obj"))}


def test_every_variable_of_the_template_is_filled() -> None:
    names = {variable["name"] for variable in editor()["variableList"]}
    assert names == {"title", "markdown", "tips", "btns"}
    assert names <= filled().keys()


def test_the_buttons_have_the_form_the_template_declares() -> None:
    [declared] = [variable for variable in editor()["variableList"] if variable["name"] == "btns"]
    for button in filled()["btns"]:
        assert button.keys() == {part["name"] for part in declared["schema"]}
    assert {button["event"]["type"] for button in filled()["btns"]} == {"sendCardRequest", "openLink"}


def test_every_variable_is_drawn_by_a_component_that_is_declared() -> None:
    schema = editor()["schema"]
    drawn = list(components(schema["componentsTree"]))
    assert {one["componentName"] for one in drawn} == {one["componentName"] for one in schema["componentsMap"]}
    for name in ("title", "markdown", "tips", "btns"):
        assert any(name in json.dumps(one["props"]) for one in drawn if one["componentName"] != "Card")


def components(tree: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for one in tree:
        yield one
        yield from components(one.get("children", []))
