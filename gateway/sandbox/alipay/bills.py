"""Bills of the pretend Alipay: a day's file, from its own book, behind a short-lived address.

Law: what the book holds is in the bill, and nothing else. A day's bill exists from 10 o'clock of
the next morning in Beijing, if anything moved that day. Files look as real ones do: a ZIP of two
CSV files in GBK, with remarks, padded numbers and totals. Source: Alipay OpenAPI,
alipay.data.dataservice.bill.downloadurl.query; published bills.
"""

import io
import secrets
import zipfile
from datetime import date, datetime, time, timedelta
from typing import Final, NamedTuple

from aiohttp import web

from gateway.sandbox.alipay.accounts import CHANNEL, Account
from gateway.sandbox.alipay.bill_text import Movement, account_files, trade_files
from gateway.sandbox.alipay.call import HOLD_PREFIX, Answer, Call, success
from gateway.sandbox.alipay.notices import subject
from gateway.sandbox.alipay.refusals import Refusal
from gateway.sandbox.book import Book, Order
from gateway.sandbox.moments import BEIJING, MILLISECOND, Clock, beijing_text, to_ms
from gateway.sandbox.transfers import TransferBook

PATH: Final = "/alipay/bill"
READY_AT: Final = time(10, tzinfo=BEIJING)
ADDRESS_MS: Final = timedelta(seconds=30) // MILLISECOND
ADDRESSES_MAX: Final = 1_024
FEE_BPS: Final = 60
ZIP_MOMENT: Final = (2026, 1, 1, 0, 0, 0)
"""All files in archives are of one moment, so that the same bill is the same bytes."""


class _Address(NamedTuple):
    account: Account
    kind: str
    day: date
    until: int


class Bills:
    """The method and the door of its files."""

    def __init__(self, *, book: Book, clock: Clock) -> None:
        self._book = book
        self._db = book.annex("")
        self._transfers = TransferBook(book)
        self._clock = clock
        self._addresses: dict[str, _Address] = {}

    def routes(self) -> list[web.RouteDef]:
        """Where files are fetched."""
        return [web.get(PATH, self._download, allow_head=False)]

    def address(self, call: Call, *, sandbox_url: str) -> Answer:
        """Where the file of a day lies, for 30 seconds."""
        kind = call.fields.required_text("bill_type", chars_max=20)
        text = call.fields.required_text("bill_date", chars_max=10)
        try:
            day = date.fromisoformat(text)
        except ValueError:
            raise Refusal("isv.invalid_arguments", "bill_date") from None
        now = self._clock()
        today = now.astimezone(BEIJING).date()
        if kind not in ("trade", "signcustomer") or day.isoformat() != text or day >= today:
            raise Refusal("isv.invalid_arguments", "bill_type or bill_date")
        is_ready = now >= datetime.combine(day + timedelta(days=1), READY_AT)
        if not is_ready or not self._movements(call.account, kind, day):
            raise Refusal("isp.bill_not_exist")
        if len(self._addresses) >= ADDRESSES_MAX:
            self._addresses.clear()
        token = secrets.token_hex(16)
        until = to_ms(now) + ADDRESS_MS
        self._addresses[token] = _Address(call.account, kind, day, until)
        return Answer(success({"bill_download_url": f"{sandbox_url}{PATH}?token={token}"}))

    async def _download(self, request: web.Request) -> web.StreamResponse:
        found = self._addresses.get(request.query.get("token", ""))
        if found is None or to_ms(self._clock()) > found.until:
            return web.Response(status=web.HTTPForbidden.status_code, text="expired")
        movements = self._movements(found.account, found.kind, found.day)
        files = (trade_files if found.kind == "trade" else account_files)(
            movements, account=found.account, day=found.day
        )
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, text in files.items():
                archive.writestr(zipfile.ZipInfo(name, ZIP_MOMENT), text.encode("gbk", "replace"))
        return web.Response(body=packed.getvalue(), content_type="application/zip")

    def _movements(self, account: Account, kind: str, day: date) -> list[Movement]:
        """All that moved on a day in Beijing, in order of time."""
        since = to_ms(datetime.combine(day, time(0, tzinfo=BEIJING)))
        until = to_ms(datetime.combine(day + timedelta(days=1), time(0, tzinfo=BEIJING)))
        found = self._payments(account, since, until) + self._refunds(account, since, until)
        if kind == "signcustomer":
            found += self._transferred(account, since, until)
        return sorted(found, key=lambda each: (each.at, each.trade_no, each.kind))

    def _payments(self, account: Account, since: int, until: int) -> list[Movement]:
        rows = self._db.execute(
            "SELECT * FROM orders WHERE channel = ? AND account_id = ? AND paid_at >= ?"
            f" AND paid_at < ? AND out_trade_no NOT GLOB '{HOLD_PREFIX}*'",
            (CHANNEL, account.app_id, since, until),
        )
        return [
            Movement(
                kind="payment",
                trade_no=order.channel_order_no or "",
                number=order.out_trade_no,
                refund_no="",
                amount=order.amount,
                fee=(order.amount * FEE_BPS + 5_000) // 10_000,
                created=beijing_text(order.created_at),
                at=beijing_text(order.paid_at or 0),
                subject=subject(order),
            )
            for order in (Order(*row) for row in rows)
        ]

    def _refunds(self, account: Account, since: int, until: int) -> list[Movement]:
        rows = self._db.execute(
            "SELECT r.out_refund_no, r.amount, r.created_at, o.* FROM refunds r"
            " JOIN orders o ON o.id = r.order_id WHERE o.channel = ? AND o.account_id = ?"
            " AND r.created_at >= ? AND r.created_at < ?",
            (CHANNEL, account.app_id, since, until),
        )
        found = []
        for out_refund_no, amount, created_at, *columns in rows:
            order = Order(*columns)
            found.append(
                Movement(
                    kind="refund",
                    trade_no=order.channel_order_no or "",
                    number=order.out_trade_no,
                    # What a cancel gave back has no number of the merchant's.
                    refund_no="" if ":" in out_refund_no else out_refund_no,
                    amount=-amount,
                    fee=0,
                    created=beijing_text(order.created_at),
                    at=beijing_text(created_at),
                    subject=subject(order),
                )
            )
        return found

    def _transferred(self, account: Account, since: int, until: int) -> list[Movement]:
        return [
            Movement(
                kind="transfer",
                trade_no=each.channel_order_no,
                number=each.out_transfer_no,
                refund_no="",
                amount=-each.amount if each.status == "succeeded" else each.amount,
                fee=0,
                created=beijing_text(each.created_at),
                at=beijing_text(each.settled_at or 0),
                subject="转账",
            )
            for each in self._transfers.settled_between(
                CHANNEL, account.app_id, since=since, until=until
            )
        ]
