"""What Alipay signs: canonical strings of requests, answers and notifications (RSA2).

Law: verify the bytes that came, before anything reads them. Nothing is re-serialised, decoded
twice or repaired. Requests and notifications have different rules:

- request: every parameter of query and body together except `sign`; `sign_type` stays; empty
  values are left out; sorted; `key=value` joined by `&`, values raw.
- answer: the exact text of the response node, from its `{` to the matching `}`.
- notification ("V1"): every parameter except `sign` and `sign_type`, empty values kept. Senders
  disagree on empty values, so if one is present and verification fails, it is tried once without
  them. Messages of some other products keep `sign_type` ("V2"): only where the caller asks.

RSA2 (RSA with SHA-256) is pinned: `sign_type` never chooses an algorithm.
Source: Alipay open platform, "sign and verify"; behaviour of its official SDKs.
"""

import re
from typing import NamedTuple

import msgspec

from fastpath.form import join_sorted
from fastpath.signed_form import FormMalformed, SignedForm
from gateway.channels.crypto import rsa_sha256_sign, rsa_sha256_verify

SIGN_TYPE = "RSA2"
ANSWER_BYTES_MAX = 262_144
ANSWER_DEPTH_MAX = 32
FORM_BYTES_MAX = 65_536
FORM_PAIRS_MAX = 256

_CHARSETS = {
    b"": "utf-8",
    b"utf-8": "utf-8",
    b"utf8": "utf-8",
    b"gbk": "gbk",
    b"gb2312": "gbk",  # a subset of GBK, and labelled so by senders that use all of it
    b"gb18030": "gb18030",
}


class TextMalformed(ValueError):
    """The bytes are not of the form that is read here."""


# --- requests -----------------------------------------------------------------------------------


def request_canonical(params: dict[str, str]) -> bytes:
    """What a UTF-8 request's signature covers; `params` are query and body together."""
    return join_sorted(params, (b"sign",), False)


def sign_request(params: dict[str, str], private_key: str) -> str:
    """The value of `sign` for a UTF-8 request. Raises `gateway.channels.crypto.KeyUnusable`."""
    return rsa_sha256_sign(private_key, request_canonical(params))


# --- synchronous answers ------------------------------------------------------------------------


class SignedNode(NamedTuple):
    """The response node of an answer: `text` is exactly what `sign` covers.

    `name` is the member's name, `sign` is None for an unsigned answer; `cert_sn` is the number of
    Alipay's certificate that certificate mode puts beside the signature.
    """

    name: str
    text: bytes
    sign: str | None
    cert_sn: str | None


def extract_node(body: bytes, names: tuple[str, ...]) -> SignedNode:
    """Find the one member of `names` in a UTF-8 answer. Raises `TextMalformed`.

    The end of the node is found by matching braces outside of strings, so that escaped slashes, a
    nested `sign` and further members beside it do not matter. An answer with a member named
    twice, or with two of `names`, is refused: two readers could disagree on what was signed.
    """
    if len(body) > ANSWER_BYTES_MAX:
        raise TextMalformed("the answer is too large")
    members = _top_members(body)
    found = [name for name in names if name in members]
    if len(found) != 1 or not members[found[0]].startswith(b"{"):
        raise TextMalformed("the answer has not exactly one response node")
    return SignedNode(
        name=found[0],
        text=members[found[0]],
        sign=_string_member(members, "sign"),
        cert_sn=_string_member(members, "alipay_cert_sn"),
    )


def verify_node(node: SignedNode, public_key: str, *, unescaped_slashes: bool = False) -> bool:
    """Whether the node is signed by `public_key`; an unsigned one is not. Raises `KeyUnusable`.

    `unescaped_slashes` also believes a signature made before slashes were escaped: Alipay's Java
    client does, no document says why. Both texts mean the same to every JSON reader.
    """
    if node.sign is None:
        return False
    if rsa_sha256_verify(public_key, node.text, node.sign):
        return True
    if not unescaped_slashes or b"\\/" not in node.text:
        return False
    return rsa_sha256_verify(public_key, node.text.replace(b"\\/", b"/"), node.sign)


# Possessive, so that a missing quote costs one pass and not one for every position.
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_SPACE = re.compile(rb"[ \t\r\n]*+")
_NAME = re.compile(rb'[ \t\r\n]*+("[^"\\]*+(?:\\.[^"\\]*+)*+")[ \t\r\n]*+:[ \t\r\n]*+', re.DOTALL)
_SCALAR = re.compile(rb"[-+.0-9A-Za-z]++")
_NOT_STRUCTURE = re.compile(rb'(?:[^"{}\[\]]++|"[^"\\]*+(?:\\.[^"\\]*+)*+")*+', re.DOTALL)


def _top_members(body: bytes) -> dict[str, bytes]:
    members: dict[str, bytes] = {}
    at = _expect(body, _skip_space(body, 0), b"{")
    while True:
        name = _NAME.match(body, at)
        if name is None:
            raise TextMalformed("a member has no name")
        key = _decode_string(name[1])
        if key in members:
            raise TextMalformed("a member is repeated")
        start = name.end()
        at = _value_end(body, start)
        members[key] = body[start:at]
        at = _skip_space(body, at)
        if body[at : at + 1] != b",":
            break
        at += 1
    at = _expect(body, at, b"}")
    if _skip_space(body, at) != len(body):
        raise TextMalformed("something follows the answer")
    return members


