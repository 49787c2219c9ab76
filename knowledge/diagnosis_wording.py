"""A diagnosis in Chinese sentences, each with the numbers it rests on and marked (data)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

from knowledge.catalogue import Catalogue, Metric
from knowledge.diagnosis import Diagnosis
from knowledge.evidence import Finding
from knowledge.wording import number_text, points

CHANGED = "{title}{way}：{label}（{dates}）{now}，之前（{dates_before}）{before}，{change} (data)"
SAME = "{title}没有变化：{label}（{dates}）和之前（{dates_before}）都是 {now} (data)"
USUAL = "和前 {windows} 个同样长的时段比，这个变化在正常波动内 (data)"
UNUSUAL = "和前 {windows} 个同样长的时段比，超出了正常波动 (data)"
NO_HISTORY = "历史只有 {windows} 段，还说不准是不是正常波动 (data)"
CAUSES = "原因（按影响从大到小；互有重叠，不能相加）："
NO_CAUSE = "能查的原因里，没有一条解释得了这次变化 (data)"
UNCLEAR = "证据不足：{names} (data)"
REFUTED = "已排除：{names} (data)"
UNTESTABLE = "查不了（没有数据）：{names}"
EFFECT = "影响 {effect}，约占 {share}"
SMALL = "故障属实，但对{title}的影响很小"
COUPONS = "优惠券过期"
PRIMARY, SECONDARY = "主要原因", "次要原因"


@dataclass(frozen=True, slots=True)
class DiagnosisWording:
    """Words one diagnosis."""

    catalogue: Catalogue
    found: Diagnosis

    @property
    def metric(self) -> Metric:
        """The metric diagnosed."""
        return self.catalogue.metrics[self.found.change.metric]

    def lines(self) -> Iterator[str]:
        """Yield the change, whether it is usual, the causes by effect, and what was set aside."""
        if self.found.windows.note:
            yield f"{self.found.windows.note}。"
        yield self._headline()
        yield self._usual()
        causes = self._causes()
        yield CAUSES if causes else NO_CAUSE
        yield from (f"{number}. {self._cause(finding)}" for number, finding in enumerate(causes, 1))
        yield from self._set_aside()
        yield f"口径：{self.metric.title}＝{self.metric.definition}"

    def questions(self) -> list[str]:
        """Return what to ask the knowledge base: one question per cause."""
        titles = [_name(finding) for finding in self._causes()]
        return [f"{self.metric.title}变化 {title} 怎么办" for title in titles] or [f"{self.metric.title}变化怎么办"]

    def _causes(self) -> list[Finding]:
        kept = ("supported", "contributing")
        return [finding for finding in self.found.findings if finding.verdict in kept or finding.fault]

    # ---------------------------------------------------------------------------------------------- the change

    def _headline(self) -> str:
        change, windows = self.found.change, self.found.windows
        values = {
            "title": self.metric.title,
            "label": windows.target.label,
            "dates": windows.target.dates(),
            "dates_before": windows.before.dates(),
            "now": self._value(change.now),
            "before": self._value(change.before),
        }
        if values["now"] == values["before"]:
            return SAME.format(**values)
        way = "下降了" if change.delta < 0 else "没有下降，是上升的"
        return CHANGED.format(**values, way=way, change=self._difference(change.now, change.before))

    def _usual(self) -> str:
        change = self.found.change
        if change.z is None:
            return NO_HISTORY.format(windows=change.windows)
        return (USUAL if change.usual else UNUSUAL).format(windows=change.windows)

    def _value(self, value: float) -> str:
        return number_text(_decimal(value), self.metric.unit)

    def _difference(self, now: float, before: float) -> str:
        """Return 少了 12.6 个百分点, or 少了 ¥111.6万（24.1%）."""
        word = "少了" if now < before else "多了"
        if self.metric.unit == "ratio":
            return f"{word} {abs(points(_decimal(now), _decimal(before)))} 个百分点"
        return f"{word} {self._value(abs(now - before))}" + (f"（{abs(now / before - 1):.1%}）" if before else "")

    def _signed(self, effect: float) -> str:
        sign = "-" if effect < 0 else "+"
        if self.metric.unit == "ratio":
            return f"{sign}{abs(effect) * 100:.1f} 个百分点"
        return f"{sign}{self._value(abs(effect))}"

    # ---------------------------------------------------------------------------------------------- the causes

    def _cause(self, finding: Finding) -> str:
        parts = [_WORDING[finding.name](finding, finding.numbers)]
        if finding.effect is not None and finding.share is not None:
            parts.append(EFFECT.format(effect=self._signed(finding.effect), share=f"{finding.share:.0%}"))
        small = finding.verdict not in {"supported", "contributing"}
        parts.append(
            SMALL.format(title=self.metric.title) if small else PRIMARY if finding.verdict == "supported" else SECONDARY
        )
        return "；".join(parts) + " (data)"

    def _set_aside(self) -> Iterator[str]:
        """Yield the causes without enough evidence, the refuted and the untestable, a line each."""
        left = [finding for finding in self.found.findings if not finding.fault]
        for verdict, line in (("inconclusive", UNCLEAR), ("refuted", REFUTED)):
            named = [_WORDING[finding.name](finding, finding.numbers) for finding in left if finding.verdict == verdict]
            if named:
                yield line.format(names="；".join(named))
        untestable = [finding.subject or _name(finding) for finding in left if finding.verdict == "untestable"]
        if untestable:
            yield UNTESTABLE.format(names="、".join(untestable))


Numbers = Mapping[str, float]


def _old_customers(finding: Finding, n: Numbers) -> str:
    each_before, each_now = _each(n, "before"), _each(n, "now")
    return (
        f"{_name(finding)}：老客订单 {n['orders_before']:,.0f} → {n['orders_now']:,.0f} 笔"
        f"（{_relative(n['orders_before'], n['orders_now'])}），来买的老客人均 {each_before:.2f} → {each_now:.2f} 笔，"
        f"老客复购率 {n['repeat_before']:.1%} → {n['repeat_now']:.1%}"
    )


def _new_customers(finding: Finding, n: Numbers) -> str:
    return (
        f"{_name(finding)}：占比 {n['share_before']:.1%} → {n['share_now']:.1%}，"
        f"新客订单 {n['orders_before']:,.0f} → {n['orders_now']:,.0f} 笔、复购率 {n['repeat_now']:.1%}、"
        f"客单价 {_yuan(n['aov_before'])} → {_yuan(n['aov_now'])}"
    )


def _new_orders(finding: Finding, n: Numbers) -> str:
    return (
        f"{_name(finding)}：{n['orders_before']:,.0f} → {n['orders_now']:,.0f} 笔"
        f"（{_relative(n['orders_before'], n['orders_now'])}），客单价 {_yuan(n['aov_before'])} → {_yuan(n['aov_now'])}"
    )


def _amount(finding: Finding, n: Numbers) -> str:
    return f"{_name(finding)}：{_yuan(n['aov_before'])} → {_yuan(n['aov_now'])}"


def _payment(finding: Finding, n: Numbers) -> str:
    rates = f"支付成功率 {n['success_before']:.1%} → {n['success_now']:.1%}" if n else "支付成功率历史不足"
    if finding.fault:
        return f"{_name(finding)}：{rates}，比平常多失败约 {n['excess']:.0f} 笔"
    return f"{_name(finding)}：变化最大的{finding.subject} {rates}" if finding.subject else f"{_name(finding)}：{rates}"


def _coupons(finding: Finding, n: Numbers) -> str:
    return (
        f"{_name(finding)}：期初持券会员占比 {n['share_before']:.1%} → {n['share_now']:.1%}"
        f"，此前两周过期未用 {n['expired_before']:.0f} → {n['expired_now']:.0f} 张"
    )


_WORDING: Mapping[str, Callable[[Finding, Numbers], str]] = {
    "old_customers": _old_customers,
    "new_customers": _new_customers,
    "new_orders": _new_orders,
    "new_amount": _amount,
    "old_amount": _amount,
    "payment_failures": _payment,
    "coupon_expiry": _coupons,
}


def _name(finding: Finding) -> str:
    """Return the cause in a few words, by the way its figures went."""
    n = finding.numbers
    if finding.name == "payment_failures":
        return f"{finding.subject}支付失败增多" if finding.fault else "支付失败"
    if finding.name not in _NAMES:
        return finding.subject or COUPONS
    figure, less, more = _NAMES[finding.name]
    return less if n[f"{figure}_now"] < n[f"{figure}_before"] else more


_NAMES: Mapping[str, tuple[str, str, str]] = {
    "old_customers": ("orders", "老客下单变少", "老客下单变多"),
    "old_amount": ("aov", "老客客单价变低", "老客客单价变高"),
    "new_customers": ("share", "新客占比降低", "新客占比升高"),
    "new_orders": ("orders", "新客订单变少", "新客订单变多"),
    "new_amount": ("aov", "新客客单价变低", "新客客单价变高"),
}


def _each(n: Numbers, when: str) -> float:
    return n[f"orders_{when}"] / n[f"active_{when}"] if n[f"active_{when}"] else 0.0


def _relative(before: float, now: float) -> str:
    if not before:
        return "之前为 0"
    return f"{'↓' if now < before else '↑'}{abs(now / before - 1):.1%}"


def _decimal(value: float) -> Decimal:
    return Decimal(repr(value))


def _yuan(value: float) -> str:
    return number_text(_decimal(value), "yuan")
