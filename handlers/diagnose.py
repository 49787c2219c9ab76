"""「这周复购率为什么下降了」 → causes checked against data, and what the knowledge base says can be done.

Lines of the data are marked (data) and carry their numbers; lines of the knowledge base are marked (kb) and name
their document. The knowledge base never decides what is a cause.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from db.engine import Database
from db.query import QueryFailed
from handlers.intents import HandlerError, Intent
from handlers.messages import Outcome, Reply, Text
from handlers.report import ask_back
from handlers.turn import Turn
from knowledge.compiler import NO_STORE, QueryRefused, Scope
from knowledge.diagnosis import DIAGNOSED, Diagnosis, diagnose
from knowledge.diagnosis_wording import DiagnosisWording
from knowledge.passages import KnowledgeBase, Passage
from knowledge.question_parser import NO_DATA_ON, AskBack, QuestionParser, store_problem
from knowledge.question_parts import Parts
from knowledge.semantic import SemanticQuery, filters_of
from knowledge.stores import StoreRef, load_stores
from knowledge.vocabulary import filler_words

EXAMPLE = "这周复购率为什么下降了"
WHY = r"为什么|为何|为啥|原因|怎么回事|咋回事|下降|下滑|下跌|变差|掉了|变少|变低"
WHY_WORDS = (
    "为什么 为何 为啥 什么 原因 怎么回事 咋回事 咋 怎 么 下降 下滑 下跌 跌 降 降低 掉 变差 差 变少 少 变低 低 减少 "
    "上涨 上升 涨 升 增长 提高 变高 变多 高 多 变化 波动 突然 这么 那么 有点 分析 分析一下 诊断 诊断一下 导致 造成 "
    "是不是 不是 不 影响 因素 由于 因为 会 又 不好 不太好 很 比较 "
    "出了什么问题 问题 哪里 在哪 找找 找一下 该怎么办 怎么办 什么情况"
)
SUGGESTIONS = ("这周复购率为什么下降了", "上周GMV为什么下降", "最近7天客单价下降的原因")
WHICH_METRIC = "想看哪个数字为什么变了？"
NOT_DIAGNOSED = "暂时只能分析复购率、GMV、订单数、客单价和支付成功率的变化。"
ONLY_STORES = "分析原因暂时只能按门店或城市缩小范围。"
TWO_PERIODS = "一次只能分析一段时间。"
ONE_METRIC = "一次只分析一个数字，这次先看{title}。"
LEFT_OUT = "没看懂{words}，没有算进来。"
ADVICE = "可以怎么做："
NEWEST = "数据截至 {newest}。"
KB_TAG, KB_LINES = "diagnosis", 3
SNIPPET = 80
ADVICE_MARKS = ("怎么办", "做法")


ROSE = re.compile("上升|上涨|涨了|变好|提高|变高|增加|增长|回升|升了")
FELL = re.compile("下降|下滑|变差|掉|跌|变低|减少|降了|变少")
IT_FELL, IT_ROSE = "和您说的相反，数据里是下降的。", "和您说的相反，数据里是上升的。"


@dataclass(frozen=True, slots=True)
class DiagnoseHandler:
    """Answers why a number changed."""

    database: Database
    knowledge: KnowledgeBase
    parser: QuestionParser
    intent: ClassVar[Intent] = Intent("diagnose", strong=re.compile(WHY), example=EXAMPLE)

    async def __call__(self, turn: Turn) -> Reply:
        """Return numbered causes with their figures, or what has to be said first."""
        stores = await load_stores(self.database, turn.person.tenant_id)
        with turn.trace.step("gen_sql"):
            words = filler_words(WHY_WORDS.split())
            parts = self.parser.parts(turn.text, turn.now.date(), stores, (words,))
        asked = _problem(parts, stores, turn)
        if asked is not None:
            back = ask_back(asked)
            return replace(back, intent="diagnose") if asked.reason == WHICH_METRIC else back
        found = await self._diagnose(turn, parts, _scope(parts, stores, turn))
        wording = DiagnosisWording(self.parser.catalogue, found)
        with turn.trace.step("retrieve_kb"):
            passages = await self._passages(wording.questions())
        with turn.trace.step("compose"):
            lines = [
                *self._notes(parts),
                *_contradiction(turn.text, found),
                *wording.lines(),
                *_advice(passages),
                _newest(turn, found),
            ]
            return _reply(lines, parts, found)

    async def _diagnose(self, turn: Turn, parts: Parts, scope: Scope) -> Diagnosis:
        period = parts.periods[0] if parts.periods else None
        metric, today = _metrics(parts)[0], turn.now.date()
        try:
            return await diagnose(self.database, self.parser.catalogue, scope, metric, period, today, turn.trace)
        except (QueryRefused, QueryFailed) as error:
            raise HandlerError(str(error), "refuse" if str(error) == NO_STORE else "diagnose") from error

    async def _passages(self, questions: Sequence[str]) -> list[Passage]:
        """Return what the knowledge base says on the causes found, each document once."""
        chosen: dict[str, Passage] = {}
        for question in questions:
            for passage in await self.knowledge.search(question, tag=KB_TAG, limit=1):
                if passage.confident:
                    chosen.setdefault(passage.slug, passage)
        return list(chosen.values())[:KB_LINES]

    def _notes(self, parts: Parts) -> list[str]:
        """Return what of the question was not taken in."""
        notes = []
        if len(parts.metrics) > 1:
            notes.append(ONE_METRIC.format(title=self.parser.catalogue.title(parts.metrics[0])))
        if parts.unknown or parts.absent:
            words = "、".join(f"「{word}」" for word in (*parts.unknown, *parts.absent))
            notes.append(LEFT_OUT.format(words=words))
        return notes


def _contradiction(text: str, found: Diagnosis) -> list[str]:
    """Say so when the question has the change the wrong way round."""
    delta = found.change.delta
    if ROSE.search(text) and delta < 0:
        return [IT_FELL]
    return [IT_ROSE] if FELL.search(text) and delta > 0 else []


def _metrics(parts: Parts) -> list[str]:
    return parts.metrics or (["gmv"] if parts.business else [])


def _problem(parts: Parts, stores: Sequence[StoreRef], turn: Turn) -> AskBack | None:
    """Return what has to be asked before anything can be looked at."""
    store = store_problem(parts, stores, turn.person.store_ids)
    if store:
        return AskBack(store, SUGGESTIONS, forbidden=all(len(word.stores) == 1 for word in parts.stores))
    metrics = _metrics(parts)
    problems = (
        (not metrics and bool(parts.absent), NO_DATA_ON.format(name="、".join(parts.absent))),
        (not metrics, WHICH_METRIC),
        (bool(metrics) and metrics[0] not in DIAGNOSED, NOT_DIAGNOSED),
        (bool(set(parts.values) - {"city"}), ONLY_STORES),
        (len(parts.periods) > 1, TWO_PERIODS),
    )
    return next((AskBack(reason, SUGGESTIONS) for applies, reason in problems if applies), None)


def _scope(parts: Parts, stores: Sequence[StoreRef], turn: Turn) -> Scope:
    """Return the person's stores, narrowed to those the question names."""
    named = {word.stores[0].id for word in parts.stores}
    cities = parts.values.get("city", [])
    own = (store for store in stores if store.id in set(turn.person.store_ids))
    kept = (s for s in own if (not named or s.id in named) and (not cities or s.city in cities))
    return Scope(turn.person.tenant_id, tuple(kept))


