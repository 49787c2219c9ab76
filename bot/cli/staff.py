"""`daogou staff`: who works here, and which platform account is theirs."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

from sqlalchemy import ColumnElement, delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.cli.staff_file import BadStaffFile, read_staff
from bot.config import Settings
from bot.identity import mobile_digest
from bot.runtime import NoTenant, open_runtime
from bot.seal import Sealer
from db.models import Staff, StaffIdentity
from db.staff_import import ImportRefused, take_line
from handlers.binding import VALID, NoCode, bind, new_code
from handlers.help import ROLE_NAMES

EPILOG = """\
例子：
  daogou staff list
  daogou staff bind 12 --platform wecom --user zhangsan
  daogou staff unbind --platform wecom --user zhangsan
  daogou staff code 12                     给他一个绑定码：他对机器人说「绑定 123456」就绑好了
  daogou staff import 员工.csv              成批导入；两个平台都有账号的人是同一个员工

没绑定的人给机器人发消息时，机器人会告诉他自己的编号（--user 要填的就是它）。
导入的表格第一行是列名：姓名、角色（店员、店长、区域经理、总部、管理员）、门店（几家用分号隔开）、手机、企业微信、钉钉。
手机号只存一个认得出、还原不了的摘要：平台肯告诉手机号时，第一次说话就自动认出他。
"""
PLATFORMS = ("wecom", "dingtalk")
NO_STAFF = "没有编号为 {staff_id} 的员工。用 daogou staff list 看有哪些。"
BOUND = "已绑定：{platform} 的 {user} 是 {name}。"
TAKEN = "{platform} 的 {user} 已经绑定给员工 {staff_id}。先 unbind 再绑定。"
UNBOUND = "已解除绑定。"
CODE = "{name} 的绑定码：{code}（{hours} 小时内有效，只能用一次）。请他对机器人说「绑定 {code}」。"
CODES_FULL = "没用掉的绑定码太多了，请等旧的过期再试。"
IMPORTED = "导入完成：新增 {new} 人，更新 {changed} 人。"
BAD_LINE = "第 {number} 行：{why}"
NOTHING_TAKEN = "有 {count} 行有问题，什么都没有导入："
NOT_BOUND = "{platform} 的 {user} 没有绑定任何人。"


class StaffError(Exception):
    """The request cannot be done; the message is Chinese."""


@dataclass(frozen=True, slots=True)
class Desk:
    """Whose staff it is, how secrets are kept, and the time."""

    tenant_id: int
    sealer: Sealer
    now: datetime


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its verbs."""
    parser = commands.add_parser(
        "staff", help="员工和平台账号的绑定", epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tenant", metavar="KEY", help="哪家企业（只有一家时不用写）")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="list|bind|unbind|code|import")
    verbs.add_parser("list", help="列出员工")
    bind = verbs.add_parser("bind", help="绑定一个平台账号")
    bind.add_argument("staff", type=int, help="员工编号")
    verbs.add_parser("code", help="生成绑定码").add_argument("staff", type=int, help="员工编号")
    verbs.add_parser("import", help="从 CSV 导入").add_argument("file", type=Path, help="CSV 文件")
    for verb in (bind, verbs.add_parser("unbind", help="解除绑定")):
        verb.add_argument("--platform", choices=PLATFORMS, required=True)
        verb.add_argument("--user", required=True, help="平台里的 userid / staffId")
    parser.set_defaults(run=run)


async def run(args: argparse.Namespace, settings: Settings) -> int:
    """Do what the verb says."""
    verbs = {"list": _list, "bind": _bind, "unbind": _unbind, "code": _code, "import": _import}
    try:
        async with open_runtime(settings) as runtime:
            tenant_id = runtime.tenant(args.tenant).tenant_id
            async with runtime.database.write() as session:
                lines = await verbs[args.verb](session, Desk(tenant_id, runtime.sealer, runtime.clock()), args)
    except (NoTenant, StaffError, BadStaffFile) as error:
        print(error, file=sys.stderr)
        return 2
    print("\n".join(lines))
    return 0


async def _list(session: AsyncSession, desk: Desk, _args: argparse.Namespace) -> list[str]:
    identities = await session.execute(
        select(StaffIdentity.staff_id, StaffIdentity.platform, StaffIdentity.user_id).where(
            StaffIdentity.tenant_id == desk.tenant_id
        )
    )
    bound: dict[int, list[str]] = {}
    for staff_id, platform, user_id in identities:
        bound.setdefault(staff_id, []).append(f"{platform}:{user_id}")
    people = await session.scalars(select(Staff).where(Staff.tenant_id == desk.tenant_id).order_by(Staff.id))
    return [
        f"{person.id:>5}  {person.name}  {ROLE_NAMES.get(person.role, person.role)}  "
        f"{' '.join(bound.get(person.id, ['未绑定']))}"
        for person in people
    ]


async def _bind(session: AsyncSession, desk: Desk, args: argparse.Namespace) -> list[str]:
    person, user_id = await _person(session, desk, args.staff), args.user
    if not await bind(session, desk.tenant_id, person.id, args.platform, user_id, desk.now):
        owner = await session.scalar(select(StaffIdentity.staff_id).where(*_is(desk.tenant_id, args)))
        if owner != person.id:
            raise StaffError(TAKEN.format(platform=args.platform, user=user_id, staff_id=owner))
    return [BOUND.format(platform=args.platform, user=user_id, name=person.name)]


async def _unbind(session: AsyncSession, desk: Desk, args: argparse.Namespace) -> list[str]:
    found = await session.scalar(select(StaffIdentity.id).where(*_is(desk.tenant_id, args)))
    if found is None:
        raise StaffError(NOT_BOUND.format(platform=args.platform, user=args.user))
    await session.execute(delete(StaffIdentity).where(StaffIdentity.id == found))
    return [UNBOUND]


async def _code(session: AsyncSession, desk: Desk, args: argparse.Namespace) -> list[str]:
    person = await _person(session, desk, args.staff)
    try:
        code = await new_code(session, desk.tenant_id, person.id, desk.sealer.digest, desk.now)
    except NoCode as error:
        raise StaffError(CODES_FULL) from error
    return [CODE.format(name=person.name, code=code, hours=int(VALID.total_seconds() // 3600))]


async def _import(session: AsyncSession, desk: Desk, args: argparse.Namespace) -> list[str]:
    """Take every line of the file, or none: a half-read list is worse than a refused one."""
    outcomes: Counter[str] = Counter()
    refused: list[str] = []
    for number, line, _ in read_staff(args.file, partial(mobile_digest, desk.sealer, desk.tenant_id)):
        try:
            outcome, _ = await take_line(session, desk.tenant_id, line, desk.now)
            outcomes[outcome] += 1
        except ImportRefused as error:
            refused.append(BAD_LINE.format(number=number, why=error))
    if refused:
        raise StaffError("\n".join([NOTHING_TAKEN.format(count=len(refused)), *refused]))
    return [IMPORTED.format(new=outcomes["new"], changed=outcomes["changed"])]


async def _person(session: AsyncSession, desk: Desk, staff_id: int) -> Staff:
    person = await session.get(Staff, staff_id)
    if person is None or person.tenant_id != desk.tenant_id:
        raise StaffError(NO_STAFF.format(staff_id=staff_id))
    return person


def _is(tenant_id: int, args: argparse.Namespace) -> tuple[ColumnElement[bool], ...]:
    return (
        StaffIdentity.tenant_id == tenant_id,
        StaffIdentity.platform == args.platform,
        StaffIdentity.user_id == args.user,
    )
