"""Capture and void of a pre-authorisation."""

from datetime import timedelta
from typing import Any

import pytest

from gateway.channels.authorization import Captured, CapturePending
from gateway.channels.codec import NotFound, Refused, Unknown
from gateway.channels.unionpay import UnionPayCodec
from gateway.channels.unionpay.dialect import moment_of
from gateway.domain.errors import TillgateError
from tests.channels.unionpay.conftest import (
    CAPTURE_NO,
    NOW,
    ORDER_NO,
    QUERY_ID,
    UnionPaySide,
    fields_of,
)

pytestmark = pytest.mark.fast

CODEC = UnionPayCodec()
OWN_ID = "202611222231009999999"


def test_only_the_preauthorisation_holds() -> None:
    assert frozenset({"unionpay_preauth"}) == CODEC.authorizing
    assert CODEC.authorizing < CODEC.methods


def test_a_capture_names_the_hold(unionpay: UnionPaySide) -> None:
    account, capture = unionpay.account(), unionpay.capture()
    fields = fields_of(CODEC.build_capture(account, capture, NOW))
    told = {
        "txnType": "03",
        "txnSubType": "00",
        "orderId": CAPTURE_NO,
        "txnTime": "20261122223100",
        "txnAmt": "1000",
        "origQryId": QUERY_ID,
        "reqReserved": ORDER_NO,
    }
    assert told.items() <= fields.items()
    asked = fields_of(CODEC.build_capture_query(account, capture, NOW + timedelta(days=1)))
    assert (asked["orderId"], asked["txnTime"]) == (CAPTURE_NO, fields["txnTime"])


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"amount": 1235}, "limit_exceeded"),
        ({"amount": 0}, "amount_below_minimum"),
        ({"currency": "USD"}, "unsupported_currency"),
        ({"final": False}, "invalid_field"),
        ({"capture_no": "C-1"}, "internal_error"),
    ],
)
def test_a_capture_that_unionpay_would_not_take(
    unionpay: UnionPaySide, changes: dict[str, Any], code: str
) -> None:
    with pytest.raises(TillgateError) as refused:
        CODEC.build_capture(unionpay.account(), unionpay.capture(**changes), NOW)
    assert refused.value.code == code


def test_all_of_a_hold_may_be_captured_by_parts_that_are_one(unionpay: UnionPaySide) -> None:
    capture = unionpay.capture(amount=1234, final=False)
    assert fields_of(CODEC.build_capture(unionpay.account(), capture, NOW))["txnAmt"] == "1234"


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("00", CapturePending),
        ("05", CapturePending),
        ("33", Refused),
        ("04", Unknown),
        ("12", Unknown),
        ("35", Unknown),
        ("A6", Unknown),
    ],
)
def test_a_capture_is_never_done_at_once(unionpay: UnionPaySide, code: str, expected: type) -> None:
    account, capture = unionpay.account(), unionpay.capture()
    answer = unionpay.reply(CODEC.build_capture(account, capture, NOW), code)
    assert isinstance(CODEC.read_capture(account, capture, answer), expected)


CAPTURED = {"txnType": "03", "txnAmt": "1000", "queryId": OWN_ID, "traceTime": "1122223101"}


def test_a_capture_that_is_done_has_a_number_of_its_own(unionpay: UnionPaySide) -> None:
    account, capture = unionpay.account(), unionpay.capture()
    answer = unionpay.state(CODEC.build_capture_query(account, capture, NOW), **CAPTURED)
    assert CODEC.read_capture_query(account, capture, answer) == Captured(
        CAPTURE_NO, 1000, OWN_ID, moment_of("20261122223101")
    )


@pytest.mark.parametrize(
    ("state", "changes", "expected"),
    [
        ("05", {}, CapturePending),
        ("60", {}, Refused),
        ("35", {}, Refused),
        ("04", {}, Unknown),
        ("00", {"txnAmt": "999"}, Unknown),
        ("00", {"txnType": "01"}, Unknown),
        ("00", {"queryId": None}, Unknown),
        ("00", {"orderId": ORDER_NO}, Unknown),
        ("00", {"respCode": "34"}, NotFound),
        ("00", {"respCode": "37"}, Unknown),
    ],
)
def test_a_captures_query(
    unionpay: UnionPaySide, state: str, changes: dict[str, Any], expected: type
) -> None:
    account, capture = unionpay.account(), unionpay.capture()
    request = CODEC.build_capture_query(account, capture, NOW)
    answer = unionpay.state(request, state, **(CAPTURED | changes))
    assert isinstance(CODEC.read_capture_query(account, capture, answer), expected)
