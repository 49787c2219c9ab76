"""What became of a message, person by person (WeCom doc 90236)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from bot.platforms.base import Receipt, Refused, SendError
from bot.platforms.wecom.answers import Answer
from handlers.messages import Address

NOBODY_REACHED = "收件人不在应用可见范围"
NO_LICENCE = "收件人没有企业微信接口许可"


@dataclass(frozen=True, slots=True)
class Outcome:
    """The answer to a send; errcode 0 says nothing about the single person."""

    message_id: str
    response_code: str
    invalid: frozenset[str]
    unlicensed: frozenset[str]

    @classmethod
    def of(cls, answer: Answer) -> Outcome:
        """Return what an answer says; WeCom gives user ids back in lower case."""
        return cls(
            message_id=str(answer.body.get("msgid") or ""),
            response_code=str(answer.body.get("response_code") or ""),
            invalid=frozenset(user.casefold() for user in answer.users("invaliduser")),
            unlicensed=frozenset(user.casefold() for user in answer.users("unlicenseduser")),
        )

    def error_of(self, user_id: str) -> Refused | None:
        """Return why this person got nothing, None when they got it."""
        user = user_id.casefold()
        if user in self.invalid:
            return Refused(NOBODY_REACHED)
        return Refused(NO_LICENCE) if user in self.unlicensed else None

    def receipt(self, users: Sequence[str], seal: Callable[[str], str]) -> Receipt:
        """Return the receipt for all of them; `Refused` when nobody was reached."""
        errors = {user: error for user in users if (error := self.error_of(user))}
        if errors and len(errors) == len(users):
            raise next(iter(errors.values()))
        handle = {"response_code": seal(self.response_code)} if self.response_code else {}
        return Receipt(self.message_id, tuple(errors), handle)

    def by_person(self, addresses: Iterable[Address]) -> Mapping[str, Receipt | SendError]:
        """Return the receipt or the error of each."""
        return {one.user_id: self.error_of(one.user_id) or Receipt(self.message_id) for one in addresses}


def recipients(address: Address) -> list[str]:
    """Return the user ids of an address; one may name several people."""
    return address.user_id.casefold().split("|")
