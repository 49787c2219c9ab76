"""Decrypted XML of a self-built app to an `Update`; the last place that sees the XML (WeCom docs 90239, 90240).

Every message and event falls into one of three groups, kept apart by name: handled (`_CONTENT_OF_MESSAGE`,
`_CONTENT_OF_EVENT`), known and ignored (`IGNORED_MESSAGES`, `IGNORED_EVENTS`, each with its reason), and unknown,
which is news for the log and never an error.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

import structlog

from bot.platforms.wecom.crypto import Reason, WecomRejected
from bot.platforms.wecom.xml_reader import child_text, read_xml
from handlers.messages import Address, Press, Update, UpdateKind

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

log = structlog.get_logger()

PLATFORM = "wecom"
SYSTEM_USER = "sys"
# inbox.dedupe_key has this many characters.
MAX_KEY = 191

IGNORED_MESSAGES: Mapping[str, str] = {
    "image": "pictures are not read",
    "voice": "speech without a transcript is not read",
    "video": "films are not read",
    "location": "a position answers no question",
    "link": "shared pages are not read",
    "file": "files are not read",
}
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
    hints: Mapping[str, Any] = field(default_factory=dict)


def decode(xml: bytes, tenant: str, received_at: datetime) -> Update | None:
    """Return what happened, or None for a system event that nobody can be answered for.

    `Update.note` reads `message:…` or `event:…` for what is known and not handled, `unknown:…` for the rest.
    """
    root = read_xml(xml, "message")
    user, kind = child_text(root, "FromUserName"), child_text(root, "MsgType")
    if not user or not kind:
        raise WecomRejected(Reason.UNPARSABLE, "FromUserName or MsgType")
    event = child_text(root, "Event").casefold() if kind == "event" else ""
    if event in INACTIVITY_EVENTS:
        log.warning("wecom.app_inactivity", tenant=tenant, event_type=event)
    if user.casefold() == SYSTEM_USER:
        log.info("wecom.system_event_ignored", tenant=tenant, event_type=event or kind)
        return None
    content = _event(root, event, tenant) if event else _message(root, kind, tenant)
    return Update(
        tenant=tenant,
        dedupe_key=_dedupe_key(root, user, xml),
        kind=content.kind,
        address=_address(root, user.casefold(), content.hints),
        received_at=received_at,
        text=content.text,
        press=content.press,
        note=content.note,
    )


def _message(root: Element, kind: str, tenant: str) -> _Content:
    content = _CONTENT_OF_MESSAGE.get(kind, _nothing)(root)
    return content or _unhandled("message", kind, IGNORED_MESSAGES, tenant)


def _event(root: Element, event: str, tenant: str) -> _Content:
    content = _CONTENT_OF_EVENT.get(event, _nothing)(root)
    return content or _unhandled("event", event, IGNORED_EVENTS, tenant)


def _unhandled(family: str, name: str, ignored: Mapping[str, str], tenant: str) -> _Content:
    if name in ignored:
        log.info("wecom.ignored", tenant=tenant, what=f"{family}:{name}", reason=ignored[name])
        return _Content("other", note=f"{family}:{name}")
    if name in INACTIVITY_EVENTS:
        return _Content("other", note=f"{family}:{name}")
    log.info("wecom.unknown", tenant=tenant, what=f"{family}:{name}")
    return _Content("other", note=f"unknown:{name}")


def _text(root: Element) -> _Content:
    return _Content("text", text=child_text(root, "Content"))


def _voice(root: Element) -> _Content | None:
    transcript = child_text(root, "Recognition")
    return _Content("text", text=transcript) if transcript else None


def _menu(root: Element) -> _Content:
    return _Content("text", text=child_text(root, "EventKey"))


def _enter(root: Element) -> _Content:
    # enter_agent comes at every opening of the chat; the note lets a greeting tell it from subscribe.
    return _Content("enter", note=child_text(root, "Event").casefold())


def _press(root: Element) -> _Content:
    press = Press(card=child_text(root, "TaskId"), button=child_text(root, "EventKey"))
    hints: dict[str, Any] = {"response_code": child_text(root, "ResponseCode")}
    if selected := _selected(root):
        hints["selected"] = selected
    return _Content("press", press=press, hints=hints)


def _nothing(_: Element) -> None:
    return None


def _selected(root: Element) -> dict[str, list[str]]:
    """Return the chosen option ids by question; always lists, also for one item."""
    return {
        child_text(item, "QuestionKey"): [(option.text or "").strip() for option in item.iterfind("OptionIds/OptionId")]
        for item in root.iterfind("SelectedItems/SelectedItem")
    }


_Reader = Callable[["Element"], _Content | None]
_CONTENT_OF_MESSAGE: Mapping[str, _Reader] = {"text": _text, "voice": _voice}
_CONTENT_OF_EVENT: Mapping[str, _Reader] = {
    "template_card_event": _press,
    "template_card_menu_event": _press,
    "click": _menu,
    "enter_agent": _enter,
    "subscribe": _enter,
}


def _address(root: Element, user_id: str, hints: Mapping[str, Any]) -> Address:
    agent = child_text(root, "AgentID")
    known = {"agent_id": int(agent)} if agent.isdecimal() else {}
    return Address(PLATFORM, f"user:{user_id}", user_id, hints={**known, **{k: v for k, v in hints.items() if v}})


def _dedupe_key(root: Element, user: str, xml: bytes) -> str:
    """Return what identifies a delivery.

    A message: AgentID, FromUserName, MsgId; one MsgId may reach several users. An event has no MsgId, and whole
    seconds are too coarse to tell two events apart, so every field that can differ is in the key. The response
    code is a capability to change the card, therefore only its digest is kept.
    """
    agent, sender, message_id = child_text(root, "AgentID"), user.casefold(), child_text(root, "MsgId")
    if message_id:
        return _bounded("message", agent, sender, message_id)
    if child_text(root, "MsgType") != "event":
        return _bounded("message", agent, sender, _digest(xml))
    names = ("CreateTime", "AgentID", "Event", "EventKey", "TaskId")
    code = _digest(child_text(root, "ResponseCode").encode())
    return _bounded("event", sender, *(child_text(root, name) for name in names), code)


def _bounded(*parts: str) -> str:
    key = "|".join(parts)
    return key if len(key) <= MAX_KEY else f"{parts[0]}|{_digest(key.encode(), whole=True)}"


def _digest(data: bytes, *, whole: bool = False) -> str:
    digest = hashlib.sha256(data).hexdigest()
    return digest if whole else digest[:24]
