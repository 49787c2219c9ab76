"""What a message says, by its `msgtype`: words, attachments, and the message it quotes.

In a one-to-one conversation all types arrive; in a group only text and richText, a picture as part of the latter.
DingTalk has already written down what was said in a voice message.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bot.platforms.dingtalk.raw import Raw, clean, maybe_list, maybe_object, text_of
from handlers.messages import Attachment, AttachmentKind, UpdateKind

LEADING_MENTION = re.compile(r"^\s*@\S+\s*")


@dataclass(frozen=True, slots=True)
class Content:
    """The words and attachments of a message; `note` names the type of one that has neither."""

    kind: UpdateKind
    text: str = ""
    attachments: tuple[Attachment, ...] = ()
    note: str = ""


def content_of(raw: Raw, *, in_group: bool) -> Content:
    """Return what a message says; a type that is not known is kind "other" with its name as the note."""
    msgtype = text_of(raw, "msgtype")
    read = READERS.get(msgtype)
    if read is None:
        return Content("other", note=msgtype or "no msgtype")
    return read(raw, maybe_object(raw.get("content")), in_group)


def quoted(raw: Raw) -> str:
    """Return the words of the message this one replies to, or the name of its file; "" for none."""
    for place in (maybe_object(raw.get("text")), maybe_object(raw.get("content"))):
        if place.get("isReplyMsg") in (True, "true"):
            content = maybe_object(maybe_object(place.get("repliedMsg")).get("content"))
            return text_of(content, "text") or _words(content, in_group=False) or text_of(content, "fileName")
    return ""


def _text(raw: Raw, content: Raw, _in_group: bool) -> Content:
    # Some HTTP samples carry the words in `content`.
    return Content("text", text_of(maybe_object(raw.get("text")), "content") or text_of(content, "content"))


def _rich_text(_raw: Raw, content: Raw, in_group: bool) -> Content:
    segments = map(maybe_object, maybe_list(content.get("richText")))
    pictures = tuple(_attachment("image", one) for one in segments if text_of(one, "type") == "picture")
    text = _words(content, in_group=in_group)
    kind: UpdateKind = "text" if text else "media" if pictures else "other"
    return Content(kind, text, pictures, "" if text or pictures else "richText")


def _audio(_raw: Raw, content: Raw, _in_group: bool) -> Content:
    text, voice = text_of(content, "recognition"), (_attachment("voice", content),)
    return Content("text" if text else "media", text, voice)


def _media(kind: AttachmentKind) -> Callable[[Raw, Raw, bool], Content]:
    return lambda _raw, content, _in_group: Content("media", attachments=(_attachment(kind, content),))


READERS: Mapping[str, Callable[[Raw, Raw, bool], Content]] = {
    "text": _text,
    "richText": _rich_text,
    "picture": _media("image"),
    "audio": _audio,
    "video": _media("video"),
    "file": _media("file"),
}


def _attachment(kind: AttachmentKind, content: Raw) -> Attachment:
    reference = text_of(content, "downloadCode") or text_of(content, "pictureDownloadCode")
    return Attachment(kind, text_of(content, "fileName"), reference)


def _words(content: Raw, *, in_group: bool) -> str:
    """Join the text segments; in a group the first may repeat "@robot" (HarmonyOS clients)."""
    texts = [text for text in map(_segment, maybe_list(content.get("richText"))) if text.strip()]
    if texts and in_group:
        texts[0] = LEADING_MENTION.sub("", texts[0])
    return "".join(texts).strip()


def _segment(item: Any) -> str:
    raw = maybe_object(item)
    if text_of(raw, "type") not in ("", "text"):
        return ""
    text = raw.get("text")
    return clean(text) if isinstance(text, str) else ""
