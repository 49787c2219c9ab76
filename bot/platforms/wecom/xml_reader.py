"""XML from outside, read without document types: where none is declared there are no entities to expand or fetch.

The parser is the standard library's in C with one refusal added. defusedxml does the same in Python at more than
twice the cost, and every callback is read twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.etree.ElementTree import ParseError, TreeBuilder, XMLParser

from bot.platforms.wecom.crypto import Reason, WecomRejected

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element


class DoctypeForbidden(ValueError):
    """The document declares a document type; expat says so before it reads what is declared there."""


class _Builder(TreeBuilder):
    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        """Refuse the document."""
        raise DoctypeForbidden(name)


def read_xml(body: bytes, part: str) -> Element:
    """Return the root element; `WecomRejected` names the part that cannot be read."""
    parser = XMLParser(target=_Builder())  # noqa: S314 - document types are refused
    try:
        parser.feed(body)
        root: Element = parser.close()
    except (ParseError, ValueError, LookupError) as error:
        # ValueError and LookupError: an encoding declaration that expat or Python does not know.
        raise WecomRejected(Reason.UNPARSABLE, part) from error
    return root


@dataclass(frozen=True, slots=True)
class Fields:
    """A flat message: the text of each direct child, read once, and the root for what is nested."""

    root: Element
    texts: Mapping[str, str]

    def text(self, name: str) -> str:
        """Return the text of a child without surrounding space, "" when it is absent or empty."""
        return self.texts.get(name, "")


def read_fields(body: bytes, part: str) -> Fields:
    """Return what the direct children say; `WecomRejected` names the part that cannot be read."""
    root = read_xml(body, part)
    return Fields(root, {child.tag: (child.text or "").strip() for child in root})


def child_text(element: Element, name: str) -> str:
    """Return the text of a direct child without surrounding space, "" when it is absent or empty."""
    return (element.findtext(name) or "").strip()
