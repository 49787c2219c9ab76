"""A question about numbers → the numbers, with what they mean.

    text → parser → query → figures → a few lines, tables of one phone screen, and 口径

Every number in the text is computed; no model words it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import ClassVar

from db.engine import Database
from db.query import QueryFailed
from handlers.intents import HandlerError, Intent
from handlers.messages import Outcome, Part, Reply, Table, Text
from handlers.turn import Turn
from knowledge.catalogue import Catalogue
from knowledge.compiler import NO_STORE, QueryRefused, Scope
from knowledge.question_parser import AskBack, QuestionParser, Understood
from knowledge.reports import TIME_DIMS, Breakdown, Cell, ReportResult, Row, report
from knowledge.semantic import SemanticQuery
from knowledge.stores import load_stores
from knowledge.wording import change_text, day_text, number_text

EXAMPLE = "最近7天各门店GMV、客单价、订单数，按天趋势"
WORDS = (
    r"报表|日报|周报|月报|趋势|走势|GMV|销售额|营业额|成交额|营收|流水|客单|订单数|订单量|单量|业绩|销量|销售情况|经营情况|复购率|"
    r"支付成功率|连带率|折扣率|新客数|新增会员|会员数|环比|同比|排名|排行|卖得|卖的|卖了|笔单价|件数"
)
# Numbers that are asked for and not there: the answer says so, where nothing else wants the sentence.
ABSENT_WORDS = r"利润|毛利|库存|客流|转化率|退款率|退货率|坪效|人效"
OTHERS = r"为什么|为何|为啥|原因|怎么回事|下降|下滑|下跌|变差|掉了|活动|预算|优惠券|文案|推荐"

YOU_MAY_ASK = "可以这样问（回复数字就行）："
EMPTY = "{period}还没有订单。"
LAST_DATA = "数据最新到 {newest}。"
NO_DATA = "您负责的门店还没有任何订单数据。"
NO_BEFORE = "再往前的数据不全，不作对比。"
OPEN_DAY = "今天还没结束，不和整天作对比。"
OPEN_PERIOD = "最后一天还没结束，和上一期的对比仅供参考。"
ROWS_SHOWN = 24  # a day by hours
TABLES_SHOWN = 3
STORES_NAMED = 5
ALL_STORES = "您负责的全部 {count} 家门店"
OWN_ONLY = "只含您负责的 {count} 家门店，不是全部门店。"
DATA_FROM = "数据从 {first} 才开始，只算了之后的日子，不作对比。"
TOTAL = "合计 {title}"
HIGHEST, LOWEST = "最高", "最低"
WHOLE_CHAIN = re.compile("全国|公司|集团|(?:全部|所有)的?(?:门店|店)|哪(?:个|家|些|几家)(?:门店|店)")


@dataclass(frozen=True, slots=True)
class ReportHandler:
    """Answers "最近7天各门店GMV" with figures the person may see."""

    database: Database
    parser: QuestionParser
    intent: ClassVar[Intent] = Intent(
        "report",
        strong=re.compile(rf"^(?!.*(?:{OTHERS})).*(?:{WORDS})", re.I | re.S),
        weak=re.compile(ABSENT_WORDS),
        example=EXAMPLE,
    )

    async def __call__(self, turn: Turn) -> Reply:
        """Return the report, or what was not understood with sentences that work."""
        stores = await load_stores(self.database, turn.person.tenant_id)
        with turn.trace.step("gen_sql"):
            parsed = self.parser.parse(turn.text, turn.now.date(), stores, turn.person.store_ids)
        if isinstance(parsed, AskBack):
            return ask_back(parsed)
        own = tuple(store for store in stores if store.id in set(turn.person.store_ids))
        try:
            scope = Scope(turn.person.tenant_id, own)
            result = await report(self.database, self.parser.catalogue, parsed.query, scope, turn.trace)
        except (QueryRefused, QueryFailed) as error:
            raise HandlerError(str(error), "refuse" if str(error) == NO_STORE else "report") from error
        with turn.trace.step("compose"):
            return _Answer(self.parser.catalogue, parsed, result, turn, len(own) < len(stores)).reply()


def ask_back(asked: AskBack) -> Reply:
    """Return why there is no answer, and suggestions a number picks."""
    if asked.forbidden:
        return Reply.say("refuse", asked.reason)
    lines = [f"{number}. {sentence}" for number, sentence in enumerate(asked.suggestions, 1)]
    text = "\n".join([asked.reason, YOU_MAY_ASK, *lines])
    return Reply("ask_back", (Text(text),), remember={"suggestions": list(asked.suggestions)})


@dataclass(frozen=True, slots=True)
class _Answer:
    """Words one report."""

    catalogue: Catalogue
    parsed: Understood
    result: ReportResult
    turn: Turn
    partial: bool  # the person sees some of the chain's stores, not all

    @property
    def query(self) -> SemanticQuery:
        return self.result.query

    def reply(self) -> Reply:
        semantic = self.query.as_json()
        outcome = Outcome(report=self.result.as_json(self.catalogue), semantic=semantic)
        parts = self._empty() if self.result.empty else self._parts()
        return Reply("report", tuple(parts), outcome=outcome, remember={"semantic": semantic})

    def _empty(self) -> list[Part]:
        if self.result.span is None:
            return [Text(NO_DATA)]
        period = f"{self.query.period.label}（{self.query.period.dates()}）"
        return [Text(EMPTY.format(period=period) + LAST_DATA.format(newest=self._newest()))]

    def _parts(self) -> list[Part]:
        head = [self.query.sentence(self.catalogue), *self._winner(), *self._headline(), *self._insights()]
        tables = [self._table(part) for part in self.result.breakdowns[:TABLES_SHOWN]]
        return [Text("\n".join(head)), *tables, Text("\n".join(self._footer()))]

    # --------------------------------------------------------------------------------------------- sentences

    def _headline(self) -> Iterator[str]:
        """Yield one line per metric with its change against the period before."""
        against = f"（比{self.result.before_period.dates()}）"
        for metric in self.query.metrics:
            entry = self.catalogue.metrics[metric]
            now = self.result.totals[metric]
            change = change_text(now, (self.result.before or {}).get(metric), entry.unit)
            title = TOTAL.format(title=entry.title) if self.query.limit else entry.title
            yield f"{title} {number_text(now, entry.unit)}" + (f"，{change}{against}" if change else "")
            against = ""

    def _winner(self) -> Iterator[str]:
        """Yield who came first in a ranking, before the totals that are not the answer to it."""
        order = self.query.order
        if order is None or not self.query.limit or not self.result.breakdowns:
            return
        part = self.result.breakdowns[0]
        if part.rows and part.rows[0][1] is not None:
            yield f"{HIGHEST if order.descending else LOWEST}：{self._extreme(part, part.rows[0])}"

    def _insights(self) -> Iterator[str]:
        """Yield the extremes of each split by the first metric."""
        if self.query.limit:
            return
        for part in self.result.breakdowns:
            known = [row for row in part.rows if row[1] is not None]
            if len(known) >= 2:
                top, low = max(known, key=_first_value), min(known, key=_first_value)
                title = self.catalogue.dimensions[part.dims[0]].title
                yield f"{title}里最高：{self._extreme(part, top)}；最低：{self._extreme(part, low)}"

    def _extreme(self, part: Breakdown, row: Row) -> str:
        unit = self.catalogue.metrics[self.query.metrics[0]].unit
        value = row[1] if isinstance(row[1], Decimal) else None
        return f"{self._label(part.dims[0], row[0])} {number_text(value, unit)}"

    def _footer(self) -> Iterator[str]:
        yield from self.parsed.notes
        span = self.result.span
        if self.partial and self._sounds_whole():
            yield OWN_ONLY.format(count=len(self.result.store_names))
        if span is not None and span.first_day > self.query.period.first:
            yield DATA_FROM.format(first=span.first_day)
        elif self.query.period.unfinished:
            yield OPEN_PERIOD if self.result.before else OPEN_DAY
        elif self.result.before is None:
            yield NO_BEFORE
        metrics = [self.catalogue.metrics[name] for name in self.query.metrics]
        yield "口径：" + "；".join(f"{metric.title}＝{metric.definition}" for metric in metrics)
        yield f"期间：{self.query.period.first}~{self.query.period.last}"
        yield f"筛选：{self._filters()}"
        yield LAST_DATA.format(newest=self._newest()).replace("数据最新到", "数据截至")

    def _sounds_whole(self) -> bool:
        """Tell whether the question speaks of the chain, or sets stores against each other, and names none."""
        if self.query.filtered("store") or self.query.filtered("city"):
            return False
        return bool(WHOLE_CHAIN.search(self.turn.text)) or "store" in self.query.dims

    def _filters(self) -> str:
        names = self.result.store_names
        few = "、".join(names) if len(names) <= STORES_NAMED else ALL_STORES.format(count=len(names))
        if self.query.filtered("city") and len(names) > STORES_NAMED:
            few = f"{'、'.join(self.query.filtered('city'))} {len(names)} 家门店"
        others = [name for dim, values in self.query.filters if dim not in {"store", "city"} for name in values]
        return "；".join([few, *others])

    def _newest(self) -> str:
        span = self.result.span
        return f"{span.newest.astimezone(self.turn.now.tzinfo):%m-%d %H:%M}" if span else ""

    # ------------------------------------------------------------------------------------------------- tables

    def _table(self, part: Breakdown) -> Table:
        titles = [self.catalogue.dimensions[dim].title for dim in part.dims]
        columns = (*titles, *(self.catalogue.metrics[metric].title for metric in self.query.metrics))
        rows = self.result.rows if part.dims == self.query.dims else part.rows
        shown = rows[-ROWS_SHOWN:] if TIME_DIMS & set(part.dims) else rows[:ROWS_SHOWN]
        left = len(rows) - len(shown)
        title = f"{self.catalogue.dimensions[part.dims[0]].phrase}" + (f"（另有 {left} 行未列出）" if left else "")
        return Table(title, columns, tuple(self._cells(part.dims, row) for row in shown))

    def _cells(self, dims: Sequence[str], row: Row) -> tuple[str, ...]:
        """Return the labels, then each metric with its change where the row carries the value before."""
        labels = tuple(self._label(dim, cell) for dim, cell in zip(dims, row, strict=False))
        count = len(self.query.metrics)
        numbers = row[len(dims) : len(dims) + count]
        before = row[len(dims) + count :: 2] or (None,) * count
        compared = zip(self.query.metrics, numbers, before, strict=True)
        return labels + tuple(self._number(metric, now, earlier) for metric, now, earlier in compared)

    def _number(self, metric: str, now: Cell, before: Cell) -> str:
        unit = self.catalogue.metrics[metric].unit
        value = now if isinstance(now, Decimal) else None
        change = change_text(value, before if isinstance(before, Decimal) else None, unit)
        return number_text(value, unit) + (f"（{change}）" if change else "")

    def _label(self, dim: str, cell: object) -> str:
        return day_text(str(cell)) if dim == "day" else str(cell)


def _first_value(row: Row) -> Decimal:
    return row[1] if isinstance(row[1], Decimal) else Decimal(0)
