"""The words both twins of `fastpath.amount` share: limits and errors.

Law. Only names and values, no decision. An error text is one of a fixed set and never repeats
input.
"""

from typing import Final

AMOUNT_MINOR_MAX: Final = 999_999_999_999
TEXT_CHARS_MAX: Final = 32
EXPONENT_MAX: Final = 4
"""The largest number of decimals of a currency in ISO 4217."""

EXPONENT_REFUSED: Final = "exponent must be 0 to 4"

REASONS: Final[dict[str, str]] = {
    "not_an_integer": "the amount is not an integer",
    "malformed": "the amount is not plain decimal text",
    "too_precise": "the amount has more decimals than its currency",
    "too_small": "the amount is too small",
    "too_large": "the amount is too large",
}
"""Every reason why an amount is invalid, and its text. The order is that of precedence."""


class AmountInvalid(ValueError):
    """The amount cannot be used; `reason` is a key of `REASONS`."""

    reason: str

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return REASONS[self.reason]
