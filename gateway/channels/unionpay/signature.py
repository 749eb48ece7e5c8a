"""What UnionPay signs: the canonical string of acp 5.1.0, hashed twice.

Law: verify what came, before anything reads it. The text is every field except `signature`, sorted
by name, `name=value` joined by `&`, values raw, in UTF-8. What is signed is not the text but the
lower-case hexadecimal SHA-256 of it, once more by RSA with SHA-256 (PKCS#1 v1.5). Fields without a
value are never sent by us and count as they came when they come. `signMethod` never chooses an
algorithm. Version 5.0.0 (SHA-1) is not spoken.

Answers come as raw text, not URL-encoded: a value in braces or brackets may hold `&` and `=`.
Callbacks come as an ordinary form. Source: UnionPay, "acp 5.1.0", behaviour of its own SDKs.
"""

import hashlib
from collections.abc import Mapping

from fastpath.form import join_sorted
from fastpath.signed_form import FormMalformed, SignedForm
from gateway.channels.crypto import rsa_sha256_sign, rsa_sha256_verify

SIGNATURE = "signature"
TEXT_BYTES_MAX = 262_144
FORM_BYTES_MAX = 65_536
FIELDS_MAX = 128

_LEFT_OUT = (SIGNATURE.encode("ascii"),)
_CLOSING = {"{": "}", "[": "]"}


class TextMalformed(ValueError):
    """The bytes are not of the form that is read here."""


def canonical(fields: Mapping[str, str]) -> bytes:
    """The text that a signature covers, in UTF-8. Raises UnicodeEncodeError for what has none."""
    return join_sorted(dict(fields), _LEFT_OUT, True)


def digest(fields: Mapping[str, str]) -> bytes:
    """The bytes that RSA signs: 64 hexadecimal digits."""
    return hashlib.sha256(canonical(fields)).hexdigest().encode("ascii")


def sign(fields: Mapping[str, str], private_key: str) -> str:
    """The value of `signature`. Raises `gateway.channels.crypto.KeyUnusable`."""
    return rsa_sha256_sign(private_key, digest(fields))


def verify(fields: Mapping[str, str], public_key: str) -> bool:
    """Whether the fields are signed by `public_key` (or a certificate's). Raises `KeyUnusable`.

    Whether that certificate is to be trusted is the caller's question, to be asked before.
    """
    signature = fields.get(SIGNATURE)
    if not signature:
        return False
    try:
        signed = digest(fields)
    except UnicodeEncodeError:
        return False
    return rsa_sha256_verify(public_key, signed, signature)


def parse_answer(body: bytes, *, bytes_max: int = TEXT_BYTES_MAX) -> dict[str, str]:
    """The fields of an answer: raw `name=value` joined by `&`. Raises `TextMalformed`.

    Within `{...}` and `[...]` an `&` separates nothing. Repeated names are refused, because two
    readers could disagree on what was signed.
    """
    if len(body) > bytes_max:
        raise TextMalformed("the answer is too large")
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        raise TextMalformed("the answer is not UTF-8") from None
    fields: dict[str, str] = {}
    for pair in _pairs(text.rstrip("\r\n")):
        name, equals, value = pair.partition("=")
        if not equals or not name or name in fields:
            raise TextMalformed("a field has no name or no value, or is repeated")
        fields[name] = value
        if len(fields) > FIELDS_MAX:
            raise TextMalformed("the answer has too many fields")
    return fields


def _pairs(text: str) -> list[str]:
    """Cut at each `&` outside of brackets; brackets of one kind are not nested."""
    if "{" not in text and "[" not in text:
        return text.split("&")
    pairs, start, closing = [], 0, ""
    for at, mark in enumerate(text):
        if closing:
            closing = "" if mark == closing else closing
        elif mark in _CLOSING:
            closing = _CLOSING[mark]
        elif mark == "&":
            pairs.append(text[start:at])
            start = at + 1
    if closing:
        raise TextMalformed("a bracket has no end")
    pairs.append(text[start:])
    return pairs


def parse_form(body: bytes) -> dict[str, str]:
    """The fields of a callback: application/x-www-form-urlencoded. Raises `TextMalformed`."""
    if len(body) > FORM_BYTES_MAX:
        raise TextMalformed("the form is too large")
    if not body.isascii():
        raise TextMalformed("the form is not of ASCII")
    try:
        return SignedForm(body, FIELDS_MAX).texts("utf-8", True)
    except FormMalformed as malformed:
        raise TextMalformed(str(malformed)) from None
