"""The yardstick of `bench wire`: an aiohttp server that verifies, decrypts, answers 200 and keeps nothing.

python -m bot.cli.bench.bare CORP_ID TOKEN AES_KEY   prints its port
"""

from __future__ import annotations

import asyncio
import sys
import time

from aiohttp import web

from bot.platforms.wecom.crypto import Envelope
from bot.platforms.wecom.verify import verify

FRESH_SECONDS = 3600


async def serve(corp_id: str, token: str, aes_key: str) -> None:
    """Serve until killed."""
    envelope = Envelope(token, aes_key, corp_id)

    async def message(request: web.Request) -> web.Response:
        verify(envelope, request.query, await request.read(), time.time(), FRESH_SECONDS)
        return web.Response()

    app = web.Application()
    app.router.add_post("/wecom/{tenant}/app", message)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(*sys.argv[1:4]))
