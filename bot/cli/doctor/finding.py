"""One line of what the doctor found, and whom it is about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What was looked at, how it stands and what to do.

    `code` never changes its meaning, for a monitoring system; what fails in several ways has a code for each, such as
    `wecom.callback.dns`. `tenant` and `channel` are empty for what concerns the whole installation.
    """

    code: str
    what: str
    state: State
    detail: str
    fix: str = ""
    tenant: str = ""
    channel: str = ""


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom findings are about: a channel of a tenant, or the installation."""

    tenant: str = ""
    channel: str = ""

    def ok(self, code: str, what: str, detail: str) -> Finding:
        """Return that it works."""
        return Finding(code, what, "ok", detail, "", self.tenant, self.channel)

    def warn(self, code: str, what: str, detail: str, fix: str) -> Finding:
        """Return that it works, with something to know or to do."""
        return Finding(code, what, "warn", detail, fix, self.tenant, self.channel)

    def fail(self, code: str, what: str, detail: str, fix: str) -> Finding:
        """Return that it does not work, and how to mend it."""
        return Finding(code, what, "fail", detail, fix, self.tenant, self.channel)

    def key(self, section: str, name: str) -> str:
        """Return how a key of a section of this tenant is written in config.toml."""
        return f"config.toml 的 [tenants.{self.tenant}.{section}] {name}"


INSTALLATION = Subject()
