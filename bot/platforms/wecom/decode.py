"""Decrypted XML of a self-built app to an `Update`; the last place that sees the XML (WeCom docs 90239, 90240).

Every message is handled (`_CONTENT_OF_MESSAGE`) or unknown. Every event falls into one of three groups, kept apart
by name: handled (`_CONTENT_OF_EVENT`), known and ignored (`IGNORED_EVENTS`, each with its reason), and unknown. What
is unknown is news for the log and never an error.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

import structlog

from bot.platforms.wecom.crypto import Reason, WecomRejected
from bot.platforms.wecom.xml_reader import Fields, child_text, read_fields
from handlers.messages import Address, Attachment, AttachmentKind, Press, Update, UpdateKind

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

log = structlog.get_logger()

PLATFORM = "wecom"
SYSTEM_USER = "sys"
# inbox.dedupe_key has this many characters.
MAX_KEY = 191
# An agent id has seven digits or so; Python refuses to read numbers of thousands of digits.
MAX_AGENT_DIGITS = 18

IGNORED_EVENTS: Mapping[str, str] = {
    "unsubscribe": "the member lost the app and cannot be answered",
    "location": "position reports are switched off by the admin, not by us",
    "view": "a menu link opens by itself",
    "view_miniprogram": "a menu link opens by itself",
    "scancode_push": "the menu has no scanner",
    "scancode_waitmsg": "the menu has no scanner",
    "pic_sysphoto": "the menu has no camera",
    "pic_photo_or_album": "the menu has no camera",
    "pic_weixin": "the menu has no camera",
    "location_select": "the menu has no map",
    "taskcard_click": "task cards are the predecessor of template cards; none is sent",
    "batch_job_result": "no batch job is started",
    "change_contact": "contacts are bound by the administrator",
    "change_external_contact": "customer contacts belong to another app",
    "open_approval_change": "approvals belong to another app",
}
# The app is about to be disabled, or was: somebody must look.
INACTIVITY_EVENTS = frozenset(
    {"inactive_alert", "close_inactive_agent", "reopen_inactive_agent", "low_active_alert", "low_active"}
    | {"active_restored"}
)


@dataclass(frozen=True, slots=True)
class _Content:
    """What a message or event says, without who, where and when."""

    kind: UpdateKind
    text: str = ""
    press: Press | None = None
    note: str = ""
    attachments: tuple[Attachment, ...] = ()
    hints: Mapping[str, str] = field(default_factory=dict)


def _as_it_is(text: str) -> str:
    return text


def decode(xml: bytes, tenant: str, received_at: datetime, seal: Callable[[str], str] = _as_it_is) -> Update | None:
    """Return what happened, or None for a system event that nobody can be answered for.

    `Update.note` reads `event:…` for what is known and not handled, `unknown:…` for the rest. `seal` makes the
    response code of a press unreadable for whoever reads the row: with it alone one may change the card.
    """
    fields = read_fields(xml, "message")
    user, kind = fields.text("FromUserName"), fields.text("MsgType")
    if not user or not kind:
        raise WecomRejected(Reason.UNPARSABLE, "FromUserName or MsgType")
    event = fields.text("Event").casefold() if kind == "event" else ""
    if event in INACTIVITY_EVENTS:
        log.warning("wecom.app_inactivity", tenant=tenant, event_type=event)
    if user.casefold() == SYSTEM_USER:
        log.info("wecom.system_event_ignored", tenant=tenant, event_type=event or kind)
        return None
    content = _event(fields, event, tenant) if event else _message(fields, kind, tenant)
    return Update(
        tenant=tenant,
        dedupe_key=_dedupe_key(fields, user, xml),
        kind=content.kind,
        address=_address(fields, user.casefold(), _sealed(content.hints, seal)),
        received_at=received_at,
        text=content.text,
        press=content.press,
        note=content.note,
        attachments=content.attachments,
    )


def _message(fields: Fields, kind: str, tenant: str) -> _Content:
    read = _CONTENT_OF_MESSAGE.get(kind)
    return read(fields) if read else _unknown("message", kind, tenant)


def _event(fields: Fields, event: str, tenant: str) -> _Content:
    if read := _CONTENT_OF_EVENT.get(event):
        return read(fields)
    if event in IGNORED_EVENTS:
        log.info("wecom.ignored", tenant=tenant, what=f"event:{event}", reason=IGNORED_EVENTS[event])
    elif event not in INACTIVITY_EVENTS:
        return _unknown("event", event, tenant)
    return _Content("other", note=f"event:{event}")


def _unknown(family: str, name: str, tenant: str) -> _Content:
    log.info("wecom.unknown", tenant=tenant, what=f"{family}:{name}")
    return _Content("other", note=f"unknown:{name}")


def _text(fields: Fields) -> _Content:
    return _Content("text", text=fields.text("Content"))


def _voice(fields: Fields) -> _Content:
    # Recognition is there when the app has speech to text switched on.
    transcript = fields.text("Recognition")
    return _Content("text", text=transcript) if transcript else _media("voice")(fields)


def _media(kind: AttachmentKind, title: str = "FileName", reference: str = "MediaId") -> _Reader:
    """Return the reader of a message that is one attachment, with the names of the fields it stands in."""

    def read(fields: Fields) -> _Content:
        attachment = Attachment(kind, title=fields.text(title), reference=fields.text(reference))
        return _Content("media", attachments=(attachment,))

    return read


def _location(fields: Fields) -> _Content:
    # Location_X is the latitude (doc 90239).
    latitude, longitude = _degrees(fields, "Location_X", 90.0), _degrees(fields, "Location_Y", 180.0)
    place = Attachment("location", title=fields.text("Label"), latitude=latitude, longitude=longitude)
    return _Content("media", attachments=(place,))


def _degrees(fields: Fields, name: str, most: float) -> float | None:
    """Return an angle, or None for what is none."""
    try:
        value = float(fields.text(name))
    except ValueError:
        return None
    return value if math.isfinite(value) and abs(value) <= most else None


def _menu(fields: Fields) -> _Content:
    return _Content("text", text=fields.text("EventKey"))


def _enter(fields: Fields) -> _Content:
    # enter_agent comes at every opening of the chat; the note lets a greeting tell it from subscribe.
    return _Content("enter", note=fields.text("Event").casefold())


def _press(fields: Fields) -> _Content:
    press = Press(fields.text("TaskId"), fields.text("EventKey"), _selected(fields))
    return _Content("press", press=press, hints={"response_code": fields.text("ResponseCode")})


def _selected(fields: Fields) -> dict[str, tuple[str, ...]]:
    """Return the chosen option ids by question, also for one question with one option."""
    return {
        child_text(item, "QuestionKey"): tuple(filter(None, map(_stripped, item.iterfind("OptionIds/OptionId"))))
        for item in fields.root.iterfind("SelectedItems/SelectedItem")
    }


def _stripped(element: Element) -> str:
    return (element.text or "").strip()


_Reader = Callable[[Fields], _Content]
_CONTENT_OF_MESSAGE: Mapping[str, _Reader] = {
    "text": _text,
    "voice": _voice,
    "image": _media("image"),
    "video": _media("video"),
    # Not listed by doc 90239; read in case it comes.
    "file": _media("file"),
    "link": _media("link", title="Title", reference="Url"),
    "location": _location,
}
_CONTENT_OF_EVENT: Mapping[str, _Reader] = {
    "template_card_event": _press,
    "template_card_menu_event": _press,
    "click": _menu,
    "enter_agent": _enter,
    "subscribe": _enter,
}


def _sealed(hints: Mapping[str, str], seal: Callable[[str], str]) -> dict[str, str]:
    """Return the hints that are there, sealed: all of them are capabilities."""
    return {name: seal(value) for name, value in hints.items() if value}


def _address(fields: Fields, user_id: str, hints: Mapping[str, Any]) -> Address:
    agent = fields.text("AgentID")
    known = {"agent_id": int(agent)} if agent.isdecimal() and len(agent) <= MAX_AGENT_DIGITS else {}
    return Address(PLATFORM, f"user:{user_id}", user_id, hints={**known, **hints})


def _dedupe_key(fields: Fields, user: str, xml: bytes) -> str:
    """Return what identifies a delivery.

    A message: AgentID, FromUserName, MsgId; one MsgId may reach several users. An event has no MsgId, and whole
    seconds are too coarse to tell two events apart, so every field that can differ is in the key. The response
    code is a capability to change the card, therefore only its digest is kept.
    """
    agent, sender, message_id = fields.text("AgentID"), user.casefold(), fields.text("MsgId")
    if message_id:
        return _bounded("message", agent, sender, message_id)
    if fields.text("MsgType") != "event":
        return _bounded("message", agent, sender, _digest(xml))
    names = ("CreateTime", "AgentID", "Event", "EventKey", "TaskId")
    code = _digest(fields.text("ResponseCode").encode())
    return _bounded("event", sender, *(fields.text(name) for name in names), code)


def _bounded(*parts: str) -> str:
    key = "|".join(parts)
    return key if len(key) <= MAX_KEY else f"{parts[0]}|{_digest(key.encode(), whole=True)}"


def _digest(data: bytes, *, whole: bool = False) -> str:
    digest = hashlib.sha256(data).hexdigest()
    return digest if whole else digest[:24]
