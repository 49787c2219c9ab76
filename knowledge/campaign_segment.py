"""Whom a campaign is for: words to conditions on `members`, counted by SQL inside the asker's stores.

The statement that counts is also the plan's `sql_preview`: what is shown is what ran. Every literal in it is a
number or a date made here, never a word of the question.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from sqlalchemy import Row, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from db.base import CENT
from db.models import Store
from knowledge.amounts import yuan
from knowledge.campaign import LONGEST_SQL

NEW_DAYS = 30  # a member counts as new for so many days after the first payment
DORMANT_DAYS = 60
LOST_DAYS = 90
HIGH_VALUE_SHARE = 5  # the best fifth
STORES_NAMED = 5
LEVELS = ("钻石", "金卡", "银卡")

ALL_MEMBERS = "全部会员"
NOT_DISTURBED = "不含设置了免打扰的会员"
WHOLE_CHAIN = "门店：全部门店"


@dataclass(frozen=True, slots=True)
class Scope:
    """Which members and orders may be counted; `chain_wide` leaves the store list out of the SQL."""

    tenant_id: int
    store_ids: tuple[int, ...]
    chain_wide: bool


@dataclass(frozen=True, slots=True)
class Condition:
    """One narrowing of the members: in words and as SQL on `members AS m`."""

    rule: str
    sql: str
    private: bool = False  # names a column that reports may not read


@dataclass(frozen=True, slots=True)
class Segment:
    """The members meant: a name, rules in words, and how many there are by which statement.

    `sql` is None where nobody could run or read the statement: it names a private column, or thousands of stores.
    """

    name: str
    rules: tuple[str, ...]
    where: tuple[str, ...]
    size: int
    sql: str | None


@dataclass(frozen=True, slots=True)
class Buying:
    """What members bought in the complete days from `first` to `last`."""

    first: date
    last: date
    payers: int
    repeaters: int
    orders: int
    paid: Decimal

    @property
    def aov(self) -> Decimal | None:
        """Return the average order in yuan and cents, None without orders."""
        return (self.paid / self.orders).quantize(CENT, ROUND_HALF_UP) if self.orders else None

    @property
    def repeat_rate(self) -> Decimal | None:
        """Return the share of payers with two orders or more, None without payers."""
        return Decimal(self.repeaters) / self.payers if self.payers else None


@dataclass(slots=True)
class ScopedQueries:
    """Runs statements inside one scope and keeps their text."""

    session: AsyncSession
    scope: Scope
    ran: list[str] = field(default_factory=list)

    async def row(self, sql: str) -> Row[Any]:
        """Return the first row."""
        self.ran.append(sql)
        return (await self.session.execute(text(sql))).one()

    def limits(self, alias: str) -> tuple[str, ...]:
        """Return the conditions that keep a table to the scope's tenant and stores; no store means no row."""
        tenant = f"{alias}.tenant_id = {self.scope.tenant_id}"
        if self.scope.chain_wide:
            return (tenant,)
        return (tenant, f"{alias}.store_id IN ({', '.join(map(str, self.scope.store_ids)) or 'NULL'})")


async def find_segment(queries: ScopedQueries, words: tuple[str, ...], now: datetime) -> Segment:
    """Return the members these words mean, all of them for no word, with their number."""
    conditions = await _conditions(queries, words, now)
    where = (*queries.limits("m"), *(c.sql for c in conditions), "m.do_not_disturb = 0")
    sql = _select("COUNT(*) AS members", "members AS m", where)
    size = await queries.row(sql)
    rules = (*(c.rule for c in conditions), NOT_DISTURBED, await _scope_rule(queries))
    shown = None if any(c.private for c in conditions) or len(sql) > LONGEST_SQL else sql
    return Segment(_name(words), rules, where, int(size.members), shown)


async def read_buying(queries: ScopedQueries, today: date, days: int, segment: Segment | None = None) -> Buying:
    """Return what the segment, or everybody in scope, paid in so many complete days before today."""
    first, last = today - timedelta(days=days), today - timedelta(days=1)
    period = (f"o.business_date >= '{first}'", f"o.business_date <= '{last}'")
    where = (*queries.limits("o"), *period, "o.status = 'paid'", *(segment.where if segment else ()))
    tables = "orders AS o" + (" JOIN members AS m ON m.id = o.member_id" if segment else "")
    columns = "o.member_id AS member_id, COUNT(*) AS order_count, SUM(o.pay_amount) AS paid"
    by_member = _select(columns, tables, where) + "\nGROUP BY o.member_id"
    row = await queries.row(
        "SELECT COUNT(t.member_id) AS payers, COALESCE(SUM(t.order_count), 0) AS orders,\n"
        "  COALESCE(SUM(t.paid), 0) AS paid,\n"
        "  COALESCE(SUM(CASE WHEN t.order_count >= 2 AND t.member_id IS NOT NULL THEN 1 ELSE 0 END), 0) AS repeaters\n"
        f"FROM ({by_member}) AS t"
    )
    paid = Decimal(str(row.paid)).quantize(CENT)
    return Buying(first, last, int(row.payers), int(row.repeaters), int(row.orders), paid)


