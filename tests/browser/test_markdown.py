"""The page draws what each platform draws, and nothing that came from a chat becomes markup."""

from __future__ import annotations

import pytest
from playwright.async_api import Page

from tests.browser.sandbox import Demo

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

WECOM = {
    "一行\n两行": "<p>一行<br>两行</p>",
    "**粗** 和 `码`": "<p><strong>粗</strong> 和 <code>码</code></p>",
    '<font color="warning">警告</font>': '<p><span class="font-warning">警告</span></p>',
    '<font color="red">红</font>': '<p>&lt;font color="red"&gt;红&lt;/font&gt;</p>',
    "- 列表它不画": "<p>- 列表它不画</p>",
    "## 标题": "<h4>标题</h4>",
    "> 引用\n> 两行": "<blockquote><p>引用<br>两行</p></blockquote>",
    "[看](javascript:alert(1))": "<p>[看](javascript:alert(1))</p>",
    "<img src=x onerror=alert(1)>": "<p>&lt;img src=x onerror=alert(1)&gt;</p>",
    "**<b>**": "<p><strong>&lt;b&gt;</strong></p>",
    "| 表 | 格 |\n|---|---|": "<p>| 表 | 格 |<br>|---|---|</p>",
    "": "",
}
DINGTALK = {
    "一行\n还是一行": "<p>一行 还是一行</p>",
    "一行  \n两行": "<p>一行<br>两行</p>",
    "- 一\n- **二**": "<ul><li>一</li><li><strong>二</strong></li></ul>",
    "3. 三\n4. 四": '<ol start="3"><li>三</li><li>四</li></ol>',
    "*斜* 5*6*7": "<p><em>斜</em> 5<em>6</em>7</p>",
    "[官网](https://example.com/a?b=1)": (
        '<p><a href="https://example.com/a?b=1" target="_blank" rel="noopener noreferrer">官网</a></p>'
    ),
    "---": "<hr>",
    '<font color="info">字</font>': '<p>&lt;font color="info"&gt;字&lt;/font&gt;</p>',
    "**没有关上": "<p>**没有关上</p>",
}
DRAW = """async ([source, dialect]) => {
    const module = await import("/sandbox/static/markdown.js");
    return module.markdown(source, module[dialect]).innerHTML;
}"""


async def test_each_platform_draws_its_own_markdown(page: Page, demo: Demo) -> None:
    await page.goto(f"{demo.url}/sandbox")
    for dialect, cases in (("WECOM", WECOM), ("DINGTALK", DINGTALK)):
        for source, drawn in cases.items():
            assert await page.evaluate(DRAW, [source, dialect]) == drawn, (dialect, source)


async def test_what_is_copied_has_no_marks(page: Page, demo: Demo) -> None:
    await page.goto(f"{demo.url}/sandbox")
    copied = await page.evaluate(
        """async (source) => (await import("/sandbox/static/markdown.js")).plainText(source)""",
        '## 题\n**王女士**，生日快乐！  \n[官网](https://example.com)\n<font color="info">字</font>',
    )
    assert copied == "题\n王女士，生日快乐！\n官网 https://example.com\n字"
