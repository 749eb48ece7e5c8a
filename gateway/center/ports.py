"""Ports: what the centre needs of the world, as protocols.

Law: the centre knows no technology. Every tool it uses is one of these; `gateway.app` puts the
concrete ones in. What may wait is async; what is in memory is not.
"""

from collections.abc import Awaitable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from gateway.channels.wire import HttpRequest, HttpResponse
from gateway.domain.attempt import Attempt
from gateway.domain.change import Change, Writes
from gateway.domain.events import Event
from gateway.domain.idempotency import Fingerprints
from gateway.domain.merchant import ChannelAccount, Key, Merchant
from gateway.domain.payment import Payment
from gateway.domain.refund import Refund


class Clock(Protocol):
    """Two clocks: `wall` for protocols and ids, `business` for every moment people see."""

    def wall(self) -> datetime:
        """Real time, UTC."""
        ...

    def wall_s(self) -> int:
        """Real time in whole Unix seconds."""
        ...

    def business(self) -> datetime:
        """Business time, UTC, whole milliseconds; a sandbox may advance it."""
        ...


class Ids(Protocol):
    """Makes ids. An id is of the merchant's bucket."""

    def make(self, prefix: str, merchant_id: str) -> str:
        """A new id in the merchant's bucket."""
        ...

    def request_id(self) -> str:
        """A new `req_` id."""
        ...


class NewIds(Protocol):
    """Makes ids in a bucket of one's own choice: what a new merchant needs."""

    def make(self, prefix: str, merchant_id: str) -> str:
        """A new id in the merchant's bucket."""
        ...

    def in_bucket(self, prefix: str, bucket: int) -> str:
        """A new id in a bucket (0..4095)."""
        ...


class Vault(Protocol):
    """Seals secrets so that they open in one place only; opening raises `SecretUnreadable`.

    `data_key` is a merchant's own, itself sealed.
    """

    def seal_root(self, purpose: str, number: int, plaintext: bytes) -> bytes: ...
    def open_root(self, purpose: str, number: int, sealed: bytes) -> bytes: ...
    def new_data_key(self, merchant_id: str) -> bytes: ...
    def seal(
        self,
        data_key: bytes,
        *,
        table: str,
        column: str,
        row: str,
        merchant_id: str,
        version: int,
        plaintext: bytes,
    ) -> bytes: ...
    def open(
        self,
        data_key: bytes,
        *,
        table: str,
        column: str,
        row: str,
        merchant_id: str,
        version: int,
        sealed: bytes,
    ) -> bytes: ...


class PayerSecrets(Protocol):
    """The vault as persons need it: payers' keys under merchants' keys, fields under payers'."""

    def new_payer_key(self, merchant_id: str, payer: str) -> bytes:
        """A new payer key, sealed."""
        ...

    def open_payer_key(self, merchant_id: str, payer: str, sealed: bytes) -> bytes:
        """The payer key, to be kept for a moment only. Raises `SecretUnreadable`."""
        ...

    def seal_fields(self, key: bytes, merchant_id: str, payer: str, plaintext: bytes) -> bytes:
        """Seal under an opened payer key."""
        ...

    def open_fields(self, key: bytes, merchant_id: str, payer: str, sealed: bytes) -> bytes:
        """What `seal_fields` sealed. Raises `SecretUnreadable`."""
        ...


class Books(Protocol):
    """The one way to write: a Change, durable once the future ends."""

    def submit(self, change: Change) -> Awaitable[Writes]:
        """Submit a Change to the merchant's shard."""
        ...


class Standing(NamedTuple):
    """How an attempt stands: its payment, and whether money came for it that was unexpected."""

    attempt: Attempt
    payment: Payment
    has_unexpected: bool


