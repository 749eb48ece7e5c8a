"""Amounts of money at the borders: checked integers, and exact decimal text.

Law. This is a door: it holds no logic, only the names of the twin that `fastpath._select`
chose. Inside the house money is an integer of minor units; decimal text exists only at channel
and file borders and passes here. No currency is known here, only its exponent.
"""

from fastpath._amount_terms import (
    AMOUNT_MINOR_MAX,
    EXPONENT_MAX,
    REASONS,
    TEXT_CHARS_MAX,
    AmountInvalid,
)
from fastpath._select import IMPLEMENTATION

if IMPLEMENTATION == "cython":
    from fastpath._amount_c import check_minor, format_decimal, parse_decimal
else:
    from fastpath._amount_py import check_minor, format_decimal, parse_decimal

__all__ = [
    "AMOUNT_MINOR_MAX",
    "EXPONENT_MAX",
    "REASONS",
    "TEXT_CHARS_MAX",
    "AmountInvalid",
    "check_minor",
    "format_decimal",
    "parse_decimal",
]
