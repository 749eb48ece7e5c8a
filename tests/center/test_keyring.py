"""The key ring: one question a minute and account, shared by all who wait for it."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from gateway.center.keyring import KEYS_MAX, KeyRing
from gateway.channels.codec import AccountView
from gateway.channels.wire import ChannelSilent, HttpRequest, HttpResponse

VIEW = AccountView("cac_1", "trial", "http://x", "http://y", {})
ASK = HttpRequest("GET", "http://x/keys")


class Hands:
    """Clock, client, watch and codec of the test."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 22, tzinfo=UTC)
        self.given: dict[str, str] = {"A": "pem"}
        self.asked: list[str | None] = []
        self.broke: list[str] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.fault: Exception | None = None
        self.has_any = True

    def wall(self) -> datetime:
        return self.now

    def broken(self, what: str, error: BaseException) -> None:
        self.broke.append(f"{what}: {error}")

    async def send(self, request: HttpRequest) -> HttpResponse:
        await self.gate.wait()
        if self.fault is not None:
            raise self.fault
        return HttpResponse(200, {}, b"")

    def build_keys(self, account, serial, now) -> HttpRequest | None:
        self.asked.append(serial)
        return ASK if self.has_any else None

    def read_keys(self, account, response, now) -> dict[str, str]:
        return dict(self.given)


@pytest.fixture
def hands() -> Hands:
    return Hands()


@pytest.fixture
def ring(hands: Hands) -> KeyRing:
    return KeyRing(http=hands, clock=hands, watch=hands)


async def test_a_key_is_learnt_and_given_to_the_next_view(hands: Hands, ring: KeyRing) -> None:
    assert ring.keys_of("cac_1") == {}
    assert await ring.learn(hands, VIEW, "A")
    assert ring.keys_of("cac_1") == {"A": "pem"} and hands.asked == ["A"]
    assert ring.keys_of("cac_2") == {}


async def test_a_minute_passes_before_a_channel_is_asked_again(hands, ring) -> None:
    assert await ring.learn(hands, VIEW, "A")
    now_known = replace(VIEW, keys=ring.keys_of("cac_1"))
    hands.given = {"B": "other"}
    for seconds, count in ((0, 1), (59, 1), (1, 2)):
        hands.now += timedelta(seconds=seconds)
        assert await ring.learn(hands, now_known, "B") is (count == 2)
        assert len(hands.asked) == count
    assert ring.keys_of("cac_1") == {"A": "pem", "B": "other"}


async def test_accounts_are_asked_for_apart(hands: Hands, ring: KeyRing) -> None:
    assert await ring.learn(hands, VIEW, "A")
    assert await ring.learn(hands, replace(VIEW, account_id="cac_2"), "A")
    assert len(hands.asked) == 2


async def test_those_who_come_meanwhile_share_one_answer(hands: Hands, ring: KeyRing) -> None:
    hands.gate.clear()
    waiting = [asyncio.ensure_future(ring.learn(hands, VIEW, "A")) for _ in range(20)]
    await asyncio.sleep(0)
    waiting[0].cancel()  # who gives up does not take the answer from the others
    hands.gate.set()
    done = await asyncio.gather(*waiting, return_exceptions=True)
    assert done[1:] == [True] * 19 and hands.asked == ["A"]


async def test_who_comes_just_after_has_the_keys_that_were_learnt(hands, ring) -> None:
    await ring.learn(hands, VIEW, "A")
    assert await ring.learn(hands, VIEW, "A")  # a view made before
    assert len(hands.asked) == 1


@pytest.mark.parametrize("fault", [ChannelSilent("timeout", sent=True), ValueError("defect")])
async def test_no_answer_teaches_nothing_and_is_not_asked_again_at_once(
    hands: Hands, ring: KeyRing, fault: Exception
) -> None:
    hands.fault = fault
    assert not await ring.learn(hands, VIEW, "A")
    assert not await ring.learn(hands, VIEW, "A")
    assert len(hands.asked) == 1
    assert bool(hands.broke) == isinstance(fault, ValueError)


@pytest.mark.parametrize("case", ["no fetcher", "none to fetch", "nothing proven"])
async def test_where_there_is_nothing_to_learn(hands: Hands, ring: KeyRing, case: str) -> None:
    hands.has_any = case != "none to fetch"
    hands.given = {}
    codec = object() if case == "no fetcher" else hands
    assert not await ring.learn(codec, VIEW, "A")
    assert ring.keys_of("cac_1") == {}


async def test_old_keys_are_asked_for_behind_a_use(hands: Hands, ring: KeyRing) -> None:
    ring.freshen(hands, VIEW)
    assert hands.asked == []  # nothing was learnt, so nothing is old
    await ring.learn(hands, VIEW, "A")
    hands.now += timedelta(hours=12)
    ring.freshen(hands, VIEW)
    await asyncio.sleep(0)
    assert len(hands.asked) == 1
    hands.given = {"B": "new"}
    hands.now += timedelta(seconds=1)
    for _ in range(3):
        ring.freshen(hands, VIEW)
        await asyncio.sleep(0)
    assert hands.asked == ["A", None] and ring.keys_of("cac_1") == {"A": "pem", "B": "new"}


async def test_only_so_many_are_kept_and_the_newest_are(hands: Hands, ring: KeyRing) -> None:
    for number in range(KEYS_MAX + 5):
        hands.given = {str(number): "pem"}
        await ring.learn(hands, VIEW, str(number))
        hands.now += timedelta(minutes=1)
    kept = ring.keys_of("cac_1")
    assert len(kept) == KEYS_MAX and str(KEYS_MAX + 4) in kept and "0" not in kept
