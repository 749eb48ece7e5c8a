"""Key ring: the public keys that channels have given us since, in memory, by account.

Law: only what a codec has proven comes in, and nothing here is ever a reason to skip a check. A
channel is asked at most once in `FETCH_EVERY_S_MIN` for an account, whoever wants to know; those
who ask meanwhile wait for the same answer. Old keys are asked for again in the background of a use.
"""

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import cast

from gateway.center.ports import ChannelClient, Clock, Watch
from gateway.channels.codec import AccountView, Codec
from gateway.channels.key_ring import FETCH_EVERY_S_MIN, KEYS_FRESH_S_MAX, KeyFetching
from gateway.channels.wire import ChannelSilent

KEYS_MAX = 32  # of an account; the ones learnt first are forgotten

_FETCH_EVERY = timedelta(seconds=FETCH_EVERY_S_MIN)
_FRESH = timedelta(seconds=KEYS_FRESH_S_MAX)
_NO_KEYS: Mapping[str, str] = {}


class _Ring:
    """What is known of one account's channel."""

    __slots__ = ("asked_at", "fetching", "keys", "learnt_at")

    def __init__(self) -> None:
        self.keys = _NO_KEYS
        self.asked_at: datetime | None = None
        self.learnt_at: datetime | None = None
        self.fetching: asyncio.Task[None] | None = None


class KeyRing:
    """Learns channels' keys and gives them to whoever makes an `AccountView`."""

    def __init__(self, *, http: ChannelClient, clock: Clock, watch: Watch) -> None:
        self._http = http
        self._clock = clock
        self._watch = watch
        self._rings: dict[str, _Ring] = {}

    def keys_of(self, account_id: str) -> Mapping[str, str]:
        """The keys learnt for an account, PEM by serial: the same value until others are learnt."""
        ring = self._rings.get(account_id)
        return _NO_KEYS if ring is None else ring.keys

    async def learn(self, codec: Codec, view: AccountView, serial: str | None) -> bool:
        """Ask for the key that a message named; True if there are keys that `view` has not."""
        if not hasattr(codec, "build_keys"):
            return False
        ring = self._rings.setdefault(view.account_id, _Ring())
        if ring.fetching is None and self._may_ask(ring):
            self._begin(ring, codec, view, serial)
        if ring.fetching is not None:
            await asyncio.shield(ring.fetching)
        return ring.keys != view.keys

    def freshen(self, codec: Codec, view: AccountView) -> None:
        """Ask again, without waiting, where what was learnt is old."""
        ring = self._rings.get(view.account_id)
        if ring is None or ring.learnt_at is None or ring.fetching is not None:
            return
        if self._clock.wall() - ring.learnt_at > _FRESH and self._may_ask(ring):
            self._begin(ring, codec, view, None)

    def _may_ask(self, ring: _Ring) -> bool:
        return ring.asked_at is None or self._clock.wall() - ring.asked_at >= _FETCH_EVERY

    def _begin(self, ring: _Ring, codec: Codec, view: AccountView, serial: str | None) -> None:
        ring.asked_at = self._clock.wall()
        work = self._fetch(ring, cast("KeyFetching", codec), view, serial)
        ring.fetching = asyncio.get_running_loop().create_task(work)

    async def _fetch(
        self, ring: _Ring, codec: KeyFetching, view: AccountView, serial: str | None
    ) -> None:
        try:
            request = codec.build_keys(view, serial, self._clock.wall())
            if request is None:
                return
            answer = await self._http.send(request)
            learnt = codec.read_keys(view, answer, self._clock.wall())
            if learnt:
                before = [each for each in ring.keys.items() if each[0] not in learnt]
                ring.keys = dict([*before, *learnt.items()][-KEYS_MAX:])
                ring.learnt_at = self._clock.wall()
        except ChannelSilent:
            return  # asked again in a minute, if anybody still wants to know
        except Exception as error:
            self._watch.broken(f"fetching the keys of {view.account_id}", error)
        finally:
            ring.fetching = None
