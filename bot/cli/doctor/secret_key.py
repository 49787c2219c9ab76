"""The key that seals what is kept for a while: whether there is one, and whether it is the one that was used."""

from __future__ import annotations

from pathlib import Path

from bot.cli.doctor.facts import Facts
from bot.cli.doctor.finding import INSTALLATION as HERE
from bot.cli.doctor.finding import Finding
from bot.cli.doctor.visit import Visit
from bot.config import Settings
from bot.seal import FILE, Sealer

CODE, WHAT = "server.secret_key", "密钥"
KEY = "config.toml 的 [server] secret_key"
FEW_CHARACTERS = 24


async def check_secret_key(visit: Visit) -> list[Finding]:
    """Return whether what was sealed can be read; a key that was changed makes it useless."""
    settings, facts = visit.settings, await visit.facts
    secret, found = _secret(settings)
    if secret and facts is not None and facts.sealed and not _opens(secret, facts):
        fix = (
            f"把 {KEY}（没有写就是 {settings.state_directory / FILE}）换回原来那一串。找不回来的话："
            "令牌会自动重新获取，手机号要用 daogou staff import 再导入一次"
        )
        return [HERE.fail("server.secret_key_changed", WHAT, "和封存时用的不是同一串，暂存的令牌读不出来", fix)]
    return [found]


def _secret(settings: Settings) -> tuple[str, Finding]:
    """Return the key, "" while there is none; nothing is made."""
    if settings.server.secret_key is not None:
        secret = settings.server.secret_key.get_secret_value()
        if len(secret) < FEW_CHARACTERS:
            fix = f'{KEY} 换成 32 个以上的随机字符：python -c "import secrets; print(secrets.token_urlsafe(32))"'
            return secret, HERE.warn(CODE, WHAT, f"只有 {len(secret)} 个字符，太短", fix)
        return secret, HERE.ok(CODE, WHAT, "写在配置里")
    path = settings.state_directory / FILE
    secret = _from_file(path)
    detail = f"自己生成的，在 {path}，请一起备份" if secret else "第一次启动时会自己生成一个"
    return secret, HERE.ok(CODE, WHAT, detail)


def _from_file(path: Path) -> str:
    try:
        return path.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _opens(secret: str, facts: Facts) -> bool:
    sealer = Sealer(secret)
    return any(sealer.open(one.decode("ascii", "replace")) for one in facts.sealed)
