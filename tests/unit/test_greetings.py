from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from itertools import product

import pytest

from knowledge.almanac import NAMES, Festival, festivals_of
from knowledge.drafts import Drafts, Recipient, WriterFailed, bought_thing
from knowledge.greetings import (
    Seed,
    birthday_text,
    coprime,
    festival_text,
    lead_words,
    library,
    spoken_likes,
    weather_text,
)
from knowledge.weather import Forecast, Sky, WeatherKind, kind_of
from knowledge.wording_checks import Facts, check

TODAY = date(2026, 11, 21)
WANG = Recipient(1024, "王女士", "金卡", "羊绒")
PEOPLE = [
    ("王女士", "金卡", "羊绒", ""),
    ("李先生", "普通", "", ""),
    ("欧阳女士", "钻石", "连衣裙", "羊绒大衣"),
    ("赵敏", "银卡", "", "真丝围巾"),
    ("Alexandra-Konstantinopoulou Ng", "金卡", "羽绒服", ""),
    ("", "", "", ""),
]
BASE = Forecast("乌鲁木齐", TODAY, Sky.CLEAR, 15, 22, 10, 2, 50, (), datetime(2026, 11, 21, tzinfo=UTC), "彩云天气")
WEATHERS = [
    replace(BASE, **changes)
    for changes in (
        {},
        {"sky": Sky.OVERCAST, "rain_probability": None},
        {"sky": Sky.STORM, "rain_probability": 95},
        {"sky": Sky.PARTLY_CLOUDY, "rain_probability": 60},
        {"sky": Sky.LIGHT_RAIN, "rain_probability": None},
        {"sky": Sky.HEAVY_SNOW, "low": -21, "high": -14},
        {"low": 27, "high": 38},
        {"low": -12, "high": -4},
        {"low": -1, "high": 6},
        {"sky": Sky.WIND, "wind": 8},
        {"sky": Sky.HAZE, "aqi": 250},
        {"sky": Sky.DUST},
        {"sky": Sky.FOG},
    )
]


def every_festival() -> Iterator[Festival]:
    return (festival for festival in festivals_of(2026) if festival.wish)


def test_the_library_is_large_enough() -> None:
    shelf = library()
    assert len(shelf.openings) >= 12
    assert len(shelf.wishes) >= 12
    assert len(shelf.closings) >= 12
    assert all(len(shelf.weather[kind.value]) >= 3 for kind in WeatherKind)
    assert {f.name for f in every_festival()} - set(shelf.named) == set()
    assert all(len(lines) >= 2 for lines in shelf.named.values())
    assert set(shelf.named) <= NAMES
    assert len(shelf.holiday["generic"]) >= 2


@pytest.mark.parametrize(("address", "level", "preference", "bought"), PEOPLE)
def test_every_birthday_text_passes_the_checks(address: str, level: str, preference: str, bought: str) -> None:
    facts = Facts(address=address, days=(TODAY,))
    for number in range(400):  # the walk visits every piece
        text = birthday_text(Seed(7, TODAY, number), facts, level=level, preference=preference, bought=bought)
        assert not check(text, facts), text


@pytest.mark.parametrize("address", ["", "欧阳女士"])
def test_every_weather_text_passes_the_checks(address: str) -> None:
    assert {kind_of(forecast) for forecast in WEATHERS} == set(WeatherKind)
    for forecast, ahead, number in product(WEATHERS, range(4), range(12)):
        facts = Facts(address=address, days=(TODAY,), forecast=forecast)
        text = weather_text(Seed(3, TODAY, number), facts, forecast, TODAY - timedelta(days=ahead))
        # Three days ahead the text names the date, which is a fact.
        assert not check(text, facts), text


@pytest.mark.parametrize("address", ["", "欧阳女士"])
def test_every_festival_text_passes_the_checks(address: str) -> None:
    for festival, ahead, number in product(every_festival(), (0, 1, 5), range(40)):
        facts = Facts(address, festival.name, festival.wish, (festival.day,))
        text = festival_text(Seed(3, TODAY, number), facts, festival, festival.day - timedelta(days=ahead))
        assert not check(text, facts), text


def test_the_same_day_gives_the_same_text_and_another_one_is_another() -> None:
    facts = Facts(address="王女士")
    texts = [birthday_text(Seed(1024, TODAY, n), facts, level="金卡") for n in (0, 0, *range(1, 100))]
    assert texts[0] == texts[1]
    assert len(set(texts[1:])) == 100


