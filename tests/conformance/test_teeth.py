"""The suite bites: each defect that is put into a good codec is found by the case that is about it.

The good codec is Alipay's; each `Spoilt` one has a single fault, of the kind that costs money.
"""

from collections.abc import AsyncIterator, Callable
from datetime import datetime
from typing import Any

import pytest
import pytest_asyncio
from msgspec.structs import replace

from gateway.channels.alipay import AlipayCodec
from gateway.channels.codec import (
    AccountView,
    CallbackRefused,
    Closed,
    Paid,
    Refunded,
    RefundPending,
    Refused,
    Unknown,
    VerifiedCallback,
)
from gateway.channels.wire import CallbackRequest
from gateway.conformance import Ground, Violation, load_profiles, plan, run_trial
from tests.conformance.conftest import ground_of

PROFILE = load_profiles(())["alipay"][0]
WAY = "alipay_qr"


class Spoilt(AlipayCodec):
    """Alipay's codec with some functions replaced."""

    def __init__(self, **replaced: Callable[..., Any]) -> None:
        for name, function in replaced.items():
            setattr(self, name, function)


GOOD = AlipayCodec()


def believing(account: AccountView, request: CallbackRequest, now: datetime) -> VerifiedCallback:
    """A forged callback is read as if the amount proved it."""
    try:
        return GOOD.read_callback(account, request, now)
    except CallbackRefused as refused:
        if refused.reason != "bad_signature":
            raise
        return VerifiedCallback("forged", "1", Paid("1", 1_234, "CNY"))


def keyed_by_delivery(
    account: AccountView, request: CallbackRequest, now: datetime
) -> VerifiedCallback:
    """The dedupe key names the delivery, not the effect."""
    keyed_by_delivery.count += 1  # type: ignore[attr-defined]
    verified = GOOD.read_callback(account, request, now)
    return replace(verified, dedupe_key=f"delivery {keyed_by_delivery.count}")  # type: ignore[attr-defined]


keyed_by_delivery.count = 0  # type: ignore[attr-defined]


def refund_as_payment(
    account: AccountView, request: CallbackRequest, now: datetime
) -> VerifiedCallback:
    """A refund's notification is booked as a payment."""
    verified = GOOD.read_callback(account, request, now)
    if isinstance(verified.outcome, Refunded):
        return replace(verified, outcome=Paid("1", 1_234, "CNY"))
    return verified


def any_account(account: AccountView, request: CallbackRequest, now: datetime) -> VerifiedCallback:
    """Application and seller are not compared."""
    try:
        return GOOD.read_callback(account, request, now)
    except CallbackRefused as refused:
        if refused.reason not in ("wrong_application", "wrong_seller"):
            raise
        return VerifiedCallback("k", "1", None)


def raising(account: AccountView, request: CallbackRequest, now: datetime) -> VerifiedCallback:
    """Another exception than the contract's comes out of reading."""
    try:
        return GOOD.read_callback(account, request, now)
    except CallbackRefused:
        raise ValueError("what is this?") from None


def order_amount(account: AccountView, order: Any, response: Any) -> Any:
    """The order's amount is reported instead of the channel's."""
    outcome = GOOD.read_query(account, order, response)
    return replace(outcome, amount=order.amount) if isinstance(outcome, Paid) else outcome


def silence_is_failure(account: AccountView, order: Any, response: Any) -> Any:
    """Whatever is not definite is taken for a refusal."""
    outcome = GOOD.read_pay(account, order, response)
    if isinstance(outcome, Unknown):
        return Refused("channel_refused", "no", "x")
    return outcome


def closes_in_doubt(account: AccountView, order: Any, response: Any) -> Any:
    """An unlisted answer to a close is taken for closed."""
    outcome = GOOD.read_close(account, order, response)
    return Closed() if isinstance(outcome, Unknown) else outcome


def refunds_in_doubt(account: AccountView, refund: Any, response: Any) -> Any:
    """An unlisted answer to a refund is taken for done."""
    outcome = GOOD.read_refund(account, refund, response)
    return Refunded(refund.refund_no) if isinstance(outcome, Unknown) else outcome


def refund_failed_in_doubt(account: AccountView, refund: Any, response: Any) -> Any:
    """An unlisted answer to a refund is taken for pending, for ever."""
    outcome = GOOD.read_refund_query(account, refund, response)
    return RefundPending() if isinstance(outcome, Refunded) else outcome


