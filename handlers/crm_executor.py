"""Launching a plan: the one place where money moves, and it moves once.

    role, plan, budget limit ─→ refused, with the reason
      → ledger row `pending`, committed: the unique key decides between presses
      → CRM create, the plan's key as request number      → ledger: created
      → CRM publish                                       → ledger, coupon and campaign in one transaction
      → receipt

A process may die between any two lines. Whoever comes next, after the lease ran out, asks the CRM by request
number what exists before it writes anything, and goes on from there. The same holds for an answer that never came.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from datetime import time as dt_time
from decimal import Decimal
from typing import Any, Literal

import structlog
from sqlalchemy import select

from db.engine import Database
from db.models import Campaign, Coupon, Staff
from handlers.crm import Crm, CrmCoupon, CrmError, CrmUnavailable, CrmUnknown
from handlers.ledger import CREATE, PUBLISH, Claim, LaunchState, LeaseLost, Ledger, Order, StepStatus
from handlers.turn import MAY_LAUNCH, Person
from knowledge.amounts import yuan
from knowledge.campaign import CampaignPlan, PlanInvalid, idempotency_key, plan_json, validate_plan
from knowledge.campaign_draft import offer_words

log = structlog.get_logger()

NOT_ALLOWED = "上架要店长、区域经理或总部来点"
OVER_LIMIT = "预算 {budget} 超过单次上限 {limit}，请把预算调小，或请管理员调高上限"
BUSY = "正在上架，请稍等几秒"
NOT_CREATED = "{reason}，券没有建成"
NOT_PUBLISHED = "{reason}，券建好了但还没有发布"
STILL_DRAFT = "CRM 说它还是草稿"
BROKEN_OFF = "上次上架中断了"
UNCERTAIN = "{reason}，现在也查不到结果"
RECEIPT_COUPON = "券 {coupon} 已发布：{offer}，最多 {count} 次"
RECEIPT_DATES = "活动 {first} 至 {last}，预算 {budget}"

LEASE = timedelta(seconds=45)  # longer than find, create and find again with their time-outs
WAIT_SECONDS = 3.0
POLL_SECONDS = 0.1
NAME_CHARS = 64

Status = Literal["succeeded", "failed", "pending", "refused"]


@dataclass(frozen=True, slots=True)
class Execution:
    """What became of a launch.

    `pending`: in work elsewhere, or the CRM's answer is missing. `repeated`: it had been launched before, and
    `by`, `at` and `coupon_id` are those of that time.
    """

    status: Status
    idempotency_key: str = ""
    coupon_id: str | None = None
    repeated: bool = False
    by: str | None = None
    at: datetime | None = None
    error: str | None = None
    uncertain: bool = False
    receipt: tuple[str, ...] = ()
    actions: tuple[tuple[str, str], ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return the `execution` object of the interfaces."""
        return {
            "status": self.status,
            "coupon_id": self.coupon_id,
            "idempotency_key": self.idempotency_key or None,
            "repeated": self.repeated,
            "by": self.by,
            "at": self.at.isoformat() if self.at else None,
            "error": self.error,
            "actions": [{"action": action, "status": status} for action, status in self.actions],
        }


