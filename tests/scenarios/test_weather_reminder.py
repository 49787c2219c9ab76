from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from db.models import Store
from handlers.intents import HandlerError
from handlers.messages import Card, Text
from handlers.weather import WeatherHandler
from knowledge.drafts import Drafts
from knowledge.weather_cache import CachedWeather
from knowledge.weather_caiyun import CaiyunWeather
from knowledge.weather_sample import SampleWeather
from tests.daily_rows import CLERK, HQ, card_in, press, press_value, say, small_sqlite
from tests.fakes.weather import TOKEN, FakeCaiyun, fake_caiyun


def clock() -> datetime:
    return datetime(2026, 11, 21, 2, 30, tzinfo=UTC)


@pytest.fixture
async def caiyun() -> AsyncIterator[FakeCaiyun]:
    async with fake_caiyun() as fake:
        yield fake


@pytest.fixture
async def weather(tmp_path: Path, caiyun: FakeCaiyun) -> AsyncIterator[WeatherHandler]:
    source = CachedWeather(CaiyunWeather(TOKEN, base_url=caiyun.base_url, timeout_seconds=1), clock)
    async with small_sqlite(tmp_path) as database:
        async with database.write() as session:
            (await session.get_one(Store, 2)).adcode = "330106"
        yield WeatherHandler(database, source, Drafts())
    await source.close()


async def test_the_clerk_gets_figures_advice_and_a_line_for_customers(weather: WeatherHandler) -> None:
    card = card_in((await weather(say("今天天气提醒"))).parts)
    assert card.title == "上海 · 今天天气"
    assert dict(card.fields) == {
        "天气": "小雨",
        "气温": "8 ~ 13℃",
        "降水概率": "80%",
        "风力": "4 级",
        "空气指数": "62",
    }
    assert "发给顾客：" in card.text
    assert "预警：上海市气象台发布大风蓝色预警" in card.text
    assert "带伞" in card.text
    assert "门店：" in card.text
    assert card.footer.startswith("彩云天气 · ")


async def test_tomorrow_is_another_day_of_the_same_call(weather: WeatherHandler, caiyun: FakeCaiyun) -> None:
    await weather(say("今天天气提醒"))
    card = card_in((await weather(say("明天会下雨吗"))).parts)
    assert card.title == "上海 · 明天天气"
    assert "明天" in card.text
    assert "预警" not in card.text
    assert len(caiyun.calls) == 1


async def test_another_line_on_the_same_card(weather: WeatherHandler) -> None:
    card = card_in((await weather(say("今天天气提醒"))).parts)
    reply = await weather(press(card, "again"))
    assert reply.card is not None
    assert reply.card.text != card.text
    assert reply.card.fields == card.fields


async def test_a_service_that_is_down_is_said_clearly(weather: WeatherHandler, caiyun: FakeCaiyun) -> None:
    caiyun.failure = "500"
    with pytest.raises(
        HandlerError, match="上海的天气暂时查不到：天气服务没有应答。\n生日祝福、节日祝福和任务照常可用"
    ) as error:
        await weather(say("今天天气提醒"))
    assert error.value.intent == "weather"
    assert TOKEN not in str(error.value)


async def test_sample_figures_are_marked(weather: WeatherHandler) -> None:
    sample = WeatherHandler(weather.database, SampleWeather(), Drafts())
    card = card_in((await sample(say("今天天气提醒"))).parts)
    assert card.title == "上海 · 今天天气（示例天气）"
    assert "不是真实预报" in card.footer


async def test_two_cities_are_told_both(weather: WeatherHandler) -> None:
    parts = (await weather(say("今天天气提醒", HQ))).parts
    assert [part.title for part in parts if isinstance(part, Card)] == ["上海 · 今天天气", "杭州 · 今天天气"]


async def test_the_city_that_is_named_is_taken(weather: WeatherHandler) -> None:
    assert card_in((await weather(say("杭州明天天气", HQ))).parts).title == "杭州 · 明天天气"


async def test_many_cities_are_asked_about_with_suggestions_that_work(weather: WeatherHandler) -> None:
    async with weather.database.write() as session:
        for number, city in ((3, "成都"), (4, "西安")):
            session.add(
                Store(id=number, tenant_id=1, name=f"{city}店", city=city, adcode=f"5{number}0104", lat=30.6, lon=104.0)
            )
    everywhere = HQ.__class__(3, 1, "总部丙", "hq", (1, 2, 3, 4))
    reply = await weather(say("今天天气提醒", everywhere))
    [text] = reply.parts
    assert isinstance(text, Text)
    assert "您负责 4 个城市" in text.text
    assert reply.remember["suggestions"] == ["上海今天天气", "杭州今天天气", "成都今天天气"]
    assert card_in((await weather(say("成都今天天气", everywhere))).parts).title == "成都 · 今天天气"


async def test_a_press_for_a_store_that_is_not_theirs_is_refused(weather: WeatherHandler) -> None:
    turn = press_value(Card("weather", "t"), "weather.again", {"store_id": 2, "day": "2026-11-21", "again": 1})
    with pytest.raises(HandlerError):
        await weather(turn)


async def test_a_person_without_a_store(weather: WeatherHandler) -> None:
    nobody = CLERK.__class__(9, 1, "新人", "clerk", ())
    with pytest.raises(HandlerError, match="还没有分配门店"):
        await weather(say("今天天气提醒", nobody))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("北京天气", "北京"),
        ("纽约今天天气怎么样", "纽约"),
        ("下周天气", "下周"),
        ("大后天天气", "大后天"),
        ("这两天天气", "这两天"),
    ],
)
async def test_a_place_or_day_it_cannot_tell_is_named(weather: WeatherHandler, text: str, words: str) -> None:
    note, card = (await weather(say(text))).parts
    assert isinstance(note, Text)
    assert note.text.startswith(f"没看懂「{words}」")
    assert isinstance(card, Card)


@pytest.mark.parametrize(
    "text",
    [
        "今天天气提醒",
        "明天要不要带伞",
        "今天冷不冷，穿什么",
        "上海一店天气",
        "一店后天天气",
        "帮我写一条今天的天气提醒发给顾客",
    ],
)
async def test_everyday_questions_are_answered_without_a_remark(weather: WeatherHandler, text: str) -> None:
    assert len((await weather(say(text))).parts) == 1
