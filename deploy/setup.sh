#!/bin/sh
# Make .venv from the lock file: ./deploy/setup.sh requirements.lock .venv/.ready
# Says what it does, and on failure what to do about it. Works from any folder name.
set -eu

lock=$1
stamp=$2
uv_version=0.13.8
need_kb=1500000

say() { printf '%s\n' "$*"; }
fail() { printf '\n✗ %s\n' "$*" >&2; exit 1; }

find_python() {
    for name in "${PYTHON:-}" python3.12 python3.13 python3.11 python3 python; do
        [ -n "$name" ] || continue
        command -v "$name" >/dev/null 2>&1 || continue
        if "$name" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null; then
            command -v "$name"
            return
        fi
    done
    return 1
}

check_disk() {
    free_kb=$(df -Pk . | awk 'NR == 2 { print $4 }')
    [ "$free_kb" -ge "$need_kb" ] || fail "磁盘空间不够：需要约 1.5 GB，只剩 $((free_kb / 1024)) MB。请清理后再试。"
}

make_venv() {
    [ -x .venv/bin/python ] && return
    python=$(find_python) || fail "没有找到 Python 3.11～3.13。请先安装（Debian/Ubuntu：apt install python3 python3-venv），或用 make PYTHON=/路径/python3.11 指定。"
    check_disk
    say "→ 建立虚拟环境 .venv（$("$python" --version)）"
    "$python" -m venv .venv || { rm -rf .venv; fail "建立虚拟环境失败。Debian/Ubuntu 请先执行：apt install python3-venv"; }
}

# uv installs in seconds what pip takes a minute for; it is fetched by pip, so mirrors set for pip count for it too.
install_with_uv() {
    .venv/bin/python -m pip install -q --disable-pip-version-check "uv==$uv_version" 2>/dev/null || return 1
    mirror=${PIP_INDEX_URL:-$(.venv/bin/python -m pip config get global.index-url 2>/dev/null || true)}
    [ -z "$mirror" ] || export UV_DEFAULT_INDEX="$mirror"
    .venv/bin/python -m uv pip install --python .venv/bin/python -r "$lock"
}

install_with_pip() {
    say "→ 改用 pip 安装（约 1～2 分钟）"
    .venv/bin/python -m pip install --disable-pip-version-check --progress-bar on -r "$lock"
}

make_venv
# An environment somebody made with uv has no pip.
.venv/bin/python -m pip --version >/dev/null 2>&1 || .venv/bin/python -m ensurepip >/dev/null 2>&1 || true
say "→ 安装依赖（$lock，$(grep -c == "$lock") 个包）"
install_with_uv || install_with_pip || fail "依赖没有装上。请检查网络或 pip 镜像设置（pip config list），以及磁盘空间，然后再执行一次。"
say "→ 安装 daogou"
.venv/bin/python -m uv pip install -q --python .venv/bin/python --no-deps -e . 2>/dev/null ||
    .venv/bin/python -m pip install -q --disable-pip-version-check --no-deps -e . ||
    fail "daogou 没有装上，请看上面的报错。"
touch "$stamp"
