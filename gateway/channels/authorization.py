"""Authorization: money that is held first, then captured or let go.

Law: as `codec`. A capture moves money and has a number of its own (`capture_no`), under which it is
asked about; it is never sent again while in doubt. A void ends the hold: after it the channel takes
no capture of the attempt any more.
"""

from datetime import datetime
from typing import Protocol

from msgspec import Struct

from gateway.channels.codec import (
    AccountView,
    CloseOutcome,
    NotFound,
    PayOrder,
    Refused,
    Unknown,
)
from gateway.channels.wire import HttpRequest, HttpResponse


class CaptureOrder(Struct, frozen=True):
    """One capture of a hold. `amount` is in minor units of `currency`; `final` releases the rest.

    `amount_authorized` is what the hold was made for, `method` the way it was made by.
    """

    attempt_no: str
    channel_order_no: str
    capture_no: str
    method: str
    amount: int
    amount_authorized: int
    currency: str
    subject: str
    created_at: datetime
    final: bool = True


class Captured(Struct, frozen=True, tag="captured"):
    """This capture number took effect, once. `channel_order_no` is the capture's own, if any."""

    capture_no: str
    amount: int
    channel_order_no: str | None = None
    captured_at: datetime | None = None


class CapturePending(Struct, frozen=True, tag="capture_pending"):
    """The channel took the capture and has not finished it."""


CaptureOutcome = Captured | CapturePending | NotFound | Refused | Unknown


class Authorizing(Protocol):
    """A codec whose `authorizing` methods hold money."""

    authorizing: frozenset[str]

    def build_capture(
        self, account: AccountView, capture: CaptureOrder, now: datetime
    ) -> HttpRequest: ...
    def read_capture(
        self, account: AccountView, capture: CaptureOrder, response: HttpResponse
    ) -> CaptureOutcome: ...

    def build_capture_query(
        self, account: AccountView, capture: CaptureOrder, now: datetime
    ) -> HttpRequest: ...
    def read_capture_query(
        self, account: AccountView, capture: CaptureOrder, response: HttpResponse
    ) -> CaptureOutcome: ...

    def build_void(self, account: AccountView, order: PayOrder, now: datetime) -> HttpRequest: ...
    def read_void(
        self, account: AccountView, order: PayOrder, response: HttpResponse
    ) -> CloseOutcome: ...
