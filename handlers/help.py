"""What the bot can do for this person, and who it takes them for."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from sqlalchemy import select

from db.engine import Database
from db.models import Store
from handlers.intents import Intent
from handlers.messages import Reply
from handlers.turn import Turn

ROLE_NAMES = {"clerk": "店员", "manager": "店长", "regional": "区域经理", "hq": "总部", "admin": "管理员"}
HELP_HEAD = "您可以直接这样说："
HELP_FOOT = "照着说就行，换成自己要的门店、日期或会员名。"
NO_STORE = "还没有分配门店"
WHOLE_CHAIN = "全部门店"
WELCOME = "不客气，有事随时找我。"
STORES_SHOWN = 5
ASKED = "帮助|help|菜单|(?:你|您)?(?:会什么|会做什么|能做什么|能干什么|能干嘛|是谁)|怎么用|使用说明"
GREETED = "(?:你|您|大家)好|早|早上好|上午好|中午好|下午好|晚上好|嗨|哈喽|hi|hello|在吗|在不在|在么"
THANKED = "谢谢|谢谢你|谢谢您|多谢|感谢|谢啦|谢了|辛苦了"
_TAIL = r"[\s?？!！。~～呀啊哦哈呢]*"
_THANKS = re.compile(rf"^\s*(?:{THANKED})")


@dataclass(frozen=True, slots=True)
class HelpHandler:
    """Lists one sentence for each thing this person may ask."""

    examples: Callable[[Turn], list[str]]
    intent: ClassVar[Intent] = Intent(
        "help", strong=re.compile(rf"^\s*/?(?:{ASKED}|{GREETED}|{THANKED}){_TAIL}$", re.I)
    )

    async def __call__(self, turn: Turn) -> Reply:
        """Return the list; thanks are returned as such."""
        if _THANKS.search(turn.text):
            return Reply.say("help", WELCOME)
        lines = [f"· {example}" for example in self.examples(turn)]
        return Reply.say("help", "\n".join([HELP_HEAD, *lines, HELP_FOOT]))


@dataclass(frozen=True, slots=True)
class WhoAmIHandler:
    """Tells the person's name, role and stores."""

    database: Database
    intent: ClassVar[Intent] = Intent("help", strong=re.compile(r"^\s*/?(我是谁|whoami)\s*[?？]?\s*$", re.I))

    async def __call__(self, turn: Turn) -> Reply:
        """Return who the bot takes this person for."""
        person = turn.person
        role = ROLE_NAMES.get(person.role, person.role)
        return Reply.say("help", f"您是{person.name}，{role}，负责：{await self._stores(turn)}。")

    async def _stores(self, turn: Turn) -> str:
        if turn.person.chain_wide:
            return WHOLE_CHAIN
        query = select(Store.name).where(Store.id.in_(turn.person.store_ids)).order_by(Store.id)
        async with self.database.read() as session:
            names = (await session.scalars(query)).all()
        shown = "、".join(names[:STORES_SHOWN]) or NO_STORE
        return shown if len(names) <= STORES_SHOWN else f"{shown}等 {len(names)} 家"
