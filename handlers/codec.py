"""Neutral values to JSON and back, for the inbox and outbox rows that carry them."""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter

from handlers.messages import Address, Card, Part, Update

_UPDATE: TypeAdapter[Update] = TypeAdapter(Update)
_PART: TypeAdapter[Part] = TypeAdapter(Part)
_ADDRESS: TypeAdapter[Address] = TypeAdapter(Address)
_CARD: TypeAdapter[Card] = TypeAdapter(Card)


def dump_update(update: Update) -> str:
    """Return the update as JSON text, without what is at its default."""
    return _UPDATE.dump_json(update, exclude_defaults=True).decode()


def load_update(raw: dict[str, Any]) -> Update:
    """Return the update that `dump_update` wrote."""
    return _UPDATE.validate_python(raw)


def dump_part(part: Part) -> dict[str, Any]:
    """Return one part of a reply as JSON-ready values."""
    return dict(_PART.dump_python(part, mode="json"))


def load_part(raw: dict[str, Any]) -> Part:
    """Return the part that `dump_part` wrote."""
    return _PART.validate_python(raw)


def dump_address(address: Address) -> dict[str, Any]:
    """Return the address as JSON-ready values."""
    return dict(_ADDRESS.dump_python(address, mode="json"))


def load_address(raw: dict[str, Any]) -> Address:
    """Return the address that `dump_address` wrote."""
    return _ADDRESS.validate_python(raw)


def load_card(raw: dict[str, Any]) -> Card:
    """Return the card stored in `cards.content`."""
    return _CARD.validate_python(raw)
