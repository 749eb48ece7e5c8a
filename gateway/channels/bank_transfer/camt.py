"""camt: account reports and statements of ISO 20022, read into lines.

Law: pure and bounded. No document type, no entity and nothing from elsewhere is ever resolved; a
file is read once from front to end and what was read is let go. Only booked entries count. Where a
statement (camt.053) says what was there before and after, the entries must lead from one to the
other, or the file is refused; so are details that do not add up to their entry.

Read: camt.052, camt.053 and camt.054 in any version of `urn:iso:std:iso:20022:tech:xsd`.
Source: ISO 20022 message definitions, "Bank-to-Customer Cash Management".
"""

import io
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import ParseError, iterparse

from gateway.channels.bank_statement import Direction
from gateway.channels.bank_transfer.lines import Lines, Said, account_text, minor_of
from gateway.channels.statement import StatementMalformed

Element = Any  # of the parser; its own package also knows doors to the world

DEPTH_MAX = 32
TEXT_PARTS_MAX = 32
DETAILS_MAX = 10_000

_NAMESPACE = re.compile(
    r"\{urn:iso:std:iso:20022:tech:xsd:(camt\.05[234])\.001\.[0-9]{2}\}Document"
)
_REPORTS = frozenset({"Stmt", "Rpt", "Ntfctn"})
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_OPENING = ("OPBD", "PRCD")
_CLOSING = ("CLBD",)
_BETWEEN = "ITBD"


def read_camt(content: bytes, account: str, lines: Lines) -> None:
    """Add the booked entries of `account` to `lines`. Raises `StatementMalformed`."""
    try:
        reader = _Reader(account, lines)
        for event, element in _events(content):
            reader.take(event, element)
    except (ParseError, DefusedXmlException, ValueError, LookupError, UnicodeError):
        raise StatementMalformed("the file is not sound XML") from None
    if not reader.has_account:
        raise StatementMalformed("the file has no statement of this account")


def _events(content: bytes) -> Iterator[tuple[str, Any]]:
    return iterparse(
        io.BytesIO(content),
        events=("start", "end"),
        forbid_dtd=True,
        forbid_entities=True,
        forbid_external=True,
    )


class _Reader:
    """Follows the elements of a file; holds one report's state at a time."""

    def __init__(self, account: str, lines: Lines) -> None:
        self._account = account_text(account)
        self._lines = lines
        self._path: list[str] = []
        self._kind = ""
        self._report = _Report()
        self.has_account = False

    def take(self, event: str, element: Element) -> None:
        """Take in the start or the end of an element."""
        name = element.tag.rpartition("}")[2]
        if event == "start":
            if not self._path:
                found = _NAMESPACE.fullmatch(element.tag)
                if found is None:
                    raise StatementMalformed("the file is no camt.052, camt.053 or camt.054")
                self._kind = found[1]
            self._path.append(name)
            if len(self._path) > DEPTH_MAX:
                raise StatementMalformed("the file is nested too deeply")
            if name in _REPORTS and len(self._path) == 3:
                self._report = _Report()
            return
        self._path.pop()
        if len(self._path) == 3 and self._path[2] in _REPORTS:
            self._end_of_part(name, element)
        elif len(self._path) == 2 and name in _REPORTS:
            self._end_of_report()
            element.clear()

    def _end_of_part(self, name: str, element: Element) -> None:
        if name == "Acct":
            self._report.is_ours = self._account in _accounts_of(element)
            self.has_account = self.has_account or self._report.is_ours
        elif name == "Bal":
            self._report.balance(element)
        elif name == "Ntry" and self._report.is_ours:
            self._report.entry(element, self._lines)
        element.clear()

    def _end_of_report(self) -> None:
        if self._report.is_ours and self._kind == "camt.053":
            self._report.check_balances()


class _Report:
    """One statement, report or notification."""

    def __init__(self) -> None:
        self.is_ours = False
        self._balances: list[tuple[str, str, int]] = []
        self._sums: dict[str, int] = {}

    def balance(self, element: Element) -> None:
        """Keep a balance: its code, currency and signed amount."""
        code = _text(element, "Tp", "CdOrPrtry", "Cd")
        amount, currency = _amount(_child(element, "Amt"))
        sign = -1 if _text(element, "CdtDbtInd") == "DBIT" else 1
        self._balances.append((code, currency, sign * amount))

    def check_balances(self) -> None:
        """The entries lead from the opening balance to the closing one."""
        opening = self._one_of(_OPENING, first=True)
        closing = self._one_of(_CLOSING, first=False)
        if opening is None or closing is None:
            raise StatementMalformed("a statement names no opening or no closing balance")
        currency = opening[1]
        moved = self._sums.get(currency, 0)
        if closing[1] != currency or opening[2] + moved != closing[2]:
            raise StatementMalformed("the entries do not lead from the opening to the closing sum")

    def _one_of(self, codes: tuple[str, ...], *, first: bool) -> tuple[str, str, int] | None:
        for code in (*codes, _BETWEEN):
            found = [each for each in self._balances if each[0] == code]
            if found:
                return found[0] if first else found[-1]
        return None

    def entry(self, element: Element, lines: Lines) -> None:
        """Add an entry, or each of its details where they carry amounts of their own."""
        status = _child(element, "Sts")
        code = _text(status, "Cd") or (status.text or "").strip() if status is not None else ""
        if code != "BOOK":
            return
        amount, currency = _amount(_child(element, "Amt"))
        direction = _direction(element)
        signed = amount if direction == "credit" else -amount
        self._sums[currency] = self._sums.get(currency, 0) + signed
        details = [each for each in element.iter() if _name(each) == "TxDtls"]
        if len(details) > DETAILS_MAX:
            raise StatementMalformed("an entry has too many details")
        parts = _parts(details, amount, currency)
        for place, detail, part in parts:
            lines.add(_said(element, detail, direction, part, currency, place))


