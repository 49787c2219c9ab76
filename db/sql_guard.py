"""The gate every analytical statement passes, whoever wrote it: only what is listed here may run.

    characters (sql_lexer) → one query → syntax tree nodes → tables → private columns → joins → LIMIT → new text

The caller runs `Verdict.sql` and never the text it handed in: comments are gone from it and the limit stands in
the tree, not behind a comment. Lists say what is allowed; a list of what is forbidden always forgets something
(SLEEP has four aliases). What a database account and a time limit must hold stands in `db/query.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from db.sql_lexer import lexical_fault

if TYPE_CHECKING:
    from sqlglot import exp

ALLOWED_TABLES = frozenset(
    {
        "campaigns",
        "coupons",
        "daily_sales",
        "member_coupons",
        "members",
        "order_items",
        "orders",
        "products",
        "stores",
    }
)
# Who a member is stays out of reports; birthdays would single a person out as surely as a name.
PRIVATE_COLUMNS: Mapping[str, frozenset[str]] = {
    "members": frozenset({"name", "phone_encrypted", "birth_year", "birth_month", "birth_day"}),
}

NOT_PARSED = "语句看不懂，请检查语法"
NOT_ONE = "一次只能执行一条语句"
NOT_A_QUERY = "只允许 SELECT 查询"
RECURSIVE = "不允许递归查询"
CROSS_JOIN = "连接要有两表之间的等值条件"
LIMIT_NOT_A_NUMBER = "LIMIT 只能是数字"
CHANGED = "重写后的语句不再是查询"
PRIVATE = "会员的个人信息不可查询"

_QUERY_NODES = "Select Union Intersect Except Subquery CTE With From Join Where Group Having Order Ordered Limit Offset"
_NAME_NODES = "Table TableAlias Identifier Column Alias Star Literal Placeholder Null Boolean Var Tuple Paren"
_LOGIC_NODES = "And Or Not Xor EQ NEQ NullSafeEQ GT GTE LT LTE Between In Is Like Exists Case If"
_ARITHMETIC_NODES = "Add Sub Mul Div IntDiv Mod Neg Abs Round Floor Ceil Sign Greatest Least"
_AGGREGATE_NODES = "Count Sum Avg Min Max Distinct Stddev StddevPop StddevSamp Variance VariancePop"
_WINDOW_NODES = "Window WindowSpec RowNumber Rank DenseRank Lag Lead FirstValue LastValue Ntile PercentRank CumeDist"
_TEXT_NODES = "Substring Left Right Upper Lower Trim Length Concat DPipe StrPosition Cast DataType DataTypeParam"
_NULL_NODES = "Coalesce Nullif"
_TIME_NODES = (
    "Interval CurrentDate CurrentTimestamp Date DateAdd DateSub DateDiff DateStrToDate TsOrDsToDate "
    "TsOrDsToTimestamp TsOrDsAdd TsOrDsDiff TimeToStr StrToDate StrToTime TimestampDiff TimestampTrunc DateTrunc "
    "Year Month Day Hour Minute Second Week WeekOfYear Quarter DayOfWeek DayOfMonth DayOfYear LastDay Extract"
)
_NODES = frozenset(
    " ".join(
        (
            _QUERY_NODES,
            _NAME_NODES,
            _LOGIC_NODES,
            _ARITHMETIC_NODES,
            _AGGREGATE_NODES,
            _WINDOW_NODES,
            _TEXT_NODES,
            _NULL_NODES,
            _TIME_NODES,
        )
    ).split()
)
_AGGREGATES = tuple(_AGGREGATE_NODES.split())
# Functions the parser knows by name only.
_FUNCTIONS = frozenset(
    {
        "CURDATE",
        "DATE",
        "DATE_FORMAT",
        "DAYNAME",
        "HOUR",
        "IFNULL",
        "JULIANDAY",
        "NOW",
        "STRFTIME",
        "WEEKDAY",
        "YEARWEEK",
    }
)
_SELECT_PARTS = frozenset(
    {"expressions", "from_", "joins", "where", "group", "having", "order", "limit", "offset", "distinct", "with_"}
)
_TABLE_PARTS = frozenset({"this", "alias"})
_JOIN_PARTS = frozenset({"this", "on", "using", "side", "kind"})


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a statement may run; `sql` is the text to run, `reason` the Chinese sentence when it may not."""

    passed: bool
    reason: str = ""
    sql: str = ""
    limit_applied: int = 0

    def as_debug(self) -> dict[str, Any]:
        """Return the `guard` object of the debug output."""
        return {"passed": self.passed, "reason": self.reason or None, "limit_applied": self.limit_applied or None}


