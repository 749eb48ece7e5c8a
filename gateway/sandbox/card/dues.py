"""What falls due at the pretend Stripe: holds that are let go, pending refunds that are concluded.

Law: each is done at its own business moment, however late somebody looks: `settle` is called before
every look, and the agenda calls it for what nobody looks at. Moments are in the book, so a restart
forgets none.
"""

from typing import Final

from gateway.sandbox.agenda import Agenda
from gateway.sandbox.book import Book
from gateway.sandbox.card.intents import Intents
from gateway.sandbox.card.refunds import Refunds
from gateway.sandbox.card.store import Store
from gateway.sandbox.moments import Clock, from_ms, to_ms

WHAT: Final = "end card holds and pending refunds"


class Dues:
    """Keeps one entry of the agenda at the next moment."""

    def __init__(
        self,
        *,
        book: Book,
        store: Store,
        intents: Intents,
        refunds: Refunds,
        agenda: Agenda,
        clock: Clock,
    ) -> None:
        self._book = book
        self._store = store
        self._intents = intents
        self._refunds = refunds
        self._agenda = agenda
        self._clock = clock
        self._next_ms = store.next_due()
        self._entered_ms: int | None = None
        self.watch()

    def watch(self) -> None:
        """Enter the next moment in the agenda; call it after a change."""
        self._next_ms = self._store.next_due()
        due_ms = self._next_ms
        if due_ms is not None and (self._entered_ms is None or due_ms < self._entered_ms):
            self._entered_ms = due_ms
            self._agenda.add(from_ms(due_ms), WHAT, self._run)

    def settle(self) -> None:
        """Do what is due by now; costs nothing before."""
        now = to_ms(self._clock())
        if self._next_ms is None or now < self._next_ms:
            return
        with self._book.change():
            for intent in self._store.due_intents(now):
                self._intents.let_go(intent)
            for refund in self._store.due_refunds(now):
                self._refunds.conclude(refund)
        self._next_ms = self._store.next_due()

    async def _run(self) -> None:
        self._entered_ms = None
        self.settle()
        self.watch()
