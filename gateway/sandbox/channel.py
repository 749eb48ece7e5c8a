"""What every simulator of a channel is to the rest of the pretend world.

Law: the world (server, payer, faults, post) knows channels by this page only; a simulator knows
the world by `World` only, and no other simulator. To add a channel: write its folder, and name
it in `server.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, runtime_checkable

from aiohttp import web

from gateway.sandbox.agenda import Agenda
from gateway.sandbox.book import Book, Notice, Order
from gateway.sandbox.expiry import Expiry
from gateway.sandbox.faults import Faults
from gateway.sandbox.moments import Clock
from gateway.sandbox.notifications import Outgoing, Postman


@dataclass(frozen=True, slots=True)
class World:
    """What a simulator works with."""

    book: Book
    faults: Faults
    agenda: Agenda
    expiry: Expiry
    postman: Postman
    clock: Clock


class Played(NamedTuple):
    """What the payer achieved: `paid`, `declined`, `ignored` or `pending`."""

    result: str
    channel_order_no: str | None


class Described(NamedTuple):
    """What a payer reads before paying; `back` is where the merchant wants the payer afterwards."""

    channel_title: str
    seller: str
    subject: str
    back: str | None = None


class PayerRefused(Exception):
    """The payer cannot do that: the order is paid or closed (`conflict`), or a field is wrong."""

    def __init__(self, code: str, detail: str, *, conflict: bool = True) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.conflict = conflict


@runtime_checkable
class Receiving(Protocol):
    """A simulator to which payers bring signed orders that it has not seen yet."""

    def take(self, code: str) -> Order | None:
        """The order that `code` is, now in the book; None if it is none of this channel's.

        Raises `PayerRefused` for an order that the channel refuses.
        """


@runtime_checkable
class Showing(Protocol):
    """A simulator whose outside truth is not made of orders."""

    def shown(self, account_id: str | None) -> dict[str, Any]:
        """What `GET /book/{channel}` answers."""


class Simulator(Protocol):
    """One pretend channel."""

    @property
    def name(self) -> str:
        """The channel's word in the control interface, such as `alipay`."""

    @property
    def operations(self) -> Mapping[str, frozenset[str]]:
        """Its operations, and the faults that have a meaning for each."""

    def routes(self) -> list[web.RouteDef]:
        """Its protocol's doors, below a path of its own."""

    def open_account(self, *, merchant_public_key: str, sandbox_url: str) -> dict[str, Any]:
        """Open an account, or find it again by the same key; answers a client's settings.

        Raises `KeyRefused` for a key that cannot be used.
        """

    def play(self, order: Order, *, behaviour: str, amount: int | None) -> Played:
        """Let the payer act on an order: `pay`, `decline` or `ignore`; raises `PayerRefused`."""

    def describe(self, order: Order) -> Described:
        """What the payer sees."""

    def compose(self, notice: Notice, *, fault: str | None) -> Outgoing:
        """The signed HTTP message of one sending; `fault` may spoil this one only."""

    def accepts(self, status: int, body: bytes) -> bool:
        """Whether a merchant's answer counts as accepted."""
