"""What DingTalk says, as what delivery does about it."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from bot.platforms.base import RateLimited, Refused, SendError, TryLater, Unknown
from bot.platforms.dingtalk.errors import (
    CardExists,
    NobodyThere,
    SessionGone,
    TokenExpired,
    WrongCredentials,
    needs_operator,
    read_answer,
    refusal,
)

FORBIDDEN = "Forbidden.AccessDenied."


def error_of(status: int, body: dict[str, Any] | str, *, repeatable: bool = False) -> SendError | None:
    response = httpx.Response(status, text=body) if isinstance(body, str) else httpx.Response(status, json=body)
    return refusal(read_answer(response), repeatable=repeatable)


@pytest.mark.parametrize(
    ("status", "body", "kind", "after"),
    [
        (403, {"code": FORBIDDEN + "QpsLimitForAppkeyAndApi"}, RateLimited, 2),
        (403, {"code": FORBIDDEN + "QpmLimitForAppkeyAndApi"}, RateLimited, 60),
        (403, {"code": FORBIDDEN + "QpsLimitForApi"}, RateLimited, 5),
        (400, {"code": "send.too.fast"}, RateLimited, 60),
        (200, {"errcode": 90018, "errmsg": "x"}, RateLimited, 2),
        (200, {"errcode": 88, "errmsg": "x", "sub_code": "90018"}, RateLimited, 2),
        (200, {"errcode": 130101, "errmsg": "send too fast"}, RateLimited, 600),
        (200, {"errcode": -1, "errmsg": "x"}, TryLater, 10),
        (500, {"code": "system.busy"}, TryLater, 10),
        (429, {}, RateLimited, 5),
        (500, "<html>", TryLater, 10),
        (200, "<html>限流</html>", TryLater, 300),
        (403, "<html>限流</html>", TryLater, 300),
        (200, {"status": 1111, "wait": 5, "source": "x5", "punish": "deny"}, RateLimited, 300),
        (400, {"code": "InvalidAuthentication"}, TokenExpired, 1),
        (400, {"code": "invalidClientIdOrSecret"}, WrongCredentials, 300),
    ],
)
def test_what_may_be_taken_later(status: int, body: Any, kind: type[TryLater], after: float) -> None:
    error = error_of(status, body)
    assert type(error) is kind
    assert error.after == after


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (403, {"code": FORBIDDEN + "ApiCountLimitForOrg"}, Refused),
        (200, {"errcode": 90030}, Refused),
        (200, {"errcode": 300001}, SessionGone),
        (200, {"errcode": 460101}, Refused),
        (400, {"code": "param.templateNotExist"}, Refused),
        (400, {"code": "param.cardAlreadyExist"}, CardExists),
        (400, {"code": "staffId.notExisted"}, NobodyThere),
        (400, {"code": "something.new"}, Refused),
        (404, "<html>not found</html>", Refused),
    ],
)
def test_what_is_refused_for_good(status: int, body: Any, kind: type[Refused]) -> None:
    assert type(error_of(status, body)) is kind


@pytest.mark.parametrize("body", [{"errcode": 0, "errmsg": "ok"}, {"processQueryKey": "k"}, {"code": "0"}, {}])
def test_success_is_no_error(body: dict[str, Any]) -> None:
    assert error_of(200, body) is None


@pytest.mark.parametrize("status", [502, 504])
def test_a_gateway_in_between_leaves_open_whether_it_arrived(status: int) -> None:
    assert type(error_of(status, "<html>")) is Unknown
    assert type(error_of(status, "<html>", repeatable=True)) is TryLater


def test_a_missing_permission_names_its_scopes() -> None:
    body = {
        "code": FORBIDDEN + "AccessTokenPermissionDenied",
        "accessdenieddetail": {"requiredScopes": ["qyapi_robot_sendmsg"]},
    }
    error = error_of(403, body)
    assert isinstance(error, Refused)
    assert error.reason == "钉钉应用缺少权限：qyapi_robot_sendmsg"


def test_the_old_api_names_a_missing_permission_by_its_sub_code() -> None:
    error = error_of(200, {"errcode": 88, "errmsg": "ding talk error", "sub_code": "60011"})
    assert isinstance(error, Refused)
    assert error.reason == "钉钉应用缺少权限：通讯录"


@pytest.mark.parametrize("code", [15, 88])
def test_the_old_gateway_giving_up_leaves_open_whether_it_arrived(code: int) -> None:
    assert type(error_of(200, {"errcode": code, "errmsg": "timeout"})) is Unknown
    assert type(error_of(200, {"errcode": code, "errmsg": "timeout"}, repeatable=True)) is TryLater


def test_an_unknown_refusal_names_its_code() -> None:
    error = error_of(400, {"code": "something.new"})
    assert error is not None
    assert error.reason == "钉钉不接受：something.new"


@pytest.mark.parametrize(
    ("code", "operator"),
    [(FORBIDDEN + "ApiCountLimitForOrg", True), ("invalidClientIdOrSecret", True), ("system.busy", False), ("", False)],
)
def test_only_what_a_person_must_mend_is_for_the_operator(code: str, operator: bool) -> None:
    assert needs_operator(read_answer(httpx.Response(400, json={"code": code}))) is operator
