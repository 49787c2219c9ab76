"""The probe of our own address: against the really running server, and against everything that may stand before it."""

from __future__ import annotations

import asyncio
import datetime
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from ipaddress import ip_address
from pathlib import Path

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from sqlalchemy import select

from bot.cli.doctor.callback import Door, check_dingtalk_url, check_wecom_url
from bot.cli.doctor.finding import Finding, Subject
from bot.cli.doctor.web import Web
from bot.config import AibotSettings, DatabaseSettings, KnowledgeSettings, ScheduleSettings, Settings, TenantSettings
from bot.loopback import loopback_site
from bot.platforms.wecom.crypto import Envelope
from bot.platforms.wecom.verify import verify_url
from bot.runtime import utc_now
from db.models import CallbackCheck, Inbox
from tests.demo_server import DemoServer, serve
from tests.fakes.dingtalk import SECRET, FakeDingtalk, fake_dingtalk
from tests.fakes.wecom import settings as wecom_settings
from tests.scenarios.doctor.visits import KEY

APP = wecom_settings()
ENVELOPE = Envelope(APP.token.get_secret_value(), APP.aes_key.get_secret_value(), APP.corp_id)
BOT = Envelope("QDG6eK", APP.aes_key.get_secret_value(), "")
AIBOT = AibotSettings.model_validate({"token": "QDG6eK", "aes_key": APP.aes_key.get_secret_value(), "name": "店小二"})

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


async def probe(address: str, envelope: Envelope = ENVELOPE, tenant: str = KEY) -> Finding:
    door = Door(Subject(tenant, "wecom"), address, "wecom.callback")
    return await check_wecom_url(Web(utc_now, seconds=1.0), door, envelope)


@pytest.fixture
async def dingtalk() -> AsyncIterator[FakeDingtalk]:
    async with fake_dingtalk() as fake:
        yield fake


@pytest.fixture
async def server(tmp_path: Path, dingtalk: FakeDingtalk) -> AsyncIterator[DemoServer]:
    """The real server with an app, an aibot and a DingTalk app that is called over HTTP."""
    tenant = TenantSettings(wecom=APP, aibot=AIBOT, dingtalk=dingtalk.settings(stream=False))
    settings = Settings(
        database=DatabaseSettings.model_validate({"url": f"sqlite+aiosqlite:///{tmp_path / 'x.db'}"}),
        knowledge=KnowledgeSettings(directory=tmp_path / "chroma"),
        schedule=ScheduleSettings(enabled=False),
        state_directory=tmp_path,
        tenants={KEY: tenant},
    )
    async with serve(settings) as running:
        yield running


async def test_the_running_server_answers_as_wecom_wants_it(server: DemoServer) -> None:
    assert (await probe(f"{server.base}/wecom/{KEY}/app")).state == "ok"
    assert (await probe(f"{server.base}/wecom/{KEY}/aibot", BOT)).state == "ok"


async def test_the_running_server_answers_as_dingtalk_wants_it(server: DemoServer) -> None:
    for path, press in (("robot", False), ("card", True)):
        door = Door(Subject(KEY, "dingtalk"), f"{server.base}/dingtalk/{KEY}/{path}", "dingtalk.callback")
        assert (await check_dingtalk_url(Web(utc_now), door, SECRET, press=press)).state == "ok"
        wrong = await check_dingtalk_url(Web(utc_now), door, "another secret", press=press)
        assert wrong.code == "dingtalk.callback.rejected"


async def test_a_probe_is_no_visit_of_the_platform_and_leaves_no_update(server: DemoServer) -> None:
    await test_the_running_server_answers_as_wecom_wants_it(server)
    await test_the_running_server_answers_as_dingtalk_wants_it(server)
    await probe(f"{server.base}/wecom/{KEY}/app", BOT)
    await server.runtime.reached.flush()
    async with server.runtime.database.read() as session:
        assert (await session.scalars(select(CallbackCheck))).all() == []
        assert (await session.scalars(select(Inbox))).all() == []


async def test_wecom_itself_is_noted(server: DemoServer) -> None:
    assert (await server.get(f"/wecom/{KEY}/app?msg_signature=x&timestamp=1&nonce=1&echostr=x"))[0] == 403
    await server.runtime.reached.flush()
    async with server.runtime.database.read() as session:
        (row,) = (await session.scalars(select(CallbackCheck))).all()
    assert row.reason == "stale"


async def test_a_server_of_another_configuration(server: DemoServer) -> None:
    other_keys = await probe(f"{server.base}/wecom/{KEY}/app", BOT)
    assert other_keys.code == "wecom.callback.rejected"
    assert "重启 daogou serve" in other_keys.fix
    no_tenant = await probe(f"{server.base}/wecom/other/app", tenant="other")
    assert no_tenant.code == "wecom.callback.no_tenant"
    assert "没有 other 的这个渠道" in no_tenant.fix


