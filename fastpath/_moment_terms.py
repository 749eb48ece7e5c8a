"""The words both twins of `fastpath.moment` share: how far from UTC a wall may hang.

Law. Only names and values, no decision.
"""

from typing import Final

HOURS_EAST_MAX: Final = 14
HOURS_EAST_REFUSED: Final = "hours_east must be 0 to 14"
