"""Authorizations of the pretend Alipay: freeze, query, cancel, unfreeze.

Law: each method checks everything first, then changes the book once, then answers. A voucher (a QR
code) is no authorization until a payer scans it. A cancel undoes a whole freeze of the last 24
hours of which nothing was captured (see `captures`) or let go.

| operation status | means                                   | order_status                      |
|------------------|-----------------------------------------|-----------------------------------|
| INIT             | scanned, the payer has not confirmed    | INIT                              |
| SUCCESS          | the money is or was held                | AUTHORIZED while something is left,|
|                  |                                         | FINISH if captured, else CLOSED   |
| CLOSED           | cancelled or expired before             | CLOSED                            |

Source: Alipay OpenAPI, alipay.fund.auth.order.{voucher.create,freeze,unfreeze},
alipay.fund.auth.operation.{detail.query,cancel}.
"""

from datetime import timedelta
from typing import Any, Final

from gateway.sandbox.alipay import notices
from gateway.sandbox.alipay.accounts import CHANNEL, Account
from gateway.sandbox.alipay.call import (
    HOLD_PREFIX,
    HOLD_PRODUCTS,
    Answer,
    Call,
    in_progress,
    success,
)
from gateway.sandbox.alipay.fields import yuan
from gateway.sandbox.alipay.hold_book import Hold, HoldBook, Release, new_operation_id
from gateway.sandbox.alipay.magic import (
    CODE_INVALID,
    CREATE_CUT_FEN,
    ORDER_DECLINED_FEN,
    payer_is_short,
    payer_waits,
)
from gateway.sandbox.alipay.orders import (
    AUTH_CODE,
    LIFETIME_MS,
    new_code,
    new_trade_no,
)
from gateway.sandbox.alipay.refusals import Refusal
from gateway.sandbox.book import Book, Order
from gateway.sandbox.expiry import Expiry
from gateway.sandbox.moments import MILLISECOND, Clock, beijing_text, to_ms
from gateway.sandbox.notifications import Postman

CANCEL_WINDOW_MS: Final = timedelta(hours=24) // MILLISECOND
TITLE_CHARS_MAX: Final = 100


