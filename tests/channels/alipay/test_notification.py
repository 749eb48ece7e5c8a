"""Notifications: who may speak, what each message means, and that a refund never pays."""

from datetime import UTC, datetime
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.channels.alipay import AlipayCodec
from gateway.channels.codec import (
    Authorized,
    CallbackRefused,
    Closed,
    Paid,
    Refunded,
    VerifiedCallback,
)

pytestmark = pytest.mark.fast

CODEC = AlipayCodec()
NOW = datetime(2026, 11, 22, 12, 0, 7, tzinfo=UTC)
ORDER_NO = "01kb8mz3q8f7wv9t2n4x6c0r5a"
TRADE_NO = "2026112222001400000000000001"
REFUND_NO = "01kb8n0000f7wv9t2n4x6c0rfd"
PAID_AT = datetime(2026, 11, 22, 12, 0, 5, tzinfo=UTC)
REFUND = {
    "refund_fee": "1.00",
    "gmt_refund": "2026-11-22 20:05:00.123",
    "out_biz_no": REFUND_NO,
}
REFUNDED = Refunded(REFUND_NO, datetime(2026, 11, 22, 12, 5, 0, 123_000, tzinfo=UTC))


def read(alipay, body: bytes, **credentials: str) -> VerifiedCallback:
    return CODEC.read_callback(alipay.account(**credentials), alipay.callback(body), NOW)


def refused(alipay, body: bytes, **credentials: str) -> str:
    with pytest.raises(CallbackRefused) as caught:
        read(alipay, body, **credentials)
    return caught.value.reason


def outcome(alipay, **changes: str | None) -> object:
    return read(alipay, alipay.body(alipay.notification(**changes))).outcome


# --- who may speak ------------------------------------------------------------------------------


def test_a_genuine_payment_is_paid(alipay) -> None:
    callback = read(alipay, alipay.body(alipay.notification()))
    assert callback == VerifiedCallback(
        dedupe_key=f"{TRADE_NO}|TRADE_SUCCESS|",
        attempt_no=ORDER_NO,
        outcome=Paid(TRADE_NO, 1234, "CNY", PAID_AT, payer_amount=1200, discount_amount=34),
    )


def test_the_published_notification_is_paid(alipay, vectors: dict) -> None:
    vector = vectors["alipay_notify_v1_drop_sign_type"]
    params = vector["params"]
    credentials = {
        "app_id": params["app_id"],
        "seller_id": params["seller_id"],
        "alipay_public_key": vector["public_key"],
    }
    body = urlencode(params).encode()
    paid_at = datetime(2019, 8, 15, 7, 56, 24, tzinfo=UTC)
    callback = read(alipay, body, **credentials)
    assert callback.outcome == Paid(params["trade_no"], 10, "CNY", paid_at, 10, 0)
    assert callback.attempt_no == params["out_trade_no"]
    assert refused(alipay, body) == "bad_signature"
    assert refused(alipay, body, **{**credentials, "app_id": "other"}) == "wrong_application"
    assert refused(alipay, body, **{**credentials, "seller_id": "other"}) == "wrong_seller"


def test_the_published_v2_message_is_not_taken_for_a_payment(alipay, vectors: dict) -> None:
    vector = vectors["alipay_notify_v2_keep_sign_type"]
    credentials = {
        "app_id": vector["params"]["app_id"],
        "alipay_public_key": vector["public_key"],
    }
    assert refused(alipay, urlencode(vector["params"]).encode(), **credentials) == "bad_signature"


def test_each_check_comes_before_the_next(alipay) -> None:
    """Signature, application, seller, shape: a message wrong in several ways says the first."""
    wrong = alipay.notification(app_id="other", seller_id="other", total_amount="x")
    assert refused(alipay, alipay.body(wrong, canonical="forged")) == "bad_signature"
    assert refused(alipay, alipay.body(wrong)) == "wrong_application"
    wrong["app_id"] = alipay.notification()["app_id"]
    assert refused(alipay, alipay.body(wrong)) == "wrong_seller"
    wrong["seller_id"] = alipay.notification()["seller_id"]
    assert refused(alipay, alipay.body(wrong)) == "malformed"


def test_application_and_seller_must_be_named(alipay) -> None:
    no_application = alipay.notification(app_id=None)
    assert refused(alipay, alipay.body(no_application)) == "wrong_application"
    for seller_id in (None, ""):
        no_seller = alipay.notification(seller_id=seller_id)
        assert refused(alipay, alipay.body(no_seller)) == "wrong_seller"


