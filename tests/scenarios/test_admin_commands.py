"""`daogou outbox`, `staff` and `notice` as an administrator types them, on a database of their own."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import select, update

from bot.cli import notice, outbox, staff
from bot.config import DatabaseSettings, DingtalkGroupSettings, Settings, TenantSettings, WecomGroupSettings
from bot.identity import mobile_digest
from bot.seal import Sealer
from db.engine import Database
from db.migrate import migrate
from db.models import Outbox, Staff, StaffIdentity, StaffStore
from db.outbox import NewMessage, queue
from tests.rows import NOW, small_chain

Run = Callable[..., Awaitable[int]]


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    groups = {"店长群": WecomGroupSettings(key=SecretStr("k"))}
    robots = {"店长群": DingtalkGroupSettings(access_token=SecretStr("t"), secret=SecretStr("s"))}
    return Settings.model_validate(
        {
            "database": DatabaseSettings(url=SecretStr(database_url)),
            "state_directory": tmp_path,
            "server": {"secret_key": "same"},
            "tenants": {"demo": TenantSettings(wecom_groups=groups, dingtalk_groups=robots)},
        }
    )


@pytest.fixture
async def migrated(database_url: str) -> AsyncIterator[Database]:
    """The chain in a migrated database, as the commands find it."""
    opened = Database(database_url)
    await migrate(opened)
    await small_chain(opened)
    yield opened
    await opened.close()


@pytest.fixture
def run(settings: Settings, migrated: Database) -> Run:
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers()
    for module in (outbox, staff, notice):
        module.register(commands)

    async def run_command(*words: str) -> int:
        args = parser.parse_args(words)
        code: int = await args.run(args, settings)
        return code

    return run_command


async def fail(database: Database, status: str, reason: str) -> int:
    """Add a message that ended in this state."""
    message = NewMessage(1, "wecom", "morning", f"{status}:{reason}", "user:a", {}, {"kind": "text", "text": "秘密"})
    async with database.write() as session:
        row_id = await queue(session, message, NOW)
        values = {"status": status, "error": reason, "attempts": 12}
        await session.execute(update(Outbox).where(Outbox.id == row_id).values(**values))
    assert row_id is not None
    return row_id


async def states(database: Database) -> dict[int, tuple[str, int, str | None]]:
    async with database.read() as session:
        return {row.id: (row.status, row.attempts, row.error) for row in await session.scalars(select(Outbox))}


async def test_what_did_not_arrive_is_listed_with_its_reason_and_without_its_words(
    run: Run, migrated: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    row_id = await fail(migrated, "failed", "成员不在应用可见范围")
    assert await run("outbox", "list") == 0
    said = capsys.readouterr().out
    assert str(row_id) in said
    assert "失败  试过 12 次  成员不在应用可见范围" in said
    assert "秘密" not in said
    await run("outbox", "list", "--json")
    assert json.loads(capsys.readouterr().out)["error"] == "成员不在应用可见范围"


async def test_retry_and_drop_act_on_what_may_be_retried_and_dropped(
    run: Run, migrated: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    failed, unknown, sent = [await fail(migrated, status, "x") for status in ("failed", "unknown", "sent")]
    assert await run("outbox", "retry", str(failed), str(sent)) == 1
    assert await run("outbox", "drop", str(unknown)) == 0
    assert await states(migrated) == {
        failed: ("queued", 0, None),
        unknown: ("failed", 12, "管理员决定不发了"),
        sent: ("sent", 12, "x"),
    }
    assert f"{sent}：不能重发" in capsys.readouterr().out


async def test_all_failed_leaves_out_what_may_have_arrived(run: Run, migrated: Database) -> None:
    failed, unknown = [await fail(migrated, status, "x") for status in ("failed", "unknown")]
    assert await run("outbox", "retry", "--all-failed") == 0
    assert {row_id: state[0] for row_id, state in (await states(migrated)).items()} == {
        failed: "queued",
        unknown: "unknown",
    }


async def test_a_code_is_printed_once(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert await run("staff", "code", "1") == 0
    assert re.search(r"店员甲 的绑定码：\d{6}（24 小时内有效", capsys.readouterr().out)
    assert await run("staff", "code", "99") == 2


HEAD = "姓名,角色,门店,手机,企业微信,钉钉\n"


async def test_a_list_is_imported_and_a_person_of_both_platforms_is_one(
    run: Run, migrated: Database, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "员工.csv"
    path.write_text(f"{HEAD}李四,店员,上海一店;杭州一店,138 0013 8000,lisi,ding-lisi\n", encoding="gbk")
    assert await run("staff", "import", str(path)) == 0
    assert await run("staff", "import", str(path)) == 0
    assert re.findall(r"新增 (\d)", capsys.readouterr().out) == ["1", "0"]
    async with migrated.read() as session:
        (person,) = (await session.scalars(select(Staff).where(Staff.name == "李四"))).all()
        accounts = await session.execute(
            select(StaffIdentity.platform, StaffIdentity.user_id).where(StaffIdentity.staff_id == person.id)
        )
        stores = await session.scalars(select(StaffStore.store_id).where(StaffStore.staff_id == person.id))
        assert sorted(map(tuple, accounts)) == [("dingtalk", "ding-lisi"), ("wecom", "lisi")]
        assert sorted(stores) == [1, 2]
    assert person.mobile_digest == mobile_digest(Sealer("same"), 1, "13800138000")


@pytest.mark.parametrize(
    ("again", "new"),
    [
        ("李四,店长,上海一店,,,", 0),  # promoted, and still without an account
        ("李四,店员,上海一店,,lisi,", 0),  # found by name, and reached from now on
        ("李四,店员,杭州一店,,,", 1),  # somebody else's store
        ("李四,店员,,,,", 1),
    ],
)
async def test_who_has_neither_account_nor_number_is_known_by_name_and_store(
    run: Run, migrated: Database, tmp_path: Path, capsys: pytest.CaptureFixture[str], again: str, new: int
) -> None:
    path = tmp_path / "员工.csv"
    for line in ("李四,店员,上海一店,,,", again):
        path.write_text(f"{HEAD}{line}\n", encoding="utf-8")
        assert await run("staff", "import", str(path)) == 0
    assert re.findall(r"新增 (\d)", capsys.readouterr().out) == ["1", str(new)]


async def test_two_of_one_name_in_one_store_are_told_apart_by_number_only(
    run: Run, migrated: Database, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "员工.csv"
    both = "李四,店员,上海一店,13800138000,,\n李四,店员,上海一店,13800138001,,\n"
    path.write_text(f"{HEAD}{both}", encoding="utf-8")
    assert await run("staff", "import", str(path)) == 0
    path.write_text(f"{HEAD}李四,店员,上海一店,,,\n", encoding="utf-8")
    assert await run("staff", "import", str(path)) == 2
    assert "不止一位" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        ("李四,店员,北京一店,,,\n", "没有叫「北京一店」的门店"),
        ("李四,店员,,,clerk1,manager1\n", "可能是员工 1、2 中的不止一位"),
        ("李四,老板,,,,\n", "角色「老板」不认识"),
        ("李四,店员,,12345,,\n", "手机号不对"),
        (",店员,,,,\n", "没有姓名"),
    ],
)
async def test_a_list_with_a_bad_line_imports_nothing_and_names_the_line(
    run: Run, migrated: Database, tmp_path: Path, capsys: pytest.CaptureFixture[str], lines: str, why: str
) -> None:
    path = tmp_path / "员工.csv"
    path.write_text(f"{HEAD}王五,店员,,,wangwu,\n{lines}", encoding="utf-8")
    assert await run("staff", "import", str(path)) == 2
    said = capsys.readouterr().err
    assert why in said
    assert "第 3 行" in said
    async with migrated.read() as session:
        assert not (await session.scalars(select(Staff).where(Staff.name == "王五"))).all()


async def test_a_notice_is_queued_once_a_day_for_each_person_and_group(
    run: Run, migrated: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("notice", "今晚盘点", "--store", "1", "--group", "店长群")
    assert await run(*words) == 0
    assert await run(*words) == 0
    assert re.findall(r"队列 (\d) 条；今天已经发过的 (\d)", capsys.readouterr().out) == [("4", "0"), ("0", "4")]
    async with migrated.read() as session:
        rows = (await session.scalars(select(Outbox).order_by(Outbox.id))).all()
    assert sorted((row.platform, row.conversation_key, row.staff_id) for row in rows) == [
        ("dingtalk_group", "店长群", None),
        ("wecom", "user:clerk1", 1),
        ("wecom", "user:manager1", 2),
        ("wecom_group", "店长群", None),
    ]


async def test_a_notice_to_nobody_or_to_an_unknown_group_says_so(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert await run("notice", "你好") == 2
    assert await run("notice", "你好", "--group", "火锅群") == 2
    said = capsys.readouterr().err
    assert "请说明发给谁" in said
    assert "没有叫「火锅群」的群。现有：店长群" in said
