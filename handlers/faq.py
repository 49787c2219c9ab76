"""What a word means and how something is done, answered from the knowledge base with its source."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from handlers.intents import HandlerError, Intent
from handlers.messages import Reply, Text
from handlers.turn import Turn
from knowledge.passages import KnowledgeBase, Passage

SOURCE = "—— 知识库《{title}》"
SEE_ALSO = "相关：{titles}"
NOT_SURE = "这个我不太确定，您想问的是不是下面这些（回复数字就行）："
NOTHING = "知识库里没有找到相关内容。一直找不到的话，请管理员执行 daogou kb load 载入文档。"
EXAMPLE = "复购率怎么算"
NEAREST = 3
# Another passage is worth naming when it is nearly as near as the answer.
SEE_ALSO_SHARE = 0.7

_HOW = "(?:怎么|怎样|如何|在哪里?|从哪里?|哪里)(?:才能|可以|能)?"
_DONE = "绑定|上架|发布|使用|用|设置|设定|修改|改|换|完成|查看|操作|评估|复盘|洗|保养|存放|收纳|退|选|区分|防|定|处理"
STRONG = re.compile(
    r"怎么算|如何算|计算方[式法]|公式|怎么统计|口径|定义|什么意思|啥意思|什么是|什么叫|啥叫|是啥$"
    rf"|{_HOW}.{{0,4}}(?:{_DONE})"
    r"|^《[^》]{1,128}》$"
)
WEAK = re.compile(
    r"怎么(?!样|回事|了)|如何|怎样|能不能|可不可以|要不要|会不会|应不应该|注意什么|(?:能|可以|会|算).{0,12}[吗不]\s*[?？]?$"
)


@dataclass(frozen=True, slots=True)
class FaqHandler:
    """Quotes the passage that answers; where none is near enough, offers the three nearest titles."""

    knowledge: KnowledgeBase
    intent: ClassVar[Intent] = Intent("faq", strong=STRONG, weak=WEAK, example=EXAMPLE)

    async def __call__(self, turn: Turn) -> Reply:
        """Return the passage with its title, or the nearest titles to choose from."""
        with turn.trace.step("retrieve_kb"):
            passages = await self.knowledge.search(turn.text.strip("《》 \n"), limit=NEAREST)
        if not passages:
            raise HandlerError(NOTHING, "faq")
        best, *others = passages
        if not best.confident:
            return _ask_back(passages)
        lines = [best.content, "", SOURCE.format(title=best.title)]
        related = [p.title for p in others if p.confident and p.score >= best.score * SEE_ALSO_SHARE]
        if related:
            lines.append(SEE_ALSO.format(titles="".join(f"《{title}》" for title in related)))
        return Reply.say("faq", "\n".join(lines))


def _ask_back(passages: Sequence[Passage]) -> Reply:
    """Offer the titles; a number answers, because the router turns it into the remembered title."""
    titles = [f"《{passage.title}》" for passage in passages]
    lines = [NOT_SURE, *(f"{number}. {title}" for number, title in enumerate(titles, 1))]
    return Reply("ask_back", (Text("\n".join(lines)),), remember={"suggestions": titles})
