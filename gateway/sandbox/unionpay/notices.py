"""What the pretend UnionPay tells a merchant: the fields of its back notifications.

Law: the fields are fixed when the thing happens and are the same at every repeat; only the
signature belongs to one sending. Successes only: failed trades are not told. Source: UnionPay,
acp 5.1.0, "back notification".
"""

import json
from typing import Final

from gateway.sandbox import keys
from gateway.sandbox.book import Notice
from gateway.sandbox.notifications import Outgoing
from gateway.sandbox.unionpay import wire
from gateway.sandbox.unionpay.authority import Authority
from gateway.sandbox.unionpay.magic import FIRST_NOTIFICATION_FAULTS
from gateway.sandbox.unionpay.refusals import TEXTS
from gateway.sandbox.unionpay.register import Trade

AMOUNT_FIELDS: Final = ("txnAmt", "settleAmt")
ECHOED: Final = (
    "version",
    "encoding",
    "signMethod",
    "accessType",
    "bizType",
    "merId",
    "orderId",
    "txnTime",
    "txnType",
    "txnSubType",
    "txnAmt",
    "currencyCode",
    "origQryId",
    "reqReserved",
)
HEADERS: Final = {
    "Content-Type": "application/x-www-form-urlencoded;charset=UTF-8",
    "User-Agent": "UnionPay notify",
}


def notice_content(trade: Trade, settled: dict[str, str]) -> str:
    """The notification of a trade that is done, as JSON for the book."""
    asked = json.loads(trade.content)
    fields = {name: asked[name] for name in ECHOED if name in asked}
    fields |= settled | {"respCode": "00", "respMsg": TEXTS["00"]}
    return json.dumps(fields, ensure_ascii=False)


def compose(notice: Notice, *, authority: Authority, fault: str | None) -> Outgoing:
    """One sending of a notification, signed."""
    fields: dict[str, str] = json.loads(notice.content)
    if notice.sends == 0 and fields["txnType"] in ("01", "02"):
        fault = fault or FIRST_NOTIFICATION_FAULTS.get(int(fields["txnAmt"]))
    return Outgoing(HEADERS, wire.form(signed(fields, authority=authority, fault=fault)))


def signed(fields: dict[str, str], *, authority: Authority, fault: str | None) -> dict[str, str]:
    """The fields with certificate and signature; `fault` may spoil them."""
    if fault == "wrong_amount":
        fields = {
            name: str(int(value) + 1) if name in AMOUNT_FIELDS else value
            for name, value in fields.items()
        }
    whole = fields | {"signPubKeyCert": authority.signer_pem}
    signature = keys.sign(authority.signer.key, wire.signed_text(whole))
    whole["signature"] = keys.falsified(signature) if fault == "bad_signature" else signature
    return whole
