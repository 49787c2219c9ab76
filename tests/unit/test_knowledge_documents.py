"""Document files: the built-in ones are good, and a bad one is named with what to do."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from knowledge.document_files import TAGS, DocumentError, read_document, read_documents

METRICS = (
    "gmv order-count aov paying-members new-members repeat-rate pay-success-rate units items-per-order discount-rate"
)
GOOD = "---\ntitle: 客单价\ntags: metric, faq\n---\n\n正文\n第二行\n"


def test_the_built_in_documents_cover_every_tag() -> None:
    documents = read_documents()
    count = Counter(tag for document in documents for tag in document.tags)
    assert len(documents) >= 35
    assert set(count) == set(TAGS)
    assert min(count.values()) >= 6


def test_every_metric_has_a_definition() -> None:
    slugs = {document.slug for document in read_documents()}
    assert {f"metric-{metric}" for metric in METRICS.split()} <= slugs


def test_titles_are_unique_and_texts_short() -> None:
    documents = read_documents()
    assert len({document.title for document in documents}) == len(documents)
    assert all(40 <= len(document.content) <= 400 for document in documents)


def test_a_document_is_read(tmp_path: Path) -> None:
    path = tmp_path / "aov.md"
    path.write_text("\ufeff" + GOOD.replace("\n", "\r\n"), encoding="utf-8")
    document = read_document(path)
    assert (document.slug, document.title, document.tags) == ("aov", "客单价", ("metric", "faq"))
    assert document.content == "正文\n第二行"


def test_the_digest_changes_with_every_part(tmp_path: Path) -> None:
    path = tmp_path / "aov.md"
    digests = set()
    for text in (GOOD, GOOD.replace("正文", "别的"), GOOD.replace("客单价", "单价"), GOOD.replace(", faq", "")):
        path.write_text(text, encoding="utf-8")
        digests.add(read_document(path).digest)
    assert len(digests) == 4


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "开头要有两行"),
        ("没有头", "开头要有两行"),
        ("---\ntitle: 甲\n正文", "开头要有两行"),
        (GOOD.replace("title: 客单价\n", ""), "缺少 title"),
        (GOOD.replace("metric, faq", "unknown"), "tags 要从"),
        (GOOD.replace("tags: metric, faq\n", ""), "tags 要从"),
        (GOOD.replace("title", "标题"), "第 2 行看不懂"),
        (GOOD.replace("正文\n第二行", ""), "没有正文"),
        (GOOD.replace("正文", "长" * 2001), "最多 2000 个"),
        (GOOD.replace("客单价", "长" * 129), "最多 128 个"),
    ],
)
def test_a_bad_file_is_named(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "bad.md"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(DocumentError, match=message) as error:
        read_document(path)
    assert "bad.md" in str(error.value)


def test_a_file_name_that_is_no_slug_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "客单价.md"
    path.write_text(GOOD, encoding="utf-8")
    with pytest.raises(DocumentError, match="文件名"):
        read_document(path)


def test_bytes_that_are_no_utf8_are_refused(tmp_path: Path) -> None:
    (tmp_path / "gbk.md").write_bytes(GOOD.encode("gbk"))
    with pytest.raises(DocumentError, match=r"读不了 .*gbk\.md"):
        read_documents(tmp_path)


def test_an_empty_or_missing_directory_is_named(tmp_path: Path) -> None:
    with pytest.raises(DocumentError, match=r"没有 \.md 文件"):
        read_documents(tmp_path)
    with pytest.raises(DocumentError, match="找不到目录"):
        read_documents(tmp_path / "none")