def test_an_empty_value_left_out_of_the_signature_decides_nothing(alipay) -> None:
    """`trade_status=` and `gmt_refund=` unsigned and empty are the same as absent."""
    genuine = alipay.notification()
    extended = {**genuine, "gmt_refund": "", "out_biz_no": "", "refund_fee": ""}
    callback = read(alipay, alipay.body(extended, canonical=alipay.canonical(genuine)))
    assert isinstance(callback.outcome, Paid)


@pytest.mark.parametrize(
    "body",
    [b"", b"success", b"a=b&a=c&sign=x", b"a=%zz&sign=x", b"a=b", b"\xff\x00=", b"x" * 70_000],
)
def test_what_is_no_signed_form_is_malformed(alipay, body: bytes) -> None:
    assert refused(alipay, body) == "malformed"


def test_only_a_post_is_a_notification(alipay) -> None:
    request = alipay.callback(alipay.body(alipay.notification()), method="GET")
    with pytest.raises(CallbackRefused, match="malformed"):
        CODEC.read_callback(alipay.account(), request, NOW)


def test_an_unusable_key_verifies_nothing(alipay) -> None:
    body = alipay.body(alipay.notification())
    assert refused(alipay, body, alipay_public_key="not a key") == "bad_signature"
    assert refused(alipay, body, alipay_public_key=alipay.merchant_public_key) == "bad_signature"


def test_a_signed_form_of_wrong_bytes_is_malformed(alipay) -> None:
    fields = alipay.notification("gbk")
    body = alipay.body(fields)
    assert isinstance(read(alipay, body).outcome, Paid)
    broken = {key: value.encode("gbk") for key, value in alipay.notification().items()}
    canonical = b"&".join(k.encode() + b"=" + broken[k] for k in sorted(broken))
    body = urlencode({**broken, "sign": alipay.sign(canonical)}).encode()
    assert refused(alipay, body) == "malformed"


# --- what it means ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, Paid),
        ({"trade_status": "TRADE_FINISHED"}, Paid),
        ({"refund_fee": "0.00"}, Paid),
        (REFUND, REFUNDED),
        ({**REFUND, "trade_status": "TRADE_CLOSED"}, REFUNDED),
        ({**REFUND, "trade_status": "TRADE_FINISHED"}, REFUNDED),
        ({**REFUND, "trade_status": "WAIT_BUYER_PAY"}, None),
        ({**REFUND, "refund_fee": None}, REFUNDED),
        ({**REFUND, "out_biz_no": None}, None),
        ({"refund_fee": "1.00"}, None),
        ({"refund_fee": "x"}, None),
        ({"gmt_refund": "x"}, None),
        ({"out_biz_no": REFUND_NO}, Refunded(REFUND_NO)),
        ({"trade_status": "TRADE_CLOSED", "gmt_payment": None}, Closed(TRADE_NO)),
        (
            {"trade_status": "TRADE_CLOSED", "gmt_payment": None, "refund_fee": "0.00"},
            Closed(TRADE_NO),
        ),
        ({"trade_status": "TRADE_CLOSED"}, None),
        ({"trade_status": "WAIT_BUYER_PAY"}, None),
        ({"trade_status": "TRADE_INVENTED"}, None),
        ({"trade_status": "trade_success"}, None),
    ],
)
def test_decision_table(alipay, changes: dict, expected: object) -> None:
    found = outcome(alipay, **changes)
    if isinstance(expected, type):
        assert isinstance(found, expected)
    else:
        assert found == expected


def test_a_refund_is_never_paid(alipay) -> None:
    for status in ("TRADE_SUCCESS", "TRADE_FINISHED", "TRADE_CLOSED"):
        for name, value in REFUND.items():
            found = outcome(alipay, trade_status=status, **{name: value})
            assert not isinstance(found, Paid), (status, name)


def test_effects_are_told_apart_by_trade_state_and_refund(alipay) -> None:
    def key(**changes: str | None) -> str:
        return read(alipay, alipay.body(alipay.notification(**changes))).dedupe_key

    keys = [
        key(),
        key(trade_status="TRADE_FINISHED"),
        key(trade_no="2026112222001400000000000002"),
        key(**REFUND),
        key(**{**REFUND, "out_biz_no": "another"}),
        key(**{**REFUND, "trade_status": "TRADE_CLOSED"}),
        key(refund_fee="1.00"),
        key(refund_fee="2.00"),
        key(notify_type="other", notify_id="1"),
        key(notify_type="other", notify_id="2"),
        key(notify_type="other", notify_id=None),
        key(notify_type="other", notify_id=None, subject="other"),
    ]
    assert len(set(keys)) == len(keys)
    assert key(notify_id="resent", notify_time="2026-11-22 20:04:00") == keys[0]
    assert key(**{**REFUND, "refund_fee": "1.50", "notify_id": "other"}) == keys[3]


