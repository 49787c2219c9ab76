"""One visit to a part of an installation, with what the database would know of it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from bot.cli.doctor.facts import Arrivals, Colleague, Facts, LeaseFact, Reached, Rows, Sent, TenantFacts
from bot.cli.doctor.finding import Finding
from bot.cli.doctor.visit import Visit
from bot.cli.doctor.web import Web
from bot.config import Settings
from tests.rows import NOW

KEY = "acme"
NOTHING_LIES = Rows(dead=0, failed=0, unknown=0, waiting=0, unsent=0)


def tenant_facts(
    bound: Mapping[str, Iterable[str]] = {},
    reached: Mapping[str, Reached] = {},
    used: Mapping[tuple[str, str], int] = {},
    groups: Mapping[tuple[str, str], Sent] = {},
    dingtalk: Arrivals = Arrivals(),  # noqa: B008 - frozen
    documents: Mapping[str, int] = {},
) -> TenantFacts:
    """What is known of the chain `acme`; people are called as their user id is."""
    people = {platform: [Colleague(user, f"员工{user}") for user in users] for platform, users in bound.items()}
    return TenantFacts(1, 3, people, reached, used, groups, dingtalk, documents)


def facts_of(tenant: TenantFacts, now: datetime = NOW, rows: Rows = NOTHING_LIES, **leases: LeaseFact) -> Facts:
    return Facts(now, {KEY: tenant}, rows, {name.replace("_", ":"): lease for name, lease in leases.items()}, [])


def visit_of(settings: Settings, facts: Facts | None = None, now: datetime = NOW, **more: Any) -> Visit:
    """A visit at `now` whose questions are given up after a second."""
    known: asyncio.Future[Facts | None] = asyncio.get_running_loop().create_future()
    known.set_result(facts)
    web = Web(lambda: now, seconds=1.0)
    return replace(Visit(settings, lambda: now, web, known, settings.server.public_url), **more)


def found(findings: Iterable[Finding]) -> dict[str, Finding]:
    """The findings by their code, each of which is there once."""
    listed = list(findings)
    by_code = {finding.code: finding for finding in listed}
    assert len(by_code) == len(listed), [finding.code for finding in listed]
    return by_code


def fails(findings: Iterable[Finding]) -> list[str]:
    return [finding.code for finding in findings if finding.state == "fail"]


def only(findings: Iterable[Finding], state: str = "fail") -> Finding:
    """The one finding in this state."""
    (one,) = [finding for finding in findings if finding.state == state]
    return one
