"""Transfers to a payee's WeChat wallet (`wechat_transfer`), which the payee must confirm.

Law: as `gateway.channels.transfer`. WeChat takes a transfer, the payee confirms it within WeChat
(`package_info` opens the page), and only then money moves; unconfirmed it fails after a day. No
status but 200 tells what became of a request: everything but a fault of form or signature is
`Unknown` and asked about under the same number.

| state | outcome |
|---|---|
| WAIT_USER_CONFIRM | TransferPending, with what the payee's app needs, when it is created |
| ACCEPTED, PROCESSING, TRANSFERING, CANCELING | TransferPending |
| SUCCESS | Transferred |
| FAIL, CANCELLED | Returned |

From 2 000 yuan a payee's name is required; it goes encrypted under WeChat's key.
Source: WeChat Pay API v3, "merchant transfer with the user's confirmation" (2025).
"""

import re
from collections.abc import Mapping
from datetime import datetime

import msgspec

from gateway.channels.codec import AccountView, Unknown
from gateway.channels.crypto import KeyUnusable
from gateway.channels.limits import check_amount
from gateway.channels.transfer import (
    Returned,
    TransferOrder,
    TransferOutcome,
    TransferPending,
    Transferred,
)
from gateway.channels.wechat import codes
from gateway.channels.wechat.answer import MISSING, Answer, open_answer
from gateway.channels.wechat.dialect import CURRENCY, fen_of, is_text, moment_of
from gateway.channels.wechat.keys import newest_key
from gateway.channels.wechat.request import segment, signed_request
from gateway.channels.wechat.seal import seal_text
from gateway.channels.wechat.trade import number_of
from gateway.channels.wire import HttpRequest, HttpResponse
from gateway.domain.errors import TillgateError

METHOD = "wechat_transfer"
BILLS_PATH = "/v3/fund-app/mch-transfer/transfer-bills"
TRANSFER_FEN_MIN = 10
TRANSFER_FEN_MAX = 10_000_000_000
NAME_FEN_MIN = 30
NAME_REQUIRED_FEN_MIN = 200_000
NAME_CHARS_MAX = 50
REMARK_CHARS_MAX = 32
REPORTS_MAX = 10
PACKAGE_CHARS_MAX = 2048

PENDING_STATES = frozenset(
    {"ACCEPTED", "PROCESSING", "WAIT_USER_CONFIRM", "TRANSFERING", "CANCELING"}
)
ENDED_STATES = frozenset({"FAIL", "CANCELLED"})

_NUMBER = re.compile(r"[0-9A-Za-z]{1,32}")
_OPENID = re.compile(r"[0-9A-Za-z_-]{1,128}")


class _Report(msgspec.Struct, forbid_unknown_fields=True):
    """One piece of what WeChat wants to know of a transfer's scene."""

    info_type: str
    info_content: str


_REPORTS = msgspec.json.Decoder(list[_Report])


def reports_of(text: str) -> list[dict[str, str]]:
    """The account's `transfer_scene_report_infos`, a JSON list. Raises ValueError."""
    try:
        reports = _REPORTS.decode(text)
    except (msgspec.MsgspecError, RecursionError):
        raise ValueError("it is no JSON list of {info_type, info_content}") from None
    if not 1 <= len(reports) <= REPORTS_MAX:
        raise ValueError(f"it has not 1 to {REPORTS_MAX} members")
    return [msgspec.to_builtins(report) for report in reports]


def check_transfer(transfer: TransferOrder) -> None:
    """Refuse what WeChat would never take. Raises `TillgateError`."""
    if transfer.method != METHOD:
        raise TillgateError(
            "unsupported_method", f"WeChat Pay does not serve {transfer.method}.", param="/method"
        )
    check_amount(
        transfer.amount,
        transfer.currency,
        channel="WeChat Pay",
        only=CURRENCY,
        least=TRANSFER_FEN_MIN,
        greatest=TRANSFER_FEN_MAX,
    )
    if not 1 <= len(transfer.purpose) <= REMARK_CHARS_MAX or not is_text(transfer.purpose):
        raise TillgateError(
            "invalid_field",
            f"WeChat Pay takes purposes of 1 to {REMARK_CHARS_MAX} characters.",
            param="/purpose",
        )
    if not _OPENID.fullmatch(transfer.payee.get("openid", "")):
        raise TillgateError(
            "invalid_field", "A transfer needs the payee's openid.", param="/payee/openid"
        )
    _check_name(transfer)
    if not _NUMBER.fullmatch(transfer.transfer_no):
        raise TillgateError("internal_error", "The transfer number is not one for WeChat Pay.")


def _check_name(transfer: TransferOrder) -> None:
    name = transfer.payee.get("name", "")
    if transfer.amount >= NAME_REQUIRED_FEN_MIN and not name:
        raise TillgateError(
            "missing_field",
            f"From {NAME_REQUIRED_FEN_MIN} fen on, a transfer needs the payee's name.",
            param="/payee/name",
        )
    if len(name) > NAME_CHARS_MAX or not is_text(name):
        raise TillgateError(
            "invalid_field",
            f"A payee's name has at most {NAME_CHARS_MAX} characters.",
            param="/payee/name",
        )


