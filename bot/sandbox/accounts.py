"""The demo's accounts as an administrator would configure them, and where another process finds a demo that runs."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from bot.config import DingtalkSettings, TenantSettings, WecomSettings
from bot.sandbox.keys import AGENT_ID, Keys, load_keys

FILE = "running.json"
WECOM_PREFIX = "/wecom"
DINGTALK_PREFIX = "/dingtalk"


@dataclass(frozen=True, slots=True)
class Running:
    """Where a running demo listens: its clouds and its server."""

    clouds: str
    server: str


def accounts(keys: Keys, clouds: str) -> TenantSettings:
    """Return the accounts of both clouds."""
    return TenantSettings(name="演示", wecom=wecom_account(keys, clouds), dingtalk=dingtalk_account(keys, clouds))


def wecom_account(keys: Keys, clouds: str) -> WecomSettings:
    """Return the app of the pretend WeCom."""
    values = {"corp_id": keys.corp_id, "agent_id": AGENT_ID, "base_url": clouds + WECOM_PREFIX}
    secrets = {"secret": keys.secret, "token": keys.token, "aes_key": keys.aes_key}
    return WecomSettings.model_validate(values | secrets)


def dingtalk_account(keys: Keys, clouds: str) -> DingtalkSettings:
    """Return the app of the pretend DingTalk."""
    base = clouds + DINGTALK_PREFIX
    values = {"client_id": keys.client_id, "client_secret": keys.client_secret, "robot_code": keys.robot_code}
    return DingtalkSettings.model_validate({**values, "base_url": base, "oapi_base_url": base, "stream": True})


def note_running(directory: Path, running: Running) -> None:
    """Write down where the demo listens; no secret is in it."""
    (directory / FILE).write_text(json.dumps(asdict(running)), "utf-8")


def forget_running(directory: Path, clouds: str) -> None:
    """Take back what this demo wrote, not what another has written since."""
    known = find_running(directory)
    if known is not None and known.clouds == clouds:
        (directory / FILE).unlink(missing_ok=True)


def find_running(directory: Path) -> Running | None:
    """Return where a demo of this directory listens, or listened when it was killed."""
    try:
        return Running(**json.loads((directory / FILE).read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def accounts_of(directory: Path, running: Running) -> TenantSettings:
    """Return the accounts of a demo that runs."""
    return accounts(load_keys(directory), running.clouds)
