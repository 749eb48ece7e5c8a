"""Voids: sent until UnionPay says that the trade was voided before."""

from datetime import timedelta
from typing import Any

import pytest

from gateway.channels.codec import Authorized, Closed, NotFound, Paid, Unknown
from gateway.channels.unionpay import UnionPayCodec
from tests.channels.unionpay.conftest import (
    NOW,
    ORDER_NO,
    QUERY_ID,
    UnionPaySide,
    fields_of,
)

pytestmark = pytest.mark.fast

CODEC = UnionPayCodec()
KINDS = [
    ("unionpay_preauth", "32", CODEC.build_void, CODEC.read_void),
    ("unionpay_web", "31", CODEC.build_cancel, CODEC.read_cancel),
]


@pytest.mark.parametrize(("method", "txn_type", "build", "read"), KINDS)
def test_a_void_names_the_trade_and_has_a_new_number_each_time(
    unionpay: UnionPaySide, method: str, txn_type: str, build: Any, read: Any
) -> None:
    account = unionpay.account()
    order = unionpay.order(method, channel_order_no=QUERY_ID)
    fields = fields_of(build(account, order, NOW))
    told = {
        "txnType": txn_type,
        "origQryId": QUERY_ID,
        "reqReserved": ORDER_NO,
        "txnAmt": "1234",
        "txnTime": "20261122223100",
    }
    assert told.items() <= fields.items()
    assert build(account, order, NOW) == build(account, order, NOW)
    later = fields_of(build(account, order, NOW + timedelta(microseconds=1)))
    assert len(fields["orderId"]) == 32 and later["orderId"] != fields["orderId"]


@pytest.mark.parametrize(("method", "txn_type", "build", "read"), KINDS)
@pytest.mark.parametrize(
    ("code", "changes", "expected"),
    [
        ("45", {}, Closed(QUERY_ID)),
        ("00", {}, Unknown),
        ("05", {}, Unknown),
        ("12", {}, Unknown),
        ("35", {}, Unknown),
        ("45", {"origQryId": "202611222230051234568"}, Unknown),
        ("45", {"reqReserved": "01kb8mz3q8f7wv9t2n4x6c0r5b"}, Unknown),
        ("45", {"origQryId": None, "reqReserved": None}, Unknown),
        ("45", {"origQryId": None}, Closed(QUERY_ID)),
        ("45", {"reqReserved": None}, Closed(QUERY_ID)),
        ("45", {"merId": "777290000000002"}, Unknown),
    ],
)
def test_a_void_is_proven_by_the_next_one(
    unionpay: UnionPaySide,
    method: str,
    txn_type: str,
    build: Any,
    read: Any,
    code: str,
    changes: dict[str, Any],
    expected: Any,
) -> None:
    account = unionpay.account()
    order = unionpay.order(method, channel_order_no=QUERY_ID)
    outcome = read(account, order, unionpay.reply(build(account, order, NOW), code, **changes))
    if isinstance(expected, type):
        assert isinstance(outcome, expected)
    else:
        assert outcome == expected


@pytest.mark.parametrize(("method", "txn_type", "build", "read"), KINDS)
def test_a_trade_without_a_number_is_asked_about_instead(
    unionpay: UnionPaySide, method: str, txn_type: str, build: Any, read: Any
) -> None:
    account, order = unionpay.account(), unionpay.order(method)
    request = build(account, order, NOW)
    assert request == CODEC.build_query(account, order, NOW)
    assert read(account, order, unionpay.reply(request, "34")) == NotFound()
    kind = "02" if txn_type == "32" else "01"
    found = read(account, order, unionpay.state(request, "00", txnType=kind))
    assert isinstance(found, Authorized if kind == "02" else Paid)
