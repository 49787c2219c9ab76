"""`daogou bench`: figures about this installation, printed and not judged.

bench start   seconds until the demo server is ready, and its memory then and after the sample questions
bench ask     milliseconds of the five sample questions, the first time and the median of the next ones
bench wire    encrypted callbacks per second to durable acknowledgement, beside a bare loop that keeps nothing
"""

from __future__ import annotations

import argparse
import json
import sys

from bot.cli.bench.ask import measure_questions
from bot.cli.bench.failed import BenchFailed
from bot.cli.bench.start import measure_start
from bot.cli.bench.wire import measure_wire
from bot.config import Settings
from bot.runtime import NoTenant

EPILOG = """\
例子：
  daogou bench start                 演示服务多久就绪、占多少内存（先用 make demo 生成数据）
  daogou bench ask --repeat 20       五个样例问题各要多少毫秒
  daogou bench wire --seconds 10     每秒能收下多少条加密回调（SQLite）
  daogou bench wire --server mysql+aiomysql://root@127.0.0.1:3306/   再量一遍 MariaDB / MySQL
  daogou bench ask --json
"""


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its measurements."""
    parser = commands.add_parser(
        "bench",
        help="量一量：启动、内存、样例问题、收消息",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("what", choices=("start", "ask", "wire"))
    parser.add_argument("--repeat", type=int, default=10, metavar="N", help="每个问题问几遍（默认 10）")
    parser.add_argument("--seconds", type=float, default=5.0, metavar="N", help="每一轮量几秒（默认 5）")
    parser.add_argument("--connections", type=int, default=64, metavar="N", help="同时多少个连接（默认 64）")
    parser.add_argument("--server", metavar="URL", help="也在这台数据库服务器上量（建一个临时的库，量完删掉）")
    parser.add_argument("--json", action="store_true", help="输出 JSON")
    parser.set_defaults(run=run)


async def run(args: argparse.Namespace, settings: Settings) -> int:
    """Measure and print; 1 when the thing to be measured does not run."""
    try:
        match args.what:
            case "start":
                lines, figures = await measure_start()
            case "ask":
                lines, figures = await measure_questions(settings, args.repeat)
            case _:
                lines, figures = await measure_wire(args.seconds, args.connections, args.server)
    except (BenchFailed, NoTenant) as error:
        print(error, file=sys.stderr)
        return 1
    print(json.dumps(figures, ensure_ascii=False) if args.json else "\n".join(lines))
    return 0
