"""Settle: writes down what came of deliveries, many at a time.

Law: a result is written once, under the lease, and not at all when the lease is lost: then the next
holder sends again, with the same id and body. Nothing waits for a write, and what ends while one is
under way goes into the next. A failing database is asked again for as long as the lease is held.
"""

import asyncio
import logging
from collections.abc import Callable

from gateway.center.webhook_ports import WorkerDeliveries
from gateway.domain.delivery import Delivery
from gateway.workers.tenure import Tenure

SETTLE_MAX = 512
SETTLE_GATHER_S = 0.05  # one write for what ends within this time
SETTLE_PAUSE_S = 0.5

log = logging.getLogger("tillgate.deliver")

Result = tuple[Delivery, Delivery]  # before and after


class Settler:
    """Writes results and gives claims back; `written` is told how many results are done with."""

    def __init__(
        self, store: WorkerDeliveries, tenure: Tenure, *, written: Callable[[int], None]
    ) -> None:
        self._store = store
        self._tenure = tenure
        self._written = written
        self._results: list[Result] = []
        self._writing: list[Result] = []
        self._unsent: list[Delivery] = []
        self._writer: asyncio.Task[None] | None = None
        self._is_draining = False

    def settle(self, before: Delivery, after: Delivery) -> None:
        """Have the result of a try written."""
        self._results.append((before, after))
        self._write_soon()

    def give_back(self, delivery: Delivery) -> None:
        """Have the claim of a delivery that was not tried given back."""
        self._unsent.append(delivery)
        self._write_soon()

    @property
    def merchants(self) -> set[str]:
        """Whose results are not yet written."""
        return {before.merchant_id for before, _ in (*self._results, *self._writing)}

    def _write_soon(self) -> None:
        if self._writer is None or self._writer.done():
            self._writer = asyncio.get_running_loop().create_task(self._write())

    async def _write(self) -> None:
        while self._results or self._unsent:
            if len(self._results) < SETTLE_MAX and not self._is_draining:
                await asyncio.sleep(SETTLE_GATHER_S)
            results, self._results = self._results[:SETTLE_MAX], self._results[SETTLE_MAX:]
            unsent, self._unsent = self._unsent[:SETTLE_MAX], self._unsent[SETTLE_MAX:]
            self._writing = results
            leases = self._tenure.held()
            try:
                if leases and results:
                    await self._store.settle(leases, results)
                if leases and unsent:
                    await self._store.release(leases, unsent)
            except Exception:
                log.exception("the results of deliveries could not be written")
                self._results[:0] = results
                self._unsent[:0] = unsent
                await asyncio.sleep(SETTLE_PAUSE_S)
            else:
                # Without leases they are lost on purpose.
                self._written(len(results))
            self._writing = []

    async def drain(self, timeout_s: float) -> None:
        """Write what is left, for at most `timeout_s` seconds."""
        self._is_draining = True
        if self._writer is not None:
            await asyncio.wait({self._writer}, timeout=timeout_s)
