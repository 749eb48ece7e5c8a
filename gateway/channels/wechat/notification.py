"""WeChat's notifications: from a raw POST to a `VerifiedCallback`.

Law: signature and time of sending first, then the seal, then merchant and application, then shape;
nothing is read before it is verified. A resource that is signed but not sealed with our APIv3 key
is another merchant's (or our key is wrong): `wrong_seller`, which raises an alert.

| event_type | outcome |
|---|---|
| TRANSACTION.SUCCESS, trade_state SUCCESS | Paid |
| REFUND.SUCCESS | Refunded: a hint, the refund is queried |
| REFUND.CLOSED, REFUND.ABNORMAL | None: the refund is asked about by its own time |
| MCHTRANSFER.BILL.FINISHED | None, about no order |
| anything else | None |
"""

from collections.abc import Mapping
from datetime import datetime

import msgspec

from gateway.channels.codec import (
    AccountView,
    CallbackRefused,
    Refunded,
    VerifiedCallback,
)
from gateway.channels.key_ring import UNKNOWN_SERIAL
from gateway.channels.wechat.dialect import moment_of
from gateway.channels.wechat.keys import key_of
from gateway.channels.wechat.seal import SealBroken, open_resource
from gateway.channels.wechat.signature import UNSIGNED, verify
from gateway.channels.wechat.trade import number_of, paid_of
from gateway.channels.wire import CallbackRequest

PAID_EVENT = "TRANSACTION.SUCCESS"
REFUND_EVENTS = frozenset({"REFUND.SUCCESS", "REFUND.CLOSED", "REFUND.ABNORMAL"})
TRANSFER_EVENT = "MCHTRANSFER.BILL.FINISHED"
RESOURCE_TYPE = "encrypt-resource"
BODY_BYTES_MAX = 65_536

Fields = Mapping[str, object]


def read_notification(
    account: AccountView, request: CallbackRequest, now: datetime
) -> VerifiedCallback:
    """Verify and read one notification. Raises `CallbackRefused` and nothing else."""
    envelope = _verified(account, request, now)
    event = _required(envelope, "event_type")
    notice_id = _required(envelope, "id")
    if envelope.get("resource_type") != RESOURCE_TYPE:
        raise CallbackRefused("malformed")
    try:
        plain = open_resource(envelope.get("resource"), account.credentials["apiv3_key"])
    except SealBroken:
        raise CallbackRefused("wrong_seller") from None
    fields = _object(plain)
    _check_owner(account, event, fields)
    if event == PAID_EVENT:
        return _read_paid(fields)
    if event in REFUND_EVENTS:
        return _read_refund(event, fields)
    if event == TRANSFER_EVENT:
        number, state = _required(fields, "out_bill_no"), _required(fields, "state")
        return VerifiedCallback(f"transfer|{number}|{state}", attempt_no=None, outcome=None)
    return VerifiedCallback(f"notify|{notice_id}", attempt_no=None, outcome=None)


def _verified(account: AccountView, request: CallbackRequest, now: datetime) -> Fields:
    if request.method != "POST" or len(request.body) > BODY_BYTES_MAX:
        raise CallbackRefused("malformed")
    seen = verify(
        request.headers,
        request.body,
        key_of=lambda serial, moment: key_of(account, serial, moment),
        now=now,
    )
    if seen.fault is not None:
        reason = "malformed" if seen.fault == UNSIGNED else seen.fault
        raise CallbackRefused(reason, serial=seen.serial if seen.fault == UNKNOWN_SERIAL else None)
    return _object(request.body)


def _object(text: bytes) -> Fields:
    try:
        return msgspec.json.decode(text, type=dict[str, object])
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise CallbackRefused("malformed") from None


def _required(fields: Fields, name: str) -> str:
    value = number_of(fields, name)
    if value is None:
        raise CallbackRefused("malformed")
    return value


def _check_owner(account: AccountView, event: str, fields: Fields) -> None:
    """Merchant and application must be ours; where an event must name them, their lack counts."""
    credentials = account.credentials
    is_paid = event == PAID_EVENT
    needs_merchant = is_paid or event in REFUND_EVENTS
    name = "mch_id" if event == TRANSFER_EVENT else "mchid"
    if fields.get(name, None if needs_merchant else credentials["mchid"]) != credentials["mchid"]:
        raise CallbackRefused("wrong_seller")
    if fields.get("appid", None if is_paid else credentials["appid"]) != credentials["appid"]:
        raise CallbackRefused("wrong_application")


def _read_paid(fields: Fields) -> VerifiedCallback:
    order_no = _required(fields, "out_trade_no")
    transaction_id = _required(fields, "transaction_id")
    state = _required(fields, "trade_state")
    paid = paid_of(fields) if state == "SUCCESS" else None
    if state == "SUCCESS" and paid is None:
        raise CallbackRefused("malformed")
    return VerifiedCallback(f"{transaction_id}|{state}", attempt_no=order_no, outcome=paid)


def _read_refund(event: str, fields: Fields) -> VerifiedCallback:
    order_no = _required(fields, "out_trade_no")
    refund_no = _required(fields, "out_refund_no")
    refund_id = _required(fields, "refund_id")
    status = _required(fields, "refund_status")
    outcome = None
    if event == "REFUND.SUCCESS" and status == "SUCCESS":
        outcome = Refunded(refund_no=refund_no, refunded_at=moment_of(fields.get("success_time")))
    return VerifiedCallback(
        f"{refund_id}|{status}", attempt_no=order_no, outcome=outcome, refund_no=refund_no
    )
