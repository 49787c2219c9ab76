"""Weather reminders: 「今天天气提醒」, 「明天会下雨吗」, for the person's shop and its customers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, ClassVar

from sqlalchemy import select

from db.engine import Database
from db.models import Store
from handlers.intents import HandlerError, Intent
from handlers.messages import Button, Card, Outcome, Part, Reply, Text
from handlers.turn import Person, Turn
from knowledge.drafts import Draft, Drafts, Recipient
from knowledge.greetings import day_word
from knowledge.weather import Forecast, Place, WeatherSource, WeatherUnavailable, advice

TITLE = "{city} · {day}天气"
SAMPLE_MARK = "（示例天气）"
SAMPLE_FOOT = "示例天气，不是真实预报；接上彩云天气后自动换成真的。"
FOOT = "{source} · {time} 更新"
STALE_FOOT = "{source} · {time} 的旧数据，天气服务暂时没有更新"
DOWN = "{city}的天气暂时查不到：{reason}。\n生日祝福、节日祝福和任务照常可用，过一会儿再问天气就好。"
NO_STORE = "您还没有分配门店，请管理员绑定后再问天气。"
WHICH_CITY = "您负责 {count} 个城市的门店，要看哪个城市的？"
SUGGESTION = "{city}{day}天气"
NOT_OURS = "您负责的门店里没有这个城市。"
DRAFT_HEAD = "发给顾客：{text}"
ADVICE_HEAD = "今天注意："
ADVICE_HEAD_LATER = "{day}注意："
AGAIN = "换一条"
CITIES_AT_ONCE = 2
SUGGESTED = 3
NOT_READ = "没看懂{words}。天气只有您门店所在城市的，今天、明天和后天三天，先看这个："
# What may stand in a question about the weather; two characters or more beside it name another place or day.
_READ = re.compile(
    "天气预报|天气|预报|提醒|注意事项|注意|今天|今日|今晚|明天|明日|明早|明晚|(?<!大)后天|现在|早上|上午|中午|下午|晚上|情况|咱们|我们|你们"
    "|门店|店里|店铺|这里|这边|这儿|外面|外边|顾客|客人|客户|会员|大家|告诉|发给|发个|发一条|写个|写一个|写一条|写一段|来个|来一条|生成"
    "|帮我|帮忙|麻烦|请问|看看|看一下|看下|查查|查一下|查下|查询|说说|怎么样|怎样|如何|咋样|怎么|多少|什么|几度|有没有|会不会|是不是"
    "|要不要|需要|需不需要|应该|适合|出门|可能|可以|下雨|下雪|带伞|雨伞|气温|温度|湿度|冷不冷|热不热|降温|升温|刮风|风大|大风|台风|雾霾"
    "|空气质量|空气|穿搭|穿衣|衣服|文案|短信|一条|一下|谢谢|你好|您好|[的给请要会吗呢吧啊呀了么很冷热雨雪风伞穿度有还我看查写发问店]|(?<![两几后])天"
)
_LEFT = re.compile(r"[\u4e00-\u9fff]{2,}")


@dataclass(frozen=True, slots=True)
class WeatherHandler:
    """Tells the weather at the person's shop with advice and a line for customers."""

    database: Database
    source: WeatherSource
    drafts: Drafts
    intent: ClassVar[Intent] = Intent(
        "weather",
        strong=re.compile(
            r"天气|下雨|下雪|有雨|有雪|带伞|雨伞|气温|几度|多少度|冷不冷|热不热|降温|升温|刮风|台风|雾霾|空气质量|穿什么"
        ),
        actions=frozenset({"weather.again"}),
        example="今天天气提醒",
    )

    async def __call__(self, turn: Turn) -> Reply:
        """Return a card for each city asked about, or the question which city."""
        stores = await self._stores(turn.person)
        if not stores:
            raise HandlerError(NO_STORE, "weather")
        if turn.pressed is not None:
            return await self._next_draft(turn, stores, turn.pressed.value)
        day = day_asked(turn.text, turn.now.date())
        chosen = _named(turn.text, stores) or _one_per_city(stores)
        if len(chosen) > CITIES_AT_ONCE:
            return _ask_city(chosen, day_word(day, turn.now.date()))
        return await self._tell(turn, chosen, day)

    async def _stores(self, person: Person) -> Sequence[Store]:
        query = select(Store).where(Store.tenant_id == person.tenant_id, Store.id.in_(person.store_ids))
        async with self.database.read() as session:
            return (await session.scalars(query.order_by(Store.id))).all()

    async def _tell(self, turn: Turn, stores: Sequence[Store], day: date) -> Reply:
        parts: list[Part] = [*_not_read(turn.text, stores)]
        rows: list[list[Any]] = []
        for store in stores:
            forecast = await self._forecast(turn, store, day)
            parts.append(await self._card(turn, store, forecast, 0))
            rows.append([store.city, day.isoformat(), forecast.sky.value, forecast.low, forecast.high])
        report = {"columns": ["城市", "日期", "天气", "最低", "最高"], "rows": rows}
        return Reply("weather", tuple(parts), outcome=Outcome(report=report))

    async def _forecast(self, turn: Turn, store: Store, day: date) -> Forecast:
        try:
            with turn.trace.step("run_sql"):
                return await self.source.forecast(place_of(store), day)
        except WeatherUnavailable as error:
            raise HandlerError(DOWN.format(city=store.city, reason=error), "weather") from error

    async def _next_draft(self, turn: Turn, stores: Sequence[Store], value: Mapping[str, Any]) -> Reply:
        store = next((s for s in stores if s.id == value["store_id"]), None)
        if store is None:
            raise HandlerError(NOT_OURS, "weather")
        forecast = await self._forecast(turn, store, date.fromisoformat(value["day"]))
        return Reply("weather", card=await self._card(turn, store, forecast, int(value["again"])))

    async def _card(self, turn: Turn, store: Store, forecast: Forecast, again: int) -> Card:
        today = turn.now.date()
        with turn.trace.step("compose"):
            draft = await self.drafts.weather(Recipient(turn.person.staff_id), forecast, today, again)
        value = {"store_id": store.id, "day": forecast.day.isoformat(), "again": again + 1}
        title = TITLE.format(city=store.city, day=day_word(forecast.day, today))
        return Card(
            "weather",
            title + (SAMPLE_MARK if forecast.sample else ""),
            text=_text(draft, forecast, today),
            fields=figures(forecast),
            buttons=(Button("again", AGAIN, "weather.again", value),),
            footer=source_words(forecast, turn),
        )