class _Refused(Exception):
    """The statement breaks a rule; `str()` is the reason."""


def check(sql: str, dialect: str, allowed_tables: Collection[str] = ALLOWED_TABLES, max_rows: int = 10_000) -> Verdict:
    """Return the verdict on one statement in the dialect "mysql" or "sqlite"."""
    fault = lexical_fault(sql)
    if fault:
        return Verdict(False, fault)
    try:
        query = _only_query(sql, dialect)
        _check_tree(query, frozenset(name.lower() for name in allowed_tables))
        limit = _clamp(query, max_rows)
        text = query.sql(dialect=dialect, comments=False)
        _check_again(text, dialect)
    except _Refused as refused:
        return Verdict(False, str(refused))
    return Verdict(True, "", text, limit)


def _only_query(sql: str, dialect: str) -> exp.Query:
    """Return the tree of the one query in the text."""
    import sqlglot  # noqa: PLC0415 - 0.1 s and 20 MB that a start-up without reports need not pay
    from sqlglot import exp  # noqa: PLC0415
    from sqlglot.errors import SqlglotError  # noqa: PLC0415

    try:
        parsed = sqlglot.parse(sql, read=dialect)
    except (SqlglotError, RecursionError) as error:
        raise _Refused(NOT_PARSED) from error
    statements = [tree for tree in parsed if tree is not None and not isinstance(tree, exp.Semicolon)]
    if len(statements) != 1:
        raise _Refused(NOT_ONE)
    if not isinstance(statements[0], exp.Select | exp.SetOperation):
        raise _Refused(NOT_A_QUERY)
    return statements[0]


def _check_tree(query: exp.Query, allowed_tables: frozenset[str]) -> None:
    nodes = list(query.walk())
    for node in nodes:
        _check_node(node)
    _check_tables(nodes, allowed_tables)
    _check_private(nodes)
    _check_joins(nodes)


def _check_node(node: exp.Expr) -> None:
    """Refuse any construct that is not listed."""
    name = type(node).__name__
    if name == "Anonymous":
        _require(str(node.this).upper() in _FUNCTIONS, f"不允许的函数：{node.this}")
    elif name not in _NODES:
        raise _Refused(f"不允许的写法：{name}")
    _check_parts(node, name)


def _check_parts(node: exp.Expr, name: str) -> None:
    """Refuse INTO, locks, hints, modifiers, samples and whatever else a listed node may carry."""
    parts = {"Select": _SELECT_PARTS, "Table": _TABLE_PARTS, "Join": _JOIN_PARTS}.get(name)
    used = {key for key, value in node.args.items() if value}
    if name == "Table" and used & {"db", "catalog"}:
        raise _Refused("不允许跨库或系统库的表")
    if parts is not None and used - parts:
        raise _Refused(f"不允许的写法：{sorted(used - parts)[0]}")
    if name == "TableAlias" and node.args.get("columns") and not _is(node.parent, "CTE"):
        raise _Refused("不允许给表的列改名")
    if name == "With" and node.args.get("recursive"):
        raise _Refused(RECURSIVE)
    if name == "Column" and (node.args.get("db") or node.args.get("catalog")):
        raise _Refused("不允许跨库的列")


def _check_tables(nodes: Sequence[exp.Expr], allowed_tables: frozenset[str]) -> None:
    common = {cte.alias.lower() for cte in _all(nodes, "CTE")}
    for name in common & allowed_tables:
        raise _Refused(f"公用表达式不能与表同名：{name}")
    for table in _all(nodes, "Table"):
        _require(table.name.lower() in allowed_tables | common, f"不在可查询的表里：{table.name or '（函数）'}")


