"""One question, one JSON object: the same router as the platforms, without inbox and outbox.

This serves `daogou ask` and `POST /api/chat`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from db.engine import Database
from db.models import Tenant
from handlers.clock import business_now, zone_of
from handlers.messages import Reply, settle
from handlers.people import first_of_role, person_by_id
from handlers.plain import as_text
from handlers.router import Router
from handlers.turn import Person, Turn

DEFAULT_ROLES = ("hq", "admin", "manager")
NO_SUCH_STAFF = "没有编号为 {staff_id} 的在职员工"
NO_STAFF = "这家企业还没有员工。先执行 daogou seed 生成演示数据，或导入员工。"


class UnknownPerson(Exception):
    """Nobody can be asked for; the message is Chinese."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, by whom, and the question before it (for a follow-up)."""

    text: str
    staff_id: int | None = None
    prev: str | None = None
    as_of: date | None = None


@dataclass(frozen=True, slots=True)
class Assistant:
    """Answers questions of one tenant."""

    database: Database
    tenant_id: int
    router: Router
    clock: Callable[[], datetime]

    async def ask(self, question: Question) -> dict[str, Any]:
        """Return `{"intent","answer","report","semantic","plan","execution","debug"}`; absent parts are None.

        Raises `UnknownPerson` when the staff id is nobody's.
        """
        context: Mapping[str, Any] = {}
        if question.prev:
            before = await self._turn(question, question.prev, {})
            context = (await self.router.answer(before)).remember
        turn = await self._turn(question, question.text, context)
        return await _as_json(await self.router.answer(turn), turn)

    async def person(self, staff_id: int | None) -> Person:
        """Return the person with this id, or the first of head office when none is named."""
        async with self.database.read() as session:
            if staff_id is not None:
                found = await person_by_id(session, self.tenant_id, staff_id)
                if found is None:
                    raise UnknownPerson(NO_SUCH_STAFF.format(staff_id=staff_id))
                return found
            for role in DEFAULT_ROLES:
                if (found := await first_of_role(session, self.tenant_id, role)) is not None:
                    return found
        raise UnknownPerson(NO_STAFF)

    async def now(self, person: Person, as_of: date | None = None) -> datetime:
        """Return business time for this person; `as_of` pins the day."""
        async with self.database.read() as session:
            pinned = as_of or (await session.get_one(Tenant, self.tenant_id)).demo_as_of
            return business_now(self.clock(), await zone_of(session, person), pinned)

    async def _turn(self, question: Question, text: str, context: Mapping[str, Any]) -> Turn:
        person = await self.person(question.staff_id)
        return Turn(person=person, text=text, now=await self.now(person, question.as_of), context=context)


async def _as_json(reply: Reply, turn: Turn) -> dict[str, Any]:
    parts = [await settle(part) for part in reply.parts]
    shown = [*parts, *([reply.card] if reply.card else [])]
    return {
        "intent": reply.intent,
        "answer": as_text(shown),
        "report": reply.outcome.report,
        "semantic": reply.outcome.semantic,
        "plan": reply.outcome.plan,
        "execution": reply.outcome.execution,
        "debug": turn.trace.as_debug(),
    }
