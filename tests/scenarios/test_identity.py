"""Who wrote: bound before, by code, by the mobile number the platform tells, by an id resolved through the app."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, update

from bot.identity import BOUND, TOO_MANY, WRONG_CODE, mobile_digest
from bot.platforms.base import TryLater
from db.engine import Database
from db.models import BindingCode, Staff, StaffIdentity
from handlers.binding import new_code
from handlers.help import WhoAmIHandler
from handlers.messages import Address, Update
from handlers.router import Router
from tests.fakes.platform import FakePlatform
from tests.pipeline import SEALER, Pipeline
from tests.rows import small_chain

MOBILE = "13800138000"


@dataclass
class Company(FakePlatform):
    """A platform that tells mobile numbers and plain ids, and counts how often it is asked."""

    mobiles: dict[str, str] = field(default_factory=dict)
    plain: dict[str, str] = field(default_factory=dict)
    asked: int = 0
    broken: bool = False

    async def mobile_of(self, user_id: str) -> str | None:
        self.asked += 1
        if self.broken:
            raise TryLater("忙")
        return self.mobiles.get(user_id)

    async def plain_user_ids(self, open_ids: list[str]) -> Mapping[str, str]:
        return {one: self.plain[one] for one in open_ids if one in self.plain}


class Door(Pipeline):
    """A bot at whose door people stand whom it may not know."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.company, self.robot = Company(), FakePlatform("aibot")
        platforms = {(1, "wecom"): self.company, (1, "aibot"): self.robot}
        super().__init__(database, platforms, Router((WhoAmIHandler(database),)), folder)
        self.count = 0

    async def say(self, text: str, user: str, platform: str = "wecom") -> str:
        """Say something and return the answer."""
        self.count += 1
        address = Address(platform, f"user:{user}", user, directory="wecom")
        await self.receive(Update("demo", f"m{self.count}", "text", address, self.now, text))
        await self.run()
        return (self.company if platform == "wecom" else self.robot).sent[-1][1]

    async def code(self, staff_id: int) -> str:
        async with self.database.write() as session:
            return await new_code(session, 1, staff_id, SEALER.digest, self.now)

    async def give_mobile(self, staff_id: int) -> None:
        async with self.database.write() as session:
            digest = mobile_digest(SEALER, 1, MOBILE)
            await session.execute(update(Staff).where(Staff.id == staff_id).values(mobile_digest=digest))


@pytest.fixture
async def door(database: Database, tmp_path: Path) -> Door:
    await small_chain(database)
    return Door(database, tmp_path)


async def test_a_code_binds_once_and_tells_who_one_is(door: Door) -> None:
    code = await door.code(1)
    assert await door.say(f"绑定 {code}", "newcomer") == BOUND.format(name="店员甲")
    assert "您是店员甲" in await door.say("/我是谁", "newcomer")
    assert await door.say(f"绑定 {code}", "another") == WRONG_CODE


async def test_a_code_is_worth_nothing_after_a_day(door: Door) -> None:
    code = await door.code(1)
    door.now += timedelta(hours=25)
    assert await door.say(f"绑定{code}", "newcomer") == WRONG_CODE


async def test_guessing_codes_ends_after_a_few_tries(door: Door) -> None:
    answers = [await door.say(f"绑定 {number:06}", "guesser") for number in range(7)]
    assert answers == [WRONG_CODE] * 5 + [TOO_MANY] * 2


async def test_the_rows_of_codes_do_not_tell_them(door: Door) -> None:
    code = await door.code(1)
    (row,) = await door.rows(select(BindingCode))
    assert code not in row.digest


async def test_a_mobile_number_the_platform_tells_binds_by_itself(door: Door) -> None:
    await door.give_mobile(2)
    door.company.mobiles["newcomer"] = f"+86 {MOBILE}"
    assert "您是店长乙" in await door.say("/我是谁", "newcomer")
    assert "您是店长乙" in await door.say("/我是谁", "newcomer")
    assert door.company.asked == 1


async def test_two_people_with_one_number_are_nobody(door: Door) -> None:
    for staff_id in (1, 2):
        await door.give_mobile(staff_id)
    door.company.mobiles["newcomer"] = MOBILE
    assert "我还不认识您" in await door.say("/我是谁", "newcomer")


async def test_a_stranger_costs_the_platform_one_question_however_much_they_write(door: Door) -> None:
    for _ in range(4):
        await door.say("你好", "stranger")
    assert door.company.asked == 1


async def test_a_platform_that_does_not_answer_makes_nobody_wait(door: Door) -> None:
    door.company.broken = True
    assert "我还不认识您" in await door.say("你好", "stranger")


async def test_an_encrypted_id_is_resolved_through_the_app_and_remembered(door: Door) -> None:
    door.company.plain["wo-encrypted"] = "manager1"
    assert "您是店长乙" in await door.say("/我是谁", "wo-encrypted", "aibot")
    del door.company.plain["wo-encrypted"]
    assert "您是店长乙" in await door.say("/我是谁", "wo-encrypted", "aibot")
    ids = await door.rows(
        select(StaffIdentity.user_id).where(StaffIdentity.staff_id == 2, StaffIdentity.platform == "wecom")
    )
    assert sorted(ids) == ["manager1", "wo-encrypted"]


async def test_a_robot_knows_who_is_bound_in_the_company(door: Door) -> None:
    assert "您是店员甲" in await door.say("/我是谁", "clerk1", "aibot")