async def redirect(_request: web.Request) -> web.StreamResponse:
    raise web.HTTPMovedPermanently("https://elsewhere.example.com/")


def answer(status: int, body: str) -> Answer:
    async def handle(_request: web.Request) -> web.StreamResponse:
        return web.Response(status=status, text=body, content_type="text/html")

    return handle


async def echo(request: web.Request) -> web.StreamResponse:
    """Answer rightly, and a blank line more."""
    opened = {name: request.query[name] for name in ("msg_signature", "timestamp", "nonce", "echostr")}
    return web.Response(text=verify_url(ENVELOPE, opened, float(opened["timestamp"]), 300) + "\n")


async def silence(_request: web.Request) -> web.StreamResponse:
    await asyncio.sleep(3)
    return web.Response()


@pytest.mark.parametrize(
    ("handler", "code", "fix"),
    [
        (answer(404, "<h1>404 Not Found</h1><hr>nginx"), "wecom.callback.not_found", "原样转给 daogou"),
        (answer(403, "<h1>403 Forbidden</h1><hr>nginx"), "wecom.callback.blocked", "WAF"),
        (answer(400, "<h1>400 Bad Request</h1>"), "wecom.callback.blocked", "WAF"),
        (answer(401, "who are you"), "wecom.callback.blocked", "免登录"),
        (answer(502, "<h1>502 Bad Gateway</h1>"), "wecom.callback.gateway", "[server] port"),
        (answer(200, "<html>欢迎"), "wecom.callback.changed", "原样转发"),
        (echo, "wecom.callback.changed", "换行"),
        (redirect, "wecom.callback.redirect", "直接写跳转之后的地址"),
        (silence, "wecom.callback.timeout", "安全组"),
    ],
)
async def test_what_stands_before_us(handler: Answer, code: str, fix: str) -> None:
    app = web.Application()
    app.router.add_get("/wecom/acme/app", handler)
    async with loopback_site(app) as base:
        finding = await probe(f"{base}/wecom/acme/app")
    assert (finding.code, finding.state) == (code, "fail")
    assert fix in finding.fix


@pytest.mark.parametrize(
    ("address", "code", "fix"),
    [
        ("https://bot.nowhere.invalid/wecom/acme/app", "wecom.callback.dns", "把 bot.nowhere.invalid 解析到"),
        ("http://127.0.0.1:9/wecom/acme/app", "wecom.callback.refused", "在听 9 端口"),
        ("bot.example.com/wecom/acme/app", "wecom.callback.address", "public_url 写成 https://域名"),
    ],
)
async def test_there_is_no_way_to_us(address: str, code: str, fix: str) -> None:
    finding = await probe(address)
    assert (finding.code, finding.state) == (code, "fail")
    assert fix in finding.fix


async def test_an_answer_that_comes_late_for_wecom() -> None:
    async def late(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(1.1)
        answered = await echo(request)
        assert isinstance(answered, web.Response)
        return web.Response(text=(answered.text or "").strip())

    app = web.Application()
    app.router.add_get("/wecom/acme/app", late)
    async with loopback_site(app) as base:
        door = Door(Subject(KEY, "wecom"), f"{base}/wecom/acme/app", "wecom.callback")
        finding = await check_wecom_url(Web(utc_now), door, ENVELOPE)
    assert (finding.code, finding.state) == ("wecom.callback.slow", "warn")


@asynccontextmanager
async def https_site(directory: Path, until: datetime.datetime) -> AsyncIterator[str]:
    """Serve with a certificate nobody vouches for, valid until then."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "x")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(until - datetime.timedelta(days=30))
        .not_valid_after(until)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = directory / "pair.pem"
    plain = serialization.NoEncryption()
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    pem.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pem)
    runner = web.AppRunner(web.Application(), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    try:
        yield f"https://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@pytest.mark.parametrize("days", [-1, 30])
async def test_a_certificate_nobody_trusts(tmp_path: Path, days: int) -> None:
    async with https_site(tmp_path, utc_now() + datetime.timedelta(days=days)) as base:
        finding = await probe(f"{base}/wecom/acme/app")
    assert finding.code == "wecom.callback.certificate"
    assert "证书" in finding.detail
    assert "有没有过期" in finding.fix


async def test_a_plain_server_at_an_https_address() -> None:
    async with loopback_site(web.Application()) as base:
        finding = await probe(base.replace("http://", "https://") + "/wecom/acme/app")
    assert finding.code == "wecom.callback.certificate"
