"""What a query says of an order, and what a close makes of it."""

from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from gateway.channels.codec import (
    Authorized,
    Closed,
    NotFound,
    Paid,
    Refused,
    Unknown,
    Waiting,
)
from gateway.channels.unionpay import UnionPayCodec
from gateway.channels.unionpay.dialect import moment_of
from gateway.channels.unionpay.trade import GRACE
from tests.channels.unionpay.conftest import EXPIRES, NOW, QUERY_ID, UnionPaySide, fields_of

pytestmark = pytest.mark.fast

CODEC = UnionPayCodec()
WAYS = ["unionpay_web", "unionpay_qr", "unionpay_quick"]
PAID = Paid(QUERY_ID, 1234, "CNY", paid_at=moment_of("20261122223005"))


def asked(side: UnionPaySide, method: str, state: str, **changes: Any) -> Any:
    account, order = side.account(), side.order(method)
    answer = side.state(CODEC.build_query(account, order, NOW), state, **changes)
    return CODEC.read_query(account, order, answer)


def test_a_query_names_the_order_by_number_and_time(unionpay: UnionPaySide) -> None:
    account, order = unionpay.account(), unionpay.order("unionpay_web")
    request = CODEC.build_query(account, order, NOW)
    fields = fields_of(request)
    assert request.url.endswith("/queryTrans.do")
    assert (fields["txnType"], fields["txnSubType"], fields["bizType"]) == ("00", "00", "000000")
    assert fields["txnTime"] == "20261122223000"
    assert CODEC.build_close(account, order, NOW) == request


@pytest.mark.parametrize("method", WAYS)
@pytest.mark.parametrize("state", ["00", "A6"])
def test_paid(unionpay: UnionPaySide, method: str, state: str) -> None:
    assert asked(unionpay, method, state) == PAID
    assert asked(unionpay, method, state, txnType="00") == PAID


def test_held(unionpay: UnionPaySide) -> None:
    held = asked(unionpay, "unionpay_preauth", "00", txnType="02")
    assert held == Authorized(QUERY_ID, 1234, "CNY")
    assert isinstance(asked(unionpay, "unionpay_preauth", "00"), Unknown)
    assert isinstance(asked(unionpay, "unionpay_web", "00", txnType="02"), Unknown)


@pytest.mark.parametrize(
    "changes",
    [
        {"queryId": None},
        {"queryId": "a b"},
        {"txnAmt": None},
        {"txnAmt": "0"},
        {"txnAmt": "12.34"},
        {"currencyCode": None},
        {"orderId": "01kb8mz3q8f7wv9t2n4x6c0r5b"},
        {"orderId": None},
        {"txnTime": "20261122223001"},
        {"txnTime": None},
        {"merId": "777290000000002"},
        {"origRespCode": None},
        {"txnType": "04"},
    ],
)
def test_paid_needs_every_fact(unionpay: UnionPaySide, changes: dict[str, Any]) -> None:
    state = changes.pop("origRespCode", "00")
    given = changes if state else {**changes, "origRespCode": None}
    assert isinstance(asked(unionpay, "unionpay_web", state or "00", **given), Unknown)


def test_another_amount_or_currency_is_told_as_it_is(unionpay: UnionPaySide) -> None:
    assert asked(unionpay, "unionpay_web", "00", txnAmt="1").amount == 1
    assert asked(unionpay, "unionpay_web", "00", currencyCode="840").currency == "840"
    assert asked(unionpay, "unionpay_web", "00", traceTime=None).paid_at is None


@pytest.mark.parametrize("state", ["03", "04", "06", "42", "70", "74", "75", "83", "99", "ZZ", ""])
def test_what_is_in_doubt_is_unknown(unionpay: UnionPaySide, state: str) -> None:
    account, order = unionpay.account(), unionpay.order("unionpay_web")
    answer = unionpay.state(CODEC.build_query(account, order, NOW), state)
    late = replace(answer, received_at=EXPIRES + timedelta(days=1))
    for response in (answer, late):
        assert isinstance(CODEC.read_query(account, order, response), Unknown)
        assert isinstance(CODEC.read_close(account, order, response), Unknown)


@pytest.mark.parametrize("code", ["03", "10", "11", "37", "A6", "ZZ"])
def test_a_query_that_did_not_work_says_nothing(unionpay: UnionPaySide, code: str) -> None:
    account, order = unionpay.account(), unionpay.order("unionpay_web")
    request = CODEC.build_query(account, order, NOW)
    answer = unionpay.state(request, "00", respCode=code)
    assert isinstance(CODEC.read_query(account, order, answer), Unknown)


def test_not_found_and_taken(unionpay: UnionPaySide) -> None:
    account, order = unionpay.account(), unionpay.order("unionpay_web")
    request = CODEC.build_query(account, order, NOW)
    missing = unionpay.reply(request, "34")
    assert CODEC.read_query(account, order, missing) == NotFound()
    assert CODEC.read_close(account, order, missing) == NotFound()
    taken = unionpay.state(request, "05")
    assert CODEC.read_query(account, order, taken) == Waiting(QUERY_ID)
    assert isinstance(CODEC.read_close(account, order, taken), Unknown)


@pytest.mark.parametrize("state", ["01", "60", "64", "69", "71"])
def test_a_failed_try_ends_an_order_only_after_its_time(unionpay: UnionPaySide, state: str) -> None:
    account, order = unionpay.account(), unionpay.order("unionpay_web")
    early = unionpay.state(CODEC.build_query(account, order, NOW), state)
    just = replace(early, received_at=EXPIRES + GRACE - timedelta(microseconds=1))
    for response in (early, just):
        assert CODEC.read_query(account, order, response) == Waiting(QUERY_ID)
        assert isinstance(CODEC.read_close(account, order, response), Unknown)
    over = replace(early, received_at=EXPIRES + GRACE)
    assert CODEC.read_query(account, order, over) == Closed(QUERY_ID)
    assert CODEC.read_close(account, order, over) == Closed(QUERY_ID)


def test_a_failed_quick_payment_is_refused_at_once(unionpay: UnionPaySide) -> None:
    account, order = unionpay.account(), unionpay.order("unionpay_quick")
    answer = unionpay.state(CODEC.build_query(account, order, NOW), "64")
    outcome = CODEC.read_query(account, order, answer)
    assert isinstance(outcome, Refused) and outcome.code == "payer_funds_short"
    assert CODEC.read_close(account, order, answer) == Closed()
    wrong = unionpay.state(CODEC.build_query(account, order, NOW), "71")
    assert CODEC.read_query(account, order, wrong) == Waiting(QUERY_ID)


def test_a_close_that_finds_money_says_so(unionpay: UnionPaySide) -> None:
    account, order = unionpay.account(), unionpay.order("unionpay_web")
    answer = unionpay.state(CODEC.build_close(account, order, NOW), "00")
    assert CODEC.read_close(account, order, answer) == PAID
