"""Text that people write: what may stand in it.

Law: free text has no control characters, no lone surrogates and no card number. What looks like a
card number (13 to 19 digits, single spaces or hyphens between, a known network's beginning, a
valid Luhn sum) is refused before it is stored or logged; numbers of merchants are not examined
but masked in logs. Source: ISO/IEC 7812-1 (Luhn), the card networks' published ranges.
"""

import re

from gateway.domain.errors import TillgateError

BUSINESS_NO = re.compile(r"[A-Za-z0-9_\-|*.:/]{1,64}\Z")
METADATA_KEY = re.compile(r"[A-Za-z0-9_.\-]{1,40}\Z")
METADATA_MEMBERS_MAX = 20
METADATA_VALUE_CHARS_MAX = 500
SUBJECT_CHARS_MAX = 127
TEXT_CHARS_MAX = 255

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
# Leftmost and greedy: a run begins and ends where no digit stands beside it.
_RUN = re.compile(r"[0-9](?:[ -]?[0-9]){12,}")
# Visa 4, Mastercard 51-55 and 2221-2720, American Express 34 37, Discover 6011 644-649 65,
# JCB 3528-3589, UnionPay 62 and 81, Diners 30 36 38 39, Maestro 50 56-58 6304 67.
_NETWORK = re.compile(
    r"4|5[0-8]|222[1-9]|22[3-9]|2[3-6]|27[01]|2720|3[0-9]|6011|64[4-9]|65|62|81|6304|67"
)


def _passes_luhn(digits: str) -> bool:
    total = 0
    for index, digit in enumerate(reversed(digits)):
        value = ord(digit) - 48
        if index % 2:
            value = value * 2 - 9 if value > 4 else value * 2
        total += value
    return total % 10 == 0


def has_card_number(text: str) -> bool:
    """Whether a run of 13 to 19 digits in `text` looks like a card number."""
    for run in _RUN.finditer(text):
        digits = run.group().replace(" ", "").replace("-", "")
        if 13 <= len(digits) <= 19 and _NETWORK.match(digits) and _passes_luhn(digits):
            return True
    return False


def check_text(text: str, *, param: str, chars_max: int = TEXT_CHARS_MAX) -> str:
    """`text` if it may be stored: 1 to `chars_max` characters, no control characters, no card.

    Raises `invalid_field` and `card_number_refused`.
    """
    if not 1 <= len(text) <= chars_max:
        raise TillgateError(
            "invalid_field", f"The text must have 1 to {chars_max} characters.", param=param
        )
    if not (text.isascii() and text.isprintable()) and _CONTROL.search(text):
        raise TillgateError(
            "invalid_field", "The text must not contain control characters.", param=param
        )
    if len(text) >= 13 and has_card_number(text):
        raise TillgateError(
            "card_number_refused",
            "The text contains what looks like a card number. Never send card numbers here.",
            param=param,
        )
    return text


def check_business_no(number: str, *, param: str) -> str:
    """`number` if it is a merchant's business number: 1 to 64 of `A-Za-z0-9_-|*.:/`."""
    if BUSINESS_NO.match(number) is None:
        raise TillgateError(
            "invalid_field",
            "A business number has 1 to 64 characters of A-Z a-z 0-9 _ - | * . : /",
            param=param,
        )
    return number


def check_metadata(metadata: dict[str, str]) -> dict[str, str]:
    """`metadata` if it has at most 20 members with short keys and values without controls."""
    if len(metadata) > METADATA_MEMBERS_MAX:
        raise TillgateError(
            "invalid_field",
            f"Metadata has at most {METADATA_MEMBERS_MAX} members.",
            param="/metadata",
        )
    for key, value in metadata.items():
        if METADATA_KEY.match(key) is None:
            raise TillgateError(
                "invalid_field",
                "A metadata key has 1 to 40 characters of A-Z a-z 0-9 _ . -",
                param="/metadata",
            )
        if len(value) > METADATA_VALUE_CHARS_MAX or _CONTROL.search(value):
            raise TillgateError(
                "invalid_field",
                f"A metadata value has up to {METADATA_VALUE_CHARS_MAX} characters, none of "
                "them a control character.",
                param=f"/metadata/{key}",
            )
    return metadata