def own_words(account: AccountView, order: Any, response: Any) -> Any:
    """A refusal with a code that is none of our meanings."""
    outcome = GOOD.read_pay(account, order, response)
    return Refused("oops", "no", "x") if isinstance(outcome, Unknown) else outcome


def shows_secret(account: AccountView, order: Any, response: Any) -> Any:
    """The private key stands in the reason of an unknown outcome."""
    return Unknown(account.credentials["merchant_private_key"])


def secret_in_url(account: AccountView, order: Any, now: datetime) -> Any:
    """The private key travels in the address."""
    request = GOOD.build_query(account, order, now)
    secret = account.credentials["merchant_private_key"].replace("\n", "%0A")
    return replace(request, url=f"{request.url}&key={secret}")  # type: ignore[union-attr]


def drawn(account: AccountView, order: Any, now: datetime) -> Any:
    """A nonce that is drawn, not made."""
    drawn.count += 1  # type: ignore[attr-defined]
    request = GOOD.build_query(account, order, now)
    return replace(request, headers=(("X-Nonce", str(drawn.count)),))  # type: ignore[attr-defined, union-attr]


drawn.count = 0  # type: ignore[attr-defined]


def takes_all(order: Any) -> None:
    """No limit is checked."""


def new_number(account: AccountView, refund: Any, now: datetime) -> Any:
    """A refund that is sent again gets another number."""
    new_number.count += 1  # type: ignore[attr-defined]
    return GOOD.build_refund(
        account,
        replace(refund, refund_no=f"{refund.refund_no[:-3]}{new_number.count:03d}"),  # type: ignore[attr-defined]
        now,
    )


new_number.count = 100  # type: ignore[attr-defined]

DEFECTS: list[tuple[str, Callable[..., Any], str]] = [
    ("read_callback", believing, "forged-callback"),
    ("read_callback", believing, "each-bit-of-a-callback"),
    ("read_callback", keyed_by_delivery, "told-twice"),
    ("read_callback", keyed_by_delivery, "answer-to-callback-lost"),
    ("read_callback", refund_as_payment, "refund-told"),
    ("read_callback", any_account, "callback-of-another-account"),
    ("read_callback", raising, "garbage-called-back"),
    ("read_callback", raising, "forged-callback"),
    ("read_query", order_amount, "answer-with-another-amount"),
    ("read_query", lambda a, o, r: Closed(), "pays"),
    ("read_query", lambda a, o, r: Closed(), "query-of-the-unknown"),
    ("read_query", lambda a, o, r: Paid("1", o.amount, "CNY"), "declined-by-payer"),
    ("read_query", lambda a, o, r: Paid("1", o.amount, "CNY"), "each-bit-of-an-answer"),
    ("read_query", lambda a, o, r: Paid("1", o.amount, "CNY"), "broken-answers"),
    ("read_query", shows_secret, "pays"),
    ("read_pay", silence_is_failure, "pay-system-error"),
    ("read_pay", own_words, "pay-system-error"),
    ("read_close", closes_in_doubt, "close-after-pay"),
    ("read_close", closes_in_doubt, "forged-answers"),
    ("read_refund", refunds_in_doubt, "unlisted-answers"),
    ("read_refund_query", refund_failed_in_doubt, "refund-answer-lost"),
    ("build_refund", new_number, "refund-twice-under-one-number"),
    ("build_query", secret_in_url, "secrets-stay-hidden"),
    ("build_query", drawn, "building-is-a-function"),
    ("check_order", takes_all, "limits-are-checked"),
    ("check_account", takes_all, "account-is-checked"),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ground() -> AsyncIterator[Ground]:
    async with ground_of(GOOD, PROFILE) as opened:
        yield opened


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    ("place", "defect", "case"), DEFECTS, ids=[f"{place}-{case}" for place, _, case in DEFECTS]
)
async def test_a_defect_is_found(
    ground: Ground, place: str, defect: Callable[..., Any], case: str
) -> None:
    (trial,) = (
        each
        for each in plan(GOOD, PROFILE).trials
        if each.case.name == case and (each.way is None or each.way.method == WAY)
    )
    spoilt = Spoilt(**{place: defect})
    ground.codec = spoilt
    ground.receiver.codec = spoilt
    with pytest.raises(Violation):
        await run_trial(ground, trial)
