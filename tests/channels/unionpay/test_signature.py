"""The published vectors of UnionPay, and what must not verify next to each of them."""

import base64
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from cryptography.hazmat.primitives import hashes
from hypothesis import given
from hypothesis import strategies as st

from gateway.channels.crypto import rsa_sha256_sign
from gateway.channels.unionpay.signature import (
    FIELDS_MAX,
    TextMalformed,
    canonical,
    digest,
    parse_answer,
    parse_form,
    sign,
    verify,
)
from tests.channels.unionpay.conftest import new_key, private_pem

pytestmark = pytest.mark.fast


def flips(data: bytes) -> Iterator[bytes]:
    for at in range(len(data)):
        for bit in range(8):
            flipped = bytearray(data)
            flipped[at] ^= 1 << bit
            yield bytes(flipped)


def test_the_request_vector(vectors: dict[str, Any]) -> None:
    vector = vectors["unionpay_request_sign"]
    assert canonical(vector["params"]).decode() == vector["canonical"]
    assert digest(vector["params"]).decode() == vector["canonical_sha256_hex"]
    assert verify(vector["params"], vector["public_key"])


def test_the_request_vector_with_another_field_is_another_text(vectors: dict[str, Any]) -> None:
    vector = vectors["unionpay_request_sign"]
    params, key = vector["params"], vector["public_key"]
    assert verify(dict(reversed(params.items())), key)
    for name in params:
        assert not verify({k: v for k, v in params.items() if k != name}, key)
        assert not verify({**params, name: params[name] + "0"}, key)
    assert not verify({**params, "added": "1"}, key)
    assert not verify({**params, "empty": ""}, key)


def test_the_answer_vector(vectors: dict[str, Any]) -> None:
    vector = vectors["unionpay_query_response"]
    params = vector["params"]
    assert digest(params).decode() == vector["canonical_sha256_hex"]
    assert verify(params, params["signPubKeyCert"])
    body = "&".join(f"{name}={value}" for name, value in params.items()).encode()
    assert parse_answer(body) == params
    assert parse_answer(body + b"\r\n") == params
    assert parse_form(urlencode(params).encode()) == params


def test_no_flipped_bit_of_the_answer_vector_verifies(vectors: dict[str, Any]) -> None:
    params = vectors["unionpay_query_response"]["params"]
    key = params["signPubKeyCert"]
    body = "&".join(f"{name}={value}" for name, value in params.items()).encode()
    read = 0
    for spoiled in flips(body):
        try:
            fields = parse_answer(spoiled)
        except TextMalformed:
            continue
        read += 1
        assert not verify(fields, key)
    assert read > len(body)


def test_signing_once_or_with_sha1_is_no_signature(unionpay: Any) -> None:
    fields = {"b": "二", "a": "1&2=3"}
    key = private_pem(unionpay.signer_key)
    good = sign(fields, key)
    assert verify({**fields, "signature": good}, unionpay.signer_pem)
    once = rsa_sha256_sign(key, canonical(fields))
    assert not verify({**fields, "signature": once}, unionpay.signer_pem)
    sha1 = unionpay.sign(fields, algorithm=hashes.SHA1())
    assert not verify(sha1, unionpay.signer_pem)
    other = unionpay.sign(fields, key=new_key())
    assert not verify(other, unionpay.signer_pem)


def test_a_signature_has_one_spelling(unionpay: Any) -> None:
    fields = {"a": "1"}
    good = sign(fields, private_pem(unionpay.signer_key))
    raw = base64.b64decode(good)
    spelled = [
        good + "\n",
        " " + good,
        good.rstrip("="),
        base64.urlsafe_b64encode(raw).decode(),
        "",
    ]
    for signature in spelled:
        if signature != good:
            assert not verify({**fields, "signature": signature}, unionpay.signer_pem)
    assert not verify(fields, unionpay.signer_pem)


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        (b"a=1&b=2", {"a": "1", "b": "2"}),
        (b"a={x=1&y=2}&b=2", {"a": "{x=1&y=2}", "b": "2"}),
        (b"a=[x&y]&b=2", {"a": "[x&y]", "b": "2"}),
        (b"a={[&}&b=2", {"a": "{[&}", "b": "2"}),
        (b"a=1==&b=", {"a": "1==", "b": ""}),
        ("a=成功[0000000]".encode(), {"a": "成功[0000000]"}),
    ],
)
def test_answers_are_raw_text(body: bytes, fields: dict[str, str]) -> None:
    assert parse_answer(body) == fields


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"a",
        b"=1",
        b"a=1&a=2",
        b"a=1&&b=2",
        b"a={x=1&b=2",
        b"\xff=1",
        b"&".join(b"f%d=1" % n for n in range(FIELDS_MAX + 1)),
        b"a=" + b"1" * 300_000,
    ],
)
def test_what_is_no_answer_is_refused(body: bytes) -> None:
    with pytest.raises(TextMalformed):
        parse_answer(body)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"a",
        b"=1",
        b"a=1&a=2",
        b"a=%ff",
        b"%ff=1",
        b"a=%4",
        b"a=%zz",
        "a=二".encode(),
        b"a=1&b",
        b"&".join(b"f%d=1" % n for n in range(FIELDS_MAX + 1)),
        b"a=" + b"1" * 70_000,
    ],
)
def test_what_is_no_form_is_refused(body: bytes) -> None:
    with pytest.raises(TextMalformed):
        parse_form(body)


NAMES = st.text("abcXYZ019", min_size=1, max_size=8)
VALUES = st.text(st.characters(codec="utf-8", exclude_characters="&{}[]\r\n"), max_size=20)


@given(st.dictionaries(NAMES, VALUES, min_size=1))
def test_what_is_written_raw_is_read_back(fields: dict[str, str]) -> None:
    assert parse_answer(canonical(fields | {"zz": "."})) == {
        **{k: v for k, v in fields.items() if k != "signature"},
        "zz": ".",
    }


@given(st.binary(max_size=200))
def test_reading_never_raises_anything_else(body: bytes) -> None:
    for parse in (parse_answer, parse_form):
        try:
            parse(body)
        except TextMalformed:
            pass
