"""The language model, the CRM and the weather service, each on a good and on a bad day."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from bot.cli.doctor.crm import check_crm
from bot.cli.doctor.finding import Finding
from bot.cli.doctor.llm import check_llm
from bot.cli.doctor.weather import check_weather
from bot.config import Settings
from bot.loopback import loopback_site
from tests.fakes.crm import FakeCrm
from tests.fakes.weather import TOKEN, fake_caiyun
from tests.scenarios.doctor.visits import visit_of

KEY = "sk-right-key"
MODELS = {"object": "list", "data": [{"id": "deepseek-chat"}, {"id": "deepseek-reasoner"}]}


@asynccontextmanager
async def endpoint(models: Any = MODELS, chat_status: int = 400) -> AsyncIterator[str]:
    """An OpenAI-compatible endpoint; with `models` None it lists none, a number is the status of its refusal."""

    def refused(request: web.Request) -> web.Response | None:
        wrong = request.headers.get("Authorization") != f"Bearer {KEY}"
        return web.json_response({"error": {"message": "no"}}, status=401) if wrong else None

    async def listed(request: web.Request) -> web.Response:
        if isinstance(models, int):
            return web.Response(status=models)
        return refused(request) or (web.Response(status=404) if models is None else web.json_response(models))

    async def chat(request: web.Request) -> web.Response:
        assert await request.json() == {}
        return refused(request) or web.json_response({"error": "model is required"}, status=chat_status)

    app = web.Application()
    app.router.add_get("/v1/models", listed)
    app.router.add_post("/v1/chat/completions", chat)
    async with loopback_site(app) as base:
        yield f"{base}/v1"


async def llm(base_url: str, key: str = KEY, model: str = "deepseek-chat") -> Finding:
    settings = Settings.model_validate({"llm": {"base_url": base_url, "api_key": key, "model": model}})
    (finding,) = await check_llm(visit_of(settings))
    assert key not in str(finding)
    return finding


async def test_a_model_that_is_there() -> None:
    async with endpoint() as base:
        assert (await llm(base)).state == "ok"
        assert (await llm(base + "/")).state == "ok"


async def test_no_key_no_model() -> None:
    (finding,) = await check_llm(visit_of(Settings()))
    assert (finding.code, finding.state) == ("llm.none", "ok")


async def test_a_wrong_key() -> None:
    for models in (MODELS, None):
        async with endpoint(models) as base:
            finding = await llm(base, "sk-wrong-key")
            assert (finding.code, finding.state) == ("llm.api_key", "fail")
            assert "[llm] api_key" in finding.fix


async def test_a_model_of_another_name() -> None:
    async with endpoint() as base:
        finding = await llm(base, model="deepseek-v9")
    assert (finding.code, finding.state) == ("llm.model", "fail")
    assert "deepseek-v9" in finding.detail
    assert finding.fix == "config.toml 的 [llm] model 改成其中一个：deepseek-chat、deepseek-reasoner"


@pytest.mark.parametrize("models", [None, {"object": "list", "data": []}, {"hello": "world"}, 405])
async def test_an_endpoint_that_lists_nothing(models: Any) -> None:
    async with endpoint(models) as base:
        finding = await llm(base)
    assert (finding.code, finding.state) == ("llm.not_verified", "warn")
    assert "没有列表，deepseek-chat 未验证" in finding.detail


async def test_a_wrong_address() -> None:
    async with endpoint() as base:
        for wrong in (base.removesuffix("/v1"), f"{base}/chat/completions"):
            finding = await llm(wrong)
            assert (finding.code, finding.state) == ("llm.base_url", "fail")
            assert "[llm] base_url" in finding.fix


async def test_an_endpoint_that_is_busy_or_gone() -> None:
    for status in (429, 503):
        async with endpoint(status) as base:
            assert (await llm(base)).code == "llm.busy"
    assert (await llm("http://127.0.0.1:9/v1")).code == "llm.unreachable"
    assert "域名解析不到" in (await llm("https://llm.nowhere.invalid/v1")).detail


# The CRM


async def crm(base_url: str, **more: Any) -> Finding:
    (finding,) = await check_crm(visit_of(Settings.model_validate({"crm": {"base_url": base_url, **more}})))
    return finding


async def test_a_crm_that_answers(tmp_path: Path) -> None:
    async with FakeCrm(tmp_path / "crm.db").serve() as fake:
        assert (await crm(fake.base_url)).state == "ok"
        assert fake.coupons == []
        fake.plan("find", "garbage", "garbage")
        finding = await crm(fake.base_url)
        assert (finding.code, finding.detail) == ("crm.unreachable", "CRM 的应答看不懂")
        fake.plan("find", "timeout_before", "timeout_before")
        assert (await crm(fake.base_url, timeout_seconds=0.2)).detail == "CRM 没有应答"


async def test_the_mock_a_wrong_key_and_a_wrong_address() -> None:
    (mock,) = await check_crm(visit_of(Settings()))
    assert (mock.code, mock.state) == ("crm.mock", "warn")

    async def locked(_request: web.Request) -> web.Response:
        return web.Response(status=401)

    app = web.Application()
    app.router.add_get("/locked/coupons", locked)
    async with loopback_site(app) as base:
        assert (await crm(f"{base}/locked", api_key="secret-of-the-crm")).code == "crm.api_key"
        assert (await crm(f"{base}/elsewhere")).code == "crm.base_url"
    assert (await crm("http://127.0.0.1:9")).detail == "CRM 连不上"
    assert (await crm("http://crm:port/")).code == "crm.base_url"


# The weather


async def weather(*, free: bool = False, **values: Any) -> Finding:
    settings = Settings.model_validate({"weather": {"provider": "caiyun", **values}})
    (finding,) = await check_weather(visit_of(settings, free=free))
    return finding


async def test_the_weather_is_asked_once() -> None:
    async with fake_caiyun() as fake:
        assert (await weather(token=TOKEN, base_url=fake.base_url)).state == "ok"
        assert len(fake.calls) == 1
        assert (await weather(token=TOKEN, base_url=fake.base_url, free=True)).code == "weather.not_asked"
        assert len(fake.calls) == 1


@pytest.mark.parametrize(
    ("failure", "code"), [("401", "weather.token"), ("429", "weather.quota"), ("html", "weather.unreachable")]
)
async def test_the_weather_fails(failure: str, code: str) -> None:
    async with fake_caiyun() as fake:
        fake.failure = failure
        assert (await weather(token=TOKEN, base_url=fake.base_url)).code == code


async def test_a_token_the_weather_does_not_know() -> None:
    async with fake_caiyun() as fake:
        finding = await weather(token="another-token", base_url=fake.base_url)
    assert (finding.code, finding.state) == ("weather.token", "fail")
    assert "another-token" not in str(finding)


async def test_a_sample_and_no_token() -> None:
    (sample,) = await check_weather(visit_of(Settings()))
    assert (sample.code, sample.state) == ("weather.sample", "warn")
    assert (await weather()).code == "weather.no_token"
