"""Pure twin of `fastpath.order`: the specification.

Law. It reads the body of an order that raises no doubt, or says None. It never refuses and never
repairs. Without a doubt is a JSON object (RFC 8259) in strict UTF-8, each member at most once, of
exactly `merchant_order_no`, `amount`, `currency`, `subject` and perhaps `metadata`, `expires_in`,
`notify_url` and `return_url`; texts without a backslash or control character, URLs of visible
ASCII, numbers in plain digits, and so few digits in the subject that none of it can be a card
number. Everything else is somebody else's to read.
"""

import re
from typing import Final

from fastpath._arguments import wrong_type
from fastpath._order_terms import (
    AMOUNT_DIGITS_MAX,
    BODY_BYTES_MAX,
    EXPIRES_IN_DIGITS_MAX,
    METADATA_KEY_CHARS_MAX,
    METADATA_MEMBERS_MAX,
    METADATA_VALUE_CHARS_MAX,
    NUMBER_CHARS_MAX,
    SUBJECT_CHARS_MAX,
    SUBJECT_DIGITS_MAX,
    URL_CHARS_MAX,
    PlainOrder,
)

# No quote, no backslash, no control character (C0, DEL, C1, line and paragraph separator).
_TEXT: Final = '[^"\\\\\x00-\x1f\x7f-\x9f\u2028\u2029]'
_SPACE: Final = re.compile("[ \t\n\r]*")
_NAME: Final = re.compile('"([a-z_]{1,32})"')
_NUMBER: Final = re.compile(f'"([A-Za-z0-9_|*.:/-]{{1,{NUMBER_CHARS_MAX}}})"')
_AMOUNT: Final = re.compile(f"[1-9][0-9]{{0,{AMOUNT_DIGITS_MAX - 1}}}(?![0-9])")
_CURRENCY: Final = re.compile('"([A-Z]{3})"')
_SUBJECT: Final = re.compile(f'"({_TEXT}{{1,{SUBJECT_CHARS_MAX}}})"')
_KEY: Final = re.compile(f'"([A-Za-z0-9_.-]{{1,{METADATA_KEY_CHARS_MAX}}})"')
_VALUE: Final = re.compile(f'"({_TEXT}{{0,{METADATA_VALUE_CHARS_MAX}}})"')
_DIGITS: Final = re.compile("[0-9]")
_EXPIRES_IN: Final = re.compile(f"[1-9][0-9]{{0,{EXPIRES_IN_DIGITS_MAX - 1}}}(?![0-9])")
_URL: Final = re.compile(f'"([!#-\\[\\]-~]{{1,{URL_CHARS_MAX}}})"')

_REQUIRED: Final = {
    "merchant_order_no": _NUMBER,
    "amount": _AMOUNT,
    "currency": _CURRENCY,
    "subject": _SUBJECT,
}
_PATTERNS: Final = {
    **_REQUIRED,
    "expires_in": _EXPIRES_IN,
    "notify_url": _URL,
    "return_url": _URL,
}


class _Doubt(Exception):
    """The body is not plain."""


class _Reader:
    """A place in a text, moved by what is found there."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def space(self) -> None:
        found = _SPACE.match(self._text, self._at)
        assert found is not None
        self._at = found.end()

    def take(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self._text, self._at)
        if found is None:
            raise _Doubt
        self._at = found.end()
        return found[found.lastindex or 0]

    def sign(self, allowed: str) -> str:
        """The next character, with white space around it, which must be one of `allowed`."""
        self.space()
        found = self._text[self._at : self._at + 1]
        if not found or found not in allowed:
            raise _Doubt
        self._at += 1
        self.space()
        return found

    def is_before(self, sign: str) -> bool:
        return self._text.startswith(sign, self._at)

    def end(self) -> None:
        if self._at != len(self._text):
            raise _Doubt


def read_order(body: bytes) -> PlainOrder | None:
    """The plain order that `body` is, or None. Raises TypeError if not bytes."""
    if type(body) is not bytes:
        raise wrong_type("body", "bytes", body)
    if len(body) > BODY_BYTES_MAX:
        return None
    try:
        return _read(_Reader(body.decode("utf-8")))
    except (_Doubt, UnicodeDecodeError):
        return None


def _read(reader: _Reader) -> PlainOrder:
    found: dict[str, str] = {}
    members: dict[str, str] | None = None
    reader.sign("{")
    while True:
        name = reader.take(_NAME)
        reader.sign(":")
        if name == "metadata" and members is None:
            members = _read_metadata(reader)
        elif name in _PATTERNS and name not in found:
            found[name] = reader.take(_PATTERNS[name])
        else:
            raise _Doubt
        if reader.sign(",}") == "}":
            break
    reader.end()
    if (
        not _REQUIRED.keys() <= found.keys()
        or len(_DIGITS.findall(found["subject"])) > SUBJECT_DIGITS_MAX
    ):
        raise _Doubt
    metadata = "{}" if members is None else _object(members)
    values = {name: f'"{value}"' for name, value in found.items()}
    values |= {name: found[name] for name in ("amount", "expires_in") if name in found}
    if members is not None:
        values["metadata"] = _object(dict(sorted(members.items())))
    parts = [f'"{name}":{value}' for name, value in sorted(values.items())]
    return PlainOrder(
        merchant_order_no=found["merchant_order_no"],
        amount=int(found["amount"]),
        currency=found["currency"],
        subject=found["subject"],
        metadata=metadata,
        expires_in=int(found.get("expires_in", "0")),
        notify_url=found.get("notify_url", ""),
        return_url=found.get("return_url", ""),
        content=f"{{{','.join(parts)}}}".encode(),
    )


def _read_metadata(reader: _Reader) -> dict[str, str]:
    members: dict[str, str] = {}
    reader.sign("{")
    if reader.is_before("}"):
        reader.sign("}")
        return members
    while True:
        key = reader.take(_KEY)
        reader.sign(":")
        if key in members or len(members) == METADATA_MEMBERS_MAX:
            raise _Doubt
        members[key] = reader.take(_VALUE)
        if reader.sign(",}") == "}":
            return members


def _object(members: dict[str, str]) -> str:
    return "{" + ",".join(f'"{key}":"{value}"' for key, value in members.items()) + "}"
