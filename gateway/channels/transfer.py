"""Transfer: money from the merchant's account at a channel to somebody (a payout).

Law: as `codec`. A transfer is sent once; silence and every unlisted code are `Unknown` and asked
about under the same number; a new number is never made for the same payout. A transfer can also
return after it arrived: that is `Returned`.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol

from msgspec import Struct, field

from gateway.channels.codec import AccountView, NotFound, Refused, Unknown
from gateway.channels.wire import HttpRequest, HttpResponse


class TransferOrder(Struct, frozen=True):
    """One transfer; `payee` holds what the method asks for (`account`, `name`, `openid`, ...).

    `amount` is in minor units of `currency`.
    """

    transfer_no: str
    method: str
    amount: int
    currency: str
    purpose: str
    payee: Mapping[str, str] = field(default_factory=dict)


class Transferred(Struct, frozen=True, tag="transferred"):
    """The payee has the money; this number took effect, once."""

    transfer_no: str
    channel_order_no: str | None = None
    transferred_at: datetime | None = None


class TransferPending(Struct, frozen=True, tag="transfer_pending"):
    """The channel took it and has not finished it; the payee may have to act (`next_action`)."""

    channel_order_no: str | None = None
    next_action: Mapping[str, object] | None = None


class Returned(Struct, frozen=True, tag="returned"):
    """The money came back, or will not go: `channel_code` says why."""

    channel_code: str


TransferOutcome = Transferred | TransferPending | Returned | NotFound | Refused | Unknown


class Transferring(Protocol):
    """A codec that pays out; `transfer_methods` are those of the API."""

    transfer_methods: frozenset[str]

    def check_transfer(self, transfer: TransferOrder) -> None:
        """Raise `gateway.domain.errors` refusals for what the channel would never take."""
        ...

    def build_transfer(
        self, account: AccountView, transfer: TransferOrder, now: datetime
    ) -> HttpRequest: ...
    def read_transfer(
        self, account: AccountView, transfer: TransferOrder, response: HttpResponse
    ) -> TransferOutcome: ...

    def build_transfer_query(
        self, account: AccountView, transfer: TransferOrder, now: datetime
    ) -> HttpRequest: ...
    def read_transfer_query(
        self, account: AccountView, transfer: TransferOrder, response: HttpResponse
    ) -> TransferOutcome: ...
