"""Lines: what a statement of any form says of a movement, and what makes it one for ever.

Law: pure. The key of a line is made of the bank, the account and the bank's own number of the
entry (and the place of a detail in it); where the bank gives none, of all that the line says and
how many lines said the same before it in the file. So the same movement has the same key in every
file that holds it, and equal transfers of one day stay two.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from fastpath.amount import AmountInvalid, parse_decimal
from gateway.channels.bank_statement import BankLine, Direction
from gateway.channels.bank_transfer.references import find_references, find_virtual_accounts
from gateway.channels.codec import AccountView
from gateway.channels.statement import StatementMalformed
from gateway.domain.money import EXPONENTS

STATEMENT_BYTES_MAX = 64 * 1024 * 1024
LINES_MAX = 500_000
BANK_REFERENCE_CHARS_MAX = 64

_ACCOUNT_NOISE = re.compile(r"[\s-]+")
_NO_REFERENCE = frozenset({"NOTPROVIDED", "NONREF", "NONE", "NA", ""})


class Said(NamedTuple):
    """A movement as a file says it; `texts` are what the payer (or the bank) wrote.

    `place` is the place of a detail in its entry, 0 where an entry has one.
    """

    direction: Direction
    amount: int
    currency: str
    texts: tuple[str, ...]
    credited_account: str
    booked: str
    booked_at: datetime | None
    bank_reference: str
    place: int
    end_to_end: str
    return_code: str | None = None


def account_text(text: str) -> str:
    """An account number as it is compared: capitals, without blanks and hyphens."""
    return _ACCOUNT_NOISE.sub("", text).upper()


def minor_of(text: str, currency: str) -> int:
    """Minor units of decimal text; zeros behind the currency's places are nothing.

    Raises `StatementMalformed`.
    """
    exponent = EXPONENTS.get(currency)
    if exponent is None:
        raise StatementMalformed("a currency is not one of ISO 4217")
    whole, point, decimals = text.strip().partition(".")
    if len(decimals) > exponent and not decimals[exponent:].strip("0"):
        decimals = decimals[:exponent]
    try:
        return parse_decimal(f"{whole}.{decimals}" if point and decimals else whole, exponent)
    except AmountInvalid:
        raise StatementMalformed("an amount is not decimal text of its currency") from None


class Lines:
    """Collects the lines of one file for one account."""

    def __init__(self, account: AccountView) -> None:
        self._credentials: Mapping[str, str] = account.credentials
        self._same: Counter[str] = Counter()
        self._keys: set[str] = set()
        self.made: list[BankLine] = []

    def add(self, said: Said) -> None:
        """Take in one movement. Raises `StatementMalformed` for too many, or one said twice."""
        if len(self.made) >= LINES_MAX:
            raise StatementMalformed(f"the file has more than {LINES_MAX} lines")
        if said.amount == 0:
            return
        reference = said.bank_reference.strip()
        is_named = reference.upper() not in _NO_REFERENCE
        key = self._key(said, reference if is_named else None)
        if key in self._keys:
            raise StatementMalformed("two lines carry one reference of the bank")
        self._keys.add(key)
        line = BankLine(
            key=key,
            direction=said.direction,
            amount=said.amount,
            currency=said.currency,
            candidates=self._candidates(said),
            number=said.end_to_end.strip() or None,
            bank_reference=reference[:BANK_REFERENCE_CHARS_MAX] if is_named else None,
            booked_at=said.booked_at,
            return_code=said.return_code,
        )
        self.made.append(line)

    def _key(self, said: Said, reference: str | None) -> str:
        owner = (self._credentials["bank_code"], account_text(self._credentials["account"]))
        if reference is not None:
            return _hashed(*owner, "ref", reference, said.direction, str(said.place))
        facts = (
            *owner,
            "line",
            said.booked,
            said.direction,
            said.currency,
            str(said.amount),
            said.end_to_end,
            said.credited_account,
            *said.texts,
        )
        alike = _hashed(*facts)
        ordinal = self._same[alike]
        self._same[alike] += 1
        return _hashed(alike, str(ordinal))

    def _candidates(self, said: Said) -> tuple[str, ...]:
        """The virtual account first, then references in the texts."""
        if said.direction != "credit":
            return ()
        found: dict[str, None] = {}
        prefix = self._credentials.get("virtual_account_prefix")
        if prefix:
            for text in (said.credited_account, *said.texts):
                found.update(dict.fromkeys(find_virtual_accounts(prefix, text)))
        for text in (said.end_to_end, *said.texts):
            found.update(dict.fromkeys(find_references(text)))
        return tuple(found)


def _hashed(*facts: str) -> str:
    """A hash that no two lists of texts share by accident."""
    joined = b"".join(b"%d:%b" % (len(fact.encode()), fact.encode()) for fact in facts)
    return hashlib.sha256(joined).hexdigest()
