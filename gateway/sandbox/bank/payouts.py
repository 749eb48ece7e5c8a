"""Payout files at the pretend bank: read strictly, answered by a status file.

Law: the bank sends nothing of a file that is not wholly right: order of elements, number and sum of
transfers, account and currency are those of the schema and of the account, or the file is refused.
Source: ISO 20022, pain.001.001.09 and pain.002.001.10.
"""

import io
import re
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import ParseError, parse

from gateway.sandbox.bank.accounts import CURRENCY, Account

NAMESPACE: Final = "urn:iso:std:iso:20022:tech:xsd:pain.001.001.09"
STATUS_NAMESPACE: Final = "urn:iso:std:iso:20022:tech:xsd:pain.002.001.10"
TRANSFERS_MAX: Final = 1_000

_ORDER: Final = {
    "CstmrCdtTrfInitn": "GrpHdr PmtInf",
    "GrpHdr": "MsgId CreDtTm NbOfTxs CtrlSum InitgPty",
    "PmtInf": (
        "PmtInfId PmtMtd BtchBookg NbOfTxs CtrlSum PmtTpInf ReqdExctnDt Dbtr DbtrAcct DbtrAgt"
        " ChrgBr CdtTrfTxInf"
    ),
    "CdtTrfTxInf": "PmtId PmtTpInf Amt ChrgBr CdtrAgt Cdtr CdtrAcct Purp RmtInf",
    "PmtId": "InstrId EndToEndId",
}
"""The order of children, by the schema."""

_YUAN: Final = re.compile(r"(0|[1-9][0-9]{0,9})\.([0-9]{2})")
_NUMBER: Final = re.compile(r"[0-9A-Za-z-]{1,35}")


class FileRefused(ValueError):
    """The bank takes nothing of this file; the text says why."""


class Wanted(NamedTuple):
    """One transfer of a file."""

    number: str
    amount: int
    payee: str
    text: str


class PayoutFile(NamedTuple):
    """A file that is wholly right."""

    file_no: str
    transfers: tuple[Wanted, ...]


def read_payouts(content: bytes, account: Account) -> PayoutFile:
    """The transfers of a file from `account`. Raises `FileRefused`."""
    try:
        root = parse(io.BytesIO(content), forbid_dtd=True).getroot()
    except (ParseError, DefusedXmlException, ValueError, LookupError) as error:
        raise FileRefused("not sound XML") from error
    if root.tag != f"{{{NAMESPACE}}}Document":
        raise FileRefused("no pain.001.001.09")
    for element in root.iter():
        _check_order(element)
    whole = _one(root, "CstmrCdtTrfInitn")
    header, block = _one(whole, "GrpHdr"), _one(whole, "PmtInf")
    if _value(_one(block, "DbtrAcct"), "Id", "Othr", "Id") != account.number:
        raise FileRefused("another account pays")
    if _value(block, "PmtMtd") != "TRF":
        raise FileRefused("no transfer")
    transfers = tuple(_wanted(each) for each in block if _name(each) == "CdtTrfTxInf")
    if not 1 <= len(transfers) <= TRANSFERS_MAX:
        raise FileRefused(f"1 to {TRANSFERS_MAX} transfers")
    if len({each.number for each in transfers}) != len(transfers):
        raise FileRefused("a number stands twice")
    total = sum(each.amount for each in transfers)
    for part in (header, block):
        stated = (_value(part, "NbOfTxs"), _fen(_value(part, "CtrlSum")))
        if stated != (str(len(transfers)), total):
            raise FileRefused("the transfers do not come to the stated number and sum")
    file_no = _value(header, "MsgId")
    if not _NUMBER.fullmatch(file_no):
        raise FileRefused("the file has no number")
    return PayoutFile(file_no, transfers)


def write_status(file_no: str, transfers: Sequence[tuple[str, str, str | None]]) -> bytes:
    """The status file: (number, status, reason) of each transfer."""
    statuses = {status for _, status, _ in transfers}
    group = statuses.pop() if len(statuses) == 1 else "PART"
    parts = [
        f'<?xml version="1.0" encoding="UTF-8"?>\n<Document xmlns="{STATUS_NAMESPACE}">',
        f"<CstmrPmtStsRpt><GrpHdr><MsgId>S-{file_no}</MsgId></GrpHdr>",
        f"<OrgnlGrpInfAndSts><OrgnlMsgId>{file_no}</OrgnlMsgId>",
        f"<OrgnlMsgNmId>pain.001.001.09</OrgnlMsgNmId><GrpSts>{group}</GrpSts>",
        f"</OrgnlGrpInfAndSts><OrgnlPmtInfAndSts><OrgnlPmtInfId>{file_no}</OrgnlPmtInfId>",
    ]
    for number, status, reason in transfers:
        why = f"<StsRsnInf><Rsn><Cd>{reason}</Cd></Rsn></StsRsnInf>" if reason else ""
        parts.append(
            f"<TxInfAndSts><OrgnlEndToEndId>{number}</OrgnlEndToEndId>"
            f"<TxSts>{status}</TxSts>{why}</TxInfAndSts>"
        )
    parts.append("</OrgnlPmtInfAndSts></CstmrPmtStsRpt></Document>\n")
    return "".join(parts).encode()


def _wanted(element: Any) -> Wanted:
    number = _value(element, "PmtId", "EndToEndId")
    amount = _one(_one(element, "Amt"), "InstdAmt")
    if amount.get("Ccy") != CURRENCY:
        raise FileRefused(f"the account holds {CURRENCY}")
    fen = _fen(amount.text or "")
    payee = _value(element, "CdtrAcct", "Id", "Othr", "Id", required=False) or _value(
        element, "CdtrAcct", "Id", "IBAN"
    )
    _value(element, "Cdtr", "Nm")
    _one(element, "CdtrAgt")
    if not _NUMBER.fullmatch(number) or not fen:
        raise FileRefused("a transfer has no number or no amount")
    return Wanted(number, fen, payee, _value(element, "RmtInf", "Ustrd", required=False))


def _check_order(element: Any) -> None:
    order = _ORDER.get(_name(element))
    if order is None:
        return
    names = order.split()
    try:
        places = [names.index(_name(child)) for child in element]
    except ValueError:
        raise FileRefused(f"{_name(element)} has a child that the schema does not know") from None
    if places != sorted(places):
        raise FileRefused(f"the children of {_name(element)} stand in another order")


def _fen(text: str) -> int | None:
    found = _YUAN.fullmatch(text)
    return int(found[1] + found[2]) if found else None


def _name(element: Any) -> str:
    return element.tag.rpartition("}")[2]


def _one(element: Any, name: str) -> Any:
    found = [child for child in element if _name(child) == name]
    if len(found) != 1:
        raise FileRefused(f"not exactly one {name}")
    return found[0]


def _value(element: Any, *names: str, required: bool = True) -> str:
    for name in names:
        found = [child for child in element if _name(child) == name]
        if not found:
            if required:
                raise FileRefused(f"{name} is missing")
            return ""
        element = found[0]
    return (element.text or "").strip()
