"""The JSON of an aibot, read leniently: WeCom's own pages spell a field card_type, cardtype and CardType (101027)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Fields:
    """One JSON object, its keys without case and underscores; what is missing or of another type is empty."""

    values: Mapping[str, Any]

    @classmethod
    def of(cls, raw: Any) -> Fields:
        """Return the fields of an object, none of anything else."""
        return cls({_plain(key): value for key, value in raw.items()} if isinstance(raw, dict) else {})

    def text(self, name: str) -> str:
        """Return a text or a whole number as text."""
        value = self.values.get(_plain(name))
        if isinstance(value, str):
            return value.strip()
        return str(value) if isinstance(value, int) and not isinstance(value, bool) else ""

    def inside(self, name: str) -> Fields:
        """Return an object in this one."""
        return Fields.of(self.values.get(_plain(name)))

    def each(self, name: str) -> Iterator[Any]:
        """Yield the entries of a list; one that stands alone counts as a list of one."""
        value = self.values.get(_plain(name))
        yield from value if isinstance(value, list) else [] if value is None else [value]


def _plain(key: str) -> str:
    return key.replace("_", "").casefold()
