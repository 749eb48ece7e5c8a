"""Statements of the pretend bank: camt.053 as banks write it, and the table of columns.

Law: pure; the sums lead from the opening to the closing balance, whatever is pending stands apart.
Days are Beijing's. Source: ISO 20022, camt.053.001.08.
"""

from collections.abc import Sequence
from datetime import date, datetime
from html import escape
from typing import Final

from gateway.sandbox.bank.accounts import BANK_CODE, CURRENCY, Account
from gateway.sandbox.bank.movements import Movement
from gateway.sandbox.moments import BEIJING, from_ms, to_ms

NAMESPACE: Final = "urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"


def write_camt(
    account: Account,
    movements: Sequence[Movement],
    *,
    opening: int,
    first: date,
    last: date,
    now: datetime,
) -> bytes:
    """The statement of an account from `first` to `last`."""
    now_ms = to_ms(now)
    booked = [each for each in movements if each.booked_at <= now_ms]
    closing = opening + sum(each.amount for each in booked)
    number = f"{account.number}-{first:%Y%m%d}-{last:%Y%m%d}"
    made_at = now.astimezone(BEIJING).isoformat(timespec="seconds")
    parts = [
        f'<?xml version="1.0" encoding="UTF-8"?>\n<Document xmlns="{NAMESPACE}"><BkToCstmrStmt>',
        f"<GrpHdr><MsgId>{number}</MsgId><CreDtTm>{made_at}</CreDtTm></GrpHdr>",
        f"<Stmt><Id>{number}</Id><CreDtTm>{made_at}</CreDtTm>",
        f"<Acct><Id><Othr><Id>{account.number}</Id></Othr></Id><Ccy>{CURRENCY}</Ccy>",
        f"<Svcr><FinInstnId><BICFI>{BANK_CODE}</BICFI></FinInstnId></Svcr></Acct>",
        _balance("OPBD", opening, first),
        _balance("CLBD", closing, last),
        *(_entry(each, is_booked=each.booked_at <= now_ms) for each in movements),
        "</Stmt></BkToCstmrStmt></Document>\n",
    ]
    return "".join(parts).encode()


def write_columns(account: Account, movements: Sequence[Movement], *, now: datetime) -> bytes:
    """The same as comma-separated text: what is booked only."""
    now_ms = to_ms(now)
    rows = ["account,booked_on,direction,amount,currency,bank_reference,credited_account,"]
    rows[0] += "end_to_end,text"
    credits = debits = count = 0
    for each in movements:
        if each.booked_at > now_ms:
            continue
        count += 1
        credits += max(each.amount, 0)
        debits += max(-each.amount, 0)
        way = "credit" if each.amount > 0 else "debit"
        cells = [
            account.number,
            _day(each.booked_at),
            way,
            _yuan(abs(each.amount)),
            each.currency,
            each.reference,
            each.credited,
            each.end_to_end,
            '"' + each.text.replace('"', '""') + '"',
        ]
        rows.append(",".join(cells))
    rows.append(f"TOTAL,{count},{_yuan(credits)},{_yuan(debits)}")
    return ("\n".join(rows) + "\n").encode()


def _entry(movement: Movement, *, is_booked: bool) -> str:
    way = "CRDT" if movement.amount > 0 else "DBIT"
    amount = f'<Amt Ccy="{movement.currency}">{_yuan(abs(movement.amount))}</Amt>'
    returned = ""
    if movement.return_code is not None:
        returned = f"<RtrInf><Rsn><Cd>{movement.return_code}</Cd></Rsn></RtrInf>"
    credited = ""
    if movement.credited:
        identity = f"<Id><Othr><Id>{escape(movement.credited)}</Id></Othr></Id>"
        credited = f"<RltdPties><CdtrAcct>{identity}</CdtrAcct></RltdPties>"
    remittance = f"<RmtInf><Ustrd>{escape(movement.text)}</Ustrd></RmtInf>"
    return (
        f"<Ntry>{amount}<CdtDbtInd>{way}</CdtDbtInd>"
        f"<Sts><Cd>{'BOOK' if is_booked else 'PDNG'}</Cd></Sts>"
        f"<BookgDt><Dt>{_day(movement.booked_at)}</Dt></BookgDt>"
        f"<AcctSvcrRef>{movement.reference}</AcctSvcrRef>"
        "<BkTxCd><Prtry><Cd>TRF</Cd></Prtry></BkTxCd>"
        "<NtryDtls><TxDtls><Refs>"
        f"<EndToEndId>{escape(movement.end_to_end) or 'NOTPROVIDED'}</EndToEndId></Refs>"
        f"{amount}<CdtDbtInd>{way}</CdtDbtInd>{credited}"
        f"{remittance if movement.text else ''}{returned}</TxDtls></NtryDtls></Ntry>"
    )


def _balance(code: str, amount: int, day: date) -> str:
    return (
        f"<Bal><Tp><CdOrPrtry><Cd>{code}</Cd></CdOrPrtry></Tp>"
        f'<Amt Ccy="{CURRENCY}">{_yuan(abs(amount))}</Amt>'
        f"<CdtDbtInd>{'CRDT' if amount >= 0 else 'DBIT'}</CdtDbtInd>"
        f"<Dt><Dt>{day.isoformat()}</Dt></Dt></Bal>"
    )


def _day(moment_ms: int) -> str:
    return from_ms(moment_ms).astimezone(BEIJING).date().isoformat()


def _yuan(fen: int) -> str:
    return f"{fen // 100}.{fen % 100:02d}"
