"""The ledger of launches: who may act on a plan, and what has been done.

    create row (the plan's key)               pending ─→ succeeded │ failed
    publish row (the key and `:publish`)                 pending ─→ succeeded │ failed

The create row also carries the lease of the whole launch. A row is free when it has no lease or the lease ran
out; the unique key decides who writes it first, `attempts` who takes it over. Every later write names owner and
attempts, so that a process that lost its lease changes nothing.
`pending` without a lease means: the call went out, what became of it is not known, nobody works on it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import CursorResult, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from db.engine import Database
from db.insert_new import insert_new
from db.models import ActionLog

CREATE = "create_coupon"
PUBLISH = "publish_coupon"
ERROR_CHARS = 500

StepStatus = Literal["pending", "succeeded", "failed"]


class LeaseLost(Exception):
    """Another process has taken the launch over; nothing more of this one may be written."""


@dataclass(frozen=True, slots=True)
class Order:
    """A plan somebody wants launched; `coupon` is the body of the create call."""

    tenant_id: int
    key: str
    staff_id: int
    coupon: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Claim:
    """A launch in this process's hands.

    `coupon_id` is set once the coupon was created, `uncertain` when an earlier attempt ended without an answer.
    `coupon` is the body of the first attempt: a request number must never travel with two bodies.
    """

    row_id: int
    owner: str
    attempts: int
    order: Order
    coupon: dict[str, Any]
    coupon_id: str | None = None
    uncertain: bool = False

    @property
    def publish_key(self) -> str:
        """Return the key of the publish row, which is also the request number of the publish call."""
        return publish_key(self.order.key)


@dataclass(frozen=True, slots=True)
class LaunchState:
    """What the ledger says about a plan at one moment."""

    create: ActionLog
    publish: ActionLog | None

    @property
    def done(self) -> bool:
        """Whether the coupon is published and everything is written."""
        return self.publish is not None and self.publish.status == "succeeded"

    @property
    def step(self) -> ActionLog:
        """Return the row of the step the launch is at."""
        return self.publish or self.create

    @property
    def actions(self) -> tuple[tuple[str, str], ...]:
        """Return action and status of each row."""
        return tuple((row.action, row.status) for row in (self.create, self.publish) if row is not None)

    @property
    def settled(self) -> bool:
        """Whether nobody works on it any more: it is done, or its last attempt recorded why it stopped."""
        return self.done or self.create.lease_until is None

    def busy(self, now: datetime) -> bool:
        """Whether a process that is not known to be dead works on it."""
        return not self.done and self.create.lease_until is not None and self.create.lease_until > now


def publish_key(key: str) -> str:
    """Return the key of a plan's publish row."""
    return f"{key}:publish"