@dataclass(frozen=True, slots=True)
class CrmExecutor:
    """Launches plans in one CRM.

    `owner` names this process in the ledger. `clock` tells real time for leases; the `now` of a launch is
    business time, which is pinned for seeded data, and dates the campaign.
    """

    database: Database
    crm: Crm
    budget_limit: Decimal
    owner: str
    clock: Callable[[], datetime]
    lease: timedelta = LEASE
    wait_seconds: float = WAIT_SECONDS

    @property
    def ledger(self) -> Ledger:
        """Return the ledger over the same database, under this process's name."""
        return Ledger(self.database, self.owner, self.clock, self.lease)

    async def launch(self, plan: Mapping[str, Any], person: Person, now: datetime) -> Execution:
        """Return the receipt of the launch, of the one before, or why there is none."""
        try:
            valid = self._permitted(plan, person)
        except PlanInvalid as refused:
            log.warning("launch.refused", tenant=person.tenant_id, staff=person.staff_id, role=person.role)
            return Execution("refused", error="；".join(refused.sentences))
        order = _order(valid, person)
        claim = await self.ledger.claim(order)
        return await self._run(claim, valid, now) if claim else await self._wait(order, valid, now)

    async def look_up(self, plan: Mapping[str, Any], person: Person, now: datetime) -> Execution | None:
        """Return what has become of a plan so far, None when nobody has launched it."""
        try:
            order = _order(validate_plan(plan), person)
        except PlanInvalid:
            return None
        state = await self.ledger.read(order.tenant_id, order.key)
        return await self._told(order, state, now) if state else None

    def _permitted(self, plan: Mapping[str, Any], person: Person) -> CampaignPlan:
        if person.role not in MAY_LAUNCH:
            raise PlanInvalid([NOT_ALLOWED])
        valid = validate_plan(plan)
        if valid.budget > self.budget_limit:
            raise PlanInvalid([OVER_LIMIT.format(budget=yuan(valid.budget), limit=yuan(self.budget_limit))])
        return valid

    async def _run(self, claim: Claim, plan: CampaignPlan, now: datetime) -> Execution:
        """Create and publish; an error is recorded on the step it happened in."""
        facts = {"tenant": claim.order.tenant_id, "staff": claim.order.staff_id, "key": claim.order.key}
        log.info("launch.started", attempt=claim.attempts, **facts)
        created = claim.coupon_id is not None
        try:
            coupon_id = claim.coupon_id or await self._create(claim)
            created = True
            await self._finish(claim, await self._publish(claim, coupon_id), plan, now)
        except CrmError as error:
            log.warning("launch.stopped", kind=type(error).__name__, reason=error.reason, **facts)
            return await self._stop(claim, error, plan, now, created=created)
        except LeaseLost:
            log.warning("launch.lease_lost", attempt=claim.attempts, **facts)
            return await self._wait(claim.order, plan, now)
        log.info("launch.succeeded", coupon=coupon_id, **facts)
        return await self._receipt(claim.order, now, repeated=False)

    async def _create(self, claim: Claim) -> str:
        """Return the id of the coupon, found to exist or created now, and recorded."""
        key = claim.order.key
        coupon = await self._existing(claim)
        if coupon is None:
            coupon = await self._settled(self.crm.create_coupon(key, claim.coupon), key, NOT_CREATED)
        await self.ledger.created(claim, asdict(coupon))
        return coupon.id

    async def _publish(self, claim: Claim, coupon_id: str) -> CrmCoupon:
        """Return the coupon, found published or published now."""
        coupon = await self._existing(claim)
        if coupon is not None and coupon.status == "published":
            return coupon
        call = self.crm.publish_coupon(coupon_id, claim.publish_key)
        return await self._settled(call, claim.order.key, NOT_PUBLISHED, published=True)

    async def _existing(self, claim: Claim) -> CrmCoupon | None:
        """Return what earlier attempts left in the CRM; a first attempt has nothing to look for."""
        if claim.attempts == 1:
            return None
        try:
            return await self.crm.find(claim.order.key)
        except CrmError as error:
            if claim.uncertain:
                raise CrmUnknown(error.reason) from error
            raise

    async def _settled(
        self, call: Awaitable[CrmCoupon], key: str, otherwise: str, *, published: bool = False
    ) -> CrmCoupon:
        """Return the coupon after a write; when the answer is missing, as the CRM has it now. Never written again."""
        coupon: CrmCoupon | None
        try:
            coupon, reason = await call, STILL_DRAFT
        except CrmUnknown as unknown:
            coupon, reason = await self._read_back(key, unknown), unknown.reason
        if coupon is None or (published and coupon.status != "published"):
            raise CrmUnavailable(otherwise.format(reason=reason))
        return coupon

    async def _read_back(self, key: str, unknown: CrmUnknown) -> CrmCoupon | None:
        log.info("launch.read_back", key=key, reason=unknown.reason)
        try:
            return await self.crm.find(key)
        except CrmError as error:
            raise CrmUnknown(UNCERTAIN.format(reason=unknown.reason)) from error

    async def _finish(self, claim: Claim, coupon: CrmCoupon, plan: CampaignPlan, now: datetime) -> None:
        """Record ledger, campaign and coupon together: a receipt exists when everything does."""
        campaign = _campaign(claim.order, plan, now)
        async with self.database.write() as session:
            await self.ledger.finished(session, claim, asdict(coupon))
            session.add(campaign)
            await session.flush()
            session.add(_coupon(campaign, coupon, plan, claim.coupon["name"], now))

    async def _stop(
        self, claim: Claim, error: CrmError, plan: CampaignPlan, now: datetime, *, created: bool
    ) -> Execution:
        """Record why the launch stopped; `pending` says that the CRM may have done it all the same."""
        status: StepStatus = "pending" if isinstance(error, CrmUnknown) else "failed"
        try:
            await self.ledger.stopped(claim, status, error.reason, created=created)
        except LeaseLost:
            return await self._wait(claim.order, plan, now)
        state = await self.ledger.read(claim.order.tenant_id, claim.order.key)
        return _stopped(claim.order.key, status, error.reason, state.actions if state else ())

    async def _wait(self, order: Order, plan: CampaignPlan, now: datetime) -> Execution:
        """Return what the process that holds the launch achieves, or take it over when its lease runs out."""
        deadline = time.monotonic() + self.wait_seconds
        while True:
            state = await self.ledger.read(order.tenant_id, order.key)
            if state is not None and state.settled:
                return await self._told(order, state, now)
            claim = None if state and state.busy(self.clock()) else await self.ledger.claim(order)
            if claim is not None:
                return await self._run(claim, plan, now)
            if time.monotonic() >= deadline:
                return Execution("pending", order.key, error=BUSY, actions=state.actions if state else ())
            await asyncio.sleep(POLL_SECONDS)

    async def _told(self, order: Order, state: LaunchState, now: datetime) -> Execution:
        if state.done:
            return await self._receipt(order, now, repeated=True)
        if state.busy(self.clock()):
            return Execution("pending", order.key, error=BUSY, actions=state.actions)
        status: StepStatus = "failed" if state.step.status == "failed" else "pending"
        return _stopped(order.key, status, state.step.error or BROKEN_OFF, state.actions)

    async def _receipt(self, order: Order, now: datetime, *, repeated: bool) -> Execution:
        """Return the receipt from what was written when the launch succeeded, in the reader's zone."""
        query = (
            select(Campaign, Coupon, Staff.name)
            .join(Coupon, Coupon.campaign_id == Campaign.id)
            .join(Staff, Staff.id == Campaign.staff_id)
            .where(Campaign.tenant_id == order.tenant_id, Campaign.idempotency_key == order.key)
        )
        async with self.database.read() as session:
            campaign, coupon, by = (await session.execute(query)).one()
        return Execution(
            "succeeded",
            order.key,
            coupon_id=coupon.crm_id,
            repeated=repeated,
            by=by,
            at=campaign.created_at.astimezone(now.tzinfo),
            receipt=_receipt_lines(campaign, coupon),
            actions=((CREATE, "succeeded"), (PUBLISH, "succeeded")),
        )


