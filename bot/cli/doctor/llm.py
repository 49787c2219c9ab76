"""The language model: whether its address, its key and its name are right, found out without a single token."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import httpx

from bot.cli.doctor.finding import INSTALLATION as HERE
from bot.cli.doctor.finding import Finding
from bot.cli.doctor.visit import Visit
from bot.cli.doctor.web import Unreachable, Web
from bot.config import LlmSettings

WHAT = "大模型"
URL, KEY, MODEL = (f"config.toml 的 [llm] {name}" for name in ("base_url", "api_key", "model"))
SHOWN = 8
CHAT_PATH = "/chat/completions"
# What an endpoint answers to a path it has, when the body says nothing.
KNOWS_THE_PATH = frozenset({400, 415, 422})


async def check_llm(visit: Visit) -> list[Finding]:
    """Return whether the endpoint knows the key and the model."""
    settings = visit.settings.llm
    if settings.api_key is None:
        return [HERE.ok("llm.none", WHAT, "没有设置密钥，全部使用规则和模板")]
    if settings.base_url.rstrip("/").endswith(CHAT_PATH):
        fix = f"{URL} 去掉后面的 {CHAT_PATH}"
        return [HERE.fail("llm.base_url", WHAT, "地址写多了", fix)]
    try:
        async with visit.web.client(settings.base_url) as http:
            return [await _ask(visit.web, http, settings, settings.api_key.get_secret_value())]
    except Unreachable as error:
        fix = f"核对 {URL}，确认这台机器能上网；要走代理的话设环境变量 HTTPS_PROXY。连不上时自动用规则和模板"
        return [HERE.fail("llm.unreachable", WHAT, f"{_host(settings)} {error.words}", fix)]


async def _ask(web: Web, http: httpx.AsyncClient, settings: LlmSettings, key: str) -> Finding:
    base, headers = settings.base_url.rstrip("/"), {"Authorization": f"Bearer {key}"}
    answer = await web.ask(http, "GET", f"{base}/models", headers=headers)
    if answer.status_code in {401, 403}:
        return _wrong_key(settings, answer.status_code)
    names = _models(answer)
    if answer.is_success and names:
        return _listed(settings, names)
    if answer.status_code >= 500 or answer.status_code == 429:
        fix = "过一会儿再查；一直这样就看服务商的公告或额度。这期间自动用规则和模板"
        return HERE.warn("llm.busy", WHAT, f"{_host(settings)} 现在不可用（HTTP {answer.status_code}）", fix)
    return _without_list(settings, await web.ask(http, "POST", f"{base}{CHAT_PATH}", headers=headers, json={}))


def _listed(settings: LlmSettings, names: list[str]) -> Finding:
    if settings.model in names:
        return HERE.ok("llm.reachable", WHAT, f"{settings.model}（{_host(settings)}）")
    shown = "、".join(names[:SHOWN]) + (" 等" if len(names) > SHOWN else "")
    fix = f"{MODEL} 改成其中一个：{shown}"
    return HERE.fail("llm.model", WHAT, f"{_host(settings)} 没有叫 {settings.model} 的模型", fix)


def _without_list(settings: LlmSettings, answer: httpx.Response) -> Finding:
    """Judge an endpoint that lists no models by what it says to an empty question."""
    if answer.status_code in {401, 403}:
        return _wrong_key(settings, answer.status_code)
    if answer.status_code in KNOWS_THE_PATH:
        fix = f'不一定要管。想确认 {MODEL} 对不对：daogou ask "给王女士写个生日祝福" --json，看 debug 里的 model'
        return HERE.warn("llm.not_verified", WHAT, f"{_host(settings)} 没有列表，{settings.model} 未验证", fix)
    fix = f"核对 {URL}，一般以 /v1 结尾，例如 https://api.deepseek.com/v1"
    return HERE.fail("llm.base_url", WHAT, f"{_host(settings)} 上没有这个接口（HTTP {answer.status_code}）", fix)


def _wrong_key(settings: LlmSettings, status: int) -> Finding:
    fix = f"到服务商的控制台新建一个密钥，填进 {KEY}；确认账户没有欠费"
    return HERE.fail("llm.api_key", WHAT, f"{_host(settings)} 不认这个密钥（HTTP {status}）", fix)


def _models(answer: httpx.Response) -> list[str]:
    try:
        body: Any = answer.json()
    except ValueError:
        return []
    listed = body.get("data") if isinstance(body, dict) else None
    return [str(one.get("id")) for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []


def _host(settings: LlmSettings) -> str:
    return urlsplit(settings.base_url).hostname or "这个地址"
