"""Relay: from the journal to deliveries, one for each event and receiver that wants it.

Law: events are read per merchant behind a cursor over the gapless sequence, which is allotted in
commit order; so a transaction that commits late is never passed. The cursor moves in the write
that creates the deliveries of what it passes, from where it was read and under the lease: a relay
that lost its lease writes nothing. Hints only make it quick; what they miss the sweep finds.
"""

import asyncio
import logging
from collections.abc import Iterable, Sequence
from datetime import datetime

from gateway.center.ports import Clock, Ids
from gateway.center.signing_secrets import Holder
from gateway.center.webhook_ports import Span, Target, WorkerDeliveries
from gateway.domain import delivery as deliveries
from gateway.domain.delivery import Delivery
from gateway.domain.endpoint import WebhookEndpoint
from gateway.domain.errors import TillgateError
from gateway.domain.events import Event
from gateway.domain.ids import parse
from gateway.domain.lease import Lease
from gateway.workers.deliver import CLAIM_S, Deliverer
from gateway.workers.tenure import Tenure

SWEEP_EVERY_S = 5.0
SWEEP_MERCHANTS_MAX = 2_000
PASS_MERCHANTS_MAX = 200
PASS_EVENTS_MAX = 1_000
HINTS_MAX = 50_000
FAILED_IN_A_ROW_MAX = 3  # so many merchants failing one by one: it is not the merchants

log = logging.getLogger("tillgate.relay")


class _Plan:
    """The deliveries of one pass: which of them are claimed for sending at once, and for whom."""

    def __init__(self) -> None:
        self.deliveries: list[Delivery] = []
        self.events: list[Event] = []
        self.claimed: list[bool] = []
        self.holders: dict[Target, Holder] = {}


