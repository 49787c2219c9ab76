"""`python -m tests.browser.screenshot [FILE]`: the picture of the README, taken of a demo that really runs."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

from playwright.async_api import Page, ViewportSize, expect

from tests.browser.chromium import chromium, find_chromium
from tests.browser.sandbox import ANSWER_MS, PLAN, REPORT, Demo, running_demo, visit
from tests.seeded import seed_into

DEFAULT_FILE = Path("docs/sandbox.png")
# A window somewhat larger than the picture of 1400 × 900, so that a whole card fits.
SIZE: ViewportSize = {"width": 1600, "height": 1029}
SCALE = 0.875
NO_CHROMIUM = "没有找到 Chromium。Debian：apt-get install chromium fonts-noto-cjk"


async def main(file: Path) -> int:
    """Seed a chain, ask for a report and a plan, and write what the page shows."""
    path = find_chromium()
    if path is None:
        print(NO_CHROMIUM, file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as directory:
        database = Path(directory) / "daogou.db"
        await seed_into(f"sqlite+aiosqlite:///{database}")
        async with running_demo(database, Path(directory) / "state") as demo, chromium(path) as browser:
            page = await browser.new_page(
                viewport=SIZE, device_scale_factor=SCALE, locale="zh-CN", timezone_id="Asia/Shanghai"
            )
            await _converse(page, demo)
            file.parent.mkdir(parents=True, exist_ok=True)
            await page.screenshot(path=file)
    print(f"→ {file}")
    return 0


async def _converse(page: Page, demo: Demo) -> None:
    wecom, dingtalk = await visit(page, demo)
    await wecom.tap(PLAN)
    await expect(wecom.button("上架")).to_be_visible(timeout=ANSWER_MS)
    await wecom.to_the_end()
    await dingtalk.tap(REPORT)
    await dingtalk.shows("口径")
    await page.mouse.move(2, 2)
    await page.wait_for_timeout(1500)  # the short animations are over then


if __name__ == "__main__":
    sys.exit(asyncio.run(main(Path(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT_FILE)))
