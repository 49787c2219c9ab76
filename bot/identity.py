"""Who wrote: from a platform's user id to a member of staff.

    bound before ─→ that person
    an id the platform encrypts for bots ─→ its plain form, resolved by the company's own app ─→ that person
    a mobile number the platform gives ─→ the one member of staff with it ─→ bound from now on
    「绑定 123456」 ─→ the person the code was made for ─→ bound from now on
    otherwise a stranger, who is told how to be bound

What is asked of a platform is asked once in a while for each stranger, not once for each of their messages.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol, runtime_checkable

import structlog

from bot.channels import Channels
from bot.platforms.base import Rate, SendError
from bot.rate_limits import RateLimits
from bot.seal import Sealer
from db.engine import Database
from handlers.binding import bind, code_in, staff_by_mobile, use_code
from handlers.messages import Address, Update
from handlers.people import find_person
from handlers.turn import Person

log = structlog.get_logger()

ASK_AGAIN_SECONDS = 600.0
STRANGERS_REMEMBERED = 10_000
TRIES, TRY_SECONDS = 5, 3600
TRIES_OF_ALL = 200
BOUND = "绑定好了，{name}。发「/帮助」看看我能做什么。"
WRONG_CODE = "这个绑定码不对，或者已经用过、过期了。请向管理员要一个新的。"
TOO_MANY = "试的次数太多了，请一小时后再试，或请管理员直接帮您绑定。"


@runtime_checkable
class KnowsMobiles(Protocol):
    """A platform that tells a member's mobile number, where it is allowed to."""

    async def mobile_of(self, user_id: str) -> str | None:
        """Return the number, None when it is not told."""
        ...


@runtime_checkable
class KnowsPlainIds(Protocol):
    """A platform that turns ids encrypted for bots into its own."""

    async def plain_user_ids(self, open_ids: list[str]) -> Mapping[str, str]:
        """Return the plain id of each id it knows."""
        ...


@dataclass(frozen=True, slots=True)
class Identities:
    """Recognises people; any number of them may share one database."""

    database: Database
    channels: Channels
    limits: RateLimits
    sealer: Sealer
    clock: Callable[[], datetime]
    _asked: dict[tuple[int, str, str], float] = field(default_factory=dict)

    async def person(self, tenant_id: int, address: Address) -> Person | None:
        """Return the person behind an address, None for a stranger."""
        if not address.user_id:
            return None
        found = await self._bound(tenant_id, address.people, address.user_id)
        if found is not None or not self._may_ask(tenant_id, address):
            return found
        try:
            return await self._by_plain_id(tenant_id, address) or await self._by_mobile(tenant_id, address)
        except SendError as error:
            log.warning("identity.not_asked", platform=address.platform, reason=error.reason)
            return None

    async def by_code(self, tenant_id: int, update: Update) -> str | None:
        """Return what to say to a stranger who typed a binding code, None when they typed none."""
        code, address = code_in(update.text), update.address
        if code is None or not address.user_id:
            return None
        if await self.limits.take(_tries(tenant_id, address)):
            return TOO_MANY
        digest = self.sealer.digest("binding", str(tenant_id), code)
        async with self.database.write() as session:
            staff = await use_code(session, tenant_id, address.people, address.user_id, digest, self.clock())
            said = BOUND.format(name=staff.name) if staff else WRONG_CODE
        log.info("identity.code", platform=address.platform, bound=staff is not None)
        return said

    async def _bound(self, tenant_id: int, people: str, user_id: str) -> Person | None:
        async with self.database.read() as session:
            return await find_person(session, tenant_id, people, user_id)

    async def _by_plain_id(self, tenant_id: int, address: Address) -> Person | None:
        """Resolve an encrypted id through the company's own app, and remember it as another name of the person."""
        company = self.channels.get((tenant_id, address.people))
        if address.people == address.platform or not isinstance(company, KnowsPlainIds):
            return None
        plain = (await company.plain_user_ids([address.user_id])).get(address.user_id)
        person = await self._bound(tenant_id, address.people, plain) if plain else None
        if person is not None:
            await self._bind(tenant_id, person.staff_id, address, "plain_id")
        return person

    async def _by_mobile(self, tenant_id: int, address: Address) -> Person | None:
        platform = self.channels.get((tenant_id, address.people))
        mobile = await platform.mobile_of(address.user_id) if isinstance(platform, KnowsMobiles) else None
        if not mobile:
            return None
        async with self.database.read() as session:
            staff = await staff_by_mobile(session, tenant_id, mobile_digest(self.sealer, tenant_id, mobile))
        if staff is None:
            return None
        await self._bind(tenant_id, staff.id, address, "mobile")
        return await self._bound(tenant_id, address.people, address.user_id)

    async def _bind(self, tenant_id: int, staff_id: int, address: Address, how: str) -> None:
        async with self.database.write() as session:
            await bind(session, tenant_id, staff_id, address.people, address.user_id, self.clock())
        log.info("identity.bound", platform=address.platform, how=how, staff_id=staff_id)

    def _may_ask(self, tenant_id: int, address: Address) -> bool:
        """Whether it is time to ask the platform about this stranger (again)."""
        key, now = (tenant_id, address.people, address.user_id), time.monotonic()
        if now < self._asked.get(key, 0.0):
            return False
        if len(self._asked) >= STRANGERS_REMEMBERED:
            self._asked.clear()
        self._asked[key] = now + ASK_AGAIN_SECONDS
        return True


def mobile_digest(sealer: Sealer, tenant_id: int, mobile: str) -> str:
    """Return the digest of a mobile number as staff rows keep it; spaces and +86 do not matter."""
    digits = "".join(char for char in mobile if char.isdigit())
    return sealer.digest("mobile", str(tenant_id), digits[-11:])


def _tries(tenant_id: int, address: Address) -> tuple[Rate, ...]:
    """Return how often one account, and all of a tenant's, may guess a code of a million."""
    return (
        Rate(f"binding:{tenant_id}:{address.people}:{address.user_id}", TRIES, TRY_SECONDS),
        Rate(f"binding:{tenant_id}", TRIES_OF_ALL, TRY_SECONDS),
    )
