"""What several replicas share: the broker that carries the doorbell, Redis that counts sends, one key, one database.

One process alone needs none of it; several without it answer late, send too often or cannot read each other's seals.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from urllib.parse import urlsplit

from redis.asyncio import Redis
from redis.exceptions import AuthenticationError, RedisError, ResponseError
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from bot.cli.doctor.finding import INSTALLATION as HERE
from bot.cli.doctor.finding import Finding
from bot.cli.doctor.visit import Visit
from bot.config import Settings

SECONDS = 4.0
BROKER, REDIS = "消息队列（RabbitMQ）", "Redis"
BROKER_KEY, REDIS_KEY = "config.toml 的 [cluster] broker_url", "config.toml 的 [cluster] redis_url"


async def check_cluster(visit: Visit) -> list[Finding]:
    """Return how broker and Redis are, and what several replicas would miss."""
    cluster = visit.settings.cluster
    asked = []
    if cluster.broker_url is not None:
        asked.append(_broker(cluster.broker_url.get_secret_value()))
    if cluster.redis_url is not None:
        asked.append(_redis(cluster.redis_url.get_secret_value()))
    found = await asyncio.gather(*asked)
    if not _is_several(visit.settings):
        return [HERE.ok("cluster.single", "多台服务器", "只有一台，不需要消息队列和 Redis")]
    return [*found, *_missing(visit.settings)]


def _is_several(settings: Settings) -> bool:
    cluster = settings.cluster
    return cluster.replicas > 1 or not cluster.works or cluster.broker_url is not None or cluster.redis_url is not None


def _missing(settings: Settings) -> Iterator[Finding]:
    cluster = settings.cluster
    if cluster.broker_url is None:
        fix = f"{BROKER_KEY} 填 amqp://用户:密码@主机:5672/ ；不填也能用，只是一台收到的消息要等几秒才轮到别的台处理"
        yield HERE.warn("cluster.broker_missing", BROKER, "配置了多台服务器，却没有消息队列", fix)
    if cluster.redis_url is None:
        fix = f"{REDIS_KEY} 填 redis://主机:6379/0 ；不填时每台各算各的发送频率，合起来会超过平台的限制"
        yield HERE.warn("cluster.redis_missing", REDIS, "配置了多台服务器，却没有 Redis", fix)
    if _is_sqlite(settings):
        fix = "改用 MySQL 或 MariaDB：config.toml 的 [database] url = mysql+aiomysql://用户:密码@主机:3306/库名"
        detail = "几台服务器不能共用一个 SQLite 文件（同一台机器上的几个进程可以）"
        yield HERE.warn("cluster.database", "共用的数据库", detail, fix)
    if settings.server.secret_key is None:
        fix = "config.toml 的 [server] secret_key 填一串 32 个以上的随机字符，每台服务器写同一串"
        detail = "没有设置，几台服务器封存的东西互相读不出来（同一个数据目录的几个进程可以）"
        yield HERE.warn("cluster.secret_key", "共用的密钥", detail, fix)


def _is_sqlite(settings: Settings) -> bool:
    try:
        return make_url(settings.database.url.get_secret_value()).get_backend_name() == "sqlite"
    except ArgumentError:
        return False


async def _broker(url: str) -> Finding:
    """Connect as the bell does, and go again."""
    # Imported here: only a cluster needs it.
    from aio_pika import connect  # noqa: PLC0415
    from aio_pika.exceptions import AMQPError  # noqa: PLC0415

    where = _where(url, 5672)
    try:
        async with asyncio.timeout(SECONDS):
            connection = await connect(url)
            await connection.close()
    except (AMQPError, OSError, TimeoutError, ValueError) as error:
        return _broker_trouble(error, where)
    return HERE.ok("broker.reachable", BROKER, f"{where} 连得上")


def _broker_trouble(error: Exception, where: str) -> Finding:
    said = f"{type(error).__name__} {error}"
    if "Auth" in said or "ACCESS_REFUSED" in said:
        fix = f"改 {BROKER_KEY} 里的用户和密码；guest 只能在 RabbitMQ 那台机器上用，要另建用户"
        return HERE.fail("broker.denied", BROKER, f"{where} 不让登录", fix)
    # aiormq says that it was shown the door where it asked for a virtual host, and not why.
    if "NOT_ALLOWED" in said or "Connection.OpenOk" in said:
        fix = f"改 {BROKER_KEY} 最后的虚拟主机名（默认是 /），或给这个用户该虚拟主机的权限"
        return HERE.fail("broker.vhost", BROKER, f"{where} 没有这个虚拟主机，或用户进不去", fix)
    why = "没有在几秒内应答" if isinstance(error, TimeoutError) else f"连不上（{type(error).__name__}）"
    fix = f"确认 RabbitMQ 启动了、防火墙放行，再核对 {BROKER_KEY} 的主机和端口"
    return HERE.fail("broker.reachable", BROKER, f"{where} {why}；各台会自己定时查看，回答变慢", fix)


async def _redis(url: str) -> Finding:
    where = _where(url, 6379)
    try:
        client = Redis.from_url(url, socket_timeout=SECONDS, socket_connect_timeout=SECONDS)
    except ValueError:
        return HERE.fail("redis.url", REDIS, f"{REDIS_KEY} 读不懂", "写成 redis://:密码@主机:6379/0")
    try:
        async with asyncio.timeout(SECONDS):
            await client.ping()
    except (RedisError, OSError, TimeoutError) as error:
        return _redis_trouble(error, where)
    finally:
        await client.aclose()
    return HERE.ok("redis.reachable", REDIS, f"{where} 连得上")


def _redis_trouble(error: Exception, where: str) -> Finding:
    if isinstance(error, AuthenticationError | ResponseError):
        fix = f"改 {REDIS_KEY} 里的密码：redis://:密码@主机:6379/0"
        return HERE.fail("redis.denied", REDIS, f"{where} 不让登录", fix)
    why = "没有在几秒内应答" if isinstance(error, TimeoutError) else f"连不上（{type(error).__name__}）"
    fix = f"确认 Redis 启动了、防火墙放行，再核对 {REDIS_KEY} 的主机和端口"
    return HERE.fail("redis.reachable", REDIS, f"{where} {why}；各台会各用几分之一的发送频率", fix)


def _where(url: str, port: int) -> str:
    """Return host and port of an address, without the password in it."""
    try:
        parts = urlsplit(url)
        return f"{parts.hostname}:{parts.port or port}"
    except ValueError:
        return "这个地址"