def _check_private(nodes: Sequence[exp.Expr]) -> None:
    """Refuse private columns, and `*` beside a table that has some.

    Aliases are collected over the whole statement: an alias that means `members` anywhere is treated as meaning
    it everywhere, so no inner scope can launder a name. A `*` could be renamed by position, hence refused whole.
    """
    for base, private in PRIVATE_COLUMNS.items():
        aliases = {table.alias_or_name.lower() for table in _all(nodes, "Table") if table.name.lower() == base}
        if not aliases:
            continue
        _require(not _has_star(nodes), f"{PRIVATE}，请写出要查的列")
        for column in _all(nodes, "Column"):
            hit = column.name.lower() in private and column.text("table").lower() in aliases | {""}
            _require(not hit, f"{PRIVATE}：{column.name}")
        _require(not (private & _used_by_using(nodes)), PRIVATE)


def _has_star(nodes: Sequence[exp.Expr]) -> bool:
    """Tell whether a `*` stands anywhere but in COUNT(*)."""
    return any(not _is(star.parent, "Count") for star in _all(nodes, "Star"))


def _used_by_using(nodes: Sequence[exp.Expr]) -> set[str]:
    return {str(part.name).lower() for join in _all(nodes, "Join") for part in join.args.get("using") or []}


def _check_joins(nodes: Sequence[exp.Expr]) -> None:
    """Refuse products of tables: a join needs an equality between two sources, or one row on its side."""
    for join in _all(nodes, "Join"):
        where = join.parent.args.get("where") if join.parent else None
        alias = join.this.alias_or_name.lower()
        tied = join.args.get("using") or _equates(join.args.get("on"), alias) or _equates(where, alias)
        _require(bool(tied) or _is_one_row(join.this), CROSS_JOIN)


def _equates(condition: exp.Expr | None, alias: str) -> bool:
    """Tell whether an AND-ed part of the condition equates a column of the joined source with one of another."""
    return any(_is(part, "EQ") and _ties(part, alias) for part in _conjuncts(condition))


def _conjuncts(condition: exp.Expr | None) -> Iterator[exp.Expr]:
    if condition is None:
        return
    if _is(condition, "Paren", "Where"):
        yield from _conjuncts(condition.this)
    elif _is(condition, "And"):
        yield from _conjuncts(condition.this)
        yield from _conjuncts(condition.expression)
    else:
        yield condition


def _ties(equality: exp.Expr, alias: str) -> bool:
    sides = (equality.this, equality.expression)
    if not all(_is(side, "Column") for side in sides):
        return False
    tables = {side.text("table").lower() for side in sides}
    return len(tables) == 2 and (alias in tables or "" in tables)


def _is_one_row(source: exp.Expr) -> bool:
    """Tell whether a derived table is an aggregate without GROUP BY, as share-of-total needs."""
    inner = source.this if _is(source, "Subquery") else None
    if inner is None or not _is(inner, "Select") or inner.args.get("group"):
        return False
    items = [list(item.walk()) for item in inner.expressions]
    return all(_all(item, *_AGGREGATES) and not _all(item, "Window") for item in items)


def _is(node: object, *names: str) -> bool:
    # By class name, as in the list above: the classes themselves would cost the import at start-up.
    return type(node).__name__ in names


def _all(nodes: Sequence[exp.Expr], *names: str) -> list[exp.Expr]:
    return [node for node in nodes if _is(node, *names)]


def _clamp(query: exp.Query, max_rows: int) -> int:
    """Set the root's LIMIT to at most `max_rows` and return it."""
    limit = query.args.get("limit")
    wanted = _number(limit.expression) if limit is not None else max_rows
    applied = min(wanted, max_rows)
    offset = query.args.get("offset")
    if offset is not None:
        _number(offset.expression)
    query.limit(applied, copy=False)
    return applied


def _number(value: exp.Expr | None) -> int:
    if value is None or not _is(value, "Literal") or value.is_string or not str(value.this).isdecimal():
        raise _Refused(LIMIT_NOT_A_NUMBER)
    return int(value.this)


def _check_again(text: str, dialect: str) -> None:
    """Read the generated text once more: a generator may turn `SELECT … INTO t` into CREATE TABLE."""
    if lexical_fault(text):
        raise _Refused(CHANGED)
    for node in _only_query(text, dialect).walk():
        _check_node(node)


def _require(condition: bool, reason: str) -> None:
    if not condition:
        raise _Refused(reason)
