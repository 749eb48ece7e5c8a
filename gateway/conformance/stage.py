"""Stage: the hands of one case.

Law: every word of the codec passes here and is judged before the case sees it: its type is one
that the contract lists for the operation, a refusal's code is one of our meanings, no exception
comes out of reading, and neither requests' addresses nor words show a secret. Numbers are fresh,
the account's callbacks come to the case's own box.
"""

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, NamedTuple, get_args

from msgspec.structs import replace

from gateway.channels.answering import SMS_CODE
from gateway.channels.authorization import CaptureOrder, CaptureOutcome
from gateway.channels.codec import (
    AccountView,
    Authorized,
    CloseOutcome,
    HandedOut,
    Paid,
    PayOrder,
    PayOutcome,
    QueryOutcome,
    Refunded,
    RefundOrder,
    RefundOutcome,
    RefundPending,
    Refused,
    Unknown,
    Waiting,
)
from gateway.channels.meanings import MEANINGS
from gateway.channels.transfer import TransferOrder, TransferOutcome
from gateway.channels.wire import ChannelSilent, HttpRequest, HttpResponse
from gateway.conformance.doors import Played
from gateway.conformance.ground import Ground
from gateway.conformance.judgement import expect, fail
from gateway.conformance.profile import Options, Transfer, Way
from gateway.conformance.receiver import Box, Heard
from gateway.conformance.secrecy import SecretSigns
from gateway.domain.errors import TillgateError

ORDER_LIFE = timedelta(hours=2)
POLLS_MAX = 8
POLL_EVERY = timedelta(seconds=1)
BUSY_S = 0.1

OUTCOMES: Mapping[str, tuple[type, ...]] = {
    "pay": get_args(PayOutcome),
    "answer": get_args(PayOutcome),
    "query": get_args(QueryOutcome),
    "close": get_args(CloseOutcome),
    "cancel": get_args(CloseOutcome),
    "void": get_args(CloseOutcome),
    "refund": get_args(RefundOutcome),
    "refund_query": get_args(RefundOutcome),
    "capture": get_args(CaptureOutcome),
    "capture_query": get_args(CaptureOutcome),
    "transfer": get_args(TransferOutcome),
    "transfer_query": get_args(TransferOutcome),
}


class Exchange(NamedTuple):
    """One question and what came of it; `response` is None where nobody was asked or answered."""

    request: HttpRequest | None
    response: HttpResponse | None
    outcome: Any


class PaidOrder(NamedTuple):
    """An order that the payer has paid (or that holds his money), and the callback that said so."""

    order: PayOrder
    outcome: Paid | Authorized
    heard: Heard | None


