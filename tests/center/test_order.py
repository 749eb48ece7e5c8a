"""Orders before anything is written: who serves them, what they become, what is refused.

Pure: the directory is a list, and nothing is ever sent.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from gateway.center.keyring import KeyRing
from gateway.center.order import SUBMITTED_DUE, Order, Orders
from gateway.center.ports import ChannelClient, Clock, Directory, Ids
from gateway.center.tell import Addresses, Teller
from gateway.channels.registry import load_registry
from gateway.domain.errors import TillgateError
from gateway.domain.idempotency import Numbered
from gateway.domain.merchant import ChannelAccount

pytestmark = pytest.mark.fast

MERCHANT = "mch_01h455vb4pex5vsknk084sn02q"
NOW = datetime(2026, 11, 22, 8, tzinfo=UTC)
NUMBERED = Numbered("A-1", b"content", b"f" * 32, 1)


class Desk:
    """A directory of some registrations, a clock that stands, and ids in order."""

    def __init__(self, *accounts: ChannelAccount) -> None:
        self.accounts = accounts
        self.made = 0
        teller = Teller(
            registry=load_registry(),
            http=cast(ChannelClient, None),
            clock=cast(Clock, self),
            addresses=Addresses("http://127.0.0.1", {}),
            keys=cast(KeyRing, None),
        )
        self.orders = Orders(
            directory=cast(Directory, self),
            teller=teller,
            clock=cast(Clock, self),
            ids=cast(Ids, self),
            livemode=False,
        )

    async def find_accounts_of(self, merchant_id: str) -> Sequence[ChannelAccount]:
        return self.accounts

    def business(self) -> datetime:
        return NOW

    def make(self, prefix: str, merchant_id: str) -> str:
        self.made += 1
        return f"{prefix}_{self.made}"


def account(account_id: str, **fields: Any) -> ChannelAccount:
    return ChannelAccount(
        id=account_id,
        merchant_id=MERCHANT,
        channel="alipay",
        credentials={},
        created_at=NOW,
        **{"methods": ("alipay_qr",), **fields},
    )


def order(**fields: Any) -> Order:
    least = {"merchant_order_no": "A-1", "amount": 100, "currency": "CNY", "subject": "tea"}
    return Order(**{**least, **fields})


FIRST = [
    # accounts, the one that serves
    ((account("a", priority=1), account("b")), "b"),
    ((account("a", weight=1), account("b", weight=2)), "b"),
    ((account("a", priority=1, weight=9), account("b", weight=1)), "b"),
    ((account("b"), account("a")), "a"),
    ((account("a", status="disabled"), account("b")), "b"),
    ((account("a", methods=("alipay_page",)), account("b")), "b"),
]


@pytest.mark.parametrize(("accounts", "first"), FIRST)
async def test_lowest_priority_number_then_most_weight_serves(
    accounts: tuple[ChannelAccount, ...], first: str
) -> None:
    assert (await Desk(*accounts).orders.account(MERCHANT, "alipay_qr")).id == first


@pytest.mark.parametrize("fields", [{"status": "disabled"}, {"methods": ("alipay_page",)}])
async def test_a_method_that_no_active_account_serves_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(TillgateError) as refusal:
        await Desk(account("a", **fields)).orders.account(MERCHANT, "alipay_qr")
    assert (refusal.value.code, refusal.value.param) == ("unsupported_method", "/method")


def test_an_order_without_a_method_waits_for_one() -> None:
    payment, attempt = Desk().orders.draft(MERCHANT, order(expires_in=600), NUMBERED, None)
    assert attempt is None
    assert (payment.status, payment.attempts, payment.attempt_id) == (
        "requires_payment_method", 0, None,
    )  # fmt: skip
    assert (payment.created_at, payment.expires_at) == (NOW, NOW + timedelta(seconds=600))
    assert (payment.channel, payment.channel_account_id) == (None, None)
    assert (payment.fingerprint, payment.fingerprint_key) == (b"f" * 32, 1)


def test_an_order_with_a_method_has_its_first_attempt() -> None:
    served = account("a")
    options = {"open_id": "x"}
    payment, attempt = Desk(served).orders.draft(
        MERCHANT, order(method="alipay_qr", method_options=options), NUMBERED, served
    )
    assert attempt is not None
    assert (payment.status, payment.attempts, payment.attempt_id) == ("processing", 1, attempt.id)
    assert (attempt.payment_id, attempt.number, attempt.status) == (payment.id, 1, "submitted")
    assert (attempt.amount, attempt.currency, attempt.method_options) == (100, "CNY", options)
    assert (attempt.channel, attempt.channel_account_id) == ("alipay", "a")
    assert (payment.channel, payment.channel_account_id) == ("alipay", "a")
    assert (attempt.expires_at, attempt.due_at) == (payment.expires_at, NOW + SUBMITTED_DUE)


REFUSED = [
    # what the order says, code, where
    ({"capture_method": "manual"}, "unsupported_method", "/capture_method"),
    ({"currency": "USD"}, "unsupported_currency", "/currency"),
]


@pytest.mark.parametrize(("fields", "code", "param"), REFUSED)
def test_what_the_channel_would_never_take_is_refused_before_any_effect(
    fields: dict[str, str], code: str, param: str
) -> None:
    served = account("a")
    orders = Desk(served).orders
    wanted = order(method="alipay_qr", **fields)
    payment, attempt = orders.draft(MERCHANT, wanted, NUMBERED, served)
    assert attempt is not None
    with pytest.raises(TillgateError) as refusal:
        orders.check(payment, attempt)
    assert (refusal.value.code, refusal.value.param) == (code, param)


def test_what_the_channel_may_take_is_not_refused() -> None:
    served = account("a")
    orders = Desk(served).orders
    payment, attempt = orders.draft(MERCHANT, order(method="alipay_qr"), NUMBERED, served)
    assert attempt is not None
    orders.check(payment, attempt)
