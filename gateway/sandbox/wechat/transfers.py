"""Transfers at the pretend WeChat Pay, which the payee confirms.

Law: money moves only when the payee says yes. A transfer waits (WAIT_USER_CONFIRM) until the payee
confirms or declines it, the merchant takes it back, or a day has passed; then it is SUCCESS, FAIL
or CANCELLED for ever, and its end is notified. The payee plays at `/payer` with the `package_info`
as code. From 2 000 yuan a name is needed, sealed under a key of WeChat.

Source: WeChat Pay API v3, /v3/fund-app/mch-transfer/transfer-bills.
"""

import json
import secrets
from datetime import timedelta
from functools import partial
from typing import Any, Final

from gateway.sandbox.book import Order
from gateway.sandbox.channel import PayerRefused, Played, World
from gateway.sandbox.moments import MILLISECOND, from_ms, to_ms
from gateway.sandbox.wechat import magic, notices
from gateway.sandbox.wechat.accounts import Account, Accounts, random_digits
from gateway.sandbox.wechat.fields import BILL_NUMBER, Fields
from gateway.sandbox.wechat.ledger import CHANNEL, Ledger, TransferRow
from gateway.sandbox.wechat.orders import Answer, compact_day, rfc3339
from gateway.sandbox.wechat.platform import Platform
from gateway.sandbox.wechat.refusals import Refusal

AMOUNT_FEN_MIN: Final = 10
NAME_REQUIRED_FEN_MIN: Final = 200_000
REMARK_CHARS_MAX: Final = 32
CONFIRM_MS: Final = timedelta(hours=24) // MILLISECOND
NO_ORDER: Final = 0
"""The row number of what is shown to a payer as an order and is none."""

_STATUS: Final = {"WAIT_USER_CONFIRM": "open", "SUCCESS": "paid"}


