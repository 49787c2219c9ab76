"""Why a seed was refused; each message is meant for the person who asked for it."""

from __future__ import annotations


class SeedError(Exception):
    """The demo chain was not made, and nothing in the database has changed."""


class TenantExists(SeedError):
    """A tenant of this key is already there."""

    def __init__(self, key: str) -> None:
        super().__init__(f"租户「{key}」已经存在，没有改动任何数据。想重新生成，请换一个空的数据库再试。")


class BadSeedRequest(SeedError):
    """The day or the number of orders cannot be used."""
