"""A process that has imported everything once and forks servers on request, so that a start costs no import.

One request and one answer a line, in JSON:
    {"settings": FILE, "log": FILE, "deadly": [EVENT, COUNT]}  →  {"pid": …}
    {"ended": PID}                                             →  {"code": …}, negative for a signal

What it forks lives no longer than it does.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import json
import os
import signal
import sys
import traceback
from typing import Any

from tests.process.echo_server import run

# What a server imports only when it needs it.
LAZY = ("aiomysql", "aiosqlite", "dingtalk_stream", "sqlglot", "taskiq_aio_pika", "websockets.exceptions")
WECHAT = ("wechatpy.crypto.base", "wechatpy.crypto.pkcs7")
PR_SET_PDEATHSIG = 1


def fork(request: dict[str, Any]) -> int:
    """Return the pid of a new server."""
    pid = os.fork()
    if pid:
        return pid
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    code = 1
    try:
        log = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for here, there in ((nothing, 0), (log, 1), (log, 2)):
            os.dup2(here, there)
        run(request["settings"], request["deadly"])
        code = 0
    except Exception:  # noqa: BLE001 (what a server ends with belongs in its log)
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def main() -> None:
    for name in (*LAZY, *WECHAT):
        importlib.import_module(name)
    gc.freeze()
    for line in sys.stdin:
        request = json.loads(line)
        if "ended" in request:
            answer = {"code": os.waitstatus_to_exitcode(os.waitpid(request["ended"], 0)[1])}
        else:
            answer = {"pid": fork(request)}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