class Transfers:
    """The methods. Each raises `Refusal` for what it does not do."""

    def __init__(
        self, world: World, ledger: Ledger, accounts: Accounts, platform: Platform
    ) -> None:
        self._world = world
        self._book = world.book
        self._ledger = ledger
        self._accounts = accounts
        self._platform = platform

    def watch(self) -> None:
        """Enter in the agenda what an earlier run left waiting."""
        for package, due_ms in self._ledger.due_transfers():
            self._enter(package, due_ms)

    def transfer(self, account: Account, fields: Fields, *, named: str | None) -> Answer:
        """Take a transfer; `named` is the key that the sealed name was sealed with."""
        number = fields.required_number("out_bill_no", BILL_NUMBER)
        amount = fields.fen("transfer_amount", at_least=AMOUNT_FEN_MIN)
        if fields.required_text("appid", bytes_max=32) != account.appid:
            raise Refusal("APPID_MCHID_NOT_MATCH")
        openid = fields.required_text("openid", bytes_max=64)
        remark = fields.required_text("transfer_remark", bytes_max=128)
        if len(remark) > REMARK_CHARS_MAX:
            raise Refusal("PARAM_ERROR", f"transfer_remark 超过{REMARK_CHARS_MAX}个字符")
        fields.required_text("transfer_scene_id", bytes_max=16)
        notify_url = fields.notify_url(required=False)
        self._check_name(account, fields, amount, named)
        content = fields.canonical(without=frozenset({"notify_url", "user_name"}))
        known = self._ledger.transfer(account.mchid, number)
        if known is not None:
            if known.content != content:
                raise Refusal("INVALID_REQUEST", "商户单号已存在，参数不一致")
            return Answer(_created(known))
        if amount == magic.TRANSFER_SHORT_FEN:
            raise Refusal("NOT_ENOUGH")
        now = self._now()
        package = "affffddafdfafddffda==" + secrets.token_urlsafe(24)
        with self._book.change():
            self._ledger.add_transfer(
                {
                    "account_id": account.mchid,
                    "out_bill_no": number,
                    "transfer_bill_no": _new_bill_no(now),
                    "package_info": package,
                    "openid": openid,
                    "amount": amount,
                    "remark": remark,
                    "content": content,
                    "notify_url": notify_url,
                    "state": "WAIT_USER_CONFIRM",
                    "created_at": now,
                    "updated_at": now,
                    "due_at": now + CONFIRM_MS,
                }
            )
        self._enter(package, now + CONFIRM_MS)
        return Answer(_created(self._found(account, number)))

    def query(self, account: Account, number: str) -> Answer:
        """One transfer by the merchant's number."""
        return Answer(_view(account, self._found(account, number)))

    def query_by_id(self, account: Account, number: str) -> Answer:
        """One transfer by WeChat's number."""
        transfer = self._ledger.transfer_by_channel_no(account.mchid, number)
        if transfer is None:
            raise Refusal("NOT_FOUND")
        return Answer(_view(account, transfer))

    def cancel(self, account: Account, number: str) -> Answer:
        """Take back a transfer that waits. May be repeated."""
        transfer = self._found(account, number)
        if transfer.state == "WAIT_USER_CONFIRM":
            transfer = self._end(account, transfer, "CANCELLED")
        elif transfer.state != "CANCELLED":
            raise Refusal("INVALID_REQUEST", "转账单状态不允许撤销")
        return Answer(
            {
                "out_bill_no": transfer.out_bill_no,
                "transfer_bill_no": transfer.transfer_bill_no,
                "state": transfer.state,
                "update_time": rfc3339(transfer.updated_at),
            }
        )

    # The payee

    def as_order(self, package: str) -> Order | None:
        """The transfer behind a `package_info`, in the shape that the payer's page shows."""
        transfer = self._ledger.transfer_by_package(package)
        if transfer is None:
            return None
        is_over = transfer.state != "WAIT_USER_CONFIRM"
        return Order(
            id=NO_ORDER,
            channel=CHANNEL,
            account_id=transfer.account_id,
            out_trade_no=transfer.out_bill_no,
            channel_order_no=transfer.transfer_bill_no,
            amount=transfer.amount,
            currency="CNY",
            status=_STATUS.get(transfer.state, "closed"),
            refunded=0,
            code=transfer.package_info,
            notify_url=transfer.notify_url,
            content=json.dumps({"description": f"收款 Receive: {transfer.remark}"}),
            created_at=transfer.created_at,
            expires_at=transfer.due_at,
            scanned_at=None,
            paid_at=transfer.updated_at if transfer.state == "SUCCESS" else None,
            closed_at=transfer.updated_at if is_over else None,
        )

    def play(self, order: Order, *, behaviour: str) -> Played:
        """The payee confirms (`pay`), declines, or does nothing."""
        transfer = self._ledger.transfer_by_package(order.code or "")
        account = self._accounts.get(order.account_id)
        if transfer is None or account is None or transfer.state != "WAIT_USER_CONFIRM":
            raise PayerRefused("already_closed", "the transfer does not wait any more")
        if behaviour == "ignore":
            return Played("ignored", transfer.transfer_bill_no)
        if behaviour == "decline":
            self._end(account, transfer, "FAIL", fail_reason="PAYEE_REFUSED")
            return Played("declined", transfer.transfer_bill_no)
        if transfer.amount == magic.TRANSFER_FAILS_FEN:
            self._end(account, transfer, "FAIL", fail_reason="PAYEE_ACCOUNT_ABNORMAL")
            return Played("declined", transfer.transfer_bill_no)
        self._end(account, transfer, "SUCCESS")
        return Played("paid", transfer.transfer_bill_no)

    def _check_name(self, account: Account, fields: Fields, amount: int, named: str | None) -> None:
        name = fields.text("user_name", bytes_max=1024)
        if name is None:
            if amount >= NAME_REQUIRED_FEN_MIN:
                raise Refusal("PARAM_ERROR", "user_name")
            return
        if named is None or not self._platform.opened(account, named, name):
            raise Refusal("PARAM_ERROR", "user_name 解密失败")

    def _found(self, account: Account, number: str) -> TransferRow:
        transfer = self._ledger.transfer(account.mchid, number)
        if transfer is None:
            raise Refusal("NOT_FOUND")
        return transfer

    def _enter(self, package: str, due_ms: int) -> None:
        action = partial(self._expire, package)
        self._world.agenda.add(from_ms(due_ms), "end of an unconfirmed transfer", action)

    async def _expire(self, package: str) -> None:
        transfer = self._ledger.transfer_by_package(package)
        if transfer is None or transfer.state != "WAIT_USER_CONFIRM":
            return
        account = self._accounts.get(transfer.account_id)
        if account is not None:
            self._end(account, transfer, "FAIL", fail_reason="OVERDUE_CLOSE")

    def _end(
        self,
        account: Account,
        transfer: TransferRow,
        state: str,
        *,
        fail_reason: str | None = None,
    ) -> TransferRow:
        now = self._now()
        with self._book.change():
            ended = self._ledger.end_transfer(transfer, state, fail_reason=fail_reason, now=now)
            shape = self.as_order(ended.package_info)
            if ended.notify_url is not None and shape is not None:
                content = notices.transfer_content(account, ended, now_ms=now)
                self._world.postman.post(shape, url=ended.notify_url, content=content)
        return ended

    def _now(self) -> int:
        return to_ms(self._world.clock())


def _created(transfer: TransferRow) -> dict[str, Any]:
    body: dict[str, Any] = {
        "out_bill_no": transfer.out_bill_no,
        "transfer_bill_no": transfer.transfer_bill_no,
        "create_time": rfc3339(transfer.created_at),
        "state": transfer.state,
    }
    if transfer.state == "WAIT_USER_CONFIRM":
        body["package_info"] = transfer.package_info
    if transfer.fail_reason is not None:
        body["fail_reason"] = transfer.fail_reason
    return body


def _view(account: Account, transfer: TransferRow) -> dict[str, Any]:
    body: dict[str, Any] = {
        "mch_id": account.mchid,
        "appid": account.appid,
        "out_bill_no": transfer.out_bill_no,
        "transfer_bill_no": transfer.transfer_bill_no,
        "state": transfer.state,
        "transfer_amount": transfer.amount,
        "transfer_remark": transfer.remark,
        "openid": transfer.openid,
        "create_time": rfc3339(transfer.created_at),
        "update_time": rfc3339(transfer.updated_at),
    }
    if transfer.fail_reason is not None:
        body["fail_reason"] = transfer.fail_reason
    return body


def _new_bill_no(now: int) -> str:
    return "1330000" + random_digits(7) + compact_day(now) + random_digits(12)
