"""Bytes of the pretend UnionPay: forms in, the signed text, answers and notifications out.

Law: pure; no signature is checked or made here, only the text that is signed: every field except
`signature`, sorted, `name=value` joined by `&`, of which the hexadecimal SHA-256 is what RSA signs.
Answers are raw `name=value` text, not URL-encoded, notifications an ordinary form.
Source: UnionPay, acp 5.1.0.
"""

import hashlib
from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl, urlencode

from gateway.sandbox.unionpay.refusals import Refusal

FIELDS_MAX: Final = 64
SIGNATURE: Final = "signature"


def read_form(body: bytes) -> dict[str, str]:
    """The fields of a request. Raises `Refusal`."""
    try:
        pairs = parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=True,
            encoding="utf-8",
            errors="strict",
            max_num_fields=FIELDS_MAX,
        )
    except ValueError as error:
        raise Refusal("10", "not a well-formed form") from error
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise Refusal("10", "a field was sent twice")
    return fields


def signed_text(fields: Mapping[str, str]) -> bytes:
    """What RSA signs."""
    text = "&".join(f"{name}={fields[name]}" for name in sorted(fields) if name != SIGNATURE)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest().encode("ascii")


def answer(fields: Mapping[str, str]) -> bytes:
    """An answer's body, sorted and raw."""
    return "&".join(f"{name}={fields[name]}" for name in sorted(fields)).encode("utf-8")


def form(fields: Mapping[str, str]) -> bytes:
    """A notification's body."""
    return urlencode(sorted(fields.items())).encode("ascii")
