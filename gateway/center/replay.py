"""Replay: events shown again, and sent again.

Law: an event is read from the journal and composed as it was the first time; sending again makes
new deliveries of the same event: same id, same body. An event that still waits for a receiver is
not sent to it twice, so a repeated request does no harm.
"""

from collections.abc import Sequence
from datetime import datetime

from gateway.center.cache_ports import Wrote
from gateway.center.ports import Clock, Ids, Persons, Reader
from gateway.center.webhook_ports import Deliveries, Events
from gateway.domain import delivery
from gateway.domain.endpoint import FILTERS, WebhookEndpoint
from gateway.domain.errors import TillgateError, not_found
from gateway.domain.events import TYPES, Event
from gateway.domain.ids import sequence_of
from gateway.domain.webhook import wants

RESEND_EVENTS_MAX = 100_000
RESEND_STEP = 1_000


class Replay:
    """The operations behind `/v1/events` and resending."""

    def __init__(
        self,
        *,
        events: Events,
        deliveries: Deliveries,
        reader: Reader,
        persons: Persons,
        clock: Clock,
        ids: Ids,
        wrote: Wrote,
    ) -> None:
        self._events = events
        self._deliveries = deliveries
        self._reader = reader
        self._persons = persons
        self._clock = clock
        self._ids = ids
        self._wrote = wrote

    async def page(
        self, merchant_id: str, *, after: int, types: Sequence[str] | None, limit: int
    ) -> list[tuple[int, bytes]]:
        """Events behind a sequence, oldest first: each its sequence and its JSON.

        `types` as in an endpoint's filter. Raises `invalid_field`.
        """
        found = await self._events.page(merchant_id, after=after, types=_exact(types), limit=limit)
        bodies = await compose(self._persons, found)
        return [(event.sequence, body) for event, body in zip(found, bodies, strict=True)]

    async def get(self, merchant_id: str, event: str) -> bytes:
        """The JSON of one event. Raises `not_found`."""
        return (await compose(self._persons, [await self._event(merchant_id, event)]))[0]

    async def resend(self, merchant_id: str, event: str, *, endpoint_id: str | None) -> int:
        """Send an event again: to one endpoint, or to all that would receive it today.

        Without `endpoint_id` the payment's own URL is among them. Answers to how many it goes.
        Raises `not_found` and, for a disabled endpoint, `invalid_state`.
        """
        found = await self._event(merchant_id, event)
        if endpoint_id is not None:
            chosen = [await self._enabled(merchant_id, endpoint_id)]
        else:
            chosen = [
                each
                for each in await self._deliveries.endpoints(merchant_id)
                if each.status == "enabled" and wants(each.events, found.type)
            ]
        made = 0
        for endpoint in chosen:
            made += await self._send_again(endpoint, [found.sequence])
        if endpoint_id is None and delivery.goes_to_notify_url(found):
            made += await self._notify_again(found)
        self._wrote(merchant_id)
        return made

    async def resend_range(
        self,
        merchant_id: str,
        endpoint_id: str,
        *,
        created_from: datetime,
        created_to: datetime,
        types: Sequence[str] | None,
    ) -> int:
        """Send an endpoint the events of a span of time again; answers how many.

        `types` narrows the endpoint's own filter. Raises `not_found`, `invalid_state`,
        `invalid_field`, and `limit_exceeded` for more than `RESEND_EVENTS_MAX` events.
        """
        if created_from >= created_to:
            raise TillgateError(
                "invalid_field", "created_from must be before created_to.", param="/created_to"
            )
        endpoint = await self._enabled(merchant_id, endpoint_id)
        asked = _exact(types)
        named = [
            type
            for type in sorted(TYPES)
            if wants(endpoint.events, type) and (asked is None or type in asked)
        ]
        after, until = await self._events.range_of(
            merchant_id, created_from=created_from, created_to=created_to
        )
        if until - after > RESEND_EVENTS_MAX:
            raise TillgateError(
                "limit_exceeded",
                f"The span holds more than {RESEND_EVENTS_MAX} events; ask for less at a time.",
                param="/created_to",
            )
        made = 0
        while after < until:
            step = await self._events.sequences(
                merchant_id,
                after=after,
                until=until,
                created_from=created_from,
                created_to=created_to,
                types=named,
                limit=RESEND_STEP,
            )
            if not step:
                break
            made += await self._send_again(endpoint, step)
            after = step[-1]
        self._wrote(merchant_id)
        return made

    async def _event(self, merchant_id: str, event: str) -> Event:
        found = await self._events.event(merchant_id, sequence_of(event))
        if found is None or found.id != event:
            raise not_found()
        return found

    async def _enabled(self, merchant_id: str, endpoint_id: str) -> WebhookEndpoint:
        endpoint = await self._deliveries.endpoint(merchant_id, endpoint_id)
        if endpoint is None:
            raise not_found()
        if endpoint.status != "enabled":
            raise TillgateError("invalid_state", "The endpoint is disabled; enable it first.")
        return endpoint

    async def _notify_again(self, event: Event) -> int:
        payment = await self._reader.payment(event.merchant_id, event.payment_id or "")
        if payment is None or payment.notify_url is None:
            return 0
        return await self._deliveries.send_again(
            event.merchant_id,
            {event.sequence: self._ids.make("dlv", event.merchant_id)},
            endpoint_id=None,
            target=delivery.url_target(payment.notify_url),
            url=payment.notify_url,
            now=self._clock.business(),
        )

    async def _send_again(self, endpoint: WebhookEndpoint, sequences: Sequence[int]) -> int:
        merchant_id = endpoint.merchant_id
        return await self._deliveries.send_again(
            merchant_id,
            {sequence: self._ids.make("dlv", merchant_id) for sequence in sequences},
            endpoint_id=endpoint.id,
            target=delivery.endpoint_target(endpoint.id),
            url=endpoint.url,
            now=self._clock.business(),
        )


async def compose(persons: Persons, events: Sequence[Event]) -> list[bytes]:
    """The JSON of events, with what we may still say of their payers."""
    sealed: dict[str, list[bytes]] = {}
    for event in events:
        if event.personal is not None:
            sealed.setdefault(event.merchant_id, []).append(event.personal)
    opened = {merchant: await persons.open(merchant, each) for merchant, each in sealed.items()}
    return [
        delivery.body(
            event,
            None if event.personal is None else opened[event.merchant_id].get(event.personal),
        )
        for event in events
    ]


def _exact(types: Sequence[str] | None) -> list[str] | None:
    """The types that a filter means, None for all. Raises `invalid_field`."""
    if types is None or "*" in types:
        return None
    for name in types:
        if name not in FILTERS:
            raise TillgateError("invalid_field", "There is no such type of event.", param="/types")
    return [type for type in sorted(TYPES) if wants(types, type)]
