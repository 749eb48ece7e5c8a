"""The offline codec asks nobody and believes nobody."""

from datetime import UTC, datetime

import pytest

from gateway.channels.codec import (
    AccountView,
    CallbackRefused,
    Closed,
    HandedOut,
    PayOrder,
    RefundOrder,
    RefundPending,
    Unknown,
    Waiting,
)
from gateway.channels.offline import OfflineCodec
from gateway.channels.wire import CallbackRequest, HttpResponse
from gateway.domain.errors import TillgateError

CODEC = OfflineCodec()
NOW = datetime(2026, 11, 22, tzinfo=UTC)
ACCOUNT = AccountView("cac_1", "offline", "", "https://pay.example.com/x", {})
REFUND = RefundOrder("a1", None, "r1", 1, 2, "CNY")


def order(**changes) -> PayOrder:
    content = {
        "attempt_no": "a1",
        "method": "offline",
        "amount": 100,
        "currency": "CNY",
        "subject": "tea",
        "created_at": NOW,
        "expires_at": NOW,
    }
    return PayOrder(**content | changes)


def test_nothing_is_asked_of_anybody() -> None:
    CODEC.check_account(ACCOUNT)
    assert CODEC.build_pay(ACCOUNT, order(), NOW) == HandedOut(next_action={"type": "none"})
    assert CODEC.build_query(ACCOUNT, order(), NOW) == Waiting()
    assert CODEC.build_close(ACCOUNT, order(), NOW) == Closed()
    assert CODEC.build_refund(ACCOUNT, REFUND, NOW) == RefundPending()
    assert CODEC.build_refund_query(ACCOUNT, REFUND, NOW) == RefundPending()
    assert CODEC.by_hand == CODEC.methods and CODEC.refunds_by_hand


def test_no_answer_is_believed() -> None:
    answer = HttpResponse(200, {}, b'{"status":"paid"}')
    for read in (CODEC.read_pay, CODEC.read_query, CODEC.read_close, CODEC.read_cancel):
        assert isinstance(read(ACCOUNT, order(), answer), Unknown)
    for read in (CODEC.read_refund, CODEC.read_refund_query):
        assert isinstance(read(ACCOUNT, REFUND, answer), Unknown)
    with pytest.raises(CallbackRefused):
        CODEC.read_callback(ACCOUNT, CallbackRequest("POST", "/", {}, b"paid"), NOW)
    assert CODEC.callback_reply(True).status == 404


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"method": "card"}, "unsupported_method"),
        ({"currency": "XXX"}, "unsupported_currency"),
        ({"amount": 0}, "amount_below_minimum"),
        ({"amount": 10**12}, "limit_exceeded"),
    ],
)
def test_orders_that_staff_cannot_take(changes: dict, code: str) -> None:
    CODEC.check_order(order())
    with pytest.raises(TillgateError) as refused:
        CODEC.check_order(order(**changes))
    assert refused.value.code == code
