"""Notifications: genuine ones are read, every other is refused with the right word."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.channels.codec import CallbackRefused, Paid, Refunded, VerifiedCallback
from gateway.channels.wechat.notification import read_notification
from gateway.channels.wire import CallbackRequest

from .conftest import (
    APIV3_KEY,
    MCHID,
    NOW,
    ORDER_NO,
    REFUND_NO,
    TRANSACTION_ID,
    TRANSFER_NO,
    WechatSide,
    new_key,
    resource_of,
    trade,
)

pytestmark = pytest.mark.fast

SIDE = WechatSide(new_key(), new_key(), new_key())
PAID = "TRANSACTION.SUCCESS"


def refund_plain(**changes: object) -> dict:
    fields = {
        "mchid": MCHID,
        "transaction_id": TRANSACTION_ID,
        "out_trade_no": ORDER_NO,
        "refund_id": "50000000382019052709732678859",
        "out_refund_no": REFUND_NO,
        "refund_status": "SUCCESS",
        "success_time": "2026-11-22T22:30:04+08:00",
        "amount": {"total": 1234, "refund": 1000, "payer_total": 1234, "payer_refund": 1000},
        **changes,
    }
    return {name: value for name, value in fields.items() if value is not None}


def read(wechat, request: CallbackRequest, **credentials: str) -> VerifiedCallback:
    return read_notification(wechat.account(**credentials), request, NOW)


def refusal(wechat, request: CallbackRequest, now: datetime = NOW, account=None) -> CallbackRefused:
    with pytest.raises(CallbackRefused) as caught:
        read_notification(account or wechat.account(), request, now)
    return caught.value


def resigned(wechat, body: bytes) -> CallbackRequest:
    return CallbackRequest("POST", "/", wechat.headers(body), body)


# --- genuine ------------------------------------------------------------------------------------


def test_a_payment(wechat) -> None:
    found = read(wechat, wechat.notification(PAID, trade()))
    paid = Paid(
        TRANSACTION_ID, 1234, "CNY", datetime(2026, 11, 22, 14, 30, 3, tzinfo=UTC), 1200, 34
    )
    assert found == VerifiedCallback(f"{TRANSACTION_ID}|SUCCESS", ORDER_NO, paid)


def test_a_delivery_again_has_the_same_key(wechat) -> None:
    first = read(wechat, wechat.notification(PAID, trade()))
    again = read(wechat, wechat.notification(PAID, trade(), id="EV-2", at=NOW))
    assert first.dedupe_key == again.dedupe_key


def test_a_payment_in_another_state_has_no_outcome(wechat) -> None:
    found = read(wechat, wechat.notification(PAID, trade(trade_state="NOTPAY")))
    assert found == VerifiedCallback(f"{TRANSACTION_ID}|NOTPAY", ORDER_NO, None)


def test_a_refund_is_a_hint(wechat) -> None:
    found = read(wechat, wechat.notification("REFUND.SUCCESS", refund_plain()))
    outcome = Refunded(REFUND_NO, datetime(2026, 11, 22, 14, 30, 4, tzinfo=UTC))
    key = "50000000382019052709732678859|SUCCESS"
    assert found == VerifiedCallback(key, ORDER_NO, outcome, REFUND_NO)


@pytest.mark.parametrize(
    ("event", "status"),
    [
        ("REFUND.CLOSED", "CLOSED"),
        ("REFUND.ABNORMAL", "ABNORMAL"),
        ("REFUND.SUCCESS", "PROCESSING"),
        ("REFUND.CLOSED", "SUCCESS"),
    ],
)
def test_a_refund_that_did_not_succeed_has_no_outcome(wechat, event: str, status: str) -> None:
    plain = refund_plain(refund_status=status, success_time=None)
    found = read(wechat, wechat.notification(event, plain))
    assert (found.outcome, found.refund_no) == (None, REFUND_NO)


def test_a_transfer_is_about_no_order(wechat) -> None:
    plain = {"mch_id": MCHID, "out_bill_no": TRANSFER_NO, "state": "SUCCESS", "transfer_amount": 1}
    found = read(wechat, wechat.notification("MCHTRANSFER.BILL.FINISHED", plain))
    assert found == VerifiedCallback(f"transfer|{TRANSFER_NO}|SUCCESS", None, None)


def test_the_vector_is_acknowledged_without_effect(wechat, vectors: dict) -> None:
    """Sealed anew, because its key has 16 bytes and real ones have 32."""
    vector = vectors["wechat_notify_go"]
    plain, envelope = vector["plaintext"].encode(), json.loads(vector["body"])
    envelope["resource"] = resource_of(plain)
    request = resigned(wechat, json.dumps(envelope).encode())
    found = read(
        wechat, request, mchid="1234567890", appid=json.loads(vector["plaintext"])["appid"]
    )
    assert (found.attempt_no, found.outcome) == (None, None)
    assert found.dedupe_key == "notify|3119dfba-e649-5eec-ab1e-3412bc4d2e17"


def test_both_kinds_of_keys_are_taken(wechat) -> None:
    account = wechat.account(keys={wechat.platform_serial: wechat.certificate})
    request = wechat.notification(PAID, trade(), serial=wechat.platform_serial)
    assert read_notification(account, request, NOW).attempt_no == ORDER_NO


# --- refused ------------------------------------------------------------------------------------


def test_an_unknown_serial_is_said(wechat) -> None:
    request = wechat.notification(PAID, trade(), serial=wechat.platform_serial)
    refused = refusal(wechat, request)
    assert (refused.reason, refused.serial) == ("unknown_serial", wechat.platform_serial)


def test_a_probe_is_refused(wechat) -> None:
    request = wechat.notification(PAID, trade())
    probe = "WECHATPAY/SIGNTEST/" + request.headers["wechatpay-signature"]
    spoiled = request.headers | {"wechatpay-signature": probe}
    assert refusal(wechat, CallbackRequest("POST", "/", spoiled, request.body)).reason == (
        "bad_signature"
    )


@pytest.mark.parametrize("offset", [timedelta(minutes=5), -timedelta(minutes=5)])
def test_a_message_from_another_time_is_stale(wechat, offset: timedelta) -> None:
    request = wechat.notification(PAID, trade(), at=NOW.replace(microsecond=0))
    now = NOW.replace(microsecond=0) + offset
    assert refusal(wechat, request, now).reason == "stale"


def test_another_merchants_message_is_an_alert(wechat) -> None:
    other = wechat.notification(PAID, trade(), key=APIV3_KEY[::-1])
    assert refusal(wechat, other).reason == "wrong_seller"
    for plain in (trade(mchid="1900000110"), trade(mchid=None)):
        assert refusal(wechat, wechat.notification(PAID, plain)).reason == "wrong_seller"
    for plain in (trade(appid="wx00"), trade(appid=None)):
        assert refusal(wechat, wechat.notification(PAID, plain)).reason == "wrong_application"
    stray = wechat.notification("REFUND.SUCCESS", refund_plain(mchid="1900000110"))
    assert refusal(wechat, stray).reason == "wrong_seller"
    bare = wechat.notification("REFUND.SUCCESS", refund_plain(mchid=None))
    assert refusal(wechat, bare).reason == "wrong_seller"
    transfer = {"mch_id": "1900000110", "out_bill_no": TRANSFER_NO, "state": "SUCCESS"}
    request = wechat.notification("MCHTRANSFER.BILL.FINISHED", transfer)
    assert refusal(wechat, request).reason == "wrong_seller"


@pytest.mark.parametrize(
    "changes",
    [
        {"event_type": None},
        {"event_type": 7},
        {"id": None},
        {"id": "x" * 65},
        {"resource_type": "plain"},
    ],
)
def test_an_envelope_without_its_parts_is_malformed(wechat, changes: dict) -> None:
    arguments = {"event_type": PAID, **changes}
    event = arguments.pop("event_type")
    request = wechat.notification(event, trade(), **arguments)
    assert refusal(wechat, request).reason == "malformed"


@pytest.mark.parametrize(
    "plain",
    [
        trade(out_trade_no=None),
        trade(transaction_id=None),
        trade(trade_state=None),
        trade(amount=None),
        trade(amount={"total": 0, "currency": "CNY"}),
        trade(amount={"total": "1234", "currency": "CNY"}),
        trade(out_trade_no="x" * 65),
    ],
)
def test_a_payment_without_its_facts_is_malformed(wechat, plain: dict) -> None:
    assert refusal(wechat, wechat.notification(PAID, plain)).reason == "malformed"


@pytest.mark.parametrize("name", ["out_trade_no", "out_refund_no", "refund_id", "refund_status"])
def test_a_refund_without_its_facts_is_malformed(wechat, name: str) -> None:
    request = wechat.notification("REFUND.SUCCESS", refund_plain(**{name: None}))
    assert refusal(wechat, request).reason == "malformed"


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b"[" * 9000])
def test_a_signed_body_that_is_no_object_is_malformed(wechat, body: bytes) -> None:
    assert refusal(wechat, resigned(wechat, body)).reason == "malformed"


def test_other_methods_and_long_bodies_are_malformed(wechat) -> None:
    request = wechat.notification(PAID, trade())
    for method in ("GET", "PUT"):
        spoiled = CallbackRequest(method, "/", request.headers, request.body)
        assert refusal(wechat, spoiled).reason == "malformed"
    assert refusal(wechat, resigned(wechat, b" " * 65_537)).reason == "malformed"


def test_an_unsigned_body_is_malformed(wechat) -> None:
    request = wechat.notification(PAID, trade())
    bare = CallbackRequest("POST", "/", {}, request.body)
    assert refusal(wechat, bare).reason == "malformed"


def test_every_flipped_bit_is_refused(wechat) -> None:
    request = wechat.notification(PAID, trade())
    account = wechat.account()
    for at in range(len(request.body) * 8):
        flipped = bytearray(request.body)
        flipped[at // 8] ^= 1 << at % 8
        spoiled = CallbackRequest("POST", "/", request.headers, bytes(flipped))
        assert refusal(wechat, spoiled, account=account).reason == "bad_signature"
    for name in ("wechatpay-timestamp", "wechatpay-nonce", "wechatpay-signature"):
        for at in range(len(request.headers[name]) * 8):
            flipped = bytearray(request.headers[name].encode())
            flipped[at // 8] ^= 1 << at % 8
            headers = request.headers | {name: flipped.decode("latin-1")}
            spoiled = CallbackRequest("POST", "/", headers, request.body)
            refused = refusal(wechat, spoiled, account=account)
            assert refused.reason in ("bad_signature", "stale"), (name, at)


@given(st.dictionaries(st.text(max_size=12), st.integers() | st.text(max_size=12) | st.none()))
def test_no_genuine_message_raises_anything_else(plain: dict) -> None:
    for event in (PAID, "REFUND.SUCCESS", "MCHTRANSFER.BILL.FINISHED", "NEW.EVENT"):
        try:
            found = read_notification(SIDE.account(), SIDE.notification(event, plain), NOW)
        except CallbackRefused:
            continue
        assert found.outcome is None
