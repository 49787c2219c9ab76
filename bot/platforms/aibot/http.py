"""HTTP to WeCom, for the response_url: its limits, and which errors mean that nothing has left this machine."""

from __future__ import annotations

from urllib.parse import urlsplit

import httpx

TIMEOUT = httpx.Timeout(10.0, connect=3.0)
BEFORE_SENDING = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


def new_http(base_url: str) -> httpx.AsyncClient:
    """Return a client of our limits; a proxy of the environment serves the internet, not this machine."""
    return httpx.AsyncClient(timeout=TIMEOUT, trust_env=not is_loopback(base_url))


def is_loopback(url: str) -> bool:
    """Whether an address is on this machine."""
    return urlsplit(url).hostname in LOOPBACK
