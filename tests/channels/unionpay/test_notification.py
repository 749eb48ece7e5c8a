"""Back notifications: whom to believe, and what each kind tells."""

from datetime import timedelta
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from gateway.channels.codec import (
    Authorized,
    CallbackRefused,
    Closed,
    Paid,
    Refunded,
    VerifiedCallback,
)
from gateway.channels.unionpay import UnionPayCodec
from gateway.channels.unionpay.dialect import moment_of
from tests.channels.unionpay.conftest import (
    NAME,
    NOW,
    ORDER_NO,
    QUERY_ID,
    REFUND_NO,
    UnionPaySide,
    callback_of,
    certify,
    new_key,
    pem_of,
)

pytestmark = pytest.mark.fast

CODEC = UnionPayCodec()
PAID_AT = moment_of("20261122223005")
HEX = b"0123456789abcdefABCDEF"


def read(side: UnionPaySide, request: Any, at: Any = NOW) -> VerifiedCallback:
    return CODEC.read_callback(side.account(), request, at)


def reason(side: UnionPaySide, request: Any, at: Any = NOW) -> str:
    with pytest.raises(CallbackRefused) as refused:
        read(side, request, at)
    return refused.value.reason


def test_a_payment(unionpay: UnionPaySide) -> None:
    assert read(unionpay, unionpay.callback(unionpay.notification())) == VerifiedCallback(
        dedupe_key=f"01|{QUERY_ID}|00",
        attempt_no=ORDER_NO,
        outcome=Paid(QUERY_ID, 1234, "CNY", paid_at=PAID_AT),
    )


def test_a_hold(unionpay: UnionPaySide) -> None:
    told = read(unionpay, unionpay.callback(unionpay.notification(txnType="02", respCode="A6")))
    assert (told.attempt_no, told.outcome) == (ORDER_NO, Authorized(QUERY_ID, 1234, "CNY"))


def test_a_refund_is_told_by_its_own_number(unionpay: UnionPaySide) -> None:
    fields = unionpay.notification(txnType="04", orderId=REFUND_NO, reqReserved=ORDER_NO)
    told = read(unionpay, unionpay.callback(fields))
    assert (told.attempt_no, told.refund_no) == (ORDER_NO, REFUND_NO)
    assert told.outcome == Refunded(REFUND_NO, refunded_at=PAID_AT)


@pytest.mark.parametrize("txn_type", ["31", "32"])
def test_a_void(unionpay: UnionPaySide, txn_type: str) -> None:
    fields = unionpay.notification(txnType=txn_type, orderId="f" * 32, reqReserved=ORDER_NO)
    told = read(unionpay, unionpay.callback(fields))
    assert (told.attempt_no, told.outcome) == (ORDER_NO, Closed())


@pytest.mark.parametrize(
    "changes",
    [
        {"txnType": "03", "reqReserved": ORDER_NO},
        {"txnType": "04", "orderId": REFUND_NO},
        {"txnType": "04", "orderId": REFUND_NO, "reqReserved": "not ours"},
        {"txnType": "32"},
        {"txnType": "79"},
        {"respCode": "01"},
        {"respCode": None},
        {"txnType": "04", "orderId": REFUND_NO, "reqReserved": ORDER_NO, "respCode": "60"},
    ],
)
def test_what_asks_for_nothing_is_acknowledged(
    unionpay: UnionPaySide, changes: dict[str, Any]
) -> None:
    told = read(unionpay, unionpay.callback(unionpay.notification(**changes)))
    assert told.outcome is None


def test_the_facts_are_told_as_they_are(unionpay: UnionPaySide) -> None:
    fields = unionpay.notification(txnAmt="1", currencyCode="840", traceTime=None)
    outcome = read(unionpay, unionpay.callback(fields)).outcome
    assert outcome == Paid(QUERY_ID, 1, "840")


@pytest.mark.parametrize(
    "changes",
    [
        {"txnAmt": None},
        {"txnAmt": "0"},
        {"txnAmt": "1.0"},
        {"currencyCode": None},
        {"queryId": None},
        {"orderId": None},
        {"orderId": "a b"},
    ],
)
def test_a_genuine_message_of_another_shape_is_malformed(
    unionpay: UnionPaySide, changes: dict[str, Any]
) -> None:
    assert reason(unionpay, unionpay.callback(unionpay.notification(**changes))) == "malformed"


def test_another_merchants_message_raises_an_alert(unionpay: UnionPaySide) -> None:
    fields = unionpay.notification(merId="777290000000002")
    assert reason(unionpay, unionpay.callback(fields)) == "wrong_application"


def test_strangers_are_refused(unionpay: UnionPaySide) -> None:
    key = new_key()
    fields = unionpay.notification()
    self_made = pem_of(certify(NAME, key, None))
    assert reason(unionpay, unionpay.callback(fields, key=key)) == "bad_signature"
    forged = unionpay.callback(fields, key=key, certificate=self_made)
    assert reason(unionpay, forged) == "bad_signature"
    merchant = certify("merchant", key, (unionpay.middle, unionpay.middle_key))
    known = unionpay.callback(fields, key=key, certificate=pem_of(merchant))
    assert reason(unionpay, known) == "bad_signature"
    good = unionpay.callback(fields)
    assert reason(unionpay, good, NOW + timedelta(days=60)) == "bad_signature"
    assert read(unionpay, good).outcome is not None


def test_what_is_no_notification_is_malformed(unionpay: UnionPaySide) -> None:
    fields = unionpay.notification()
    signed = unionpay.sign(fields)
    bodies = [
        b"",
        b"a",
        urlencode(fields).encode(),
        urlencode({k: v for k, v in signed.items() if k != "signPubKeyCert"}).encode(),
        urlencode({**signed, "signature": ""}).encode(),
        urlencode(signed).encode() + b"&txnAmt=1",
        b"x=" + b"1" * 70_000,
    ]
    for body in bodies:
        assert reason(unionpay, callback_of(body)) == "malformed"
    good = urlencode(signed).encode()
    assert reason(unionpay, callback_of(good, method="GET")) == "malformed"


def test_our_own_query_is_no_part_of_the_message(unionpay: UnionPaySide) -> None:
    body = urlencode(unionpay.sign(unionpay.notification())).encode()
    told = read(unionpay, callback_of(body, query="?txnAmt=1&a=b"))
    assert told.outcome == Paid(QUERY_ID, 1234, "CNY", paid_at=PAID_AT)


def test_spaces_may_be_spelled_either_way(unionpay: UnionPaySide) -> None:
    signed = unionpay.sign(unionpay.notification(respMsg="成功 了+1"))
    for body in (urlencode(signed), urlencode(signed, quote_via=quote)):
        assert read(unionpay, callback_of(body.encode())).attempt_no == ORDER_NO


def test_every_flipped_bit_is_noticed(unionpay: UnionPaySide) -> None:
    body = urlencode(unionpay.sign(unionpay.notification())).encode()
    good = read(unionpay, callback_of(body))
    same = 0
    for at in range(len(body)):
        for bit in range(8):
            spoiled = bytearray(body)
            spoiled[at] ^= 1 << bit
            try:
                told = read(unionpay, callback_of(bytes(spoiled)))
            except CallbackRefused:
                continue
            # %2F and %2f are the same byte: another spelling of the same message.
            assert body[at] in HEX and spoiled[at] in HEX and b"%" in body[at - 2 : at]
            assert told == good
            same += 1
    assert same < len(body)