def place_of(store: Store) -> Place:
    """Return where the store is, as weather services ask for it."""
    return Place(store.adcode, store.city, store.lat, store.lon)


def figures(forecast: Forecast) -> tuple[tuple[str, str], ...]:
    """Return the forecast as short fields; what the source did not tell is left out."""
    rows = (
        ("天气", forecast.sky.value),
        ("气温", f"{forecast.low} ~ {forecast.high}℃"),
        ("降水概率", "" if forecast.rain_probability is None else f"{forecast.rain_probability}%"),
        ("风力", "" if forecast.wind is None else f"{forecast.wind} 级"),
        ("空气指数", "" if forecast.aqi is None else str(forecast.aqi)),
    )
    return tuple((name, value) for name, value in rows if value)


def source_words(forecast: Forecast, turn: Turn) -> str:
    """Say where the figures come from and how old they are."""
    if forecast.sample:
        return SAMPLE_FOOT
    seen = forecast.observed_at.astimezone(turn.now.tzinfo)
    return (STALE_FOOT if forecast.stale else FOOT).format(source=forecast.source, time=f"{seen:%m-%d %H:%M}")


def day_asked(text: str, today: date) -> date:
    """Return the day a question is about; today when it names none."""
    ahead = 2 if "后天" in text else 1 if "明天" in text or "明早" in text else 0
    return today + timedelta(days=ahead)


def _text(draft: Draft, forecast: Forecast, today: date) -> str:
    head = ADVICE_HEAD if forecast.day == today else ADVICE_HEAD_LATER.format(day=day_word(forecast.day, today))
    return "\n".join([DRAFT_HEAD.format(text=draft.text), "", head, *(f"- {line}" for line in advice(forecast))])


def _named(text: str, stores: Sequence[Store]) -> list[Store]:
    """Return the stores a question names, by name or city; one of each city."""
    by_name = [store for store in stores if store.name in text]
    return by_name or _one_per_city([store for store in stores if store.city.removesuffix("市") in text])


def _not_read(text: str, stores: Sequence[Store]) -> Iterator[Text]:
    """Yield one line naming the words that were not taken in: another city, another day."""
    for store in stores:
        city = store.city.removesuffix("市")
        local = store.name.removeprefix(city).removesuffix("店")
        for name in filter(None, (store.name, local, f"{city}市", city)):
            text = text.replace(name, " ")
    left = _LEFT.findall(_READ.sub(" ", text))
    if left:
        yield Text(NOT_READ.format(words="、".join(f"「{words}」" for words in left)))


def _one_per_city(stores: Sequence[Store]) -> list[Store]:
    return list({store.adcode[:4]: store for store in reversed(stores)}.values())[::-1]


def _ask_city(stores: Sequence[Store], day: str) -> Reply:
    suggestions = [SUGGESTION.format(city=store.city, day=day) for store in stores[:SUGGESTED]]
    lines = [WHICH_CITY.format(count=len(stores)), *(f"{n}. {words}" for n, words in enumerate(suggestions, 1))]
    reply = Reply.say("weather", "\n".join(lines))
    return Reply(reply.intent, reply.parts, remember={"suggestions": suggestions})