class Reader(Protocol):
    """Reads of one merchant's objects on the primary. Lists are newest first; `before` is the id
    behind which a page begins, `limit` its length."""

    async def payment(self, merchant_id: str, payment_id: str) -> Payment | None: ...
    async def payment_by_number(self, merchant_id: str, number: str) -> Payment | None: ...
    async def payment_by_channel_order_no(
        self, merchant_id: str, number: str, channels: Sequence[str]
    ) -> Payment | None: ...
    async def payments(
        self,
        merchant_id: str,
        *,
        before: str | None,
        created_from: datetime | None,
        created_to: datetime | None,
        status: str | None,
        limit: int,
    ) -> list[Payment]: ...
    async def attempt(self, merchant_id: str, attempt_id: str) -> Attempt | None: ...
    async def standing(self, merchant_id: str, attempt_id: str) -> Standing | None: ...
    async def attempts_of(self, merchant_id: str, payment_id: str) -> list[Attempt]: ...
    async def attempts_by_channel_order_nos(
        self, merchant_id: str, channel: str, numbers: Sequence[str]
    ) -> list[Attempt]: ...
    async def refund(self, merchant_id: str, refund_id: str) -> Refund | None: ...
    async def refund_by_number(self, merchant_id: str, number: str) -> Refund | None: ...
    async def refunds(
        self,
        merchant_id: str,
        *,
        before: str | None,
        created_from: datetime | None,
        created_to: datetime | None,
        payment_id: str | None,
        status: str | None,
        limit: int,
    ) -> list[Refund]: ...
    async def refunds_of(self, merchant_id: str, payment_id: str) -> list[Refund]: ...
    async def events_of_payment(self, payment: Payment) -> list[Event]: ...
    async def callbacks_of(
        self, merchant_id: str, attempt_ids: Sequence[str]
    ) -> list[dict[str, Any]]: ...
    async def entries_of(
        self, merchant_id: str, references: Sequence[str]
    ) -> list[dict[str, Any]]: ...
    async def deliveries_of(
        self, merchant_id: str, sequences: Sequence[int]
    ) -> list[dict[str, Any]]: ...
    async def balances(self, merchant_id: str, codes: Sequence[str]) -> list[dict[str, Any]]: ...
    async def transactions(
        self, merchant_id: str, *, code: str, currency: str, before: int, limit: int
    ) -> list[dict[str, Any]]: ...


class Owners(Protocol):
    """Whose an object is, for staff of the house that names it by its id alone."""

    async def of_payment(self, payment_id: str) -> str | None: ...
    async def of_refund(self, refund_id: str) -> str | None: ...


class Directory(Protocol):
    """Who takes part. The plain look-ups answer from memory, the `find_` ones ask if need be."""

    fingerprints: Fingerprints

    def key(self, key_id: str) -> Key | None: ...
    async def find_key(self, key_id: str) -> Key | None: ...
    def merchant(self, merchant_id: str) -> Merchant | None: ...
    def account(self, account_id: str) -> ChannelAccount | None: ...
    async def find_merchant(self, merchant_id: str) -> Merchant | None: ...
    async def find_account(self, account_id: str) -> ChannelAccount | None: ...
    async def find_accounts_of(self, merchant_id: str) -> Sequence[ChannelAccount]: ...


class Persons(Protocol):
    """Seals and opens what we hold of payers, under a key for each payer."""

    def new_key(self, merchant_id: str, payer: str) -> bytes:
        """A new payer key, sealed under the merchant's data key."""
        ...

    def seal(self, merchant_id: str, payer: str, key: bytes, fields: dict[str, str]) -> bytes:
        """Personal fields sealed under a payer's (sealed) key; the result names the payer."""
        ...

    async def open(
        self, merchant_id: str, sealed: Sequence[bytes]
    ) -> dict[bytes, dict[str, str] | None]:
        """The fields of each sealed value; None where the payer's key was erased."""
        ...


class ChannelClient(Protocol):
    """Carries a request to a channel. Raises `ChannelSilent` when there is no usable answer."""

    async def send(self, request: HttpRequest) -> HttpResponse: ...


class Watch(Protocol):
    """Who is told what no row can tell: alarms about money, and defects of ours.

    The center itself neither logs nor counts.
    """

    def alarm(self, what: str, facts: Mapping[str, str], *, stranger: bool = False) -> None:
        """Something that a person should see; `stranger`: anybody may have caused it."""
        ...

    def broken(self, what: str, error: BaseException) -> None:
        """A task ended by a defect of ours."""
        ...