def test_other_genuine_messages_are_acknowledged_without_effect(alipay) -> None:
    for changes in ({"notify_type": "other"}, {"notify_type": None}):
        for seller_id in (None, alipay.notification()["seller_id"]):
            fields = alipay.notification(**changes, seller_id=seller_id)
            callback = read(alipay, alipay.body(fields))
            assert (callback.outcome, callback.attempt_no) == (None, None)
    stranger = alipay.notification(notify_type="other", seller_id="2088")
    assert refused(alipay, alipay.body(stranger)) == "wrong_seller"


@pytest.mark.parametrize(
    "changes",
    [
        {"out_trade_no": None},
        {"trade_no": None},
        {"trade_status": None},
        {"total_amount": None},
        {"total_amount": "12.345"},
        {"total_amount": "0.00"},
        {"total_amount": "-1.00"},
        {"total_amount": "１２.34"},
        {"out_trade_no": "x" * 65},
        {"trade_no": "2026\x00"},
        {"out_trade_no": "订单"},
        {"out_biz_no": "x" * 65},
    ],
)
def test_a_genuine_message_without_its_facts_is_malformed(alipay, changes: dict) -> None:
    assert refused(alipay, alipay.body(alipay.notification(**changes))) == "malformed"


def test_another_currency_is_reported_for_the_core_to_refuse(alipay) -> None:
    found = outcome(alipay, trans_currency="USD")
    assert isinstance(found, Paid) and (found.amount, found.currency) == (1234, "USD")


def test_missing_details_do_not_hide_a_payment(alipay) -> None:
    found = outcome(alipay, gmt_payment=None, buyer_pay_amount=None, receipt_amount="x")
    assert found == Paid(TRADE_NO, 1234, "CNY")


def test_replies_are_exact() -> None:
    accepted, refused_ = CODEC.callback_reply(True), CODEC.callback_reply(False)
    assert (accepted.status, accepted.content_type, accepted.body) == (
        200,
        "text/plain",
        b"success",
    )
    assert (refused_.content_type, refused_.body) == ("text/plain", b"failure")
    assert 400 <= refused_.status < 500


# --- anything at all ----------------------------------------------------------------------------


@given(body=st.binary(max_size=300))
def test_any_bytes_are_refused(alipay, body: bytes) -> None:
    assert refused(alipay, body) in {"malformed", "bad_signature"}


@given(
    fields=st.dictionaries(
        st.sampled_from(
            [
                *("app_id", "seller_id", "notify_type", "out_trade_no", "trade_no", "sign"),
                *("trade_status", "total_amount", "refund_fee", "gmt_refund", "out_biz_no"),
                *("charset", "trans_currency"),
            ]
        ),
        st.text(max_size=8) | st.sampled_from(["TRADE_SUCCESS", "1.00", "utf-8"]),
    )
)
def test_any_unsigned_form_is_refused(alipay, fields: dict[str, str]) -> None:
    assert refused(alipay, urlencode(fields).encode()) in {"malformed", "bad_signature"}


@given(
    changes=st.dictionaries(
        st.sampled_from(
            [
                *("out_trade_no", "trade_no", "trade_status", "total_amount", "refund_fee"),
                *("gmt_refund", "out_biz_no", "gmt_payment", "buyer_pay_amount", "notify_type"),
            ]
        ),
        st.none() | st.text(max_size=8) | st.sampled_from(["TRADE_CLOSED", "1.00", "0"]),
    )
)
def test_any_signed_form_is_read_or_refused(alipay, changes: dict[str, str | None]) -> None:
    fields = alipay.notification(**changes)
    try:
        callback = read(alipay, alipay.body(fields))
    except CallbackRefused as refusal:
        assert refusal.reason == "malformed"
        return
    if isinstance(callback.outcome, Paid):
        assert fields.get("trade_status") in ("TRADE_SUCCESS", "TRADE_FINISHED")
        assert not fields.get("gmt_refund") and not fields.get("out_biz_no")


# --- holds --------------------------------------------------------------------------------------

