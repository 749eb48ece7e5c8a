"""A bank's side of the files, written here by hand: nothing of the readers or the simulator."""

from datetime import UTC, datetime
from typing import Any

import pytest

from gateway.channels.codec import AccountView, PayOrder
from gateway.channels.statement import StatementMalformed

ATTEMPT = "01kb8mz3q8f7wv9t2n4x6c0r5a"
ACCOUNT = "6222 0000 1234 5678"
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def account(**credentials: str) -> AccountView:
    return AccountView(
        account_id="cac_1",
        channel="bank_transfer",
        gateway_url="",
        notify_url="https://pay.example.com/callbacks/bank_transfer/cac_1",
        credentials={
            "account": ACCOUNT,
            "account_name": "Tea & Co",
            "bank": "Pretend Bank",
            "bank_code": "PBNKCNBJ",
            **credentials,
        },
    )


def order(**changes: Any) -> PayOrder:
    content: dict[str, Any] = {
        "attempt_no": ATTEMPT,
        "method": "bank_transfer",
        "amount": 8_880,
        "currency": "CNY",
        "subject": "tea",
        "created_at": NOW,
        "expires_at": datetime(2026, 11, 29, tzinfo=UTC),
    }
    return PayOrder(**content | changes)


def entry(
    amount: str,
    text: str = "",
    *,
    way: str = "CRDT",
    status: str = "<Sts><Cd>BOOK</Cd></Sts>",
    reference: str = "B1",
    details: str | None = None,
    currency: str = "CNY",
) -> str:
    if details is None:
        details = f"<TxDtls><RmtInf><Ustrd>{text}</Ustrd></RmtInf></TxDtls>" if text else ""
    named = f"<AcctSvcrRef>{reference}</AcctSvcrRef>" if reference else ""
    return (
        f'<Ntry><Amt Ccy="{currency}">{amount}</Amt><CdtDbtInd>{way}</CdtDbtInd>{status}'
        f"<BookgDt><Dt>2026-11-21</Dt></BookgDt>{named}"
        f"<NtryDtls>{details}</NtryDtls></Ntry>"
    )


def balance(code: str, amount: str, way: str = "CRDT") -> str:
    return (
        f"<Bal><Tp><CdOrPrtry><Cd>{code}</Cd></CdOrPrtry></Tp>"
        f'<Amt Ccy="CNY">{amount}</Amt><CdtDbtInd>{way}</CdtDbtInd></Bal>'
    )


def camt(
    *entries: str,
    opening: str = "0.00",
    closing: str | None = None,
    kind: str = "053",
    version: str = "08",
    number: str = ACCOUNT,
    head: str = "",
) -> bytes:
    """A file with one statement; `closing` None leaves the balances out."""
    root, part = {
        "052": ("BkToCstmrAcctRpt", "Rpt"),
        "053": ("BkToCstmrStmt", "Stmt"),
        "054": ("BkToCstmrDbtCdtNtfctn", "Ntfctn"),
    }[kind]
    balances = balance("OPBD", opening) + balance("CLBD", closing) if closing is not None else ""
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>{head}'
        f'<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.{kind}.001.{version}"><{root}>'
        f"<GrpHdr><MsgId>1</MsgId></GrpHdr><{part}><Id>1</Id>"
        f"<Acct><Id><Othr><Id>{number}</Id></Othr></Id></Acct>"
        f"{balances}{''.join(entries)}</{part}></{root}></Document>"
    ).encode()


def malformed(read: Any, *arguments: Any) -> str:
    with pytest.raises(StatementMalformed) as caught:
        read(*arguments)
    return str(caught.value)
