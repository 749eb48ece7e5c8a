"""Payout files: in the order of the schema, with their own sums, nothing a bank would refuse."""

from datetime import UTC, date, datetime

import pytest
from defusedxml.ElementTree import fromstring
from hypothesis import given
from hypothesis import strategies as st

from gateway.channels.bank_transfer.payout_file import NAMESPACE, FileTransfer, write_payouts
from gateway.domain.errors import TillgateError
from tests.channels.bank_transfer.conftest import account

MADE_AT = datetime(2026, 11, 22, 12, 0, 1, tzinfo=UTC)


def transfer(number: str = "p1", **changes) -> FileTransfer:
    content = {
        "number": number,
        "amount": 12_345,
        "name": "王小明 <& Co>",
        "account": "DE02 1203 0000 0000 2020 51",
        "bank_code": "BYLADEM1001",
        "purpose": 'rent "May"',
    }
    return FileTransfer(**content | changes)


def write(*transfers: FileTransfer, **credentials: str) -> bytes:
    return write_payouts(
        account(**credentials),
        transfers,
        file_no="F-1",
        made_at=MADE_AT,
        pay_on=date(2026, 11, 23),
    )


def told(element) -> list:
    """Names, texts and children, without the namespace."""
    name = element.tag.removeprefix(f"{{{NAMESPACE}}}")
    return [name, (element.text or "").strip() or None, [told(child) for child in element]]


def at(root, path: str) -> list[str]:
    return [
        each.text for each in root.findall("/".join(f"{{{NAMESPACE}}}{n}" for n in path.split("/")))
    ]


def test_a_file_as_a_bank_reads_it() -> None:
    root = fromstring(write(transfer(), transfer("p2", amount=5, purpose="", account="6222 1")))
    header = "CstmrCdtTrfInitn/GrpHdr"
    assert at(root, f"{header}/NbOfTxs") == ["2"] and at(root, f"{header}/CtrlSum") == ["123.50"]
    assert at(root, f"{header}/CreDtTm") == ["2026-11-22T12:00:01Z"]
    block = "CstmrCdtTrfInitn/PmtInf"
    children = [each.tag.rpartition("}")[2] for each in root[0][1]]
    assert children == [
        "PmtInfId",
        "PmtMtd",
        "NbOfTxs",
        "CtrlSum",
        "ReqdExctnDt",
        "Dbtr",
        "DbtrAcct",
        "DbtrAgt",
        "CdtTrfTxInf",
        "CdtTrfTxInf",
    ]
    assert at(root, f"{block}/CdtTrfTxInf/PmtId/EndToEndId") == ["p1", "p2"]
    assert at(root, f"{block}/CdtTrfTxInf/Amt/InstdAmt") == ["123.45", "0.05"]
    assert at(root, f"{block}/CdtTrfTxInf/Cdtr/Nm") == ["王小明 <& Co>"] * 2
    assert at(root, f"{block}/CdtTrfTxInf/CdtrAcct/Id/IBAN") == ["DE02120300000000202051"]
    assert at(root, f"{block}/CdtTrfTxInf/CdtrAcct/Id/Othr/Id") == ["62221"]
    assert at(root, f"{block}/CdtTrfTxInf/RmtInf/Ustrd") == ['rent "May"']
    assert at(root, f"{block}/DbtrAcct/Id/Othr/Id") == ["6222000012345678"]
    assert at(root, f"{block}/ReqdExctnDt/Dt") == ["2026-11-23"]
    assert told(root)[0] == "Document"


def test_banks_are_named_by_bic_or_by_clearing_number() -> None:
    root = fromstring(write(transfer(), transfer("p2", bank_code="102100099996")))
    agent = "CstmrCdtTrfInitn/PmtInf/CdtTrfTxInf/CdtrAgt/FinInstnId"
    assert at(root, f"{agent}/BICFI") == ["BYLADEM1001"]
    assert at(root, f"{agent}/ClrSysMmbId/MmbId") == ["102100099996"]


def test_currencies_with_other_places() -> None:
    yen = fromstring(write(transfer(amount=123), currency="JPY"))
    assert at(yen, "CstmrCdtTrfInitn/GrpHdr/CtrlSum") == ["123"]
    dinar = fromstring(write(transfer(amount=7), currency="KWD"))
    assert at(dinar, "CstmrCdtTrfInitn/PmtInf/CdtTrfTxInf/Amt/InstdAmt") == ["0.007"]


@given(st.lists(st.integers(1, 999_999_999_999), min_size=1, max_size=20))
def test_the_stated_sum_is_the_sum(amounts: list[int]) -> None:
    root = fromstring(write(*(transfer(f"p{n}", amount=a) for n, a in enumerate(amounts))))
    for part in ("GrpHdr", "PmtInf"):
        (said,) = at(root, f"CstmrCdtTrfInitn/{part}/CtrlSum")
        assert int(said.replace(".", "")) == sum(amounts)
        assert at(root, f"CstmrCdtTrfInitn/{part}/NbOfTxs") == [str(len(amounts))]


@pytest.mark.parametrize(
    "transfers",
    [
        [],
        [transfer(), transfer()],
        [transfer(amount=0)],
        [transfer(amount=True)],
        [transfer(amount=10**12)],
        [transfer(number="p_1")],
        [transfer(number="p" * 36)],
        [transfer(name="")],
        [transfer(account="")],
        [transfer(bank_code="")],
        [transfer(name="a\nb")],
        [transfer(name="n" * 141)],
        [transfer(purpose="p" * 141)],
        [transfer(purpose="\ud800")],
    ],
)
def test_what_no_bank_takes(transfers: list[FileTransfer]) -> None:
    with pytest.raises(TillgateError) as refused:
        write(*transfers)
    assert refused.value.code == "invalid_field"
