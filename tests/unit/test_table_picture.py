"""Tables as pictures, as they reach a phone."""

from __future__ import annotations

import struct
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest

from bot.cards.cells import read_cell, read_table
from bot.cards.table_layout import MARGIN, WIDTH, lay_out
from bot.cards.table_picture import draw_table, short_text, worth_picture
from handlers.messages import Table

STORES = ("上海静安店", "北京朝阳店", "广州天河店", "深圳南山店", "成都锦江店")
BY_STORE = Table(
    "最近7天各门店",
    ("门店", "GMV", "客单价"),
    tuple((name, f"¥{n + 1}.5万（↑{n}.0%）", f"¥{300 - n}.20") for n, name in enumerate(STORES)),
)
BY_DAY = Table(
    "按天", ("门店", "日期", "GMV"), tuple((name, f"11-{day}", "—") for name in STORES for day in range(10, 26))
)


def size_of(png: bytes) -> tuple[int, int]:
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", png[16:24])
    return width, height


def table(columns: int, rows: int) -> Table:
    return Table("表", tuple(f"列{n}" for n in range(columns)), (("1",) * columns,) * rows)


@pytest.mark.parametrize(
    ("columns", "rows", "worth"),
    [
        (1, 40, False),
        (2, 12, False),
        (2, 13, True),
        (3, 4, False),
        (3, 5, True),
        (6, 2, False),
        (6, 3, True),
        (5, 1, False),
    ],
)
def test_small_tables_stay_text(columns: int, rows: int, worth: bool) -> None:
    assert worth_picture(table(columns, rows)) is worth


def test_a_picture_is_as_wide_as_a_phone() -> None:
    assert size_of(draw_table(BY_STORE))[0] == WIDTH


@pytest.mark.parametrize(
    "odd",
    [
        Table("", (), ()),
        Table("空", ("门店", "GMV"), ()),
        Table("一列", ("会员",), (("王女士",), ("",))),
        Table(
            "<&\x00\ud800\ufffe>\"'",
            ("a&b", "<"),
            (("\x07", "]]>"), ("😀", "")),
        ),
        Table("短行", ("门店", "GMV", "订单"), (("静安店",), ("朝阳店", "1", "2", "3"))),
        Table("长" * 400, ("名" * 200, "值" * 200), (("字" * 4000, "1" * 400),)),
    ],
)
def test_nothing_in_a_table_breaks_its_picture(odd: Table) -> None:
    assert size_of(draw_table(odd))[0] >= WIDTH


def test_what_is_left_out_is_counted() -> None:
    layout = lay_out(read_table(BY_DAY))
    assert (len(layout.rows), layout.rows_left, layout.columns_left) == (40, 40, 0)
    wide = lay_out(read_table(Table("宽", ("门店",) * 30, (("¥123,456.00",) * 30,) * 2)))
    assert len(wide.columns) + wide.columns_left == 30
    assert wide.columns_left > 0


def test_words_are_cut_and_figures_are_not() -> None:
    note, figure = "很长的跟进记录，" * 20, "¥1,234,567.89"
    [row] = lay_out(read_table(Table("", ("会员", "记录", "金额"), (("王女士", note, figure),)))).rows
    assert row[1].shown.endswith("…")
    assert [row[0].shown, row[2].shown] == ["王女士", figure]


def test_a_small_table_gets_large_type_and_fills_the_width() -> None:
    layout = lay_out(read_table(BY_STORE))
    assert layout.size == 36
    assert sum(column.width for column in layout.columns) == pytest.approx(WIDTH - 2 * MARGIN)


@pytest.mark.parametrize(
    ("text", "shown", "change", "number"),
    [
        ("¥12.3万（↑5.2%）", "¥12.3万", "↑5.2%", "123000"),
        ("-¥3,516.20", "-¥3,516.20", "", "-3516.20"),
        ("18.2%（↓3.1个百分点）", "18.2%", "↓3.1个百分点", "18.2"),
        ("1.2亿（持平）", "1.2亿", "持平", "120000000"),
        ("98 单", "98 单", "", "98"),
        ("11-14 周六", "11-14 周六", "", None),
        ("静安店（↑新）", "静安店（↑新）", "", None),
        ("—", "—", "", None),
    ],
)
def test_a_cell_is_read_as_it_is_written(text: str, shown: str, change: str, number: str | None) -> None:
    cell = read_cell(text)
    assert (cell.shown, cell.change, cell.text) == (shown, change, text)
    assert cell.number == (None if number is None else Decimal(number))


def test_the_short_text_names_the_extremes() -> None:
    assert short_text(BY_STORE) == (
        "最近7天各门店\n"
        "GMV：最高 成都锦江店 ¥5.5万，最低 上海静安店 ¥1.5万\n"
        "客单价：最高 上海静安店 ¥300.20，最低 成都锦江店 ¥296.20\n"
        "共 5 行"
    )


def test_a_total_is_no_extreme() -> None:
    rows = (("静安店", "3"), ("朝阳店", "5"), ("合计", "8"))
    assert "最高 朝阳店 5" in short_text(Table("", ("门店", "订单"), rows))


@pytest.mark.parametrize(
    ("odd", "said"),
    [
        (Table("昨天", ("门店", "GMV"), ()), "昨天\n没有数据"),
        (
            Table("名单", ("会员", "等级"), (("王女士", "金卡"), ("李先生", "银卡"))),
            "名单\n王女士 · 金卡\n李先生 · 银卡\n共 2 行",
        ),
        (Table("", ("门店", "GMV"), (("静安店", "¥1"), ("朝阳店", "¥1"))), "GMV：都是 ¥1\n共 2 行"),
        (Table("", ("门店", "GMV"), (("静安店", "¥1"), ("朝阳店", "—"))), "静安店 · ¥1\n朝阳店 · —\n共 2 行"),
    ],
)
def test_little_to_say_is_said_plainly(odd: Table, said: str) -> None:
    assert short_text(odd) == said


def dense(rows: int, columns: int, words: str = "") -> Table:
    cells = (
        (f"{words}¥{row * 37 % 97}{column}.{row % 10}万（↑{row}.{column}%）" for column in range(columns))
        for row in range(rows)
    )
    return Table("很密的表", tuple(f"指标{n}" for n in range(columns)), tuple(tuple(row) for row in cells))


def test_a_picture_is_small_and_never_too_large_to_send() -> None:
    plain = Table(
        "表",
        ("门店",) * 6,
        tuple(tuple(f"¥{row * 37 % 97},{column}00.{row}" for column in range(6)) for row in range(60)),
    )
    assert len(draw_table(plain)) < 150 * 1024
    assert len(draw_table(dense(60, 40))) < 2 * 1024**2  # WeCom's limit for a picture (doc 99110)


def test_threads_may_draw_at_the_same_time() -> None:
    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(draw_table, [BY_STORE] * 8))) == 1
