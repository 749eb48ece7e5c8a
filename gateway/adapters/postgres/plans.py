"""Plans of prepared statements, made anew while the tables grow.

Law: a generic plan is as good as the sizes of the tables when it was made, and on an empty table
every index looks alike. Until statistics exist nothing else makes Postgres think again. So a
connection drops its plans whenever it has been used twice as often as when it last did, and after a
use that took long: at worst a plan is looked at once too often, and never kept while it hurts.
"""

from time import monotonic
from typing import Any

import asyncpg

LONG_USE_S = 0.1


class PlanningConnection(asyncpg.Connection):
    """A connection that counts its uses, and how long the last one took."""

    __slots__ = ("_begun", "_took_long", "_uses")

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self._uses = 0
        self._begun = monotonic()
        self._took_long = False

    async def begin_use(self) -> None:
        """Between two transactions, and before the next one: think anew if it is time."""
        self._uses += 1
        if self._took_long or not self._uses & (self._uses - 1):
            await self.execute("discard plans")
            self._took_long = False
        self._begun = monotonic()

    def end_use(self) -> None:
        """Afterwards, however it ended."""
        self._took_long = monotonic() - self._begun > LONG_USE_S