def _value_end(body: bytes, at: int) -> int:
    first = body[at : at + 1]
    if first == b'"':
        return _string_end(body, at)
    if first in (b"{", b"["):
        return _nested_end(body, at)
    scalar = _SCALAR.match(body, at)
    if scalar is None:
        raise TextMalformed("a value is missing")
    return scalar.end()


def _nested_end(body: bytes, at: int) -> int:
    open_brackets: list[bytes] = []
    while True:
        mark = body[at : at + 1]
        if mark in (b"{", b"["):
            open_brackets.append(b"}" if mark == b"{" else b"]")
            if len(open_brackets) > ANSWER_DEPTH_MAX:
                raise TextMalformed("the answer is nested too deeply")
            at += 1
        elif mark and mark == open_brackets[-1]:
            open_brackets.pop()
            at += 1
            if not open_brackets:
                return at
        else:
            raise TextMalformed("brackets do not match")
        skipped = _NOT_STRUCTURE.match(body, at)
        at = skipped.end() if skipped else at


def _string_end(body: bytes, at: int) -> int:
    string = _STRING.match(body, at)
    if string is None:
        raise TextMalformed("a string is missing or has no end")
    return string.end()


def _skip_space(body: bytes, at: int) -> int:
    space = _SPACE.match(body, at)
    return space.end() if space else at


def _expect(body: bytes, at: int, mark: bytes) -> int:
    if body[at : at + 1] != mark:
        raise TextMalformed(f"{mark.decode()} is missing")
    return at + 1


def _decode_string(text: bytes) -> str:
    try:
        return msgspec.json.decode(text, type=str)
    except (msgspec.MsgspecError, ValueError):
        raise TextMalformed("a string is not valid JSON") from None


def _string_member(members: dict[str, bytes], name: str) -> str | None:
    text = members.get(name)
    if text is None or not text.startswith(b'"'):
        return None
    return _decode_string(text) or None


# --- notifications ------------------------------------------------------------------------------

_SIGN_TYPE = SIGN_TYPE.encode("ascii")
_LEFT_OUT_V1 = (b"sign", b"sign_type")
_LEFT_OUT_V2 = (b"sign",)


def parse_form(body: bytes) -> SignedForm:
    """Parse application/x-www-form-urlencoded exactly once, into bytes. Raises `TextMalformed`.

    Refused: more than `FORM_BYTES_MAX` bytes or `FORM_PAIRS_MAX` pairs, repeated keys, a pair
    without `=` or key, and a `%` that is no escape; no genuine sender writes them.
    """
    if len(body) > FORM_BYTES_MAX:
        raise TextMalformed("the form is too large")
    try:
        return SignedForm(body, FORM_PAIRS_MAX)
    except FormMalformed as malformed:
        raise TextMalformed(str(malformed)) from None


def form_texts(form: SignedForm) -> dict[str, str]:
    """The non-empty parameters as text of the declared charset. Raises `TextMalformed`.

    To be called after verification. Empty values are left out, because the signature may have
    been made without them: none of them may decide anything.
    """
    charset = _charset_of(form)
    try:
        return form.texts(charset, False)
    except FormMalformed as malformed:
        raise TextMalformed(str(malformed)) from None


def texts_of(form: SignedForm, names: tuple[str, ...]) -> tuple[str | None, ...]:
    """What `form_texts` says of each of `names`, None where nothing. Raises `TextMalformed`."""
    charset = _charset_of(form)
    try:
        return form.texts_of(names, charset)
    except FormMalformed as malformed:
        raise TextMalformed(str(malformed)) from None


def _charset_of(form: SignedForm) -> str:
    charset = _CHARSETS.get((form.get(b"charset") or b"").lower())
    if charset is None:
        raise TextMalformed("the charset of the form is not known")
    return charset


def notification_canonical(
    form: SignedForm, *, keep_sign_type: bool, keep_empty: bool = True
) -> bytes:
    """The bytes that a notification's signature covers, in the sender's charset."""
    return form.canonical(_LEFT_OUT_V2 if keep_sign_type else _LEFT_OUT_V1, keep_empty)


def verify_notification(form: SignedForm, public_key: str, *, keep_sign_type: bool = False) -> bool:
    """Whether the form is signed by `public_key`. Raises `KeyUnusable`.

    `keep_sign_type` asks for the V2 rule; payment notifications use V1.
    """
    if form.get(b"sign_type") not in (None, _SIGN_TYPE):
        return False
    signature = form.get(b"sign")
    if not signature:
        return False
    whole = notification_canonical(form, keep_sign_type=keep_sign_type)
    if rsa_sha256_verify(public_key, whole, signature):
        return True
    if not form.has_empty:
        return False
    dense = notification_canonical(form, keep_sign_type=keep_sign_type, keep_empty=False)
    return rsa_sha256_verify(public_key, dense, signature)
