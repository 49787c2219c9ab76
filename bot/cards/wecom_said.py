"""What a card says, and in which places of a template card it is said (WeCom doc 90236)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from bot.cards.wecom_limits import MAX_FIELD_NAME, MAX_FIELDS, MAX_OPTION_TEXT, Limits
from bot.cards.wecom_text import one_line, plain
from handlers.messages import Card, Choice

CardType = Literal[
    "vote_interaction", "multiple_interaction", "button_interaction", "news_notice", "text_notice", "message"
]
# These types have a title and one line under it, and no place else.
WITH_CHOICES = frozenset({"vote_interaction", "multiple_interaction"})

OPEN_PAGE = "查看详情"
UNTITLED = "请查看"


@dataclass(frozen=True, slots=True)
class Said:
    """Title, the line under it, the body and the fields; `whole` when no place is too small for its words."""

    title: str
    desc: str
    text: str
    fields: tuple[tuple[str, str], ...]
    whole: bool = True


def said_by(card: Card, kind: CardType, limits: Limits) -> Said:
    """Return what a template card of this type has to say for the card."""
    said = _with_choices(card, limits) if kind in WITH_CHOICES else _in_full(card, limits)
    return replace(said, whole=_fits(said, kind, limits) and _options_fit(card))


def whole_text(card: Card) -> str:
    """Return everything the card says, as Markdown."""
    choices = [f"{_question(one)}{'、'.join(one_line(option.text) for option in one.options)}" for one in card.choices]
    link = f"[{OPEN_PAGE}]({card.link})" if card.link else ""
    fields = [f"{name}：{value}" for name, value in _fields(card)]
    lines = (f"**{title_of(card)}**", card.state, card.text, *fields, *choices, card.footer, link)
    return "\n".join(filter(None, lines))


def _question(choice: Choice) -> str:
    title = one_line(choice.title)
    return title if title.endswith(("？", "?", "：", ":")) else f"{title}："


def title_of(card: Card) -> str:
    """Return the title as one line; a card WeCom takes has one."""
    return one_line(plain(card.title)) or UNTITLED


def _in_full(card: Card, limits: Limits) -> Said:
    small, text = _small_and_text(card, limits)
    return Said(title_of(card), small, text, _fields(card))


def _with_choices(card: Card, limits: Limits) -> Said:
    """Return everything in one line where it fits, else the state or the question there."""
    question = one_line(card.choices[0].title) if len(card.choices) == 1 else ""
    fields = [f"{name}：{value}" for name, value in _fields(card)]
    says = [one_line(plain(text)) for text in (card.state, question, card.text, *fields, card.footer)]
    title = title_of(card)
    line = " · ".join(text for text in says if text and text != title)
    if len(line) <= limits.desc:
        return Said(title, line, "", ())
    return Said(title, one_line(plain(card.state)) or question, line, ())


def _small_and_text(card: Card, limits: Limits) -> tuple[str, str]:
    """Return the line under the title and the body.

    A state outranks the footer, which then ends the body; a state too long for the line leads the body, where
    nothing is cut off its end.
    """
    state, footer, text = plain(card.state), plain(card.footer), plain(card.text)
    if not state:
        return footer, text
    if len(state) <= limits.desc:
        return state, "\n".join(filter(None, (text, footer)))
    return footer, "\n".join(filter(None, (state, text)))


def _fits(said: Said, kind: CardType, limits: Limits) -> bool:
    """Whether the template card shows everything that is said."""
    return (
        len(said.title) <= limits.title
        and len(said.desc) <= limits.desc
        and len(said.text) <= (0 if kind in WITH_CHOICES else limits.sub_title)
        and len(said.fields) <= MAX_FIELDS
        and all(0 < len(name) <= MAX_FIELD_NAME for name, _ in said.fields)
        and all(len(value) <= limits.field_value for _, value in said.fields)
    )


def _options_fit(card: Card) -> bool:
    return all(len(one_line(option.text)) <= MAX_OPTION_TEXT for one in card.choices for option in one.options)


def _fields(card: Card) -> tuple[tuple[str, str], ...]:
    return tuple((one_line(name), one_line(plain(value))) for name, value in card.fields)
