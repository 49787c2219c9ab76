"""The menu at the bottom of the app's chat (WeCom docs 90231–90233).

A click comes back as the words of its key, so a menu of sentences needs no code of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bot.cards.wecom_limits import WEB_ADDRESS
from bot.cards.wecom_text import byte_size

MAX_TOP = 3
MAX_SUB = 5
MAX_TOP_NAME_BYTES = 16
MAX_SUB_NAME_BYTES = 40
MAX_KEY_BYTES = 128
MAX_URL_BYTES = 1024

NO_BUTTONS = "要有一个 button 列表，里面 1 到 {most} 个一级菜单，现在有 {count} 个"
NO_OBJECT = "每个菜单要写成 {{…}}，这里不是：{shown}"
NO_NAME = "{where}没有 name"
NAME_TOO_LONG = "{where}的名字有 {size} 字节（一个汉字 3 字节），最多 {limit} 字节"
SUB_COUNT = "{where}下面要有 1 到 {most} 个子菜单，现在有 {count} 个"
SUB_OF_SUB = "{where}是子菜单，下面不能再有菜单"
BAD_TYPE = '{where}的 type 要是 "click"（点了就说 key 里的话）或 "view"（打开 url）'
NO_KEY = "{where}没有 key：点它的时候要说的那句话"
KEY_TOO_LONG = "{where}的 key 有 {size} 字节，最多 {limit} 字节"
BAD_URL = "{where}的 url 要以 http:// 或 https:// 开头，最多 {limit} 字节"
TOP, SUB = "一级菜单「{name}」", "子菜单「{name}」"


class BadMenu(ValueError):
    """A menu WeCom would refuse; the message is Chinese and names every fault."""


def says(name: str, sentence: str = "") -> dict[str, Any]:
    """Return a button that says a sentence, by default its own name."""
    return {"type": "click", "name": name, "key": sentence or name}


def group(name: str, *buttons: Mapping[str, Any]) -> dict[str, Any]:
    """Return a button that opens a few others."""
    return {"name": name, "sub_button": list(buttons)}


DEFAULT_MENU: Mapping[str, Any] = {
    "button": [
        group(
            "今天",
            says("今日任务", "我的任务"),
            says("天气提醒", "今天天气提醒"),
            says("近期节日", "最近有什么节日"),
            says("本周生日", "这周有哪些会员过生日"),
        ),
        group(
            "报表",
            says("昨天业绩", "昨天各门店GMV、客单价、订单数"),
            says("最近7天趋势", "最近7天各门店GMV、客单价、订单数，按天趋势"),
            says("本月销售额", "本月GMV"),
            says("复购诊断", "这周复购率为什么下降了"),
        ),
        group(
            "更多",
            says("促复购活动", "给高价值老客做一个促复购活动，预算3万，7天"),
            says("我是谁", "我是谁"),
            says("帮助", "/帮助"),
        ),
    ]
}


def check(menu: Mapping[str, Any]) -> None:
    """Raise `BadMenu` with every fault, one a line."""
    if faults := list(_faults(menu)):
        raise BadMenu("\n".join(faults))


def lines(menu: Mapping[str, Any]) -> Iterator[str]:
    """Yield the menu as a person reads it."""
    for top in menu.get("button") or []:
        yield _line(top)
        yield from (f"  {_line(sub)}" for sub in top.get("sub_button") or [])


def _line(button: Mapping[str, Any]) -> str:
    does = button.get("key") or button.get("url") or ""
    return f"{button.get('name', '')} → {does}" if does else str(button.get("name", ""))


def _faults(menu: Mapping[str, Any]) -> Iterator[str]:
    buttons = menu.get("button")
    count = len(buttons) if isinstance(buttons, list) else 0
    if not isinstance(buttons, list) or not 1 <= count <= MAX_TOP:
        yield NO_BUTTONS.format(most=MAX_TOP, count=count)
        return
    for button in buttons:
        yield from _faults_of(button, TOP, MAX_TOP_NAME_BYTES)


def _faults_of(button: Any, place: str, most: int) -> Iterator[str]:
    if not isinstance(button, dict):
        yield NO_OBJECT.format(shown=button)
        return
    name = str(button.get("name") or "").strip()
    where = place.format(name=name)
    if not name:
        yield NO_NAME.format(where=where)
    if byte_size(name) > most:
        yield NAME_TOO_LONG.format(where=where, size=byte_size(name), limit=most)
    # A button WeCom gave us back may have an empty list beside its type.
    opens = button.get("sub_button") or ("sub_button" in button and "type" not in button)
    yield from _faults_below(button, where) if opens else _faults_of_action(button, where)


def _faults_below(button: Mapping[str, Any], where: str) -> Iterator[str]:
    below = button["sub_button"]
    count = len(below) if isinstance(below, list) else 0
    if not isinstance(below, list) or not 1 <= count <= MAX_SUB:
        yield SUB_COUNT.format(where=where, most=MAX_SUB, count=count)
        return
    yield from _faults_of_subs(below)


def _faults_of_subs(buttons: Sequence[Any]) -> Iterator[str]:
    for button in buttons:
        if isinstance(button, dict) and button.get("sub_button"):
            yield SUB_OF_SUB.format(where=SUB.format(name=button.get("name", "")))
        else:
            yield from _faults_of(button, SUB, MAX_SUB_NAME_BYTES)


def _faults_of_action(button: Mapping[str, Any], where: str) -> Iterator[str]:
    key, url = str(button.get("key") or ""), str(button.get("url") or "")
    match button.get("type"):
        case "click" if not key.strip():
            yield NO_KEY.format(where=where)
        case "click" if byte_size(key) > MAX_KEY_BYTES:
            yield KEY_TOO_LONG.format(where=where, size=byte_size(key), limit=MAX_KEY_BYTES)
        case "view" if not WEB_ADDRESS.fullmatch(url) or byte_size(url) > MAX_URL_BYTES:
            yield BAD_URL.format(where=where, limit=MAX_URL_BYTES)
        case "click" | "view":
            return
        case _:
            yield BAD_TYPE.format(where=where)
