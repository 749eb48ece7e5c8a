"""The bank transfer codec: account and reference out, exact sums in, nobody asked in between."""

from datetime import UTC, datetime, timedelta

import pytest

from gateway.channels.bank_transfer import BankTransferCodec
from gateway.channels.bank_transfer.references import make_reference, make_virtual_account
from gateway.channels.codec import (
    CallbackRefused,
    Closed,
    HandedOut,
    Paid,
    RefundOrder,
    RefundPending,
    Unknown,
    Waiting,
)
from gateway.channels.wire import CallbackRequest, HttpRequest, HttpResponse
from gateway.domain.errors import TillgateError
from tests.channels.bank_transfer.conftest import ATTEMPT, NOW, account, camt, entry, order

CODEC = BankTransferCodec()
REFERENCE = make_reference("crockford", ATTEMPT)
REFUND = RefundOrder(ATTEMPT, REFERENCE, "r1", 100, 8_880, "CNY")
ASKED = {"statement_url": "https://bank.example.com/api", "statement_token": "secret-token"}


def answer(content: bytes, status: int = 200) -> HttpResponse:
    return HttpResponse(status=status, headers={}, body=content)


def test_the_payer_is_given_account_and_reference() -> None:
    said = CODEC.build_pay(account(), order(), NOW)
    assert said == HandedOut(
        next_action={
            "type": "bank_transfer",
            "account": "6222000012345678",
            "account_name": "Tea & Co",
            "bank": "Pretend Bank",
            "reference": REFERENCE,
        },
        channel_order_no=REFERENCE,
    )
    assert CODEC.build_pay(account(), order(), NOW + timedelta(days=3)) == said


def test_other_kinds_of_references() -> None:
    rf = CODEC.build_pay(account(reference_kind="rf"), order(), NOW)
    assert rf.channel_order_no == make_reference("rf", ATTEMPT)
    virtual = CODEC.build_pay(account(virtual_account_prefix="8812"), order(), NOW)
    number = make_virtual_account("8812", ATTEMPT)
    assert virtual.channel_order_no == number
    assert virtual.next_action["account"] == virtual.next_action["reference"] == number


def test_what_was_handed_out_stays_when_the_account_changes() -> None:
    said = CODEC.build_pay(account(reference_kind="rf"), order(channel_order_no=REFERENCE), NOW)
    assert said.channel_order_no == REFERENCE


@pytest.mark.parametrize("name", ["account", "account_name", "bank", "bank_code"])
def test_an_account_needs_its_facts(name: str) -> None:
    with pytest.raises(TillgateError) as refused:
        CODEC.check_account(account(**{name: ""}))
    assert (refused.value.code, refused.value.param) == ("missing_field", f"/credentials/{name}")


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("account", "62/22", "invalid_field"),
        ("bank_code", "pbnk", "invalid_field"),
        ("currency", "cny", "invalid_field"),
        ("reference_kind", "luck", "invalid_field"),
        ("virtual_account_prefix", "0123", "invalid_field"),
        ("statement_token", "two words", "invalid_field"),
        ("statement_url", "http://bank.example.com", "url_not_allowed"),
        ("statement_url", "https://u:p@bank.example.com", "url_not_allowed"),
        ("statement_url", "https://bank.example.com/?a=b", "url_not_allowed"),
        ("statement_url", "https://bank.example.com/", "url_not_allowed"),
        ("statement_url", "https://[bank", "url_not_allowed"),
    ],
)
def test_a_registration_that_could_never_work(name: str, value: str, code: str) -> None:
    CODEC.check_account(account(**ASKED))
    with pytest.raises(TillgateError) as refused:
        CODEC.check_account(account(**{name: value}))
    assert (refused.value.code, refused.value.param) == (code, f"/credentials/{name}")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"method": "card"}, "unsupported_method"),
        ({"currency": "XXX"}, "unsupported_currency"),
        ({"amount": 0}, "amount_below_minimum"),
        ({"amount": 10**12}, "limit_exceeded"),
    ],
)
def test_orders_that_no_bank_takes(changes: dict, code: str) -> None:
    CODEC.check_order(order())
    with pytest.raises(TillgateError) as refused:
        CODEC.check_order(order(**changes))
    assert refused.value.code == code


