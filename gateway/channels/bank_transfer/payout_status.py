"""Payout status: what a bank answers to a payout file, a pain.002 of ISO 20022.

Law: as `gateway.channels.transfer`. Only listed codes are definite: settled is `Transferred`,
rejected is `Refused`; accepted and pending are `TransferPending`, and everything else is `Unknown`.
A status of the whole file or block counts for the transfers that have none of their own only where
it is a rejection. A transfer that the file does not name has no outcome here.

Source: ISO 20022, "CustomerPaymentStatusReport"; external code list of payment transaction status.
"""

import io
import re
from collections.abc import Mapping
from typing import Any

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import ParseError, parse

from gateway.channels.codec import Unknown
from gateway.channels.meanings import refused
from gateway.channels.statement import StatementMalformed
from gateway.channels.transfer import TransferOutcome, TransferPending, Transferred

STATUS_BYTES_MAX = 16 * 1024 * 1024

SETTLED = frozenset({"ACSC", "ACCC"})
PENDING = frozenset({"RCVD", "ACTC", "ACCP", "ACSP", "ACWC", "PDNG", "PATC", "ACFC"})
REJECTED = "RJCT"

_NAMESPACE = re.compile(r"\{urn:iso:std:iso:20022:tech:xsd:pain\.002\.001\.[0-9]{2}\}Document")
_REASON = re.compile(r"[0-9A-Z]{1,4}")


class PayoutStatus(Mapping[str, TransferOutcome]):
    """Outcomes by our number; `file_no` is the payout file that the bank speaks of."""

    def __init__(self, file_no: str, outcomes: Mapping[str, TransferOutcome]) -> None:
        self.file_no = file_no
        self._outcomes = dict(outcomes)

    def __getitem__(self, number: str) -> TransferOutcome:
        return self._outcomes[number]

    def __iter__(self) -> Any:
        return iter(self._outcomes)

    def __len__(self) -> int:
        return len(self._outcomes)


def read_payout_status(content: bytes, numbers: frozenset[str]) -> PayoutStatus:
    """What the bank says of the transfers `numbers`. Raises `StatementMalformed`.

    A number that occurs twice with different words is `Unknown`.
    """
    if len(content) > STATUS_BYTES_MAX:
        raise StatementMalformed(f"the file has more than {STATUS_BYTES_MAX} bytes")
    try:
        root = parse(
            io.BytesIO(content), forbid_dtd=True, forbid_entities=True, forbid_external=True
        ).getroot()
    except (ParseError, DefusedXmlException, ValueError, LookupError):
        raise StatementMalformed("the file is not sound XML") from None
    if not _NAMESPACE.fullmatch(root.tag):
        raise StatementMalformed("the file is no pain.002")
    report = _child(root, "CstmrPmtStsRpt")
    group = _child(report, "OrgnlGrpInfAndSts")
    file_no = _text(group, "OrgnlMsgId")
    if not file_no:
        raise StatementMalformed("the file does not name the payout file")
    said = _said(report)
    # Our files have one block, which is called like the file.
    is_rejected = _text(group, "GrpSts") == REJECTED or any(
        _text(block, "PmtInfSts") == REJECTED and _text(block, "OrgnlPmtInfId") == file_no
        for block in _children(report, "OrgnlPmtInfAndSts")
    )
    outcomes: dict[str, TransferOutcome] = {}
    for number in numbers:
        if number in said:
            outcomes[number] = said[number]
        elif is_rejected:
            outcomes[number] = refused("payee_refused", _reason(group) or REJECTED)
    return PayoutStatus(file_no, outcomes)


def _said(report: Any) -> dict[str, TransferOutcome]:
    found: dict[str, TransferOutcome] = {}
    for block in _children(report, "OrgnlPmtInfAndSts"):
        for transaction in _children(block, "TxInfAndSts"):
            number = _text(transaction, "OrgnlEndToEndId")
            outcome = _outcome(transaction, number)
            if found.get(number, outcome) != outcome:
                outcome = Unknown(reason="the bank says two things of one transfer")
            found[number] = outcome
    return found


def _outcome(transaction: Any, number: str) -> TransferOutcome:
    status = _text(transaction, "TxSts")
    if status in SETTLED:
        reference = _text(transaction, "AcctSvcrRef") or None
        return Transferred(transfer_no=number, channel_order_no=reference)
    if status in PENDING:
        return TransferPending()
    if status == REJECTED:
        return refused("payee_refused", _reason(transaction) or REJECTED)
    return Unknown(reason="the status is not a listed one", channel_code=status[:4] or None)


def _reason(element: Any) -> str:
    code = _text(_child(_child(element, "StsRsnInf"), "Rsn"), "Cd")
    return code if _REASON.fullmatch(code) else ""


def _children(element: Any, name: str) -> list[Any]:
    if element is None:
        return []
    return [each for each in element if each.tag.rpartition("}")[2] == name]


def _child(element: Any, name: str) -> Any:
    return next(iter(_children(element, name)), None)


def _text(element: Any, name: str) -> str:
    found = _child(element, name)
    return "" if found is None else (found.text or "").strip()
