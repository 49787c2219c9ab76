"""XML from outside, read without document types: where none is declared there are no entities to expand or fetch.

The parser is the standard library's in C with one refusal added. defusedxml does the same in Python at more than
twice the cost, and every callback is read twice.
"""

from __future__ import annotations

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


def child_text(element: Element, name: str) -> str:
    """Return the text of a direct child without surrounding space, "" when it is absent or empty."""
    return (element.findtext(name) or "").strip()
