"""`daogou outbox`: what waits to be sent, what failed and why, and what to do about it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from zoneinfo import ZoneInfo

from bot.cli.arguments import whole_number
from bot.config import Settings
from bot.json_text import to_json
from bot.runtime import NoTenant, Runtime, open_runtime
from db.models import Outbox
from db.outbox_admin import ENDED_BADLY, STATUSES, give_up, list_messages, send_again
from handlers.clock import DEFAULT_ZONE

EPILOG = """\
例子：
  daogou outbox list                       没送到的（failed、unknown、expired），最新的在前
  daogou outbox list --status queued       还在排队的
  daogou outbox retry 1024 1025            重新发这两条
  daogou outbox retry --all-failed         所有失败的重新发（unknown 不算，它们可能已经送到）
  daogou outbox drop 1024                  不发了

unknown 表示发出去了但没有收到平台的回应，可能已经送到：重发之前先问问对方收到没有。
"""
STATUS_NAMES = {
    "queued": "排队",
    "sending": "发送中",
    "sent": "已发",
    "failed": "失败",
    "unknown": "是否送达未知",
    "expired": "过期没发",
}
LINE = "{id:>8}  {time}  {platform:<14} {kind:<12} {status}  试过 {attempts} 次  {reason}"
NONE = "没有这样的消息。"
AGAIN = "{id}：已放回待发队列，运行中的服务会发出去。"
NOT_AGAIN = "{id}：不能重发。只有失败、未知和过期的可以。"
DROPPED = "{id}：不发了。"
NOT_DROPPED = "{id}：不能放弃。只有排队的和未知的可以。"
BY_HAND = "管理员决定不发了"
WHICH = "请给出编号，或用 --all-failed。"


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its three verbs."""
    parser = commands.add_parser(
        "outbox", help="待发和没送到的消息", epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tenant", metavar="KEY", help="哪家企业（只有一家时不用写）")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="list|retry|drop")
    listing = verbs.add_parser("list", help="列出消息")
    listing.add_argument("--status", choices=STATUSES, action="append", help="只看这种状态，可以写几次")
    listing.add_argument("--limit", type=whole_number, default=50, metavar="N", help="最多几条（默认 50）")
    listing.add_argument("--json", action="store_true", help="输出 JSON，一条一行")
    retry = verbs.add_parser("retry", help="重新发")
    retry.add_argument("ids", type=whole_number, nargs="*", metavar="编号")
    retry.add_argument("--all-failed", action="store_true", help="所有失败的")
    drop = verbs.add_parser("drop", help="不发了")
    drop.add_argument("ids", type=whole_number, nargs="+", metavar="编号")
    parser.set_defaults(run=run)


async def run(args: argparse.Namespace, settings: Settings) -> int:
    """Do what the verb says; 1 when a message was not in a state for it."""
    try:
        async with open_runtime(settings) as runtime:
            tenant_id = runtime.tenant(args.tenant).tenant_id
            if args.verb == "list":
                return await _list(runtime, tenant_id, args)
            return await _change(runtime, tenant_id, args)
    except NoTenant as error:
        print(error, file=sys.stderr)
        return 2


async def _list(runtime: Runtime, tenant_id: int, args: argparse.Namespace) -> int:
    async with runtime.database.read() as session:
        rows = await list_messages(session, tenant_id, args.status or ENDED_BADLY, args.limit)
    if not rows and not args.json:
        print(NONE)
    for row in rows:
        print(to_json(_as_json(row)) if args.json else _line(row))
    return 0


def _line(row: Outbox) -> str:
    return LINE.format(
        id=row.id,
        time=f"{row.created_at.astimezone(ZoneInfo(DEFAULT_ZONE)):%m-%d %H:%M:%S}",
        platform=row.platform,
        kind=row.kind,
        status=STATUS_NAMES[row.status],
        attempts=row.attempts,
        reason=row.error or "",
    ).rstrip()


def _as_json(row: Outbox) -> dict[str, object]:
    """Return the facts of a row without what it says and to whom."""
    return {
        "id": row.id,
        "platform": row.platform,
        "kind": row.kind,
        "status": row.status,
        "attempts": row.attempts,
        "staff_id": row.staff_id,
        "error": row.error,
        "created_at": row.created_at.isoformat(),
        "sent_at": row.sent_at.isoformat() if row.sent_at else None,
    }


async def _change(runtime: Runtime, tenant_id: int, args: argparse.Namespace) -> int:
    ids = await _wanted(runtime, tenant_id, args)
    if not ids:
        print(WHICH if not getattr(args, "all_failed", False) else NONE, file=sys.stderr)
        return 2
    good = [await _change_one(runtime, tenant_id, args.verb, row_id) for row_id in ids]
    return 0 if all(good) else 1


async def _wanted(runtime: Runtime, tenant_id: int, args: argparse.Namespace) -> Sequence[int]:
    if not getattr(args, "all_failed", False):
        return list(args.ids)
    async with runtime.database.read() as session:
        rows = await list_messages(session, tenant_id, ["failed"], 10_000)
    return sorted({*args.ids, *(row.id for row in rows)})


async def _change_one(runtime: Runtime, tenant_id: int, verb: str, row_id: int) -> bool:
    async with runtime.database.write() as session:
        if verb == "retry":
            done, words = await send_again(session, tenant_id, row_id), (AGAIN, NOT_AGAIN)
        else:
            done, words = await give_up(session, tenant_id, row_id, BY_HAND), (DROPPED, NOT_DROPPED)
    print(words[0 if done else 1].format(id=row_id))
    return done
