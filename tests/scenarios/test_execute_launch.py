"""Launching a plan: once, whoever presses, however often, whatever the CRM does. On SQLite and MariaDB."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from bot.crm.client import CrmClient
from db.engine import Database
from db.models import Staff, Tenant
from handlers.crm import Crm, CrmCoupon
from handlers.crm_executor import CrmExecutor, Execution
from handlers.turn import Person
from tests.fakes.crm import FakeCrm, Fault
from tests.plans import CLERK, HQ, MANAGER, NOW, PLAN, PLAN_KEY, ledger, utc_now, written
from tests.rows import small_chain

ALL_DONE = [("create_coupon", "succeeded"), ("publish_coupon", "succeeded")]
TIMEOUT = 0.3


class Dies(Exception):
    """The process ends here: nothing after it runs."""


class DyingCrm:
    """A CRM client whose process dies at a chosen point, before or after the call reached the CRM."""

    def __init__(self, crm: Crm, point: str) -> None:
        self._crm = crm
        self._point = point

    async def create_coupon(self, request_number: str, coupon: dict[str, Any]) -> CrmCoupon:
        self._die("before create")
        made = await self._crm.create_coupon(request_number, coupon)
        self._die("after create")
        return made

    async def publish_coupon(self, coupon_id: str, request_number: str) -> CrmCoupon:
        self._die("before publish")
        published = await self._crm.publish_coupon(coupon_id, request_number)
        self._die("after publish")
        return published

    async def find(self, request_number: str) -> CrmCoupon | None:
        return await self._crm.find(request_number)

    def _die(self, point: str) -> None:
        if point == self._point:
            raise Dies


class Launchers:
    """Executors as several processes would have them: each with its own database object and name."""

    def __init__(self, url: str, stack: AsyncExitStack) -> None:
        self._url = url
        self._stack = stack
        self._count = 0

    def new(self, crm: Crm, *, lease: float = 45, wait_seconds: float = 3, limit: int = 200_000) -> CrmExecutor:
        self._count += 1
        database = Database(self._url)
        self._stack.push_async_callback(database.close)
        return CrmExecutor(
            database, crm, Decimal(limit), f"process-{self._count}", utc_now, timedelta(seconds=lease), wait_seconds
        )


@pytest.fixture
async def launchers(database: Database, database_url: str) -> AsyncIterator[Launchers]:
    await small_chain(database)
    async with AsyncExitStack() as stack:
        yield Launchers(database_url, stack)


@pytest.fixture
async def crm(tmp_path: Path) -> AsyncIterator[FakeCrm]:
    async with FakeCrm(tmp_path / "crm.db").serve() as fake:
        yield fake


@pytest.fixture
async def client(crm: FakeCrm) -> AsyncIterator[CrmClient]:
    made = CrmClient(crm.base_url, timeout_seconds=TIMEOUT)
    yield made
    await made.close()


STRANGER = Person(21, 2, "外人丁", "manager", (21,))


async def second_chain(database: Database) -> None:
    async with database.write() as session:
        session.add(Tenant(id=2, key="other", name="别家", demo_as_of=None, created_at=NOW))
        await session.flush()
        session.add(Staff(id=21, tenant_id=2, name="外人丁", role="manager"))


def published(crm: FakeCrm) -> list[str]:
    return [coupon["status"] for coupon in crm.coupons]


async def test_a_launch_makes_coupon_receipt_and_rows(
    database: Database, launchers: Launchers, crm: FakeCrm, client: CrmClient
) -> None:
    done = await launchers.new(client).launch(PLAN, MANAGER, NOW)
    assert done.as_json() == {
        "status": "succeeded",
        "coupon_id": "100001",
        "idempotency_key": PLAN_KEY,
        "repeated": False,
        "by": "店长乙",
        "at": "2026-11-21T10:32:00+08:00",
        "error": None,
        "actions": [{"action": action, "status": status} for action, status in ALL_DONE],
    }
    assert done.receipt == (
        "券 100001 已发布：满300减50，最多 600 次",
        "活动 11月21日 至 11月27日，预算 ¥30,000",
    )
    assert await written(database) == (1, 1)
    assert [(c["status"], c["request_number"]) for c in crm.coupons] == [("published", PLAN_KEY)]


async def test_a_second_press_shows_the_first_receipt(launchers: Launchers, crm: FakeCrm, client: CrmClient) -> None:
    executor = launchers.new(client)
    first = await executor.launch(PLAN, MANAGER, NOW)
    second = await executor.launch(PLAN, HQ, NOW + timedelta(days=3))
    assert second.repeated
    assert (second.coupon_id, second.by, second.at) == (first.coupon_id, "店长乙", NOW)
    assert crm.calls == ["create", "publish"]


async def test_twenty_presses_at_once_make_one_coupon(
    database: Database, launchers: Launchers, crm: FakeCrm, client: CrmClient
) -> None:
    processes = [launchers.new(client, wait_seconds=10), launchers.new(client, wait_seconds=10)]
    presses = [processes[number % 2].launch(PLAN, (MANAGER, HQ)[number % 2], NOW) for number in range(20)]
    answers = await asyncio.gather(*presses)
    assert {(a.status, a.coupon_id, a.by) for a in answers} == {("succeeded", "100001", answers[0].by)}
    assert [a.repeated for a in answers].count(False) == 1
    assert crm.calls == ["create", "publish"]
    assert await ledger(database) == [(action, status, 1) for action, status in ALL_DONE]
    assert await written(database) == (1, 1)


@pytest.mark.parametrize("point", ["before create", "after create", "before publish", "after publish"])
async def test_a_restart_between_any_two_steps_completes_once(
    database: Database, launchers: Launchers, crm: FakeCrm, client: CrmClient, point: str
) -> None:
    with pytest.raises(Dies):
        await launchers.new(DyingCrm(client, point), lease=0.05).launch(PLAN, MANAGER, NOW)
    await asyncio.sleep(0.06)
    done = await launchers.new(client).launch(PLAN, HQ, NOW)
    assert (done.status, done.repeated, done.by) == ("succeeded", False, "总部丙")
    assert published(crm) == ["published"]
    assert (crm.count("create"), crm.count("publish")) == (1, 1)
    assert await written(database) == (1, 1)
    assert [row[:2] for row in await ledger(database)] == ALL_DONE


async def test_while_the_lease_of_a_dead_process_runs_the_answer_is_wait(
    launchers: Launchers, crm: FakeCrm, client: CrmClient
) -> None:
    with pytest.raises(Dies):
        await launchers.new(DyingCrm(client, "after create")).launch(PLAN, MANAGER, NOW)
    waiting = await launchers.new(client, wait_seconds=0.2).launch(PLAN, MANAGER, NOW)
    assert (waiting.status, waiting.error, waiting.uncertain) == ("pending", "正在上架，请稍等几秒", False)
    assert published(crm) == ["draft"]


async def test_a_press_that_waits_takes_over_when_the_lease_runs_out(
    launchers: Launchers, crm: FakeCrm, client: CrmClient
) -> None:
    with pytest.raises(Dies):
        await launchers.new(DyingCrm(client, "after publish"), lease=0.4).launch(PLAN, MANAGER, NOW)
    done = await launchers.new(client).launch(PLAN, MANAGER, NOW)
    assert done.status == "succeeded"
    assert crm.calls == ["create", "publish", "find"]


async def test_a_process_that_was_only_slow_does_not_write_over_the_one_that_took_over(
    database: Database, launchers: Launchers, crm: FakeCrm, client: CrmClient
) -> None:
    crm.plan("create", "slow")
    patient = CrmClient(crm.base_url, timeout_seconds=5)
    slow = asyncio.create_task(launchers.new(patient, lease=0.05).launch(PLAN, MANAGER, NOW))
    await asyncio.sleep(0.2)
    fast = await launchers.new(client).launch(PLAN, HQ, NOW)
    overtaken = await slow
    await patient.close()
    assert (fast.status, fast.by) == ("succeeded", "总部丙")
    assert (overtaken.status, overtaken.repeated, overtaken.by) == ("succeeded", True, "总部丙")
    assert published(crm) == ["published"]
    assert await written(database) == (1, 1)


async def test_a_crm_that_is_down_fails_and_may_be_asked_again(
    database: Database, launchers: Launchers, crm: FakeCrm, client: CrmClient, unused_tcp_port: int
) -> None:
    nobody = CrmClient(f"http://127.0.0.1:{unused_tcp_port}")
    failed = await launchers.new(nobody).launch(PLAN, MANAGER, NOW)
    await nobody.close()
    assert (failed.status, failed.error, failed.uncertain) == ("failed", "CRM 连不上", False)
    assert await ledger(database) == [("create_coupon", "failed", 1)]
    done = await launchers.new(client).launch(PLAN, MANAGER, NOW)
    assert (done.status, done.repeated) == ("succeeded", False)
    assert await ledger(database) == [("create_coupon", "succeeded", 2), ("publish_coupon", "succeeded", 1)]
    assert len(crm.coupons) == 1


@pytest.mark.parametrize("fault", ["500_after", "timeout_after", "drop_after", "garbage"])
@pytest.mark.parametrize("call", ["create", "publish"])
async def test_an_answer_lost_after_success_is_read_back(
    launchers: Launchers, crm: FakeCrm, client: CrmClient, call: str, fault: Fault
) -> None:
    crm.plan("create" if call == "create" else "publish", fault)
    done = await launchers.new(client).launch(PLAN, MANAGER, NOW)
    assert (done.status, done.repeated, published(crm)) == ("succeeded", False, ["published"])
    assert (crm.count("create"), crm.count("publish"), crm.count("find")) == (1, 1, 1)


async def test_an_error_without_success_fails_and_a_repeat_succeeds(
    launchers: Launchers, crm: FakeCrm, client: CrmClient
) -> None:
    crm.plan("create", "500")
    executor = launchers.new(client)
    failed = await executor.launch(PLAN, MANAGER, NOW)
    assert (failed.status, failed.error) == ("failed", "CRM 出错了（500），券没有建成")
    assert (await executor.launch(PLAN, MANAGER, NOW)).status == "succeeded"
    assert published(crm) == ["published"]


async def test_a_failed_publish_keeps_the_draft_and_a_repeat_publishes_it(
    database: Database, launchers: Launchers, crm: FakeCrm, client: CrmClient
) -> None:
    crm.plan("publish", "500")
    executor = launchers.new(client)
    failed = await executor.launch(PLAN, MANAGER, NOW)
    assert failed.error == "CRM 出错了（500），券建好了但还没有发布"
    assert failed.actions == (("create_coupon", "succeeded"), ("publish_coupon", "failed"))
    assert (await executor.launch(PLAN, MANAGER, NOW)).coupon_id == "100001"
    assert crm.count("create") == 1
    assert await ledger(database) == [("create_coupon", "succeeded", 2), ("publish_coupon", "succeeded", 2)]


@pytest.mark.parametrize("call", ["create", "publish"])
async def test_when_reading_back_fails_too_the_answer_is_uncertain_and_a_repeat_is_safe(
    database: Database, launchers: Launchers, crm: FakeCrm, client: CrmClient, call: str
) -> None:
    crm.plan("create" if call == "create" else "publish", "timeout_after")
    crm.plan("find", "500", "500")
    executor = launchers.new(client)
    unsure = await executor.launch(PLAN, MANAGER, NOW)
    assert (unsure.status, unsure.uncertain) == ("pending", True)
    assert unsure.error == "CRM 没有应答，现在也查不到结果"
    assert (await ledger(database))[-1][1] == "pending"
    done = await executor.launch(PLAN, MANAGER, NOW)
    assert (done.status, published(crm), crm.count("create")) == ("succeeded", ["published"], 1)


async def test_what_is_uncertain_stays_so_while_the_crm_cannot_be_read(
    database: Database, launchers: Launchers, crm: FakeCrm, client: CrmClient
) -> None:
    crm.plan("create", "timeout_after")
    crm.plan("find", "500", "500", "500", "500")
    executor = launchers.new(client)
    await executor.launch(PLAN, MANAGER, NOW)
    again = await executor.launch(PLAN, MANAGER, NOW)
    assert (again.status, again.uncertain) == ("pending", True)
    assert await ledger(database) == [("create_coupon", "pending", 2)]
    assert crm.count("create") == 1


async def test_a_refusal_is_shown_and_recorded(
    database: Database, launchers: Launchers, crm: FakeCrm, client: CrmClient
) -> None:
    crm.plan("create", "refuse")
    failed = await launchers.new(client).launch(PLAN, MANAGER, NOW)
    assert (failed.status, failed.error) == ("failed", "CRM 拒绝了：余额不足")
    assert await ledger(database) == [("create_coupon", "failed", 1)]


async def test_those_who_wait_are_told_why_the_one_in_work_failed(
    launchers: Launchers, crm: FakeCrm, client: CrmClient
) -> None:
    crm.plan("create", "timeout_before")
    first = asyncio.create_task(launchers.new(client).launch(PLAN, MANAGER, NOW))
    await asyncio.sleep(0.1)
    second = await launchers.new(client).launch(PLAN, HQ, NOW)
    assert second.error == (await first).error == "CRM 没有应答，券没有建成"
    assert crm.count("create") == 1


async def test_a_changed_plan_is_another_campaign(launchers: Launchers, crm: FakeCrm, client: CrmClient) -> None:
    executor = launchers.new(client)
    first = await executor.launch(PLAN, MANAGER, NOW)
    second = await executor.launch(PLAN | {"budget": 30001}, MANAGER, NOW)
    assert first.idempotency_key != second.idempotency_key
    assert published(crm) == ["published", "published"]


async def refused(launchers: Launchers, client: CrmClient, plan: dict[str, Any], **how: Any) -> Execution:
    person = how.pop("person", MANAGER)
    return await launchers.new(client, **how).launch(plan, person, NOW)


async def test_clerks_wrong_plans_and_large_budgets_never_reach_the_crm(
    database: Database, launchers: Launchers, crm: FakeCrm, client: CrmClient
) -> None:
    answers = [
        await refused(launchers, client, PLAN, person=CLERK),
        await refused(launchers, client, PLAN | {"budget": -1}),
        await refused(launchers, client, {}),
        await refused(launchers, client, PLAN, limit=29_999),
    ]
    assert {answer.status for answer in answers} == {"refused"}
    assert answers[0].error == "上架要店长、区域经理或总部来点"
    assert answers[3].error == "预算 ¥30,000 超过单次上限 ¥29,999，请把预算调小，或请管理员调高上限"
    assert (crm.calls, await ledger(database)) == ([], [])


async def test_two_chains_with_the_same_plan_never_share_a_coupon(
    launchers: Launchers, crm: FakeCrm, client: CrmClient, database: Database
) -> None:
    await second_chain(database)
    executor = launchers.new(client)
    await executor.launch(PLAN, MANAGER, NOW)
    other = await executor.launch(PLAN, STRANGER, NOW)
    assert (other.status, other.error) == ("failed", "CRM 拒绝了：这个请求号已经用于另一张券")
    assert len(crm.coupons) == 1


async def test_looking_a_plan_up_tells_what_is_known_and_changes_nothing(
    launchers: Launchers, crm: FakeCrm, client: CrmClient
) -> None:
    executor = launchers.new(client)
    assert await executor.look_up(PLAN, MANAGER, NOW) is None
    await executor.launch(PLAN, MANAGER, NOW)
    known = await executor.look_up(PLAN, HQ, NOW)
    assert known is not None
    assert (known.status, known.repeated, known.by) == ("succeeded", True, "店长乙")
    assert crm.calls == ["create", "publish"]
