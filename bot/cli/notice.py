"""`daogou notice`: one text to the people of some stores, or into groups by their webhooks."""

from __future__ import annotations

import argparse
import sys
from datetime import datetime
from zoneinfo import ZoneInfo

from bot.cli.arguments import whole_number
from bot.config import Settings, TenantSettings
from bot.runtime import NoTenant, Runtime, open_runtime
from handlers.clock import DEFAULT_ZONE
from handlers.messages import Address
from jobs.notice import Notice, queue_notice
from jobs.recipients import reached

EPILOG = """\
例子：
  daogou notice "今晚 8 点盘点，请提前准备" --store 1 --store 2
  daogou notice "总部通知：……" --everyone
  daogou notice "今天的目标是 3 万" --group 店长群

同样的话同一天对同一个人只发一次。群要先在配置里写好 webhook（wecom_groups、dingtalk_groups）。
"""
NOBODY = "请说明发给谁：--store、--everyone 或 --group。"
NO_GROUP = "配置里没有叫「{name}」的群。现有：{names}"
NO_GROUPS = "还没有"
QUEUED = "已放进待发队列 {queued} 条；今天已经发过的 {already} 条不再发。运行中的服务会发出去。"
TEXT_CHARS = 1000
BAD_TEXT = "要发的话不能空着，最多 1000 个字。"


class NoticeError(Exception):
    """The notice cannot be queued; the message is Chinese."""


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "notice", help="发一条通知", epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("text", metavar="通知", help="要发的话")
    parser.add_argument("--store", type=whole_number, action="append", metavar="ID", help="这家门店的人，可以写几次")
    parser.add_argument("--everyone", action="store_true", help="所有在职员工")
    parser.add_argument("--group", action="append", metavar="名字", help="配置里的群，可以写几次")
    parser.add_argument("--tenant", metavar="KEY", help="哪家企业（只有一家时不用写）")
    parser.set_defaults(run=run)


async def run(args: argparse.Namespace, settings: Settings) -> int:
    """Queue the notice; 2 when nobody is meant or a group is not known."""
    try:
        async with open_runtime(settings) as runtime:
            print(await _queue(runtime, args))
    except (NoTenant, NoticeError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


async def _queue(runtime: Runtime, args: argparse.Namespace) -> str:
    text = args.text.strip()
    if not 0 < len(text) <= TEXT_CHARS:
        raise NoticeError(BAD_TEXT)
    if not (args.store or args.everyone or args.group):
        raise NoticeError(NOBODY)
    tenant = runtime.tenant(args.tenant)
    groups = group_addresses(runtime.settings.tenants.get(tenant.key, TenantSettings()), args.group or ())
    now: datetime = runtime.clock()
    notice = Notice(tenant.tenant_id, text, now.astimezone(ZoneInfo(DEFAULT_ZONE)).date())
    async with runtime.database.write() as session:
        recipients: dict[int | str, Address] = dict(groups.items())
        if args.store or args.everyone:
            stores = None if args.everyone else args.store
            people = await reached(session, tenant.tenant_id, stores)
            recipients |= dict(people.items())
        queued = await queue_notice(session, notice, recipients, now)
    return QUEUED.format(queued=queued, already=len(recipients) - queued)


def group_addresses(tenant: TenantSettings, names: list[str] | tuple[()]) -> dict[str, Address]:
    """Return where each named group is reached; a name may stand for a group on either platform, or one on each."""
    by_channel = {"wecom_group": list(tenant.wecom_groups), "dingtalk_group": list(tenant.dingtalk_groups)}
    found: dict[str, Address] = {}
    for name in names:
        channels = [channel for channel, groups in by_channel.items() if name in groups]
        if not channels:
            known = "、".join(dict.fromkeys(n for groups in by_channel.values() for n in groups)) or NO_GROUPS
            raise NoticeError(NO_GROUP.format(name=name, names=known))
        found |= {f"{channel}:{name}": Address(channel, name, "", group=True) for channel in channels}
    return found
