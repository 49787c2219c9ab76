"""Whether a request comes from this machine's own programs and pages, and from no other website.

A page elsewhere can make a visitor's browser send requests to loopback. It cannot make the Host header name
loopback when its own name was pointed there (DNS rebinding), nor forge Origin on a POST.
"""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit

from aiohttp import web

SAME_SITE = frozenset({"same-origin", "none"})


def is_loopback(host: str) -> bool:
    """Whether this address can only be reached from the same machine."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def names_loopback(request: web.Request) -> bool:
    """Whether the address that was asked for is this machine's own."""
    try:
        return is_loopback(urlsplit(f"//{request.host}").hostname or "")
    except ValueError:  # an unclosed bracket
        return False


def from_our_page(request: web.Request) -> bool:
    """Whether our own page sent this, or a program that is no browser.

    Browsers name the origin of every POST; what names none and no site either was not sent by a web page.
    """
    origin = request.headers.get("Origin")
    if origin is not None:
        return origin == f"{request.scheme}://{request.host}"
    return request.headers.get("Sec-Fetch-Site", "none") in SAME_SITE