def _stopped(key: str, status: StepStatus, reason: str, actions: tuple[tuple[str, str], ...]) -> Execution:
    return Execution(status, key, error=reason, uncertain=status == "pending", actions=actions)


def _order(plan: CampaignPlan, person: Person) -> Order:
    raw = plan_json(plan)
    return Order(person.tenant_id, idempotency_key(raw), person.staff_id, coupon_body(plan, person.tenant_id))


def coupon_body(plan: CampaignPlan, tenant_id: int) -> dict[str, Any]:
    """Return what the CRM is asked to create.

    It follows from the plan alone, without a date: the request number comes from the plan too, and one number must
    never travel with two bodies. Validity therefore counts from publication. The tenant stands in it so that two
    chains on one CRM get an error instead of each other's coupon.
    """
    return {
        "name": f"{plan.goal} {offer_words(plan.offer)}"[-NAME_CHARS:],
        **plan.offer.model_dump(),
        "valid_days": plan.duration_days,
        "budget": plan.budget,
        "per_member": 1,
        "stackable": False,
        "segment": plan.target_segment.model_dump(),
        "channels": plan.channels,
        "tenant": tenant_id,
    }


def _campaign(order: Order, plan: CampaignPlan, now: datetime) -> Campaign:
    return Campaign(
        tenant_id=order.tenant_id,
        idempotency_key=order.key,
        goal=plan.goal,
        plan=plan_json(plan),
        budget=Decimal(plan.budget),
        starts_on=now.date(),
        ends_on=now.date() + timedelta(days=plan.duration_days - 1),
        status="running",
        staff_id=order.staff_id,
        created_at=now,
    )


def _coupon(campaign: Campaign, coupon: CrmCoupon, plan: CampaignPlan, name: str, now: datetime) -> Coupon:
    return Coupon(
        tenant_id=campaign.tenant_id,
        campaign_id=campaign.id,
        crm_id=coupon.id,
        name=name,
        type=plan.offer.type,
        threshold=Decimal(plan.offer.threshold),
        value=Decimal(plan.offer.value),
        max_redemptions=plan.offer.max_redemptions,
        starts_at=now,
        ends_at=datetime.combine(campaign.ends_on + timedelta(days=1), dt_time(), now.tzinfo),
        status="published",
    )


def _receipt_lines(campaign: Campaign, coupon: Coupon) -> tuple[str, ...]:
    offer = validate_plan(campaign.plan).offer
    return (
        RECEIPT_COUPON.format(coupon=coupon.crm_id, offer=offer_words(offer), count=offer.max_redemptions),
        RECEIPT_DATES.format(first=_day(campaign.starts_on), last=_day(campaign.ends_on), budget=yuan(campaign.budget)),
    )


def _day(day: date) -> str:
    return f"{day.month}月{day.day}日"
