"""XML from outside, read without DTDs and entities."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree.ElementTree import ParseError

import defusedxml.ElementTree
from defusedxml.common import DefusedXmlException

from bot.platforms.wecom.crypto import Reason, WecomRejected

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element


def read_xml(body: bytes, part: str) -> Element:
    """Return the root element; `WecomRejected` names the part that cannot be read."""
    try:
        root: Element = defusedxml.ElementTree.fromstring(body, forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError, LookupError) as error:
        # ValueError and LookupError: an encoding declaration that expat or Python does not know.
        raise WecomRejected(Reason.UNPARSABLE, part) from error
    return root


def child_text(element: Element, name: str) -> str:
    """Return the text of a direct child without surrounding space, "" when it is absent or empty."""
    return (element.findtext(name) or "").strip()
