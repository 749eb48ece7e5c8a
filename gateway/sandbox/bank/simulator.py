"""The doors of the pretend bank, and its payers.

Law: a statement and a payout file are for who has the account's token, and for nobody else. A payer
may transfer any sum with any text; whom it is for is the merchant's matter. Nothing is signed: in
reality the connection is authenticated (TLS).
"""

import asyncio
import hashlib
import re
from datetime import date, datetime, timedelta
from typing import Any, Final

from aiohttp import web

from gateway.sandbox.bank import magic
from gateway.sandbox.bank.accounts import (
    BANK,
    BANK_CODE,
    CHANNEL,
    CURRENCY,
    OWNER,
    Account,
    Accounts,
)
from gateway.sandbox.bank.movements import Movement, Movements
from gateway.sandbox.bank.payouts import FileRefused, PayoutFile, Wanted, read_payouts, write_status
from gateway.sandbox.bank.statements import write_camt, write_columns
from gateway.sandbox.book import Notice, Order
from gateway.sandbox.channel import Described, PayerRefused, Played, World
from gateway.sandbox.connections import cut, hold
from gateway.sandbox.faults import AMOUNT_REQUEST_FAULTS, REQUEST_FAULTS, Fault
from gateway.sandbox.moments import BEIJING, to_ms
from gateway.sandbox.notifications import Outgoing

PATH: Final = "/bank"
DAYS_MAX: Final = 366
TEXT_CHARS_MAX: Final = 140
UNSIGNED: Final = frozenset({"bad_signature"})
"""A fault without meaning here: nothing carries a signature."""

FAULTS: Final = {
    "statement": AMOUNT_REQUEST_FAULTS - UNSIGNED,
    "payout": REQUEST_FAULTS - UNSIGNED,
    "payout_query": REQUEST_FAULTS - UNSIGNED,
}

_ACCOUNT_AND_TEXT: Final = re.compile(r"([0-9]{10,34})[ /](.+)", re.DOTALL)
_BARE: Final = re.compile(r"(?:[0-9A-Z]{11}|RF[0-9]{2}[0-9A-Z]{1,21})")
_DIGITS: Final = re.compile(r"[0-9]{10,34}")


