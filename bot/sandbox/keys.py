"""The accounts the sandbox invents for itself: made at the first start, kept so that old cards stay usable."""

from __future__ import annotations

import json
import secrets
import string
from dataclasses import asdict, dataclass
from pathlib import Path

FILE = "keys.json"
AES_KEY_CHARACTERS = 43
AGENT_ID = 1000002
ALPHABET = string.ascii_letters + string.digits


@dataclass(frozen=True, slots=True, repr=False)
class Keys:
    """One pretend WeCom app and one pretend DingTalk robot. Without a repr, so that no log shows them."""

    corp_id: str
    secret: str
    token: str
    aes_key: str
    client_id: str
    client_secret: str
    robot_code: str


def load_keys(directory: Path) -> Keys:
    """Return the keys of this directory, new ones when it has none that can be read."""
    path = directory / FILE
    try:
        return Keys(**json.loads(path.read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        keys = _new_keys()
        _save(path, keys)
        return keys


def _new_keys() -> Keys:
    robot = f"ding{secrets.token_hex(8)}"
    return Keys(
        corp_id=f"ww{secrets.token_hex(8)}",
        secret=secrets.token_urlsafe(32),
        token=_letters(24),
        aes_key=_letters(AES_KEY_CHARACTERS),
        client_id=robot,
        client_secret=secrets.token_urlsafe(32),
        robot_code=robot,  # DingTalk gives an internal app's robot the id of the app
    )


def _letters(count: int) -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(count))


def _save(path: Path, keys: Keys) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_text(json.dumps(asdict(keys)), "utf-8")
