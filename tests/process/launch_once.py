"""A process that launches one plan and may be told where to die: `launch_once.py DATABASE CRM LEASE POINT`.

It dies by SIGKILL, as a machine dies: nothing is closed, flushed or rolled back by us.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from datetime import timedelta
from decimal import Decimal
from typing import Any

from bot.crm.client import CrmClient
from db.engine import Database
from handlers.crm import CrmCoupon
from handlers.crm_executor import CrmExecutor
from tests.plans import MANAGER, NOW, PLAN, utc_now


class DeadlyCrm(CrmClient):
    """The real client, with a shot at a chosen point."""

    point = ""

    async def create_coupon(self, request_number: str, coupon: dict[str, Any]) -> CrmCoupon:
        self._shoot("after pending")
        made = await super().create_coupon(request_number, coupon)
        self._shoot("after create")
        return made

    async def publish_coupon(self, coupon_id: str, request_number: str) -> CrmCoupon:
        self._shoot("after created is recorded")
        published = await super().publish_coupon(coupon_id, request_number)
        self._shoot("after publish")
        return published

    def _shoot(self, point: str) -> None:
        if point == self.point:
            os.kill(os.getpid(), signal.SIGKILL)


async def main(database_url: str, crm_url: str, lease: str, point: str) -> None:
    database, crm = Database(database_url), DeadlyCrm(crm_url)
    crm.point = point
    seconds = timedelta(seconds=float(lease))
    executor = CrmExecutor(database, crm, Decimal(200_000), f"process-{os.getpid()}", utc_now, seconds)
    execution = await executor.launch(PLAN, MANAGER, NOW)
    if point == "after the last commit":
        os.kill(os.getpid(), signal.SIGKILL)
    sys.stdout.write(json.dumps(execution.as_json()))
    await crm.close()
    await database.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
