"""The WeCom platform against a WeCom on a real port: what arrives, what is repeated, what is given up."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from bot.platforms.base import CardRef, Receipt, Refused, SendError, TryLater, Unknown
from bot.platforms.wecom.answers import AnswerLost
from bot.platforms.wecom.platform import WecomPlatform
from handlers.messages import Address, Button, Card, Text
from tests.fakes.wecom import DROP, HANG_UP, SEND_PATH, TOKEN_PATH, UPDATE_PATH, Clock, FakeWecom, settings

BOSS = Address("wecom", "user:boss", "boss")
STRANGER = Address("wecom", "user:nobody", "nobody")
TOO_LATE = 2.0
REF = CardRef("plan-17-9f3a")
CARD = Card("plan", "促复购活动", buttons=(Button("launch", "上架", "launch", primary=True),))
DONE = Card("plan", "促复购活动", state="王店长 10:32 已上架 · 券 123")
HELLO = {"msgtype": "text", "text": {"content": "早上好"}}


def busy(code: int, message: str = "no") -> dict[str, Any]:
    return {"errcode": code, "errmsg": f"{message}, hint: [1700000000_7], from ip: 10.0.0.1"}


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def wecom(clock: Clock) -> AsyncIterator[FakeWecom]:
    async with FakeWecom(clock).running() as running:
        yield running


@pytest.fixture
async def platform(wecom: FakeWecom, clock: Clock) -> AsyncIterator[WecomPlatform]:
    async with httpx.AsyncClient(timeout=30) as http:
        yield WecomPlatform(wecom.settings, http, clock)


@pytest.fixture
async def impatient(wecom: FakeWecom, clock: Clock) -> AsyncIterator[WecomPlatform]:
    """A platform that waits less for an answer than TOO_LATE."""
    async with httpx.AsyncClient(timeout=httpx.Timeout(30, read=1)) as http:
        yield WecomPlatform(wecom.settings, http, clock)


async def failure(platform: WecomPlatform, payload: dict[str, Any] = HELLO, address: Address = BOSS) -> SendError:
    with pytest.raises(SendError) as caught:
        await platform.send(address, payload)
    return caught.value


async def sent_card(platform: WecomPlatform) -> CardRef:
    """Send the card and return it with the handle its receipt gave."""
    receipt = await platform.send(BOSS, platform.render(CARD, REF)[0], REF)
    return CardRef(REF.public_id, receipt.handle)


async def test_a_text_arrives_as_real_utf8(platform: WecomPlatform, wecom: FakeWecom) -> None:
    receipt = await platform.send(BOSS, platform.render(Text("早上好"))[0])
    assert wecom.screen("boss") == [HELLO]
    assert receipt == Receipt(message_id=wecom.shown("boss")[0].message_id)
    assert "早上好".encode() in wecom.calls[-1].raw
    assert wecom.calls[-1].body == {
        "touser": "boss",
        "agentid": 1000002,
        **HELLO,
        "enable_duplicate_check": 1,
        "duplicate_check_interval": 1800,
    }


async def test_one_token_serves_many_messages(platform: WecomPlatform, wecom: FakeWecom) -> None:
    for word in "一二三":
        await platform.send(BOSS, {"msgtype": "text", "text": {"content": word}})
    assert wecom.paths() == [TOKEN_PATH, SEND_PATH, SEND_PATH, SEND_PATH]


async def test_twenty_messages_at_once_ask_for_one_token(platform: WecomPlatform, wecom: FakeWecom) -> None:
    wecom.fail[TOKEN_PATH].append(0.05)
    await asyncio.gather(
        *(platform.send(BOSS, {"msgtype": "text", "text": {"content": f"第 {n} 条"}}) for n in range(20))
    )
    assert wecom.paths().count(TOKEN_PATH) == 1
    assert len(wecom.screen("boss")) == 20


async def test_a_token_is_renewed_before_it_expires(platform: WecomPlatform, wecom: FakeWecom, clock: Clock) -> None:
    await platform.send(BOSS, HELLO, key="1")
    clock.now += 7200 - 299
    await platform.send(BOSS, HELLO, key="2")
    assert wecom.paths() == [TOKEN_PATH, SEND_PATH, TOKEN_PATH, SEND_PATH]


@pytest.mark.parametrize("code", [42001, 40014])
async def test_a_refused_token_is_replaced_once(platform: WecomPlatform, wecom: FakeWecom, code: int) -> None:
    wecom.fail[SEND_PATH].append(busy(code))
    await platform.send(BOSS, HELLO)
    assert wecom.paths() == [TOKEN_PATH, SEND_PATH, TOKEN_PATH, SEND_PATH]
    assert wecom.screen("boss") == [HELLO]


async def test_a_revoked_token_under_load_is_replaced_by_one_caller(platform: WecomPlatform, wecom: FakeWecom) -> None:
    await platform.send(BOSS, HELLO)
    wecom.cloud.tokens.revoke()
    await asyncio.gather(
        *(platform.send(BOSS, {"msgtype": "text", "text": {"content": f"第 {n} 条"}}) for n in range(10))
    )
    assert wecom.paths().count(TOKEN_PATH) == 2
    assert len(wecom.screen("boss")) == 11


async def test_a_token_refused_for_ever_ends(platform: WecomPlatform, wecom: FakeWecom, clock: Clock) -> None:
    wecom.fail[SEND_PATH] += [busy(40014)] * 50
    for _ in range(5):
        error = await failure(platform)
        assert isinstance(error, TryLater)
        assert error.after == 60
    assert wecom.paths() == [TOKEN_PATH, SEND_PATH, TOKEN_PATH, SEND_PATH]
    wecom.fail[SEND_PATH].clear()
    clock.now += 61
    await platform.send(BOSS, HELLO)


@pytest.mark.parametrize("code", [40001, 40013, 40091])
async def test_a_wrong_account_is_said_once_and_not_asked_again(
    platform: WecomPlatform, wecom: FakeWecom, code: int
) -> None:
    wecom.fail[TOKEN_PATH] += [busy(code)] * 50
    with capture_logs() as logs:
        for _ in range(5):
            assert isinstance(await failure(platform), Refused)
    assert wecom.paths() == [TOKEN_PATH]
    assert [entry["event"] for entry in logs] == ["wecom.account_wrong"]


async def test_the_real_check_of_the_secret_says_the_same(wecom: FakeWecom) -> None:
    platform = WecomPlatform(settings(wecom.settings.base_url, secret="another"))
    error = await failure(platform)
    await platform.close()
    assert error.reason == "应用 Secret 不对，请检查配置（40001）"


async def test_busy_twice_then_taken(platform: WecomPlatform, wecom: FakeWecom) -> None:
    wecom.fail[SEND_PATH] += [busy(-1), busy(-1)]
    for _ in range(2):
        assert isinstance(await failure(platform), TryLater)
    await platform.send(BOSS, HELLO)
    assert wecom.paths() == [TOKEN_PATH, SEND_PATH, SEND_PATH, SEND_PATH]
    assert wecom.screen("boss") == [HELLO]


@pytest.mark.parametrize(("code", "after"), [(-1, 5), (6000, 2), (45009, 60), (45033, 5)])
async def test_what_passes_is_tried_later(platform: WecomPlatform, wecom: FakeWecom, code: int, after: float) -> None:
    wecom.fail[SEND_PATH].append(busy(code))
    error = await failure(platform)
    assert isinstance(error, TryLater)
    assert error.after == after
    assert error.reason.endswith(f"（{code}）")


@pytest.mark.parametrize("code", [60020, 81013, 45002, 50003, 48002, 99999])
async def test_what_does_not_pass_is_refused_with_a_reason(
    platform: WecomPlatform, wecom: FakeWecom, code: int
) -> None:
    wecom.fail[SEND_PATH].append(busy(code))
    error = await failure(platform)
    assert isinstance(error, Refused)
    assert error.reason.endswith(f"（{code}）")
    assert "hint" not in error.reason


async def test_a_stranger_is_refused(platform: WecomPlatform) -> None:
    error = await failure(platform, address=STRANGER)
    assert isinstance(error, Refused)
    assert error.reason == "收件人都不在应用可见范围（81013）"


async def test_errcode_zero_with_the_only_recipient_invalid_is_a_refusal(
    platform: WecomPlatform, wecom: FakeWecom
) -> None:
    wecom.fail[SEND_PATH].append({"errcode": 0, "errmsg": "ok", "invaliduser": "BOSS", "msgid": "m"})
    error = await failure(platform)
    assert (type(error), error.reason) == (Refused, "收件人不在应用可见范围")


async def test_some_of_several_recipients_are_refused(platform: WecomPlatform, wecom: FakeWecom) -> None:
    receipt = await platform.send(Address("wecom", "user:both", "boss|nobody"), HELLO)
    assert receipt.refused == ("nobody",)
    assert wecom.screen("boss") == [HELLO]


async def test_a_body_partly_ignored_is_an_error_in_the_log(platform: WecomPlatform, wecom: FakeWecom) -> None:
    wecom.fail[SEND_PATH].append({**busy(0, "Warning: wrong json format. ok"), "msgid": "m"})
    with capture_logs() as logs:
        receipt = await platform.send(BOSS, HELLO)
    assert receipt.message_id == "m"
    assert [(entry["event"], entry["log_level"], entry["hint"]) for entry in logs] == [
        ("wecom.body_partly_ignored", "error", "1700000000_7")
    ]


@pytest.mark.parametrize("plan", [TOO_LATE, DROP, HANG_UP])
async def test_an_answer_that_never_came_is_repeated_without_doubling(
    impatient: WecomPlatform, wecom: FakeWecom, plan: float | str
) -> None:
    wecom.fail[SEND_PATH].append(plan)
    assert isinstance(await failure(impatient), TryLater)
    await impatient.send(BOSS, HELLO)
    assert wecom.screen("boss") == [HELLO]
    first, second = (call for call in wecom.calls if call.path == SEND_PATH)
    assert first.raw == second.raw


async def test_a_server_that_is_not_there_is_tried_later(clock: Clock, unused_tcp_port: int) -> None:
    platform = WecomPlatform(settings(f"http://127.0.0.1:{unused_tcp_port}"), clock=clock)
    error = await failure(platform)
    await platform.close()
    assert (type(error), error.reason) == (TryLater, "连不上企业微信")


@pytest.mark.parametrize("answer", [{"message": "bad gateway"}, {"errcode": "0"}, {}])
async def test_json_that_is_not_wecoms_is_no_success(
    platform: WecomPlatform, wecom: FakeWecom, answer: dict[str, Any]
) -> None:
    wecom.fail[SEND_PATH].append(answer)
    assert isinstance(await failure(platform), TryLater)


async def test_a_path_that_is_not_there_is_no_success(wecom: FakeWecom) -> None:
    platform = WecomPlatform(settings(f"{wecom.settings.base_url}/elsewhere"))
    error = await failure(platform)
    await platform.close()
    assert (type(error), error.reason) == (AnswerLost, "企业微信的应答看不懂（HTTP 404）")


@pytest.mark.parametrize(
    "grant", [{"access_token": ""}, {"access_token": "t"}, {"access_token": "t", "expires_in": "x"}]
)
async def test_a_grant_without_a_token_is_tried_later(
    platform: WecomPlatform, wecom: FakeWecom, grant: dict[str, Any]
) -> None:
    wecom.fail[TOKEN_PATH].append({"errcode": 0, "errmsg": "ok", **grant})
    assert isinstance(await failure(platform), TryLater)


async def test_a_failing_gettoken_is_asked_once_for_all_who_wait(
    platform: WecomPlatform, wecom: FakeWecom, clock: Clock
) -> None:
    wecom.fail[TOKEN_PATH].append(busy(-1))
    errors = await asyncio.gather(*(platform.send(BOSS, HELLO) for _ in range(10)), return_exceptions=True)
    assert [type(error) for error in errors] == [TryLater] * 10
    assert wecom.paths() == [TOKEN_PATH]
    clock.now += 6
    await platform.send(BOSS, HELLO)


async def test_the_same_answer_to_a_second_question_arrives_again(platform: WecomPlatform, wecom: FakeWecom) -> None:
    """The duplicate check would drop it: two deliveries with different keys are not a repeated attempt."""
    await platform.send(BOSS, HELLO, key="reply:1:0")
    await platform.send(BOSS, HELLO, key="reply:2:0")
    assert wecom.screen("boss") == [HELLO, HELLO]


async def test_a_second_answer_whose_fate_is_unknown_is_not_repeated(platform: WecomPlatform, wecom: FakeWecom) -> None:
    """The duplicate check is off for it, so nothing would drop the double."""
    await platform.send(BOSS, HELLO, key="reply:1:0")
    wecom.fail[SEND_PATH].append(DROP)
    with pytest.raises(Unknown):
        await platform.send(BOSS, HELLO, key="reply:2:0")
    assert wecom.screen("boss") == [HELLO, HELLO]


async def test_one_delivery_repeated_after_success_is_not_shown_twice(
    platform: WecomPlatform, wecom: FakeWecom
) -> None:
    """As when the answer came and the database did not take the note of it."""
    await platform.send(BOSS, HELLO, key="reply:1:0")
    await platform.send(BOSS, HELLO, key="reply:1:0")
    assert wecom.screen("boss") == [HELLO]


async def test_a_card_arrives_and_its_receipt_can_change_it(platform: WecomPlatform, wecom: FakeWecom) -> None:
    ref = await sent_card(platform)
    assert wecom.screen("boss")[0]["template_card"]["task_id"] == "plan-17-9f3a"
    receipt = await platform.update_card(BOSS, DONE, ref)
    assert receipt.handle == {"response_code": ""}
    card = wecom.screen("boss")[0]["template_card"]
    assert (card["main_title"]["desc"], card["replace_text"]) == ("王店长 10:32 已上架 · 券 123", "已处理")


async def test_a_resent_card_that_exists_was_sent(platform: WecomPlatform, wecom: FakeWecom) -> None:
    """42014 after an answer that was lost means that the first attempt arrived."""
    wecom.fail[SEND_PATH].append(DROP)
    payload = platform.render(CARD, REF)[0]
    with pytest.raises(TryLater):
        await platform.send(BOSS, payload, REF)
    receipt = await platform.send(BOSS, payload, REF)
    assert receipt.handle == {"response_code": ""}
    assert len(wecom.screen("boss")) == 1


async def test_a_card_id_used_twice_on_purpose_is_refused(platform: WecomPlatform) -> None:
    ref = await sent_card(platform)
    with pytest.raises(Refused, match="卡片编号已经用过"):
        await platform.send(BOSS, platform.render(CARD, ref)[0], ref)


async def test_a_click_brings_a_code_that_outlives_the_one_of_the_send(
    platform: WecomPlatform, wecom: FakeWecom
) -> None:
    ref = await sent_card(platform)
    click = {"response_code": wecom.cloud._codes.issue(wecom.shown("boss")[0].message_id)}
    receipt = await platform.update_card(Address("wecom", "user:boss", "boss", hints=click), DONE, ref)
    assert receipt.handle == {}  # the code of the send is still good
    assert wecom.calls[-1].body["response_code"] == click["response_code"]
    await platform.update_card(BOSS, DONE, ref)


async def test_a_spent_click_code_falls_back_to_the_one_of_the_send(platform: WecomPlatform, wecom: FakeWecom) -> None:
    ref = await sent_card(platform)
    pressed = Address("wecom", "user:boss", "boss", hints={"response_code": "nonsense"})
    receipt = await platform.update_card(pressed, DONE, ref)
    assert receipt.handle == {"response_code": ""}
    assert wecom.paths().count(UPDATE_PATH) == 2


async def test_a_card_without_a_code_left_has_expired(platform: WecomPlatform, wecom: FakeWecom) -> None:
    ref = await sent_card(platform)
    await platform.update_card(BOSS, DONE, ref)
    for handle in (ref.handle, {"response_code": ""}, {}):
        with pytest.raises(Refused, match=r"^卡片已过期$"):
            await platform.update_card(BOSS, DONE, CardRef(ref.public_id, handle))


async def test_a_code_is_good_for_72_hours(platform: WecomPlatform, clock: Clock) -> None:
    ref = await sent_card(platform)
    clock.now += 72 * 3600 + 1
    with pytest.raises(Refused, match=r"^卡片已过期$"):
        await platform.update_card(BOSS, DONE, ref)


async def test_an_update_whose_answer_was_lost_may_be_repeated(platform: WecomPlatform, wecom: FakeWecom) -> None:
    ref = await sent_card(platform)
    wecom.fail[UPDATE_PATH].append(HANG_UP)
    with pytest.raises(TryLater):
        await platform.update_card(BOSS, DONE, ref)
    await platform.update_card(BOSS, DONE, ref)
    assert wecom.screen("boss")[0]["template_card"]["replace_text"] == "已处理"


async def test_an_update_refused_for_another_reason_keeps_it(platform: WecomPlatform, wecom: FakeWecom) -> None:
    ref = await sent_card(platform)
    wecom.fail[UPDATE_PATH].append(busy(60020))
    with pytest.raises(Refused, match="可信 IP"):
        await platform.update_card(BOSS, DONE, ref)


async def test_nothing_secret_is_logged(
    impatient: WecomPlatform, wecom: FakeWecom, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    logging.getLogger("httpx").setLevel(logging.WARNING)  # as the program does
    wecom.fail[SEND_PATH] += [busy(40014), busy(-1), TOO_LATE, busy(60020), busy(81013)]
    with capture_logs() as logs:
        for _ in range(4):
            await failure(impatient)
        ref = await sent_card(impatient)
        await impatient.update_card(BOSS, DONE, ref)
        with pytest.raises(Refused):
            await impatient.update_card(BOSS, DONE, ref)
    told = repr(logs) + caplog.text
    assert {"wecom.token_refused", "wecom.no_answer", "wecom.refused"} <= {entry["event"] for entry in logs}
    tokens = {call.query["access_token"] for call in wecom.calls if "access_token" in call.query}
    assert len(tokens) == 2
    for secret in (*tokens, "secret-of-the-app", ref.handle["response_code"], "早上好", "促复购"):
        assert secret not in told


async def test_the_check_of_an_account_only_asks_for_a_token(platform: WecomPlatform, wecom: FakeWecom) -> None:
    await platform.check()
    assert wecom.paths() == [TOKEN_PATH]


async def test_a_card_wecom_would_refuse_is_refused_before_it_is_sent(
    platform: WecomPlatform, wecom: FakeWecom
) -> None:
    """Not a fault to be tried again: the same card would fail the same way."""
    twins = replace(CARD, buttons=CARD.buttons * 2)
    with pytest.raises(Refused, match=r"^卡片不合规（button_list\.key"):
        platform.render(twins, REF)
    with pytest.raises(Refused, match="卡片不合规"):
        await platform.update_card(BOSS, twins, REF)
    assert wecom.calls == []


async def test_every_part_may_be_repeated_after_an_interruption(platform: WecomPlatform) -> None:
    assert all([await platform.may_repeat(part, BOSS, "k") for part in (Text("早"), CARD, DONE)])


async def test_a_proxy_of_the_machine_does_not_stand_before_the_pretend_wecom(
    wecom: FakeWecom, monkeypatch: pytest.MonkeyPatch, unused_tcp_port: int
) -> None:
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{unused_tcp_port}")
    platform = WecomPlatform(wecom.settings)
    await platform.send(BOSS, HELLO)
    await platform.close()
    assert wecom.screen("boss") == [HELLO]


async def test_a_given_client_is_left_open_and_an_own_one_closed(wecom: FakeWecom) -> None:
    async with httpx.AsyncClient() as http:
        await WecomPlatform(wecom.settings, http).close()
        assert not http.is_closed
    own = WecomPlatform(wecom.settings)
    await own.close()
    assert own._http.is_closed
