"""Parts as plain text, as the command line and the conversation log show them."""

from __future__ import annotations

from handlers.messages import Button, Card, Table, Text
from handlers.plain import as_text


def test_a_card_is_its_title_state_body_fields_and_buttons() -> None:
    card = Card(
        "plan", "方案", "**目标**\n- 复购率", (("预算", "¥30,000"),), (Button("launch", "上架", "a"),), "小字", "已上架"
    )
    assert as_text([card]) == "方案\n已上架\n目标\n- 复购率\n预算：¥30,000\n小字\n[上架]"


def test_parts_stand_apart() -> None:
    assert as_text([Text("一"), Table("表", ("门店", "GMV"), (("静安店", "¥1"),))]) == "一\n\n表\n门店 GMV\n静安店 ¥1"
