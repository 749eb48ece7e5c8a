"""Money in full by the quick way, and all that is not: the same end as by the careful one."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.channels.wire import CallbackRequest
from gateway.domain.paid import AwaitedPayment
from tests.conftest import Installation
from tests.oracle import check
from tests.scenarios.test_real_ways import post
from tests.world import World, open_world


class Heard:
    """The callbacks that came, and how many went on carefully."""

    def __init__(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        self.requests: list[CallbackRequest] = []
        self.carefully = 0
        self.look: Callable[[AwaitedPayment | None], AwaitedPayment | None] = lambda seen: seen
        self.let_go = asyncio.Event()
        self.let_go.set()
        self.moved = asyncio.Event()
        quick, receive = world.core.quick_receive, world.core.receive
        callback, apply, ask = quick.callback, receive.apply, quick._awaited.ask
        waiting: set[asyncio.Task[None]] = set()

        def noted(channel: str, account_id: str, request: Any, **more: Any) -> bool:
            self.requests.append(request)
            self.moved.set()
            return callback(channel, account_id, request, **more)

        async def careful(*args: Any, **more: Any) -> Any:
            self.carefully += 1
            self.moved.set()
            return await apply(*args, **more)

        def held(*args: Any) -> None:
            *key, told = args

            def later(seen: Any) -> None:
                task = asyncio.get_running_loop().create_task(wait(seen))
                waiting.add(task)
                task.add_done_callback(waiting.discard)

            async def wait(seen: Any) -> None:
                await self.let_go.wait()
                told(self.look(seen))

            ask(*key, later)

        monkeypatch.setattr(quick, "callback", noted)
        monkeypatch.setattr(receive, "apply", careful)
        monkeypatch.setattr(quick._awaited, "ask", held)

    async def until(self, *, requests: int = 0, carefully: int = 0) -> None:
        """Wait until so many callbacks came, and so many of them went on carefully."""
        async with asyncio.timeout(10):
            while len(self.requests) < requests or self.carefully < carefully:
                self.moved.clear()
                await self.moved.wait()


@pytest.fixture
async def world(installation: Installation, tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(installation, tmp_path) as opened:
        await opened.paid("first")  # opens the accounts
        yield opened
        await opened.core.ongoing.drain(10)
    await check(installation.dsns)


async def again(world: World, request: CallbackRequest) -> bytes:
    _, body = await post(world, request.target, request.headers, request.body)
    return body


async def entries(world: World) -> list[str]:
    return [row["reason"] for row in await world.sql("select reason from entries")]


async def test_money_in_full_is_booked_quickly_and_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard = Heard(world, monkeypatch)
    payment = await world.paid("A-1")
    assert (len(heard.requests), heard.carefully) == (1, 0)
    assert payment["amount_received"] == payment["amount_captured"] == 100
    timeline = (await world.merchant.get(f"/v1/payments/{payment['id']}/timeline")).body
    assert "payment.succeeded" in str(timeline)
    answers = [await again(world, heard.requests[0]) for _ in range(3)]
    assert answers == [b"success"] * 3 and heard.carefully == 3
    assert await entries(world) == ["captured"] * 2


async def test_the_same_money_told_twenty_times_at_once_is_booked_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard = Heard(world, monkeypatch)
    payment = await world.pay_by_qr("A-1")
    heard.let_go.clear()
    scan = asyncio.create_task(world.scan(payment["next_action"]["qr_code"]))
    await heard.until(requests=1)
    more = [asyncio.create_task(again(world, heard.requests[0])) for _ in range(20)]
    await heard.until(requests=21)
    heard.let_go.set()
    assert await asyncio.gather(*more) == [b"success"] * 20
    await scan
    await world.until(payment["id"], "succeeded")
    assert await entries(world) == ["captured"] * 2


async def test_money_that_was_asked_about_meanwhile_is_booked_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard = Heard(world, monkeypatch)
    payment = await world.pay_by_qr("A-1")
    heard.let_go.clear()
    scan = asyncio.create_task(world.scan(payment["next_action"]["qr_code"]))
    await heard.until(requests=1)
    await world.core.chase.attempt(
        world.merchant.mch, payment["attempt_id"], actor="test", request_id=None
    )
    assert (await world.payment(payment["id"]))["status"] == "succeeded"
    heard.let_go.set()
    await scan
    await heard.until(carefully=1)
    assert await again(world, heard.requests[0]) == b"success"
    assert await entries(world) == ["captured"] * 2


@pytest.mark.parametrize(
    "look",
    [
        lambda seen: None,
        lambda seen: seen._replace(amount=60),
        lambda seen: seen._replace(currency="USD"),
        lambda seen: seen._replace(told=seen.told.replace("requires_action", "processing")),
        lambda seen: seen._replace(attempt_version=9),
    ],
)
async def test_what_does_not_fit_is_decided_on_the_rows(
    world: World, monkeypatch: pytest.MonkeyPatch, look: Any
) -> None:
    heard = Heard(world, monkeypatch)
    heard.look = look
    await world.paid("A-1")
    assert (len(heard.requests), heard.carefully) == (1, 1)
    assert await entries(world) == ["captured"] * 2


async def test_a_forgery_is_refused_without_a_look(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard = Heard(world, monkeypatch)
    await world.paid("A-1")
    genuine = heard.requests[0]
    body = genuine.body.replace(b"total_amount=1.00", b"total_amount=9.00")
    assert body != genuine.body
    assert (await post(world, genuine.target, genuine.headers, body))[1] == b"failure"
    assert heard.carefully == 0
