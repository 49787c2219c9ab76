"""`daogou doctor`: what works on this installation, line by line, and how to mend the rest."""

from __future__ import annotations

import argparse
import sys

from bot.cli.doctor.demo import with_running_demo
from bot.cli.doctor.examine import examine
from bot.cli.doctor.output import as_json, as_text, without_secrets
from bot.config import Settings

EPILOG = """\
例子：
  daogou doctor                      全部检查一遍，约十秒
  daogou doctor --tenant acme        只看一家企业的平台
  daogou doctor --json --free        给监控定时跑：不调用计费的接口

每个钉钉应用检查一次用 2 次接口调用（开了流式卡片是 4 次），计入企业的月额度；--free 不用。
不会给任何人、任何群发消息。有 ✗ 时返回 1。
"""
NOT_A_TENANT = "配置里没有企业「{key}」，现有：{keys}"
NONE = "没有"


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "doctor",
        help="逐项检查，并告诉您怎么修",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--json", action="store_true", help="输出 JSON")
    parser.add_argument("--tenant", metavar="KEY", help="只看这一家企业的平台")
    parser.add_argument("--free", action="store_true", help="不调用计入平台额度的接口")
    # What a check runs into stands in its finding.
    parser.set_defaults(run=run, usual_log_level="CRITICAL")


async def run(args: argparse.Namespace, settings: Settings) -> int:
    """Print the findings; 1 when something does not work, 2 for a tenant nobody configured."""
    settings = await with_running_demo(settings)
    if args.tenant is not None and args.tenant not in settings.tenants:
        print(NOT_A_TENANT.format(key=args.tenant, keys="、".join(settings.tenants) or NONE), file=sys.stderr)
        return 2
    findings = without_secrets(await examine(settings, tenant=args.tenant, free=args.free), settings)
    print(as_json(findings) if args.json else "\n".join(as_text(findings)))
    return int(any(finding.state == "fail" for finding in findings))
