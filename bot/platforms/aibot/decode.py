"""An aibot's JSON to an `Update`, the same for both modes (WeCom docs 100719, 101027).

    message   text, voice            → text
              image, file, video     → media
              mixed                  → text with attachments
    event     template_card_event    → press
              enter_chat             → enter
              feedback_event         → feedback
              disconnected_event     → Kicked
    stream                           → Poll

What is known to be nobody's (no user, `sys`, a group without id) and what is not known at all is None, and logged.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import structlog

from bot.platforms.aibot.fields import Fields
from bot.platforms.aibot.hints import Hints
from bot.platforms.aibot.inbound import Inbound, Kicked, Poll, Undecodable
from bot.platforms.aibot.mention import without_mention
from handlers.messages import Address, Attachment, AttachmentKind, GivenFeedback, Press, Update, UpdateKind, Verdict

log = structlog.get_logger()

PLATFORM = "aibot"
DIRECTORY = "wecom"
SYSTEM_USER = "sys"
# Streams and inbox rows of aibots are told from others by it.
KEY_PREFIX = "aibot-"
KEY_DIGITS = 48
# staff_identities.user_id and inbox.conversation_key have room for so many characters.
MAX_USER_ID = 64
MAX_CHAT_ID = 120
MAX_REASON = 255

MEDIA: Mapping[str, AttachmentKind] = {"image": "image", "file": "file", "video": "video"}
MEDIA_WORDS: Mapping[str, str] = {"image": "[图片]", "file": "[文件]", "video": "[视频]"}
VERDICTS: Mapping[str, Verdict] = {"1": "good", "2": "bad", "3": "withdrawn"}
REASONS: Mapping[str, str] = {"1": "与问题无关", "2": "不完整", "3": "有错误", "4": "数据分析错误"}

# An id WeCom gives to bots and third parties instead of the plain one (doc 101521): its letters have a case.
_OPEN_ID = re.compile(r"wo[A-Za-z0-9_\-]{24,}")


@dataclass(frozen=True, slots=True)
class _Content:
    """What a message says, without who, where and when."""

    kind: UpdateKind
    text: str = ""
    attachments: tuple[Attachment, ...] = ()
    note: str = ""
    press: Press | None = None
    feedback: GivenFeedback | None = None


def _as_it_is(text: str) -> str:
    return text


def is_open_id(user_id: str) -> bool:
    """Whether this is an encrypted id that only the app can turn into a plain one."""
    return _OPEN_ID.fullmatch(user_id) is not None


@dataclass(frozen=True, slots=True)
class Decoder:
    """Reads the messages of one tenant's bot. `seal` hides a response_url, which only `base_url`'s host may have."""

    tenant: str
    bot_name: str = ""
    bot_id: str = ""
    base_url: str = "https://qyapi.weixin.qq.com"
    seal: Callable[[str], str] = _as_it_is

    def decode(self, raw: Mapping[str, Any], received_at: datetime, request: str = "") -> Inbound:
        """Return what happened; `Undecodable` names what is missing. `request` is the frame's req_id of a socket."""
        message = Fields.of(raw)
        kind = message.text("msgtype")
        if kind == "stream":
            return _poll(message)
        event = message.inside("event")
        name = event.text("eventtype") if kind == "event" else ""
        if name == "disconnected_event":
            return Kicked()
        if not kind or (kind == "event" and not name):
            raise Undecodable("msgtype")
        if not self._is_somebodys(message, name or kind):
            return None
        content = self._event(event, name) if name else self._message(message, kind)
        return self._update(message, raw, content, received_at, request) if content else None

    def _is_somebodys(self, message: Fields, what: str) -> bool:
        user, chat, group = message.inside("from").text("userid"), message.text("chatid"), _is_group(message)
        if self.bot_id and message.text("aibotid") not in {"", self.bot_id}:
            log.warning("aibot.another_bot", tenant=self.tenant)
        if user and user.casefold() != SYSTEM_USER and (chat or not group):
            return True
        log.info("aibot.nobodys", tenant=self.tenant, what=what)
        return False

    def _message(self, message: Fields, kind: str) -> _Content | None:
        if kind == "text":
            return _Content("text", self._words(message, message.inside("text").text("content")))
        if kind == "voice":
            return _voice(message.inside("voice").text("content"))
        if kind in MEDIA:
            return _Content("media", attachments=(_attachment(message, kind),))
        if kind == "mixed":
            return self._mixed(message)
        log.info("aibot.unknown", tenant=self.tenant, what=f"message:{kind:.40}")
        return _Content("other", note=f"unknown:{kind:.40}")

    def _mixed(self, message: Fields) -> _Content:
        items = [Fields.of(item) for item in message.inside("mixed").each("msg_item")]
        said = "\n".join(item.inside("text").text("content") for item in items if item.text("msgtype") == "text")
        seen = tuple(_attachment(item, item.text("msgtype")) for item in items if item.text("msgtype") in MEDIA)
        words = self._words(message, said)
        return _Content("text" if words or not seen else "media", words, seen)

    def _words(self, message: Fields, text: str) -> str:
        return without_mention(text, self.bot_name) if _is_group(message) else text

    def _event(self, event: Fields, name: str) -> _Content | None:
        if name == "enter_chat":
            return _Content("enter", note=name)
        if name == "template_card_event":
            return _Content("press", press=_press(event.inside(name)))
        if name == "feedback_event":
            return self._feedback(event.inside(name))
        log.info("aibot.unknown", tenant=self.tenant, what=f"event:{name:.40}")
        return None

    def _feedback(self, given: Fields) -> _Content | None:
        verdict = VERDICTS.get(given.text("type"))
        if verdict is None or not given.text("id"):
            log.info("aibot.unknown", tenant=self.tenant, what=f"feedback:{given.text('type'):.40}")
            return None
        listed = [REASONS.get(str(code), "") for code in given.each("inaccurate_reason_list")]
        reason = "、".join(filter(None, [*listed, given.text("content")]))
        return _Content("feedback", feedback=GivenFeedback(given.text("id"), verdict, reason[:MAX_REASON]))

    def _update(
        self, message: Fields, raw: Mapping[str, Any], content: _Content, received_at: datetime, request: str
    ) -> Update:
        key = _dedupe_key(message, raw)
        return Update(
            tenant=self.tenant,
            dedupe_key=key,
            kind=content.kind,
            address=self._address(message, content, key, received_at, request),
            received_at=received_at,
            text=content.text,
            press=content.press,
            note=content.note,
            attachments=content.attachments,
            quote=_quote(message.inside("quote")),
            feedback=content.feedback,
        )

    def _address(self, message: Fields, content: _Content, key: str, received_at: datetime, request: str) -> Address:
        user, group = message.inside("from").text("userid"), _is_group(message)
        chat = message.text("chatid") if group else user
        if len(user) > MAX_USER_ID or len(chat) > MAX_CHAT_ID:
            raise Undecodable("userid" if len(user) > MAX_USER_ID else "chatid")
        user_id = user if is_open_id(user) else user.casefold()
        spoken = content.kind in {"text", "media", "other"}
        hints = Hints(
            asked_at=received_at.timestamp(),
            source=key,
            stream=key if spoken else "",
            response_url=self._response_url(message),
            request=request if spoken else "",
            press_request=request if content.press else "",
            chat=chat,
        )
        conversation = f"chat:{chat}" if group else f"user:{user_id}"
        return Address(PLATFORM, conversation, user_id, group, hints.packed(), DIRECTORY)

    def _response_url(self, message: Fields) -> str:
        url = message.text("response_url")
        if url and not same_host(url, self.base_url):
            log.warning("aibot.foreign_response_url", tenant=self.tenant)
            return ""
        return self.seal(url) if url else ""


