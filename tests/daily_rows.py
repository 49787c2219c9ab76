"""Members, tasks and turns for the tests of the daily work."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from db.base import Base
from db.engine import Database
from db.models import Member, Staff, StaffIdentity, StaffStore, Task
from handlers.codec import dump_part
from handlers.messages import Card
from handlers.turn import Person, PressedCard, Turn
from tests.rows import NOW, small_chain

TODAY = date(2026, 11, 21)
LOCAL_NOW = datetime(2026, 11, 21, 10, 30, tzinfo=ZoneInfo("Asia/Shanghai"))
CLERK = Person(1, 1, "店员甲", "clerk", (1,))
MANAGER = Person(2, 1, "店长乙", "manager", (1,))
HQ = Person(3, 1, "总部丙", "hq", (1, 2))


def member(member_id: int, name: str, **changes: Any) -> Member:
    """A woman with gold card in store 1 whose birthday is 21 November."""
    values: dict[str, Any] = {
        "store_id": 1,
        "gender": "female",
        "birth_calendar": "solar",
        "birth_month": 11,
        "birth_day": 21,
        "level": "金卡",
        "total_spent": Decimal("1000.00"),
        "joined_at": datetime(2025, 1, 1, tzinfo=UTC),
        "preferences": ["羊绒"],
        "do_not_disturb": False,
    }
    return Member(id=member_id, tenant_id=1, name=name, **(values | changes))


@asynccontextmanager
async def small_sqlite(folder: Path) -> AsyncIterator[Database]:
    """A SQLite database with the small chain, for what does not differ between engines."""
    database = Database(f"sqlite+aiosqlite:///{folder / 'small.db'}")
    async with database.writer.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    await small_chain(database)
    yield database
    await database.close()


async def add_members(database: Database, *members: Member) -> None:
    """Write the members."""
    async with database.write() as session:
        session.add_all(members)


async def add_clerk(
    database: Database, staff_id: int, name: str, store_id: int = 1, user_id: str | None = None
) -> None:
    """Write another clerk, bound on WeCom when a user id is given."""
    async with database.write() as session:
        session.add(Staff(id=staff_id, tenant_id=1, name=name, role="clerk"))
        await session.flush()
        session.add(StaffStore(tenant_id=1, staff_id=staff_id, store_id=store_id))
        if user_id:
            session.add(
                StaffIdentity(tenant_id=1, staff_id=staff_id, platform="wecom", user_id=user_id, created_at=NOW)
            )


async def add_tasks(database: Database, count: int, staff_id: int = 1, due: date = TODAY, store_id: int = 1) -> None:
    """Write open tasks 任务1, 任务2 …"""
    async with database.write() as session:
        for number in range(1, count + 1):
            session.add(
                Task(
                    tenant_id=1,
                    store_id=store_id,
                    staff_id=staff_id,
                    kind="weather",
                    title=f"任务{number}",
                    draft=f"草稿{number}",
                    due_date=due,
                    state="open",
                    dedupe_key=f"test:{staff_id}:{store_id}:{due}:{number}",
                    created_at=NOW,
                )
            )
            await session.flush()


def say(text: str, person: Person = CLERK, context: Mapping[str, Any] | None = None) -> Turn:
    """A sentence of a person at 10:30 on 21 November 2026."""
    return Turn(person, text, LOCAL_NOW, context=context or {})


def press(card: Card, key: str, person: Person = CLERK, public_id: str = "c-1") -> Turn:
    """A press on one of the card's buttons."""
    button = next(button for button in card.buttons if button.key == key)
    return press_value(card, button.action, dict(button.value), person, public_id)


def press_value(card: Card, action: str, value: dict[str, Any], person: Person = CLERK, public_id: str = "c-1") -> Turn:
    """A press that means this action and value, as stored with the card."""
    pressed = PressedCard(1, public_id, card.kind_of_card, "open", dump_part(card), action, value)
    return Turn(person, "", LOCAL_NOW, pressed=pressed)


def card_in(parts: tuple[Any, ...]) -> Card:
    """The only card of a reply."""
    [card] = [part for part in parts if isinstance(part, Card)]
    return card
