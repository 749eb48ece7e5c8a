"""The balance codec: what a wallet service signed and listed is definite, all else unknown."""

import json
from datetime import UTC, datetime

import pytest

from gateway.channels.authorization import Captured
from gateway.channels.balance import BalanceCodec, codes
from gateway.channels.codec import (
    Authorized,
    CallbackRefused,
    Closed,
    NotFound,
    Paid,
    Refunded,
    Refused,
    Unknown,
)
from gateway.channels.meanings import MEANINGS
from gateway.channels.wire import CallbackRequest
from gateway.domain.errors import TillgateError
from tests.channels.balance.conftest import (
    ATTEMPT,
    NOW,
    account,
    answer,
    capture,
    debit,
    order,
    refund,
)

CODEC = BalanceCodec()
AT = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def refusal(operation: str, number: str, code: str, status: int = 422):
    return answer({"operation": operation, "number": number, "code": code}, status)


def test_requests_go_where_they_must() -> None:
    sent = CODEC.build_pay(account(), order(capture_method="manual"), NOW)
    assert (sent.method, sent.url.removeprefix("https://wallets.example.com/api")) == (
        "POST",
        "/v1/debits",
    )
    assert json.loads(sent.body) == {
        "number": ATTEMPT,
        "wallet_id": "w1",
        "amount": 1_234,
        "currency": "CNY",
        "subject": "一杯茶",
        "hold": True,
    }
    told = [
        (CODEC.build_query(account(), order(), NOW), "GET", f"/v1/debits/{ATTEMPT}"),
        (CODEC.build_close(account(), order(), NOW), "POST", f"/v1/debits/{ATTEMPT}/close"),
        (CODEC.build_cancel(account(), order(), NOW), "POST", f"/v1/debits/{ATTEMPT}/reverse"),
        (CODEC.build_void(account(), order(), NOW), "POST", f"/v1/debits/{ATTEMPT}/void"),
        (CODEC.build_capture(account(), capture(), NOW), "POST", f"/v1/debits/{ATTEMPT}/captures"),
        (CODEC.build_capture_query(account(), capture(), NOW), "GET", "/v1/captures/c1"),
        (CODEC.build_refund(account(), refund(), NOW), "POST", "/v1/credits"),
        (CODEC.build_refund_query(account(), refund(), NOW), "GET", "/v1/credits/r1"),
    ]
    for sent, method, path in told:
        assert (sent.method, sent.url) == (method, "https://wallets.example.com/api" + path)
        assert account().credentials["service_key"] not in repr(sent)


@pytest.mark.parametrize(
    ("changes", "outcome"),
    [
        ({}, Paid("wtx1", 1_234, "CNY", AT)),
        ({"captured": 1_000}, Paid("wtx1", 1_000, "CNY", AT)),
        ({"at": None}, Paid("wtx1", 1_234, "CNY", None)),
        ({"at": "yesterday"}, Paid("wtx1", 1_234, "CNY", None)),
        ({"status": "held", "captured": 0}, Authorized("wtx1", 1_234, "CNY", None)),
        (
            {"status": "held", "captured": 0, "until": "2026-11-22T20:00:00+08:00"},
            Authorized("wtx1", 1_234, "CNY", AT),
        ),
        ({"status": "closed"}, Closed("wtx1")),
        ({"status": "reversed"}, Closed("wtx1")),
        ({"status": "paid"}, None),
        ({"status": ...}, None),
        ({"captured": 0}, None),
        ({"captured": ...}, None),
        ({"amount": "1234"}, None),
        ({"amount": -1}, None),
        ({"amount": True}, None),
        ({"currency": ""}, None),
        ({"reference": ...}, None),
    ],
)
def test_the_states_of_a_debit(changes: dict, outcome) -> None:
    response = answer(debit(**changes))
    for read in (CODEC.read_query, CODEC.read_close, CODEC.read_cancel, CODEC.read_void):
        said = read(account(), order(), response)
        assert said == outcome if outcome is not None else isinstance(said, Unknown), read
    said = CODEC.read_pay(account(), order(), response)
    is_whole = isinstance(outcome, Paid | Authorized) and outcome.amount == order().amount
    if not is_whole:
        assert isinstance(said, Unknown), "closed before, or another amount than was asked for"
    else:
        assert said == outcome


@pytest.mark.parametrize("code", codes.DEBIT)
def test_listed_refusals_of_debits(code: str) -> None:
    said = CODEC.read_pay(account(), order(), refusal("debit", ATTEMPT, code))
    assert isinstance(said, Refused)
    assert (said.code, said.channel_code) == (codes.DEBIT[code], code)
    assert said.code in MEANINGS


