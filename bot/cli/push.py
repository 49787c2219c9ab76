"""`daogou push`: run the morning or the evening push by hand, or look at what it would send."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from sqlalchemy import select

from bot.cli.arguments import day, whole_number
from bot.config import Settings
from bot.runtime import NoTenant, Runtime, open_runtime
from db.models import Store, Tenant
from handlers.clock import business_now
from handlers.plain import as_text
from jobs import PUSHES
from jobs.push import PushOrder, PushParts, PushResult

EPILOG = """\
例子：
  daogou push morning --dry-run                      看看今天早上会给谁发什么，什么都不写
  daogou push morning --as-of 2026-11-21             生成这一天的任务，把消息放进待发队列
  daogou push evening --as-of 2026-11-21 --store 3   只提醒 3 号店还没做完的人

消息由正在运行的服务（daogou serve）发出去。重复执行不会重复发。
"""
KIND_NAMES = {"morning": "晨间推送", "evening": "晚间提醒"}
NO_STORE = "没有编号为 {store_id} 的门店。现有门店：{stores}"
NO_STORES = "还没有门店。先执行 daogou seed 生成演示数据。"
HEAD = "{kind} · {due}{dry}"
DRY = "（预演，没有写入任何东西）"
STORE_LINE = "【{store_id} {store}】新任务 {tasks}，新消息 {queued}，已在队列 {already}"
STORE_LINE_DRY = "【{store_id} {store}】会新建任务 {tasks}，会发 {queued}，已在队列 {already}"
IDLE = "  没有要说的：{count} 人"
UNREACHABLE = "  没有绑定平台账号，收不到消息（任务照建）：{names}"
TO = "  → {name}（{platform}）{already}"
ALREADY = "：已在队列，不会再发"
TOTAL = "合计：新任务 {tasks}，新消息 {queued}，已在队列 {already}，收不到 {unreachable}"
WAITING = "消息已放进待发队列，运行中的服务会发出去。"
PLATFORMS = {"wecom": "企业微信", "dingtalk": "钉钉"}
INDENT = "    "
WORTH = timedelta(hours=2)


class UnknownStore(Exception):
    """No store has this number; the message says which there are."""


@dataclass(frozen=True, slots=True)
class _Shop:
    """A store and the day that is today there."""

    tenant_id: int
    store_id: int
    due: date


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "push", help="手动执行晨间推送或晚间提醒", description="手动执行晨间推送或晚间提醒。", epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("kind", choices=sorted(PUSHES), help="morning 晨间推送，evening 晚间提醒")
    parser.add_argument("--as-of", type=day, metavar="DATE", help="把这一天当作今天，如 2026-11-21")
    parser.add_argument("--store", type=whole_number, metavar="ID", help="只做这家门店（默认全部）")
    parser.add_argument("--tenant", metavar="KEY", help="哪家企业（只有一家时不用写）")
    parser.add_argument("--dry-run", action="store_true", help="只看会发什么，不写入")
    parser.set_defaults(run=run)


async def run(args: argparse.Namespace, settings: Settings) -> int:
    """Run the push for every store that is meant; 2 for a store or tenant that does not exist."""
    try:
        async with open_runtime(settings) as runtime:
            shops = await _shops(runtime, args)
            parts = PushParts(runtime.database, runtime.weather, runtime.drafts)
            results = [await _push(args, shop, parts, runtime) for shop in shops]
    except (NoTenant, UnknownStore) as error:
        print(error, file=sys.stderr)
        return 2
    print("\n".join(report(args.kind, results, dry_run=args.dry_run)))
    return 0


async def _push(args: argparse.Namespace, shop: _Shop, parts: PushParts, runtime: Runtime) -> PushResult:
    now = runtime.clock()
    order = PushOrder(shop.tenant_id, shop.store_id, shop.due, now, now + WORTH, dry_run=args.dry_run)
    return await PUSHES[args.kind](order, parts)


async def _shops(runtime: Runtime, args: argparse.Namespace) -> list[_Shop]:
    """Return the stores that are meant, each with its own today unless a day was given."""
    tenant_id = runtime.tenant(args.tenant).tenant_id
    async with runtime.database.read() as session:
        tenant = await session.get_one(Tenant, tenant_id)
        query = select(Store).where(Store.tenant_id == tenant_id).order_by(Store.id)
        stores = (await session.scalars(query)).all()
    chosen = [store for store in stores if args.store in {None, store.id}]
    if not chosen:
        raise UnknownStore(_which_stores(args.store, stores))
    now = runtime.clock()
    return [
        _Shop(tenant_id, store.id, args.as_of or business_now(now, store.timezone, tenant.demo_as_of).date())
        for store in chosen
    ]


def _which_stores(store_id: int | None, stores: Sequence[Store]) -> str:
    if not stores:
        return NO_STORES
    return NO_STORE.format(store_id=store_id, stores="、".join(f"{store.id} {store.name}" for store in stores))


def report(kind: str, results: Sequence[PushResult], *, dry_run: bool) -> list[str]:
    """Return what was done, or would be, in lines for a person."""
    days = "、".join(sorted({result.due.isoformat() for result in results}))
    lines = [HEAD.format(kind=KIND_NAMES[kind], due=days, dry=DRY if dry_run else "")]
    for result in results:
        lines += _store_lines(result, dry_run=dry_run)
    lines.append(
        TOTAL.format(
            tasks=sum(result.new_tasks for result in results),
            queued=sum(result.queued for result in results),
            already=sum(result.already for result in results),
            unreachable=sum(len(result.unreachable) for result in results),
        )
    )
    if not dry_run and any(result.queued for result in results):
        lines.append(WAITING)
    return lines


def _store_lines(result: PushResult, *, dry_run: bool) -> list[str]:
    head = (STORE_LINE_DRY if dry_run else STORE_LINE).format(
        store_id=result.store_id,
        store=result.store_name,
        tasks=result.new_tasks,
        queued=result.queued,
        already=result.already,
    )
    lines = [head, *(f"  {note}" for note in result.notes)]
    if result.idle:
        lines.append(IDLE.format(count=result.idle))
    if result.unreachable:
        lines.append(UNREACHABLE.format(names="、".join(result.unreachable)))
    for preview in result.previews:
        platform = PLATFORMS.get(preview.platform, preview.platform)
        lines.append(TO.format(name=preview.staff_name, platform=platform, already=ALREADY if preview.already else ""))
        lines += [f"{INDENT}{line}" for line in as_text([preview.card]).splitlines()]
    return lines
