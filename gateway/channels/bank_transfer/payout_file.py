"""Payout files: transfers as a bank takes them, a pain.001 of ISO 20022.

Law: pure, and exact. Elements stand in the order of the schema `pain.001.001.09`; number and sum of
the transfers are stated for the file and for its one payment block, so that a file that was cut is
refused by the bank. Each transfer carries our number from end to end: the bank's status file and
the debit in its statement name it. One file, one account, one currency, one day.

Source: ISO 20022 message definition "CustomerCreditTransferInitiation", version 9.
"""

import html
import re
from collections.abc import Sequence
from datetime import date, datetime

from msgspec import Struct

from fastpath.amount import AMOUNT_MINOR_MAX, format_decimal
from gateway.channels.bank_transfer.lines import account_text
from gateway.channels.codec import AccountView
from gateway.domain.errors import TillgateError
from gateway.domain.money import EXPONENTS

NAMESPACE = "urn:iso:std:iso:20022:tech:xsd:pain.001.001.09"
TRANSFERS_MAX = 10_000
NAME_CHARS_MAX = 140
PURPOSE_CHARS_MAX = 140
ID_CHARS_MAX = 35

_ID = re.compile(r"[0-9A-Za-z-]{1,35}")
_IBAN = re.compile(r"[A-Z]{2}[0-9]{2}[0-9A-Z]{11,30}")
_BIC = re.compile(r"[A-Z0-9]{4}[A-Z]{2}[A-Z0-9]{2}(?:[A-Z0-9]{3})?")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\ufffe\uffff\ud800-\udfff]")


class FileTransfer(Struct, frozen=True, kw_only=True):
    """One transfer of `amount` minor units; `number` is ours, `bank_code` a BIC or CNAPS number."""

    number: str
    amount: int
    name: str
    account: str
    bank_code: str
    purpose: str = ""


def write_payouts(
    account: AccountView,
    transfers: Sequence[FileTransfer],
    *,
    file_no: str,
    made_at: datetime,
    pay_on: date,
) -> bytes:
    """The file that has the bank send `transfers`, in the currency of the account.

    Raises `TillgateError` `invalid_field` for what no bank would take, a repeated number included.
    """
    currency = account.credentials.get("currency", "CNY")
    exponent = EXPONENTS[currency]
    _check(transfers, file_no)
    total = sum(each.amount for each in transfers)
    count_and_sum = f"<NbOfTxs>{len(transfers)}</NbOfTxs><CtrlSum>{_sum(total, exponent)}</CtrlSum>"
    owner = _text(account.credentials["account_name"])
    parts = [
        f'<?xml version="1.0" encoding="UTF-8"?>\n<Document xmlns="{NAMESPACE}">',
        f"<CstmrCdtTrfInitn><GrpHdr><MsgId>{file_no}</MsgId>",
        f"<CreDtTm>{made_at:%Y-%m-%dT%H:%M:%S}Z</CreDtTm>{count_and_sum}",
        f"<InitgPty><Nm>{owner}</Nm></InitgPty></GrpHdr>",
        f"<PmtInf><PmtInfId>{file_no}</PmtInfId><PmtMtd>TRF</PmtMtd>{count_and_sum}",
        f"<ReqdExctnDt><Dt>{pay_on.isoformat()}</Dt></ReqdExctnDt>",
        f"<Dbtr><Nm>{owner}</Nm></Dbtr>",
        f"<DbtrAcct>{_account(account.credentials['account'])}<Ccy>{currency}</Ccy></DbtrAcct>",
        f"<DbtrAgt>{_agent(account.credentials['bank_code'])}</DbtrAgt>",
        *(_transfer(each, currency, exponent) for each in transfers),
        "</PmtInf></CstmrCdtTrfInitn></Document>\n",
    ]
    return "".join(parts).encode("utf-8")


def _transfer(transfer: FileTransfer, currency: str, exponent: int) -> str:
    purpose = f"<RmtInf><Ustrd>{_text(transfer.purpose)}</Ustrd></RmtInf>"
    return (
        f"<CdtTrfTxInf><PmtId><EndToEndId>{transfer.number}</EndToEndId></PmtId>"
        f'<Amt><InstdAmt Ccy="{currency}">{format_decimal(transfer.amount, exponent)}</InstdAmt>'
        f"</Amt><CdtrAgt>{_agent(transfer.bank_code)}</CdtrAgt>"
        f"<Cdtr><Nm>{_text(transfer.name)}</Nm></Cdtr>"
        f"<CdtrAcct>{_account(transfer.account)}</CdtrAcct>"
        f"{purpose if transfer.purpose else ''}</CdtTrfTxInf>"
    )


def _account(number: str) -> str:
    number = account_text(number)
    if _IBAN.fullmatch(number):
        return f"<Id><IBAN>{number}</IBAN></Id>"
    return f"<Id><Othr><Id>{_text(number)}</Id></Othr></Id>"


def _agent(bank_code: str) -> str:
    """A bank by its BIC, or by its number in the national clearing."""
    if _BIC.fullmatch(bank_code):
        return f"<FinInstnId><BICFI>{bank_code}</BICFI></FinInstnId>"
    member = f"<ClrSysMmbId><MmbId>{_text(bank_code)}</MmbId></ClrSysMmbId>"
    return f"<FinInstnId>{member}</FinInstnId>"


def _sum(total: int, exponent: int) -> str:
    """A sum may be greater than any one amount; it is written by the same digits."""
    digits = str(total).rjust(exponent + 1, "0")
    return f"{digits[:-exponent]}.{digits[-exponent:]}" if exponent else digits


def _text(text: str) -> str:
    return html.escape(text, quote=True)


def _check(transfers: Sequence[FileTransfer], file_no: str) -> None:
    if not 1 <= len(transfers) <= TRANSFERS_MAX:
        raise _refused(f"A file has 1 to {TRANSFERS_MAX} transfers.")
    if not _ID.fullmatch(file_no) or not all(_ID.fullmatch(each.number) for each in transfers):
        raise _refused(f"A number has 1 to {ID_CHARS_MAX} letters, digits and hyphens.")
    if len({each.number for each in transfers}) != len(transfers):
        raise _refused("A number stands for one transfer.")
    for each in transfers:
        if type(each.amount) is not int or not 1 <= each.amount <= AMOUNT_MINOR_MAX:
            raise _refused("An amount is not one of minor units.")
        texts = (each.name, each.account, each.bank_code, each.purpose)
        if not (each.name and each.account and each.bank_code) or any(
            _CONTROL.search(text) for text in texts
        ):
            raise _refused("A transfer lacks name, account or bank, or has control characters.")
        if len(each.name) > NAME_CHARS_MAX or len(each.purpose) > PURPOSE_CHARS_MAX:
            raise _refused("A name or purpose is too long for a bank.")


def _refused(detail: str) -> TillgateError:
    return TillgateError("invalid_field", detail)
