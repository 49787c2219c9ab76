"""`daogou staff`: who works here, and which platform account is theirs."""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime

from sqlalchemy import ColumnElement, delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.config import Settings
from bot.runtime import NoTenant, open_runtime
from db.insert_new import insert_new
from db.models import Staff, StaffIdentity
from handlers.help import ROLE_NAMES

EPILOG = """\
例子：
  daogou staff list
  daogou staff bind 12 --platform wecom --user zhangsan
  daogou staff unbind --platform wecom --user zhangsan

没绑定的人给机器人发消息时，机器人会告诉他自己的编号（--user 要填的就是它）。
"""
PLATFORMS = ("wecom", "dingtalk")
NO_STAFF = "没有编号为 {staff_id} 的员工。用 daogou staff list 看有哪些。"
BOUND = "已绑定：{platform} 的 {user} 是 {name}。"
TAKEN = "{platform} 的 {user} 已经绑定给员工 {staff_id}。先 unbind 再绑定。"
UNBOUND = "已解除绑定。"
NOT_BOUND = "{platform} 的 {user} 没有绑定任何人。"


class StaffError(Exception):
    """The request cannot be done; the message is Chinese."""


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its three verbs."""
    parser = commands.add_parser(
        "staff", help="员工和平台账号的绑定", epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tenant", metavar="KEY", help="哪家企业（只有一家时不用写）")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="list|bind|unbind")
    verbs.add_parser("list", help="列出员工")
    bind = verbs.add_parser("bind", help="绑定一个平台账号")
    bind.add_argument("staff", type=int, help="员工编号")
    for verb in (bind, verbs.add_parser("unbind", help="解除绑定")):
        verb.add_argument("--platform", choices=PLATFORMS, required=True)
        verb.add_argument("--user", required=True, help="平台里的 userid / staffId")
    parser.set_defaults(run=run)


async def run(args: argparse.Namespace, settings: Settings) -> int:
    """Do what the verb says."""
    verb = {"list": _list, "bind": _bind, "unbind": _unbind}[args.verb]
    try:
        async with open_runtime(settings) as runtime:
            tenant_id = runtime.tenant(args.tenant).tenant_id
            async with runtime.database.write() as session:
                lines = await verb(session, tenant_id, args)
    except (NoTenant, StaffError) as error:
        print(error, file=sys.stderr)
        return 2
    print("\n".join(lines))
    return 0


async def _list(session: AsyncSession, tenant_id: int, _args: argparse.Namespace) -> list[str]:
    identities = await session.execute(
        select(StaffIdentity.staff_id, StaffIdentity.platform, StaffIdentity.user_id).where(
            StaffIdentity.tenant_id == tenant_id
        )
    )
    bound: dict[int, list[str]] = {}
    for staff_id, platform, user_id in identities:
        bound.setdefault(staff_id, []).append(f"{platform}:{user_id}")
    people = await session.scalars(select(Staff).where(Staff.tenant_id == tenant_id).order_by(Staff.id))
    return [
        f"{person.id:>5}  {person.name}  {ROLE_NAMES.get(person.role, person.role)}  "
        f"{' '.join(bound.get(person.id, ['未绑定']))}"
        for person in people
    ]


async def _bind(session: AsyncSession, tenant_id: int, args: argparse.Namespace) -> list[str]:
    person = await session.get(Staff, args.staff)
    if person is None or person.tenant_id != tenant_id:
        raise StaffError(NO_STAFF.format(staff_id=args.staff))
    user_id = args.user
    values = {"tenant_id": tenant_id, "staff_id": person.id, "platform": args.platform, "user_id": user_id}
    if await insert_new(session, StaffIdentity, values | {"created_at": datetime.now(UTC)}) is None:
        owner = await session.scalar(select(StaffIdentity.staff_id).where(*_is(tenant_id, args)))
        if owner != person.id:
            raise StaffError(TAKEN.format(platform=args.platform, user=user_id, staff_id=owner))
    return [BOUND.format(platform=args.platform, user=user_id, name=person.name)]


async def _unbind(session: AsyncSession, tenant_id: int, args: argparse.Namespace) -> list[str]:
    found = await session.scalar(select(StaffIdentity.id).where(*_is(tenant_id, args)))
    if found is None:
        raise StaffError(NOT_BOUND.format(platform=args.platform, user=args.user))
    await session.execute(delete(StaffIdentity).where(StaffIdentity.id == found))
    return [UNBOUND]


def _is(tenant_id: int, args: argparse.Namespace) -> tuple[ColumnElement[bool], ...]:
    return (
        StaffIdentity.tenant_id == tenant_id,
        StaffIdentity.platform == args.platform,
        StaffIdentity.user_id == args.user,
    )
