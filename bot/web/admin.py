"""`/admin`: what was received, sent, failed and why. One page, behind a password printed once at start.

The password serves one login and is forgotten then; the session lives in this process only.
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp_jinja2
import jinja2
from aiohttp import web
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.web.errors import read_body
from db.engine import Database
from db.models import ActionLog, Inbox, Outbox, Staff, StaffIdentity, Tenant
from handlers.help import ROLE_NAMES

TEMPLATES = Path(__file__).parent / "templates"
COOKIE = "daogou_admin"
SHOWN = 50
WRONG = "密码不对，或者已经用过了。重新启动服务会给出新的密码。"
TOO_MANY = "试的次数太多了，请重新启动服务。"
MAX_TRIES = 10
STATUS_NAMES = {
    "queued": "排队",
    "failed": "失败",
    "unknown": "是否送达未知",
    "expired": "过期没发",
    "pending": "进行中",
    "succeeded": "成功",
}
ACTION_NAMES = {"create_coupon": "建券", "publish_coupon": "发布"}
POLICY = "default-src 'none'; style-src 'self' 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'"


@dataclass(slots=True)
class AdminLogin:
    """A one-time password and the sessions it opened."""

    password: str = field(default_factory=lambda: secrets.token_urlsafe(9))
    tries: int = 0
    sessions: set[str] = field(default_factory=set)

    def open(self, given: str) -> str | None:
        """Return a new session for the right password, once."""
        self.tries += 1
        right = bool(self.password) and hmac.compare_digest(given.encode(), self.password.encode())
        if not right or self.tries > MAX_TRIES:
            return None
        self.password = ""
        session = secrets.token_urlsafe(24)
        self.sessions.add(session)
        return session


def set_up_admin(app: web.Application, login: AdminLogin, database: Database) -> None:
    """Add `/admin` and its login to the app."""
    aiohttp_jinja2.setup(app, loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True)

    async def show(request: web.Request) -> web.Response:
        if request.cookies.get(COOKIE) not in login.sessions:
            return _page("login.html", request, {"error": ""})
        async with database.read() as session:
            return _page("admin.html", request, await overview(session))

    async def log_in(request: web.Request) -> web.StreamResponse:
        await read_body(request)
        form = await request.post()
        opened = login.open(str(form.get("password", "")))
        if opened is None:
            error = TOO_MANY if login.tries > MAX_TRIES else WRONG
            return _page("login.html", request, {"error": error}, status=403)
        response = web.Response(status=303, headers={"Location": "/admin"})
        response.set_cookie(COOKIE, opened, httponly=True, samesite="Strict", path="/admin")
        return response

    app.router.add_get("/admin", show)
    app.router.add_post("/admin", log_in)


def _page(template: str, request: web.Request, context: dict[str, Any], status: int = 200) -> web.Response:
    response = aiohttp_jinja2.render_template(template, request, context, status=status)
    response.headers["Content-Security-Policy"] = POLICY
    response.headers["Cache-Control"] = "no-store"
    return response


async def overview(session: AsyncSession) -> dict[str, Any]:
    """Return the figures and lists of the page; message texts are not among them."""
    return {
        "tenants": (await session.scalars(select(Tenant))).all(),
        "inbox": await _counts(session, Inbox),
        "outbox": await _counts(session, Outbox),
        "troubles": await _latest(session, Outbox, Outbox.status.in_(("failed", "unknown", "expired", "queued"))),
        "dead": await _latest(session, Inbox, Inbox.status == "dead"),
        "actions": await _latest(session, ActionLog),
        "staff": (await session.execute(_staff())).all(),
        "names": {**ROLE_NAMES, **STATUS_NAMES, **ACTION_NAMES},
    }


async def _counts(session: AsyncSession, model: type[Inbox | Outbox]) -> dict[str, int]:
    rows = await session.execute(select(model.status, func.count().label("rows")).group_by(model.status))
    return {row.status: row.rows for row in rows.all()}


async def _latest(session: AsyncSession, model: type[Any], *where: Any) -> list[Any]:
    return list((await session.scalars(select(model).where(*where).order_by(model.id.desc()).limit(SHOWN))).all())


def _staff() -> Any:
    bound = select(StaffIdentity.staff_id, func.count().label("bound")).group_by(StaffIdentity.staff_id).subquery()
    return (
        select(Staff.id, Staff.name, Staff.role, func.coalesce(bound.c.bound, 0))
        .outerjoin(bound, bound.c.staff_id == Staff.id)
        .order_by(Staff.id)
        .limit(SHOWN)
    )
