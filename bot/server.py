"""The composition root of the server: `build_app(settings)` wires everything and opens nothing before start-up.

Opened in this order and closed in reverse: demo stage, runtime (database, tenants), platforms, delivery and
dispatch, streams, the schedule's tick.
"""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from functools import partial
from typing import Any

import anyio.to_thread
import structlog
from aiohttp import web

from bot.channels import Channels, open_channels
from bot.config import Settings
from bot.delivery import Deliverer
from bot.dispatch import Dispatcher
from bot.platforms.aibot.decode import PLATFORM as AIBOT
from bot.platforms.aibot.platform_socket import AibotSocketPlatform
from bot.platforms.aibot.platform_url import AibotUrlPlatform
from bot.platforms.aibot.sweep import keep_sweeping
from bot.platforms.base import Platform
from bot.platforms.dingtalk.stream import DingtalkStream, StreamTiming
from bot.platforms.wecom.platform import WecomPlatform
from bot.receive import Receiver
from bot.runtime import Runtime, open_runtime, utc_now
from bot.sandbox.page import sandbox_routes
from bot.sandbox.personas import member_ids
from bot.sandbox.stage import DemoStage
from bot.schedule import open_schedule, push_for
from bot.web.admin import AdminLogin, set_up_admin
from bot.web.aibot import aibot_routes
from bot.web.api import api_routes
from bot.web.callbacks import wecom_routes
from bot.web.errors import error_middleware
from bot.web.health import health_routes
from bot.web.keys import key_middleware
from bot.worker import Doorbell, work_loop

log = structlog.get_logger()

MAX_BODY = 64 * 1024
DEMO_TENANT = "demo"

ADMIN: web.AppKey[AdminLogin] = web.AppKey("admin", AdminLogin)
RUNTIME: web.AppKey[Runtime] = web.AppKey("runtime", Runtime)
STAGE: web.AppKey[DemoStage] = web.AppKey("stage", DemoStage)

Clock = Callable[[], datetime]


def build_app(settings: Settings, clock: Clock = utc_now) -> web.Application:
    """Return the application; its resources open when it starts and close when it stops."""
    keys = key_middleware(settings.server, demo_tenant=DEMO_TENANT if settings.demo else None)
    app = web.Application(client_max_size=MAX_BODY, middlewares=[error_middleware, keys])
    app[ADMIN] = AdminLogin()
    app.cleanup_ctx.append(partial(_compose, settings, clock))
    return app


async def _compose(settings: Settings, clock: Clock, app: web.Application) -> AsyncIterator[None]:
    """Open and wire everything; routes are added here, before aiohttp freezes the app."""
    async with AsyncExitStack() as stack:
        stage = await _open_stage(settings, stack)
        if stage is not None:
            app[STAGE] = stage
            tenants = {**settings.tenants, DEMO_TENANT: stage.tenant_settings()}
            settings = settings.model_copy(update={"tenants": tenants})
        runtime = await stack.enter_async_context(open_runtime(settings, clock))
        app[RUNTIME] = runtime
        await _open_wires(app, runtime, stage, stack)
        runtime.metrics.ready.set(1)
        await stack.enter_async_context(_running(_warm_up(runtime)))
        yield
        runtime.metrics.ready.set(0)


async def _warm_up(runtime: Runtime) -> None:
    """Load, once the server answers, what would make the first question of its kind slow."""
    try:
        await anyio.to_thread.run_sync(importlib.import_module, "sqlglot")
        await runtime.library.warm_up()
        if runtime.llm is not None:
            await runtime.llm.warm_up()
    except Exception:
        # A first question that is slow is no reason to stop; what is broken will say so when it is used.
        log.exception("server.warm_up_failed")


async def _open_stage(settings: Settings, stack: AsyncExitStack) -> DemoStage | None:
    if not settings.demo:
        return None
    stage = DemoStage(settings.state_directory / "sandbox")
    stack.push_async_callback(stage.close)
    await stage.open()
    return stage


async def _open_wires(app: web.Application, runtime: Runtime, stage: DemoStage | None, stack: AsyncExitStack) -> None:
    """Start delivery before dispatch before what feeds it, so that nothing waits for a part that is not there."""
    bell, deliver_bell = Doorbell(), Doorbell()
    platforms = _platforms(runtime, stack)
    await stack.enter_async_context(_delivery(runtime, platforms, deliver_bell))
    await stack.enter_async_context(_dispatch(runtime, bell, deliver_bell))
    tenant_ids = {key: parts.tenant_id for key, parts in runtime.tenants.items()}
    receive = Receiver(runtime.database, tenant_ids, bell, runtime.metrics, runtime.clock)
    await _open_streams(runtime, receive, stack)
    await _open_aibots(app, runtime, platforms, receive, stack)
    await stack.enter_async_context(open_schedule(runtime, deliver_bell))
    _add_routes(app, runtime, platforms, receive)
    if stage is not None:
        await _set_the_stage(app, runtime, stage, deliver_bell)


