"""`daogou kb` from the command line to the rows and back, on a database of its own."""

from __future__ import annotations

import argparse
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from pydantic import SecretStr

from bot.cli import kb
from bot.config import DatabaseSettings, KnowledgeSettings, Settings, TenantSettings
from knowledge.document_files import read_documents
from knowledge.vector_index import ChromaDirectory

Run = Callable[..., Awaitable[int]]
FIXTURES = Path(__file__).parents[1] / "fixtures"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        database=DatabaseSettings(url=SecretStr(f"sqlite+aiosqlite:///{tmp_path / 'test.db'}")),
        knowledge=KnowledgeSettings(directory=tmp_path / "chroma"),
        state_directory=tmp_path,
        tenants={"demo": TenantSettings(name="测试连锁")},
    )


@pytest.fixture
def run(settings: Settings) -> Run:
    parser = argparse.ArgumentParser()
    kb.register(parser.add_subparsers())

    async def run_command(*words: str, of: Settings = settings) -> int:
        args = parser.parse_args(["kb", *words])
        code: int = await args.run(args, of)
        return code

    return run_command


async def test_load_tells_what_it_did_and_a_second_load_does_nothing(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    count = len(read_documents())
    assert await run("load") == 0
    first = capsys.readouterr().out
    assert f"正在处理 {count}/{count} 篇" in first or "正在处理 64/" in first
    assert f"新增 {count}，更新 0" in first
    assert "向量索引已更新" in first
    assert await run("load") == 0
    assert f"不变 {count}" in capsys.readouterr().out


async def test_search_prints_text_or_json(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    await run("load")
    capsys.readouterr()
    assert await run("search", "复购率怎么算") == 0
    assert "复购率怎么算  [metric-repeat-rate]" in capsys.readouterr().out
    assert await run("search", "世界杯谁会赢", "--tag", "risk", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert {tuple(passage["tags"]) for passage in found} == {("risk",)}
    assert not any(passage["confident"] for passage in found)


async def test_an_empty_knowledge_base_says_what_to_do(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert await run("search", "复购率") == 0
    assert "daogou kb load" in capsys.readouterr().out


async def test_own_documents_join_the_built_in_ones_or_replace_them(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = tmp_path / "own"
    own.mkdir()
    (own / "parking.md").write_text("---\ntitle: 停车怎么收费\ntags: faq\n---\n会员停车两小时免费。", encoding="utf-8")
    await run("load")
    assert await run("load", "--dir", str(own)) == 0
    assert "新增 1，更新 0，不变 0，删除 0" in capsys.readouterr().out
    assert await run("load", "--dir", str(own), "--prune") == 0
    assert f"删除 {len(read_documents())}" in capsys.readouterr().out
    assert await run("list") == 0
    assert capsys.readouterr().out.split()[:3] == ["parking", "v1", "faq"]


async def test_rebuild_counts_what_it_built(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    await run("load")
    assert await run("rebuild") == 0
    assert f"重建完成，共 {len(read_documents())} 篇" in capsys.readouterr().out


async def test_while_a_server_has_the_index_load_works_and_rebuild_says_why_not(
    run: Run, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    server = await ChromaDirectory.open(settings.knowledge.directory)
    assert await run("load") == 0
    assert "正被运行中的服务使用" in capsys.readouterr().out
    assert await run("rebuild") == 2
    assert "先停掉服务" in capsys.readouterr().err
    await server.close()


async def test_eval_prints_recall(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    await run("load")
    assert await run("eval", "--file", str(FIXTURES / "kb_questions_held_out.jsonl")) == 0
    assert "R@1 " in capsys.readouterr().out.splitlines()[-1]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("load", "--dir", "nowhere"), "找不到目录：nowhere"),
        (("eval", "--file", "nowhere.jsonl"), "读不了问题文件"),
        (("--tenant", "other", "list"), "没有企业「other」"),
    ],
)
async def test_bad_input_is_named(
    run: Run, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], message: str
) -> None:
    assert await run(*words) == 2
    assert message in capsys.readouterr().err


async def test_a_bad_question_file_names_its_line(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "q.jsonl"
    path.write_text('{"question": "甲", "slug": null}\n{"question": "乙"}\n', encoding="utf-8")
    assert await run("eval", "--file", str(path)) == 2
    assert "第 2 行" in capsys.readouterr().err


async def test_without_any_tenant_seed_is_suggested(
    run: Run, settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    empty = settings.model_copy(update={"tenants": {}})
    assert await run("list", of=empty) == 2
    assert "daogou seed" in capsys.readouterr().err


def test_help_teaches(capsys: pytest.CaptureFixture[str]) -> None:
    parser = argparse.ArgumentParser()
    kb.register(parser.add_subparsers())
    with pytest.raises(SystemExit):
        parser.parse_args(["kb", "--help"])
    assert "daogou kb search" in capsys.readouterr().out