class BankSimulator:
    """A `Simulator` and `Receiving` (see `channel.py`)."""

    name: Final = CHANNEL
    operations: Final = FAULTS

    def __init__(self, world: World) -> None:
        self._world = world
        self._accounts = Accounts(book=world.book, clock=world.clock)
        self._movements = Movements(world.book)

    def routes(self) -> list[web.RouteDef]:
        """Statements and payouts of an account."""
        one = PATH + "/accounts/{account}"
        return [
            web.get(one + "/statement", self._statement, allow_head=False),
            web.post(one + "/payouts", self._pay_out),
            web.get(one + "/payouts/{file_no}", self._payout_status, allow_head=False),
        ]

    def open_account(self, *, merchant_public_key: str, sandbox_url: str) -> dict[str, Any]:
        """What a client is configured with; raises `KeyRefused`."""
        account = self._accounts.open(merchant_public_key)
        return {
            "channel": CHANNEL,
            "account": account.number,
            "account_name": OWNER,
            "bank": BANK,
            "bank_code": BANK_CODE,
            "currency": CURRENCY,
            "statement_token": account.token,
            "virtual_prefix": account.virtual_prefix,
            "gateway_url": sandbox_url + PATH,
        }

    def shown(self, account_id: str | None) -> dict[str, Any]:
        """All movements and payouts: the outside truth."""
        return self._movements.shown(account_id)

    # Payers

    def take(self, code: str) -> Order | None:
        """A transfer to be: a virtual account, `ACCOUNT text`, or a reference alone.

        A reference alone is for the only account there is.
        """
        code = code.strip()
        found = _ACCOUNT_AND_TEXT.fullmatch(code)
        if found is not None and (account := self._accounts.get(found[1])) is not None:
            return self._order(account, text=found[2].strip(), credited="")
        plain = re.sub(r"[\s-]+", "", code).upper()
        if _DIGITS.fullmatch(plain) and (account := self._accounts.of_virtual(plain)) is not None:
            return self._order(account, text="", credited=plain)
        if _BARE.fullmatch(plain) is None:
            return None
        account = self._accounts.only()
        return None if account is None else self._order(account, text=code, credited="")

    def _order(self, account: Account, *, text: str, credited: str) -> Order:
        """A transfer that nobody has sent yet; it is in no book before it is paid."""
        return Order(
            id=0,
            channel=CHANNEL,
            account_id=account.number,
            out_trade_no=credited or text[:TEXT_CHARS_MAX],
            channel_order_no=None,
            amount=0,
            currency=CURRENCY,
            status="open",
            refunded=0,
            code=None,
            notify_url=None,
            content=credited,
            created_at=to_ms(self._world.clock()),
            expires_at=None,
            scanned_at=None,
            paid_at=None,
            closed_at=None,
        )

    def play(self, order: Order, *, behaviour: str, amount: int | None) -> Played:
        """The payer sends `amount`, or does not."""
        account = self._accounts.get(order.account_id)
        if account is None:
            raise LookupError(f"there is no account {order.account_id}")
        if behaviour != "pay":
            return Played("ignored" if behaviour == "ignore" else "declined", None)
        if amount is None:
            detail = "a transfer needs an amount; nobody but the payer names it"
            raise PayerRefused("missing_amount", detail, conflict=False)
        text = "" if order.content else order.out_trade_no
        with self._world.book.change():
            return self._arrive(account, amount, text=text, credited=order.content)

    def _arrive(self, account: Account, amount: int, *, text: str, credited: str) -> Played:
        now = to_ms(self._world.clock())
        booked_at = now
        if amount == magic.TEXT_LOST_FEN:
            text = credited = ""
        elif amount == magic.TEXT_MANGLED_FEN:
            text = magic.mangled(text)
        elif amount == magic.PENDING_FEN:
            booked_at = now + magic.PENDING_MS
        parts = [amount]
        if amount == magic.SPLIT_FEN:
            parts = [amount // 2, amount - amount // 2]
        references = [
            self._movements.add(
                account, part, text=text, credited=credited, entered_at=now, booked_at=booked_at
            )
            for part in parts
        ]
        return Played("pending" if booked_at > now else "paid", references[0])

    def describe(self, order: Order) -> Described:
        """What the payer's bank shows."""
        return Described(f"银行转账 {BANK}", f"{OWNER} {order.account_id}", order.out_trade_no)

    def compose(self, notice: Notice, *, fault: str | None) -> Outgoing:
        """Banks send no notifications."""
        raise LookupError("the bank sends no notifications")

    def accepts(self, status: int, body: bytes) -> bool:
        """Banks send no notifications."""
        return False

    # Doors

    async def _statement(self, request: web.Request) -> web.StreamResponse:
        account = self._let_in(request)
        if account is None:
            return _refused(401, "the token is not this account's")
        try:
            first = date.fromisoformat(request.query.get("from", ""))
            last = date.fromisoformat(request.query.get("to", ""))
        except ValueError:
            return _refused(400, "from and to are days such as 2026-11-21")
        if not timedelta() <= last - first <= timedelta(days=DAYS_MAX):
            return _refused(400, f"from is before to, by at most {DAYS_MAX} days")
        form = request.query.get("form", "camt.053")
        if form not in ("camt.053", "columns"):
            return _refused(400, "form is camt.053 or columns")
        fault = self._world.faults.take(CHANNEL, "statement")
        if (spoilt := await _spoil(request, fault)) is not None:
            return spoilt
        content = self._written(account, first, last, form, fault)
        if fault is not None and fault.fault == "drop_after_effect":
            return cut(request)
        kind = "application/xml" if form == "camt.053" else "text/csv"
        return web.Response(body=content, content_type=kind, charset="utf-8")

    def _written(
        self, account: Account, first: date, last: date, form: str, fault: Fault | None
    ) -> bytes:
        now = self._world.clock()
        begin, end = _start(first), _start(last + timedelta(days=1))
        found = self._movements.between(account, begin, end, now=to_ms(now))
        if fault is not None and fault.fault == "wrong_amount":
            found = [_one_more(each) for each in found]
        if form == "columns":
            return write_columns(account, found, now=now)
        opening = self._movements.balance_before(account, begin, now=to_ms(now))
        return write_camt(account, found, opening=opening, first=first, last=last, now=now)

    async def _pay_out(self, request: web.Request) -> web.StreamResponse:
        account = self._let_in(request)
        if account is None:
            return _refused(401, "the token is not this account's")
        content = await request.read()
        fault = self._world.faults.take(CHANNEL, "payout")
        if (spoilt := await _spoil(request, fault)) is not None:
            return spoilt
        try:
            file = read_payouts(content, account)
            with self._world.book.change():
                self._carry_out(account, file, hashlib.sha256(content).hexdigest())
        except FileRefused as refused:
            return _refused(422, str(refused))
        if fault is not None and fault.fault == "drop_after_effect":
            return cut(request)
        return self._status(account, file.file_no)

    def _carry_out(self, account: Account, file: PayoutFile, digest: str) -> None:
        known = self._movements.payout_digest(account, file.file_no)
        if known is not None:
            if known != digest:
                raise FileRefused("the file's number was used with other content")
            return
        now = to_ms(self._world.clock())
        self._movements.add_payout(account, file.file_no, digest, now=now)
        for wanted in file.transfers:
            if self._movements.has_transfer(account, wanted.number):
                raise FileRefused(f"the number {wanted.number} was used before")
            self._send(account, file.file_no, wanted, now)

    def _send(self, account: Account, file_no: str, wanted: Wanted, now: int) -> None:
        status, reason, reference = "ACSC", None, None
        if wanted.amount == magic.PAYOUT_REJECTED_FEN:
            status, reason = "RJCT", "AC04"
        elif wanted.amount == magic.PAYOUT_PENDING_FEN:
            status = "PDNG"
        else:
            reference = self._movements.add(
                account,
                -wanted.amount,
                text=wanted.text,
                end_to_end=wanted.number,
                entered_at=now,
                booked_at=now,
            )
        if wanted.amount == magic.PAYOUT_RETURNED_FEN:
            later = now + magic.PENDING_MS
            self._movements.add(
                account,
                wanted.amount,
                text=wanted.text,
                end_to_end=wanted.number,
                return_code="AC01",
                entered_at=later,
                booked_at=later,
            )
        self._movements.add_transfer(
            account,
            wanted.number,
            file_no=file_no,
            amount=wanted.amount,
            status=status,
            reason=reason,
            reference=reference,
        )

    async def _payout_status(self, request: web.Request) -> web.StreamResponse:
        account = self._let_in(request)
        if account is None:
            return _refused(401, "the token is not this account's")
        fault = self._world.faults.take(CHANNEL, "payout_query")
        if (spoilt := await _spoil(request, fault)) is not None:
            return spoilt
        file_no = request.match_info["file_no"]
        if self._movements.payout_digest(account, file_no) is None:
            return _refused(404, "there is no such file")
        return self._status(account, file_no)

    def _status(self, account: Account, file_no: str) -> web.Response:
        content = write_status(file_no, self._movements.transfers_of(account, file_no))
        return web.Response(body=content, content_type="application/xml", charset="utf-8")

    def _let_in(self, request: web.Request) -> Account | None:
        number = request.match_info["account"]
        return self._accounts.authenticated(number, request.headers.get("Authorization", ""))


async def _spoil(request: web.Request, fault: Fault | None) -> web.StreamResponse | None:
    """What a fault does before any effect; None to go on."""
    if fault is None:
        return None
    if fault.fault == "timeout":
        return await hold(request)
    if fault.delay_ms is not None:
        await asyncio.sleep(fault.delay_ms / 1_000)
    return _refused(500, "the bank is busy") if fault.fault == "error" else None


def _one_more(movement: Movement) -> Movement:
    values = {name: getattr(movement, name) for name in Movement.__dataclass_fields__}
    return Movement(**values | {"amount": movement.amount + 1})


def _start(day: date) -> int:
    return to_ms(datetime(day.year, day.month, day.day, tzinfo=BEIJING))


def _refused(status: int, why: str) -> web.Response:
    return web.json_response({"code": "refused", "detail": why}, status=status)
