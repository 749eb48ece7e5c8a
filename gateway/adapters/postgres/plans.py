"""Plans of prepared statements, made anew while the tables grow.

Law: a generic plan is as good as the sizes of the tables when it was made, and on an empty table
every index looks alike. Until statistics exist nothing else makes Postgres think again. So a
connection drops its plans whenever it has been used twice as often as when it last did: rarely, and
never more than a doubling too late.
"""

from typing import Any

import asyncpg


class PlanningConnection(asyncpg.Connection):
    """A connection that counts its uses."""

    __slots__ = ("_uses",)

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self._uses = 0

    async def used(self) -> None:
        """Count a use, between two transactions."""
        self._uses += 1
        if not self._uses & (self._uses - 1):
            await self.execute("discard plans")