def same_host(url: str, base_url: str) -> bool:
    """Whether an address leads to the same scheme, host and port as ours."""
    try:
        found, ours = urlsplit(url), urlsplit(base_url)
        return (found.scheme, found.hostname, found.port) == (ours.scheme, ours.hostname, ours.port)
    except ValueError:
        return False


def _is_group(message: Fields) -> bool:
    return message.text("chattype") == "group" or (not message.text("chattype") and bool(message.text("chatid")))


def _poll(message: Fields) -> Poll:
    stream = message.inside("stream").text("id")
    if not stream:
        raise Undecodable("stream.id")
    return Poll(stream, message.text("msgid"))


def _voice(transcript: str) -> _Content:
    """Return what was said; only the words travel, so nothing is left of what could not be understood."""
    return _Content("text", transcript) if transcript else _Content("media", attachments=(Attachment("voice"),))


def _attachment(message: Fields, kind: str) -> Attachment:
    return Attachment(MEDIA[kind], message.inside(kind).text("name"), message.inside(kind).text("url"))


def _press(event: Fields) -> Press:
    if not event.text("task_id"):
        raise Undecodable("task_id")
    chosen: dict[str, tuple[str, ...]] = {}
    for item in map(Fields.of, event.inside("selected_items").each("selected_item")):
        ids = [one for one in item.inside("option_ids").each("option_id") if isinstance(one, str)]
        chosen[item.text("question_key")] = tuple(ids)
    return Press(event.text("task_id"), event.text("event_key"), chosen)


def _quote(quoted: Fields) -> str:
    """Return the text of what the message quotes; a picture or file in it as a word."""
    kind = quoted.text("msgtype")
    if kind == "mixed":
        items = [Fields.of(item) for item in quoted.inside("mixed").each("msg_item")]
        return "\n".join(filter(None, map(_quoted, items)))
    return _quoted(quoted)


def _quoted(quoted: Fields) -> str:
    kind = quoted.text("msgtype")
    return quoted.inside(kind).text("content") if kind in {"text", "voice"} else MEDIA_WORDS.get(kind, "")


def _dedupe_key(message: Fields, raw: Mapping[str, Any]) -> str:
    """Return what identifies a delivery: the bot's and the message's id, else everything it says."""
    told = message.text("msgid") or json.dumps(raw, sort_keys=True)
    digest = hashlib.sha256(f"{message.text('aibotid')}\x00{told}".encode()).hexdigest()
    return KEY_PREFIX + digest[:KEY_DIGITS]
