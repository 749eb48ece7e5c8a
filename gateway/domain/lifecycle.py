"""Lifecycles: which state may follow which, as tables.

Law: unlisted is illegal. A state without followers is terminal and is never left. Every status
change in the system passes `advance`; diagrams in the documents are drawn from these tables.

    PAYMENT   the order as the merchant sees it         (table of the API contract)
    ATTEMPT   one instruction to one channel            (unknown blocks everything until resolved)
    REFUND    money on its way back                     (reserved at creation)
    UNEXPECTED  money that came late, twice or in another amount
"""

from collections.abc import Mapping

Table = Mapping[str, frozenset[str]]


def _table(**rows: str) -> Table:
    return {state: frozenset(followers.split()) for state, followers in rows.items()}


PAYMENT: Table = _table(
    requires_payment_method="processing canceled expired",
    processing=(
        "requires_action requires_capture succeeded failed requires_payment_method closing "
        "canceled expired"  # the last two only while held for review with nothing sent
    ),
    requires_action="processing requires_capture succeeded failed requires_payment_method closing",
    requires_capture="succeeded closing",
    closing="canceled expired succeeded requires_capture",
    succeeded="",
    canceled="",
    expired="",
    failed="",
)

ATTEMPT: Table = _table(
    created="submitted",
    submitted="pending_user authorized succeeded failed unknown closing",
    pending_user="authorized succeeded failed unknown closing",
    authorized="succeeded failed unknown closing",
    unknown="pending_user authorized succeeded failed closing",
    closing="closed authorized succeeded unknown",
    succeeded="",
    failed="",
    closed="",
)

REFUND: Table = _table(
    created="processing",
    processing="requires_action succeeded failed canceled",
    requires_action="succeeded failed canceled",
    succeeded="",
    failed="",
    canceled="",
)

UNEXPECTED: Table = _table(
    detected="refunding applied manual",
    refunding="refunded manual",
    manual="refunding applied",
    refunded="",
    applied="",
)

ALL: dict[str, Table] = {
    "payment": PAYMENT,
    "attempt": ATTEMPT,
    "refund": REFUND,
    "unexpected_funds": UNEXPECTED,
}


class IllegalTransition(Exception):
    """A decision tried to leave a terminal state or to take an unlisted way: a defect of ours."""


def advance(table: Table, state: str, target: str) -> str:
    """`target` if it may follow `state`, else `IllegalTransition`."""
    if target not in table[state]:
        raise IllegalTransition(f"{state} -> {target}")
    return target


def is_terminal(table: Table, state: str) -> bool:
    """Whether nothing may follow `state`."""
    return not table[state]