AUTH_NO = "2026112210002001000000000001"
HOLD: dict[str, str | None] = {
    "notify_type": "fund_auth_freeze",
    "auth_no": AUTH_NO,
    "out_order_no": ORDER_NO,
    "operation_id": "20261122000000000001",
    "out_request_no": ORDER_NO,
    "operation_type": "FREEZE",
    "amount": "12.34",
    "status": "SUCCESS",
    "payee_user_id": "2088000000000001",
    "rest_amount": "12.34",
    "total_pay_amount": "0.00",
    # What belongs to trades only:
    "seller_id": None,
    "out_trade_no": None,
    "trade_no": None,
    "trade_status": None,
    "total_amount": None,
}
RELEASE = {"notify_type": "fund_auth_unfreeze", "operation_type": "UNFREEZE"}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, Authorized(AUTH_NO, 1234, "CNY")),
        ({"trans_currency": "USD"}, Authorized(AUTH_NO, 1234, "USD")),
        ({"payee_user_id": None}, Authorized(AUTH_NO, 1234, "CNY")),
        ({"status": "CLOSED"}, Closed(AUTH_NO)),
        ({"status": "INIT"}, None),
        (RELEASE, None),
        (RELEASE | {"rest_amount": "0.00"}, Closed(AUTH_NO)),
        (RELEASE | {"rest_amount": "0.00", "total_pay_amount": "1.00"}, None),
        (RELEASE | {"rest_amount": "0.00", "total_pay_amount": None}, None),
        (RELEASE | {"rest_amount": "0.00", "status": "INIT"}, None),
        (
            {"notify_type": "fund_auth_operation_cancel", "rest_amount": "0.00"},
            Closed(AUTH_NO),
        ),
    ],
)
def test_what_is_told_of_a_hold(alipay, changes: dict, expected: object) -> None:
    found = read(alipay, alipay.body(alipay.notification(**(HOLD | changes))))
    assert (found.outcome, found.attempt_no, found.refund_no) == (expected, ORDER_NO, None)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"app_id": "other"}, "wrong_application"),
        ({"payee_user_id": "2088000000000009"}, "wrong_seller"),
        ({"seller_id": "2088000000000009"}, "wrong_seller"),
        ({"amount": None}, "malformed"),
        ({"amount": "0.00"}, "malformed"),
        ({"amount": "12.345"}, "malformed"),
        ({"auth_no": None}, "malformed"),
        ({"out_order_no": None}, "malformed"),
        ({"status": None}, "malformed"),
    ],
)
def test_a_hold_of_others_or_without_facts_is_refused(alipay, changes: dict, reason: str) -> None:
    body = alipay.body(alipay.notification(**(HOLD | changes)))
    assert refused(alipay, body) == reason


def test_operations_of_one_hold_are_told_apart(alipay) -> None:
    keys = {
        read(alipay, alipay.body(alipay.notification(**(HOLD | changes)))).dedupe_key
        for changes in ({}, RELEASE | {"operation_id": "2"}, {"status": "CLOSED"})
    }
    assert len(keys) == 3


def test_an_authorization_never_pays(alipay) -> None:
    """Even where it names everything that a payment would."""
    fields = alipay.notification(notify_type="fund_auth_freeze", **_without_nones(HOLD))
    found = read(alipay, alipay.body(fields | {"trade_status": "TRADE_SUCCESS"}))
    assert isinstance(found.outcome, Authorized)


def _without_nones(fields: dict[str, str | None]) -> dict[str, str]:
    kept = {key: value for key, value in fields.items() if value is not None}
    return {key: value for key, value in kept.items() if key != "notify_type"}


# --- rule V2 ------------------------------------------------------------------------------------


def test_rule_v2_is_for_named_types_only(alipay, vectors: dict) -> None:
    vector = vectors["alipay_notify_v2_keep_sign_type"]
    body = urlencode(vector["params"]).encode()
    credentials = {
        "app_id": vector["params"]["app_id"],
        "alipay_public_key": vector["public_key"],
    }
    named = "other, servicemarket_order_notify"
    found = read(alipay, body, **credentials, v2_notify_types=named)
    assert found.outcome is None and found.attempt_no is None
    reason = refused(alipay, body, **credentials, v2_notify_types="other")
    assert reason == "bad_signature"


def test_a_payment_signed_by_rule_v2_is_refused(alipay) -> None:
    fields = alipay.notification()
    canonical = alipay.canonical(fields | {"x": ""}).replace("&x=", "")
    parts = sorted([*canonical.split("&"), "sign_type=RSA2"])
    body = alipay.body(fields, canonical="&".join(parts))
    assert refused(alipay, body, v2_notify_types="servicemarket_order_notify") == "bad_signature"


def test_a_return_is_no_callback(alipay) -> None:
    """The payer's browser comes back by GET, rightly signed: for display, never to be booked."""
    body = alipay.body(alipay.notification())
    with pytest.raises(CallbackRefused):
        CODEC.read_callback(alipay.account(), alipay.callback(body, method="GET"), NOW)