@dataclass(frozen=True, slots=True)
class Ledger:
    """Claims launches and records their steps, each in a transaction of its own unless a session is given."""

    database: Database
    owner: str
    clock: Callable[[], datetime]
    lease: timedelta

    async def read(self, tenant_id: int, key: str) -> LaunchState | None:
        """Return what is known of a plan, None when nobody has launched it."""
        keys = (key, publish_key(key))
        query = select(ActionLog).where(ActionLog.tenant_id == tenant_id, ActionLog.idempotency_key.in_(keys))
        async with self.database.read() as session:
            rows = {row.idempotency_key: row for row in await session.scalars(query)}
        return LaunchState(rows[key], rows.get(keys[1])) if key in rows else None

    async def claim(self, order: Order) -> Claim | None:
        """Take the launch: a new one, a failed one, or one whose process died. None when it is done or in work."""
        return await self._claim_new(order) or await self._take_over(order)

    async def _claim_new(self, order: Order) -> Claim | None:
        values = self._new_row(order, order.key, CREATE, order.coupon)
        async with self.database.write() as session:
            row_id = await insert_new(session, ActionLog, values | {"lease_until": self.clock() + self.lease})
        return Claim(row_id, self.owner, 1, order, order.coupon) if row_id is not None else None

    async def _take_over(self, order: Order) -> Claim | None:
        state = await self.read(order.tenant_id, order.key)
        if state is None or state.done or state.busy(self.clock()):
            return None
        row = state.create
        claim = Claim(
            row_id=row.id,
            owner=self.owner,
            attempts=row.attempts + 1,
            order=order,
            coupon=row.request,
            coupon_id=row.response["id"] if row.response else None,
            uncertain=state.step.status == "pending",
        )
        return claim if await self._write_claim(row, claim) else None

    async def _write_claim(self, row: ActionLog, claim: Claim) -> bool:
        now = self.clock()
        free = or_(ActionLog.lease_until.is_(None), ActionLog.lease_until <= now)
        mine = {"owner": self.owner, "staff_id": claim.order.staff_id, "error": None, "updated_at": now}
        reopened = "succeeded" if claim.coupon_id else "pending"
        async with self.database.write() as session:
            taken = await _changed(
                session,
                update(ActionLog)
                .where(ActionLog.id == row.id, ActionLog.attempts == row.attempts, free)
                .values(status=reopened, attempts=claim.attempts, lease_until=now + self.lease, **mine),
            )
            if taken and claim.coupon_id:
                again = {"status": "pending", "attempts": ActionLog.attempts + 1, **mine}
                await session.execute(_publish_row(claim).values(**again))
        return taken

    async def created(self, claim: Claim, response: dict[str, Any]) -> None:
        """Record the coupon and open the publish row; the lease starts afresh."""
        async with self.database.write() as session:
            lease_until = self.clock() + self.lease
            await self._settle_create(session, claim, status="succeeded", response=response, lease_until=lease_until)
            request = {"coupon_id": response["id"]}
            await insert_new(session, ActionLog, self._new_row(claim.order, claim.publish_key, PUBLISH, request))

    async def stopped(self, claim: Claim, status: StepStatus, error: str, *, created: bool) -> None:
        """Record how the step at hand ended and set the launch free for another attempt."""
        reason = error[:ERROR_CHARS]
        async with self.database.write() as session:
            if not created:
                await self._settle_create(session, claim, status=status, error=reason, lease_until=None)
                return
            await self._settle_create(session, claim, lease_until=None)
            await session.execute(_publish_row(claim).values(status=status, error=reason, updated_at=self.clock()))

    async def finished(self, session: AsyncSession, claim: Claim, response: dict[str, Any]) -> None:
        """Record the published coupon in the caller's transaction."""
        await self._settle_create(session, claim, lease_until=None)
        done = {"status": "succeeded", "response": response, "error": None, "updated_at": self.clock()}
        await session.execute(_publish_row(claim).values(**done))

    async def _settle_create(self, session: AsyncSession, claim: Claim, **values: Any) -> None:
        """Change the create row; `LeaseLost` when it is no longer ours."""
        mine = (ActionLog.id == claim.row_id, ActionLog.owner == claim.owner, ActionLog.attempts == claim.attempts)
        if not await _changed(session, update(ActionLog).where(*mine).values(updated_at=self.clock(), **values)):
            raise LeaseLost(f"ledger row {claim.row_id} is no longer ours")

    def _new_row(self, order: Order, key: str, action: str, request: dict[str, Any]) -> dict[str, Any]:
        now = self.clock()
        return {
            "tenant_id": order.tenant_id,
            "idempotency_key": key,
            "action": action,
            "status": "pending",
            "staff_id": order.staff_id,
            "request": request,
            "attempts": 1,
            "owner": self.owner,
            "created_at": now,
            "updated_at": now,
        }


def _publish_row(claim: Claim) -> Any:
    order = claim.order
    return update(ActionLog).where(
        ActionLog.tenant_id == order.tenant_id, ActionLog.idempotency_key == claim.publish_key
    )


async def _changed(session: AsyncSession, statement: Any) -> bool:
    result: CursorResult[Any] = await session.execute(statement)  # type: ignore[assignment]
    return result.rowcount == 1
