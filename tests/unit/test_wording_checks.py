from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from knowledge.weather import Forecast, Sky
from knowledge.wording_checks import Facts, check

TODAY = date(2026, 11, 21)
RAINY = Forecast("上海", TODAY, Sky.LIGHT_RAIN, -3, 8, 80, 4, 62, (), datetime(2026, 11, 21, tzinfo=UTC), "彩云天气")
WANG = Facts(address="王女士", days=(TODAY,))


def kinds(text: str, facts: Facts = Facts()) -> set[str]:  # noqa: B008 - frozen
    return {problem.kind for problem in check(text, facts)}


@pytest.mark.parametrize(
    "text",
    [
        "这是最好的羊绒",
        "全国第一",
        "顶级品质",
        "国家级工艺",
        "最时尚的款式",
        "独一无二的您",
        "史上超值",
        "100%纯羊绒",
        "NO.1 之选",
        "首选好物",
        "最\u200b好的礼遇",
    ],
)
def test_absolute_words_are_forbidden(text: str) -> None:
    assert "forbidden" in kinds(text)


@pytest.mark.parametrize("text", ["最近好吗", "第一时间告诉您", "您最爱的颜色", "最后祝您开心", "第一次见您"])
def test_ordinary_words_are_not(text: str) -> None:
    assert kinds(text) == set()


def test_a_forbidden_word_comes_with_a_replacement() -> None:
    [problem] = check("这是最佳搭配", Facts())
    assert (problem.found, problem.replacement) == ("最佳", "出色")


@pytest.mark.parametrize(
    "text",
    [
        "李女士，生日快乐",
        "王先生，生日快乐",
        "生日快乐",
        "张芳，生日快乐，王女士",
        "王女士，代问李先生好",
        "欧阳女士，生日快乐",
    ],
)
def test_a_wrong_or_missing_name_is_found(text: str) -> None:
    assert "name" in kinds(text, WANG)


def test_a_compound_surname_is_one_name() -> None:
    assert kinds("欧阳女士，生日快乐", replace(WANG, address="欧阳女士")) == set()
    assert "name" in kinds("欧阳女士，生日快乐", replace(WANG, address="阳女士"))


def test_the_right_name_passes_anywhere_in_the_text() -> None:
    assert kinds("亲爱的王女士，生日快乐", WANG) == set()
    assert kinds("祝王女士生日快乐，愿女士们都开心", WANG) == set()


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("电话13812345678", "phone"),
        ("电话１３８１２３４５６７８", "phone"),
        ("拨打 400-820-8820", "phone"),
        ("座机021-61234567", "phone"),
        ("看 https://a.cn/x", "link"),
        ("看 shop.example.com", "link"),
        ("扫二维码", "link"),
        ("给您打八折", "promise"),
        ("立减100元", "promise"),
        ("满300减50", "promise"),
        ("送您一份小礼物", "promise"),
        ("优惠券给您留着", "promise"),
        ("¥199 就能带走", "promise"),
        ("5%返现", "promise"),
        ("仅剩两件", "promise"),
        ("保证您满意", "promise"),
        ("祝您30岁生日快乐", "age"),
        ("12月3日见", "date"),
        ("亲爱的{who}", "slot"),
        ("【姓名】您好", "slot"),
        ("   ", "empty"),
        ("好" * 61, "length"),
    ],
)
def test_what_was_invented_is_found(text: str, kind: str) -> None:
    assert kind in kinds(text)


def test_an_offer_that_exists_may_be_repeated_in_its_own_words() -> None:
    facts = Facts(said="老客券：满300减50，11月21日起", days=(TODAY,))
    assert kinds("满300减50，11月21日见", facts) == set()
    assert "promise" in kinds("满300减80", facts)


@pytest.mark.parametrize("text", ["上海零下3到8度，有雨", "-3~8℃", "降水概率80%", "风力4级"])
def test_figures_of_the_forecast_pass(text: str) -> None:
    assert kinds(text, Facts(forecast=RAINY)) == set()


@pytest.mark.parametrize("text", ["3到8度", "最高18度", "降水概率30%", "风力7级", "下雪了"])
def test_other_figures_do_not(text: str) -> None:
    assert kinds(text, Facts(forecast=RAINY)) & {"weather", "promise", "forbidden"}


def test_degrees_without_a_forecast_were_invented() -> None:
    assert "weather" in kinds("今天20度")


def test_rain_is_not_spoken_of_on_a_dry_day_but_the_festival_may_be_named_after_it() -> None:
    dry = replace(RAINY, sky=Sky.CLEAR, rain_probability=5)
    assert "weather" in kinds("今天有雨", Facts(forecast=dry))
    assert kinds("今天是谷雨", Facts(forecast=dry, festival="谷雨", wish="安康")) == set()


def test_joy_is_not_wished_on_a_day_of_mourning() -> None:
    facts = Facts(festival="清明节", wish="安康")
    assert kinds("清明节快乐", facts) == {"taboo"}
    assert kinds("清明安康", facts) == set()
