"""Documents as files: a short head between two `---` lines, then the text.

    ---
    title: 客单价怎么算
    tags: metric, faq
    ---

    客单价 = GMV ÷ 订单数……

The file's name is the document's slug. One file treats one topic; what is longer belongs into a second file.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

TAGS = ("metric", "diagnosis", "campaign", "risk", "faq", "product")
BUILT_IN = Path(__file__).with_name("documents")
SLUG = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._-]{0,63}")
TITLE_LENGTH = 128
CONTENT_LENGTH = 2000

NO_DIRECTORY = "找不到目录：{path}"
NO_FILES = "目录里没有 .md 文件：{path}"
UNREADABLE = "读不了 {path}：{reason}"
NO_HEAD = "{path} 开头要有两行 --- ，中间写 title 和 tags"
UNKNOWN_LINE = "{path} 第 {line} 行看不懂，只能写 title: 或 tags:"
NO_TITLE = "{path} 缺少 title"
LONG_TITLE = "{path} 的标题有 {size} 个字，最多 {limit} 个"
BAD_TAGS = "{path} 的 tags 要从 {tags} 里选，写的是 {given}"
NO_CONTENT = "{path} 没有正文"
LONG_CONTENT = "{path} 的正文有 {size} 个字，最多 {limit} 个，请拆成几个文件，一个文件讲一件事"
BAD_SLUG = "{path} 的文件名只能用英文字母、数字、点、横线和下划线，最长 64 个"


class DocumentError(Exception):
    """A file or directory that cannot be loaded; the message is Chinese and names it."""


@dataclass(frozen=True, slots=True)
class Document:
    """What one file says."""

    slug: str
    title: str
    content: str
    tags: tuple[str, ...]

    @property
    def digest(self) -> str:
        """SHA-256 over everything that is said: another digest means another document."""
        whole = json.dumps([self.title, self.content, sorted(self.tags)], ensure_ascii=False)
        return hashlib.sha256(whole.encode()).hexdigest()


def read_documents(directory: Path = BUILT_IN) -> list[Document]:
    """Return the documents of a directory in the order of their names; one bad file stops the whole."""
    if not directory.is_dir():
        raise DocumentError(NO_DIRECTORY.format(path=directory))
    documents = [read_document(path) for path in sorted(directory.glob("*.md"))]
    if not documents:
        raise DocumentError(NO_FILES.format(path=directory))
    return documents


def read_document(path: Path) -> Document:
    """Return the document of one file."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DocumentError(UNREADABLE.format(path=path, reason=error)) from error
    lines = text.strip().splitlines()
    if not lines or lines[0].strip() != "---" or "---" not in (line.strip() for line in lines[1:]):
        raise DocumentError(NO_HEAD.format(path=path))
    end = [line.strip() for line in lines].index("---", 1)
    head = _head(path, lines[1:end])
    document = Document(path.stem, head.get("title", ""), "\n".join(lines[end + 1 :]).strip(), _tags(path, head))
    _check(path, document)
    return document


def _head(path: Path, lines: Iterable[str]) -> dict[str, str]:
    head: dict[str, str] = {}
    for number, line in enumerate(lines, 2):
        key, colon, value = line.replace("：", ":", 1).partition(":")
        if not colon or key.strip() not in {"title", "tags"}:
            raise DocumentError(UNKNOWN_LINE.format(path=path, line=number))
        head[key.strip()] = value.strip()
    return head


def _tags(path: Path, head: dict[str, str]) -> tuple[str, ...]:
    given = head.get("tags", "")
    tags = tuple(dict.fromkeys(re.split(r"[\s,，、]+", given)))
    if not set(tags) <= set(TAGS):
        raise DocumentError(BAD_TAGS.format(path=path, tags="、".join(TAGS), given=given or "空"))
    return tags


def _check(path: Path, document: Document) -> None:
    if not SLUG.fullmatch(document.slug):
        raise DocumentError(BAD_SLUG.format(path=path))
    if not document.title:
        raise DocumentError(NO_TITLE.format(path=path))
    if len(document.title) > TITLE_LENGTH:
        raise DocumentError(LONG_TITLE.format(path=path, size=len(document.title), limit=TITLE_LENGTH))
    if not document.content:
        raise DocumentError(NO_CONTENT.format(path=path))
    if len(document.content) > CONTENT_LENGTH:
        raise DocumentError(LONG_CONTENT.format(path=path, size=len(document.content), limit=CONTENT_LENGTH))
