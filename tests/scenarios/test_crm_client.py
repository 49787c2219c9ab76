"""The CRM client against the mock on a real port, on good days and bad ones."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from bot.crm.client import CrmClient
from handlers.crm import CrmCoupon, CrmRefused, CrmUnavailable, CrmUnknown
from tests.fakes.crm import FakeCrm, Fault

COUPON = {
    "name": "满300减50",
    "type": "full_reduction",
    "threshold": 300,
    "value": 50,
    "max_redemptions": 600,
    "valid_days": 7,
}


@pytest.fixture
async def crm(tmp_path: Path) -> AsyncIterator[FakeCrm]:
    async with FakeCrm(tmp_path / "crm.db").serve() as fake:
        yield fake


@pytest.fixture
async def client(crm: FakeCrm) -> AsyncIterator[CrmClient]:
    made = CrmClient(crm.base_url, "secret-key", timeout_seconds=0.3)
    yield made
    await made.close()


async def test_a_coupon_goes_from_draft_to_published(client: CrmClient) -> None:
    draft = await client.create_coupon("n1", COUPON)
    assert draft == CrmCoupon("100001", "draft")
    assert await client.publish_coupon(draft.id, "n1:publish") == CrmCoupon("100001", "published")
    assert await client.find("n1") == CrmCoupon("100001", "published")


async def test_the_same_number_makes_the_same_coupon(crm: FakeCrm, client: CrmClient) -> None:
    first, second = await client.create_coupon("n1", COUPON), await client.create_coupon("n1", COUPON)
    assert first == second
    assert len(crm.coupons) == 1


async def test_publishing_twice_changes_nothing(client: CrmClient) -> None:
    draft = await client.create_coupon("n1", COUPON)
    once = await client.publish_coupon(draft.id, "n1:publish")
    assert await client.publish_coupon(draft.id, "n1:publish") == once


async def test_a_number_with_another_body_is_refused(client: CrmClient) -> None:
    await client.create_coupon("n1", COUPON)
    with pytest.raises(CrmRefused, match="这个请求号已经用于另一张券"):
        await client.create_coupon("n1", COUPON | {"value": 60})


async def test_coupons_survive_a_restart_of_the_crm(tmp_path: Path, client: CrmClient) -> None:
    await client.create_coupon("n1", COUPON)
    async with FakeCrm(tmp_path / "crm.db").serve() as again:
        later = CrmClient(again.base_url)
        assert await later.find("n1") == CrmCoupon("100001", "draft")
        assert await later.create_coupon("n2", COUPON) == CrmCoupon("100002", "draft")
        await later.close()


async def test_a_number_nobody_used_finds_nothing(client: CrmClient) -> None:
    assert await client.find("n9") is None


async def test_key_and_request_number_travel(crm: FakeCrm, client: CrmClient) -> None:
    await client.create_coupon("n1", COUPON)
    assert crm.headers[0]["Authorization"] == "Bearer secret-key"
    assert crm.headers[0]["X-Request-Number"] == "n1"
    assert crm.coupons[0]["body"]["request_number"] == "n1"


@pytest.mark.parametrize("fault", ["500", "500_after", "timeout_before", "timeout_after", "drop_after", "garbage"])
async def test_a_write_without_an_answer_is_unknown_and_not_repeated(
    crm: FakeCrm, client: CrmClient, fault: Fault
) -> None:
    crm.plan("create", fault)
    with pytest.raises(CrmUnknown):
        await client.create_coupon("n1", COUPON)
    assert crm.count("create") == 1
    assert len(crm.coupons) == (0 if fault in {"500", "timeout_before"} else 1)


async def test_a_refusal_carries_the_reason(crm: FakeCrm, client: CrmClient) -> None:
    crm.plan("create", "refuse")
    with pytest.raises(CrmRefused, match="CRM 拒绝了：余额不足"):
        await client.create_coupon("n1", COUPON)


async def test_a_read_is_repeated_once(crm: FakeCrm, client: CrmClient) -> None:
    crm.plan("find", "500")
    assert await client.find("n1") is None
    crm.plan("find", "500", "timeout_before")
    with pytest.raises(CrmUnknown, match="没有应答"):
        await client.find("n1")
    assert crm.count("find") == 4


async def test_nobody_listening_means_nothing_happened(unused_tcp_port: int) -> None:
    client = CrmClient(f"http://127.0.0.1:{unused_tcp_port}")
    with pytest.raises(CrmUnavailable, match="CRM 连不上"):
        await client.create_coupon("n1", COUPON)
    await client.close()


async def test_an_answer_in_drops_does_not_outlive_the_time_limit(unused_tcp_port: int) -> None:
    gone = asyncio.Event()

    async def drip(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        while not writer.is_closing():
            writer.write(b" ")
            await asyncio.sleep(0.05)
        gone.set()

    client = CrmClient(f"http://127.0.0.1:{unused_tcp_port}", timeout_seconds=0.2)
    async with await asyncio.start_server(drip, "127.0.0.1", unused_tcp_port):
        with pytest.raises(CrmUnknown):
            await asyncio.wait_for(client.create_coupon("n1", COUPON), 1)
        await client.close()
        await asyncio.wait_for(gone.wait(), 1)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("[]", "请求体要是一个 JSON 对象"),
        ("{", "请求体要是一个 JSON 对象"),
        ("[" * 20_000, "请求体要是一个 JSON 对象"),
        ('{"request_number": "n1"}', "字段不对：max_redemptions、name、threshold、type、valid_days、value"),
        (
            '{"request_number":"n1","name":"x","type":"gift","threshold":-1,"value":"9","max_redemptions":1,'
            '"valid_days":7}',
            "字段不对：threshold、type、value",
        ),
    ],
)
async def test_the_mock_says_what_is_wrong_with_a_body(crm: FakeCrm, body: str, reason: str) -> None:
    async with aiohttp.ClientSession() as session, session.post(f"{crm.base_url}/coupons", data=body) as answer:
        assert (answer.status, await answer.json()) == (400, {"error": reason})
    assert crm.coupons == []


async def test_the_mock_wants_one_request_number(crm: FakeCrm) -> None:
    async with aiohttp.ClientSession(headers={"X-Request-Number": "other"}) as session:
        async with session.post(f"{crm.base_url}/coupons", json=COUPON | {"request_number": "n1"}) as answer:
            assert answer.status == 400
        async with session.get(f"{crm.base_url}/coupons") as answer:
            assert answer.status == 400


async def test_the_mock_does_not_publish_what_it_does_not_have(client: CrmClient) -> None:
    with pytest.raises(CrmRefused, match="没有这张券"):
        await client.publish_coupon("1 OR 1=1", "n1:publish")
