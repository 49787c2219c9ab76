"""The HTTP API as a program uses it: five sample questions, keys, bad input, money once."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from bot.config import ApiKey, LlmSettings, ServerSettings
from bot.runtime import load_knowledge
from tests.demo_server import DemoServer, demo_settings, serve
from tests.fakes.llm import FakeLlm, answer, babble, stall, status

ANSWER_KEYS = {"intent", "answer", "report", "semantic", "plan", "execution", "debug"}
PLAN_QUESTION = "给高价值老客做一个促复购活动，预算3万，7天"


async def ask(server: DemoServer, query: str, **more: Any) -> dict[str, Any]:
    status_code, body = await server.post("/api/chat", {"query": query, **more})
    assert status_code == 200, body
    assert set(body) == ANSWER_KEYS
    return dict(body)


async def test_health_and_metrics(demo: DemoServer) -> None:
    assert await demo.get("/api/health") == (200, '{"ok": true}')
    assert (await demo.get("/healthz"))[0] == 200
    assert "daogou_ready 1.0" in (await demo.get("/metrics"))[1]


async def test_the_report_is_a_number_with_its_definition(demo: DemoServer) -> None:
    body = await ask(demo, "最近7天各门店GMV、客单价、订单数，按天趋势")

    assert body["intent"] == "report"
    assert body["semantic"]["metrics"] == ["gmv", "aov", "order_count"]
    assert body["semantic"]["dims"] == ["store", "day"]
    assert body["semantic"]["range"] == ["2026-11-14", "2026-11-20"]
    assert len(body["report"]["rows"]) == 70
    assert body["debug"]["guard"]["passed"] is True
    assert {"route", "gen_sql", "run_sql"} <= set(body["debug"]["timings_ms"])
    for part in ("¥351.0万", "口径", "数据截至 11-21"):
        assert part in body["answer"]


async def test_the_diagnosis_marks_data_and_knowledge(demo: DemoServer) -> None:
    await load_knowledge(demo.runtime.database, "demo")
    body = await ask(demo, "这周复购率为什么下降了")

    assert body["intent"] == "diagnose"
    assert "54.3%" in body["answer"]
    assert "41.7%" in body["answer"]
    assert "(data)" in body["answer"]
    assert "(kb)" in body["answer"]
    assert "天河店支付失败" in body["answer"]


async def test_a_question_with_the_change_the_wrong_way_round_is_set_right(demo: DemoServer) -> None:
    body = await ask(demo, "这周复购率为什么上升了")
    assert "和您说的相反，数据里是下降的" in body["answer"]


async def test_a_morning_is_not_compared_with_a_whole_day(demo: DemoServer) -> None:
    body = await ask(demo, "今天GMV")
    assert "↓" not in body["answer"]
    assert "今天还没结束" in body["answer"]


async def test_the_bare_address_leads_to_the_phones(demo: DemoServer) -> None:
    assert "sandbox.js" in (await demo.get("/"))[1]


async def test_the_plan_is_the_documented_json(demo: DemoServer) -> None:
    plan = (await ask(demo, PLAN_QUESTION))["plan"]

    assert set(plan) >= {
        "goal",
        "duration_days",
        "budget",
        "target_segment",
        "offer",
        "channels",
        "kpi",
        "risk_controls",
    }
    assert (plan["budget"], plan["duration_days"]) == (30000, 7)
    assert plan["offer"]["max_redemptions"] * plan["offer"]["value"] <= 30000


async def test_a_plan_is_launched_once_however_often_it_is_sent(demo: DemoServer) -> None:
    plan = (await ask(demo, PLAN_QUESTION))["plan"]

    answers = await asyncio.gather(*(demo.post("/api/execute", {"plan": plan}) for _ in range(4)))

    executions = [body["execution"] for _, body in answers]
    assert {execution["status"] for execution in executions} == {"succeeded"}
    assert len({execution["coupon_id"] for execution in executions}) == 1
    assert sorted(execution["repeated"] for execution in executions) == [False, True, True, True]
    mock = demo.runtime.mock_crm
    assert mock is not None
    assert [coupon["status"] for coupon in mock.book.all()] == ["published"]


async def test_the_word_launch_follows_the_plan_before_it(demo: DemoServer) -> None:
    body = await ask(demo, "上架", prev=PLAN_QUESTION)

    assert body["intent"] == "execute"
    assert body["execution"]["status"] == "succeeded"


@pytest.mark.parametrize(
    ("query", "intent"),
    [
        ("给会员 12 写个生日祝福", "birthday"),
        ("上海今天天气提醒", "weather"),
        ("最近有什么节日", "holiday"),
        ("我的任务", "tasks"),
        ("优惠券", "plan"),
        ("为什么", "diagnose"),
        ("下降", "diagnose"),
        ("做个活动", "plan"),
        ("出个报表", "report"),
        ("趋势", "report"),
        ("/帮助", "help"),
        ("/我是谁", "help"),
        ("今晚吃什么好呢", "ask_back"),
    ],
)
async def test_every_kind_of_question_finds_its_handler(demo: DemoServer, query: str, intent: str) -> None:
    assert (await ask(demo, query))["intent"] == intent


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"budget": -1}, "预算"),
        ({"duration_days": 0}, "天"),
        ({"channels": ["fax"]}, "渠道"),
        ({"offer": None}, "优惠"),
    ],
)
async def test_an_absurd_plan_is_refused_in_words(demo: DemoServer, change: dict[str, Any], complaint: str) -> None:
    plan = (await ask(demo, PLAN_QUESTION))["plan"] | change

    _, body = await demo.post("/api/execute", {"plan": plan})

    assert body["execution"]["status"] != "succeeded"
    assert complaint in str(body)
    assert demo.runtime.mock_crm is not None
    assert demo.runtime.mock_crm.book.all() == []


@pytest.mark.parametrize("body", [None, [], {}, {"query": ""}, {"query": 7}, {"query": "好" * 1001}])
async def test_a_question_that_is_none_gets_a_sentence(demo: DemoServer, body: Any) -> None:
    status_code, answered = await demo.post("/api/chat", body)
    assert status_code == 400
    assert answered["ok"] is False


async def test_a_body_that_is_no_json_or_too_large_is_refused(demo: DemoServer) -> None:
    async with demo.http.post(f"{demo.base}/api/chat", data=b"{nonsense") as response:
        assert response.status == 400
    async with demo.http.post(f"{demo.base}/api/chat", data=b" " * 70_000) as response:
        assert response.status == 413


@pytest.mark.parametrize(
    "body",
    [
        b'{"plan": ' + b"[" * 20_000 + b"]" * 20_000 + b"}",
        b'{"query": "a\\ud83d"}',
        b'{"query": "GMV", "prev": "\\udc00"}',
    ],
)
@pytest.mark.parametrize("path", ["/api/chat", "/api/execute", "/sandbox/api/say"])
async def test_json_that_no_text_can_hold_is_refused(demo: DemoServer, path: str, body: bytes) -> None:
    async with demo.http.post(demo.base + path, data=body, headers={"Content-Type": "application/json"}) as response:
        assert response.status == 400
        assert "不是有效的 JSON 对象" in await response.text()


@pytest.mark.parametrize("staff_id", [10**30, 0, -1, True, 1.5, "1"])
async def test_a_staff_id_that_is_nobodys_is_refused(demo: DemoServer, staff_id: Any) -> None:
    assert (await demo.post("/api/chat", {"query": "GMV", "staff_id": staff_id}))[0] == 400


async def test_an_address_that_is_none_is_said_in_words(demo: DemoServer) -> None:
    assert await demo.get("/nowhere") == (404, '{"ok": false, "error": "没有这个地址"}')
    async with demo.http.get(f"{demo.base}/api/chat") as response:
        assert (response.status, response.headers["Allow"]) == (405, "POST")
        assert "不支持 GET" in await response.text()


@pytest.mark.parametrize(
    "headers", [{"Origin": "http://evil.example"}, {"Host": "evil.example"}, {"Sec-Fetch-Site": "cross-site"}]
)
async def test_another_website_cannot_act_through_a_visitors_browser(demo: DemoServer, headers: dict[str, str]) -> None:
    status_code, body = await demo.post("/api/execute", {"plan": {}}, **headers)
    assert status_code == 403
    assert "别的网页不行" in body["error"]


@pytest.mark.parametrize(("text", "said"), [("你好", "您可以直接这样说"), ("谢谢！", "不客气"), ("在吗？", "照着说")])
async def test_a_greeting_is_returned(demo: DemoServer, text: str, said: str) -> None:
    body = await ask(demo, text)
    assert body["intent"] == "help"
    assert said in body["answer"]


async def test_a_clerk_sees_their_own_store_only(demo: DemoServer) -> None:
    clerk = await ask(demo, "最近7天各门店GMV", staff_id=1)
    stores = {row[0] for row in clerk["report"]["rows"]}
    assert len(stores) == 1


async def test_without_the_demo_a_key_is_wanted_and_stands_for_one_person(seeded_url: str, tmp_path: Path) -> None:
    key = ApiKey(key=SecretStr("k-manager"), tenant="demo", staff_id=3)
    settings = demo_settings(seeded_url, tmp_path / "state", server=ServerSettings(api_keys=(key,)))
    async with serve(settings.model_copy(update={"demo": False})) as server:
        assert (await server.post("/api/chat", {"query": "/我是谁"}))[0] == 401
        assert (await server.post("/api/chat", {"query": "/我是谁"}, Authorization="Bearer wrong"))[0] == 401
        _, body = await server.post("/api/chat", {"query": "/我是谁", "staff_id": 1}, Authorization="Bearer k-manager")
        assert "店长" in body["answer"]
        assert (await server.get("/sandbox"))[0] == 404


async def test_the_admin_password_serves_once(demo: DemoServer) -> None:
    assert "一次性密码" in (await demo.get("/admin"))[1]
    password = demo.admin_password
    async with demo.http.post(f"{demo.base}/admin", data={"password": "wrong"}) as response:
        assert response.status == 403
    async with demo.http.post(f"{demo.base}/admin", data={"password": password}) as response:
        assert "收到的消息" in await response.text()
    demo.http.cookie_jar.clear()
    async with demo.http.post(f"{demo.base}/admin", data={"password": password}) as response:
        assert response.status == 403


class WithModel:
    """The demo with a model behind it."""

    def __init__(self, url: str, state: Path, fake: FakeLlm) -> None:
        llm = LlmSettings(
            base_url=fake.base_url, api_key=SecretStr("sk-test"), model="fake-1", timeout_seconds=1, total_seconds=2
        )
        self.settings = demo_settings(url, state, llm=llm)


async def test_a_model_words_the_greeting_and_its_failures_leave_the_template(seeded_url: str, tmp_path: Path) -> None:
    async with FakeLlm(status(500)) as fake, serve(WithModel(seeded_url, tmp_path / "s", fake).settings) as server:
        template = await ask(server, "给会员 12 写个生日祝福")
        for behaviour in (stall(), babble(), answer("买一送一，点 http://x.cn")):
            fake.script(behaviour)
            again = await ask(server, "给会员 12 写个生日祝福")
            assert again["intent"] == "birthday"
            assert "http" not in again["answer"]
        assert "生日" in template["answer"]
        assert "daogou_llm_failures_total" in (await server.get("/metrics"))[1]


async def test_a_model_is_asked_only_when_the_rules_are_unsure(seeded_url: str, tmp_path: Path) -> None:
    reply = answer('{"choice": "weather"}')
    async with FakeLlm(reply) as fake, serve(WithModel(seeded_url, tmp_path / "s", fake).settings) as server:
        await ask(server, "最近7天各门店GMV")
        assert fake.requests == []
        body = await ask(server, "出门要不要多穿点衣裳")
        assert body["debug"]["route"] == {"lane": "model", "intent": "weather"}
