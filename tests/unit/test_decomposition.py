"""The arithmetic of causes: parts add up, and nothing is made of too little."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knowledge.decomposition import Baseline, Group, kitagawa, thinned
from knowledge.evidence import Change, Effect, Finding, judge

counts = st.integers(min_value=1, max_value=5000)
groups = st.dictionaries(
    st.sampled_from(["老客", "新客", "非会员"]),
    st.builds(lambda base, part: Group(float(base), base * part), counts, st.floats(0, 1)),
    min_size=1,
)


def ratio(parts: dict[str, Group]) -> float:
    return sum(part.hits for part in parts.values()) / sum(part.base for part in parts.values())


@given(groups, groups)
def test_mix_and_rate_add_up_to_the_change(before: dict[str, Group], after: dict[str, Group]) -> None:
    parts = kitagawa(before, after).values()
    assert sum(part.mix + part.rate for part in parts) == pytest.approx(ratio(after) - ratio(before), abs=1e-9)


def test_a_pure_change_of_mix_has_no_rate_part() -> None:
    before = {"老客": Group(80, 40), "新客": Group(20, 2)}
    after = {"老客": Group(40, 20), "新客": Group(60, 6)}
    assert all(part.rate == pytest.approx(0) for part in kitagawa(before, after).values())


def test_two_windows_are_too_few_to_speak_of_variation() -> None:
    assert Baseline((0.5, 0.6)).z(0.1) is None
    assert Baseline((0.5, 0.5, 0.5)).z(0.5) is None
    assert Baseline((0.5, 0.6, 0.5, 0.6)).z(0.1) == pytest.approx(-6.97, abs=0.01)


def test_failures_put_back_make_repeat_buyers() -> None:
    counted = [(0, 1, 10), (1, 1, 10), (2, 0, 10)]  # paid, failed, members
    assert thinned(counted, 0.5, 1) == pytest.approx(25)
    assert thinned(counted, 0.5, 2) == pytest.approx(15)


CHANGE = Change("repeat_rate", now=0.40, before=0.50, z=-8.0, windows=8, error=0.01)


@pytest.mark.parametrize(
    ("moved", "effect", "verdict"),
    [
        (True, Effect(-0.05, 0.005), "supported"),
        (True, Effect(-0.01, 0.001), "contributing"),
        (True, Effect(-0.002, 0.0005), "refuted"),
        (True, Effect(0.05, 0.005), "refuted"),
        (True, Effect(-0.05, 0.05), "inconclusive"),
        (False, Effect(-0.05, 0.005), "refuted"),
        (None, Effect(-0.05, 0.005), "inconclusive"),
        (True, None, "inconclusive"),
        (False, None, "refuted"),
    ],
)
def test_the_rule_for_a_verdict(moved: bool | None, effect: Effect | None, verdict: str) -> None:
    assert judge(Finding("x", "x", "inconclusive"), moved, effect, CHANGE).verdict == verdict


def test_a_tiny_change_does_not_make_every_cause_a_big_one() -> None:
    tiny = Change("repeat_rate", now=0.4999, before=0.5, z=-0.1, windows=8, error=0.01)
    assert judge(Finding("x", "x", "inconclusive"), True, Effect(-0.0005, 0.0001), tiny).verdict == "refuted"
