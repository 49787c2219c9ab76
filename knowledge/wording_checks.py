"""What may not stand in a text to a customer, whoever wrote it: one function per rule over text and facts.

A text may speak of its facts and of nothing else: a name, a date, a figure, a discount or a promise that is not
among them was invented. The forbidden words follow article 9 of the Advertising Law (广告法) and the lists the
market regulators publish for it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Literal

from knowledge.address_terms import COMPOUND_SURNAMES, SURNAMES
from knowledge.weather import Forecast

ProblemKind = Literal[
    "empty", "length", "forbidden", "name", "phone", "link", "promise", "weather", "taboo", "date", "age", "slot"
]
MAX_CHARS = 60


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything a text may speak of.

    `address` is how the customer is addressed and must appear when it is set; `festival` and `wish` come from the
    almanac; `said` holds words of the clerk or of a record that may be repeated, such as an offer that exists.
    """

    address: str = ""
    festival: str = ""
    wish: str = ""
    days: tuple[date, ...] = ()
    forecast: Forecast | None = None
    said: str = ""
    max_chars: int = MAX_CHARS


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a text: where it is, and what could stand there instead."""

    kind: ProblemKind
    found: str
    replacement: str = ""


FORBIDDEN = {
    "国家级": "",
    "世界级": "",
    "最高级": "高级",
    "最佳": "出色",
    "最好": "很好",
    "最优": "优质",
    "最新款": "新款",
    "最便宜": "实惠",
    "最低价": "实惠价",
    "最低": "实惠",
    "最高": "很高",
    "最大": "很大",
    "最强": "很强",
    "最时尚": "时尚",
    "最美": "很美",
    "最流行": "流行",
    "最受欢迎": "受欢迎",
    "第一品牌": "品牌",
    "全国第一": "",
    "全网第一": "",
    "销量第一": "很受欢迎",
    "全网最低": "实惠",
    "史上": "",
    "顶级": "上乘",
    "顶尖": "出色",
    "极品": "好物",
    "极致": "用心",
    "绝佳": "很好",
    "绝无仅有": "难得",
    "独一无二": "别致",
    "独家": "",
    "唯一": "难得",
    "首选": "好选择",
    "王牌": "招牌",
    "冠军": "",
    "领袖品牌": "品牌",
    "万能": "百搭",
    "永久": "长久",
    "百分之百": "",
    "100%": "",
    "零风险": "",
    "秒杀": "",
    "抢疯": "",
    "空前绝后": "难得",
    "史无前例": "难得",
    "前所未有": "难得",
    "特效": "",
    "根治": "",
    "驻颜": "",
}
# The listed words, longest first; then 最 unless these follow, which make no superlative of the goods; then 第一.
_ABSOLUTE = re.compile(
    "|".join(map(re.escape, sorted(FORBIDDEN, key=len, reverse=True)))
    + r"|最(?!近|后|初|爱|想|终|亲|起码)[\u4e00-\u9fff]|第一(?!时间|次|天|眼|件|步|个|句|位)|NO\.?\s*1|TOP\s*1",
    re.IGNORECASE,
)
_PHONE = re.compile(
    r"(?<!\d)(?:1[3-9]\d[\s-]?\d{4}[\s-]?\d{4}|0\d{2,3}[\s-]?\d{7,8}|[48]00[\s-]?\d{3,4}[\s-]?\d{3,4})(?!\d)"
)
_LINK = re.compile(
    r"https?:|www\.|[a-z0-9-]+\.(?:com|cn|net|org|top|shop|vip|cc|io|xyz|link|me)\b|[a-z0-9._-]+@[a-z0-9-]+\.|t\.cn|二维码",
    re.IGNORECASE,
)
_DIGIT = r"[\d一二两三四五六七八九十百千万几]"
_PROMISE = re.compile(
    rf"[¥￥$]\s*\d[\d,.]*|{_DIGIT}[\d,.]*\s*(?:元(?!复始)|块钱|块|万元|美元)|{_DIGIT}[.\d]*折|满{_DIGIT}+\S{{0,3}}减{_DIGIT}*"
    r"|\d[\d.]*%(?:优惠|折扣|off)?|折扣|打折|半价|特价|立减|直减|满减|清仓|促销|优惠|免费|包邮|免单|买一送一|第二件"
    r"|赠送|赠品|送您(?:一份|一个|一张|礼|券|小|大|精)|(?:礼物|礼品|好礼|豪礼|礼包|礼券|礼金|红包|代金券|优惠券|抵用券|现金券|生日券|积分|双倍)"
    r"|返现|返利|中奖|抽奖|保证|承诺|包退|包换|无理由|假一赔|限量|限时|仅剩|库存|最后\d+件|现货",
    re.IGNORECASE,
)
_DEGREES = re.compile(r"(零下|负|-)?\s*(\d{1,3})(?:\s*(?:到|至|~|—|-)\s*(零下|负|-)?\s*(\d{1,3}))?\s*(?:℃|°C|度)")
_PERCENT = re.compile(r"(\d{1,3})\s*%")
_WIND = re.compile(r"(\d{1,2})(?:\s*(?:到|至|~|-)\s*(\d{1,2}))?\s*级")
_DATE = re.compile(r"(\d{1,2})月(\d{1,2})[日号]")
_AGE = re.compile(r"\d{1,3}\s*(?:周?岁|大寿)")
_RAIN, _SNOW = re.compile(r"雨|带伞"), re.compile(r"雪")
_TITLE = re.compile(r"女士|先生|小姐|太太|阿姨|叔叔|大姐|大哥")
_SALUTATION = re.compile(r"^(?:亲爱的|尊敬的)?([\u4e00-\u9fff]{2,4}?)(?:您好|你好|[，,！!：:])")
_SLOT = re.compile(r"[{}]|\[[^\]]*\]|【[^】]*】|<[^>]*>")
HAPPY = "快乐"


def check(text: str, facts: Facts) -> list[Problem]:
    """Return everything wrong with the text; an empty list means that it may be sent."""
    plain = _plain(text)
    return [problem for rule in RULES for problem in rule(plain, facts)]


def _plain(text: str) -> str:
    """Undo full-width digits and drop invisible characters, which would hide a number or a word from the rules."""
    return "".join(c for c in unicodedata.normalize("NFKC", text) if unicodedata.category(c) != "Cf")


def _shape(text: str, facts: Facts) -> Iterator[Problem]:
    if not text.strip():
        yield Problem("empty", "")
    if len(text) > facts.max_chars:
        yield Problem("length", str(len(text)))
    for found in _SLOT.finditer(text):
        yield Problem("slot", found[0])


def _forbidden(text: str, facts: Facts) -> Iterator[Problem]:
    for found in _ABSOLUTE.finditer(text):
        if not (found[0] == "100%" and _is_rain(facts, 100)):
            yield Problem("forbidden", found[0], FORBIDDEN.get(found[0], ""))


def _name(text: str, facts: Facts) -> Iterator[Problem]:
    """The right form of address must be there, and no other surname with a title, nor another name in front."""
    if facts.address and facts.address not in text:
        yield Problem("name", "", facts.address)
    for found in _TITLE.finditer(text):
        before = text[: found.start()]
        surname = before[-2:] if before[-2:] in COMPOUND_SURNAMES else before[-1:]
        if (surname in SURNAMES or surname in COMPOUND_SURNAMES) and f"{surname}{found[0]}" != facts.address:
            yield Problem("name", f"{surname}{found[0]}", facts.address)
    head = _SALUTATION.match(text)
    if head and facts.address and head[1][0] in SURNAMES and not _belongs(head[1], facts):
        yield Problem("name", head[1], facts.address)


def _belongs(head: str, facts: Facts) -> bool:
    """Whether the opening words are the address itself, or ordinary words that only begin like a surname."""
    return head in facts.address or facts.address in head or len(head) > 3 or head in _PLAIN_OPENINGS.split()


_PLAIN_OPENINGS = "祝您 祝福 祝愿 时光 时间 路滑 路上 安康 平安 高兴 幸会 温馨 和您 元旦 全家 黄昏 云淡 成长"


def _contact(text: str, facts: Facts) -> Iterator[Problem]:
    yield from (Problem("phone", found[0]) for found in _PHONE.finditer(text))
    yield from (Problem("link", found[0]) for found in _LINK.finditer(text))


def _promise(text: str, facts: Facts) -> Iterator[Problem]:
    """An amount, a discount, a gift, a guarantee: allowed only in the words in which it was given to us."""
    said = _plain(facts.said)
    for found in _PROMISE.finditer(text):
        percent = _PERCENT.fullmatch(found[0])
        if found[0] not in said and not (percent and _is_rain(facts, int(percent[1]))):
            yield Problem("promise", found[0])


def _weather(text: str, facts: Facts) -> Iterator[Problem]:
    """Degrees, wind and rain must be those of the forecast; without a forecast there are none."""
    forecast = facts.forecast
    degrees = {forecast.low, forecast.high} if forecast else set()
    for found in _DEGREES.finditer(text):
        if not set(_signed(found)) <= degrees:
            yield Problem("weather", found[0])
    winds = {forecast.wind} if forecast else set()
    for found in _WIND.finditer(text):
        if not {int(number) for number in found.groups() if number} <= winds:
            yield Problem("weather", found[0])
    if forecast is not None:
        yield from _sky(text.replace(facts.festival, "") if facts.festival else text, forecast)


def _signed(found: re.Match[str]) -> Iterator[int]:
    """Yield the degrees of 「-3到5度」 with their signs."""
    for sign, number in ((found[1], found[2]), (found[3], found[4])):
        if number:
            yield -int(number) if sign else int(number)


def _sky(text: str, forecast: Forecast) -> Iterator[Problem]:
    for pattern, holds in ((_RAIN, forecast.wet), (_SNOW, forecast.snowy)):
        found = pattern.search(text)
        if found and not holds:
            yield Problem("weather", found[0])


def _is_rain(facts: Facts, percent: int) -> bool:
    return facts.forecast is not None and facts.forecast.rain_probability == percent


def _calendar(text: str, facts: Facts) -> Iterator[Problem]:
    known = {(day.month, day.day) for day in facts.days}
    for found in _DATE.finditer(text):
        if (int(found[1]), int(found[2])) not in known:
            yield Problem("date", found[0])
    yield from (Problem("age", found[0]) for found in _AGE.finditer(text))


def _taboo(text: str, facts: Facts) -> Iterator[Problem]:
    if facts.festival and facts.wish != HAPPY and HAPPY in text:
        yield Problem("taboo", HAPPY, facts.wish)


RULES = (_shape, _forbidden, _name, _contact, _promise, _weather, _calendar, _taboo)
