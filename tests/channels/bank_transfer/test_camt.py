"""camt files: read whole, compared with their own sums, or refused; nothing is resolved."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.channels.bank_transfer import BankTransferCodec
from gateway.channels.bank_transfer import camt as reading
from gateway.channels.bank_transfer.references import make_reference, make_virtual_account
from gateway.channels.statement import StatementMalformed
from tests.channels.bank_transfer.conftest import (
    ATTEMPT,
    account,
    balance,
    camt,
    entry,
    malformed,
)

CODEC = BankTransferCodec()
REFERENCE = make_reference("crockford", ATTEMPT)


def read(content: bytes, **credentials: str):
    return CODEC.read_lines(account(**credentials), content).lines


def test_a_credit_with_all_that_it_says() -> None:
    details = (
        "<TxDtls><Refs><EndToEndId>E2E-7</EndToEndId></Refs>"
        f"<RmtInf><Ustrd>invoice {REFERENCE.lower()}</Ustrd></RmtInf></TxDtls>"
    )
    (line,) = read(camt(entry("88.80", details=details), closing="88.80"))
    assert (line.direction, line.amount, line.currency) == ("credit", 8_880, "CNY")
    assert line.candidates == (REFERENCE,)
    assert (line.number, line.bank_reference) == ("E2E-7", "B1")
    assert line.booked_at == datetime(2026, 11, 21, tzinfo=UTC)
    assert line.return_code is None and len(line.key) == 64


@pytest.mark.parametrize("kind", ["052", "053", "054"])
@pytest.mark.parametrize("version", ["02", "06", "08", "13"])
def test_every_report_in_every_version(kind: str, version: str) -> None:
    status = "<Sts>BOOK</Sts>" if version == "02" else "<Sts><Cd>BOOK</Cd></Sts>"
    content = camt(
        entry("1.00", REFERENCE, status=status), closing="1.00", kind=kind, version=version
    )
    assert [line.amount for line in read(content)] == [100]


@pytest.mark.parametrize("status", ["PDNG", "INFO", "FUTR", ""])
def test_only_booked_entries_count(status: str) -> None:
    waiting = entry("5.00", REFERENCE, status=f"<Sts><Cd>{status}</Cd></Sts>", reference="B2")
    lines = read(camt(entry("1.00"), waiting, closing="1.00"))
    assert [line.amount for line in lines] == [100]


def test_structured_references_and_virtual_accounts_are_candidates() -> None:
    rf = make_reference("rf", ATTEMPT)
    virtual = make_virtual_account("6222", ATTEMPT)
    details = (
        "<TxDtls><RltdPties><CdtrAcct><Id><Othr><Id>"
        f"{virtual[:4]} {virtual[4:]}</Id></Othr></Id></CdtrAcct></RltdPties>"
        f"<RmtInf><Strd><CdtrRefInf><Ref>{rf}</Ref></CdtrRefInf></Strd></RmtInf></TxDtls>"
    )
    content = camt(entry("1.00", details=details), closing="1.00")
    (line,) = read(content, virtual_account_prefix="6222")
    assert line.candidates[0] == virtual and rf in line.candidates
    (without,) = read(content)
    assert virtual not in without.candidates


def test_debits_have_no_candidates_and_returns_say_why() -> None:
    returned = (
        "<TxDtls><Refs><EndToEndId>T1</EndToEndId></Refs>"
        "<RtrInf><Rsn><Cd>AC01</Cd></Rsn></RtrInf></TxDtls>"
    )
    debit, back = read(
        camt(
            entry("2.00", REFERENCE, way="DBIT"),
            entry("2.00", details=returned, reference="B2"),
            closing="0.00",
        )
    )
    assert (debit.direction, debit.candidates) == ("debit", ())
    assert (back.number, back.return_code) == ("T1", "AC01")


def test_a_batch_is_as_many_lines_as_it_has_details_with_amounts() -> None:
    parts = "".join(
        f'<TxDtls><Amt Ccy="CNY">{amount}</Amt><RmtInf><Ustrd>{text}</Ustrd></RmtInf></TxDtls>'
        for amount, text in (("1.00", REFERENCE), ("2.50", "other"))
    )
    first, second = read(camt(entry("3.50", details=parts), closing="3.50"))
    assert (first.amount, second.amount) == (100, 250)
    assert first.key != second.key and REFERENCE in first.candidates
    bare = "<TxDtls><Refs/></TxDtls>" * 2
    (whole,) = read(camt(entry("3.50", details=bare), closing="3.50"))
    assert whole.amount == 350
    said = malformed(read, camt(entry("3.51", details=parts), closing="3.51"))
    assert said == "the details of an entry do not add up to it"


def test_the_entries_must_lead_from_the_opening_to_the_closing_balance() -> None:
    entries = (entry("10.00"), entry("3.00", way="DBIT", reference="B2"))
    assert len(read(camt(*entries, opening="1.00", closing="8.00"))) == 2
    for opening, closing in (("1.00", "8.01"), ("0.99", "8.00")):
        said = malformed(read, camt(*entries, opening=opening, closing=closing))
        assert "do not lead" in said
    assert "balance" in malformed(read, camt(*entries))
    owed = camt(*entries, head="").replace(
        b"<Ntry>",
        (balance("OPBD", "9.00", "DBIT") + balance("CLBD", "2.00", "DBIT")).encode() + b"<Ntry>",
        1,
    )
    assert len(read(owed)) == 2


def test_other_accounts_are_passed_over_and_ours_must_be_there() -> None:
    ours = camt(entry("1.00"), closing="1.00")
    assert "this account" in malformed(read, camt(entry("1.00"), closing="1.00", number="1"))
    stranger = b"<Stmt><Acct><Id><IBAN>DE02120300000000202051</IBAN></Id></Acct></Stmt>"
    both = ours.replace(b"<Stmt>", stranger + b"<Stmt>", 1)
    assert len(read(both)) == 1


def test_one_movement_has_one_key_in_every_file() -> None:
    (first,) = read(camt(entry("1.00", "a"), closing="1.00"))
    (second,) = read(camt(entry("1.00", "b"), kind="054"))
    assert first.key == second.key, "the bank's own reference decides"
    (other,) = read(camt(entry("1.00", "a", reference="B2"), closing="1.00"))
    (foreign,) = read(camt(entry("1.00", "a"), closing="1.00"), bank_code="OTHRCNBJ")
    assert len({first.key, other.key, foreign.key}) == 3


def test_without_a_reference_equal_lines_of_a_day_stay_two() -> None:
    twice = (entry("1.00", "a", reference=""), entry("1.00", "a", reference="NOTPROVIDED"))
    lines = read(camt(*twice, closing="2.00"))
    again = read(camt(*twice, entry("1.00", "b", reference=""), closing="3.00"))
    assert len({line.key for line in lines}) == 2
    assert [line.key for line in again[:2]] == [line.key for line in lines]


def test_a_reference_twice_in_a_file_is_refused() -> None:
    said = malformed(read, camt(entry("1.00", "a"), entry("2.00", "b"), closing="3.00"))
    assert said == "two lines carry one reference of the bank"


HOSTILE = {
    "entity": '<!DOCTYPE d [<!ENTITY a "aaaa">]>',
    "billion laughs": '<!DOCTYPE d [<!ENTITY a "aa"><!ENTITY b "&a;&a;">]>',
    "external": '<!DOCTYPE d SYSTEM "file:///etc/passwd">',
    "parameter": '<!DOCTYPE d [<!ENTITY % p SYSTEM "http://127.0.0.1/">%p;]>',
}


@pytest.mark.parametrize("name", HOSTILE)
def test_document_types_and_entities_are_refused(name: str) -> None:
    content = camt(entry("1.00"), closing="1.00", head=HOSTILE[name])
    assert malformed(read, content) == "the file is not sound XML"


@pytest.mark.parametrize(
    ("changed", "by"),
    [
        (b"88.80", b"88.801"),
        (b"88.80", b"-88.80"),
        (b"88.80", b"8,80"),
        (b"88.80", b"1e3"),
        (b"88.80", "８８".encode()),
        (b'"CNY"', b'"XXX"'),
        (b"CRDT", b"CRED"),
        (b"camt.053", b"camt.055"),
        (b"2026-11-21", b"2026-02-30"),
    ],
)
def test_what_is_not_as_it_must_be_is_refused(changed: bytes, by: bytes) -> None:
    content = camt(entry("88.80"), closing="88.80")
    assert changed in content
    malformed(read, content.replace(changed, by))


def test_zeros_behind_the_currency_are_nothing() -> None:
    (line,) = read(camt(entry("88.80000"), closing="88.8"))
    assert line.amount == 8_880


def test_depth_and_size_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    deep = "<a>" * reading.DEPTH_MAX + "</a>" * reading.DEPTH_MAX
    assert "deeply" in malformed(read, camt(entry("1.00", details=deep), closing="1.00"))
    monkeypatch.setattr("gateway.channels.bank_transfer.lines.LINES_MAX", 1)
    two = camt(entry("1.00"), entry("1.00", reference="B2"), closing="2.00")
    assert "more than" in malformed(read, two)
    monkeypatch.setattr("gateway.channels.bank_transfer.codec.STATEMENT_BYTES_MAX", 10)
    assert "bytes" in malformed(read, two)


@given(st.data())
def test_a_file_cut_anywhere_never_passes_as_a_short_one(data) -> None:
    content = camt(entry("1.00", "a"), entry("2.00", "b", reference="B2"), closing="3.00")
    at = data.draw(st.integers(0, len(content) - 1))
    malformed(read, content[:at])


@given(st.binary(max_size=200))
def test_reading_is_total(content: bytes) -> None:
    for each in (content, b"<" + content):
        try:
            read(each)
        except StatementMalformed:
            pass
