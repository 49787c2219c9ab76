"""A CRM for the demo and the tests: coupons go from draft to published and survive a restart.

    POST /mock/crm/coupons                      create a draft
    POST /mock/crm/coupons/{id}/publish         publish it
    GET  /mock/crm/coupons?request_number=…     what did this number make?

It keeps the promise real CRMs make about request numbers: the same number with the same body is the same coupon,
the same number with another body is an error (409). Its coupons live in a SQLite file of its own, because a real
CRM does not forget them when the bot restarts.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError

PREFIX = "/mock/crm"
BEFORE_FIRST_ID = 100_000
BODY_SECONDS = 5.0
BUSY_SECONDS = 5.0

NOT_JSON = "请求体要是一个 JSON 对象"
SLOW_BODY = "请求体来得太慢"
BAD_FIELD = "字段不对：{fields}"
TWO_NUMBERS = "X-Request-Number 与 request_number 不一致"
OTHER_BODY = "这个请求号已经用于另一张券"
NO_COUPON = "没有这张券"
NO_NUMBER = "缺少 request_number"

_TABLE = """
CREATE TABLE IF NOT EXISTS coupons (
    id INTEGER PRIMARY KEY,
    request_number TEXT NOT NULL UNIQUE,
    body TEXT NOT NULL,
    status TEXT NOT NULL DEFAULT 'draft'
)"""
_INSERT = """
INSERT OR IGNORE INTO coupons (id, request_number, body)
SELECT COALESCE(MAX(id), ?) + 1, ?, ? FROM coupons"""

RequestNumber = Annotated[str, Field(min_length=1, max_length=128)]


class CouponRequest(BaseModel):
    """What a coupon needs; further fields are kept as they are."""

    model_config = ConfigDict(strict=True, extra="allow")

    request_number: RequestNumber
    name: Annotated[str, Field(min_length=1, max_length=64)]
    type: Literal["full_reduction", "discount", "points"]
    threshold: Annotated[int, Field(ge=0)]
    value: Annotated[int, Field(ge=1)]
    max_redemptions: Annotated[int, Field(ge=1)]
    valid_days: Annotated[int, Field(ge=1, le=365)]


class PublishRequest(BaseModel):
    """What publishing needs."""

    request_number: RequestNumber


class Rejected(Exception):
    """A request that is answered with an error status and its reason."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


class CouponBook:
    """The coupons in a SQLite file; each call is one transaction on a connection of its own."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        with self._transaction() as connection:
            connection.execute(_TABLE)

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self._path, timeout=BUSY_SECONDS, isolation_level=None)) as connection:
            connection.row_factory = sqlite3.Row
            connection.execute("BEGIN IMMEDIATE")
            yield connection
            connection.execute("COMMIT")

    def create(self, number: str, body: dict[str, Any]) -> tuple[bool, dict[str, Any]]:
        """Return whether the coupon is new, and the coupon; `Rejected` when the number had another body."""
        kept = json.dumps(body, sort_keys=True)
        with self._transaction() as connection:
            is_new = connection.execute(_INSERT, (BEFORE_FIRST_ID, number, kept)).rowcount == 1
            row = connection.execute("SELECT * FROM coupons WHERE request_number = ?", (number,)).fetchone()
        if row["body"] != kept:
            raise Rejected(409, OTHER_BODY)
        return is_new, _shown(row)

    def publish(self, coupon_id: str) -> dict[str, Any]:
        """Return the coupon, published; `Rejected` when there is none of this id."""
        with self._transaction() as connection:
            connection.execute("UPDATE coupons SET status = 'published' WHERE CAST(id AS TEXT) = ?", (coupon_id,))
            row = connection.execute("SELECT * FROM coupons WHERE CAST(id AS TEXT) = ?", (coupon_id,)).fetchone()
        if row is None:
            raise Rejected(404, NO_COUPON)
        return _shown(row)

    def find(self, number: str) -> list[dict[str, Any]]:
        """Return the coupon of this request number, or nothing, as a list."""
        with self._transaction() as connection:
            rows = connection.execute("SELECT * FROM coupons WHERE request_number = ?", (number,)).fetchall()
        return [_shown(row) for row in rows]

    def all(self) -> list[dict[str, Any]]:
        """Return every coupon with the body it was made from."""
        with self._transaction() as connection:
            rows = connection.execute("SELECT * FROM coupons ORDER BY id").fetchall()
        return [_shown(row) | {"body": json.loads(row["body"])} for row in rows]


def _shown(row: sqlite3.Row) -> dict[str, Any]:
    return {"id": str(row["id"]), "status": row["status"], "request_number": row["request_number"]}


class MockCrm:
    """The three routes over one book of coupons."""

    def __init__(self, path: Path) -> None:
        self.book = CouponBook(path)

    def add_to(self, app: web.Application) -> None:
        """Add the routes to an application."""
        app.add_routes(self.routes())

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        return [
            web.post(f"{PREFIX}/coupons", self.create),
            web.post(f"{PREFIX}/coupons/{{coupon_id}}/publish", self.publish),
            web.get(f"{PREFIX}/coupons", self.find),
        ]

    async def create(self, request: web.Request) -> web.Response:
        """Answer a new coupon with 201 and one that was made before with 200."""
        try:
            body = await _checked(request, CouponRequest)
            is_new, coupon = await asyncio.to_thread(self.book.create, body["request_number"], body)
        except Rejected as rejected:
            return _error(rejected)
        return web.json_response(coupon, status=201 if is_new else 200)

    async def publish(self, request: web.Request) -> web.Response:
        """Answer with the published coupon."""
        try:
            await _checked(request, PublishRequest)
            coupon = await asyncio.to_thread(self.book.publish, request.match_info["coupon_id"])
        except Rejected as rejected:
            return _error(rejected)
        return web.json_response(coupon)

    async def find(self, request: web.Request) -> web.Response:
        """Answer with the coupons of a request number: one or none."""
        number = request.query.get("request_number", "")
        if not number:
            return _error(Rejected(400, NO_NUMBER))
        return web.json_response({"coupons": await asyncio.to_thread(self.book.find, number)})


async def _checked(request: web.Request, shape: type[BaseModel]) -> dict[str, Any]:
    """Return the body once it has the shape; a slow or broken one is `Rejected`."""
    try:
        async with asyncio.timeout(BODY_SECONDS):
            body = json.loads(await request.read())
    except TimeoutError as error:
        raise Rejected(408, SLOW_BODY) from error
    except (ValueError, RecursionError) as error:
        raise Rejected(400, NOT_JSON) from error
    if not isinstance(body, dict):
        raise Rejected(400, NOT_JSON)
    try:
        shape.model_validate(body)
    except ValidationError as error:
        names = {".".join(map(str, problem["loc"])) for problem in error.errors()}
        raise Rejected(400, BAD_FIELD.format(fields="、".join(sorted(names)))) from error
    if request.headers.get("X-Request-Number", body["request_number"]) != body["request_number"]:
        raise Rejected(400, TWO_NUMBERS)
    return body


def _error(rejected: Rejected) -> web.Response:
    return web.json_response({"error": rejected.reason}, status=rejected.status)
