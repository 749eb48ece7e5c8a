"""Statements in columns: whole by their own totals, or refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.channels.bank_transfer import BankTransferCodec
from gateway.channels.bank_transfer.references import make_reference, make_virtual_account
from tests.channels.bank_transfer.conftest import ACCOUNT, ATTEMPT, account, camt, entry, malformed

CODEC = BankTransferCodec()
REFERENCE = make_reference("crockford", ATTEMPT)
HEADER = "account,booked_on,direction,amount,currency,bank_reference,credited_account,"
HEADER += "end_to_end,text\n"
CREDIT = f'{ACCOUNT},2026-11-21,credit,88.80,CNY,B1,,,"tea {REFERENCE}"\n'
DEBIT = f"{ACCOUNT},2026-11-21,debit,3.00,CNY,B2,,T1,\n"
WHOLE = HEADER + CREDIT + DEBIT + "TOTAL,2,88.80,3.00\n"


def read(text: str | bytes, **credentials: str):
    content = text.encode() if isinstance(text, str) else text
    return CODEC.read_lines(account(**credentials), content).lines


def test_a_whole_file() -> None:
    for text in (WHOLE, "\ufeff" + WHOLE, WHOLE.replace("\n", "\r\n"), WHOLE.rstrip("\n")):
        credit, debit = read(text)
        assert (credit.amount, credit.candidates) == (8_880, (REFERENCE,))
        assert (debit.direction, debit.amount, debit.number) == ("debit", 300, "T1")


def test_the_same_movement_has_one_key_in_columns_and_camt() -> None:
    (other,) = CODEC.read_lines(account(), camt(entry("88.80"), closing="88.80")).lines
    assert read(WHOLE)[0].key == other.key


def test_columns_in_another_order_and_without_the_optional_ones() -> None:
    text = "currency,amount,account,direction,booked_on\n"
    text += f"CNY,1,{ACCOUNT},credit,2026-11-21\nTOTAL,1,1.0,0\n"
    assert [line.amount for line in read(text)] == [100]


def test_a_virtual_account_is_a_candidate() -> None:
    virtual = make_virtual_account("6222", ATTEMPT)
    text = WHOLE.replace("B1,,", f"B1,{virtual},")
    assert read(text, virtual_account_prefix="6222")[0].candidates == (virtual, REFERENCE)


@pytest.mark.parametrize(
    ("changed", "by", "why"),
    [
        ("TOTAL,2,88.80,3.00\n", "", "was cut"),
        ("TOTAL,2", "TOTAL,3", "come to the totals"),
        ("TOTAL,2,88.80", "TOTAL,2,88.81", "come to the totals"),
        (DEBIT, "", "come to the totals"),
        (DEBIT, DEBIT + DEBIT, "one reference"),
        ("TOTAL,2,88.80,3.00\n", "TOTAL,2,88.80,3.00\n" + CREDIT, "follows the totals"),
        ("TOTAL,2,88.80,3.00", "TOTAL,2,88.80", "are not number"),
        ("account,", "", "name the columns"),
        ("account,", "account,account,", "name the columns"),
        ("credited_account", "colour", "name the columns"),
        (f"{ACCOUNT},2026-11-21,credit", "1234,2026-11-21,credit", "another account"),
        ("88.80,CNY", "88.80,EUR", "another currency"),
        ("2026-11-21,credit", "21.11.2026,credit", "date"),
        ("2026-11-21,credit", "2026-02-30,credit", "date"),
        (",credit,", ",in,", "direction"),
        ("88.80,CNY", "88.8O,CNY", "amount"),
        (",B1,", ",B1,,", "columns"),
        ('"tea ', '"tea\0 ', "NUL"),
        ('"tea ', '"tea" ', "not sound"),
    ],
)
def test_what_is_not_whole_is_refused(changed: str, by: str, why: str) -> None:
    assert changed in WHOLE
    assert why in malformed(read, WHOLE.replace(changed, by, 1))


def test_bytes_that_are_no_text_are_refused() -> None:
    assert "UTF-8" in malformed(read, b"\xff\xfe" + WHOLE.encode("utf-16-le"))


# Behind the last comma only zeros of the last sum could be lost.
LAST = WHOLE.rindex(",") + 1


@given(st.integers(0, LAST))
def test_a_file_cut_anywhere_never_passes_as_a_short_one(at: int) -> None:
    malformed(read, WHOLE[:at])
