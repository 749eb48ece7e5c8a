"""Expiry: open orders close when their time is over, by the business clock.

Law: an order is closed at its own moment, however late somebody looks: `settle` is called before
every look at an order, and the agenda calls it for orders that nobody looks at.
"""

from typing import Final

from gateway.sandbox.agenda import Agenda
from gateway.sandbox.book import Book
from gateway.sandbox.moments import Clock, from_ms, to_ms

STEP_MS: Final = 1_000
"""The agenda looks at whole seconds, however many orders expire within one."""


class Expiry:
    """Keeps one entry of the agenda at or just after the next moment an order expires."""

    def __init__(self, *, book: Book, agenda: Agenda, clock: Clock) -> None:
        self._book = book
        self._agenda = agenda
        self._clock = clock
        self._entered_ms: int | None = None

    def settle(self) -> None:
        """Close what is over by now."""
        self._book.close_expired(to_ms(self._clock()))

    def watch(self) -> None:
        """Enter the next expiry in the agenda; call it after an order was written."""
        expiry_ms = self._book.next_expiry()
        if expiry_ms is None:
            return
        due_ms = -(-expiry_ms // STEP_MS) * STEP_MS
        if self._entered_ms is None or due_ms < self._entered_ms:
            self._entered_ms = due_ms
            self._agenda.add(from_ms(due_ms), "close expired orders", self._run)

    async def _run(self) -> None:
        if self._entered_ms is not None and from_ms(self._entered_ms) <= self._clock():
            self._entered_ms = None
        self.settle()
        self.watch()
