"""The codec: requests complete to the byte, and what each answer is taken for."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.channels.authorization import Authorizing, Captured, CapturePending
from gateway.channels.card import CardCodec, refusals
from gateway.channels.codec import (
    Authorized,
    Closed,
    HandedOut,
    NotFound,
    Paid,
    Refunded,
    RefundPending,
    Refused,
    Unknown,
    Waiting,
)
from gateway.channels.meanings import MEANINGS
from gateway.channels.wire import HttpRequest
from gateway.domain.errors import TillgateError

pytestmark = pytest.mark.fast

CODEC: Any = CardCodec()
ORDER_NO = "01kb8mz3q8f7wv9t2n4x6c0r5a"
REFUND_NO = "01kb8n0000f7wv9t2n4x6c0rfd"
CAPTURE_NO = "01kb8n1111f7wv9t2n4x6c0cap"
INTENT_NO = "pi_3MtwBwLkdIwHu7ix28a3tqPa"
CREATED = datetime(2026, 11, 22, 14, 30, 0, tzinfo=UTC)
NOW = CREATED + timedelta(seconds=5)
OPERATIONS = (
    "pay",
    "query",
    "close",
    "cancel",
    "void",
    "refund",
    "refund_query",
    "capture",
    "capture_query",
)
DEFINITE = (
    HandedOut,
    Waiting,
    Paid,
    Authorized,
    Closed,
    NotFound,
    Refused,
    Refunded,
    RefundPending,
    Captured,
    CapturePending,
)


def subject_of(stripe: Any, operation: str, **changes: Any) -> Any:
    if operation.startswith("refund"):
        return stripe.refund(**changes)
    if operation.startswith("capture"):
        return stripe.capture(**changes)
    return stripe.order(**({"channel_order_no": INTENT_NO} | changes))


def build(stripe: Any, operation: str, subject: Any = None, **credentials: str) -> HttpRequest:
    subject = subject or subject_of(stripe, operation)
    builder = getattr(CODEC, f"build_{operation}")
    return builder(stripe.account(**credentials), subject, NOW)


def read(stripe: Any, operation: str, response: Any, subject: Any = None, **more: str) -> Any:
    subject = subject or subject_of(stripe, operation)
    return getattr(CODEC, f"read_{operation}")(stripe.account(**more), subject, response)


def form(request: HttpRequest) -> dict[str, str]:
    pairs = parse_qsl(request.body.decode(), keep_blank_values=True, strict_parsing=True)
    assert len(pairs) == len(dict(pairs))
    return dict(pairs)


def key_of(request: HttpRequest) -> str | None:
    return dict(request.headers).get("Idempotency-Key")


# --- what is asked -------------------------------------------------------------------------------


def test_the_codec_is_one_of_holds() -> None:
    codec: Authorizing = CardCodec()
    assert codec.authorizing == CODEC.methods == CODEC.single_shot == {"card"}
    assert not CODEC.reversible


def test_a_create_is_confirmed_at_once_under_our_number(stripe) -> None:
    request = build(stripe, "pay", stripe.order())
    assert (request.method, request.url) == ("POST", "https://api.stripe.com/v1/payment_intents")
    assert form(request) == {
        "amount": "1234",
        "currency": "eur",
        "payment_method": "pm_card_visa",
        "confirm": "true",
        "capture_method": "automatic",
        "metadata[attempt_no]": ORDER_NO,
        "allowed_payment_method_types[]": "card",
        "description": "Ein Buch & mehr",
        "expand[]": "latest_charge",
        "return_url": "https://shop.example/back",
    }
    assert key_of(request) == f"till-pay-{ORDER_NO}"


@pytest.mark.parametrize(
    ("version", "name"),
    [
        ("2024-06-20", "payment_method_types[]"),
        ("2026-06-24.dahlia", "payment_method_types[]"),
        ("2026-07-29.dahlia", "allowed_payment_method_types[]"),
        ("2026-10-28.endive", "allowed_payment_method_types[]"),
    ],
)
def test_a_create_is_for_cards_only_in_the_words_of_its_version(stripe, version, name) -> None:
    fields = form(build(stripe, "pay", stripe.order(), api_version=version))
    assert {field for field in fields if "types" in field} == {name}


def test_without_a_way_back_nobody_is_asked_for_anything(stripe) -> None:
    fields = form(build(stripe, "pay", stripe.order(return_url=None)))
    assert fields["error_on_requires_action"] == "true" and "return_url" not in fields


def test_a_plain_server_is_asked_plainly(stripe) -> None:
    order = stripe.order(return_url=None, capture_method="manual")
    assert form(build(stripe, "pay", order, parameters="plain")) == {
        "amount": "1234",
        "currency": "eur",
        "payment_method": "pm_card_visa",
        "confirm": "true",
        "capture_method": "manual",
        "metadata[attempt_no]": ORDER_NO,
    }
    assert form(build(stripe, "capture", parameters="plain")) == {"amount_to_capture": "1000"}
    listing = build(stripe, "query", stripe.order(), parameters="plain")
    assert urlsplit(listing.url).query == "limit=100"


def test_an_amount_is_sent_as_it_is(stripe) -> None:
    for currency, amount in (("JPY", 500), ("KWD", 1230), ("USD", 1)):
        order = stripe.order(currency=currency, amount=amount)
        CODEC.check_order(order)
        fields = form(build(stripe, "pay", order))
        assert (fields["amount"], fields["currency"]) == (str(amount), currency.lower())


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"method": "card_present"}, "unsupported_method"),
        ({"currency": "ISK"}, "unsupported_currency"),
        ({"currency": "eur"}, "unsupported_currency"),
        ({"amount": 0}, "invalid_amount"),
        ({"amount": 10**12}, "invalid_amount"),
        ({"currency": "KWD", "amount": 1234}, "invalid_amount"),
        ({"capture_method": "later"}, "invalid_field"),
        ({"subject": ""}, "invalid_field"),
        ({"subject": "\ud800"}, "invalid_field"),
        ({"return_url": "https://h/\ud800"}, "invalid_field"),
        ({"attempt_no": "no/slash"}, "internal_error"),
    ],
)
def test_what_stripe_would_never_take_is_refused(stripe, changes, code) -> None:
    with pytest.raises(TillgateError) as refused:
        CODEC.check_order(stripe.order(**changes))
    assert refused.value.code == code


def test_every_request_depends_on_its_arguments_alone(stripe) -> None:
    for operation in OPERATIONS:
        assert build(stripe, operation) == build(stripe, operation)
    assert build(stripe, "pay", stripe.order()) == CODEC.build_pay(
        stripe.account(), stripe.order(), NOW + timedelta(days=3)
    )


def test_a_known_intent_is_asked_by_its_id(stripe) -> None:
    url = f"https://api.stripe.com/v1/payment_intents/{INTENT_NO}"
    assert build(stripe, "query").url == url + "?expand%5B%5D=latest_charge"
    assert build(stripe, "capture_query").url == url
    for operation in ("close", "cancel", "void"):
        request = build(stripe, operation)
        assert (request.method, request.url, request.body) == ("POST", url + "/cancel", b"")
        assert key_of(request) is None
    capture = build(stripe, "capture")
    assert capture.url == url + "/capture"
    assert form(capture) == {"amount_to_capture": "1000", "metadata[capture_no]": CAPTURE_NO}
    assert key_of(capture) == f"till-capture-{CAPTURE_NO}"
    kept = build(stripe, "capture", stripe.capture(final=False))
    assert form(kept)["final_capture"] == "false"


def test_an_unknown_intent_is_looked_for_from_before_the_attempt_on(stripe) -> None:
    request = build(stripe, "query", stripe.order())
    assert request.method == "GET"
    assert dict(parse_qsl(urlsplit(request.url).query)) == {
        "limit": "100",
        "created[gte]": str(int(CREATED.timestamp()) - 300),
    }


def test_an_unknown_intent_is_closed_by_using_up_its_number(stripe) -> None:
    pay, fence = build(stripe, "pay", stripe.order()), build(stripe, "close", stripe.order())
    assert fence.url == pay.url
    assert key_of(fence) == key_of(pay)
    assert form(fence) == {
        "amount": "1234",
        "currency": "eur",
        "metadata[attempt_no]": ORDER_NO,
        "metadata[closed]": "true",
    }


@pytest.mark.parametrize(("hours", "credentials"), [(24, {}), (0, {"parameters": "plain"})])
def test_where_keys_are_not_kept_it_is_looked_for(stripe, hours, credentials) -> None:
    now = CREATED + timedelta(hours=hours)
    request = CODEC.build_close(stripe.account(**credentials), stripe.order(), now)
    assert request.method == "GET"


def test_a_refund_carries_its_number(stripe) -> None:
    request = build(stripe, "refund")
    assert request.url == "https://api.stripe.com/v1/refunds"
    assert form(request) == {
        "payment_intent": INTENT_NO,
        "amount": "1000",
        "metadata[refund_no]": REFUND_NO,
        "metadata[attempt_no]": ORDER_NO,
        "metadata[reason]": "broken",
    }
    assert key_of(request) == f"till-refund-{REFUND_NO}"
    for reason in (None, "4242424242424242", "\ud800"):
        without = form(build(stripe, "refund", stripe.refund(reason=reason)))
        assert "metadata[reason]" not in without
    query = build(stripe, "refund_query")
    assert query.url == f"https://api.stripe.com/v1/refunds?payment_intent={INTENT_NO}&limit=100"
    wrong: list[dict[str, Any]] = [
        {"channel_order_no": None},
        {"amount": 0},
        {"currency": "ISK"},
        {"currency": "KWD", "amount": 1},
    ]
    for changes in wrong:
        with pytest.raises(TillgateError):
            build(stripe, "refund", stripe.refund(**changes))


# --- what a state means ---------------------------------------------------------------------------

PAID = Paid(channel_order_no=INTENT_NO, amount=1234, currency="EUR")
HELD = Authorized(channel_order_no=INTENT_NO, amount=1234, currency="EUR")
DECLINED = {"code": "card_declined", "decline_code": "insufficient_funds"}
STATES: list[tuple[str, dict[str, Any], Any]] = [
    ("succeeded", {}, PAID),
    ("succeeded", {"capture_method": "manual"}, PAID),
    ("succeeded", {"amount_received": None}, PAID),
    ("succeeded", {"amount_received": None, "capture_method": "manual"}, Unknown),
    ("succeeded", {"amount_received": 1000, "capture_method": "manual"}, Unknown),
    ("succeeded", {"amount_received": 1235}, Unknown),
    ("succeeded", {"amount_received": 0}, Unknown),
    ("requires_capture", {}, HELD),
    ("requires_capture", {"amount_capturable": 0}, Unknown),
    ("processing", {}, Waiting(channel_order_no=INTENT_NO)),
    ("requires_payment_method", {"last_payment_error": DECLINED}, "payer_funds_short"),
    ("requires_payment_method", {"last_payment_error": {"code": "news"}}, "card_declined"),
    ("requires_payment_method", {}, Unknown),
    ("canceled", {"amount_received": 1}, Unknown),
    ("requires_confirmation", {}, Unknown),
    ("settled", {}, Unknown),
]


def fits(outcome: Any, expected: Any) -> bool:
    if isinstance(expected, str):
        return isinstance(outcome, Refused) and outcome.code == expected
    return isinstance(outcome, expected) if isinstance(expected, type) else outcome == expected


@pytest.mark.parametrize(("status", "changes", "expected"), STATES)
@pytest.mark.parametrize("operation", ["pay", "query"])
def test_each_state_has_one_meaning(stripe, operation, status, changes, expected) -> None:
    outcome = read(stripe, operation, stripe.answer(stripe.intent(status, **changes)))
    assert fits(outcome, expected), outcome


@pytest.mark.parametrize(("status", "changes", "expected"), STATES)
@pytest.mark.parametrize("operation", ["close", "cancel", "void"])
def test_closing_sees_the_same_states(stripe, operation, status, changes, expected) -> None:
    outcome = read(stripe, operation, stripe.answer(stripe.intent(status, **changes)))
    assert fits(outcome, Unknown if isinstance(expected, Waiting) else expected), outcome


def test_a_canceled_intent(stripe) -> None:
    answer = stripe.answer(stripe.intent("canceled"))
    for operation in ("query", "close", "cancel", "void"):
        assert read(stripe, operation, answer) == Closed(channel_order_no=INTENT_NO)
    assert isinstance(read(stripe, "pay", answer), Unknown)


def test_the_charge_tells_the_moments(stripe) -> None:
    card = {"capture_before": 1795962600}
    charge = {"id": "ch_1", "created": 1795357802, "payment_method_details": {"card": card}}
    paid = read(stripe, "pay", stripe.answer(stripe.intent(latest_charge=charge)))
    assert paid.paid_at == datetime(2026, 11, 22, 14, 30, 2, tzinfo=UTC)
    held = read(
        stripe, "pay", stripe.answer(stripe.intent("requires_capture", latest_charge=charge))
    )
    assert held.capture_before == datetime(2026, 11, 29, 14, 30, tzinfo=UTC)


def test_a_payer_who_must_be_authenticated_is_handed_out(stripe) -> None:
    url = "https://hooks.stripe.com/redirect/authenticate/src_1?client_secret=x"
    action = {"type": "redirect_to_url", "redirect_to_url": {"url": url, "return_url": "x"}}
    answer = stripe.answer(stripe.intent("requires_action", next_action=action))
    assert read(stripe, "pay", answer) == HandedOut(
        next_action={"type": "redirect", "url": url}, channel_order_no=INTENT_NO
    )
    assert read(stripe, "query", answer) == Waiting(channel_order_no=INTENT_NO)


@pytest.mark.parametrize(
    "action",
    [
        None,
        {"type": "use_stripe_sdk", "use_stripe_sdk": {"type": "three_d_secure_redirect"}},
        {"type": "redirect_to_url", "redirect_to_url": None},
        {"type": "redirect_to_url", "redirect_to_url": {"url": "javascript:alert(1)"}},
        {"type": "redirect_to_url", "redirect_to_url": {"url": "https://a b"}},
    ],
)
def test_where_there_is_nowhere_to_go_one_waits(stripe, action) -> None:
    answer = stripe.answer(stripe.intent("requires_action", next_action=action))
    assert read(stripe, "pay", answer) == Waiting(channel_order_no=INTENT_NO)


@pytest.mark.parametrize(
    "changes",
    [
        {"metadata": {}},
        {"metadata": {"attempt_no": "another"}},
        {"amount": 1235, "amount_received": 1235},
        {"currency": "usd"},
    ],
)
def test_the_answer_to_a_create_must_be_about_our_order(stripe, changes) -> None:
    for status in ("succeeded", "requires_capture", "requires_action", "canceled"):
        answer = stripe.answer(stripe.intent(status, **changes))
        assert isinstance(read(stripe, "pay", answer), Unknown)


def test_a_query_reports_what_was_paid_for_the_core_to_compare(stripe) -> None:
    answer = stripe.answer(stripe.intent(amount=1235, amount_received=1235, currency="usd"))
    assert read(stripe, "query", answer) == Paid(INTENT_NO, 1235, "USD")


@pytest.mark.parametrize("changes", [{"id": "pi_other"}, {"metadata": {"attempt_no": "other"}}])
@pytest.mark.parametrize("operation", ["query", "close", "void"])
def test_an_answer_about_another_intent_says_nothing(stripe, operation, changes) -> None:
    for status in ("succeeded", "canceled"):
        answer = stripe.answer(stripe.intent(status, **changes))
        assert isinstance(read(stripe, operation, answer), Unknown)


def test_a_hold_whose_capture_is_known_is_over(stripe) -> None:
    part = stripe.intent(amount_received=1000, capture_method="manual")
    order = subject_of(stripe, "query", capture_method="manual", amount_captured=1000)
    for operation in ("query", "void"):
        outcome = read(stripe, operation, stripe.answer(part), order)
        assert outcome == Closed(channel_order_no=INTENT_NO)
        other = subject_of(stripe, "query", capture_method="manual", amount_captured=900)
        assert isinstance(read(stripe, operation, stripe.answer(part), other), Unknown)


# --- an order without an id -----------------------------------------------------------------------


def look_for(stripe: Any, *found: dict[str, Any], has_more: bool = False) -> Any:
    answer = stripe.answer(stripe.page(*found, has_more=has_more))
    asked = read(stripe, "query", answer, stripe.order())
    closed = read(stripe, "close", answer, stripe.order())
    if not isinstance(asked, Waiting):
        assert type(closed) is type(asked)
    return asked


def test_the_list_finds_an_order_by_our_number(stripe) -> None:
    other = stripe.intent(id="pi_2", metadata={"attempt_no": "other"})
    foreign = stripe.intent(id="pi_3", metadata={})
    assert look_for(stripe, other, stripe.intent(), foreign, has_more=True) == PAID
    waiting = stripe.intent("requires_action")
    assert look_for(stripe, other, waiting) == Waiting(channel_order_no=INTENT_NO)


def test_only_a_whole_list_proves_absence(stripe) -> None:
    other = stripe.intent(id="pi_2", metadata={"attempt_no": "other"})
    assert look_for(stripe, other) == look_for(stripe) == NotFound()
    assert isinstance(look_for(stripe, other, has_more=True), Unknown)


def test_two_intents_under_one_number_are_not_guessed(stripe) -> None:
    assert isinstance(look_for(stripe, stripe.intent(), stripe.intent(id="pi_2")), Unknown)


def test_a_used_up_number_is_closed_unless_it_was_paid(stripe) -> None:
    marked = {"attempt_no": ORDER_NO, "closed": "true"}
    fence = stripe.intent("requires_payment_method", id="pi_9", metadata=marked)
    assert look_for(stripe, fence) == Closed(channel_order_no="pi_9")
    assert look_for(stripe, fence, stripe.intent()) == PAID
    assert isinstance(look_for(stripe, fence, has_more=True), Unknown)


def test_a_list_that_is_not_one_proves_nothing(stripe) -> None:
    for body in ({"object": "list", "data": []}, {"object": "list", "has_more": False}, [], {}):
        assert isinstance(read(stripe, "query", stripe.answer(body), stripe.order()), Unknown)
    broken = stripe.page(stripe.intent(), {"object": "payment_intent"})
    assert isinstance(read(stripe, "query", stripe.answer(broken), stripe.order()), Unknown)
    assert isinstance(
        read(stripe, "query", stripe.answer(stripe.intent()), stripe.order()), Unknown
    )


def test_the_fence_closes_what_never_arrived(stripe) -> None:
    marked = {"attempt_no": ORDER_NO, "closed": "true"}
    fence = stripe.intent("requires_payment_method", id="pi_9", metadata=marked)
    order = stripe.order()
    closed = read(stripe, "close", stripe.answer(fence), order)
    assert closed == Closed(channel_order_no="pi_9")
    spoiled: list[dict[str, Any]] = [
        {"status": "succeeded"},
        {"latest_charge": "ch_1"},
        {"amount": 1},
        {"currency": "usd"},
        {"metadata": {"attempt_no": ORDER_NO}},
        {"metadata": {"attempt_no": "other", "closed": "true"}},
    ]
    for changes in spoiled:
        answer = stripe.answer(fence | changes)
        assert isinstance(read(stripe, "close", answer, order), Unknown), changes
    used = stripe.error(400, type="idempotency_error")
    assert isinstance(read(stripe, "close", used, order), Unknown)


# --- refusals ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("code", "meaning"), sorted(refusals.FAILURES.items()))
def test_a_listed_failure_of_a_card_is_a_refusal(stripe, code, meaning) -> None:
    outcome = read(stripe, "pay", stripe.declined(code))
    assert (outcome.code, outcome.channel_code) == (meaning, code)
    assert meaning in MEANINGS


@pytest.mark.parametrize(("reason", "meaning"), sorted(refusals.DECLINES.items()))
def test_a_listed_reason_of_a_bank_says_more(stripe, reason, meaning) -> None:
    outcome = read(stripe, "pay", stripe.declined("card_declined", reason))
    assert (outcome.code, outcome.channel_code) == (meaning, reason)


def test_a_reason_that_says_too_much_is_a_plain_decline(stripe) -> None:
    for reason in ("stolen_card", "fraudulent", "lost_card", "brand_new_reason"):
        outcome = read(stripe, "pay", stripe.declined("card_declined", reason))
        assert (outcome.code, outcome.channel_code) == ("card_declined", reason)


def test_an_unlisted_failure_is_a_refusal_only_if_the_intent_proves_it(stripe) -> None:
    outcome = read(stripe, "pay", stripe.declined("brand_new_code"))
    assert (outcome.code, outcome.channel_code) == ("card_declined", "brand_new_code")
    for response in (
        stripe.error(402, type="card_error", code="brand_new_code"),
        stripe.declined("card_declined", payment_intent=stripe.intent("succeeded")),
        stripe.declined("card_declined", payment_intent=stripe.intent("processing")),
        stripe.declined("card_declined", payment_intent=stripe.intent(metadata={})),
        stripe.declined("brand_new_code", type="api_error"),
    ):
        assert isinstance(read(stripe, "pay", response), Unknown)


@pytest.mark.parametrize(("code", "meaning"), sorted(refusals.CREATE.items()))
def test_a_listed_fault_of_a_create_is_a_refusal(stripe, code, meaning) -> None:
    outcome = read(stripe, "pay", stripe.error(400, code=code))
    assert (outcome.code, outcome.channel_code) == (meaning, code)
    assert meaning in MEANINGS
    for status in (404, 409, 429, 500):
        assert isinstance(read(stripe, "pay", stripe.error(status, code=code)), Unknown)


def test_a_token_that_does_not_exist(stripe) -> None:
    for status in (400, 404):
        answer = stripe.error(status, code="resource_missing", param="payment_method")
        assert read(stripe, "pay", answer).code == "code_unusable"
        other = stripe.error(status, code="resource_missing", param="customer")
        assert isinstance(read(stripe, "pay", other), Unknown)


def test_a_key_that_is_not_taken(stripe) -> None:
    for operation in ("pay", "refund", "capture"):
        for status in (401, 403):
            assert read(stripe, operation, stripe.error(status)).code == "channel_misconfigured"
    for operation in ("query", "close", "refund_query", "capture_query"):
        assert isinstance(read(stripe, operation, stripe.error(401)), Unknown)


@pytest.mark.parametrize(
    ("operation", "table"), [("refund", refusals.REFUND), ("capture", refusals.CAPTURE)]
)
def test_listed_faults_of_refunds_and_captures(stripe, operation, table) -> None:
    for code, meaning in table.items():
        outcome = read(stripe, operation, stripe.error(400, code=code))
        assert (outcome.code, outcome.channel_code) == (meaning, code)
        assert meaning in MEANINGS


UNKNOWN = [
    (400, {"code": "brand_new"}),
    (400, {}),
    (400, {"type": "idempotency_error", "code": "parameter_missing"}),
    (400, {"code": "charge_already_refunded"}),
    (400, {"code": "charge_already_captured"}),
    (400, {"code": "payment_intent_unexpected_state"}),
    (401, {"type": "proxy_error"}),
    (404, {"code": "resource_missing", "param": "intent"}),
    (409, {"code": "lock_timeout"}),
    (409, {"type": "idempotency_error", "code": "idempotency_key_in_use"}),
    (429, {"code": "rate_limit"}),
    (500, {"type": "api_error"}),
    (503, {"type": "api_error", "code": "card_declined"}),
]


@pytest.mark.parametrize(("status", "error"), UNKNOWN)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_everything_else_is_unknown(stripe, operation, status, error) -> None:
    assert isinstance(read(stripe, operation, stripe.error(status, **error)), Unknown)


@pytest.mark.parametrize("status", [200, 201, 204, 301, 400, 402, 418, 502])
@pytest.mark.parametrize("body", [b"", b"{}", b"null", b"[]", b"<html>", b"\xff", b"[" * 9_999])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_what_cannot_be_read_is_unknown(stripe, operation, status, body) -> None:
    assert isinstance(read(stripe, operation, stripe.answer(body, status)), Unknown)


def test_one_wrong_type_makes_an_answer_unreadable(stripe) -> None:
    wrong: list[dict[str, Any]] = [
        {"amount": "1234"},
        {"amount": 1234.5},
        {"amount": True},
        {"amount_received": "1234"},
        {"currency": None},
        {"metadata": {"attempt_no": 1}},
        {"metadata": None},
        {"status": None},
        {"object": "charge"},
        {"id": 1},
    ]
    for changes in wrong:
        for operation in ("pay", "query", "close"):
            answer = stripe.answer(stripe.intent(**changes))
            assert isinstance(read(stripe, operation, answer), Unknown), changes


@given(position=st.integers(0, 10**6), bit=st.integers(0, 7))
def test_a_damaged_answer_never_pays_another_amount(stripe, position, bit) -> None:
    body = bytearray(json.dumps(stripe.intent()).encode())
    body[position % len(body)] ^= 1 << bit
    outcome = read(stripe, "pay", stripe.answer(bytes(body)))
    if isinstance(outcome, Paid):
        assert (outcome.amount, outcome.currency) == (1234, "EUR")


@given(st.binary(max_size=200), st.sampled_from(OPERATIONS), st.integers(100, 599))
def test_no_answer_makes_a_codec_fail(stripe, body, operation, status) -> None:
    outcome = read(stripe, operation, stripe.answer(body, status))
    assert isinstance(outcome, (Unknown, *DEFINITE))


# --- closing, captures, refunds -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("intent", "expected"),
    [
        ({"status": "canceled"}, Closed(channel_order_no=INTENT_NO)),
        ({"status": "succeeded"}, PAID),
        ({"status": "succeeded", "amount_received": 5}, Unknown),
        ({"status": "processing"}, Unknown),
        ({"status": "canceled", "id": "pi_other"}, Unknown),
    ],
)
def test_a_refused_cancel_shows_the_intent(stripe, intent, expected) -> None:
    shown = stripe.intent(**intent)
    answer = stripe.error(400, code="payment_intent_unexpected_state", payment_intent=shown)
    for operation in ("close", "cancel", "void"):
        assert fits(read(stripe, operation, answer), expected)


CAPTURED = {"amount_received": 1000, "metadata": {"attempt_no": ORDER_NO, "capture_no": CAPTURE_NO}}


def test_a_capture_under_our_number(stripe) -> None:
    answer = stripe.answer(stripe.intent(**CAPTURED))
    for operation in ("capture", "capture_query"):
        assert read(stripe, operation, answer) == Captured(capture_no=CAPTURE_NO, amount=1000)


@pytest.mark.parametrize(
    "changes",
    [
        {"amount_received": 1001},
        {"amount_received": None},
        {"currency": "usd"},
        {"id": "pi_other"},
        {"status": "settled"},
        {"metadata": {"attempt_no": ORDER_NO}},
        {"metadata": {"attempt_no": ORDER_NO, "capture_no": "another"}},
    ],
)
def test_a_capture_that_is_not_ours_says_nothing(stripe, changes) -> None:
    answer = stripe.answer(stripe.intent(**(CAPTURED | changes)))
    for operation in ("capture", "capture_query"):
        assert isinstance(read(stripe, operation, answer), Unknown)


def test_a_plain_server_says_less_about_a_capture(stripe) -> None:
    whole = stripe.capture(amount=1234)
    silent = stripe.answer(stripe.intent(amount_received=None))
    captured = read(stripe, "capture", silent, whole, parameters="plain")
    assert captured == Captured(capture_no=CAPTURE_NO, amount=1234)
    assert isinstance(read(stripe, "capture", silent, whole), Unknown)
    assert isinstance(read(stripe, "capture", silent, parameters="plain"), Unknown)


def test_what_a_capture_is_when_it_is_none(stripe) -> None:
    held, gone = stripe.intent("requires_capture"), stripe.intent("canceled")
    assert read(stripe, "capture_query", stripe.answer(held)) == NotFound()
    assert isinstance(read(stripe, "capture", stripe.answer(held)), Unknown)
    part = stripe.intent("requires_capture", amount_received=5)
    assert isinstance(read(stripe, "capture_query", stripe.answer(part)), Unknown)
    assert read(stripe, "capture_query", stripe.answer(gone)).code == "channel_refused"
    refused = stripe.error(400, code="payment_intent_unexpected_state", payment_intent=gone)
    assert read(stripe, "capture", refused).channel_code == "canceled"
    done = stripe.error(400, code="payment_intent_unexpected_state", payment_intent=stripe.intent())
    assert isinstance(read(stripe, "capture", done), Unknown)
    for operation in ("capture", "capture_query"):
        processing = stripe.answer(stripe.intent("processing"))
        assert read(stripe, operation, processing) == CapturePending()


REFUNDED = Refunded(REFUND_NO, datetime(2026, 11, 22, 14, 31, 40, tzinfo=UTC))
REFUND_STATES: list[tuple[str, dict[str, Any], Any]] = [
    ("succeeded", {}, REFUNDED),
    ("succeeded", {"payment_intent": None}, REFUNDED),
    ("pending", {}, RefundPending()),
    ("requires_action", {}, RefundPending()),
    ("failed", {}, "refund_not_allowed"),
    ("failed", {"failure_reason": "insufficient_funds"}, "channel_balance_short"),
    ("canceled", {}, "refund_not_allowed"),
    ("news", {}, Unknown),
    ("succeeded", {"amount": 999}, Unknown),
    ("succeeded", {"currency": "usd"}, Unknown),
    ("succeeded", {"payment_intent": "pi_other"}, Unknown),
]


@pytest.mark.parametrize(("status", "changes", "expected"), REFUND_STATES)
def test_each_state_of_a_refund_has_one_meaning(stripe, status, changes, expected) -> None:
    shown = stripe.refund_object(status, **changes)
    assert fits(read(stripe, "refund", stripe.answer(shown)), expected)
    found = stripe.answer(stripe.page(stripe.refund_object(metadata={}), shown, has_more=True))
    assert fits(read(stripe, "refund_query", found), expected)


def test_a_refund_is_absent_from_a_whole_list_only(stripe) -> None:
    other = stripe.refund_object(metadata={"refund_no": "other"})
    assert read(stripe, "refund_query", stripe.answer(stripe.page(other))) == NotFound()
    more = stripe.answer(stripe.page(other, has_more=True))
    assert isinstance(read(stripe, "refund_query", more), Unknown)
    twice = stripe.answer(stripe.page(stripe.refund_object(), stripe.refund_object(id="re_2")))
    assert isinstance(read(stripe, "refund_query", twice), Unknown)
    unnamed = stripe.answer(stripe.refund_object(metadata={}))
    assert isinstance(read(stripe, "refund", unnamed), Unknown)
