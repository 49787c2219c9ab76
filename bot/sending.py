"""The way of a rendered message through the rates to the platform, piece by piece."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import structlog

from bot.platforms.base import Batching, CardRef, Platform, Rate, RateLimited, Receipt, Refused, SendError, TryLater
from bot.rate_limits import RateLimits
from handlers.messages import Address, Card, Part, Text
from handlers.plain import as_text

log = structlog.get_logger()

TOO_MUCH = "发送频率到上限了，稍后再发"


@dataclass(frozen=True, slots=True)
class Sent:
    """What travelled and what the platform said to the last of it."""

    payloads: list[dict[str, Any]]
    receipt: Receipt


@dataclass(slots=True)
class Progress:
    """How many payloads of a row have gone out, so that a retry does not repeat them."""

    pieces: int = 0


@dataclass(frozen=True, slots=True)
class Failed:
    """A message that did not arrive whole: why, and how many of its payloads did."""

    error: SendError
    pieces: int


@dataclass(frozen=True, slots=True)
class Sending:
    """One message to one address; `key` names the delivery."""

    platform: Platform
    limits: RateLimits
    address: Address
    card: CardRef | None
    key: str
    progress: Progress
    is_push: bool

    async def part(self, part: Part) -> Sent:
        """Send the payloads of a part that have not been sent yet; a card's handle survives a text after it."""
        payloads = self.platform.render(part, self.card)
        receipt = Receipt()
        for number in range(self.progress.pieces, len(payloads)):
            await self._take_rate()
            new = await self.platform.send(self.address, payloads[number], self.card, key=f"{self.key}:{number}")
            receipt = replace(new, handle=new.handle or receipt.handle)
            self.progress.pieces += 1
        return Sent(payloads, receipt)

    async def card_update(self, content: Card, card: CardRef) -> Sent:
        """Change the card in place; where the platform refuses that, say how it ended in a new message."""
        await self._take_rate()
        try:
            receipt = await self.platform.update_card(self.address, content, card)
        except Refused as error:
            log.info("delivery.card_is_spent", card=card.public_id, reason=error.reason)
            return await replace(self, card=None, key=f"{self.key}:spent").part(Text(as_text([content])))
        return Sent([{"update": card.public_id}], receipt)

    async def _take_rate(self) -> None:
        if wait := await self.limits.take(self.platform.rates(self.address), push=self.is_push):
            raise RateLimited(TOO_MUCH, wait)


@dataclass(frozen=True, slots=True)
class SendingToMany:
    """One message to several people in one call for each of its payloads."""

    platform: Platform
    limits: RateLimits
    addresses: Sequence[Address]
    key: str

    async def part(self, part: Part) -> Mapping[str, Sent | Failed]:
        """Return by user id what became of it; who was not reached by a payload gets no further one."""
        payloads = self.platform.render(part)
        left = {address.user_id: address for address in self.addresses}
        ended: dict[str, Sent | Failed] = {}
        receipts: Mapping[str, Receipt | SendError] = {}
        for number, payload in enumerate(payloads):
            receipts = await self._piece(left, payload, f"{self.key}:{number}")
            for user_id, outcome in receipts.items():
                if isinstance(outcome, SendError):
                    ended[user_id] = Failed(outcome, number)
                    del left[user_id]
        return ended | {user: Sent(payloads, one) for user, one in receipts.items() if isinstance(one, Receipt)}

    async def _piece(
        self, addresses: Mapping[str, Address], payload: dict[str, Any], key: str
    ) -> dict[str, Receipt | SendError]:
        """Send one payload to everybody whose own rate is free, if the account's is."""
        outcomes: dict[str, Receipt | SendError] = {}
        for user_id, address in addresses.items():
            if wait := await self._wait(address, shared=False):
                outcomes[user_id] = RateLimited(TOO_MUCH, wait)
        free = [address for user_id, address in addresses.items() if user_id not in outcomes]
        return outcomes | dict(await self._call(free, payload, key)) if free else outcomes

    async def _call(
        self, addresses: Sequence[Address], payload: dict[str, Any], key: str
    ) -> Mapping[str, Receipt | SendError]:
        if not isinstance(self.platform, Batching):
            raise TypeError(f"{self.platform.name} takes one recipient a call")
        everybody = [address.user_id for address in addresses]
        if wait := await self._wait(addresses[0], shared=True):
            return dict.fromkeys(everybody, RateLimited(TOO_MUCH, wait))
        try:
            return await self.platform.send_many(addresses, payload, key=key)
        except SendError as error:
            return dict.fromkeys(everybody, error)
        except Exception as error:
            log.exception("delivery.failed", rows=len(addresses))
            return dict.fromkeys(everybody, TryLater(f"{type(error).__name__}: {error}"))

    async def _wait(self, address: Address, *, shared: bool) -> float:
        """Take the account's rate once a call, a person's once a person."""
        rates: list[Rate] = [rate for rate in self.platform.rates(address) if rate.shared is shared]
        return await self.limits.take(rates, push=True)
