"""Pure twin of `fastpath.amount`: the specification.

Law. Written to be read, and never tuned; the compiled twin must agree with every line of it.
Nothing is rounded, trimmed, guessed or converted: an `int` is exactly an int (not a bool, not a
subclass), a digit is an ASCII digit, and no float occurs.
"""

import re
from typing import Final

from fastpath._amount_terms import (
    AMOUNT_MINOR_MAX,
    EXPONENT_MAX,
    EXPONENT_REFUSED,
    TEXT_CHARS_MAX,
    AmountInvalid,
)
from fastpath._arguments import wrong_type

_DECIMAL: Final = re.compile(r"(0|[1-9][0-9]*)(?:\.([0-9]+))?")


def check_minor(value: object) -> int:
    """`value` itself if it is an int of 1 to `AMOUNT_MINOR_MAX` minor units.

    Raises AmountInvalid: not_an_integer, too_small, too_large.
    """
    if type(value) is not int:
        raise AmountInvalid("not_an_integer")
    if value < 1:
        raise AmountInvalid("too_small")
    if value > AMOUNT_MINOR_MAX:
        raise AmountInvalid("too_large")
    return value


def parse_decimal(text: str | bytes, exponent: int) -> int:
    """Minor units, 0 to `AMOUNT_MINOR_MAX`, of decimal text such as "88.80".

    `exponent` is the currency's number of decimals (ISO 4217), 0 to 4. Fewer decimals are
    filled up ("88.8" is 8880 with exponent 2); more are refused, even zeros. Raises
    AmountInvalid (malformed, too_precise, too_large), ValueError for another exponent,
    TypeError for other types.
    """
    if type(text) is not str and type(text) is not bytes:
        raise wrong_type("text", "str or bytes", text)
    _check_exponent(exponent)
    # Latin-1 gives each byte a character of its own; the pattern takes ASCII digits only.
    characters = text if isinstance(text, str) else text.decode("latin-1")
    match = _DECIMAL.fullmatch(characters) if len(characters) <= TEXT_CHARS_MAX else None
    if match is None:
        raise AmountInvalid("malformed")
    whole, decimals = match[1], match[2] or ""
    if len(decimals) > exponent:
        raise AmountInvalid("too_precise")
    minor = int(whole + decimals.ljust(exponent, "0"))
    if minor > AMOUNT_MINOR_MAX:
        raise AmountInvalid("too_large")
    return minor


def format_decimal(minor: int, exponent: int) -> str:
    """Decimal text of 0 to `AMOUNT_MINOR_MAX` minor units, always with `exponent` decimals.

    `parse_decimal` of the result gives `minor` back. Raises AmountInvalid (not_an_integer,
    too_small, too_large), then ValueError for an exponent outside 0 to 4, TypeError for one
    that is not an int.
    """
    if type(minor) is not int:
        raise AmountInvalid("not_an_integer")
    if minor < 0:
        raise AmountInvalid("too_small")
    if minor > AMOUNT_MINOR_MAX:
        raise AmountInvalid("too_large")
    _check_exponent(exponent)
    if exponent == 0:
        return str(minor)
    digits = str(minor).rjust(exponent + 1, "0")
    return f"{digits[:-exponent]}.{digits[-exponent:]}"


def _check_exponent(exponent: int) -> None:
    if type(exponent) is not int:
        raise wrong_type("exponent", "int", exponent)
    if not 0 <= exponent <= EXPONENT_MAX:
        raise ValueError(EXPONENT_REFUSED)
