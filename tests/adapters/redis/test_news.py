"""News of the directory on a real server: heard by all, and missed without harm."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from gateway.adapters.redis import news as module
from gateway.adapters.redis.news import CHANNEL_PREFIX, DirectoryNews
from tests.redis_server import RedisServer, running_server

HOUSE = "mch_house"


@pytest.fixture
async def server() -> AsyncIterator[RedisServer]:
    async with running_server() as started:
        yield started


class Listener:
    """An instance that listens."""

    def __init__(self, server: RedisServer, house_id: str = HOUSE) -> None:
        self.heard: asyncio.Queue[int] = asyncio.Queue()
        self.news = DirectoryNews(server.url, house_id=house_id, heard=self.heard.put_nowait)
        self.news.start()

    async def next(self) -> int:
        async with asyncio.timeout(20):
            return await self.heard.get()


@pytest.fixture
async def listeners(server: RedisServer) -> AsyncIterator[list[Listener]]:
    made = [Listener(server), Listener(server), Listener(server, "mch_other")]
    for each in made:
        async with asyncio.timeout(20):
            await each.news.is_listening.wait()
    yield made
    for each in made:
        await each.news.close()


async def test_a_version_is_heard_by_every_instance_of_the_installation(
    listeners: list[Listener],
) -> None:
    one, two, stranger = listeners
    one.news.tell(7)
    assert (await one.next(), await two.next()) == (7, 7)
    stranger.news.tell(9)
    assert await stranger.next() == 9
    assert one.heard.empty() and two.heard.empty()


async def test_what_was_told_last_is_heard_though_its_teller_ends(
    server: RedisServer, listeners: list[Listener]
) -> None:
    brief = DirectoryNews(server.url, house_id=HOUSE, heard=lambda version: None)
    brief.tell(8)
    await brief.close()
    assert await listeners[0].next() == 8


async def test_what_is_no_version_is_not_heard(
    server: RedisServer, listeners: list[Listener]
) -> None:
    for text in ("", "-1", "1.5", "nine", "9" * 19, "٣", "1 2"):
        await server.redis.publish(CHANNEL_PREFIX + HOUSE, text)
    await server.redis.publish(CHANNEL_PREFIX + HOUSE, "12")
    assert await listeners[0].next() == 12


async def test_a_killed_server_is_survived_and_heard_again(
    server: RedisServer, listeners: list[Listener], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RECONNECT_S", 0.01)
    one, two, _ = listeners
    await server.kill()
    for version in range(100):
        one.news.tell(version)
    async with asyncio.timeout(20):
        while one.news._telling:
            await asyncio.wait(one.news._telling)
    for each in (one, two):
        each.news.is_listening.clear()
    await server.start()
    for each in (one, two):
        async with asyncio.timeout(20):
            await each.news.is_listening.wait()
    one.news.tell(101)
    assert (await one.next(), await two.next()) == (101, 101)
