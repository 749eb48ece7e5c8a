"""Wake-ups: hints that may be lost, and never stop or break who sends them."""

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.adapters.local import wakeups
from gateway.adapters.local.wakeups import DATAGRAM_IDS_MAX, WakeupReceiver, WakeupSender
from gateway.adapters.system.identifiers import RandomIds
from gateway.adapters.system.socket_folder import make_socket_folder, new_socket_folder


@pytest.fixture
def path() -> Iterator[Path]:
    folder = new_socket_folder()
    make_socket_folder(folder, owner=0)
    yield folder / "wake"
    for left in folder.iterdir():
        left.unlink()
    folder.rmdir()


class Heard:
    """What a receiver was told, and a way to wait for it."""

    def __init__(self) -> None:
        self.calls: list[set[str]] = []
        self._more = asyncio.Event()

    def __call__(self, merchants: set[str]) -> None:
        self.calls.append(merchants)
        self._more.set()

    @property
    def all(self) -> set[str]:
        return set().union(*self.calls)

    async def until(self, merchants: set[str]) -> None:
        async with asyncio.timeout(10):
            while not merchants <= self.all:
                self._more.clear()
                await self._more.wait()


def names(count: int) -> set[str]:
    ids = RandomIds()
    return {ids.in_bucket("mch", number % 4096) for number in range(count)}


async def test_one_turn_of_the_loop_is_one_datagram(path: Path) -> None:
    heard = Heard()
    receiver, sender = WakeupReceiver(path, heard), WakeupSender(path)
    first, second = names(2), names(3)
    sender.notify(first)
    sender.notify(second)
    sender.notify(set())
    await heard.until(first | second)
    assert heard.calls == [first | second]
    sender.close()
    receiver.close()
    assert not path.exists()


async def test_what_follows_within_moments_shares_a_datagram(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wakeups, "SENDS_APART_S", 0.5)
    heard = Heard()
    receiver, sender = WakeupReceiver(path, heard), WakeupSender(path)
    first, second, third = names(2), names(3), names(4)
    sender.notify(first)
    await heard.until(first)
    sender.notify(second)
    await asyncio.sleep(0)
    sender.notify(third)
    await heard.until(second | third)
    assert heard.calls == [first, second | third]
    sender.close()
    receiver.close()


async def test_many_merchants_take_several_datagrams(path: Path) -> None:
    heard = Heard()
    receiver, sender = WakeupReceiver(path, heard), WakeupSender(path)
    merchants = names(DATAGRAM_IDS_MAX * 3)
    sender.notify(merchants)
    await heard.until(merchants)
    sender.close()
    receiver.close()


async def test_nobody_listens(path: Path) -> None:
    sender = WakeupSender(path, path.with_name("other"))
    sender.notify(names(1))
    await asyncio.sleep(0)
    heard = Heard()
    receiver = WakeupReceiver(path, heard)
    merchants = names(1)
    sender.notify(merchants)
    await heard.until(merchants)
    receiver.close()
    sender.close()
    sender.notify(names(1))
    await asyncio.sleep(0)


async def test_a_full_socket_loses_hints_and_nothing_else(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wakeups, "SENDS_APART_S", 0.0)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listener.bind(str(path))
    sender = WakeupSender(path)
    for _ in range(2_000):
        sender.notify(names(1))
        await asyncio.sleep(0)
    sender.close()
    listener.close()


async def test_a_dead_receivers_socket_is_replaced_and_a_living_ones_is_left(path: Path) -> None:
    dead = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    dead.bind(str(path))
    dead.close()
    heard = Heard()
    first = WakeupReceiver(path, Heard())
    second = WakeupReceiver(path, heard)
    first.close()
    sender, merchants = WakeupSender(path), names(1)
    sender.notify(merchants)
    await heard.until(merchants)
    second.close()
    sender.close()


async def test_only_its_owner_may_hint(path: Path) -> None:
    receiver = WakeupReceiver(path, Heard())
    assert path.stat().st_mode & 0o777 == 0o600
    receiver.close()


def test_a_path_that_no_socket_can_have_is_refused() -> None:
    with pytest.raises(ValueError, match="107"):
        WakeupSender(Path("/" + "x" * 200))
