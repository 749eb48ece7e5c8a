"""Events: the signature first, then what they say; each effect has one name."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.channels.card import CardCodec
from gateway.channels.card.signature import is_fresh, is_signed, parse_header
from gateway.channels.codec import (
    Authorized,
    CallbackRefused,
    Closed,
    Paid,
    Refunded,
    VerifiedCallback,
)

pytestmark = pytest.mark.fast

CODEC = CardCodec()
ORDER_NO = "01kb8mz3q8f7wv9t2n4x6c0r5a"
REFUND_NO = "01kb8n0000f7wv9t2n4x6c0rfd"
INTENT_NO = "pi_3MtwBwLkdIwHu7ix28a3tqPa"
NOW = datetime(2026, 11, 22, 14, 30, 5, tzinfo=UTC)
OTHER_SECRET = "whsec_before_the_rotation"


def receive(stripe: Any, body: bytes, header: str | None = None, **credentials: str) -> Any:
    account = stripe.account(**credentials)
    return CODEC.read_callback(account, stripe.callback(body, header), NOW)


def refusal(stripe: Any, body: bytes, header: str | None = None, **credentials: str) -> str:
    with pytest.raises(CallbackRefused) as refused:
        receive(stripe, body, header, **credentials)
    return refused.value.reason


# --- the signature -------------------------------------------------------------------------------


def test_the_published_vector(vector) -> None:
    header = parse_header(vector["header"])
    assert header is not None and header.sent_s == 1533204620
    body = vector["payload"].encode()
    assert is_signed(header, body, [vector["secret"]])
    assert not is_signed(header, body, [vector["secret"] + "x"])
    assert not is_signed(header, body, [])
    # The signature of scheme v0 is there too, and is no signature.
    downgraded = vector["header"].replace("v1=", "v2=").replace("v0=", "v1=")
    found = parse_header(downgraded)
    assert found is not None and not is_signed(found, body, [vector["secret"]])


def test_every_flipped_bit_of_the_vector_is_seen(vector) -> None:
    header, secret = parse_header(vector["header"]), [vector["secret"]]
    assert header is not None
    body = bytearray(vector["payload"].encode())
    for position in range(len(body)):
        body[position] ^= 1 << position % 8
        assert not is_signed(header, bytes(body), secret)
        body[position] ^= 1 << position % 8
    assert is_signed(header, bytes(body), secret)
    signature = header.signatures[0]
    for position, digit in enumerate(signature):
        other = "0" if digit != "0" else "1"
        flipped = signature[:position] + other + signature[position + 1 :]
        assert not is_signed(header._replace(signatures=(flipped,)), bytes(body), secret)
    for moved in (-1, 1):
        assert not is_signed(header._replace(sent_s=header.sent_s + moved), bytes(body), secret)


def test_the_vector_is_stale_by_now(stripe, vector) -> None:
    body = vector["payload"].encode()
    credentials = {"webhook_secret": vector["secret"]}
    assert refusal(stripe, body, vector["header"], **credentials) == "stale"


@pytest.mark.parametrize(
    "header",
    [
        "",
        "t=1",
        "v1=00",
        "t=1;v1=00",
        "t=,v1=00",
        "t=01,v1=00",
        "t=1.0,v1=00",
        "t=1,t=2,v1=00",
        "t=-1,v1=00",
        "t=１,v1=00",
        "t=1,v1",
        "t=1,V1=00",
        "t=1," + ",".join(["v1=00"] * 17),
        "t=1,v1=" + "0" * 3_000,
    ],
)
def test_an_ill_formed_header_is_no_signature(stripe, header) -> None:
    body = stripe.event("payment_intent.succeeded", stripe.intent())
    assert parse_header(header) is None
    assert refusal(stripe, body, header) == "malformed"


def test_upper_case_and_cut_signatures_do_not_fit(stripe) -> None:
    body = stripe.event("payment_intent.succeeded", stripe.intent())
    sent, signature = stripe.header(body).split(",v1=")
    for spoiled in (signature.upper(), signature[:-1], signature + "0", signature[:32] * 2):
        if spoiled != signature:
            assert refusal(stripe, body, f"{sent},v1={spoiled}") == "bad_signature"


def test_any_of_several_signatures_may_fit(stripe) -> None:
    body = stripe.event("payment_intent.succeeded", stripe.intent())
    sent, good = stripe.header(body).split(",v1=")
    wrong = stripe.sign(body, secret=OTHER_SECRET)
    for header in (f"{sent},v1={wrong},v1={good}", f"v0={wrong}, v1={good}, {sent}"):
        assert isinstance(receive(stripe, body, header), VerifiedCallback)
    assert refusal(stripe, body, f"{sent},v1={wrong},v0={good}") == "bad_signature"


def test_two_secrets_while_one_is_being_changed(stripe) -> None:
    body = stripe.event("payment_intent.succeeded", stripe.intent())
    old = stripe.header(body, secret=OTHER_SECRET)
    assert refusal(stripe, body, old) == "bad_signature"
    both = {"webhook_secret_previous": OTHER_SECRET}
    assert isinstance(receive(stripe, body, old, **both), VerifiedCallback)
    assert isinstance(receive(stripe, body, **both), VerifiedCallback)
    assert refusal(stripe, body, old, webhook_secret_previous="") == "bad_signature"


@pytest.mark.parametrize(("seconds", "fresh"), [(0, 1), (300, 1), (-300, 1), (301, 0), (-301, 0)])
def test_the_time_of_sending_is_bounded_on_both_sides(stripe, seconds, fresh) -> None:
    body = stripe.event("payment_intent.succeeded", stripe.intent())
    header = stripe.header(body, at=NOW + timedelta(seconds=seconds))
    if fresh:
        assert isinstance(receive(stripe, body, header), VerifiedCallback)
    else:
        assert refusal(stripe, body, header) == "stale"
    parsed = parse_header(header)
    assert parsed is not None and is_fresh(parsed, int(NOW.timestamp())) is bool(fresh)


def test_a_stale_forgery_is_a_forgery(stripe) -> None:
    body = stripe.event("payment_intent.succeeded", stripe.intent())
    header = stripe.header(body, secret=OTHER_SECRET, at=NOW - timedelta(days=1))
    assert refusal(stripe, body, header) == "bad_signature"


@given(position=st.integers(0, 10**6), bit=st.integers(0, 7))
def test_one_flipped_bit_is_refused(stripe, position, bit) -> None:
    body = bytearray(stripe.event("payment_intent.succeeded", stripe.intent()))
    header = stripe.header(bytes(body))
    body[position % len(body)] ^= 1 << bit
    assert refusal(stripe, bytes(body), header) == "bad_signature"


@given(st.binary(max_size=200), st.text(max_size=80))
def test_no_stranger_makes_the_codec_fail(stripe, body, header) -> None:
    assert refusal(stripe, body, header or "x") in ("malformed", "bad_signature")


def test_only_post_is_heard(stripe) -> None:
    request = stripe.callback(
        stripe.event("payment_intent.succeeded", stripe.intent()), None, "GET"
    )
    with pytest.raises(CallbackRefused, match="malformed"):
        CODEC.read_callback(stripe.account(), request, NOW)


# --- what events say ------------------------------------------------------------------------------

DECLINED = {"code": "card_declined", "decline_code": "insufficient_funds"}
OURS: list[tuple[str, str, dict[str, Any], Any]] = [
    (
        "payment_intent.succeeded",
        "succeeded",
        {},
        Paid(INTENT_NO, 1234, "EUR", paid_at=datetime(2026, 11, 22, 14, 30, 3, tzinfo=UTC)),
    ),
    (
        "payment_intent.amount_capturable_updated",
        "requires_capture",
        {"capture_method": "manual"},
        Authorized(INTENT_NO, 1234, "EUR"),
    ),
    ("payment_intent.canceled", "canceled", {}, Closed(INTENT_NO)),
    (
        "payment_intent.payment_failed",
        "requires_payment_method",
        {"last_payment_error": DECLINED},
        "payer_funds_short",
    ),
]


@pytest.mark.parametrize(("kind", "status", "changes", "expected"), OURS)
def test_what_an_event_of_an_intent_says(stripe, kind, status, changes, expected) -> None:
    verified = receive(stripe, stripe.event(kind, stripe.intent(status, **changes)))
    assert verified.attempt_no == ORDER_NO and verified.refund_no is None
    if isinstance(expected, str):
        assert verified.outcome.code == expected
    else:
        assert verified.outcome == expected
    assert verified.dedupe_key == f"{INTENT_NO}|{status}|1234"
    again = stripe.event(kind, stripe.intent(status, **changes), id="evt_2")
    assert receive(stripe, again).dedupe_key == verified.dedupe_key


def test_another_amount_is_another_effect(stripe) -> None:
    right = receive(stripe, stripe.event("payment_intent.succeeded", stripe.intent()))
    shown = stripe.intent(amount=1235, amount_received=1235)
    wrong = receive(stripe, stripe.event("payment_intent.succeeded", shown))
    assert wrong.outcome.amount == 1235 and wrong.dedupe_key != right.dedupe_key


def test_a_captured_hold_is_booked_by_its_capture(stripe) -> None:
    for received in (1000, 1234):
        shown = stripe.intent(capture_method="manual", amount_received=received)
        verified = receive(stripe, stripe.event("payment_intent.succeeded", shown))
        assert (verified.outcome, verified.attempt_no) == (None, ORDER_NO)


@pytest.mark.parametrize("kind", ["payment_intent.succeeded", "payment_intent.canceled"])
def test_an_event_that_contradicts_itself_is_not_taken(stripe, kind) -> None:
    assert refusal(stripe, stripe.event(kind, stripe.intent("processing"))) == "malformed"


@pytest.mark.parametrize("kind", ["refund.created", "refund.updated", "charge.refund.updated"])
def test_what_an_event_of_a_refund_says(stripe, kind) -> None:
    verified = receive(stripe, stripe.event(kind, stripe.refund_object()))
    moment = datetime(2026, 11, 22, 14, 31, 40, tzinfo=UTC)
    assert verified.outcome == Refunded(REFUND_NO, moment)
    assert (verified.attempt_no, verified.refund_no) == (ORDER_NO, REFUND_NO)
    pending = receive(stripe, stripe.event(kind, stripe.refund_object("pending")))
    assert pending.outcome is None
    failed = stripe.refund_object("failed", failure_reason="insufficient_funds")
    told = receive(stripe, stripe.event(kind, failed))
    assert told.outcome.code == "channel_balance_short"
    assert told.dedupe_key != verified.dedupe_key


@pytest.mark.parametrize(
    ("kind", "shown"),
    [
        ("charge.refunded", {"object": "charge", "id": "ch_1"}),
        ("charge.dispute.created", {"object": "dispute", "id": "du_1"}),
        ("payment_intent.requires_action", {"object": "payment_intent"}),
        ("payment_intent.created", {}),
        ("customer.created", {"object": "customer"}),
        ("something.new", []),
    ],
)
def test_everything_else_is_acknowledged(stripe, kind, shown) -> None:
    verified = receive(stripe, stripe.event(kind, shown))
    assert (verified.outcome, verified.attempt_no, verified.refund_no) == (None, None, None)
    assert verified.dedupe_key == "event|evt_1"


def test_objects_of_other_programs_are_acknowledged(stripe) -> None:
    for metadata in ({}, {"attempt_no": ""}, {"attempt_no": "a b"}, {"order": "1"}):
        shown = stripe.intent(metadata=metadata)
        assert receive(stripe, stripe.event("payment_intent.succeeded", shown)).outcome is None
    shown = stripe.refund_object(metadata={"refund_no": REFUND_NO})
    assert receive(stripe, stripe.event("refund.updated", shown)).outcome is None


def test_play_money_never_counts_as_real(stripe) -> None:
    body = stripe.event("payment_intent.succeeded", stripe.intent(), livemode=True)
    assert refusal(stripe, body) == "wrong_application"
    live = {"secret_key": "sk_live_abcdefgh"}
    assert isinstance(receive(stripe, body, **live), VerifiedCallback)
    test = stripe.event("payment_intent.succeeded", stripe.intent())
    assert refusal(stripe, test, **live) == "wrong_application"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[]",
        b"\xff",
        b'{"id":"evt_1","object":"event","type":"x","livemode":false}',
        b'{"id":"evt 1","object":"event","type":"x","livemode":false,"data":{"object":{}}}',
        b'{"id":"evt_1","object":"account","type":"x","livemode":false,"data":{"object":{}}}',
    ],
)
def test_a_signed_text_that_is_no_event(stripe, body) -> None:
    assert refusal(stripe, body) == "malformed"


def test_the_reply_is_a_status(stripe) -> None:
    assert CODEC.callback_reply(True).status == 200
    assert CODEC.callback_reply(False).status == 400
