"""Changes in the committer's hands: what is to be decided, and who is told.

Law: whoever submitted a Change is told once, when it is durable, refused or of unknown outcome; the
rows that he is told are as they are stored. `quick_submitted.py` has those who wait for no future.
"""

import asyncio
from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from gateway.adapters.postgres import fresh
from gateway.adapters.postgres.merchant_rows import MerchantRows, rows_of
from gateway.domain.change import Change, Foreseen, Need, Row, Writes
from gateway.domain.paid import PaidPayment
from gateway.domain.payment import Payment

NOTHING = Writes()
FRESH_TYPES = ("payment.created",)


class Submitted:
    """A Change in the committer's hands, and what became of it.

    `place` names merchant and number of a create; `fresh` or `paid` is what it writes the shortest
    way, `foreseen` what it writes if nothing moved; `types` are the events that it told.
    """

    __slots__ = (
        "_change",
        "_future",
        "at",
        "error",
        "followers",
        "foreseen",
        "fresh",
        "merchant_id",
        "paid",
        "place",
        "rows",
        "types",
        "writes",
    )

    def __init__(self, change: Change, future: asyncio.Future[Writes], at: float) -> None:
        number = change.number
        self._change: Change | None = change
        self._future: asyncio.Future[Writes] | None = future
        self.merchant_id = change.merchant_id
        self.place = None if number is None else (change.merchant_id, number.kind, number.key)
        self.fresh = fresh.fresh_of(change)
        self.paid: PaidPayment | None = None
        self.foreseen = _foreseen_of(change)
        self.at = at
        self.error: BaseException | None = None
        self.writes: Writes = NOTHING
        self.rows: MerchantRows | None = None
        self.followers: list[Submitted] | None = None
        self.types: Sequence[str] = ()

    @property
    def change(self) -> Change:
        """What is to be decided."""
        assert self._change is not None
        return self._change

    def follow(self, follower: "Submitted") -> None:
        """Let an equal create wait for this one's row."""
        if self.followers is None:
            self.followers = []
        self.followers.append(follower)

    def wrote_fresh(self) -> None:
        """It was written the shortest way, which does not tell where its line came to stand."""
        self.error = None
        written = self._foreseen()
        self.writes = replace(written, rows=())
        self.types = FRESH_TYPES
        if self.followers:
            self.rows = rows_of(written, self.merchant_id)

    def _foreseen(self) -> Writes:
        found = self.change.foreseen
        return NOTHING if found is None else found.writes

    def wrote_foreseen(self, base: int, told: Mapping[str, int]) -> None:
        """It was written as foreseen; `told` are lines about payments, counted from `base`."""
        self.error = None
        written = self._foreseen()
        rows = tuple(_told_at(row, base, told) for row in written.rows)
        self.writes = replace(written, rows=rows)
        self.types = [line.type for line in written.lines]
        if self.followers:
            self.rows = rows_of(self.writes, self.merchant_id)

    def begin_again(self) -> None:
        """Nothing of it is written or refused yet."""
        self.writes = NOTHING
        self.types = ()
        self.error = None
        self.rows = None

    def decided(self, writes: Writes, rows: MerchantRows) -> None:
        """It was decided on `rows`."""
        self.writes = writes
        self.rows = rows
        self.types = [line.type for line in writes.lines]

    def settle(self) -> None:
        """Its rows were written: show them as they are stored."""
        if self.rows is not None and self.writes.rows:
            rows = tuple(self.rows.rows[row.place] for row in self.writes.rows)
            self.writes = replace(self.writes, rows=rows)

    def succeed(self) -> None:
        """It is durable: tell whoever submitted it, unless he was told otherwise."""
        assert self._future is not None
        if not self._future.done():
            self._future.set_result(self.writes)

    def fail(self, error: BaseException) -> None:
        """Tell whoever submitted it, unless he was told before."""
        assert self._future is not None
        if not self._future.done():
            self._future.set_exception(error)


def _foreseen_of(change: Change) -> Foreseen | None:
    """What a Change foresees, if it tells of no payment twice: a second line leads to the first."""
    found = change.foreseen
    if found is None or len(found.writes.lines) < 2:
        return found
    about = [line.payment_id for line in found.writes.lines if line.payment_id is not None]
    return found if len(set(about)) == len(about) else None


def _told_at(row: Row, base: int, told: Mapping[str, int]) -> Row:
    if not isinstance(row, Payment):
        return row
    place = told.get(row.id)
    return row if place is None else replace(row, last_sequence=base + place)


def by_way(changes: Sequence[Submitted]) -> list[list[Submitted]]:
    """Changes parted by the way they can go: new payments, paid ones, what was foreseen, the rest.

    Of two that saw the same row, the second has not seen what the first one makes of it.
    """
    created: list[Submitted] = []
    paid_first: dict[str, Submitted] = {}
    paid_again: list[Submitted] = []
    foreseen: list[Submitted] = []
    rest: list[Submitted] = []
    places: set[tuple[str, Need]] = set()
    for each in changes:
        if each.fresh is not None:
            created.append(each)
        elif each.paid is not None:
            if paid_first.setdefault(each.paid.attempt_id, each) is not each:
                paid_again.append(each)
        elif each.foreseen is None:
            rest.append(each)
        else:
            before = [row for row in each.foreseen.before if row is not None]
            own = {(each.merchant_id, row.place) for row in before}
            (foreseen if places.isdisjoint(own) else rest).append(each)
            places |= own
    parts = (created, list(paid_first.values()), paid_again, foreseen, rest)
    return [part for part in parts if part]


def halves(part: Sequence[Submitted]) -> tuple[list[Submitted], list[Submitted]]:
    """A batch that cannot be written, as two, each with as few merchants as can be."""
    ordered = sorted(part, key=lambda each: each.merchant_id)
    middle = len(ordered) // 2
    return ordered[middle:], ordered[:middle]
