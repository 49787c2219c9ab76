"""`daogou seed`: the demo chain with its planted story, and the figures to check it by."""

from __future__ import annotations

import argparse
import sys
import time
from datetime import date, datetime
from zoneinfo import ZoneInfo

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from bot.cli.arguments import day
from bot.config import Settings
from bot.runtime import load_knowledge
from db.engine import Database
from db.migrate import MigrationError, migrate
from db.seed import DEFAULT_ORDERS, BadSeedRequest, CheckFigures, SeedError, check_request, seed
from handlers.clock import DEFAULT_ZONE

EPILOG = """\
例子：
  daogou seed                                  以今天为准，4 万笔订单，约 10 秒
  daogou seed --as-of 2026-11-21               让“今天”停在这一天，每次结果都一样
  daogou seed --orders 1000000                 同一个故事，更大的数据

数据：10 家门店、3,000 位会员、DATE 之前 90 天的订单，DATE 当天只到上午 10:30（都算在订单数里）。
最近 7 天里埋了一个故事：老客少下单三成，新客变多但客单价低，3 号店支付成功率下降。
"""
BAD_COUNT = "订单数要是一个整数，{text} 不是"
STARTED = "→ 生成演示数据：今天是 {day}，{orders:,} 笔订单"
DEMO_TENANT = "demo"
KNOWLEDGE = "知识库 {count} 篇已载入"
DONE = "✓ 完成，用时 {seconds:.1f} 秒"
NO_DATABASE = "数据库用不了（{why}）。请检查 [database] url 和磁盘空间，数据库要已经启动；没有留下半份数据。"


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "seed", help="生成演示数据", epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--as-of", type=day, metavar="DATE", help="把这一天当作今天，如 2026-11-21（默认今天）")
    parser.add_argument(
        "--orders", type=_count, default=DEFAULT_ORDERS, metavar="N", help="订单数（默认 4 万，最少 100）"
    )
    parser.set_defaults(run=run)


async def run(args: argparse.Namespace, settings: Settings) -> int:
    """Bring the schema up to date, make the chain and print its check figures; 2 for a bad day or number."""
    as_of = args.as_of or datetime.now(ZoneInfo(DEFAULT_ZONE)).date()
    started = time.perf_counter()
    try:
        figures = await _make(settings.database.url.get_secret_value(), as_of, args.orders)
    except BadSeedRequest as error:
        return _fail(str(error), 2)
    except (SeedError, MigrationError) as error:
        return _fail(str(error), 1)
    except (SQLAlchemyError, OSError) as error:
        return _fail(NO_DATABASE.format(why=_reason(error)), 1)
    print("\n".join(figures.lines()))
    print(DONE.format(seconds=time.perf_counter() - started), flush=True)
    return 0


async def _make(url: str, as_of: date, orders: int) -> CheckFigures:
    check_request(as_of, orders)
    print(STARTED.format(day=as_of, orders=orders), flush=True)
    database = Database(url)
    try:
        await migrate(database)
        figures = await seed(database, as_of, orders, progress=_progress)
        _progress(KNOWLEDGE.format(count=await load_knowledge(database, DEMO_TENANT)))
        return figures
    finally:
        await database.close()


def _progress(line: str) -> None:
    print(f"  {line}", flush=True)


def _fail(message: str, code: int) -> int:
    print(f"✗ {message}", file=sys.stderr)
    return code


def _reason(error: Exception) -> str:
    """Return the driver's own words; SQLAlchemy's would bring the whole statement along."""
    return str(error.orig) if isinstance(error, DBAPIError) else f"{type(error).__name__}: {error}"


def _count(text: str) -> int:
    try:
        return int(text.replace(",", ""))
    except ValueError as error:
        raise argparse.ArgumentTypeError(BAD_COUNT.format(text=text)) from error
