"""What can be chosen on a card, on a template that has nothing but buttons.

One question with a few options becomes one button for each of them, whose id carries the option and the button it
stands for: `pick:<button>:<choice>=<option>:`. More than that is asked for in words. What was chosen beforehand is
submitted by the card's own button, with the same kind of id.

The last colon keeps the digits that DingTalk appends to the id of a button in an array apart from the option's key.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from urllib.parse import quote, unquote

from handlers.messages import Button, Card, Choice

Selected = Mapping[str, tuple[str, ...]]

# More buttons than these fill a phone's screen.
MOST_OPTIONS = 6
PICKED = re.compile(r"pick:([^:]+):([^:]*):[0-9]*")


def as_buttons(card: Card) -> Sequence[Button]:
    """Return the buttons that stand on the card, with those that choices become."""
    if not card.choices or not card.buttons:
        return card.buttons
    submit, *others = card.buttons
    if asked := one_of_few(card):
        picks = [
            Button(_id(submit.key, {asked.key: (option.key,)}), option.text, submit.action, primary=submit.primary)
            for option in asked.options
        ]
        return [*picks, *others]
    chosen = {choice.key: choice.chosen for choice in card.choices}
    if not all(chosen.values()):
        return others
    return [replace(submit, key=_id(submit.key, chosen)), *others]


def one_of_few(card: Card) -> Choice | None:
    """Return the card's choice when buttons can stand for it."""
    if len(card.choices) != 1 or card.choices[0].many or not 0 < len(card.choices[0].options) <= MOST_OPTIONS:
        return None
    return card.choices[0]


def chosen_by(pressed: str) -> tuple[str, Selected]:
    """Return the key of the pressed button and what it chose; an id of any other kind is the key itself."""
    found = PICKED.fullmatch(pressed)
    if found is None:
        return pressed, {}
    pairs = (pair.partition("=") for pair in found[2].split(";") if pair)
    selected = {unquote(key): tuple(map(unquote, values.split(","))) for key, _, values in pairs}
    return unquote(found[1]), selected


def _id(button: str, selected: Selected) -> str:
    pairs = (f"{_quoted(key)}={','.join(map(_quoted, options))}" for key, options in selected.items())
    return f"pick:{_quoted(button)}:{';'.join(pairs)}:"


def _quoted(text: str) -> str:
    return quote(text, safe="")