class Relay:
    """Relays the events of one shard. `hint` names merchants that have something new."""

    def __init__(
        self,
        *,
        store: WorkerDeliveries,
        tenure: Tenure,
        deliverer: Deliverer,
        clock: Clock,
        ids: Ids,
    ) -> None:
        self._store = store
        self._tenure = tenure
        self._deliverer = deliverer
        self._clock = clock
        self._ids = ids
        self._hints: dict[str, None] = {}
        self._sweep_at = 0.0
        self.events_relayed = 0

    def hint(self, merchant_ids: Iterable[str]) -> bool:
        """Take note of merchants with something new; answers whether any is ours."""
        ours = [
            each
            for each in merchant_ids
            if each in self._hints or (parse("mch", each) is not None and self._tenure.covers(each))
        ]
        if len(self._hints) < HINTS_MAX:
            self._hints.update(dict.fromkeys(ours))
        return bool(ours)

    async def round(self) -> bool:
        """One pass. Answers whether there is more to do at once."""
        leases = self._tenure.working()
        if not leases:
            self._sweep_at = 0.0
            return False
        loop = asyncio.get_running_loop()
        if loop.time() >= self._sweep_at:
            self._sweep_at = loop.time() + SWEEP_EVERY_S
            behind = await self._store.behind(leases, limit=SWEEP_MERCHANTS_MAX)
            self._hints.update((merchant, None) for merchant, _, _ in behind)
            if len(behind) == SWEEP_MERCHANTS_MAX:
                self._sweep_at = 0.0
        merchants = list(self._hints)[:PASS_MERCHANTS_MAX]
        if not merchants:
            return False
        for merchant in merchants:
            del self._hints[merchant]
        await self._pass_isolated(leases, merchants)
        return bool(self._hints)

    async def _pass_isolated(self, leases: Sequence[Lease], merchants: list[str]) -> None:
        """One pass; if it fails, one for each merchant, so that none holds up the others."""
        try:
            await self._pass(leases, merchants)
        except Exception:
            if len(merchants) == 1:
                raise
            log.exception("a pass failed; its merchants go one by one")
            failed = 0
            for number, merchant in enumerate(merchants, 1):
                try:
                    await self._pass(leases, [merchant])
                except Exception:
                    failed += 1
                    log.exception("the events of %s cannot be relayed", merchant)
                    if failed == number == FAILED_IN_A_ROW_MAX:
                        raise  # it is not the merchants: the sweep comes back to them

    async def _pass(self, leases: Sequence[Lease], merchants: list[str]) -> None:
        """Relay the next events of those merchants that are behind."""
        each = max(1, PASS_EVENTS_MAX // len(merchants))
        behind = await self._store.read_ahead(merchants, each=each)
        if not behind:
            return
        spans: list[Span] = [(ahead.merchant_id, ahead.read, ahead.until) for ahead in behind]
        found = [pair for ahead in behind for pair in ahead.wanted]
        # Read after the events: whatever was created before one of them is seen.
        endpoints: dict[str, list[WebhookEndpoint]] = {}
        receiving = [ahead.merchant_id for ahead in behind if ahead.wanted]
        for endpoint in await self._store.endpoints(receiving) if receiving else ():
            endpoints.setdefault(endpoint.merchant_id, []).append(endpoint)
        plan = _Plan()
        claimed_at = asyncio.get_running_loop().time()
        moved: set[str] = set()
        try:
            self._fill(plan, found, endpoints)
            moved = await self._store.advance(
                leases,
                spans,
                plan.deliveries,
                claimed=plan.claimed,
                claim_s=CLAIM_S,
                now=self._clock.business(),
            )
        finally:
            handed = self._sort_out(plan, moved)
        for ahead in behind:
            if ahead.merchant_id in moved:
                self.events_relayed += ahead.until - ahead.read
                if ahead.until < ahead.head:
                    self._hints[ahead.merchant_id] = None
        if handed:
            await self._deliverer.accept(handed, holders=plan.holders, claimed_at=claimed_at)

    def _fill(
        self,
        plan: _Plan,
        found: Sequence[tuple[Event, str | None]],
        endpoints: dict[str, list[WebhookEndpoint]],
    ) -> None:
        """Who gets which event; new endpoints begin behind their own creation."""
        now = self._clock.business()
        begins = {
            event.object_id: event.sequence
            for event, _ in found
            if event.type == "webhook_endpoint.created"
        }
        for event, notify_url in found:
            for endpoint in endpoints.get(event.merchant_id, ()):
                begun = event.sequence > begins.get(endpoint.id, 0)
                if begun and deliveries.is_for(endpoint, event):
                    target = deliveries.endpoint_target(endpoint.id)
                    plan.holders[(event.merchant_id, target)] = endpoint
                    self._add(plan, event, target, endpoint.url, endpoint.id, now=now)
            if notify_url is not None and deliveries.goes_to_notify_url(event):
                try:
                    target = deliveries.url_target(notify_url)
                except TillgateError:
                    log.warning("event %s: its payment's notify_url is no URL", event.id)
                else:
                    self._add(plan, event, target, notify_url, None, now=now)

    def _add(
        self,
        plan: _Plan,
        event: Event,
        target: str,
        url: str,
        endpoint_id: str | None,
        *,
        now: datetime,
    ) -> None:
        plan.deliveries.append(
            Delivery(
                merchant_id=event.merchant_id,
                id=self._ids.make("dlv", event.merchant_id),
                sequence=event.sequence,
                endpoint_id=endpoint_id,
                target=target,
                url=url,
                due_at=now,
                created_at=now,
            )
        )
        plan.events.append(event)
        plan.claimed.append(self._deliverer.reserve((event.merchant_id, target)))

    def _sort_out(self, plan: _Plan, moved: set[str]) -> list[tuple[Delivery, Event]]:
        """What was written and claimed; places promised for the rest are given back."""
        handed = []
        for each, event, claimed in zip(plan.deliveries, plan.events, plan.claimed, strict=True):
            if not claimed:
                continue
            if each.merchant_id in moved:
                handed.append((each, event))
            else:
                self._deliverer.cancel((each.merchant_id, each.target))
        return handed
