"""What a CRM is to the executor: three calls, and three ways in which a call can fail.

A request number names one order for ever: the CRM answers the same number with the same coupon and never makes a
second one. That, and reading back by number, is what makes a repeat after a lost answer safe.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Protocol

CouponStatus = Literal["draft", "published"]


@dataclass(frozen=True, slots=True)
class CrmCoupon:
    """A coupon as the CRM has it; `id` is the CRM's own number."""

    id: str
    status: CouponStatus


class CrmError(Exception):
    """A call that gave no result; `reason` is Chinese and shown to the person who pressed."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class CrmUnavailable(CrmError):
    """The call did not arrive: nothing has happened in the CRM."""


class CrmUnknown(CrmError):
    """The call went out and no usable answer came back: it may have been carried out."""


class CrmRefused(CrmError):
    """The CRM answered no: nothing has happened, and the same call will be refused again."""


class Crm(Protocol):
    """Creates and publishes coupons."""

    async def create_coupon(self, request_number: str, coupon: dict[str, Any]) -> CrmCoupon:
        """Return the new draft, or the coupon this request number made before."""
        ...

    async def publish_coupon(self, coupon_id: str, request_number: str) -> CrmCoupon:
        """Return the coupon, published; one that is published already stays so."""
        ...

    async def find(self, request_number: str) -> CrmCoupon | None:
        """Return the coupon this request number made, None when it made none."""
        ...
