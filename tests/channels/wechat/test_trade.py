"""The facts of an order: paid needs proof."""

from datetime import UTC, datetime

import pytest

from gateway.channels.codec import Closed, Paid, Unknown, Waiting
from gateway.channels.wechat.trade import read_trade

from .conftest import ORDER_NO, TRANSACTION_ID, trade

pytestmark = pytest.mark.fast

PAID_AT = datetime(2026, 11, 22, 14, 30, 3, tzinfo=UTC)


def read(wechat, **changes: object) -> object:
    return read_trade(wechat.account(), trade(**changes), ORDER_NO)


@pytest.mark.parametrize("state", ["SUCCESS", "REFUND"])
def test_paid(wechat, state: str) -> None:
    expected = Paid(TRANSACTION_ID, 1234, "CNY", PAID_AT, 1200, 34)
    assert read(wechat, trade_state=state) == expected


@pytest.mark.parametrize(
    ("state", "outcome"),
    [
        ("NOTPAY", Waiting(TRANSACTION_ID)),
        ("USERPAYING", Waiting(TRANSACTION_ID)),
        ("PAYERROR", Waiting(TRANSACTION_ID)),
        ("CLOSED", Closed(TRANSACTION_ID)),
        ("REVOKED", Closed(TRANSACTION_ID)),
    ],
)
def test_not_paid(wechat, state: str, outcome: object) -> None:
    assert read(wechat, trade_state=state) == outcome
    bare = read(wechat, trade_state=state, transaction_id=None, amount=None, success_time=None)
    assert bare == type(outcome)()


@pytest.mark.parametrize("state", ["ACCEPT", "success", "", None, 7, ["SUCCESS"]])
def test_an_unlisted_state_says_nothing(wechat, state: object) -> None:
    if isinstance(state, list):
        state = str(state)
    assert isinstance(read(wechat, trade_state=state), Unknown)


@pytest.mark.parametrize(
    "changes",
    [
        {"out_trade_no": "01kb8mz3q8f7wv9t2n4x6c0r5b"},
        {"out_trade_no": None},
        {"mchid": "1900000110"},
        {"mchid": None},
        {"appid": "wx0000000000000000"},
        {"appid": None},
    ],
)
@pytest.mark.parametrize("state", ["SUCCESS", "NOTPAY", "CLOSED"])
def test_a_stranger_says_nothing(wechat, changes: dict, state: str) -> None:
    assert isinstance(read(wechat, trade_state=state, **changes), Unknown)


@pytest.mark.parametrize(
    "changes",
    [
        {"transaction_id": None},
        {"transaction_id": ""},
        {"transaction_id": "4" * 65},
        {"transaction_id": 42},
        {"amount": None},
        {"amount": "12.34"},
        {"amount": {"currency": "CNY"}},
        {"amount": {"total": 1234}},
        {"amount": {"total": 0, "currency": "CNY"}},
        {"amount": {"total": -1, "currency": "CNY"}},
        {"amount": {"total": 12.34, "currency": "CNY"}},
        {"amount": {"total": "1234", "currency": "CNY"}},
        {"amount": {"total": True, "currency": "CNY"}},
        {"amount": {"total": 1234, "currency": ""}},
    ],
)
def test_a_payment_without_its_facts_says_nothing(wechat, changes: dict) -> None:
    assert isinstance(read(wechat, **changes), Unknown)


@pytest.mark.parametrize("payer", [None, 1235, -1, "1200"])
def test_what_the_payer_paid_is_said_only_if_it_is_said(wechat, payer: object) -> None:
    paid = read(wechat, amount={"total": 1234, "payer_total": payer, "currency": "USD"})
    assert paid == Paid(TRANSACTION_ID, 1234, "USD", PAID_AT, None, None)
    free = read(wechat, amount={"total": 1234, "payer_total": 0, "currency": "CNY"})
    assert free == Paid(TRANSACTION_ID, 1234, "CNY", PAID_AT, 0, 1234)


def test_a_time_that_is_none_is_left_out(wechat) -> None:
    paid = read(wechat, success_time="yesterday")
    assert isinstance(paid, Paid) and paid.paid_at is None