def _select(columns: str, tables: str, where: Iterable[str]) -> str:
    return f"SELECT {columns}\nFROM {tables}\nWHERE " + "\n  AND ".join(where)


async def _conditions(queries: ScopedQueries, words: tuple[str, ...], now: datetime) -> list[Condition]:
    """Return one condition per word, and a single one for all member levels: 金卡和钻石 means either."""
    levels = [word for word in words if word in LEVELS]
    found = [await _condition(queries, word, now) for word in words if word not in LEVELS]
    return [*found, _level(levels)] if levels else found


async def _condition(queries: ScopedQueries, word: str, now: datetime) -> Condition:
    if word == "高价值":
        return await _high_value(queries)
    return _BY_DAY[word](now) if word in _BY_DAY else _orders_since(queries, word, now)


async def _high_value(queries: ScopedQueries) -> Condition:
    """The best fifth of those who have paid, as an amount that can be read: whole tens, rounded down."""
    where = (*queries.limits("m"), "m.first_paid_at IS NOT NULL")
    buyers = int((await queries.row(_select("COUNT(*) AS members", "members AS m", where))).members)
    if not buyers:
        return Condition("累计消费排在前 20%（还没有成交会员）", "m.total_spent > 0")
    ranked = _select("m.total_spent AS spent", "members AS m", where)
    at = (buyers - 1) // HIGH_VALUE_SHARE
    row = await queries.row(f"{ranked}\nORDER BY m.total_spent DESC, m.id\nLIMIT 1 OFFSET {at}")
    least = int(Decimal(str(row.spent)) // 10 * 10)
    return Condition(f"累计消费不低于 {yuan(least)}（成交会员的前 20%）", f"m.total_spent >= {least}")


def _old(now: datetime) -> Condition:
    day = now.date() - timedelta(days=NEW_DAYS)
    return Condition(f"首单早于 {day}（{NEW_DAYS} 天以前）", f"m.first_paid_at < '{_midnight(day, now)}'")


def _new(now: datetime) -> Condition:
    day = now.date() - timedelta(days=NEW_DAYS)
    return Condition(f"首单在 {day} 或之后（近 {NEW_DAYS} 天）", f"m.first_paid_at >= '{_midnight(day, now)}'")


def _never(_now: datetime) -> Condition:
    return Condition("注册后还没有下过单", "m.first_paid_at IS NULL")


def _birthday(now: datetime) -> Condition:
    rule = f"{now.month} 月生日（按公历登记的会员）"
    return Condition(rule, f"m.birth_calendar = 'solar'\n  AND m.birth_month = {now.month}", private=True)


def _level(levels: list[str]) -> Condition:
    names = ", ".join(f"'{level}'" for level in levels)
    return Condition(f"会员等级：{'、'.join(levels)}", f"m.level IN ({names})")


_BY_DAY: dict[str, Callable[[datetime], Condition]] = {"老客": _old, "新客": _new, "未下单": _never, "生日": _birthday}
_QUIET_DAYS = {"沉睡": DORMANT_DAYS, "流失": LOST_DAYS}


def _orders_since(queries: ScopedQueries, word: str, now: datetime) -> Condition:
    """Members who have paid before, but not in the last days."""
    days = _QUIET_DAYS[word]
    day = now.date() - timedelta(days=days)
    where = (*queries.limits("o"), "o.member_id = m.id", f"o.business_date >= '{day}'", "o.status = 'paid'")
    recent = "SELECT o.id FROM orders AS o WHERE " + " AND ".join(where)  # noqa: S608 - see the top
    rule = f"以前买过，{day} 以来（{days} 天）没有成交"
    return Condition(rule, f"m.first_paid_at IS NOT NULL\n  AND NOT EXISTS ({recent})")


def _midnight(day: date, now: datetime) -> str:
    """Return the day's first moment in the store's zone as the database keeps it: naive UTC."""
    return f"{datetime.combine(day, time(), now.tzinfo).astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def _name(words: tuple[str, ...]) -> str:
    if not words:
        return ALL_MEMBERS
    ordered = sorted(words, key=lambda word: word.endswith("客"))
    joined = "".join(ordered)
    return joined if joined.endswith("客") else f"{joined}会员"


async def _scope_rule(queries: ScopedQueries) -> str:
    scope = queries.scope
    if scope.chain_wide:
        return WHOLE_CHAIN
    named = select(Store.name).where(Store.tenant_id == scope.tenant_id, Store.id.in_(scope.store_ids))
    names = (await queries.session.scalars(named.order_by(Store.id))).all()
    more = f" 等 {len(names)} 家" if len(names) > STORES_NAMED else ""
    return f"门店：{'、'.join(names[:STORES_NAMED])}{more}"
