"""`daogou wecom menu`: the menu at the bottom of the app's chat in WeCom."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bot.config import Settings, WecomSettings
from bot.json_text import to_json
from bot.platforms.base import SendError
from bot.platforms.wecom import menu as menus
from bot.platforms.wecom.platform import WecomPlatform

EPILOG = """\
例子：
  daogou wecom menu --dry-run             看看自带的菜单，什么都不改
  daogou wecom menu                       把自带的菜单放到应用里
  daogou wecom menu --file menu.json      换成自己的菜单
  daogou wecom menu --show                看应用现在的菜单（加 > menu.json 存下来改）
  daogou wecom menu --delete              去掉菜单

点一个按钮，等于把它的 key 发给机器人，所以 key 就写要说的那句话。
最多 3 个一级菜单（名字 16 字节以内），每个下面最多 5 个子菜单（名字 40 字节以内）；一个汉字 3 字节。
"""
NO_APP = "没有配置企业微信应用。在 config.toml 里写 [tenants.xxx.wecom]。"
WHICH_TENANT = "有多家企业，请用 --tenant 指定：{keys}"
NOT_A_TENANT = "没有企业「{key}」的企业微信应用，现有：{keys}"
NO_FILE = "读不了 {path}：{reason}"
NOT_JSON = "{path} 不是有效的 JSON：第 {line} 行第 {column} 列附近"
NOT_UTF8 = "{path} 不是 UTF-8 编码"
NO_OBJECT = "{path} 里要是一个 {{…}}，形如 {example}"
EXAMPLE = '{"button": [{"type": "click", "name": "今日任务", "key": "我的任务"}]}'
WOULD_CREATE = "（预演，没有改动）会放上这个菜单："
CREATED = "菜单已放上："
DELETED = "菜单已去掉。"
WOULD_DELETE = "（预演，没有改动）会去掉菜单。"
FAILED = "没有成功：{reason}"


class WrongUse(Exception):
    """What was asked cannot be done; the message is Chinese."""


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its verb."""
    parser = commands.add_parser("wecom", help="企业微信应用的菜单")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="menu")
    menu = verbs.add_parser(
        "menu", help="应用聊天窗口下面的菜单", epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    menu.add_argument("--tenant", metavar="KEY", help="哪家企业（只有一家时不用写）")
    menu.add_argument("--file", type=Path, metavar="FILE", help="菜单的 JSON 文件（默认用自带的）")
    menu.add_argument("--dry-run", action="store_true", help="只检查和显示，不改动")
    does = menu.add_mutually_exclusive_group()
    does.add_argument("--show", action="store_true", help="显示应用现在的菜单（JSON）")
    does.add_argument("--delete", action="store_true", help="去掉菜单")
    menu.set_defaults(run=run)


async def run(args: argparse.Namespace, settings: Settings) -> int:
    """Show, delete or create the menu; 2 for wrong words or a wrong file, 1 when WeCom refuses."""
    try:
        app, menu = _app(settings, args.tenant), _menu(args.file)
    except (WrongUse, menus.BadMenu) as error:
        print(error, file=sys.stderr)
        return 2
    platform = WecomPlatform(app)
    try:
        print("\n".join(await _done(platform, menu, args)))
    except SendError as error:
        print(FAILED.format(reason=error.reason), file=sys.stderr)
        return 1
    finally:
        await platform.close()
    return 0


async def _done(platform: WecomPlatform, menu: Mapping[str, Any], args: argparse.Namespace) -> list[str]:
    if args.show:
        shown = await platform.menu()
        return [to_json({"button": shown.get("button") or []}, indent=2)]
    if args.delete:
        if not args.dry_run:
            await platform.delete_menu()
        return [WOULD_DELETE if args.dry_run else DELETED]
    if not args.dry_run:
        await platform.create_menu(menu)
    return [WOULD_CREATE if args.dry_run else CREATED, *menus.lines(menu)]


def _app(settings: Settings, key: str | None) -> WecomSettings:
    """Return the app that is meant."""
    apps = {name: tenant.wecom for name, tenant in settings.tenants.items() if tenant.wecom is not None}
    keys = "、".join(apps)
    if not apps:
        raise WrongUse(NO_APP)
    if key is None and len(apps) > 1:
        raise WrongUse(WHICH_TENANT.format(keys=keys))
    app = apps.get(key) if key else next(iter(apps.values()))
    if app is None:
        raise WrongUse(NOT_A_TENANT.format(key=key, keys=keys))
    return app


def _menu(path: Path | None) -> Mapping[str, Any]:
    """Return the menu of the file, checked, or the one that comes with us."""
    if path is None:
        return menus.DEFAULT_MENU
    try:
        menu = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise WrongUse(NO_FILE.format(path=path, reason=error.strerror)) from error
    except UnicodeDecodeError as error:
        raise WrongUse(NOT_UTF8.format(path=path)) from error
    except json.JSONDecodeError as error:
        raise WrongUse(NOT_JSON.format(path=path, line=error.lineno, column=error.colno)) from error
    if not isinstance(menu, dict):
        raise WrongUse(NO_OBJECT.format(path=path, example=EXAMPLE))
    menus.check(menu)
    return menu
