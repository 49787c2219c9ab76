"""What is kept for a while and must not be readable in the database: access tokens, one-use addresses.

One key for all of it, from `server.secret_key`, or made once and kept beside the database file. Digests of mobile
numbers are keyed with it too, because ten digits alone could be guessed back.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken

FILE = "secret.key"


class Sealer:
    """Seals and opens small texts, and makes keyed digests."""

    def __init__(self, secret: str) -> None:
        self._key = hashlib.sha256(b"daogou:" + secret.encode()).digest()
        self._fernet = Fernet(base64.urlsafe_b64encode(self._key))

    def seal(self, text: str) -> str:
        """Return the text sealed, in letters a JSON value can hold."""
        return self._fernet.encrypt(text.encode()).decode()

    def open(self, sealed: str) -> str:
        """Return what was sealed, "" when it was sealed with another key or changed."""
        try:
            return self._fernet.decrypt(sealed.encode()).decode()
        except InvalidToken:
            return ""

    def digest(self, *parts: str) -> str:
        """Return 64 letters that stand for these texts and do not tell them."""
        return hmac.new(self._key, "\x00".join(parts).encode(), hashlib.sha256).hexdigest()


def load_sealer(secret: str | None, directory: Path) -> Sealer:
    """Return the sealer of the settings; without a secret there, of the file in this directory, made when missing."""
    if secret:
        return Sealer(secret)
    path = directory / FILE
    try:
        return Sealer(path.read_text("ascii").strip())
    except OSError:
        made = secrets.token_urlsafe(32)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_text(made, "ascii")
        return Sealer(made)
