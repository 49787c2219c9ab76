"""A server with an aibot in URL mode between WeCom's side of it and a small chain, with a clock that tests move."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, ClassVar

import pytest
from aiohttp import web
from sqlalchemy import select

from bot.loopback import loopback_site
from bot.platforms.aibot.platform_url import AibotUrlPlatform
from bot.platforms.aibot.presses import PressTiming
from bot.platforms.base import Platform
from bot.platforms.services import Services
from bot.seal import Sealer
from bot.usage import UsageCounter
from bot.web.aibot import aibot_routes
from db.engine import Database
from db.models import Inbox, Outbox, StaffIdentity
from handlers.intents import Intent
from handlers.messages import AnyPart, Button, Card, Reply, Text
from handlers.router import Router
from handlers.turn import Turn
from tests.fakes.aibot import FakeAibot, Said
from tests.pipeline import Pipeline
from tests.rows import NOW, small_chain
from tests.scenarios.aibot.path import gate_of, way_of

OPEN = Card(
    "plan",
    "方案",
    buttons=(Button("launch", "上架", "plan.launch", primary=True), Button("no", "不行", "plan.refuse")),
)
DONE = Card("plan", "方案", state="店长乙 10:32 已上架 · 券 123")
REFUSED = "只有店长能上架。"
# As long as the real one waits, so that a slow machine is in time; HASTY for what is meant to be late.
IN_TIME = PressTiming(wait=4.2, step=0.01)
HASTY = PressTiming(wait=0.3, step=0.01)


# What the engine makes no difference to is tried on one.
ON_SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


class Clock:
    """A time of day that is moved by hand."""

    def __init__(self, now: datetime = NOW) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


@dataclass
class Plan:
    """Answers 方案 with a card, its press with the finished card, the other press with words alone."""

    gate: asyncio.Event = field(default_factory=asyncio.Event)
    done: Card = DONE
    intent: ClassVar[Intent] = Intent("plan", re.compile("方案"), actions=frozenset({"plan.launch", "plan.refuse"}))

    async def __call__(self, turn: Turn) -> Reply:
        if turn.pressed is None:
            return Reply("plan", (OPEN,))
        await self.gate.wait()
        if turn.pressed.action == "plan.refuse":
            return Reply.say("execute", REFUSED)
        return Reply("execute", card=self.done)


@dataclass
class Saying:
    """Answers everything else with `parts`, once the gate is open."""

    parts: tuple[AnyPart, ...] = (Text("今天有两张券。"),)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    asked: list[str] = field(default_factory=list)
    intent: ClassVar[Intent] = Intent("report", re.compile(""))

    async def __call__(self, turn: Turn) -> Reply:
        self.asked.append(turn.text)
        await self.gate.wait()
        return Reply("report", self.parts)


@dataclass
class Stage:
    """One replica: receiver, dispatcher and deliverer over a database that others may share."""

    database: Database
    clock: Clock
    aibot: FakeAibot
    platform: AibotUrlPlatform
    plan: Plan
    saying: Saying
    way: Pipeline
    url: str = ""

    async def run(self) -> None:
        """Dispatch and deliver until nothing moves."""
        await self.way.run()

    async def dispatch(self) -> None:
        """Dispatch until nothing moves."""
        await self.way.dispatch()

    async def outbox(self) -> list[tuple[str, str, str | None]]:
        """Platform, status and error of every row."""
        async with self.database.read() as session:
            rows = await session.scalars(select(Outbox).order_by(Outbox.id))
            return [(row.platform, row.status, row.error) for row in rows]

    async def inbox(self) -> list[dict[str, Any]]:
        """The updates that were committed."""
        async with self.database.read() as session:
            return [row.update for row in await session.scalars(select(Inbox).order_by(Inbox.id))]


async def bind(database: Database, user_id: str = "zhangsan", staff_id: int = 2) -> None:
    """Write a chain whose manager is known under one id everywhere."""
    await small_chain(database)
    async with database.write() as session:
        for platform in ("wecom", "aibot"):
            session.add(
                StaffIdentity(tenant_id=1, staff_id=staff_id, platform=platform, user_id=user_id, created_at=NOW)
            )


def services_of(database: Database, clock: Clock, owner: str) -> Services:
    """What a platform of tenant 1 may use."""
    return Services(1, database, Sealer("s"), UsageCounter(database, clock), owner, clock, clock)


@asynccontextmanager
async def stage_of(
    database: Database,
    aibot: FakeAibot,
    clock: Clock,
    *,
    app: Platform | None = None,
    owner: str = "one",
    timing: PressTiming = IN_TIME,
) -> AsyncIterator[Stage]:
    """Serve one replica on a port of its own."""
    async with AsyncExitStack() as stack:
        services = services_of(database, clock, owner)
        platform = AibotUrlPlatform(aibot.settings(), services, app, press_timing=timing)
        stack.push_async_callback(platform.close)
        plan, saying = Plan(), Saying()
        plan.gate.set()
        saying.gate.set()
        channels: dict[tuple[int, str], Platform] = {(1, "aibot"): platform}
        if app is not None:
            channels[1, "wecom"] = app
        way = stack.enter_context(way_of(database, channels, Router((plan, saying)), clock, owner))
        served = web.Application()
        served.add_routes(aibot_routes({"acme": platform}, way.receive, gate_of(way, clock)))
        stage = Stage(database, clock, aibot, platform, plan, saying, way)
        base = await stack.enter_async_context(loopback_site(served))
        yield replace(stage, url=f"{base}/wecom/acme/aibot")


async def finished(stage: Stage, said: Said) -> Said:
    """Work, and ask until it is finished."""
    await stage.run()
    return await stage.aibot.follow(said, every=0.01)
