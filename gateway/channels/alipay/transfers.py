"""Money from the merchant's account at Alipay to somebody's (`alipay_transfer`).

Law: as `gateway.channels.transfer`. Fund products ask for certificate mode, so an account in public
key mode is refused before a byte leaves, unless its `transfer_in_public_key_mode` is `on` (Alipay
signs such contracts with a few merchants). Without an answer, or with an unlisted one, the transfer
is asked about under the same number, for as long as it takes.

| status | outcome |
|---|---|
| SUCCESS | Transferred |
| DEALING, INIT, WAIT_PAY | TransferPending |
| FAIL, CLOSED, REFUND (only from a query) | Returned: the money came back, or will not go |
| anything else | Unknown |

Source: Alipay open platform, alipay.fund.trans.{uni.transfer,common.query}.
"""

import re
from collections.abc import Mapping
from datetime import datetime

from gateway.channels.alipay import codes
from gateway.channels.alipay.answer import MISSING, Answer, lacks, open_answer
from gateway.channels.alipay.credentials import in_certificate_mode, is_switched_on
from gateway.channels.alipay.dialect import moment_of, yuan_of
from gateway.channels.alipay.limits import (
    TRANSFER_FEN_MIN,
    check_amount,
    check_number,
    is_text,
)
from gateway.channels.alipay.request import call
from gateway.channels.codec import AccountView, Unknown
from gateway.channels.transfer import (
    Returned,
    TransferOrder,
    TransferOutcome,
    TransferPending,
    Transferred,
)
from gateway.channels.wire import HttpRequest, HttpResponse
from gateway.domain.errors import TillgateError

METHOD = "alipay_transfer"
TRANSFER = "alipay.fund.trans.uni.transfer"
TRANSFER_QUERY = "alipay.fund.trans.common.query"
PRODUCT_CODE = "TRANS_ACCOUNT_NO_PWD"
BIZ_SCENE = "DIRECT_TRANSFER"

PURPOSE_CHARS_MAX = 128
NAME_CHARS_MAX = 128
IDENTITY_TYPES: Mapping[str, tuple[str, re.Pattern[str]]] = {
    "user_id": ("ALIPAY_USER_ID", re.compile(r"2088[0-9]{12}")),
    "logon_id": (
        "ALIPAY_LOGON_ID",
        re.compile(r"\+?[0-9][0-9-]{4,31}|[^\s@]{1,64}@[^\s@]{1,127}"),
    ),
    "open_id": ("ALIPAY_OPEN_ID", re.compile(r"[0-9A-Za-z_-]{8,128}")),
}
"""`payee.account_type` -> Alipay's word for it, and what such an account looks like."""

PENDING_STATUSES = frozenset({"DEALING", "INIT", "WAIT_PAY"})
RETURNED_STATUSES = frozenset({"FAIL", "CLOSED", "REFUND"})