class Holds:
    """The methods. Each raises `Refusal` for what it does not do."""

    def __init__(
        self,
        *,
        book: Book,
        expiry: Expiry,
        postman: Postman,
        clock: Clock,
        close_locks_unscanned: bool,
    ) -> None:
        self._book = book
        self._holds = HoldBook(book)
        self._expiry = expiry
        self._postman = postman
        self._clock = clock
        self._close_locks_unscanned = close_locks_unscanned

    def voucher(self, call: Call) -> Answer:
        """A QR code by which a payer gives money to be held."""
        order, is_new = self._order(call, code=new_code())
        node = {
            "out_order_no": order.out_trade_no.removeprefix(HOLD_PREFIX),
            "out_request_no": self._holds.of(order).out_request_no,
            "code_type": "qrCode",
            "code_value": order.code or "",
        }
        return Answer(success(node), cut=is_new and order.amount == CREATE_CUT_FEN)

    def freeze(self, call: Call) -> Answer:
        """Hold money of the payer whose code was read; some must confirm on their phone."""
        auth_code = call.fields.required_text("auth_code", chars_max=64)
        if call.fields.members.get("auth_code_type") != "bar_code":
            raise Refusal("ACQ.INVALID_PARAMETER", "auth_code_type")
        number = call.fields.required_number("out_order_no")
        if self._holds.order(call.account.app_id, number) is None:
            self._refuse_code(auth_code, call.fields.fen("amount"))
        order, is_new = self._order(call, code=auth_code, auth_code=auth_code)
        hold = self._holds.of(order)
        node = self._names(order) | {
            "operation_id": hold.operation_id,
            "out_request_no": hold.out_request_no,
            "amount": yuan(order.amount),
            "payer_user_id": notices.BUYER_ID,
            "payer_logon_id": notices.BUYER_LOGON_ID,
        }
        if hold.held_at is None:
            node = in_progress(node | {"status": "INIT"})
        else:
            node = success(node | {"status": "SUCCESS", "gmt_trans": beijing_text(hold.held_at)})
        return Answer(node, cut=is_new and order.amount == CREATE_CUT_FEN)

    def detail(self, call: Call) -> Answer:
        """One operation of an authorization: its freeze, or a letting go."""
        order, hold, release = self._operation(call)
        operation: dict[str, Any] = {
            "operation_type": "UNFREEZE" if release else "FREEZE",
            "operation_id": release.operation_id if release else hold.operation_id,
            "out_request_no": release.out_request_no if release else hold.out_request_no,
            "amount": yuan(release.amount if release else hold.amount),
            "status": "SUCCESS" if release else freeze_status(order, hold),
            "gmt_create": beijing_text(order.created_at),
            "gmt_trans": beijing_text(release.created_at if release else hold.held_at or 0),
        }
        sums = {
            "order_status": _order_status(order, hold),
            "order_title": notices.subject(order),
            "total_freeze_amount": yuan(hold.amount if hold.held_at is not None else 0),
            "total_pay_amount": yuan(hold.captured),
            "rest_amount": yuan(hold.rest),
            "payer_user_id": notices.BUYER_ID,
            "payer_logon_id": notices.BUYER_LOGON_ID,
        }
        return Answer(success(self._names(order) | operation | sums))

    def cancel(self, call: Call) -> Answer:
        """Undo a freeze as a whole: it can no longer be made, or it is let go. May be repeated."""
        call.fields.required_text("remark", chars_max=100)
        self._expiry.settle()
        order = self._found(call)
        hold = self._holds.of(order)
        now = to_ms(self._clock())
        if order.channel_order_no is None:
            if order.status == "open" and self._close_locks_unscanned:
                with self._book.change():
                    self._book.close_order(order, now=now)
            raise Refusal("AUTH_ORDER_NOT_EXIST")
        action = "unfreeze" if hold.held_at is not None else "close"
        if hold.canceled_at is None and order.status == "open":
            with self._book.change():
                self._book.close_order(order, now=now)
                self._holds.cancel(order, now=now)
        elif hold.canceled_at is None and hold.held_at is not None:
            if hold.rest != hold.amount:
                raise Refusal("REQUEST_AMOUNT_EXCEED")
            if now - hold.held_at > CANCEL_WINDOW_MS:
                raise Refusal("CANCEL_OPERATION_TIME_OUT")
            with self._book.change():
                self._holds.cancel(order, now=now)
                # A colon cannot occur in a merchant's number: no request of theirs has this one.
                request_no = f"cancel:{hold.operation_id}"
                done = self._holds.release(
                    order, out_request_no=request_no, amount=hold.rest, now=now
                )
                self._tell_release(order, call, done, "fund_auth_operation_cancel")
        node = self._names(order) | {
            "operation_id": hold.operation_id,
            "out_request_no": hold.out_request_no,
            "action": action,
        }
        return Answer(success(node))

    def unfreeze(self, call: Call) -> Answer:
        """Let go of part or all of what is held; a repeat under the same number moves nothing."""
        amount = call.fields.fen("amount")
        request_no = call.fields.required_number("out_request_no")
        call.fields.required_text("remark", chars_max=100)
        order = self._authorized(call)
        hold = self._holds.of(order)
        done = self._holds.find_release(order, out_request_no=request_no)
        if done is not None and done.amount != amount:
            raise Refusal("UNIQUE_VIOLATION")
        now = to_ms(self._clock())
        if done is None:
            if hold.held_at is None:
                raise Refusal("ILLEGAL_STATUS")
            if hold.rest == 0:
                raise Refusal("ORDER_ALREADY_FINISH" if hold.captured else "ORDER_ALREADY_CLOSED")
            if amount > hold.rest:
                raise Refusal("REQUEST_AMOUNT_EXCEED")
            with self._book.change():
                done = self._holds.release(order, out_request_no=request_no, amount=amount, now=now)
                self._tell_release(order, call, done, "fund_auth_unfreeze")
        node = self._names(order) | {
            "operation_id": done.operation_id,
            "out_request_no": request_no,
            "amount": yuan(amount),
            "status": "SUCCESS",
            "gmt_trans": beijing_text(done.created_at),
        }
        return Answer(success(node))

    def give(self, order: Order, account: Account, *, pays: bool) -> Order:
        """The payer scans the code of a hold and gives the money or not; inside a change."""
        now = to_ms(self._clock())
        if order.channel_order_no is None:
            self._book.scan(order, new_trade_no(now), now=now)
        if pays:
            self._holds.give(order, now=now)
        order = self._book.order_by_id(order.id)
        if pays and order.notify_url is not None:
            content = notices.freeze_content(order, account, self._holds.of(order))
            self._postman.post(order, url=order.notify_url, content=content)
        return order

    def is_given(self, order: Order) -> bool:
        """Whether the payer has given the money of a hold."""
        return self._holds.of(order).held_at is not None

    def _order(self, call: Call, *, code: str, auth_code: str | None = None) -> tuple[Order, bool]:
        """The order of a hold, and whether it is new; with a payer's code it begins at once."""
        fields = call.fields
        out_order_no = fields.required_number("out_order_no")
        out_request_no = fields.required_number("out_request_no")
        amount = fields.fen("amount")
        fields.required_text("order_title", chars_max=TITLE_CHARS_MAX)
        if fields.members.get("product_code") not in HOLD_PRODUCTS:
            raise Refusal("ACQ.INVALID_PARAMETER", "product_code")
        if fields.members.get("payee_user_id") not in (None, "", call.account.seller_id):
            raise Refusal("PAYEE_NOT_EXIST")
        known = self._holds.order(call.account.app_id, out_order_no)
        if known is not None:
            return self._made_before(known, call), False
        if amount == ORDER_DECLINED_FEN:
            raise Refusal("ILLEGAL_ARGUMENT", "amount")
        now = to_ms(self._clock())
        with self._book.change():
            self._book.add_order(
                channel=CHANNEL,
                account_id=call.account.app_id,
                out_trade_no=HOLD_PREFIX + out_order_no,
                amount=amount,
                currency="CNY",
                code=code,
                notify_url=call.notify_url,
                content=call.content(),
                now=now,
                expires_at=fields.expiry_ms(now) or now + LIFETIME_MS,
            )
            order = self._found(call)
            self._holds.add(
                order, operation_id=new_operation_id(now), out_request_no=out_request_no
            )
            if auth_code is not None:
                waits = payer_waits(amount, auth_code)
                order = self.give(order, call.account, pays=not waits)
        self._expiry.watch()
        return order, True

    def _made_before(self, order: Order, call: Call) -> Order:
        self._expiry.settle()
        order = self._book.order_by_id(order.id)
        if call.content() != order.content:
            raise Refusal("UNIQUE_VIOLATION")
        if self._holds.of(order).held_at is not None and "auth_code" not in call.fields.members:
            raise Refusal("FREEZE_ALREADY_SUCCESS")
        if self._holds.of(order).held_at is None and order.status == "closed":
            raise Refusal("ORDER_ALREADY_CLOSED")
        return order

    def _refuse_code(self, auth_code: str, amount: int) -> None:
        used = self._book.order_by_code(auth_code) is not None
        if used or AUTH_CODE.fullmatch(auth_code) is None or auth_code.endswith(CODE_INVALID):
            raise Refusal("PAYMENT_AUTH_CODE_INVALID")
        if payer_is_short(amount, auth_code):
            raise Refusal("MONEY_NOT_ENOUGH")

    def _found(self, call: Call) -> Order:
        """The order of a hold that a request speaks of; `auth_no` goes before the other."""
        account_id = call.account.app_id
        auth_no, out_order_no = call.fields.number("auth_no"), call.fields.number("out_order_no")
        if auth_no is not None:
            order = self._holds.order_by_auth_no(account_id, auth_no)
        elif out_order_no is not None:
            order = self._holds.order(account_id, out_order_no)
        else:
            raise Refusal("ACQ.INVALID_PARAMETER", "auth_no and out_order_no are missing")
        if order is None:
            raise Refusal("AUTH_ORDER_NOT_EXIST")
        return order

    def _authorized(self, call: Call) -> Order:
        call.fields.required_number("auth_no")
        return self._found(call)

    def _operation(self, call: Call) -> tuple[Order, Hold, Release | None]:
        self._expiry.settle()
        order = self._found(call)
        if order.channel_order_no is None:
            raise Refusal("AUTH_ORDER_NOT_EXIST")
        hold = self._holds.of(order)
        operation_id = call.fields.number("operation_id")
        request_no = call.fields.number("out_request_no")
        if operation_id is None and request_no is None:
            raise Refusal("ACQ.INVALID_PARAMETER", "operation_id and out_request_no are missing")
        if hold.operation_id == operation_id or hold.out_request_no == request_no:
            return order, hold, None
        release = self._holds.find_release(
            order, out_request_no=request_no, operation_id=operation_id
        )
        if release is None:
            raise Refusal("AUTH_OPERATION_NOT_EXIST")
        return order, hold, release

    def _tell_release(self, order: Order, call: Call, done: Release, notify_type: str) -> None:
        url = call.notify_url or order.notify_url
        if url is not None:
            content = notices.release_content(
                order, call.account, self._holds.of(order), done, notify_type
            )
            self._postman.post(order, url=url, content=content)

    def _names(self, order: Order) -> dict[str, Any]:
        return {
            "auth_no": order.channel_order_no,
            "out_order_no": order.out_trade_no.removeprefix(HOLD_PREFIX),
        }


def freeze_status(order: Order, hold: Hold) -> str:
    """Alipay's word for the state of a freeze."""
    if hold.held_at is not None:
        return "SUCCESS"
    return "INIT" if order.status == "open" else "CLOSED"


def _order_status(order: Order, hold: Hold) -> str:
    if hold.held_at is None:
        return "INIT" if order.status == "open" else "CLOSED"
    if hold.rest:
        return "AUTHORIZED"
    return "FINISH" if hold.captured else "CLOSED"