def test_last_years_text_does_not_come_back() -> None:
    facts = Facts(address="王女士")
    for member_id in range(1, 400):
        years = {birthday_text(Seed(member_id, date(year, 11, 21)), facts) for year in (2024, 2025, 2026, 2027)}
        assert len(years) == 4


def test_two_hundred_members_rarely_get_the_same_text() -> None:
    facts = Facts(address="王女士")
    texts = {birthday_text(Seed(member_id, TODAY), facts, level="金卡") for member_id in range(5, 3005, 15)}
    assert len(texts) >= 196


@pytest.mark.parametrize("count", [1, 2, 6, 12, 97, 2912])
def test_a_step_reaches_every_number(count: int) -> None:
    step = coprime(count, 0.618)
    assert len({n * step % count for n in range(count)}) == count


def test_how_near_a_festival_is() -> None:
    festival = Festival("中秋节", date(2026, 9, 25), "statutory", greeting_allowed=True)
    words = [lead_words(festival, festival.day - timedelta(days=n)) for n in (0, 1, 2, 5, 90)]
    assert words == ["今天是中秋节", "明天就是中秋节", "后天就是中秋节", "中秋节快到了", "中秋节到了"]


@pytest.mark.parametrize(
    ("words", "thing"),
    [
        ("她刚买了羊绒大衣", "羊绒大衣"),
        ("上周入手了一件真丝连衣裙，很喜欢", "真丝连衣裙"),
        ("她升职了", ""),
        ("买了3折券", ""),
        ("", ""),
    ],
)
def test_what_was_bought_is_read_from_the_clerks_words(words: str, thing: str) -> None:
    assert bought_thing(words) == thing


def test_what_the_record_says_of_size_and_thrift_is_not_spoken_of() -> None:
    assert spoken_likes(["大码", "羊绒", "小个子", "折扣敏感", "商务", "新品优先"]) == ["羊绒", "商务款"]
    assert spoken_likes(["大码"]) == []


async def test_the_clerks_words_find_their_place_or_are_said_to_be_missing() -> None:
    told = await Drafts().birthday(WANG, TODAY, extra="她刚买了羊绒大衣")
    assert "羊绒大衣" in told.text
    assert told.note == ""
    missing = await Drafts().birthday(WANG, TODAY, extra="她升职了")
    assert "请按需添上" in missing.note


async def test_what_the_clerk_says_cannot_smuggle_in_a_forbidden_word() -> None:
    draft = await Drafts().birthday(WANG, TODAY, extra="她刚买了最好的优惠大衣")
    assert not check(draft.text, Facts(address="王女士"))


@dataclass(frozen=True, slots=True)
class Written:
    text: str


@dataclass(slots=True)
class ScriptedWriter:
    """Answers with its texts in turn; an exception among them is raised."""

    answers: list[str | Exception]
    seen: list[tuple[str, object]] = field(default_factory=list)

    async def complete(self, system: str, data: object, *, max_chars: int) -> Written:
        self.seen.append((system, data))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return Written(answer)


async def test_a_model_text_that_keeps_to_the_facts_is_used() -> None:
    writer = ScriptedWriter(["「王女士，生日快乐，愿您天天开心。」"])
    draft = await Drafts(writer).birthday(WANG, TODAY)
    assert (draft.source, draft.text) == ("model", "王女士，生日快乐，愿您天天开心。")


@pytest.mark.parametrize(
    "answer",
    [
        "李女士，生日快乐",
        "王女士，生日快乐，今天全场八折",
        "王女士，您是最美的",
        "王女士，送您一张优惠券 https://x.cn",
        "王女士，祝您40岁生日快乐",
        "",
        WriterFailed("timeout"),
    ],
)
async def test_a_model_that_lies_or_fails_is_replaced_by_the_template(answer: str | Exception) -> None:
    draft = await Drafts(ScriptedWriter([answer])).birthday(WANG, TODAY)
    assert draft.source == "template"
    assert draft.text == (await Drafts().birthday(WANG, TODAY)).text


async def test_the_model_is_shown_no_number_of_the_member() -> None:
    writer = ScriptedWriter(["王女士，生日快乐"])
    await Drafts(writer).birthday(WANG, TODAY, extra="她刚买了羊绒大衣，电话 138-1234-5678")
    [(_, data)] = writer.seen
    assert isinstance(data, dict)
    assert data["who"] == "王女士"
    assert "1024" not in str(data)
    assert data["clerk_words"] == "她刚买了羊绒大衣，电话 ***"
