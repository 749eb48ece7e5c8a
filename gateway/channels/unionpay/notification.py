"""UnionPay's callbacks (back notifications): from a raw POST to a `VerifiedCallback`.

Law: the certificate in the message first, then its signature, then the merchant, then the shape;
nothing is read before it is verified. Only the body counts: what stands in the query of our own
address is ours and was never signed. UnionPay tells of success only.

| txnType | tells of          | our attempt in | outcome                                         |
|---------|-------------------|----------------|-------------------------------------------------|
| 01      | a payment         | orderId        | Paid                                            |
| 02      | a hold            | orderId        | Authorized                                      |
| 03      | a capture         | reqReserved    | None: the capture's own query tells its number  |
| 04      | a refund          | reqReserved    | Refunded, `orderId` is the refund's number      |
| 31, 32  | a void            | reqReserved    | Closed                                          |
| others  |                   |                | None                                            |

`reqReserved` is what we sent along with the request, given back and signed. A message whose
`respCode` is no success asks for nothing.
"""

from collections.abc import Mapping
from datetime import datetime

from gateway.channels.codec import (
    AccountView,
    Authorized,
    CallbackRefused,
    Closed,
    Paid,
    Refunded,
    VerifiedCallback,
)
from gateway.channels.unionpay import codes
from gateway.channels.unionpay.answer import CERTIFICATE, distrust
from gateway.channels.unionpay.dialect import ORDER_NO, trace_moment
from gateway.channels.unionpay.signature import SIGNATURE, TextMalformed, parse_form
from gateway.channels.unionpay.trade import authorized, paid, query_number
from gateway.channels.wire import CallbackRequest

PAYMENT, HOLD, REFUND = "01", "02", "04"
VOIDS = frozenset({"31", "32"})


def read_notification(
    account: AccountView, request: CallbackRequest, now: datetime
) -> VerifiedCallback:
    """Verify and read one callback. Raises `CallbackRefused` and nothing else."""
    fields = _verified_fields(account, request, now)
    if fields.get("merId") != account.credentials["mer_id"]:
        raise CallbackRefused("wrong_application")
    number = query_number(fields)
    order_id = fields.get("orderId", "")
    if number is None or not ORDER_NO.fullmatch(order_id):
        raise CallbackRefused("malformed")
    txn_type = fields.get("txnType", "")
    key = f"{txn_type}|{number}|{fields.get('respCode', '')}"
    if fields.get("respCode") not in codes.DONE:
        return VerifiedCallback(dedupe_key=key, attempt_no=None, outcome=None)
    if txn_type in (PAYMENT, HOLD):
        return VerifiedCallback(
            dedupe_key=key, attempt_no=order_id, outcome=_money(fields, txn_type)
        )
    attempt_no = _attempt(fields)
    if attempt_no is None:
        return VerifiedCallback(dedupe_key=key, attempt_no=None, outcome=None)
    if txn_type == REFUND:
        refunded = Refunded(
            refund_no=order_id,
            refunded_at=trace_moment(fields.get("traceTime"), fields.get("txnTime")),
        )
        return VerifiedCallback(
            dedupe_key=key, attempt_no=attempt_no, outcome=refunded, refund_no=order_id
        )
    outcome = Closed() if txn_type in VOIDS else None
    return VerifiedCallback(dedupe_key=key, attempt_no=attempt_no, outcome=outcome)


def _verified_fields(
    account: AccountView, request: CallbackRequest, now: datetime
) -> Mapping[str, str]:
    if request.method != "POST":
        raise CallbackRefused("malformed")
    try:
        fields = parse_form(request.body)
    except TextMalformed:
        raise CallbackRefused("malformed") from None
    if not fields.get(SIGNATURE) or not fields.get(CERTIFICATE):
        raise CallbackRefused("malformed")
    if distrust(account, fields, at=now) is not None:
        raise CallbackRefused("bad_signature")
    return fields


def _money(fields: Mapping[str, str], txn_type: str) -> Paid | Authorized:
    found = authorized(fields) if txn_type == HOLD else paid(fields)
    if found is None:
        raise CallbackRefused("malformed")
    return found


def _attempt(fields: Mapping[str, str]) -> str | None:
    """Our attempt, as we sent it along."""
    number = fields.get("reqReserved", "")
    return number if ORDER_NO.fullmatch(number) else None
