"""The SDK's client, bound to one tenant: our gateway call, our times, our two topics, a log without contents.

The SDK reads its base address from the environment and its delays from class attributes; a subclass made per
tenant changes neither for anybody else.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import structlog

log = structlog.get_logger()

MESSAGE_TOPIC = "/v1.0/im/bot/messages/get"
PRESS_TOPIC = "/v1.0/card/instances/callback"
TOPICS = (MESSAGE_TOPIC, PRESS_TOPIC)
MAX_FRAME_BYTES = 8 * 2**20
CLOSE_SECONDS = 2.0
PING_SECONDS = 20.0

Callback = Callable[[Any, str], Awaitable[tuple[int, Any]]]


@dataclass(frozen=True, slots=True)
class Reconnect:
    """Seconds before the next attempt: doubled from `first` up to `most`, plus up to `jitter`."""

    first: float = 1.0
    most: float = 60.0
    jitter: float = 1.0


@dataclass(frozen=True, slots=True)
class Hooks:
    """What the SDK calls.

    `open_connection` runs in a thread and returns endpoint and ticket, None for "later". `opened` is told of every
    connection, `heard` of every frame; `busy` is entered while a frame is worked on. `goodbye` is told that the
    server will deliver no more on this connection and says whether we see to the next one. The callbacks get a
    frame's data and messageId and return code and answer; when one raises, the frame is not acknowledged.
    """

    open_connection: Callable[[], dict[str, str] | None]
    opened: Callable[[], None]
    heard: Callable[[], None]
    busy: Callable[[], AbstractContextManager[None]]
    goodbye: Callable[[], bool]
    on_message: Callback
    on_press: Callback


class QuietHandler(logging.Handler):
    """Passes on what the SDK and its websocket log without the arguments, which hold messages and tickets."""

    def __init__(self, tenant: str) -> None:
        super().__init__()
        self._tenant = tenant

    def emit(self, record: logging.LogRecord) -> None:
        """Log the line's fixed words and the type of its error."""
        error = record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else None
        report = log.info if record.levelno < logging.WARNING else log.warning
        report("dingtalk.sdk", tenant=self._tenant, line=str(record.msg), error=error)


def quiet_logger(tenant: str) -> logging.Logger:
    """Return a logger that stands outside the tree, so that no other handler sees the full records."""
    logger = logging.Logger("dingtalk_stream.private", logging.INFO)
    logger.addHandler(QuietHandler(tenant))
    return logger


def new_client(client_id: str, client_secret: str, hooks: Hooks, reconnect: Reconnect, logger: logging.Logger) -> Any:
    """Return a `dingtalk_stream` client; `await start()` runs it, cancelling that stops it."""
    # Imported here: 0.2 s and its dependencies only for tenants that use it. websockets 14 and later load their
    # submodules lazily, and an `except` of the SDK needs this one before the first connection.
    import dingtalk_stream  # noqa: PLC0415
    import websockets.exceptions  # noqa: F401, PLC0415

    class Client(dingtalk_stream.DingTalkStreamClient):  # type: ignore[misc]
        RECONNECT_BASE_DELAY_SECONDS = reconnect.first
        RECONNECT_MAX_DELAY_SECONDS = reconnect.most
        RECONNECT_JITTER_SECONDS = reconnect.jitter

        def open_connection(self) -> dict[str, str] | None:
            return hooks.open_connection()

        async def keepalive(self, ws: Any, ping_interval: float = 60) -> None:
            # The SDK's own pings wait for no pong; those of the websocket, every 20 seconds, close a dead one.
            hooks.opened()

        async def background_task(self, json_message: Any, websocket: Any = None) -> None:
            hooks.heard()
            if _is_goodbye(json_message) and hooks.goodbye():
                return
            with hooks.busy():
                await super().background_task(json_message, websocket)

    class Topic(dingtalk_stream.CallbackHandler):  # type: ignore[misc]
        def __init__(self, callback: Callback) -> None:
            super().__init__()
            self._callback = callback

        async def process(self, message: Any) -> tuple[int, Any]:
            return await self._callback(message.data, message.headers.message_id or "")

    options = {
        "max_size": MAX_FRAME_BYTES,
        "close_timeout": CLOSE_SECONDS,
        "ping_interval": PING_SECONDS,
        "ping_timeout": PING_SECONDS,
        "logger": logger,
    }
    client = Client(dingtalk_stream.Credential(client_id, client_secret), logger, options)
    client.register_callback_handler(MESSAGE_TOPIC, Topic(hooks.on_message))
    client.register_callback_handler(PRESS_TOPIC, Topic(hooks.on_press))
    return client


def _is_goodbye(frame: Any) -> bool:
    """Whether this is the SYSTEM frame `disconnect`; it may lack every header but its topic."""
    headers = frame.get("headers") if isinstance(frame, dict) and frame.get("type") == "SYSTEM" else None
    return isinstance(headers, dict) and headers.get("topic") == "disconnect"
