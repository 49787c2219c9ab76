"""What the guard lets through and what it refuses, as two lists; and the walls behind it, on both engines."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import delete

from db.engine import Database
from db.models import Store
from db.query import QueryFailed, run_guarded
from db.sql_guard import check
from db.sql_lexer import lexical_fault

PASS = [
    "SELECT 1",
    "SELECT COUNT(*) FROM orders",
    "SELECT * FROM orders LIMIT 5",
    "select store_id, sum(pay_amount) as gmv from orders where status = 'paid' group by store_id order by gmv desc",
    "SELECT o.channel, COUNT(DISTINCT o.member_id) FROM orders o GROUP BY o.channel HAVING COUNT(*) > 10",
    "SELECT s.name, SUM(o.pay_amount) FROM orders o JOIN stores s ON s.id = o.store_id GROUP BY s.name",
    "SELECT s.name, SUM(o.pay_amount) FROM orders o, stores s WHERE s.id = o.store_id GROUP BY s.name",
    "SELECT s.city, AVG(o.pay_amount) FROM orders o JOIN stores s ON o.store_id = s.id AND s.id < 5 GROUP BY s.city",
    "SELECT p.category, SUM(i.quantity) FROM order_items i JOIN products p ON p.id = i.product_id GROUP BY p.category",
    "SELECT o.id FROM orders o LEFT JOIN members m ON m.id = o.member_id WHERE m.level = '金卡'",
    "SELECT level, COUNT(*) FROM members GROUP BY level",
    "SELECT COUNT(*) FROM members WHERE first_paid_at >= '2026-11-01'",
    "WITH d AS (SELECT business_date AS day, SUM(pay_amount) AS g FROM orders GROUP BY business_date) SELECT * FROM d",
    "SELECT day, g FROM (SELECT business_date AS day, SUM(pay_amount) AS g FROM orders GROUP BY business_date) AS t",
    "SELECT store_id FROM orders UNION SELECT store_id FROM members",
    "SELECT store_id FROM orders UNION ALL SELECT id FROM stores LIMIT 3",
    "(SELECT store_id FROM orders LIMIT 3) UNION ALL (SELECT id FROM stores LIMIT 3)",
    "SELECT store_id, ROW_NUMBER() OVER (PARTITION BY store_id ORDER BY pay_amount DESC) AS n FROM orders",
    "SELECT business_date, SUM(pay_amount) - LAG(SUM(pay_amount)) OVER (ORDER BY business_date) FROM orders GROUP BY 1",
    "SELECT CASE WHEN pay_amount > 100 THEN '大单' ELSE '小单' END AS size, COUNT(*) FROM orders GROUP BY 1",
    "SELECT ROUND(SUM(pay_amount) / NULLIF(COUNT(*), 0), 2) FROM orders",
    "SELECT COALESCE(discount_amount, 0) FROM orders WHERE total_amount BETWEEN 10 AND 20",
    "SELECT name FROM stores WHERE name LIKE '%西湖%' OR city IN ('杭州', '上海')",
    "SELECT DISTINCT city FROM stores",
    "SELECT id FROM members m WHERE NOT EXISTS (SELECT 1 FROM orders o WHERE o.member_id = m.id)",
    "SELECT id FROM orders WHERE member_id IN (SELECT id FROM members WHERE gender = 'female')",
    "SELECT SUBSTR(business_date, 1, 7) AS month, COUNT(*) FROM orders GROUP BY 1",
    "SELECT COUNT(*) FROM orders WHERE pay_amount > (SELECT AVG(pay_amount) FROM orders)",
    "SELECT o.store_id, SUM(o.pay_amount) / t.g FROM orders o CROSS JOIN (SELECT SUM(pay_amount) AS g FROM orders) t "
    "GROUP BY o.store_id, t.g",
    "SELECT COUNT(*) FROM orders -- 全部订单",
    "SELECT /* 门店 */ COUNT(*) FROM orders",
    "SELECT COUNT(*) FROM orders;",
    "SELECT '--1 /*!' AS words FROM stores",
    "SELECT 'it''s; fine' AS words FROM stores",
    "SELECT COUNT(*) FROM orders WHERE store_id IN (:stores) AND business_date >= :first",
    "SELECT SUM(orders), SUM(attempts) FROM daily_sales WHERE business_date = '2026-11-20'",
    "SELECT COUNT(*) FROM member_coupons WHERE status = 'issued' AND expires_at < '2026-11-21 00:00:00'",
    "SELECT c.name, COUNT(*) FROM member_coupons mc JOIN coupons c ON c.id = mc.coupon_id GROUP BY c.name",
    "SELECT id FROM orders ORDER BY created_at DESC LIMIT 10 OFFSET 20",
    "SELECT s.name FROM stores s JOIN members m ON m.store_id = s.id GROUP BY s.name",
    "SELECT CAST(pay_amount AS SIGNED) FROM orders",
    "SELECT MAX(pay_amount), MIN(pay_amount), ABS(-1) FROM orders WHERE NOT status = 'failed'",
]

PASS_MYSQL = [
    "SELECT DATE_FORMAT(created_at, '%Y-%m') AS month, COUNT(*) FROM orders GROUP BY month",
    "SELECT DATE_SUB(business_date, INTERVAL WEEKDAY(business_date) DAY) AS week FROM orders",
    "SELECT YEAR(created_at), MONTH(created_at), HOUR(created_at), IFNULL(member_id, 0) FROM orders",
    "SELECT COUNT(*) FROM orders WHERE created_at >= DATE_SUB(CURDATE(), INTERVAL 7 DAY)",
    "SELECT DATEDIFF(NOW(), first_paid_at) FROM members",
]

PASS_SQLITE = [
    "SELECT STRFTIME('%Y-%m', created_at) AS month, COUNT(*) FROM orders GROUP BY month",
    "SELECT DATE(business_date, 'weekday 0', '-6 days') AS week FROM orders",
]

REFUSE = [
    "",
    ";",
    "SELEC 1",
    "DROP TABLE orders",
    "DELETE FROM orders",
    "UPDATE orders SET pay_amount = 0",
    "INSERT INTO orders (id) VALUES (1)",
    "SELECT 1; SELECT 2",
    "SELECT 1; DROP TABLE orders",
    "WITH x AS (SELECT id FROM orders) DELETE FROM orders",
    "EXPLAIN ANALYZE SELECT 1",
    "SET SESSION max_statement_time = 0",
    "SELECT * INTO t FROM orders",
    "SELECT id FROM orders INTO OUTFILE '/tmp/x'",
    "SELECT id FROM orders FOR UPDATE",
    "SELECT id FROM orders LOCK IN SHARE MODE",
    "SELECT id FROM orders FOR SHARE",
    "SELECT SLEEP(5)",
    "SELECT `sleep`(5)",
    "SELECT id FROM orders ORDER BY SLEEP(5)",
    "SELECT BENCHMARK(100000000, 1 + 1)",
    "SELECT GET_LOCK('x', 1)",
    "SELECT MASTER_GTID_WAIT('0-1-100', 5)",
    "SELECT LAST_INSERT_ID(7)",
    "SELECT LOAD_FILE('/etc/passwd')",
    "SELECT REPEAT('a', 100000000)",
    "SELECT GROUP_CONCAT(id) FROM orders",
    "SELECT EXTRACTVALUE(1, CONCAT('~', (SELECT level FROM members LIMIT 1)))",
    "SELECT {fn SLEEP(5)}",
    "SELECT /*!50000 SLEEP(5) */ 1",
    "SELECT /*M!100100 SLEEP(5) */ 1",
    "SELECT /*+ SET_VAR(max_execution_time=0) */ 1",
    "SELECT 1 FROM orders WHERE store_id=1--1 UNION SELECT phone_encrypted FROM members",
    "SELECT @a := 1",
    "SELECT @@version",
    "SELECT id FROM orders # all of it",
    "SELECT 'open FROM orders",
    "SELECT 1 /* open",
    "SELECT 'a\\' OR 1 -- '",
    "SELECT 1\x00",
    "SELECT " + "1 + " * 3000 + "1",
    "SELECT * FROM staff",
    "SELECT * FROM mysql.user",
    "SELECT table_name FROM information_schema.tables",
    "SELECT name FROM sqlite_master",
    "SELECT * FROM seq_1_to_1000000000",
    "SELECT name FROM members",
    "SELECT m.name FROM members m",
    "SELECT MAX(phone_encrypted) FROM members",
    "SELECT * FROM members",
    "SELECT m.* FROM members m",
    "TABLE members",
    "SELECT * FROM (TABLE members) t",
    "SELECT c4 FROM (SELECT 1 c1, 2 c2, 3 c3, 4 c4 UNION ALL SELECT * FROM members) t",
    "SELECT id FROM members WHERE name LIKE '王%'",
    "SELECT id FROM members ORDER BY birth_year",
    "SELECT s.name FROM stores s WHERE EXISTS (SELECT 1 FROM members s WHERE s.name = '王芳')",
    "SELECT s.id FROM stores s JOIN members m USING (name)",
    "WITH orders AS (SELECT id FROM members) SELECT id FROM orders",
    "WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n) SELECT i FROM n",
    "SELECT o.id FROM orders o, order_items i",
    "SELECT o.id FROM orders o CROSS JOIN order_items i",
    "SELECT o.id FROM orders o JOIN order_items i ON 1 = 1",
    "SELECT o.id FROM orders o JOIN order_items i ON o.id < i.order_id",
    "SELECT o.id FROM orders o JOIN order_items i ON o.id = i.order_id OR 1 = 1",
    "SELECT id FROM orders LIMIT :rows",
    "SELECT id FROM orders LIMIT -1",
    "SELECT * FROM pragma_table_info('members')",
    "SELECT value FROM json_each('[1]')",
    "SELECT value FROM generate_series(1, 1000000000)",
    "SELECT o.id FROM orders o NATURAL JOIN members m",
    "SELECT o.id FROM orders o USE INDEX (PRIMARY)",
    "SELECT id FROM orders PARTITION (p0)",
    "SELECT id FROM orders FOR SYSTEM_TIME ALL",
    "SELECT id FROM orders PROCEDURE ANALYSE()",
    "SELECT id FROM orders WHERE channel REGEXP '(a+)+$'",
    "SELECT id FROM orders WHERE created_at > NOW() - INTERVAL SLEEP(5) DAY",
    "SELECT x FROM (SELECT m.name AS x FROM members m) t",
    "WITH m (a) AS (SELECT name FROM members) SELECT a FROM m",
    "SELECT stores.name FROM members AS stores",
    "SELECT main.members.level FROM main.members",
    "SELECT (SELECT name) FROM members",
    "SELECT id FROM orders GROUP BY id WITH ROLLUP",
    "SELECT " + "(" * 3000 + "1" + ")" * 3000,
    "VALUES (1)",
    "CALL something()",
]


@pytest.mark.parametrize("dialect", ["mysql", "sqlite"])
@pytest.mark.parametrize("sql", PASS)
def test_a_plain_question_passes(sql: str, dialect: str) -> None:
    verdict = check(sql, dialect)
    assert (verdict.passed, verdict.reason) == (True, "")


@pytest.mark.parametrize("sql", PASS_MYSQL)
def test_a_mysql_spelling_passes(sql: str) -> None:
    assert check(sql, "mysql").reason == ""


@pytest.mark.parametrize("sql", PASS_SQLITE)
def test_a_sqlite_spelling_passes(sql: str) -> None:
    assert check(sql, "sqlite").reason == ""


@pytest.mark.parametrize("dialect", ["mysql", "sqlite"])
@pytest.mark.parametrize("sql", REFUSE)
def test_what_is_not_listed_is_refused_with_a_reason(sql: str, dialect: str) -> None:
    verdict = check(sql, dialect)
    assert not verdict.passed
    assert verdict.reason
    assert verdict.sql == ""


@pytest.mark.parametrize(
    ("sql", "limit"),
    [
        ("SELECT id FROM orders", 100),
        ("SELECT id FROM orders LIMIT 7", 7),
        ("SELECT id FROM orders LIMIT 5000", 100),
        ("SELECT id FROM orders LIMIT 9 -- LIMIT 5000", 9),
        ("SELECT id FROM orders UNION SELECT id FROM stores LIMIT 5000", 100),
    ],
)
def test_the_limit_is_set_in_the_tree(sql: str, limit: int) -> None:
    verdict = check(sql, "mysql", max_rows=100)
    assert verdict.limit_applied == limit
    assert verdict.sql.endswith(f"LIMIT {limit}")


def test_comments_do_not_reach_the_server() -> None:
    assert check("SELECT /* a */ id FROM orders -- b", "mysql").sql == "SELECT id FROM orders LIMIT 10000"


def test_a_caller_may_allow_fewer_tables() -> None:
    assert not check("SELECT id FROM members", "mysql", allowed_tables={"orders"}).passed


@pytest.mark.parametrize("sql", ["SELECT ':x' AS a", "SELECT ` `` ` FROM orders", "SELECT 1 -- x"])
def test_the_lexer_has_nothing_against_quoted_oddities(sql: str) -> None:
    assert lexical_fault(sql) is None


def test_a_mysql_modifier_is_refused() -> None:
    assert not check("SELECT SQL_NO_CACHE id FROM orders", "mysql").passed


WORDS = (
    "SELECT FROM WHERE UNION ALL ( ) ( ) , . * orders members name o AS JOIN ON = 1 'a' ` \" -- /* */ ; LIMIT -1 :x "
    "GROUP BY ORDER WITH RECURSIVE CASE WHEN END IN NOT EXISTS INTO FOR UPDATE SLEEP @ { } OVER PARTITION INTERVAL DAY"
)


@given(st.lists(st.sampled_from(WORDS.split()), max_size=25), st.sampled_from(["mysql", "sqlite"]))
@settings(max_examples=300)
def test_no_text_breaks_the_guard(words: list[str], dialect: str) -> None:
    verdict = check(" ".join(words), dialect)
    assert verdict.passed != bool(verdict.reason)
    if verdict.passed:
        assert check(verdict.sql, dialect).passed


async def test_a_guarded_statement_runs_with_bound_lists(database: Database) -> None:
    sql = check("SELECT 1 AS one, ':x' AS words WHERE 2 IN (:stores) AND 'a' = :letter", "mysql").sql
    columns, rows = await run_guarded(database, sql, {"stores": (1, 2, 3), "letter": "a"})
    assert (columns, rows) == (("one", "words"), [(1, ":x")])


async def test_the_read_connection_cannot_write(database: Database) -> None:
    with pytest.raises(QueryFailed):
        await run_guarded(database, "DELETE FROM stores", {})
    async with database.write() as session:  # and the pool's connections are as they were
        await session.execute(delete(Store))


async def test_a_statement_that_takes_too_long_is_stopped(database: Database) -> None:
    numbers = "SELECT COUNT(*) FROM " + ", ".join(f"({' UNION ALL '.join(['SELECT 1'] * 60)}) t{n}" for n in range(6))
    with pytest.raises(QueryFailed):
        await run_guarded(database, numbers, {}, timeout_s=0.3)
    assert await run_guarded(database, "SELECT 1 AS one", {}) == (("one",), [(1,)])


async def test_the_database_error_text_is_not_shown(database: Database) -> None:
    with pytest.raises(QueryFailed) as failed:
        await run_guarded(database, "SELECT secret_column FROM orders", {})
    assert "secret_column" not in str(failed.value)
    assert failed.value.__cause__ is None
