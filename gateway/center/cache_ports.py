"""Ports of the caches: answers that may be a moment old, and who says that they are too old.

Law: as `center/ports.py`: protocols only, no technology. What lies in a cache answers no question
about one object by its id and decides nothing; whoever needs the truth goes past it.
"""

from collections.abc import Awaitable, Callable
from typing import NamedTuple, Protocol

AGE_MAX_S = 1.0
"""How old an answer of a cache may be, whatever fails."""


class Place(NamedTuple):
    """Where an answer is kept: whose it is, which operation's, and all that the answer depends on.

    `about` holds every parameter and what the caller may see; equal places have equal answers.
    """

    merchant_id: str
    operation: str
    about: str


class Loaded(NamedTuple):
    """An answer as it was read. One that `is_personal` tells of a payer, and stays here."""

    body: bytes
    is_personal: bool


Load = Callable[[], Awaitable[Loaded]]
"""Reads an answer from the primary; raises what the read raises."""


class Cache(Protocol):
    """Answers that are at most `AGE_MAX_S` old and never older than a write that was told here."""

    async def get(self, place: Place, load: Load, *, past: bool = False) -> bytes:
        """The answer kept at a place, else what `load` reads; `past` reads in any case.

        Concurrent equal questions are read once. Raises what `load` raises.
        """
        ...


class Wrote(Protocol):
    """Who must hear of a write before its writer is answered: what is kept of it is too old now."""

    def __call__(self, merchant_id: str, /) -> None: ...


class LastWrites(Protocol):
    """When a merchant was last written, as far as this instance knows."""

    def of(self, merchant_id: str) -> int:
        """The moment in nanoseconds of the machine's monotonic clock, 0 for never."""
        ...


class Found(NamedTuple):
    """What a shared cache says of a place.

    `body` is None for nothing. `begun_ns` is no later than when its reading began, by this
    machine's monotonic clock. `asked_us` is the cache's own time of this look, None if it could
    not be asked.
    """

    body: bytes | None = None
    begun_ns: int = 0
    asked_us: int | None = None


class SharedCache(Protocol):
    """Answers that instances share. It may forget anything at any time and never raises."""

    async def get(self, place: Place) -> Found:
        """What is kept at a place, soon."""
        ...

    def put(self, place: Place, body: bytes, *, asked_us: int) -> None:
        """Keep an answer whose reading began after a look at `asked_us`; waits for nothing."""
        ...

    async def close(self) -> None:
        """End the connections."""
        ...
