"""The @ that called the bot goes; a @ of somebody else stays."""

from __future__ import annotations

import pytest

from bot.platforms.aibot.mention import without_mention


@pytest.mark.parametrize(
    ("text", "name", "rest"),
    [
        ("@店小二 今天有什么券", "店小二", "今天有什么券"),
        ("@店小二\u2005今天有什么券", "店小二", "今天有什么券"),
        ("@店小二，今天有什么券", "店小二", "今天有什么券"),
        ("@店小二", "店小二", ""),
        ("今天有什么券 @店小二", "店小二", "今天有什么券"),
        ("@Store Bot  GMV", "store bot", "GMV"),
        ("@店小二 @王店长 的券", "店小二", "@王店长 的券"),
        ("@店小二号 在吗", "店小二", "@店小二号 在吗"),
        ("@王店长 的券", "店小二", "@王店长 的券"),
        ("a@店小二 b", "店小二", "a@店小二 b"),
        ("@店小二 今天有什么券", "", "今天有什么券"),
        ("@导购助手 GMV", "", "GMV"),
        ("@随便 起的 名字\u2005GMV", "", "GMV"),
        ("@王店长 的券", "", "@王店长 的券"),
        ("@a+b(c GMV", "a+b(c", "GMV"),
        ("没有提到", "店小二", "没有提到"),
    ],
)
def test_only_the_bots_name_is_cut(text: str, name: str, rest: str) -> None:
    assert without_mention(text, name) == rest
