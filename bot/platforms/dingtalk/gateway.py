"""The gateway call that opens a Stream connection: endpoint and one-use ticket, or why there is none."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import httpx

from bot.config import DingtalkSettings

OPEN_PATH = "/v1.0/gateway/connections/open"
HTTP_UNAUTHORIZED = 401


class GatewayClosed(Exception):
    """No ticket this time; the message is a word for the log, never an address or a secret."""


class Unauthorised(GatewayClosed):
    """The app's id or secret is wrong: asking again soon does not help."""


async def open_connection(
    settings: DingtalkSettings, topics: Sequence[str], local_ip: str, seconds: float
) -> dict[str, str]:
    """Return `{"endpoint", "ticket"}`; raise `GatewayClosed` within `seconds` otherwise."""
    request = {
        "clientId": settings.client_id,
        "clientSecret": settings.client_secret.get_secret_value(),
        # No EVENT line: events count against the month's quota.
        "subscriptions": [{"type": "CALLBACK", "topic": topic} for topic in topics],
        "ua": "daogou",
        "localIp": local_ip,
    }
    # Without Accept the answer can be XML.
    headers = {"Accept": "application/json"}
    try:
        async with asyncio.timeout(seconds), httpx.AsyncClient(timeout=None) as http:  # noqa: S113 (the line limits it)
            response = await http.post(settings.base_url.rstrip("/") + OPEN_PATH, json=request, headers=headers)
    except (httpx.HTTPError, TimeoutError) as error:
        raise GatewayClosed(type(error).__name__) from None
    return _opened(response)


def _opened(response: httpx.Response) -> dict[str, str]:
    if response.status_code == HTTP_UNAUTHORIZED:
        raise Unauthorised("HTTP 401")
    try:
        body = response.json()
    except ValueError:  # an overloaded edge answers with an HTML page
        body = None
    if not response.is_success or not isinstance(body, dict):
        raise GatewayClosed(f"HTTP {response.status_code}")
    endpoint, ticket = body.get("endpoint"), body.get("ticket")
    if not isinstance(endpoint, str) or not isinstance(ticket, str) or not endpoint.startswith(("ws://", "wss://")):
        raise GatewayClosed("no endpoint or ticket")
    return {"endpoint": endpoint, "ticket": ticket}
