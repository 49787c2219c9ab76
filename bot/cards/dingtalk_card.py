"""A neutral card as the variables of a "Markdown and buttons" template, and as a message where there is no card.

title, markdown, tips    texts
sys_full_json_obj        JSON in a string: every variable that is no text
  msgButtons             the buttons of the template that needs no work in the console
  btns                   the same buttons for a template of one's own (docs/dingtalk-card-template.json)
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from bot.cards.cut import LEAST, cut_chars_and_bytes, shorten
from bot.cards.dingtalk_choice import as_buttons, one_of_few
from bot.cards.dingtalk_markdown import BREAK
from bot.cards.markdown import for_dingtalk
from handlers.messages import Button, Card, Choice

# Markdown and buttons; in DingTalk's own SDK, so that there is nothing to draw and publish first.
READY_TEMPLATE = "1366a1eb-bc54-4859-ac88-517c56a9acb1.schema"
# Above some 3,000 characters cards are reported blank on phones.
CARD_CHARS = 3_000
TITLE_CHARS = 100
TIPS_CHARS = 200
BUTTON_CHARS = 20
# A control character, as JSON writes it.
MOST_BYTES_A_CHAR = 6

CUT = "……（内容较长，后面的没有显示）"
REPLY_WITH = "回复{words}即可。"
OPEN_LINK = "查看详情"
CHOOSE_ONE = "**{title}**：回复{words}"
CHOOSE_MANY = "**{title}**（可多选）：回复{words}"
WEB = re.compile(r"https?://[^\s()<>]+")


def card_params(card: Card) -> dict[str, str]:
    """Return the variables of the template that needs no work; every value is a string."""
    buttons = [_button(button) for button in _checked(as_buttons(card))]
    if is_web(card.link):
        buttons.append({"text": OPEN_LINK, "color": "gray", "url": card.link})
    return {
        "title": shorten(card.title, TITLE_CHARS),
        "markdown": _card_body(card),
        "tips": shorten(card.footer, TIPS_CHARS),
        "sys_full_json_obj": json.dumps({"msgButtons": buttons}, ensure_ascii=False),
    }


def for_own_template(params: Mapping[str, str]) -> dict[str, str]:
    """Return the variables with the buttons also as `btns`, in the form a button group of the console takes.

    The key of a button travels in its params too, where no index is appended to it.
    """
    full = json.loads(params["sys_full_json_obj"])
    full["btns"] = [_event_button(button) for button in full["msgButtons"]]
    return {**params, "sys_full_json_obj": json.dumps(full, ensure_ascii=False)}


def card_as_message(card: Card) -> str:
    """Return a card as Markdown whose last line says which word to reply, for where it cannot be shown."""
    parts = [f"#### {shorten(card.title, TITLE_CHARS)}" if card.title else "", _card_body(card)]
    if is_web(card.link):
        parts.append(f"[{OPEN_LINK}]({card.link})")
    parts.append(shorten(card.footer, TIPS_CHARS))
    if buttons := as_buttons(card):
        parts.append(REPLY_WITH.format(words="或".join(f"「{button.text}」" for button in buttons)))
    return BREAK.join(part for part in parts if part)


def is_web(url: str) -> bool:
    """Whether this is the address of a web page, with nothing in it that Markdown would read otherwise."""
    return bool(WEB.fullmatch(url))


def _button(button: Button) -> dict[str, Any]:
    # Blue and gray are the colours certain to exist; `request` makes the click come back to the robot.
    color = "blue" if button.primary else "gray"
    return {"text": shorten(button.text, BUTTON_CHARS), "color": color, "id": button.key, "request": True}


def _event_button(button: Mapping[str, Any]) -> dict[str, Any]:
    if url := button.get("url"):
        event = {"type": "openLink", "params": {"url": url}}
    else:
        params = {"actionId": button["id"], "params": {"action": button["id"]}}
        event = {"type": "sendCardRequest", "params": params}
    return {"text": button["text"], "color": button["color"], "status": "normal", "event": event}


def _checked(buttons: Sequence[Button]) -> Sequence[Button]:
    keys = [button.key for button in buttons]
    for key in keys:
        if not key or key[-1].isdigit():
            raise ValueError(f"button key {key!r} is empty or ends in a digit, which DingTalk uses for the index")
    if len(set(keys)) != len(keys):
        raise ValueError(f"button keys are not unique: {keys}")
    return buttons


def _card_body(card: Card) -> str:
    """Picture, fields, text, choices and state; when all of it is too long, the text is what gets shorter."""
    fields = for_dingtalk("\n".join(f"**{name}**：{value}" for name, value in card.fields))
    picture = f"![]({card.picture_url})" if is_web(card.picture_url) else ""
    choices = _choices(card) if card.buttons else ""
    state = f"**{card.state}**" if card.state else ""
    around = [part for part in (picture, fields, choices, state) if part]
    text = _shortened(for_dingtalk(card.text), max(CARD_CHARS - sum(len(part) + len(BREAK) for part in around), 0))
    whole = BREAK.join(part for part in (picture, fields, text, choices, state) if part)
    return whole if len(whole) <= CARD_CHARS else whole[: CARD_CHARS - len(CUT)] + CUT


def _choices(card: Card) -> str:
    """Return what is to be chosen: the question over its buttons, or every question with what to reply."""
    if asked := one_of_few(card):
        return f"**{asked.title}**" if asked.title else ""
    return for_dingtalk("\n".join(map(_asked, card.choices)))


def _asked(choice: Choice) -> str:
    """Return a choice as a line that says what to reply; what was chosen beforehand is marked."""
    chosen = [option.text for option in choice.options if option.key in choice.chosen]
    words = "、".join(f"「{option.text}」" for option in choice.options)
    line = (CHOOSE_MANY if choice.many else CHOOSE_ONE).format(title=choice.title, words=words)
    return f"{line}（现在是{'、'.join(chosen)}）" if chosen else line


def _shortened(text: str, room: int) -> str:
    """Return as much of a text as there is room for, with a note where something is gone."""
    if len(text) <= room:
        return text
    left = room - len(CUT) - len(BREAK)
    if left < LEAST:
        return ""
    return f"{cut_chars_and_bytes(text, left, left * MOST_BYTES_A_CHAR)[0]}{BREAK}{CUT}"
