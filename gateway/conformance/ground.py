"""Ground: the world that a run of the suite stands on.

Law: real parts: the simulators behind their doors, the gateway's own HTTP client, a receiver on
loopback, and one clock for codec and simulators. Two accounts are opened at the simulator, so
that messages for one can be held against the other.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, Protocol

from msgspec.structs import replace

from gateway.adapters.http.client import ChannelHttp
from gateway.adapters.system.identifiers import RandomIds
from gateway.channels.codec import AccountView, Codec
from gateway.channels.wire import ChannelSilent, HttpRequest, HttpResponse
from gateway.conformance.doors import Doors, new_session
from gateway.conformance.judgement import expect, fail
from gateway.conformance.keys import MerchantKey, new_merchant_key
from gateway.conformance.profile import Profile
from gateway.conformance.receiver import Receiver

HURRIED_S_MAX = 0.5
PATIENT_S_MAX = 20.0
BUCKET = 1


class Clock(Protocol):
    """Two clocks, as the core has them: `wall` dates what is signed, `business` all else."""

    def wall(self) -> datetime:
        """Real time, UTC."""
        ...

    def business(self) -> datetime:
        """The simulators' time, UTC, whole milliseconds."""
        ...

    async def advance(self, span: timedelta) -> None:
        """Let time pass, and let the simulators do what has become due."""
        ...


class RealTime:
    """The machine's time, for simulators in another process: passing is waiting."""

    def wall(self) -> datetime:
        """See `Clock`."""
        return datetime.now(UTC)

    def business(self) -> datetime:
        """See `Clock`."""
        return _whole_ms(datetime.now(UTC))

    async def advance(self, span: timedelta) -> None:
        """See `Clock`."""
        await asyncio.sleep(span.total_seconds())


class MovedTime:
    """A business clock that is moved by hand; `moved` lets the simulators catch up."""

    def __init__(self) -> None:
        self.moved: Callable[[], Awaitable[object]] | None = None
        self._offset = timedelta()

    def wall(self) -> datetime:
        """See `Clock`."""
        return datetime.now(UTC)

    def business(self) -> datetime:
        """See `Clock`."""
        return _whole_ms(datetime.now(UTC) + self._offset)

    async def advance(self, span: timedelta) -> None:
        """See `Clock`. What is under way ends before, so that it is dated before."""
        if self.moved is not None:
            await self.moved()
        self._offset += span
        if self.moved is not None:
            await self.moved()


class Http:
    """The gateway's HTTP client, whose silence is a value here."""

    def __init__(self, client: ChannelHttp) -> None:
        self._client = client

    async def send(self, request: HttpRequest) -> HttpResponse | ChannelSilent:
        """The answer, or the silence."""
        try:
            return await self._client.send(request)
        except ChannelSilent as silent:
            return silent


class Ground:
    """Everything that the cases of one channel share; made by `open_ground`."""

    def __init__(
        self,
        *,
        codec: Codec,
        profile: Profile,
        doors: Doors,
        receiver: Receiver,
        http: Http,
        hurried: Http,
        clock: Clock,
        keys: tuple[MerchantKey, MerchantKey],
    ) -> None:
        self.codec: Any = codec
        self.profile = profile
        self.doors = doors
        self.receiver = receiver
        self.http = http
        self.hurried = hurried
        self.clock = clock
        self._keys = keys
        self.payer: Mapping[str, str] = {}
        self._ids = RandomIds()
        self._serials = count(1)

    def number(self) -> tuple[str, int]:
        """A number that no order, refund or transfer of any run had, and its serial in this one.

        It is made as the core makes its own.
        """
        made = self._ids.in_bucket("att", BUCKET)
        return made.partition("_")[2], next(self._serials)

    async def account(self, notify_url: str, *, second: bool = False) -> AccountView:
        """The account of the run, or the second one, with the callbacks going to `notify_url`."""
        opened = await self.profile.open(
            self.doors, self.profile.channel, self._keys[second], notify_url
        )
        self.payer = opened.payer
        account = AccountView(
            account_id="cac_2" if second else "cac_1",
            channel=self.profile.channel,
            gateway_url=opened.gateway_url,
            notify_url=notify_url,
            credentials=opened.credentials,
        )
        if self.profile.fetches_first:
            return replace(account, keys=await self.fetched_keys(account, None))
        return account

    async def fetched_keys(self, account: AccountView, serial: str | None) -> Mapping[str, str]:
        """The keys that the channel gives and the codec believes; fails where there are none."""
        answer = await self.keys_answer(account, serial)
        keys: Mapping[str, str] = self.codec.read_keys(account, answer, self.clock.wall())
        expect(keys, "the channel's answer proves no key")
        return keys

    async def keys_answer(self, account: AccountView, serial: str | None) -> HttpResponse:
        """The channel's answer to a request for its keys."""
        request = self.codec.build_keys(account, serial, self.clock.wall())
        if not isinstance(request, HttpRequest):
            fail(f"there is nobody to ask for the key {serial}")
        answer = await self.http.send(request)
        if isinstance(answer, ChannelSilent):
            fail("the channel gives no keys")
        return answer


@asynccontextmanager
async def open_ground(
    codec: Codec, profile: Profile, *, sandbox_url: str, clock: Clock | None = None
) -> AsyncIterator[Ground]:
    """The ground of a channel at the simulators of `sandbox_url` (without a slash at the end).

    `clock` must be the simulators' own where it is moved; without one it is the machine's time.
    """
    clock = clock or RealTime()
    async with (
        new_session() as session,
        ChannelHttp(total_s=PATIENT_S_MAX) as patient,
        ChannelHttp(total_s=HURRIED_S_MAX) as hurried,
        Receiver(codec, clock.wall) as receiver,
    ):
        yield Ground(
            codec=codec,
            profile=profile,
            doors=Doors(sandbox_url, session),
            receiver=receiver,
            http=Http(patient),
            hurried=Http(hurried),
            clock=clock,
            keys=(new_merchant_key(), new_merchant_key()),
        )


def _whole_ms(moment: datetime) -> datetime:
    return moment.replace(microsecond=moment.microsecond // 1_000 * 1_000)
