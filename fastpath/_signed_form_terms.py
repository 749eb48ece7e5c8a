"""The words both twins of `fastpath.signed_form` share: charsets and errors.

Law. Only names and values, no decision. An error text is one of a fixed set and never repeats
input.
"""

from typing import Final

CHARSETS: Final = frozenset({"utf-8", "gbk", "gb18030"})
CHARSET_REFUSED: Final = "charset must be one of gb18030, gbk, utf-8"
PAIRS_MAX_REFUSED: Final = "pairs_max must be positive"

REASONS: Final[dict[str, str]] = {
    "too_many_pairs": "the form has too many pairs",
    "no_escape": "a % of the form is no escape",
    "no_name": "a pair of the form has no name or no =",
    "repeated_name": "a name of the form is repeated",
    "not_of_charset": "the form is not of its charset",
}
"""Every reason why a form is malformed, and its text."""


class FormMalformed(ValueError):
    """The form cannot be read; `reason` is a key of `REASONS`."""

    reason: str

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return REASONS[self.reason]