class Stage:
    """See the module. `way` is the way to pay that the case is told by."""

    def __init__(self, ground: Ground, way: Way | None, box: Box, account: AccountView) -> None:
        self.ground = ground
        self.codec: Any = ground.codec
        self.profile = ground.profile
        self.clock = ground.clock
        self.doors = ground.doors
        self.box = box
        self.account = account
        self._way = way
        self._signs = SecretSigns(ground.codec, account)

    @property
    def way(self) -> Way:
        """The way to pay of this case."""
        if self._way is None:
            fail("the case is not told by way")
        return self._way

    def by(self, way: Way) -> "Stage":
        """The same stage by another way."""
        return Stage(self.ground, way, self.box, self.account)

    # --- orders ---------------------------------------------------------------------------------

    def order(
        self, way: Way | None = None, *, life: timedelta = ORDER_LIFE, **changes: Any
    ) -> PayOrder:
        """A new order by a way, that the payer will pay."""
        way = way or self.way
        number, serial = self.ground.number()
        now = self.clock.business()
        content: dict[str, Any] = {
            "attempt_no": number,
            "method": way.method,
            "amount": way.amount,
            "currency": way.currency,
            "subject": "一杯咖啡 & 50% off",
            "created_at": now,
            "expires_at": now + life,
            "return_url": way.returns_url,
            "method_options": {**self.ground.payer, **way.options(serial)},
            "capture_method": way.capture_method,
        }
        order = PayOrder(**(content | changes))
        self.box.orders[number] = order
        return order

    def declined_order(self) -> PayOrder:
        """A new order whose payer is refused with the answer."""
        return self._changed_order(self.way.declining, self.way.declining_amount)

    def waiting_order(self) -> PayOrder:
        """A new order whose payer must confirm before he pays."""
        return self._changed_order(self.way.waiting, self.way.waiting_amount)

    def refund_of(
        self, paid: PaidOrder, amount: int | None = None, *, number: str | None = None
    ) -> RefundOrder:
        """A refund of a paid order: all of it unless `amount` says less."""
        return RefundOrder(
            attempt_no=paid.order.attempt_no,
            channel_order_no=paid.outcome.channel_order_no,
            refund_no=number or self.ground.number()[0],
            amount=paid.order.amount if amount is None else amount,
            amount_total=paid.order.amount,
            currency=paid.order.currency,
            reason="坏了",
        )

    def capture_of(
        self, held: PaidOrder, amount: int | None = None, *, number: str | None = None
    ) -> CaptureOrder:
        """A final capture of a hold: all of it unless `amount` says less."""
        return CaptureOrder(
            attempt_no=held.order.attempt_no,
            channel_order_no=held.outcome.channel_order_no,
            capture_no=number or self.ground.number()[0],
            method=held.order.method,
            amount=held.order.amount if amount is None else amount,
            amount_authorized=held.order.amount,
            currency=held.order.currency,
            subject=held.order.subject,
            created_at=self.clock.business(),
        )

    def transfer_by(self, way: Transfer, **changes: Any) -> TransferOrder:
        """A new transfer."""
        content: dict[str, Any] = {
            "transfer_no": self.ground.number()[0],
            "method": way.method,
            "amount": way.amount,
            "currency": way.currency,
            "purpose": "退货运费",
            "payee": way.payee,
        }
        return TransferOrder(**(content | changes))

    def _changed_order(self, options: Options | None, amount: int | None) -> PayOrder:
        changes: dict[str, Any] = {}
        if options is not None:
            given = options(self.ground.number()[1])
            changes["method_options"] = {**self.ground.payer, **given}
        if amount is not None:
            changes["amount"] = amount
        return self.order(**changes)

    # --- questions ------------------------------------------------------------------------------

    async def exchange(
        self, operation: str, subject: Any, *more: Any, hurried: bool = False
    ) -> Exchange:
        """Build, send and read; silence is `Unknown`, as it is to the core."""
        request = self.build(operation, subject, *more)
        if not isinstance(request, HttpRequest):
            return Exchange(None, None, self._judged(operation, request))
        http = self.ground.hurried if hurried else self.ground.http
        answer = await http.send(request)
        if isinstance(answer, ChannelSilent):
            expect(answer.sent, f"the simulator could not be reached ({answer.reason})")
            return Exchange(request, None, Unknown(answer.reason))
        return Exchange(request, answer, self.read(operation, subject, answer))

    async def ask(self, operation: str, subject: Any, *more: Any, hurried: bool = False) -> Any:
        """The outcome of an exchange."""
        return (await self.exchange(operation, subject, *more, hurried=hurried)).outcome

    def build(self, operation: str, subject: Any, *more: Any) -> Any:
        """What the codec builds: a request, or an outcome where there is nobody to ask."""
        build = getattr(self.codec, f"build_{operation}")
        request = build(self.account, subject, *more, self.clock.wall())
        if isinstance(request, HttpRequest):
            self._signs.expect_none(request.url, f"the URL of build_{operation}")
            self._signs.expect_none(
                request.body.decode("utf-8", "replace"), f"the body of build_{operation}"
            )
        return request

    def read(
        self,
        operation: str,
        subject: Any,
        response: HttpResponse,
        *,
        account: AccountView | None = None,
    ) -> Any:
        """What the codec reads in an answer."""
        try:
            outcome = getattr(self.codec, f"read_{operation}")(
                account or self.account, subject, response
            )
        except TillgateError as error:
            fail(f"read_{operation} raised {error.code} instead of giving an outcome")
        except Exception as error:  # whatever it is, it is told as the codec's fault
            fail(f"read_{operation} raised {type(error).__name__}: {error}")
        return self._judged(operation, outcome)

    def _judged(self, operation: str, outcome: Any) -> Any:
        allowed = OUTCOMES[operation]
        name = type(outcome).__name__
        expect(isinstance(outcome, allowed), f"{operation} came to {name}, which it may not")
        if isinstance(outcome, Refused):
            expect(outcome.code in MEANINGS, f"the refusal {outcome.code!r} is no meaning of ours")
        self._signs.expect_none(repr(outcome), f"the outcome of {operation}")
        return outcome

    # --- the payer ------------------------------------------------------------------------------

    async def arm(self, operation: str, fault: str) -> None:
        """Let the next message of an operation of the contract go wrong."""
        word = self.way.pay if operation == "pay" else self.profile.faults.get(operation)
        if word is None:
            fail(f"the profile gives no word of the simulator for {operation}")
        await self.doors.arm(self.profile.channel, word, fault)

    async def expect_taken(self) -> None:
        """The armed fault must have met its message."""
        left = await self.doors.armed()
        expect(not left, f"the simulator did not take the fault {left}: no such message came")

    async def act(
        self,
        order: PayOrder,
        handed: HandedOut,
        *,
        behaviour: str = "pay",
    ) -> Played:
        """The payer takes what was handed out and acts."""
        code = await self.way.reach(self.doors, order, handed.next_action)
        amount = order.amount if self.way.payer_names_amount else None
        return await self.doors.pay(code, behaviour=behaviour, amount=amount)

    async def handed_out(
        self, order: PayOrder | None = None, outcome: Any = None
    ) -> tuple[PayOrder, HandedOut]:
        """An order that waits for its payer; `outcome` is given where it was sent already."""
        order = order or self.order()
        outcome = outcome or await self.ask("pay", order)
        if not isinstance(outcome, HandedOut):
            fail(f"the order was to be handed out, and came to {outcome!r}")
        return self._numbered(order, outcome), outcome

    async def paid(self, order: PayOrder | None = None) -> PaidOrder:
        """An order that is paid, or holds the payer's money, whatever it takes by this way."""
        order = order or self.order()
        return await self.settled(order, await self.ask("pay", order))

    async def settled(self, order: PayOrder, outcome: Any) -> PaidOrder:
        """The payer does his part of an order that was sent; until its money is there."""
        await self.act_if_asked(order, outcome)
        if isinstance(outcome, HandedOut):
            order = self._numbered(order, outcome)
        heard = await self.box.next() if self.way.calls_back else None
        if not is_money(outcome) and heard is not None and heard.verified is not None:
            outcome = heard.verified.outcome
        if not is_money(outcome):
            outcome = await self.polled("query", order, Paid | Authorized)
        # The core keeps the channel's number with the attempt once it is told.
        order = replace(order, channel_order_no=outcome.channel_order_no)
        return PaidOrder(order, outcome, heard)

    async def act_if_asked(self, order: PayOrder, outcome: Any) -> None:
        """The payer does his part, if the outcome leaves him one; nothing is waited for."""
        if not isinstance(outcome, HandedOut):
            expect(is_money(outcome), f"the order came to {outcome!r}")
            return
        order = self._numbered(order, outcome)
        if outcome.next_action.get("type") == SMS_CODE:
            await self.ask("answer", order, {SMS_CODE: self.way.sms_code or ""})
            return
        played = await self.act(order, outcome)
        expect(played.result in ("paid", "pending"), f"the payer could not pay: {played}")

    async def refunded(self, refund: RefundOrder, *, tries: int = 1) -> Refunded:
        """A refund that took effect; sent again while the channel is busy with an earlier one."""
        outcome = await self.ask("refund", refund)
        for _ in range(tries - 1):
            if not isinstance(outcome, Unknown):
                break
            await asyncio.sleep(BUSY_S)
            outcome = await self.ask("refund", refund)
        if isinstance(outcome, RefundPending):
            outcome = await self.polled("refund_query", refund, Refunded)
        expect(isinstance(outcome, Refunded), f"the refund came to {outcome!r}")
        return outcome

    async def polled(self, operation: str, subject: Any, wanted: Any) -> Any:
        """Ask until the outcome is one of `wanted`; fails after `POLLS_MAX` questions."""
        outcome: Any = None
        for _ in range(POLLS_MAX):
            outcome = await self.ask(operation, subject)
            if isinstance(outcome, wanted):
                return outcome
            await self.clock.advance(POLL_EVERY)
        fail(f"{operation} went on answering {outcome!r}")

    async def unpaid(self, order: PayOrder) -> None:
        """The channel says of an order nothing that could be money; the book has none either."""
        outcome = await self.ask("query", order)
        expect(
            not isinstance(outcome, Paid | Authorized), f"an unpaid order is said to be {outcome!r}"
        )
        booked = await self.booked(order.attempt_no)
        expect(all(row["status"] != "paid" for row in booked), "the book has it paid")

    async def expect_paid_once(self, order: PayOrder) -> None:
        """The book has the order paid, once and with its amount, where it keeps orders."""
        if self.profile.keeps_orders:
            rows = await self.booked(order.attempt_no)
            states = [(row["status"], row["amount"]) for row in rows]
            expect(states == [("paid", order.amount)], f"the book has {rows}")

    # --- the outside truth ----------------------------------------------------------------------

    async def booked(self, attempt_no: str) -> list[dict[str, Any]]:
        """The simulator's orders of a number."""
        book = await self.doors.book(self.profile.channel)
        return [row for row in book["orders"] if row["out_trade_no"] == attempt_no]

    async def expect_refunded(self, attempt_no: str, amount: int) -> None:
        """The book has exactly `amount` of an order paid back."""
        rows = await self.booked(attempt_no)
        expect(len(rows) == 1, f"the book has {len(rows)} orders of one number")
        has = rows[0]["refunded"]
        expect(has == amount, f"{has} was paid back, not {amount}")

    async def transfers(self, transfer_no: str) -> list[dict[str, Any]]:
        """The simulator's transfers of a number."""
        book = await self.doors.book(self.profile.channel)
        return [row for row in book["transfers"] if transfer_no in row.values()]

    def _numbered(self, order: PayOrder, handed: HandedOut) -> PayOrder:
        """The order as the core sends it from now on: with the channel's number, if given."""
        number = getattr(handed, "channel_order_no", None)
        return order if number is None else replace(order, channel_order_no=number)


def is_money(outcome: object) -> bool:
    """Whether an outcome says that the payer's money came, or is held."""
    return isinstance(outcome, Paid | Authorized)


def is_open(outcome: object) -> bool:
    """Whether an outcome leaves open what the order is."""
    return isinstance(outcome, Waiting | Unknown)
