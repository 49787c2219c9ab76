"""The CRM over HTTP.

    POST {base}/coupons                         {"request_number", …coupon}   201 new, 200 made before
    POST {base}/coupons/{id}/publish            {"request_number"}            200
    GET  {base}/coupons?request_number=…                                      200 {"coupons": [{"id", "status"}]}

The request number also travels as `X-Request-Number`. A read is repeated once. A write never is: whoever wants it
repeated reads back first (`handlers/crm_executor.py`).
"""

from __future__ import annotations

import asyncio
from typing import Any, TypeVar
from urllib.parse import quote

import httpx
import structlog
from pydantic import BaseModel, Field, ValidationError

from handlers.crm import CouponStatus, CrmCoupon, CrmRefused, CrmUnavailable, CrmUnknown

log = structlog.get_logger()

NOT_REACHED = "CRM 连不上"
BUSY = "CRM 正忙"
NO_ANSWER = "CRM 没有应答"
BROKEN_OFF = "CRM 的应答中断了"
SERVER_ERROR = "CRM 出错了（{status}）"
NOT_UNDERSTOOD = "CRM 的应答看不懂"
NOT_ALLOWED = "CRM 不认我们的密钥，请管理员检查 crm.api_key"
REFUSED = "CRM 拒绝了：{reason}"
NO_REASON = "没有说明原因（{status}）"

REASON_CHARS = 200
READ_ATTEMPTS = 2
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)


Body = TypeVar("Body", bound=BaseModel)


class CouponBody(BaseModel):
    """A coupon in an answer; numbers as ids are taken as text."""

    id: str | int = Field(union_mode="left_to_right")
    status: CouponStatus

    def coupon(self) -> CrmCoupon:
        """Return the neutral value."""
        return CrmCoupon(str(self.id), self.status)


class CouponList(BaseModel):
    """The answer of a look-up."""

    coupons: list[CouponBody]


class CrmClient:
    """A CRM behind an address; every call ends within `timeout_seconds`."""

    def __init__(self, base_url: str, api_key: str | None = None, timeout_seconds: float = 5.0) -> None:
        headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        # A proxy of the environment is for the world outside, not for a CRM on this very machine.
        trust_env = httpx.URL(base_url).host not in LOOPBACK
        self._http = httpx.AsyncClient(base_url=base_url.rstrip("/") + "/", headers=headers, trust_env=trust_env)
        self._timeout_seconds = timeout_seconds

    async def close(self) -> None:
        """Give up the connections."""
        await self._http.aclose()

    async def create_coupon(self, request_number: str, coupon: dict[str, Any]) -> CrmCoupon:
        """Return the draft this request number made, now or before."""
        return await self._write("coupons", request_number, coupon)

    async def publish_coupon(self, coupon_id: str, request_number: str) -> CrmCoupon:
        """Return the coupon, published."""
        return await self._write(f"coupons/{quote(coupon_id, safe='')}/publish", request_number, {})

    async def find(self, request_number: str) -> CrmCoupon | None:
        """Return the coupon this request number made, None when there is none; tried twice."""
        for attempt in range(1, READ_ATTEMPTS + 1):
            try:
                response = await self._send("GET", "coupons", params={"request_number": request_number})
                found = _parsed(response, CouponList).coupons
                return found[0].coupon() if found else None
            except (CrmUnavailable, CrmUnknown) as error:
                if attempt == READ_ATTEMPTS:
                    raise
                log.warning("crm.read_again", reason=error.reason)
        raise AssertionError("unreachable")

    async def _write(self, path: str, request_number: str, body: dict[str, Any]) -> CrmCoupon:
        headers = {"X-Request-Number": request_number}
        response = await self._send("POST", path, json={**body, "request_number": request_number}, headers=headers)
        return _parsed(response, CouponBody).coupon()

    async def _send(self, method: str, path: str, **call: Any) -> httpx.Response:
        """Return a 2xx answer; httpx limits each read, not the whole, so the whole is limited here."""
        try:
            async with asyncio.timeout(self._timeout_seconds):
                response = await self._http.request(method, path, timeout=self._timeout_seconds, **call)
        except _NOT_SENT as error:
            raise CrmUnavailable(NOT_REACHED) from error
        except (TimeoutError, httpx.TimeoutException) as error:
            raise CrmUnknown(NO_ANSWER) from error
        except httpx.RequestError as error:
            raise CrmUnknown(BROKEN_OFF) from error
        _raise_for_status(response)
        return response


def _raise_for_status(response: httpx.Response) -> None:
    """A 4xx did nothing, a 5xx may have done it, and a redirect is a wrong address."""
    status = response.status_code
    if response.is_success:
        return
    if status in {401, 403}:
        raise CrmRefused(NOT_ALLOWED)
    if status == 429:
        raise CrmUnavailable(BUSY)
    if status == 408 or status >= 500:
        raise CrmUnknown(SERVER_ERROR.format(status=status))
    raise CrmRefused(REFUSED.format(reason=_reason(response)))


def _reason(response: httpx.Response) -> str:
    try:
        body = response.json()
    except ValueError:
        body = None
    error = body.get("error") if isinstance(body, dict) else None
    return str(error)[:REASON_CHARS] if error else NO_REASON.format(status=response.status_code)


def _parsed(response: httpx.Response, shape: type[Body]) -> Body:
    try:
        return shape.model_validate_json(response.content)
    except ValidationError as error:
        raise CrmUnknown(NOT_UNDERSTOOD) from error