async def _set_the_stage(app: web.Application, runtime: Runtime, stage: DemoStage, deliver_bell: Doorbell) -> None:
    """Give everybody who works in the demo chain a phone, and show the phones."""
    tenant_id = runtime.tenant(DEMO_TENANT).tenant_id
    stage.invite(await member_ids(runtime.database, tenant_id, "wecom"))
    push = push_for(runtime, tenant_id, deliver_bell)
    app.router.add_routes(sandbox_routes(stage, runtime.database, tenant_id, push))
    app.router.add_get("/", _to_the_sandbox)
    app.on_shutdown.append(stage.hush)


async def _to_the_sandbox(_request: web.Request) -> web.StreamResponse:
    """Take whoever opens the bare address to the phones."""
    raise web.HTTPFound("/sandbox")


def _platforms(runtime: Runtime, stack: AsyncExitStack) -> Channels:
    """Return every configured account by tenant id and channel name."""
    platforms: dict[tuple[int, str], Platform] = {}
    for key, tenant in runtime.settings.tenants.items():
        platforms |= open_channels(tenant, runtime.services(key))
    for platform in platforms.values():
        stack.push_async_callback(platform.close)
    return platforms


@asynccontextmanager
async def _delivery(runtime: Runtime, platforms: Channels, bell: Doorbell) -> AsyncIterator[None]:
    deliverer = Deliverer(runtime.database, platforms, runtime.metrics, runtime.clock, runtime.owner, bell)
    async with _running(work_loop("delivery", deliverer.step, bell)):
        yield
    await deliverer.pool.drain()


@asynccontextmanager
async def _dispatch(runtime: Runtime, bell: Doorbell, deliver_bell: Doorbell) -> AsyncIterator[None]:
    dispatcher = Dispatcher(
        runtime.database, runtime.router_of, bell, deliver_bell, runtime.metrics, runtime.clock, runtime.owner
    )
    async with _running(work_loop("dispatch", dispatcher.step, bell)):
        yield
    await dispatcher.pool.drain()


@asynccontextmanager
async def _running(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run `work` as a task while the block runs."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _open_streams(runtime: Runtime, receive: Receiver, stack: AsyncExitStack) -> None:
    for key, tenant in runtime.settings.tenants.items():
        if tenant.dingtalk is not None and tenant.dingtalk.stream:
            stream = DingtalkStream(tenant.dingtalk, key, receive, StreamTiming(idle=tenant.dingtalk.idle_seconds))
            stream.start()
            stack.push_async_callback(stream.stop)


async def _open_aibots(
    app: web.Application, runtime: Runtime, platforms: Channels, receive: Receiver, stack: AsyncExitStack
) -> None:
    """Connect the aibots with a socket; add the routes of those that are called, and sweep their streams."""
    found = {key: platforms.get((parts.tenant_id, AIBOT)) for key, parts in runtime.tenants.items()}
    called = {key: bot for key, bot in found.items() if isinstance(bot, AibotUrlPlatform)}
    for key, bot in found.items():
        if isinstance(bot, AibotSocketPlatform):
            bot.start(key, receive)
            stack.push_async_callback(bot.stop)
    app.router.add_routes(aibot_routes(called, receive, runtime.metrics, runtime.clock))
    await stack.enter_async_context(_running(keep_sweeping([bot.sweep for bot in called.values()])))


def _add_routes(app: web.Application, runtime: Runtime, platforms: Channels, receive: Receiver) -> None:
    wecom = {
        key: platform
        for key, parts in runtime.tenants.items()
        if isinstance(platform := platforms.get((parts.tenant_id, "wecom")), WecomPlatform)
    }
    assistants = {key: parts.assistant for key, parts in runtime.tenants.items()}
    executors = {key: parts.executor for key, parts in runtime.tenants.items()}
    app.router.add_routes(health_routes(runtime.database, runtime.metrics))
    app.router.add_routes(api_routes(assistants, executors, runtime.metrics))
    app.router.add_routes(wecom_routes(wecom, receive, runtime.metrics, runtime.clock))
    set_up_admin(app, app[ADMIN], runtime.database)
    if runtime.mock_crm is not None:
        runtime.mock_crm.add_to(app)