@pytest.mark.parametrize("code", ["number_conflict", "busy", "not_found", "malformed", "new_word"])
def test_other_codes_of_debits_are_unknown(code: str) -> None:
    assert isinstance(CODEC.read_pay(account(), order(), refusal("debit", ATTEMPT, code)), Unknown)


def test_only_not_found_is_not_found() -> None:
    missing = refusal("debit", ATTEMPT, "not_found", 404)
    for read in (CODEC.read_query, CODEC.read_close, CODEC.read_cancel, CODEC.read_void):
        assert read(account(), order(), missing) == NotFound()
        busy = read(account(), order(), refusal("debit", ATTEMPT, "busy", 503))
        assert isinstance(busy, Unknown)
        short = read(account(), order(), refusal("debit", ATTEMPT, "funds_short"))
        assert isinstance(short, Unknown), "a question is never refused"


def test_credits() -> None:
    done = {
        "operation": "credit",
        "number": "r1",
        "debit": ATTEMPT,
        "reference": "wtx2",
        "amount": 1_000,
        "status": "done",
        "at": "2026-11-22T12:00:00+00:00",
    }
    for read in (CODEC.read_refund, CODEC.read_refund_query):
        assert read(account(), refund(), answer(done)) == Refunded("r1", AT)
        for change in ({"amount": 999}, {"debit": "other"}, {"number": "r2"}, {"amount": True}):
            assert isinstance(read(account(), refund(), answer(done | change)), Unknown)
    over = refusal("credit", "r1", "credit_exceeds")
    said = CODEC.read_refund(account(), refund(), over)
    assert isinstance(said, Refused) and said.code == "refund_amount_refused"
    assert isinstance(CODEC.read_refund_query(account(), refund(), over), Unknown)
    missing = refusal("credit", "r1", "not_found", 404)
    assert CODEC.read_refund_query(account(), refund(), missing) == NotFound()
    assert isinstance(CODEC.read_refund(account(), refund(), missing), Unknown)


def test_captures() -> None:
    done = {
        "operation": "capture",
        "number": "c1",
        "debit": ATTEMPT,
        "reference": "wtx2",
        "amount": 1_000,
        "status": "done",
        "at": "2026-11-22T12:00:00+00:00",
    }
    for read in (CODEC.read_capture, CODEC.read_capture_query):
        assert read(account(), capture(), answer(done)) == Captured("c1", 1_000, "wtx2", AT)
        assert isinstance(read(account(), capture(), answer(done | {"amount": 1})), Unknown)
    over = refusal("capture", "c1", "capture_exceeds")
    assert isinstance(CODEC.read_capture(account(), capture(), over), Refused)
    assert isinstance(CODEC.read_capture_query(account(), capture(), over), Unknown)
    missing = refusal("capture", "c1", "not_found", 404)
    assert CODEC.read_capture_query(account(), capture(), missing) == NotFound()


@pytest.mark.parametrize(
    ("credentials", "code"),
    [
        ({"client_id": ""}, "missing_field"),
        ({"service_key": ""}, "missing_field"),
        ({"service_url": ""}, "missing_field"),
        ({"client_id": "a b"}, "invalid_field"),
        ({"service_key": "AAAA"}, "invalid_field"),
        ({"service_url": "http://wallets.example.com"}, "url_not_allowed"),
        ({"service_url": "https://wallets.example.com/"}, "url_not_allowed"),
        ({"service_url": "https://u@wallets.example.com"}, "url_not_allowed"),
        ({"service_url": "https://[w"}, "url_not_allowed"),
    ],
)
def test_a_registration_that_could_never_work(credentials: dict, code: str) -> None:
    CODEC.check_account(account())
    with pytest.raises(TillgateError) as refused:
        CODEC.check_account(account(**credentials))
    assert refused.value.code == code


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"method": "card"}, "unsupported_method"),
        ({"currency": "XXX"}, "unsupported_currency"),
        ({"amount": 0}, "amount_below_minimum"),
        ({"amount": 10**12}, "limit_exceeded"),
        ({"subject": "a\x00b"}, "invalid_field"),
        ({"method_options": {}}, "missing_field"),
        ({"method_options": {"wallet_id": "../w"}}, "missing_field"),
    ],
)
def test_orders_that_no_wallet_pays(changes: dict, code: str) -> None:
    CODEC.check_order(order())
    with pytest.raises(TillgateError) as refused:
        CODEC.check_order(order(**changes))
    assert refused.value.code == code


def test_nobody_calls() -> None:
    with pytest.raises(CallbackRefused):
        CODEC.read_callback(account(), CallbackRequest("POST", "/", {}, b"{}"), NOW)
    assert CODEC.callback_reply(True).status == 404
