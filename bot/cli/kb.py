"""`daogou kb`: what the bot knows in writing."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from bot.config import Settings
from bot.runtime import NoTenant, open_runtime
from knowledge.document_files import BUILT_IN, TAGS, DocumentError, read_documents
from knowledge.library import Library
from knowledge.recall import QuestionsError, measure, read_questions

EPILOG = """\
例子：
  daogou kb load                         载入自带的文档，改过的才重新处理
  daogou kb load --dir 我的文档            载入自己的文档（*.md，开头写 title 和 tags）
  daogou kb search "两张券能一起用吗"       看看会找到什么
  daogou kb rebuild                      向量索引坏了或换了模型时重建
  daogou kb eval --file 问题.jsonl        量一量找得准不准

文档写法：
  ---
  title: 客单价怎么算
  tags: metric
  ---
  正文……
"""
READING = "正在读文档：{path}"
EMBEDDING = "正在处理 {done}/{total} 篇"
LOADED = "完成：新增 {added}，更新 {changed}，不变 {unchanged}，删除 {removed}，重算向量 {reembedded}。"
INDEXING = "正在打开向量索引……"
INDEXED = "向量索引已更新。"
INDEX_ELSEWHERE = "向量索引正被运行中的服务使用，服务会自己更新。"
INDEX_IN_USE = "向量索引正被运行中的服务使用。先停掉服务，再执行 daogou kb rebuild。"
REBUILT = "重建完成，共 {count} 篇。"
NOTHING = "没有找到。知识库是空的话，先执行 daogou kb load。"
UNSURE = "（把握不大）"
NO_FILE = "读不了问题文件：{reason}"
MISSED = "没找到：{question}（先找到的是 {slug}）"


class KbError(Exception):
    """The request cannot be done; the message is Chinese."""


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its verbs."""
    parser = commands.add_parser(
        "kb", help="知识库：载入、搜索、重建", epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tenant", metavar="KEY", help="哪家企业（只有一家时不用写）")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="load|search|list|rebuild|eval")
    load = verbs.add_parser("load", help="载入文档")
    load.add_argument("--dir", type=Path, default=BUILT_IN, metavar="DIR", help="文档目录（默认用自带的）")
    load.add_argument("--prune", action="store_true", help="库里有、目录里没有的文档删掉")
    search = verbs.add_parser("search", help="搜索")
    search.add_argument("text", metavar="文本")
    search.add_argument("--tag", choices=TAGS, help="只看一类")
    search.add_argument("--json", action="store_true", help="输出 JSON")
    verbs.add_parser("list", help="列出文档")
    verbs.add_parser("rebuild", help="重算全部向量并重建索引")
    evaluate = verbs.add_parser("eval", help="用一批问题量召回")
    evaluate.add_argument("--file", type=Path, required=True, metavar="FILE", help="每行一个 JSON：question、slug")
    parser.set_defaults(run=run)


async def run(args: argparse.Namespace, settings: Settings) -> int:
    """Do what the verb says."""
    verb = {"load": _load, "search": _search, "list": _list, "rebuild": _rebuild, "eval": _eval}[args.verb]
    try:
        async with open_runtime(settings) as runtime:
            tenant_id = runtime.tenant(args.tenant).tenant_id
            await verb(runtime.library, tenant_id, args)
    except (NoTenant, DocumentError, QuestionsError, KbError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


async def _load(library: Library, tenant_id: int, args: argparse.Namespace) -> None:
    print(READING.format(path=args.dir), flush=True)
    documents = read_documents(args.dir)
    store = await library.store(tenant_id)
    result = await store.load_documents(documents, datetime.now(UTC), prune=args.prune, progress=_progress)
    print(LOADED.format(**asdict(result)))
    print(INDEXING, flush=True)
    print(INDEXED if await library.warm_up() else INDEX_ELSEWHERE)


async def _search(library: Library, tenant_id: int, args: argparse.Namespace) -> None:
    passages = await library.of(tenant_id).search(args.text, args.tag)
    if args.json:
        print(json.dumps([asdict(passage) for passage in passages], ensure_ascii=False, indent=2))
        return
    for passage in passages:
        print(f"{passage.score:.2f}  {passage.title}  [{passage.slug}]{'' if passage.confident else UNSURE}")
        print(f"      {passage.content.replace(chr(10), chr(10) + ' ' * 6)}")
    if not passages:
        print(NOTHING)


async def _list(library: Library, tenant_id: int, _args: argparse.Namespace) -> None:
    for slug, title, tags, version in await (await library.store(tenant_id)).titles():
        print(f"{slug:<32} v{version}  {','.join(tags):<10} {title}")


async def _rebuild(library: Library, tenant_id: int, _args: argparse.Namespace) -> None:
    print(INDEXING, flush=True)
    if not await library.warm_up():
        raise KbError(INDEX_IN_USE)
    print(REBUILT.format(count=await library.rebuild(tenant_id, datetime.now(UTC), _progress)))


async def _eval(library: Library, tenant_id: int, args: argparse.Namespace) -> None:
    try:
        questions = read_questions(args.file)
    except (OSError, UnicodeDecodeError) as error:
        raise KbError(NO_FILE.format(reason=error)) from error
    recall = await measure(library.of(tenant_id), questions)
    for question, slug in recall.misses:
        print(MISSED.format(question=question, slug=slug))
    print(recall)


def _progress(done: int, total: int) -> None:
    print(EMBEDDING.format(done=done, total=total), flush=True)
