"""Findings as a person reads them, and as a monitoring system does. Nothing secret passes, whatever a check wrote."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from itertools import groupby
from urllib.parse import urlsplit

from pydantic import BaseModel, SecretStr

from bot.cli.doctor.finding import Finding
from bot.config import Settings
from bot.json_text import to_json
from bot.logs import PHONE

MARKS = {"ok": "✓", "warn": "!", "fail": "✗"}
CHANNELS = {
    "wecom": "企业微信应用",
    "aibot": "企业微信智能机器人",
    "dingtalk": "钉钉应用",
    "wecom_group": "企业微信群",
    "dingtalk_group": "钉钉群",
}
HERE = "这套系统"
HEAD, HEAD_OF_TENANT = "【{whose}】", "【{tenant} · {channel}】"
KNOWLEDGE = "知识"
LINE, FIX = "{mark} {what}：{detail}", "    → {fix}"
ALL_WELL = "都正常。"
SUMMARY = (
    "要修 {fails} 处（✗），要留意 {warns} 处（!）。改完 config.toml 要重启 daogou serve，再执行一次 daogou doctor。"
)
# Shorter ones would strike out ordinary words.
LEAST_CHARS = 6
STRUCK = "***"


def as_json(findings: Sequence[Finding]) -> str:
    """Return a JSON list of objects, each with every field of a finding."""
    return to_json([asdict(finding) for finding in findings], indent=2)


def as_text(findings: Sequence[Finding]) -> Iterator[str]:
    """Yield the lines, whose are whose under a head of their own."""
    for whose, group in groupby(findings, key=_head):
        yield whose
        for finding in group:
            yield LINE.format(mark=MARKS[finding.state], what=finding.what, detail=finding.detail)
            if finding.fix:
                yield FIX.format(fix=finding.fix)
        yield ""
    counts = {state: sum(finding.state == state for finding in findings) for state in MARKS}
    well = not counts["fail"] and not counts["warn"]
    yield ALL_WELL if well else SUMMARY.format(fails=counts["fail"], warns=counts["warn"])


def without_secrets(findings: Sequence[Finding], settings: Settings) -> list[Finding]:
    """Return the findings with every configured secret, and what looks like a mobile number, struck out."""
    secrets = sorted((one for one in _secrets(settings) if len(one) >= LEAST_CHARS), key=len, reverse=True)

    def strike(text: str) -> str:
        for secret in secrets:
            text = text.replace(secret, STRUCK)
        return PHONE.sub(STRUCK, text)

    return [replace(one, what=strike(one.what), detail=strike(one.detail), fix=strike(one.fix)) for one in findings]


def _head(finding: Finding) -> str:
    if not finding.tenant:
        return HEAD.format(whose=HERE)
    channel = CHANNELS.get(finding.channel, KNOWLEDGE)
    return HEAD_OF_TENANT.format(tenant=finding.tenant, channel=channel)


def _secret_in(text: str) -> Iterator[str]:
    """Yield what is secret of a text: of an address the password, of anything else all of it."""
    if "://" not in text:
        yield text
    elif password := _password_in(text):
        yield password


def _password_in(address: str) -> str:
    try:
        return urlsplit(address).password or ""
    except ValueError:
        return address


def _secrets(value: object) -> Iterator[str]:
    """Yield every secret of the settings, wherever it stands."""
    if isinstance(value, SecretStr):
        yield from _secret_in(value.get_secret_value())
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from _secrets(getattr(value, name))
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _secrets(inner)
    elif isinstance(value, tuple | list):
        for inner in value:
            yield from _secrets(inner)