class Transfers:
    """See `gateway.channels.transfer.Transferring`."""

    transfer_methods = frozenset({METHOD})

    def check_transfer(self, transfer: TransferOrder) -> None:
        """Raise `TillgateError` for what Alipay would never take.

        `payee` holds `account`, `account_type` (`user_id`, `logon_id` or `open_id`; if absent, what
        the account looks like) and `name`, which a logon id asks for.
        """
        if transfer.method not in self.transfer_methods:
            raise TillgateError(
                "unsupported_method", f"Alipay does not serve {transfer.method}.", param="/method"
            )
        check_amount(transfer.amount, transfer.currency, fen_min=TRANSFER_FEN_MIN)
        if not 1 <= len(transfer.purpose) <= PURPOSE_CHARS_MAX or not is_text(transfer.purpose):
            detail = f"Alipay takes purposes of 1 to {PURPOSE_CHARS_MAX} characters."
            raise TillgateError("invalid_field", detail, param="/purpose")
        _payee_info(transfer.payee)
        check_number(transfer.transfer_no)

    def build_transfer(
        self, account: AccountView, transfer: TransferOrder, now: datetime
    ) -> HttpRequest:
        """Send the money. Raises `unsupported_method` for an account in public key mode."""
        if not in_certificate_mode(account) and not is_switched_on(
            account, "transfer_in_public_key_mode"
        ):
            raise TillgateError(
                "unsupported_method",
                "Alipay transfers money for accounts in certificate mode only.",
                param="/method",
            )
        self.check_transfer(transfer)
        content: dict[str, object] = {
            "out_biz_no": transfer.transfer_no,
            "trans_amount": yuan_of(transfer.amount),
            "product_code": PRODUCT_CODE,
            "biz_scene": BIZ_SCENE,
            "order_title": transfer.purpose,
            "remark": transfer.purpose,
            "payee_info": _payee_info(transfer.payee),
        }
        return call(account, TRANSFER, content, now)

    def read_transfer(
        self, account: AccountView, transfer: TransferOrder, response: HttpResponse
    ) -> TransferOutcome:
        """Transferred or pending; refused where listed; all else is asked about."""
        about = {"out_biz_no": transfer.transfer_no}
        answer = open_answer(account, TRANSFER, response, about=about)
        if isinstance(answer, Unknown):
            return answer
        if answer.code != codes.OK:
            return codes.refusal(codes.TRANSFER, code=answer.code, sub_code=answer.sub_code)
        if answer.fields.get("status") in RETURNED_STATUSES:
            return Unknown(reason="the status of a fresh transfer is not a listed one")
        return _state(answer, transfer, moment="trans_date")

    def build_transfer_query(
        self, account: AccountView, transfer: TransferOrder, now: datetime
    ) -> HttpRequest:
        """Ask what became of one transfer."""
        content = {
            "out_biz_no": transfer.transfer_no,
            "product_code": PRODUCT_CODE,
            "biz_scene": BIZ_SCENE,
        }
        return call(account, TRANSFER_QUERY, content, now)

    def read_transfer_query(
        self, account: AccountView, transfer: TransferOrder, response: HttpResponse
    ) -> TransferOutcome:
        """The state of the transfer; never `Refused`."""
        about = {"out_biz_no": transfer.transfer_no}
        answer = open_answer(account, TRANSFER_QUERY, response, about=about)
        if isinstance(answer, Unknown):
            return answer
        if answer.code != codes.OK:
            return codes.not_found_or_unknown(code=answer.code, sub_code=answer.sub_code)
        return _state(answer, transfer, moment="pay_date")


def _state(answer: Answer, transfer: TransferOrder, *, moment: str) -> TransferOutcome:
    missing = lacks(answer, "out_biz_no", "status")
    if missing is not None:
        return missing
    if "trans_amount" in answer.fields and answer.fen("trans_amount") != transfer.amount:
        return Unknown(reason="the transferred amount is not the transfer's")
    status, order_no = answer.text("status"), answer.text("order_id")
    if status in PENDING_STATUSES:
        return TransferPending(channel_order_no=order_no)
    if status in RETURNED_STATUSES:
        return Returned(channel_code=answer.text("error_code") or str(status))
    if status != "SUCCESS":
        return Unknown(reason="the status of the transfer is not a listed one")
    if order_no is None:
        return Unknown(reason=MISSING + "order_id")
    return Transferred(
        transfer_no=transfer.transfer_no,
        channel_order_no=order_no,
        transferred_at=moment_of(answer.fields.get(moment)),
    )


def _payee_info(payee: Mapping[str, str]) -> dict[str, str]:
    account, name = payee.get("account", ""), payee.get("name", "")
    if not account:
        raise TillgateError(
            "missing_field", "Alipay needs the payee's account.", param="/payee/account"
        )
    kind = payee.get("account_type") or _kind_of(account)
    if kind not in IDENTITY_TYPES:
        detail = f"Alipay knows accounts by {', '.join(IDENTITY_TYPES)}."
        raise TillgateError("invalid_field", detail, param="/payee/account_type")
    word, pattern = IDENTITY_TYPES[kind]
    if not pattern.fullmatch(account) or not is_text(account):
        raise TillgateError(
            "invalid_field", f"The account is no {kind} of Alipay's.", param="/payee/account"
        )
    if kind == "logon_id" and not name:
        raise TillgateError(
            "missing_field", "Alipay asks for the payee's name.", param="/payee/name"
        )
    if len(name) > NAME_CHARS_MAX or not is_text(name):
        raise TillgateError("invalid_field", "The name is too long.", param="/payee/name")
    named = {"name": name} if name else {}
    return {"identity": account, "identity_type": word, **named}


def _kind_of(account: str) -> str:
    return "user_id" if IDENTITY_TYPES["user_id"][1].fullmatch(account) else "logon_id"
