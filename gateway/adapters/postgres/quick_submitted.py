"""Quick submissions: payments in the committer's hands whose submitters wait for no future.

Law: whoever submitted one is called once, as whoever submitted a Change is told once. A fresh
payment makes its Change only if the long way needs it; a paid one has none, and its submitter hears
that it was not as it was seen.
"""

from typing import Protocol

from gateway.adapters.postgres import paid
from gateway.adapters.postgres.merchant_rows import rows_of
from gateway.adapters.postgres.submitted import FRESH_TYPES, Submitted
from gateway.domain.change import Change, Writes
from gateway.domain.fresh import FreshPayment
from gateway.domain.paid import NotAsSeen, PaidPayment


class Quick(Protocol):
    """Whoever submitted one, and is called: `done`, it is durable as it is; `failed`, as a future's
    exception."""

    def done(self) -> None: ...
    def failed(self, error: BaseException) -> None: ...


class QuickFresh(Quick, Protocol):
    """Whoever submitted a fresh payment. `change` makes the same Change that the long way decides,
    `became` tells what it came to there."""

    @property
    def fresh(self) -> FreshPayment: ...
    def change(self) -> Change: ...
    def became(self, writes: Writes) -> None: ...


class QuickPaid(Quick, Protocol):
    """Whoever submitted a paid payment. `failed` with `NotAsSeen`: nothing was written, and it is
    to be decided on the rows."""

    @property
    def paid(self) -> PaidPayment: ...


class QuickSubmitted(Submitted):
    """A payment, with nothing of a Change yet."""

    __slots__ = ("_is_told", "_quick")

    def __init__(self, quick: Quick, merchant_id: str, at: float) -> None:
        # Submitted's own beginning would need the Change.
        self._quick = quick
        self._is_told = False
        self._change = None
        self.fresh = self.paid = self.foreseen = self.place = None
        self.merchant_id = merchant_id
        self.at = at
        self.error = None
        self.rows = None
        self.followers = None
        self.types = ()

    def succeed(self) -> None:
        """It is durable: tell whoever submitted it, unless he was told otherwise."""
        if not self._is_told:
            self._is_told = True
            self._tell()

    def _tell(self) -> None:
        self._quick.done()

    def fail(self, error: BaseException) -> None:
        """Tell whoever submitted it, unless he was told before."""
        if not self._is_told:
            self._is_told = True
            self._quick.failed(error)


class FreshSubmitted(QuickSubmitted):
    """A fresh payment."""

    __slots__ = ("_fresh", "_went_short")

    def __init__(self, quick: QuickFresh, at: float) -> None:
        written = quick.fresh
        super().__init__(quick, written.merchant_id, at)
        self._fresh = quick
        self._went_short = False
        self.fresh = written
        self.place = (written.merchant_id, "payment_no", written.merchant_order_no)

    @property
    def change(self) -> Change:
        """What is to be decided, made when it is first asked for."""
        if self._change is None:
            self._change = self._fresh.change()
        return self._change

    def wrote_fresh(self) -> None:
        """It was written the short way."""
        self.error = None
        self._went_short = True
        self.types = FRESH_TYPES
        if self.followers:
            self.writes = self._foreseen()
            self.rows = rows_of(self.writes, self.merchant_id)

    def _tell(self) -> None:
        if self._went_short:
            self._fresh.done()
        else:
            self._fresh.became(self.writes)


class PaidSubmitted(QuickSubmitted):
    """A paid payment."""

    __slots__ = ()

    def __init__(self, quick: QuickPaid, at: float) -> None:
        written = quick.paid
        super().__init__(quick, written.merchant_id, at)
        self.paid = written

    def wrote_paid(self) -> None:
        """It was written."""
        self.error = None
        self.types = paid.TYPES

    def lost_sight(self) -> None:
        """Nothing of its batch was written."""
        self.error = NotAsSeen()
