"""By hand: ways in which no machine of the channel says what happened, but a person does.

Law: as `codec`. Whoever says it is staff of the house, with a receipt; nobody is asked, nothing is
overdue, and no silence is an alarm.
"""

from typing import Protocol


class ByHand(Protocol):
    """A codec with such ways.

    `by_hand` are the methods whose money staff takes in; `refunds_by_hand` says that staff (or a
    statement) confirms the refunds.
    """

    by_hand: frozenset[str]
    refunds_by_hand: bool
