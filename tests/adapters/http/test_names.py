"""Look-ups: shared, bounded, and never kept."""

import asyncio
import socket
import threading
from collections.abc import Iterator

import pytest

from gateway.adapters.http.names import NameUnknown, SystemNames


@pytest.fixture
def names() -> Iterator[SystemNames]:
    system = SystemNames()
    yield system
    system.close()


async def test_the_systems_own_names(names: SystemNames) -> None:
    assert set(await names.lookup("localhost")) <= {"127.0.0.1", "::1"}
    assert await names.lookup("127.0.0.1") == ("127.0.0.1",)


@pytest.mark.parametrize("host", ["a" * 64 + ".example", "a..example", "nul\0.example"])
async def test_what_is_no_name_is_unknown(names: SystemNames, host: str) -> None:
    with pytest.raises(NameUnknown):
        await names.lookup(host)


class SlowServer:
    """A stand-in for the operating system's resolver that answers when it is told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.release = threading.Event()
        self.asked: list[str] = []
        self.answer: list[object] = [(socket.AF_INET, 1, 6, "", ("192.0.2.1", 0))]
        monkeypatch.setattr(socket, "getaddrinfo", self._getaddrinfo)

    def _getaddrinfo(self, host: str, *_: object, **__: object) -> list[object]:
        self.asked.append(host)
        if host.startswith("slow"):
            self.release.wait(30)
        if not self.answer:
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        return self.answer


async def test_one_name_is_looked_up_once_at_a_time_and_anew_afterwards(
    names: SystemNames, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = SlowServer(monkeypatch)
    waiting = [asyncio.create_task(names.lookup("slow.example")) for _ in range(100)]
    assert await names.lookup("fast.example") == ("192.0.2.1",)
    waiting[0].cancel()
    server.release.set()
    answers = await asyncio.gather(*waiting, return_exceptions=True)
    assert isinstance(answers[0], asyncio.CancelledError)
    assert answers[1:] == [("192.0.2.1",)] * 99
    assert server.asked.count("slow.example") == 1
    await names.lookup("slow.example")
    assert server.asked.count("slow.example") == 2


async def test_a_failure_is_told_to_every_waiter_and_not_kept(
    names: SystemNames, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = SlowServer(monkeypatch)
    found, server.answer = server.answer, []
    server.release.set()
    failures = await asyncio.gather(
        names.lookup("slow.example"), names.lookup("slow.example"), return_exceptions=True
    )
    assert [type(failure) for failure in failures] == [NameUnknown, NameUnknown]
    server.answer = found
    assert await names.lookup("slow.example") == ("192.0.2.1",)


async def test_addresses_come_once_each(
    names: SystemNames, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = SlowServer(monkeypatch)
    server.answer = [
        (socket.AF_INET6, 1, 6, "", ("2001:db8::1", 0, 0, 0)),
        (socket.AF_INET, 1, 6, "", ("192.0.2.1", 0)),
        (socket.AF_INET, 1, 6, "", ("192.0.2.1", 0)),
    ]
    assert await names.lookup("many.example") == ("2001:db8::1", "192.0.2.1")
