"""The address platforms call us at, where one of them does."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from bot.cli.doctor.finding import INSTALLATION as HERE
from bot.cli.doctor.finding import Finding
from bot.cli.doctor.web import LOOPBACK
from bot.config import Settings

CODE, WHAT = "server.public_url", "对外地址"
KEY = "config.toml 的 [server] public_url"
EXAMPLE = "https://bot.example.com"


def check_public_url(settings: Settings) -> list[Finding]:
    """Return whether the address platforms call is set, where one is needed."""
    return list(_public_url(settings))


def _public_url(settings: Settings) -> Iterator[Finding]:
    callers = "、".join(_called_at_our_address(settings))
    if not callers or settings.demo:  # the pretend clouds are on this machine themselves
        return
    url = settings.server.public_url
    if not url:
        fix = f"{KEY} 填平台从外面访问这台服务器的地址，例如 {EXAMPLE}"
        yield HERE.fail(CODE, WHAT, f"没有设置，{callers} 的回调查不了", fix)
        return
    parts = urlsplit(url)
    if parts.hostname in LOOPBACK:
        fix = f"{KEY} 填外网能打开的域名，例如 {EXAMPLE}"
        yield HERE.warn(CODE, WHAT, f"{url} 只有这台机器自己能打开", fix)
    elif parts.scheme != "https":
        fix = f"给域名配 HTTPS 证书，{KEY} 写成 https:// 开头"
        yield HERE.warn(CODE, WHAT, f"{url} 不是 HTTPS", fix)
    else:
        yield HERE.ok(CODE, WHAT, url)


def _called_at_our_address(settings: Settings) -> Iterator[str]:
    tenants = settings.tenants.values()
    if any(tenant.wecom is not None for tenant in tenants):
        yield "企业微信应用"
    if any(tenant.aibot is not None and tenant.aibot.mode == "url" for tenant in tenants):
        yield "智能机器人"
    if any(tenant.dingtalk is not None and not tenant.dingtalk.stream for tenant in tenants):
        yield "钉钉"
