"""Columns: a statement as comma-separated text, for banks that give no camt.

Law: as `camt`: read whole or refused. The form is ours, so that any bank's table can be brought
into it; its last row states how many lines there are and what they come to, so that a file that
was cut never passes as a short one.

    account,booked_on,direction,amount,currency,bank_reference,credited_account,end_to_end,text
    6222...,2026-11-21,credit,88.80,CNY,B20261121-7,,,"tea 7KXP29QWE4T"
    TOTAL,1,88.80,0.00

UTF-8. Columns may stand in any order; the last three, and the reference, may be empty or missing.
The row TOTAL holds the number of lines, the sum of the credits and the sum of the debits.
"""

import csv
import io
import re
from collections.abc import Mapping
from datetime import UTC, datetime

from gateway.channels.bank_statement import Direction
from gateway.channels.bank_transfer.lines import Lines, Said, account_text, minor_of
from gateway.channels.statement import StatementMalformed

REQUIRED = ("account", "booked_on", "direction", "amount", "currency")
OPTIONAL = ("bank_reference", "credited_account", "end_to_end", "text")
TOTAL = "TOTAL"
FIELD_CHARS_MAX = 4_096

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_COUNT = re.compile(r"[0-9]{1,9}")


def read_columns(content: bytes, account: str, currency: str, lines: Lines) -> None:
    """Add the rows of `account` to `lines`; the totals are in `currency`.

    Raises `StatementMalformed`, also for a row of another account.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise StatementMalformed("the file is not UTF-8") from None
    if "\0" in text:
        raise StatementMalformed("the file holds a NUL")
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    sums: dict[Direction, int] = {"credit": 0, "debit": 0}
    names: list[str] = []
    count, total = 0, None
    try:
        for row in rows:
            if total is not None:
                raise StatementMalformed("something follows the totals")
            if not names:
                names = _header(row)
            elif row and row[0] == TOTAL:
                total = row
            else:
                said = _said(row, names, account, currency)
                count += 1
                sums[said.direction] += said.amount
                lines.add(said)
    except csv.Error:
        raise StatementMalformed(f"row {rows.line_num} is not sound") from None
    if total is None:
        raise StatementMalformed("the totals are missing: the file was cut")
    _check_total(total, count, sums, currency)


def _header(row: list[str]) -> list[str]:
    names = [name.strip() for name in row]
    known = {*REQUIRED, *OPTIONAL}
    if len(set(names)) != len(names) or not known >= set(names) or not set(names) >= {*REQUIRED}:
        raise StatementMalformed("the first row does not name the columns")
    return names


def _said(row: list[str], names: list[str], account: str, currency: str) -> Said:
    if len(row) != len(names) or any(len(value) > FIELD_CHARS_MAX for value in row):
        raise StatementMalformed("a row has too many or too few columns, or a field is too long")
    values: Mapping[str, str] = dict(zip(names, row, strict=True))
    if account_text(values["account"]) != account_text(account):
        raise StatementMalformed("a row is of another account")
    if values["currency"] != currency:
        raise StatementMalformed("a row is of another currency than the account")
    booked = values["booked_on"]
    return Said(
        direction=_direction(values["direction"]),
        amount=minor_of(values["amount"], values["currency"]),
        currency=values["currency"],
        texts=tuple(text for text in (values.get("text", "").strip(),) if text),
        credited_account=account_text(values.get("credited_account", "")),
        booked=booked,
        booked_at=_moment(booked),
        bank_reference=values.get("bank_reference", ""),
        place=0,
        end_to_end=values.get("end_to_end", "").strip(),
    )


def _direction(text: str) -> Direction:
    if text == "credit":
        return "credit"
    if text == "debit":
        return "debit"
    raise StatementMalformed("a direction is neither credit nor debit")


def _moment(booked: str) -> datetime:
    if not _DATE.fullmatch(booked):
        raise StatementMalformed("a date is not of the form 2026-11-21")
    try:
        return datetime.fromisoformat(booked).replace(tzinfo=UTC)
    except ValueError:
        raise StatementMalformed("a date does not exist") from None


def _check_total(row: list[str], count: int, sums: Mapping[Direction, int], currency: str) -> None:
    if len(row) < 4 or any(row[4:]) or not _COUNT.fullmatch(row[1]):
        raise StatementMalformed("the totals are not number, credits and debits")
    stated = (int(row[1]), minor_of(row[2], currency), minor_of(row[3], currency))
    if stated != (count, sums["credit"], sums["debit"]):
        raise StatementMalformed("the lines do not come to the totals")
