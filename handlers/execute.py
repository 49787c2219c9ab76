"""上架 and 放弃, pressed on a plan's card or said about the plan the conversation remembers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, ClassVar

from handlers.codec import load_card
from handlers.crm_executor import NOT_ALLOWED, CrmExecutor, Execution
from handlers.intents import Intent
from handlers.messages import Card, Outcome, Reply, Text
from handlers.plan import DROP_WORDS, EXAMPLE, LAUNCH_WORDS
from handlers.turn import MAY_LAUNCH, PressedCard, Turn

LAUNCH_ACTION = "plan.launch"
DROP_ACTION = "plan.drop"

NO_PLAN = f"还没有可以上架的方案。先说一句要做什么，比如：{EXAMPLE}"
ASK_TO_CONFIRM = "要把刚才的方案上架，请回复「上架」。已经上架过的不会重复建券，会直接给您回执。"
LAUNCHED = "{by} {at} 已上架 · 券 {coupon}"
LAUNCHED_BEFORE = "这个方案之前已经上架，没有重复建券。"
FAILED = "上架失败：{reason}。可以再点一次"
UNCERTAIN = "上架结果还不确定：{reason}。再点一次是安全的，不会重复建券"
DROPPED = "{by} {at} 已放弃"
DROPPED_BEFORE = "这个方案已经放弃了，要做请重新说一句。"
FORGOTTEN = "好的，这个方案不做了。"
CANNOT_DROP = "这个方案正在上架或结果还不确定，现在不能放弃；请点一次「上架」看结果。"

FORGET = {"plan": None, "plan_texts": None}
NO_MORE_CHANGES = {"plan_texts": None}


@dataclass(frozen=True, slots=True)
class ExecuteHandler:
    """Launches or drops a plan; whatever was pressed or said, the answer tells what is true in the ledger."""

    executor: CrmExecutor
    intent: ClassVar[Intent] = Intent(
        "execute",
        strong=re.compile(f"(?:{LAUNCH_WORDS.pattern})|(?:{DROP_WORDS.pattern})"),
        weak=re.compile("执行|上架|发布"),
        actions=frozenset({LAUNCH_ACTION, DROP_ACTION}),
        needs_context="plan",
    )

    async def __call__(self, turn: Turn) -> Reply:
        """Return the finished card for a press, a text for words."""
        if turn.pressed is not None:
            return await self._pressed(turn, turn.pressed)
        return await self._said(turn)

    async def _pressed(self, turn: Turn, pressed: PressedCard) -> Reply:
        if turn.person.role not in MAY_LAUNCH:
            return _refused(await self._launch(turn, _plan_of(pressed)))
        if pressed.action == DROP_ACTION or pressed.state == "done":
            return await self._close(turn, pressed)
        return _on_card(turn, pressed, await self._launch(turn, _plan_of(pressed)))

    async def _said(self, turn: Turn) -> Reply:
        plan = turn.context.get("plan")
        if plan is None:
            return Reply.say("ask_back", NO_PLAN)
        if LAUNCH_WORDS.search(turn.text):
            return _in_words(turn, plan, await self._launch(turn, plan))
        if DROP_WORDS.search(turn.text):
            return await self._forget(turn, plan)
        return Reply.say("ask_back", ASK_TO_CONFIRM)

    async def _launch(self, turn: Turn, plan: Mapping[str, Any]) -> Execution:
        with turn.trace.step("execute"):
            return await self.executor.launch(plan, turn.person, turn.now)

    async def _forget(self, turn: Turn, plan: Mapping[str, Any]) -> Reply:
        known = await self.executor.look_up(plan, turn.person, turn.now)
        if known is None or known.status == "failed":
            return Reply("execute", (Text(FORGOTTEN),), remember=FORGET)
        return _in_words(turn, plan, known) if known.status == "succeeded" else Reply.say("execute", CANNOT_DROP)

    async def _close(self, turn: Turn, pressed: PressedCard) -> Reply:
        """Answer 放弃, and any press on an outdated copy of a finished card: what was launched stays launched."""
        plan = _plan_of(pressed)
        known = await self.executor.look_up(plan, turn.person, turn.now)
        if known is not None and known.status != "failed":
            dropped_too_late = known.status == "succeeded"
            return _on_card(turn, pressed, known) if dropped_too_late else Reply.say("execute", CANNOT_DROP)
        if pressed.state == "done":
            return Reply("execute", (Text(DROPPED_BEFORE),), card=load_card(dict(pressed.content)))
        state = DROPPED.format(by=turn.person.name, at=f"{turn.now:%H:%M}")
        return Reply("execute", card=_finished(pressed, state), outcome=Outcome(plan=plan), remember=FORGET)


def _plan_of(pressed: PressedCard) -> Mapping[str, Any]:
    plan: Mapping[str, Any] = pressed.value.get("plan", {})
    return plan


def _refused(execution: Execution) -> Reply:
    return Reply("refuse", (Text(execution.error or NOT_ALLOWED),), outcome=Outcome(execution=execution.as_json()))


def _on_card(turn: Turn, pressed: PressedCard, execution: Execution) -> Reply:
    """Return what the card shows after a press. While another press is at work the card is left to that one."""
    outcome = Outcome(plan=_plan_of(pressed), execution=execution.as_json())
    if execution.status == "succeeded":
        card = _finished(pressed, _launched(execution, turn.now))
        return Reply("execute", card=card, outcome=outcome, remember=NO_MORE_CHANGES)
    if execution.status == "refused" or _in_work(execution):
        return Reply("execute", (Text(execution.error or ""),), outcome=outcome)
    card = replace(load_card(dict(pressed.content)), state=_why_not(execution))
    return Reply("execute", card=card, outcome=outcome)


def _in_words(turn: Turn, plan: Mapping[str, Any], execution: Execution) -> Reply:
    intent = "refuse" if turn.person.role not in MAY_LAUNCH else "execute"
    outcome = Outcome(plan=plan, execution=execution.as_json())
    remember = NO_MORE_CHANGES if execution.status == "succeeded" else {}
    return Reply(intent, (Text(_words(execution, turn.now)),), outcome=outcome, remember=remember)


def _words(execution: Execution, now: datetime) -> str:
    if execution.status == "succeeded":
        before = [LAUNCHED_BEFORE] if execution.repeated else []
        return "\n".join([*before, _launched(execution, now), *execution.receipt])
    if execution.status == "refused" or _in_work(execution):
        return execution.error or ""
    return _why_not(execution)


def _in_work(execution: Execution) -> bool:
    return execution.status == "pending" and not execution.uncertain


def _why_not(execution: Execution) -> str:
    return (UNCERTAIN if execution.uncertain else FAILED).format(reason=execution.error)


def _launched(execution: Execution, now: datetime) -> str:
    return LAUNCHED.format(by=execution.by, at=_clock(execution.at or now, now), coupon=execution.coupon_id)


def _clock(at: datetime, now: datetime) -> str:
    return f"{at:%H:%M}" if at.date() == now.date() else f"{at.month}月{at.day}日 {at:%H:%M}"


def _finished(pressed: PressedCard, state: str) -> Card:
    return replace(load_card(dict(pressed.content)), state=state, buttons=())
