"""The ledger: unbalanced cannot be expressed, forbidden balances cannot be reached."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain import chart
from gateway.domain.ledger import BALANCE_MAX, BookBroken, Entry, Posting, book

pytestmark = pytest.mark.fast

MERCHANT = "mch_01h455vb4pex5vsknk084sn02q"
ACCOUNT = "cac_01h455vb4pex5vsknk084sn02q"
CLEARING = chart.clearing(ACCOUNT)


def entry(*postings: Posting) -> Entry:
    return Entry(
        id="ent_01h455vb4pex5vsknk084sn02q",
        merchant_id=MERCHANT,
        reason="captured",
        reference="att_01h455vb4pex5vsknk084sn02q",
        at=datetime(2026, 11, 22, tzinfo=UTC),
        postings=postings,
    )


def accounts():
    codes = (CLEARING, chart.PENDING, chart.HELD, chart.SUSPENSE)
    return {(code, "CNY"): chart.opened(MERCHANT, code, "CNY") for code in codes}


def test_a_captured_payment_with_a_refund() -> None:
    book_of = accounts()
    book(entry(*chart.captured(ACCOUNT, 100, "CNY")), book_of)
    book(entry(*chart.refund_reserved(40, "CNY")), book_of)
    (row,) = book(entry(*chart.refund_paid(ACCOUNT, 40, "CNY")), book_of)
    balances = {code: account.balance for (code, _), account in book_of.items()}
    assert balances == {CLEARING: 60, "pending": 60, "held": 0, "suspense": 0}
    assert (row.debit_balance, row.debit_number) == (0, 2)
    assert (row.credit_balance, row.credit_number) == (60, 2)


@given(st.lists(st.tuples(st.sampled_from(["in", "reserve", "out"]), st.integers(1, 50))))
def test_debits_equal_credits_whatever_happens(moves) -> None:
    book_of = accounts()
    for kind, amount in moves:
        postings = {
            "in": chart.captured(ACCOUNT, amount, "CNY"),
            "reserve": chart.refund_reserved(amount, "CNY"),
            "out": chart.refund_paid(ACCOUNT, amount, "CNY"),
        }[kind]
        before = dict(book_of)
        try:
            book(entry(*postings), book_of)
        except BookBroken:
            book_of = before
    debit = sum(a.balance for a in book_of.values() if a.side == "debit")
    credit = sum(a.balance for a in book_of.values() if a.side == "credit")
    assert debit == credit
    assert all(a.balance >= 0 for a in book_of.values() if not a.may_be_negative)


@pytest.mark.parametrize(
    "bad",
    [
        [],
        [Posting(CLEARING, chart.PENDING, 0, "CNY")],
        [Posting(CLEARING, chart.PENDING, -1, "CNY")],
        [Posting(CLEARING, chart.PENDING, True, "CNY")],
        [Posting(CLEARING, chart.PENDING, 1.0, "CNY")],
        [Posting(CLEARING, CLEARING, 1, "CNY")],
        [Posting(chart.PENDING, chart.HELD, 1, "CNY")],  # pending would fall below zero
        [Posting(CLEARING, chart.PENDING, BALANCE_MAX + 1, "CNY")],
    ],
)
def test_what_would_break_the_book_raises(bad) -> None:
    with pytest.raises(BookBroken):
        book(entry(*bad), accounts())
