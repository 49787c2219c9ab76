"""The words of a group message without the @ that called the bot (WeCom doc 100719: a group starts with @name).

Cut by name and never at the first space: a name may hold spaces, and `@王店长 的券` is about a person.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

# What the bot is called where the settings do not say.
KNOWN_NAMES = ("店小二", "导购助手", "导购", "daogou")
# Clients end a mention with this space, and nobody types it: whatever stands before it was picked from the list.
MENTION_END = "\u2005"
MAX_NAME = 64

_PICKED = re.compile(rf"^@[^@\n{MENTION_END}]{{1,{MAX_NAME}}}{MENTION_END}")
_AFTER = r"(?=[\s,，:：。！!？?、]|$)[ \t\u2005\u00a0\u3000]*[,，:：]?"


def without_mention(text: str, name: str = "") -> str:
    """Return the text without `@name`, wherever it stands, and without surrounding space."""
    names = [name] if name else KNOWN_NAMES
    cut = _of(names).sub(" ", text)
    return (cut if cut != text else _PICKED.sub("", text)).strip()


def _of(names: Iterable[str]) -> re.Pattern[str]:
    longest_first = "|".join(re.escape(one) for one in sorted(names, key=len, reverse=True))
    return re.compile(rf"(?:(?<=\s)|^)@(?:{longest_first}){_AFTER}", re.IGNORECASE)
