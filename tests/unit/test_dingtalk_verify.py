"""Signatures by DingTalk's formulas, computed once by hand and written down here."""

from __future__ import annotations

import pytest

from bot.platforms.dingtalk.verify import (
    DingtalkRejected,
    card_secret,
    sign_message,
    sign_press,
    verify_message,
    verify_press,
)

SECRET, MOMENT = "s3cret", "1700000000000"
MESSAGE_SIGN = "MT7bXSNfVTPzQMEuLWvmMNbmZSCUY1X6YKn9AxBnLsI="
PRESS_SIGN = "1aiIVw2uAsHKibewO9YNQUuQtaOf3ISjmHCt4TPJhZQ="
NOW = 1_700_000_000.0


def test_known_signatures() -> None:
    assert sign_message(MOMENT, SECRET) == MESSAGE_SIGN
    assert sign_press(MOMENT, SECRET) == PRESS_SIGN


@pytest.mark.parametrize("now", [NOW, NOW + 3600, NOW - 3600])
def test_a_signature_is_good_for_an_hour_either_way(now: float) -> None:
    verify_message({"timestamp": MOMENT, "sign": MESSAGE_SIGN}, SECRET, now)
    headers = {"x-ddpaas-signature-timestamp": MOMENT, "x-ddpaas-signature": PRESS_SIGN}
    assert verify_press(headers, SECRET, now) == MOMENT


@pytest.mark.parametrize(
    ("headers", "now", "reason"),
    [
        ({}, NOW, "no timestamp"),
        ({"timestamp": "", "sign": MESSAGE_SIGN}, NOW, "no timestamp"),
        ({"timestamp": "１７０００００００００００", "sign": MESSAGE_SIGN}, NOW, "no timestamp"),
        ({"timestamp": "-1700000000000", "sign": MESSAGE_SIGN}, NOW, "no timestamp"),
        ({"timestamp": MOMENT}, NOW, "wrong signature"),
        ({"timestamp": MOMENT, "sign": "é\udc80"}, NOW, "wrong signature"),
        ({"timestamp": "1700000000001", "sign": MESSAGE_SIGN}, NOW, "wrong signature"),
        ({"timestamp": MOMENT, "sign": PRESS_SIGN}, NOW, "wrong signature"),
        ({"timestamp": MOMENT, "sign": MESSAGE_SIGN}, NOW + 3601, "too old"),
        ({"timestamp": MOMENT, "sign": MESSAGE_SIGN}, NOW - 3601, "too old"),
    ],
)
def test_everything_else_is_rejected(headers: dict[str, str], now: float, reason: str) -> None:
    with pytest.raises(DingtalkRejected) as rejected:
        verify_message(headers, SECRET, now)
    assert rejected.value.reason == reason


def test_presses_are_signed_with_a_secret_of_their_own() -> None:
    assert card_secret(SECRET) == card_secret(SECRET)
    assert SECRET not in card_secret(SECRET)
    assert card_secret(SECRET) != card_secret("other")
