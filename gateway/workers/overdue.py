"""Overdue work: finding what time moves on, and moving each of it once at a time.

Law: a row in hand is not taken again before its work has ended. What fails is left alone for a
while, so that one broken row costs one try a minute and holds up no other. All leased ranges are
asked about at once: what is idle costs one statement a round.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

from gateway.domain.lease import Lease
from gateway.workers.tenure import Tenure

FOUND_MAX = 256  # beside those that are in hand or left alone
IN_HAND_MAX = 64
LEFT_ALONE_S = 60.0

log = logging.getLogger("tillgate.workers")

Find = Callable[[Sequence[Lease], datetime, int], Awaitable[list[tuple[str, str]]]]
Act = Callable[[str, str], Awaitable[object]]


class Overdue:
    """One kind of due row in one shard: `find` names them, `act` moves one on (None: could not)."""

    def __init__(
        self, name: str, *, tenure: Tenure, find: Find, act: Act, now: Callable[[], datetime]
    ) -> None:
        self.name = name
        self._tenure = tenure
        self._find = find
        self._act = act
        self._now = now
        self._in_hand: dict[str, asyncio.Task[None]] = {}
        self._left_alone: dict[str, float] = {}

    async def round(self) -> bool:
        """Take what is due into hand, as far as there is room; True if there may be more."""
        loop = asyncio.get_running_loop()
        time = loop.time()
        self._left_alone = {key: end for key, end in self._left_alone.items() if end > time}
        leases = self._tenure.working()
        if not leases:
            return False
        room = IN_HAND_MAX - len(self._in_hand)
        if room <= 0:
            await asyncio.wait(self._in_hand.values(), return_when=asyncio.FIRST_COMPLETED)
            return True
        passed_by = len(self._in_hand) + len(self._left_alone)
        found = await self._find(leases, self._now(), FOUND_MAX + passed_by)
        fresh = [
            pair
            for pair in found
            if pair[1] not in self._in_hand and pair[1] not in self._left_alone
        ]
        for merchant_id, key in fresh[:room]:
            self._in_hand[key] = loop.create_task(self._move(merchant_id, key))
        return len(fresh) > room

    async def _move(self, merchant_id: str, key: str) -> None:
        try:
            moved = await self._act(merchant_id, key)
        except Exception:
            log.exception("%s of %s failed", self.name, key)
            moved = None
        if moved is None:
            self._left_alone[key] = asyncio.get_running_loop().time() + LEFT_ALONE_S
        del self._in_hand[key]

    async def drain(self) -> None:
        """Wait for what is in hand."""
        if self._in_hand:
            await asyncio.wait(self._in_hand.values())
