"""Streams over replicas: handed over once, ended once, the live text gone when its piece is there."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from db.engine import Database
from db.streams import Piece, Streams, StreamView
from tests.rows import NOW, small_chain

ID = "aibot-1"
LATER = NOW + timedelta(minutes=1)


@pytest.fixture
async def streams(database: Database) -> Streams:
    await small_chain(database)
    return Streams(database, 1)


def said(text: str) -> dict[str, str]:
    return {"text": text}


def is_open(view: StreamView, _piece: Piece) -> bool:
    return view.state == "open"


def anything(_view: StreamView, _piece: Piece) -> bool:
    return True


def is_card(piece: Piece) -> bool:
    return piece.payload == said("card")


def nothing(_piece: Piece) -> bool:
    return False


async def view(streams: Streams) -> StreamView:
    found = await streams.find(ID)
    assert found is not None
    return found


async def hand(streams: Streams, key: str, text: str) -> str:
    return await streams.hand_over(ID, NOW, Piece(key, said(text)), is_open)


async def test_pieces_keep_the_order_they_were_handed_over_in(streams: Streams) -> None:
    for key in ("reply:1:10", "reply:1:9", "a"):
        await hand(streams, key, key)
    assert [piece.key for piece in (await view(streams)).pieces] == ["reply:1:10", "reply:1:9", "a"]


async def test_a_piece_handed_over_again_is_there_once(streams: Streams) -> None:
    assert [await hand(streams, "k", "一"), await hand(streams, "k", "一")] == ["new", "again"]
    assert len((await view(streams)).pieces) == 1


async def test_pieces_of_two_replicas_at_once_are_all_there(streams: Streams) -> None:
    results = await asyncio.gather(*(hand(streams, f"k{n}", str(n)) for n in range(8)))
    assert set(results) == {"new"}
    assert {piece.key for piece in (await view(streams)).pieces} == {f"k{n}" for n in range(8)}


async def test_an_ended_stream_takes_no_piece(streams: Streams) -> None:
    await hand(streams, "k", "一")
    await streams.fetch(ID, NOW, "poll", LATER, nothing, "closed")
    assert await hand(streams, "late", "二") == "no"
    assert (await view(streams)).state == "closed"


async def test_a_piece_is_in_the_last_fetch_or_told_that_it_is_late(streams: Streams) -> None:
    last, handed = await asyncio.gather(
        streams.fetch(ID, NOW, "poll", LATER, nothing, "closed"), hand(streams, "k", "一")
    )
    assert (handed == "new") == (len(last.pieces) == 1)


async def test_what_may_be_shown_once_is_given_to_one_fetch(streams: Streams) -> None:
    await hand(streams, "k", "card")
    fetches = await asyncio.gather(*(streams.fetch(ID, NOW, by, LATER, is_card) for by in ("p1", "p2")))
    assert {fetch.pieces[0].shown for fetch in fetches} in ({"p1"}, {"p2"})


async def test_the_live_text_goes_when_its_own_piece_comes(streams: Streams) -> None:
    await streams.write_live(ID, NOW, "reply:1:1", "写到一半\n第二行")
    await hand(streams, "reply:1:0:0", "先")
    assert ((await view(streams)).live_key, (await view(streams)).live) == ("reply:1:1", "写到一半\n第二行")
    await hand(streams, "reply:1:1:0", "写完了")
    assert (await view(streams)).live == ""


async def test_live_text_comes_too_late_for_an_ended_stream(streams: Streams) -> None:
    await streams.fetch(ID, NOW, "poll", LATER, nothing, "switched")
    await streams.write_live(ID, NOW, "k", "迟到")
    assert (await view(streams)).live == ""


async def test_a_stream_with_news_is_not_switched(streams: Streams) -> None:
    await hand(streams, "k", "一")
    assert [await streams.switch(ID, seen) for seen in ((), ("k",), ("k",))] == [False, True, False]


async def test_what_went_another_way_does_not_hold_up_the_switch(streams: Streams) -> None:
    await streams.hand_over(ID, NOW, Piece("k", {}, "elsewhere"), anything)
    assert await streams.switch(ID, ())


async def test_only_what_nobody_fetches_is_forsaken(streams: Streams) -> None:
    for name, asked in (("aibot-old", NOW), ("aibot-new", LATER), ("other-old", NOW)):
        await streams.fetch(name, NOW, "poll", asked, nothing)
    await streams.hand_over("aibot-unasked", NOW, Piece("k", said("一")), anything)
    found = await streams.forsaken("aibot-", NOW + timedelta(seconds=30))
    assert [one.public_id for one in found] == ["aibot-old", "aibot-unasked"]


async def test_old_streams_are_forgotten(streams: Streams) -> None:
    for name in ("aibot-1", "other-1"):
        await streams.fetch(name, NOW, "poll", NOW, nothing)
    assert await streams.forget("aibot-", LATER) == 1
    assert await streams.find("aibot-1") is None
    assert await streams.find("other-1") is not None


async def test_a_piece_can_be_taken_back(streams: Streams) -> None:
    await streams.hand_over(ID, NOW, Piece("k", {}, "elsewhere"), anything)
    await streams.take_back(ID, "k")
    assert (await view(streams)).pieces == ()