def build_transfer(account: AccountView, transfer: TransferOrder, now: datetime) -> HttpRequest:
    """The request that hands the transfer to WeChat.

    Raises `TillgateError`: as `check_transfer`; `unsupported_method` for an account without
    `transfer_scene_id`; `channel_unavailable` while no key of WeChat is known for the name.
    """
    check_transfer(transfer)
    credentials = account.credentials
    scene = credentials.get("transfer_scene_id")
    if not scene:
        raise TillgateError("unsupported_method", "The channel account has no transfer_scene_id.")
    content: dict[str, object] = {
        "appid": credentials["appid"],
        "out_bill_no": transfer.transfer_no,
        "transfer_scene_id": scene,
        "openid": transfer.payee["openid"],
        "transfer_amount": transfer.amount,
        "transfer_remark": transfer.purpose,
        "notify_url": account.notify_url,
    }
    reports = credentials.get("transfer_scene_report_infos")
    if reports:
        content["transfer_scene_report_infos"] = reports_of(reports)
    serial = None
    name = transfer.payee.get("name")
    if name and transfer.amount >= NAME_FEN_MIN:
        serial, content["user_name"] = _sealed_name(account, transfer.transfer_no, name, now)
    return signed_request(
        account,
        "POST",
        BILLS_PATH,
        now,
        operation="transfer",
        number=transfer.transfer_no,
        content=content,
        serial=serial,
    )


def _sealed_name(account: AccountView, number: str, name: str, now: datetime) -> tuple[str, str]:
    newest = newest_key(account, now)
    if newest is None:
        raise TillgateError("channel_unavailable", "WeChat Pay's key is not known yet.")
    serial, pem = newest
    apiv3_key = account.credentials["apiv3_key"]
    try:
        return serial, seal_text(name, public_key=pem, apiv3_key=apiv3_key, number=number)
    except KeyUnusable:
        raise TillgateError("channel_unavailable", "WeChat Pay's key is not usable.") from None


def read_transfer(
    account: AccountView, transfer: TransferOrder, response: HttpResponse
) -> TransferOutcome:
    """What became of the request."""
    answer = open_answer(account, response)
    if isinstance(answer, Unknown):
        return answer
    if answer.is_success:
        return _read(account, transfer, answer, needs_amount=False)
    return codes.refusal(codes.TRANSFER, status=answer.status, code=answer.code)


def build_transfer_query(
    account: AccountView, transfer: TransferOrder, now: datetime
) -> HttpRequest:
    """Ask what became of one transfer number; WeChat knows it for 30 days."""
    path = f"{BILLS_PATH}/out-bill-no/{segment(transfer.transfer_no)}"
    return signed_request(
        account, "GET", path, now, operation="transfer_query", number=transfer.transfer_no
    )


def read_transfer_query(
    account: AccountView, transfer: TransferOrder, response: HttpResponse
) -> TransferOutcome:
    """The state of the transfer; a refused query says nothing about it."""
    answer = open_answer(account, response)
    if isinstance(answer, Unknown):
        return answer
    if answer.is_success:
        return _read(account, transfer, answer, needs_amount=True)
    return codes.absence(codes.NO_TRANSFER, status=answer.status, code=answer.code)


def build_transfer_cancel(
    account: AccountView, transfer: TransferOrder, now: datetime
) -> HttpRequest:
    """Take back a transfer that the payee has not confirmed."""
    path = f"{BILLS_PATH}/out-bill-no/{segment(transfer.transfer_no)}/cancel"
    return signed_request(
        account,
        "POST",
        path,
        now,
        operation="transfer_cancel",
        number=transfer.transfer_no,
    )


def read_transfer_cancel(
    account: AccountView, transfer: TransferOrder, response: HttpResponse
) -> TransferOutcome:
    """Pending or returned; a refused cancel says nothing about the transfer: query it."""
    answer = open_answer(account, response)
    if isinstance(answer, Unknown):
        return answer
    if answer.is_success:
        return _read(account, transfer, answer, needs_amount=False)
    return codes.unlisted(answer.code)


def _read(
    account: AccountView, transfer: TransferOrder, answer: Answer, *, needs_amount: bool
) -> TransferOutcome:
    fields = answer.fields
    wrong = _stranger(account, transfer, fields, needs_amount=needs_amount)
    if wrong is not None:
        return wrong
    bill_no = number_of(fields, "transfer_bill_no")
    state = fields.get("state")
    if state in PENDING_STATES:
        return TransferPending(channel_order_no=bill_no, next_action=_next_action(account, answer))
    if state == "SUCCESS":
        return Transferred(
            transfer_no=transfer.transfer_no,
            channel_order_no=bill_no,
            transferred_at=moment_of(fields.get("update_time")),
        )
    if state in ENDED_STATES:
        return Returned(channel_code=number_of(fields, "fail_reason") or str(state))
    return Unknown(reason="the transfer state is not a listed one")


def _stranger(
    account: AccountView,
    transfer: TransferOrder,
    fields: Mapping[str, object],
    *,
    needs_amount: bool,
) -> Unknown | None:
    if "out_bill_no" not in fields:
        return Unknown(reason=MISSING + "out_bill_no")
    if fields["out_bill_no"] != transfer.transfer_no:
        return Unknown(reason="the answer is about another out_bill_no")
    credentials = account.credentials
    for name, expected in (("mch_id", credentials["mchid"]), ("appid", credentials["appid"])):
        if fields.get(name, expected) != expected:
            return Unknown(reason=f"the answer is about another {name}")
    amount = fields.get("transfer_amount", None if needs_amount else transfer.amount)
    if fen_of(amount) != transfer.amount:
        return Unknown(reason="the transferred amount is not the transfer's")
    return None


def _next_action(account: AccountView, answer: Answer) -> dict[str, object] | None:
    """What `wx.requestMerchantTransfer` needs, while the payee's confirmation is waited for."""
    package = answer.text("package_info")
    if answer.fields.get("state") != "WAIT_USER_CONFIRM" or package is None:
        return None
    if len(package) > PACKAGE_CHARS_MAX or not package.isprintable():
        return None
    params = {
        "mchId": account.credentials["mchid"],
        "appId": account.credentials["appid"],
        "package": package,
    }
    return {"type": "app_params", "params": params}