def test_a_bank_that_cannot_be_asked_lets_us_wait() -> None:
    assert CODEC.build_query(account(), order(channel_order_no=REFERENCE), NOW) == Waiting(
        channel_order_no=REFERENCE
    )
    assert isinstance(CODEC.build_query(account(statement_token="12345678"), order(), NOW), Waiting)


def test_a_bank_is_asked_for_the_days_of_the_order() -> None:
    asked = CODEC.build_query(account(**ASKED), order(), NOW + timedelta(days=2))
    assert asked == HttpRequest(
        method="GET",
        url="https://bank.example.com/api/accounts/6222000012345678/statement"
        "?from=2026-11-21&to=2026-11-25",
        headers=(("Accept", "application/xml"), ("Authorization", "Bearer secret-token")),
    )
    late = CODEC.build_query(account(**ASKED), order(), NOW + timedelta(days=90))
    assert isinstance(late, HttpRequest) and "from=2027-01-21&to=2027-02-21" in late.url


@pytest.mark.parametrize(
    ("sums", "outcome"),
    [
        (["88.80"], Paid),
        (["40.00", "48.80"], Paid),
        (["88.79"], Waiting),
        (["88.81"], Waiting),
        (["88.80", "88.80"], Waiting),
        ([], Waiting),
    ],
)
def test_only_exact_sums_are_paid(sums: list[str], outcome: type) -> None:
    entries = [entry(each, REFERENCE, reference=f"B{n}") for n, each in enumerate(sums)]
    total = sum(int(each.replace(".", "")) for each in sums)
    content = camt(
        *entries,
        entry("7.00", "another order", reference="X"),
        closing=f"{(total + 700) // 100}.{(total + 700) % 100:02d}",
    )
    said = CODEC.read_query(account(**ASKED), order(), answer(content))
    assert isinstance(said, outcome)
    if isinstance(said, Paid):
        assert said == Paid(REFERENCE, 8_880, "CNY", datetime(2026, 11, 21, tzinfo=UTC))


def test_debits_other_currencies_and_pending_entries_pay_nothing() -> None:
    waiting = entry("88.80", REFERENCE, status="<Sts><Cd>PDNG</Cd></Sts>")
    debit = entry("88.80", REFERENCE, way="DBIT", reference="B2")
    for content in (
        camt(waiting, closing="0.00"),
        camt(debit, opening="88.80", closing="0.00"),
        camt(entry("88.80", REFERENCE, currency="EUR"), kind="054"),
    ):
        said = CODEC.read_query(account(**ASKED), order(), answer(content))
        assert isinstance(said, Waiting)


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (camt(entry("88.80", REFERENCE), closing="88.80"), 500),
        (camt(entry("88.80", REFERENCE), closing="88.80"), 401),
        (camt(entry("88.80", REFERENCE), closing="88.81"), 200),
        (camt(entry("88.80", REFERENCE), closing="88.80", number="1"), 200),
        (b"", 200),
        (b"<html>busy</html>", 200),
    ],
)
def test_an_answer_that_is_no_whole_statement_is_unknown(content: bytes, status: int) -> None:
    said = CODEC.read_query(account(**ASKED), order(), answer(content, status))
    assert isinstance(said, Unknown) and "secret-token" not in said.reason


def test_nobody_is_asked_to_close_or_to_refund() -> None:
    assert CODEC.build_close(account(), order(), NOW) == Closed()
    assert CODEC.build_refund(account(), REFUND, NOW) == RefundPending()
    assert CODEC.build_refund_query(account(), REFUND, NOW) == RefundPending()
    anything = answer(b"{}")
    assert isinstance(CODEC.read_pay(account(), order(), anything), Unknown)
    assert isinstance(CODEC.read_close(account(), order(), anything), Unknown)
    assert isinstance(CODEC.read_cancel(account(), order(), anything), Unknown)
    assert isinstance(CODEC.read_refund(account(), REFUND, anything), Unknown)
    assert isinstance(CODEC.read_refund_query(account(), REFUND, anything), Unknown)


def test_nobody_calls() -> None:
    request = CallbackRequest("POST", "/callbacks/bank_transfer/cac_1", {}, b"paid")
    with pytest.raises(CallbackRefused, match="malformed"):
        CODEC.read_callback(account(), request, NOW)
    assert CODEC.callback_reply(False).status == 404


def test_secrets_are_not_shown() -> None:
    assert "secret-token" not in repr(account(**ASKED))
    assert CODEC.secret_names == {"statement_token"}
