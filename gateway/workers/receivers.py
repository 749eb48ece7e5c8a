"""Receivers: endpoints and notify secrets as they are now, for those who are about to send.

Law: what is sent goes by what was true at most a second ago: a rotated secret, another URL or a
disabled endpoint counts for every delivery that has not left. Read for many at once where it can
be; a lane whose knowledge has aged reads its own.
"""

import asyncio
from collections.abc import Sequence

from gateway.center.notify import Notify
from gateway.center.signing_secrets import Holder
from gateway.center.webhook_ports import Target, WorkerDeliveries
from gateway.domain.delivery import Delivery, endpoint_target
from gateway.domain.errors import TillgateError
from gateway.workers.lanes import Lane

FRESH_S = 1.0


class Receivers:
    """Reads the receivers of one shard's deliveries."""

    def __init__(self, store: WorkerDeliveries, notify: Notify) -> None:
        self._store = store
        self._notify = notify

    async def of(self, deliveries: Sequence[Delivery]) -> dict[Target, Holder]:
        """The receivers of some deliveries, by lane."""
        wanted = {
            (each.merchant_id, each.endpoint_id)
            for each in deliveries
            if each.endpoint_id is not None
        }
        holders: dict[Target, Holder] = {}
        if wanted:
            for endpoint in await self._store.endpoints_by_id(sorted(wanted)):
                holders[(endpoint.merchant_id, endpoint_target(endpoint.id))] = endpoint
        to_urls = [each for each in deliveries if each.endpoint_id is None]
        if to_urls:
            merchants = sorted({each.merchant_id for each in to_urls})
            found = {s.merchant_id: s for s in await self._store.notify_secrets(merchants)}
            for each in to_urls:
                if each.merchant_id in found:
                    holders[(each.merchant_id, each.target)] = found[each.merchant_id]
        return holders

    def known(self, lane: Lane) -> Holder | None:
        """The receiver of a lane, where it was read at most a second ago."""
        is_fresh = asyncio.get_running_loop().time() - lane.holder_at <= FRESH_S
        return lane.holder if is_fresh else None

    async def present(self, lane: Lane, delivery: Delivery) -> Holder:
        """The receiver of a lane as it was at most a second ago.

        Raises TillgateError if there never was one.
        """
        known = self.known(lane)
        if known is not None:
            return known
        now = asyncio.get_running_loop().time()
        merchant_id, endpoint_id = delivery.merchant_id, delivery.endpoint_id
        holder: Holder
        if endpoint_id is not None:
            found = await self._store.endpoints_by_id([(merchant_id, endpoint_id)])
            if not found:
                raise TillgateError("internal_error", "The endpoint of a delivery is missing.")
            holder = found[0]
        else:
            holder = await self._notify.notify_secret_of(merchant_id)
        lane.holder, lane.holder_at = holder, now
        return holder
