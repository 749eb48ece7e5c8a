"""Tenure: which ranges of buckets this process works on, in one shard, for one work.

Law: a range is worked on only while its lease is held by the database's clock and, by our own
monotonic one, cannot have lapsed unseen (counted from before the renewal was asked for). Workers
that have a seat share the ranges evenly: who has too many finishes what is in hand there and gives
them back, who has too few takes free ones.
"""

import asyncio
from collections.abc import Callable, Sequence

from gateway.center.webhook_ports import Leases
from gateway.domain import ids
from gateway.domain.lease import Lease

RENEW_EVERY_S = 3.0
MARGIN_S = 1.0  # a lease is not used in the last second of its life
LEAVE_S_MAX = 30.0

IsBusy = Callable[[Lease], bool]


class Tenure:
    """The leases of one work in one shard.

    `is_busy` says whether something is still in hand in a range that shall be given back;
    `on_gain` is called when ranges were taken.
    """

    def __init__(
        self,
        store: Leases,
        work: str,
        *,
        ranges: int = 16,
        is_busy: IsBusy = lambda lease: False,
    ) -> None:
        self._store = store
        self._work = work
        self._ranges = ranges
        self.is_busy = is_busy
        self.on_gain: Callable[[], None] = lambda: None
        self._is_prepared = False
        self._seat: Lease | None = None
        self._held: dict[int, Lease] = {}
        self._leaving: dict[int, float] = {}
        self._good_until = 0.0

    # --- what may be done ------------------------------------------------------------------------

    @property
    def is_good(self) -> bool:
        """Whether the leases cannot have lapsed yet."""
        return asyncio.get_running_loop().time() < self._good_until

    def working(self) -> list[Lease]:
        """The ranges in which work may begin now."""
        if not self.is_good:
            return []
        return [lease for at, lease in self._held.items() if at not in self._leaving]

    def held(self) -> list[Lease]:
        """The ranges in which work may be brought to its end now."""
        return list(self._held.values()) if self.is_good else []

    def covers(self, merchant_id: str) -> bool:
        """Whether a merchant's bucket is in a held range."""
        bucket = ids.bucket_of(merchant_id)
        return self.is_good and any(lease.covers(bucket) for lease in self._held.values())

    # --- keeping it ------------------------------------------------------------------------------

    async def round(self) -> None:
        """Renew, give back, take: to be run every `RENEW_EVERY_S` seconds."""
        if not self._is_prepared:
            await self._store.prepare(self._work)
            self._is_prepared = True
        await self._renew()
        if self._seat is None:
            self._seat = await self._store.take_seat(self._work)
            if self._seat is None:
                return
        sharers = max(1, await self._store.seats_taken(self._work))
        share = -(-self._ranges // sharers)
        self._choose_leaving(share)
        await self._give_back()
        missing = share - len(self._held)
        if missing > 0:
            asked_at = asyncio.get_running_loop().time()
            taken = await self._store.take(self._work, missing)
            if taken and not self._held:
                self._good_until = asked_at + self._store.ttl_s - MARGIN_S
            self._held.update((lease.bucket_from, lease) for lease in taken)
            if taken:
                self.on_gain()

    async def _renew(self) -> None:
        mine = [*self._held.values(), *([self._seat] if self._seat is not None else [])]
        if not mine:
            return
        asked_at = asyncio.get_running_loop().time()
        kept = await self._store.renew(mine)
        self._held = {lease.bucket_from: lease for lease in kept if lease.work == self._work}
        if not any(lease == self._seat for lease in kept):
            self._seat = None
        for at in self._leaving.keys() - self._held.keys():
            del self._leaving[at]
        if self._held:
            self._good_until = asked_at + self._store.ttl_s - MARGIN_S

    def _choose_leaving(self, share: int) -> None:
        staying = [at for at in sorted(self._held) if at not in self._leaving]
        until = asyncio.get_running_loop().time() + LEAVE_S_MAX
        for at in staying[share:]:
            self._leaving[at] = until
        for at in list(self._leaving)[: max(0, share - len(staying))]:
            del self._leaving[at]

    async def _give_back(self) -> None:
        now = asyncio.get_running_loop().time()
        done = [
            self._held[at]
            for at, until in self._leaving.items()
            if now >= until or not self.is_busy(self._held[at])
        ]
        if done:
            await self._drop(done)

    async def _drop(self, leases: Sequence[Lease]) -> None:
        for lease in leases:
            self._held.pop(lease.bucket_from, None)
            self._leaving.pop(lease.bucket_from, None)
        await self._store.release(leases)

    async def leave(self) -> None:
        """Give everything back; the work must be over."""
        leases = [*self._held.values(), *([self._seat] if self._seat is not None else [])]
        self._held.clear()
        self._leaving.clear()
        self._seat = None
        if leases:
            await self._store.release(leases)
