"""The HTTP API: `POST /api/chat` and `POST /api/execute`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from bot.assistant import Assistant, Question, UnknownPerson
from bot.json_text import to_json
from bot.metrics import Metrics
from bot.web.errors import BadRequest, read_json
from bot.web.keys import CALLER, Caller
from handlers.crm_executor import CrmExecutor
from handlers.turn import Person

QUERY_CHARS = 1000
NO_QUERY = "缺少 query：要问的那句话，不超过 1000 个字"
NO_PLAN = "缺少 plan：一个活动方案对象"
BAD_STAFF = "staff_id 要是整数"
NO_TENANT = "找不到企业：{tenant}"


def api_routes(
    assistants: Mapping[str, Assistant], executors: Mapping[str, CrmExecutor], metrics: Metrics
) -> list[web.RouteDef]:
    """Return the routes programs call; who calls was settled by the key middleware."""

    def assistant_of(caller: Caller) -> Assistant:
        found = assistants.get(caller.tenant)
        if found is None:
            raise BadRequest(NO_TENANT.format(tenant=caller.tenant), 404)
        return found

    async def chat(request: web.Request) -> web.Response:
        """Answer `{"query", "prev"?}` with the object of `daogou ask --json`."""
        body = await read_json(request)
        query, prev = body.get("query"), body.get("prev")
        if not isinstance(query, str) or not query.strip() or len(query) > QUERY_CHARS:
            raise BadRequest(NO_QUERY)
        caller = request[CALLER]
        question = Question(query, _staff_id(caller, body), prev if isinstance(prev, str) else None)
        try:
            answer = await assistant_of(caller).ask(question)
        except UnknownPerson as error:
            raise BadRequest(str(error)) from error
        metrics.answers.labels(answer["intent"]).inc()
        return web.json_response(answer, dumps=to_json)

    async def execute(request: web.Request) -> web.Response:
        """Launch `{"plan"}` and answer with the execution; the same plan again gives the old receipt."""
        body = await read_json(request)
        caller = request[CALLER]
        if not isinstance(body.get("plan"), dict):
            raise BadRequest(NO_PLAN)
        assistant = assistant_of(caller)
        person = await _person(assistant, _staff_id(caller, body))
        execution = await executors[caller.tenant].launch(body["plan"], person, await assistant.now(person))
        metrics.executions.labels(execution.status).inc()
        return web.json_response({"execution": execution.as_json()}, dumps=to_json)

    return [web.post("/api/chat", chat), web.post("/api/execute", execute)]


async def _person(assistant: Assistant, staff_id: int | None) -> Person:
    try:
        return await assistant.person(staff_id)
    except UnknownPerson as error:
        raise BadRequest(str(error)) from error


def _staff_id(caller: Caller, body: Mapping[str, Any]) -> int | None:
    """Return whom the caller acts as; only the demo may name somebody."""
    if not caller.may_choose or body.get("staff_id") is None:
        return caller.staff_id
    if type(body["staff_id"]) is not int:
        raise BadRequest(BAD_STAFF)
    return body["staff_id"]
