"""Ports of webhooks: what telling merchants about events needs of the world.

Law: as in `ports`: protocols only, no technology. `SecretBox` knows merchants and no keys;
`WorkerDeliveries` is one shard seen by one worker, and whatever it writes it writes under leases.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from gateway.domain.delivery import Ahead, Delivery, Sent
from gateway.domain.endpoint import NotifySecret, WebhookEndpoint
from gateway.domain.events import Event
from gateway.domain.lease import Lease
from gateway.domain.webhook import WebhookAnswer

Position = tuple[str, int, int]  # merchant, read so far, head
Span = tuple[str, int, int]  # merchant, after, until
Target = tuple[str, str]  # merchant, what shares a receiver


class SecretBox(Protocol):
    """Seals a merchant's secrets for one place. The merchant must be in memory."""

    def seal(
        self,
        plaintext: bytes,
        *,
        table: str,
        column: str,
        row: str,
        merchant_id: str,
        version: int,
    ) -> bytes: ...

    def open(
        self, sealed: bytes, *, table: str, column: str, row: str, merchant_id: str, version: int
    ) -> bytes: ...


class Events(Protocol):
    """Events of one merchant, read from its journal."""

    async def head(self, merchant_id: str) -> int: ...
    async def event(self, merchant_id: str, sequence: int) -> Event | None: ...
    async def page(
        self, merchant_id: str, *, after: int, types: Sequence[str] | None, limit: int
    ) -> list[Event]: ...
    async def range_of(
        self, merchant_id: str, *, created_from: datetime, created_to: datetime
    ) -> tuple[int, int]: ...
    async def sequences(
        self,
        merchant_id: str,
        *,
        after: int,
        until: int,
        created_from: datetime,
        created_to: datetime,
        types: Sequence[str] | None,
        limit: int,
    ) -> list[int]: ...


class Deliveries(Protocol):
    """Endpoints, notify secrets and deliveries of one merchant."""

    async def endpoint(self, merchant_id: str, endpoint_id: str) -> WebhookEndpoint | None: ...
    async def endpoints(self, merchant_id: str) -> list[WebhookEndpoint]: ...
    async def notify_secret(self, merchant_id: str) -> NotifySecret | None: ...
    async def sent_to(
        self,
        merchant_id: str,
        endpoint_id: str,
        *,
        before: str | None,
        created_from: datetime | None,
        created_to: datetime | None,
        limit: int,
    ) -> list[Sent]: ...
    async def send_again(
        self,
        merchant_id: str,
        sequences: Mapping[int, str],
        *,
        endpoint_id: str | None,
        target: str,
        url: str,
        now: datetime,
    ) -> int: ...


class WorkerDeliveries(Protocol):
    """One shard as relay and delivery see it; set-based, for the holder of leases."""

    async def behind(self, leases: Sequence[Lease], *, limit: int) -> list[Position]: ...
    async def endpoints(self, merchant_ids: Sequence[str]) -> list[WebhookEndpoint]: ...
    async def endpoints_by_id(self, pairs: Sequence[tuple[str, str]]) -> list[WebhookEndpoint]: ...
    async def notify_secrets(self, merchant_ids: Sequence[str]) -> list[NotifySecret]: ...
    async def read_ahead(self, merchant_ids: Sequence[str], *, each: int) -> list[Ahead]: ...
    async def advance(
        self,
        leases: Sequence[Lease],
        spans: Sequence[Span],
        deliveries: Sequence[Delivery],
        *,
        claimed: Sequence[bool],
        claim_s: float,
        now: datetime,
    ) -> set[str]: ...
    async def waiting(self, leases: Sequence[Lease], *, now: datetime) -> list[Target]: ...
    async def claim(
        self,
        leases: Sequence[Lease],
        rooms: Mapping[Target, int],
        *,
        now: datetime,
        claim_s: float,
    ) -> list[tuple[Delivery, Event]]: ...
    async def settle(
        self, leases: Sequence[Lease], results: Sequence[tuple[Delivery, Delivery]]
    ) -> int: ...
    async def release(self, leases: Sequence[Lease], deliveries: Sequence[Delivery]) -> None: ...


class Leases(Protocol):
    """The leases of one shard, for one holder; `ttl_s` is how long one lives unless renewed."""

    ttl_s: float

    async def prepare(self, work: str) -> None: ...
    async def renew(self, leases: Sequence[Lease]) -> list[Lease]: ...
    async def take(self, work: str, limit: int) -> list[Lease]: ...
    async def take_seat(self, work: str) -> Lease | None: ...
    async def seats_taken(self, work: str) -> int: ...
    async def release(self, leases: Sequence[Lease]) -> None: ...


class WebhookSender(Protocol):
    """Posts one webhook. Never raises for what the network or the receiver does."""

    async def post(self, url: str, *, headers: Mapping[str, str], body: bytes) -> WebhookAnswer: ...