def _advice(passages: Sequence[Passage]) -> list[str]:
    """Return one line per document: its title and what it says to do."""
    lines = [f"· 《{passage.title}》{_what_to_do(passage.content)} (kb)" for passage in passages]
    return [ADVICE, *lines] if lines else []


def _what_to_do(content: str) -> str:
    """Return the document's line on what to do, its first line where it has none."""
    lines = [line.strip() for line in content.splitlines() if line.strip()] or [""]
    chosen = next((line for line in lines if line.startswith(ADVICE_MARKS)), lines[0])
    return chosen if len(chosen) <= SNIPPET else f"{chosen[:SNIPPET]}…"


def _newest(turn: Turn, found: Diagnosis) -> str:
    return NEWEST.format(newest=f"{found.span.newest.astimezone(turn.now.tzinfo):%m-%d %H:%M}")


def _reply(lines: Sequence[str], parts: Parts, found: Diagnosis) -> Reply:
    chosen = {"store": tuple(word.stores[0].name for word in parts.stores), "city": tuple(parts.values.get("city", []))}
    query = SemanticQuery((found.change.metric,), found.windows.target, (), filters_of(chosen), compare="previous")
    semantic = query.as_json()
    return Reply(
        "diagnose",
        (Text("\n".join(lines)),),
        outcome=Outcome(report=_table(found), semantic=semantic),
        remember={"semantic": semantic, "diagnosis": found.as_json()},
    )


def _table(found: Diagnosis) -> dict[str, Any]:
    """Return the verdicts as a report."""
    columns = ("name", "subject", "verdict", "effect", "share", "z")
    return {"columns": list(columns), "rows": [[f.as_json()[name] for name in columns] for f in found.findings]}
