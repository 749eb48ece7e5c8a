"""The book of holds: what payers have given to be held, and what became of it.

Law: what was captured and let go never exceeds what was held (the table refuses more). Writes
belong inside a `Book.change`. Moments are milliseconds of the business clock, amounts fen.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway.sandbox.alipay.accounts import CHANNEL, random_digits
from gateway.sandbox.alipay.call import HOLD_PREFIX
from gateway.sandbox.book import Book, Order
from gateway.sandbox.moments import beijing_text

SCHEMA: Final = (Path(__file__).parent / "holds.sql").read_text("utf-8")


@dataclass(frozen=True, slots=True)
class Hold:
    """One hold as it stands; fields as the columns of `alipay_holds` in `holds.sql`."""

    order_id: int
    operation_id: str
    out_request_no: str
    amount: int
    held_at: int | None
    captured: int
    released: int
    canceled_at: int | None

    @property
    def rest(self) -> int:
        """What is held now, fen."""
        return self.amount - self.captured - self.released if self.held_at is not None else 0


@dataclass(frozen=True, slots=True)
class Release:
    """One letting go."""

    id: int
    order_id: int
    operation_id: str
    out_request_no: str
    amount: int
    created_at: int


class HoldBook:
    """The tables of `holds.sql`, in the same file as the book."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self._db = book.annex(SCHEMA)

    def order(self, account_id: str, out_order_no: str) -> Order | None:
        """The order of a hold under a merchant's number."""
        return self._book.order(CHANNEL, account_id, HOLD_PREFIX + out_order_no)

    def order_by_auth_no(self, account_id: str, auth_no: str) -> Order | None:
        """The order of a hold under Alipay's number."""
        order = self._book.order_by_channel_no(CHANNEL, account_id, auth_no)
        return order if order is not None and is_hold(order) else None

    def of(self, order: Order) -> Hold:
        """The hold of an order that `is_hold`."""
        row = self._db.execute(
            "SELECT * FROM alipay_holds WHERE order_id = ?", (order.id,)
        ).fetchone()
        return Hold(*row)

    def add(self, order: Order, *, operation_id: str, out_request_no: str) -> None:
        """Write the hold of a new order."""
        self._db.execute(
            "INSERT INTO alipay_holds (order_id, operation_id, out_request_no, amount)"
            " VALUES (?, ?, ?, ?)",
            (order.id, operation_id, out_request_no, order.amount),
        )

    def give(self, order: Order, *, now: int) -> None:
        """The payer has given the money to be held."""
        self._book.close_order(order, now=now)
        self._db.execute("UPDATE alipay_holds SET held_at = ? WHERE order_id = ?", (now, order.id))

    def capture(self, order: Order, amount: int) -> None:
        """Take `amount` of what is held."""
        self._db.execute(
            "UPDATE alipay_holds SET captured = captured + ? WHERE order_id = ?",
            (amount, order.id),
        )

    def release(self, order: Order, *, out_request_no: str, amount: int, now: int) -> Release:
        """Let go of `amount` of what is held."""
        self._db.execute(
            "UPDATE alipay_holds SET released = released + ? WHERE order_id = ?",
            (amount, order.id),
        )
        self._db.execute(
            "INSERT INTO alipay_releases (order_id, operation_id, out_request_no, amount,"
            " created_at) VALUES (?, ?, ?, ?, ?)",
            (order.id, new_operation_id(now), out_request_no, amount, now),
        )
        done = self.find_release(order, out_request_no=out_request_no)
        if done is None:
            raise LookupError("the release that was just written is not there")
        return done

    def find_release(
        self, order: Order, *, out_request_no: str | None = None, operation_id: str | None = None
    ) -> Release | None:
        """A letting go, by either number."""
        row = self._db.execute(
            "SELECT * FROM alipay_releases WHERE order_id = ?"
            " AND (out_request_no = ? OR operation_id = ?)",
            (order.id, out_request_no, operation_id),
        ).fetchone()
        return Release(*row) if row else None

    def cancel(self, order: Order, *, now: int) -> None:
        """The freeze was cancelled as a whole."""
        self._db.execute(
            "UPDATE alipay_holds SET canceled_at = ? WHERE order_id = ?", (now, order.id)
        )


def is_hold(order: Order) -> bool:
    """Whether an order is money held and no charge."""
    return order.out_trade_no.startswith(HOLD_PREFIX)


def new_operation_id(now: int) -> str:
    """20 digits that begin with the date in Beijing."""
    return beijing_text(now)[:10].replace("-", "") + random_digits(12)
