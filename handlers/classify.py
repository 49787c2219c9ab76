"""The model's opinion on what somebody wants, asked for only when the rules are unsure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from knowledge.llm import Llm, LlmFailed

SECONDS = 6.0
TEXT_LENGTH = 500
PROMPT = "你给零售门店助手的一句话判断意图。意图有：\n{meanings}\n拿不准就不要选。"
MEANINGS: Mapping[str, str] = MappingProxyType(
    {
        "report": "要看数字、报表、排名、趋势，如 GMV、订单数、客单价、复购率",
        "diagnose": "问某个指标为什么变了、什么原因",
        "plan": "想做活动、发券、定方案",
        "execute": "要把已经给出的方案上架、执行",
        "birthday": "要给会员写生日祝福",
        "weather": "问天气，或要天气提醒、天气关怀的话",
        "holiday": "要节日问候",
        "copy": "要给商品写朋友圈、文案",
        "recommend": "要给某位会员推荐商品",
        "tasks": "问今天要做什么、还有什么没做完",
        "faq": "问某个词的意思、口径，或某个功能怎么用、某件事怎么做",
        "help": "问这个助手能做什么",
        "refuse": "和门店工作无关，或要求做不该做的事",
    }
)


@dataclass(frozen=True, slots=True)
class IntentClassifier:
    """Chooses among intents; whatever goes wrong, the rules decide instead."""

    llm: Llm

    async def classify(self, text: str, intents: Sequence[str]) -> str | None:
        """Return one of `intents`, or None when none fits or the model cannot be asked."""
        options = [intent for intent in dict.fromkeys(intents) if intent in MEANINGS]
        if not options or not text.strip():
            return None
        meanings = "\n".join(f"{intent}：{MEANINGS[intent]}" for intent in options)
        try:
            return await self.llm.choose(
                PROMPT.format(meanings=meanings), text[:TEXT_LENGTH], options, within_seconds=SECONDS
            )
        except LlmFailed:
            return None
