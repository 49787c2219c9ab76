"""`/healthz`, `/readyz`, `/api/health` and `/metrics`."""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from bot.metrics import Metrics
from db.engine import Database


@dataclass(slots=True)
class Readiness:
    """Whether this process wants new work; a load balancer is told before the process stops."""

    stopping: bool = False


def health_routes(database: Database, metrics: Metrics, readiness: Readiness) -> list[web.RouteDef]:
    """Return the routes a load balancer and Prometheus call."""

    async def readyz(_request: web.Request) -> web.Response:
        """200 while new work is welcome, 503 once the process is stopping; the database is not asked.

        Callbacks are taken even while the database is gone, so that is no reason to send them elsewhere.
        """
        return web.json_response({"ok": not readiness.stopping}, status=503 if readiness.stopping else 200)

    async def healthz(_request: web.Request) -> web.Response:
        """200 while the database answers, 503 otherwise."""
        try:
            async with database.read() as session:
                await session.execute(text("SELECT 1"))
        except (SQLAlchemyError, OSError) as error:
            return web.json_response({"ok": False, "database": type(error).__name__}, status=503)
        return web.json_response({"ok": True, "database": "ok"})

    async def api_health(_request: web.Request) -> web.Response:
        return web.json_response({"ok": True})

    async def exposition(_request: web.Request) -> web.Response:
        return web.Response(
            body=metrics.exposition(), headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
        )

    return [
        web.get("/healthz", healthz),
        web.get("/readyz", readyz),
        web.get("/api/health", api_health),
        web.get("/metrics", exposition),
    ]