def _parts(
    details: list[Element], amount: int, currency: str
) -> list[tuple[int, Element | None, int]]:
    """An entry as one line, or as its details when there are several with amounts."""
    if len(details) <= 1:
        return [(0, details[0] if details else None, amount)]
    amounts = [_detail_amount(each, currency) for each in details]
    known = [each for each in amounts if each is not None]
    if not known:
        return [(0, None, amount)]
    if len(known) != len(details) or sum(known) != amount:
        raise StatementMalformed("the details of an entry do not add up to it")
    return [
        (place, detail, part)
        for place, (detail, part) in enumerate(zip(details, known, strict=True), start=1)
    ]


def _detail_amount(detail: Element, currency: str) -> int | None:
    found = _child(detail, "Amt")
    if found is None:
        for path in (("AmtDtls", "TxAmt", "Amt"), ("AmtDtls", "InstdAmt", "Amt")):
            found = found if found is not None else _find(detail, *path)
    if found is None:
        return None
    amount, said = _amount(found)
    return amount if said == currency else None


def _said(
    entry: Element,
    detail: Element | None,
    direction: Direction,
    amount: int,
    currency: str,
    place: int,
) -> Said:
    whole = entry if detail is None else detail
    texts = [
        (each.text or "").strip()
        for each in whole.iter()
        if _name(each) in ("Ustrd", "AddtlTxInf", "AddtlNtryInf", "AddtlRmtInf")
        or (_name(each) == "Ref" and each.text)
    ]
    if detail is not None:
        texts.append(_text(entry, "AddtlNtryInf"))
    booked = _text(entry, "BookgDt", "Dt") or _text(entry, "BookgDt", "DtTm")
    creditor = None if detail is None else _find(detail, "RltdPties", "CdtrAcct")
    credited = next(iter(_accounts_of(creditor)), "") if creditor is not None else ""
    returned = None if detail is None else _find(detail, "RtrInf")
    return Said(
        direction=direction,
        amount=amount,
        currency=currency,
        texts=tuple(text for text in texts if text)[:TEXT_PARTS_MAX],
        credited_account=credited,
        booked=booked,
        booked_at=_moment(booked),
        bank_reference=_text(entry, "AcctSvcrRef"),
        place=place,
        end_to_end="" if detail is None else _text(detail, "Refs", "EndToEndId"),
        return_code=None if returned is None else _text(returned, "Rsn", "Cd") or "RETURNED",
    )


def _moment(booked: str) -> datetime | None:
    """The moment of a date or time that the bank booked; a bare date is its first moment in UTC."""
    if not _DATE.match(booked):
        return None
    moment = datetime.fromisoformat(booked)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _direction(entry: Element) -> Direction:
    said = _text(entry, "CdtDbtInd")
    if said == "CRDT":
        return "credit"
    if said == "DBIT":
        return "debit"
    raise StatementMalformed("an entry is neither credit nor debit")


def _amount(element: Element | None) -> tuple[int, str]:
    if element is None:
        raise StatementMalformed("an amount is missing")
    currency = element.get("Ccy", "")
    return minor_of(element.text or "", currency), currency


def _accounts_of(element: Element) -> list[str]:
    """The account numbers that an account element names."""
    identity = _child(element, "Id")
    if identity is None:
        return []
    found = [_text(identity, "IBAN"), _text(identity, "Othr", "Id")]
    return [account_text(text) for text in found if text]


def _name(element: Element) -> str:
    return element.tag.rpartition("}")[2]


def _child(element: Element, name: str) -> Element | None:
    return next((each for each in element if _name(each) == name), None)


def _find(element: Element, *names: str) -> Element | None:
    found: Element | None = element
    for name in names:
        if found is None:
            return None
        found = _child(found, name)
    return found


def _text(element: Element | None, *names: str) -> str:
    found = None if element is None else _find(element, *names)
    return "" if found is None else (found.text or "").strip()
