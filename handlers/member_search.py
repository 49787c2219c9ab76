"""Which member is meant: by number, by full name, or by surname and title, always inside the person's stores."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncSession

from db.models import Member
from handlers.turn import Person
from knowledge.address_terms import COMPOUND_SURNAMES, GENDER_OF_TITLE, SURNAMES, TITLES, address_of, surname_of
from knowledge.birthdays import LONGEST_YEAR, days_until

MATCHES_READ = 500
BIGGEST_ID = 2**31 - 1
_NUMBER = re.compile(r"会员\s*(?:号|编号|id)?\s*(?:是|为)?\s*[:：#]?\s*(\d{1,18})|(\d{1,18})\s*号会员", re.IGNORECASE)
_LEAD = r"(?:给|为|替|帮|祝|向|跟|和|对|请|我|咱们?|一下|老?会员|老?顾客|老?客户|老客|贵宾)*"
_TITLED = re.compile(rf"{_LEAD}(?P<name>[\u4e00-\u9fff]{{1,4}}?)(?P<title>{'|'.join(GENDER_OF_TITLE)})")
_NAMED = re.compile(
    r"(?:给|为|替|帮|祝)(?P<name>[\u4e00-\u9fffA-Za-z·]{1,20}?)(?:今天|明天|后天)?(?:写|发|编|来|做|准备|送|拟|的?生日|过生日|庆生)"
)
_NO_NAMES = "我 他 她 它 您 你 大家 会员 顾客 客户 老客 老客户 客人 他们 她们 我们 咱们 店里 门店 一位 这位 今天"
PRONOUN = re.compile(r"[她他]|这位|那位")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Who a sentence asks for: a number, or a name with the gender its title tells."""

    member_id: int | None = None
    name: str = ""
    gender: str = ""

    @property
    def nobody(self) -> bool:
        """Whether the sentence names nobody."""
        return self.member_id is None and not self.name

    @property
    def address(self) -> str:
        """How to address whoever is meant, from the sentence alone: a surname keeps its two characters."""
        if self.by_surname:
            return f"{self.name}{TITLES[self.gender]}"
        return address_of(self.name, self.gender) if self.name else ""

    @property
    def by_surname(self) -> bool:
        """Whether only a surname is known, as in 「王女士」."""
        return bool(self.gender) and (self.name in COMPOUND_SURNAMES or len(self.name) == 1)


def read_wanted(text: str) -> Wanted:
    """Return whom the sentence means."""
    number = _NUMBER.search(text)
    if number:
        return Wanted(member_id=int(number[1] or number[2]))
    titled = _TITLED.search(text)
    if titled and (titled["name"] in COMPOUND_SURNAMES or titled["name"][0] in SURNAMES):
        return Wanted(name=titled["name"], gender=GENDER_OF_TITLE[titled["title"]])
    named = _NAMED.search(text)
    name = _stripped(named["name"]) if named else ""
    return Wanted(name=name) if name and name not in _NO_NAMES.split() else Wanted()


def _stripped(name: str) -> str:
    """Take away what stands between 给 and the name: 给我的老顾客李雷."""
    return re.sub(r"^(?:给|为|替|帮|我们?的?|咱们?的?|老?会员|老?顾客|老?客户)+", "", name)


async def find_members(session: AsyncSession, person: Person, wanted: Wanted, today: date) -> list[Member]:
    """Return the members in the person's stores who may be meant, the next birthday first.

    A member of another store is not found, exactly like one who does not exist.
    """
    if wanted.nobody or not person.store_ids:
        return []
    found = (await session.scalars(_query(person, wanted))).all()
    return sorted(_compatible(found, wanted), key=lambda m: (_rank(m, today), m.id))


async def member_in_scope(session: AsyncSession, person: Person, member_id: int) -> Member | None:
    """Return the member of this number if one of the person's stores has it."""
    if not 0 < member_id <= BIGGEST_ID:
        return None
    return (await session.scalars(_in_scope(person).where(Member.id == member_id))).one_or_none()


def _in_scope(person: Person) -> Select[Member]:
    return select(Member).where(Member.tenant_id == person.tenant_id, Member.store_id.in_(person.store_ids))


def _query(person: Person, wanted: Wanted) -> Select[Member]:
    query = _in_scope(person).order_by(Member.id).limit(MATCHES_READ)
    if wanted.member_id is not None:
        return query.where(Member.id == min(wanted.member_id, BIGGEST_ID))
    if wanted.by_surname:
        return query.where(Member.name.startswith(wanted.name, autoescape=True))
    return query.where(Member.name == wanted.name)


def _compatible(found: Sequence[Member], wanted: Wanted) -> list[Member]:
    """Keep whom the title fits: 欧女士 is no 欧阳, and a record without gender may be either."""
    if wanted.member_id is not None:
        return [m for m in found if m.id == wanted.member_id]
    return [
        m
        for m in found
        if (not wanted.gender or m.gender in {wanted.gender, "unknown"})
        and (not wanted.by_surname or surname_of(m.name) == wanted.name)
    ]


def _rank(member: Member, today: date) -> int:
    ahead = days_until(member, today)
    return LONGEST_YEAR if ahead is None else ahead
