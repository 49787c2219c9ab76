"""Whether a platform reaches us at our address, tried as the platform would: through DNS, certificate and proxy.

Our own server knows the doctor by its User-Agent and does not note such a visit as one of the platform.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx

from bot.cli.doctor.finding import Finding, Subject
from bot.cli.doctor.web import Trouble, Unreachable, Web
from bot.json_text import to_json
from bot.platforms.dingtalk.verify import card_secret, sign_message, sign_press
from bot.platforms.wecom.crypto import Envelope
from bot.web.errors import NOT_FOUND, NOT_JSON

WHAT = "回调地址"
# WeCom wants the answer to its check of an address within a second (doc 90930).
IN_TIME = 1.0
DNS = "在域名服务商那里把 {host} 解析到这台服务器的公网 IP；改过的话等几分钟再查"
CERTIFICATE = "给 {host} 换一张有效的 HTTPS 证书（看有没有过期、域名对不对、中间证书有没有配全），再重启反向代理"
REFUSED = "确认反向代理（nginx 等）在运行、在听 {port} 端口、安全组和防火墙放行，再启动 daogou serve"
TIMEOUT = (
    "云服务器安全组和防火墙放行 {port} 端口；再用手机流量（不连公司 Wi-Fi）打开这个地址，"
    "手机上有反应就只是从内网打不开自己的公网地址，不用管"
)
ADDRESS = "config.toml 的 [server] public_url 写成 https://域名，不要带路径和空格"
BROKEN = "看反向代理的错误日志：它收到了连接却没有应答"
FIXES: Mapping[Trouble, str] = {
    "dns": DNS,
    "certificate": CERTIFICATE,
    "refused": REFUSED,
    "timeout": TIMEOUT,
    "address": ADDRESS,
    "broken": BROKEN,
}
NO_ROUTE = "反向代理要把 /wecom/ 和 /dingtalk/ 开头的路径原样转给 daogou（路径不要改写、不要去掉前缀）"
NO_TENANT = "运行中的服务里没有 {tenant} 的这个渠道：config.toml 改过以后要重启 daogou serve"
GATEWAY = "反向代理到不了 daogou：确认 daogou serve 在运行，代理里写的端口和 config.toml 的 [server] port 一致"
REDIRECT = "config.toml 的 [server] public_url 直接写跳转之后的地址（一般是 https:// 开头、不带斜杠结尾）"
BLOCKED = "有防火墙、WAF 或登录页挡在前面：让 /wecom/ 和 /dingtalk/ 开头的路径免登录、免验证通过"
OTHER_KEYS = (
    "运行中的服务用的是另一份配置：重启 daogou serve；有几台服务器时，每台的 config.toml 和时钟都要一致；"
    "再看反向代理有没有把 ? 后面的参数弄丢"
)
# How our server refuses a signature: without a word, or with aiohttp's own.
OUR_REFUSALS = frozenset({"", "403: Forbidden"})
CHANGED = "反向代理改了应答（加了内容、换行或压缩成了网页）：让它对这些路径原样转发"


@dataclass(frozen=True, slots=True)
class Door:
    """An address of ours that a platform calls; `code` begins the codes of what is found at it."""

    subject: Subject
    address: str
    code: str
    what: str = WHAT


@dataclass(frozen=True, slots=True)
class Answered:
    """What came back, and after how many seconds."""

    response: httpx.Response
    seconds: float


async def check_wecom_url(web: Web, door: Door, envelope: Envelope) -> Finding:
    """Return what WeCom would find when its 保存 button checks this address with our token and key."""
    digits = str(secrets.randbelow(10**18) + 10**18)
    timestamp, nonce = str(int(web.clock().timestamp())), str(secrets.randbelow(10**10))
    sealed = envelope.seal(digits.encode(), timestamp, nonce)
    query = {"msg_signature": sealed.signature, "timestamp": timestamp, "nonce": nonce, "echostr": sealed.encrypt}
    try:
        answered = await _ask(web, door, "GET", params=query)
    except Unreachable as error:
        return _not_reached(door, error)
    if answered.response.status_code == 200 and answered.response.content == digits.encode():
        return _right(door, answered.seconds)
    return _wrong(door, answered.response)


async def check_dingtalk_url(web: Web, door: Door, client_secret: str, *, press: bool) -> Finding:
    """Return what DingTalk would find, by a signed request without a body: it is refused after the signature holds."""
    timestamp = str(int(web.clock().timestamp() * 1000))
    headers = {"timestamp": timestamp, "sign": sign_message(timestamp, client_secret)}
    if press:
        sign = sign_press(timestamp, card_secret(client_secret))
        headers = {"x-ddpaas-signature-timestamp": timestamp, "x-ddpaas-signature": sign}
    try:
        answered = await _ask(web, door, "POST", headers=headers, content=b"")
    except Unreachable as error:
        return _not_reached(door, error)
    if answered.response.status_code == 400 and NOT_JSON in answered.response.text:
        return _right(door, answered.seconds)
    return _wrong(door, answered.response)


async def _ask(web: Web, door: Door, method: str, **call: Any) -> Answered:
    began = time.monotonic()
    async with web.client(door.address) as http:
        response = await web.ask(http, method, door.address, **call)
    return Answered(response, time.monotonic() - began)


def _right(door: Door, seconds: float) -> Finding:
    detail = f"{door.address} 打得开，验证通过"
    if seconds > IN_TIME:
        fix = "企业微信只等 1 秒：看服务器和反向代理是不是太忙、离得太远"
        return door.subject.warn(f"{door.code}.slow", door.what, f"{detail}，但用了 {seconds:.1f} 秒", fix)
    return door.subject.ok(door.code, door.what, detail)


def _not_reached(door: Door, error: Unreachable) -> Finding:
    parts = urlsplit(door.address)
    port = parts.port or (80 if parts.scheme == "http" else 443)
    fix = FIXES[error.trouble].format(host=parts.hostname or "域名", port=port)
    return door.subject.fail(f"{door.code}.{error.trouble}", door.what, f"{door.address} {error.words}", fix)


def _wrong(door: Door, response: httpx.Response) -> Finding:
    """Return whose answer this is: that of our server, of a proxy before it, or of somebody else."""
    cause, fix = _cause(response)
    detail = f"{door.address} 应答 HTTP {response.status_code}"
    return door.subject.fail(f"{door.code}.{cause}", door.what, detail, fix.format(tenant=door.subject.tenant))


def _cause(response: httpx.Response) -> tuple[str, str]:
    status = response.status_code
    if response.is_redirect:
        return "redirect", REDIRECT
    if status == 404:
        return ("no_tenant", NO_TENANT) if to_json(NOT_FOUND) in response.text else ("not_found", NO_ROUTE)
    if status in {400, 403}:
        return ("rejected", OTHER_KEYS) if response.text.strip() in OUR_REFUSALS else ("blocked", BLOCKED)
    if status in {401, 407, 429}:
        return "blocked", BLOCKED
    if status >= 500:
        return "gateway", GATEWAY
    return "changed", CHANGED
