"""Logging: one JSON line an event, ids as fields; secrets and phone numbers are struck out whatever wrote them."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

SECRET = re.compile(
    r"((?:access_token|corpsecret|secret|ticket|key|sign|session|response_code|token|apiSecret|clientSecret|accessToken)"
    r"[\"']?\s*[=:]\s*[\"']?)[^\s&\"',}]+",
    re.IGNORECASE,
)
CAIYUN_TOKEN = re.compile(r"(/v2\.6/)[^/\s]+")
PHONE = re.compile(r"(?<!\d)1[3-9]\d{9}(?!\d)")
log = structlog.get_logger()

QUIET = ("httpx", "httpcore", "httpx2", "httpcore2", "openai", "apscheduler", "aiosqlite", "chromadb", "websockets")


class Unreadable(logging.Filter):
    """Makes one line of what aiohttp reports about a request that is no HTTP: it quotes the bytes, with a traceback.

    Anybody may send such bytes, as many as they like, and a header of an honest client may be among them.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Drop the record, and log its kind of error instead."""
        error = record.exc_info[0] if record.exc_info else None
        if error is None or error.__module__ != "aiohttp.http_exceptions":
            return True
        log.info("http.unreadable", error=error.__name__)
        return False


UNREADABLE = Unreadable()


def strike_out(text: str) -> str:
    """Return the text with credentials and phone numbers replaced by ***."""
    return PHONE.sub("***", CAIYUN_TOKEN.sub(r"\1***", SECRET.sub(r"\1***", text)))


def _redact(_logger: Any, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for name, value in event.items():
        if isinstance(value, str):
            event[name] = strike_out(value)
    return event


def set_up_logging(level: str = "INFO", *, json_lines: bool = True) -> None:
    """Send structlog and the standard library's records to standard error through one chain of processors."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _redact,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        # What is not to be written need not be dressed up: below the level, a call does nothing.
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        cache_logger_on_first_use=True,
    )
    renderer: Any = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if json_lines
        else structlog.dev.ConsoleRenderer(colors=False)
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.getLogger("aiohttp.server").addFilter(UNREADABLE)
    for name in QUIET:
        # httpx writes every URL at INFO, and WeCom's URLs carry the secret.
        logging.getLogger(name).setLevel(logging.WARNING)
