"""The compiled twins of signed messages against the pure ones, on anything."""

import base64
import inspect
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicNumbers
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fastpath import _form_c, _form_py, _rsa_c, _rsa_py, _signed_form_c, _signed_form_py

pytestmark = pytest.mark.fast

Outcome = Callable[..., tuple[Any, ...]]


class Bytes(bytes):
    """A subclass that both must refuse alike."""


class Dict(dict):  # type: ignore[type-arg]
    """A subclass that both must refuse alike."""


anything = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.text(max_size=8),
    st.binary(max_size=8),
    st.binary(max_size=8).map(bytearray),
    st.binary(max_size=8).map(Bytes),
    st.just(Dict({b"a": b"b"})),
    st.lists(st.integers(), max_size=3),
)

crumbs = st.one_of(
    st.sampled_from([b"&", b"=", b"+", b"%", b"%4", b"%41", b"%e4", b"%zz", b"a", b"sign", b"\0"]),
    st.binary(max_size=3),
)
bodies = st.lists(crumbs, max_size=24).map(b"".join)
pairs = st.dictionaries(st.sampled_from([b"a", b"b", b"sign", b"\xff"]) | crumbs, crumbs)
well_formed = pairs.map(lambda form: b"&".join(b"%b=%b" % pair for pair in form.items()))


charsets = st.sampled_from(["utf-8", "gbk", "gb18030"])
flags = st.booleans() | anything
odd_forms = st.dictionaries(
    st.none() | st.text(max_size=3) | crumbs, st.none() | st.text(max_size=3) | crumbs
)
left_outs = st.lists(st.sampled_from([b"a", b"b", b"sign", b""]), max_size=3).map(tuple)
wanted = st.lists(st.sampled_from(["a", "b", "sign", "", "é", "\ud800", "a\0"]), max_size=5)


def read_by(twin: Any, body: Any, pairs_max: Any) -> Callable[[], list[object]]:
    def read() -> list[object]:
        form = twin.SignedForm(body, pairs_max)
        return [*form.pairs().items(), form.has_empty]

    return read


@given(body=bodies | well_formed | anything, pairs_max=st.integers(-1, 6) | anything)
@example(body=b"a=%", pairs_max=1)
@example(body=b"a=%4", pairs_max=1)
@example(body=b"a=1&a=%zz", pairs_max=2)
@example(body=b"a=1&a%zz", pairs_max=2)
@example(body=b"a=1&%61&b", pairs_max=2)
@settings(max_examples=1500)
def test_readings(outcome: Outcome, body: Any, pairs_max: Any) -> None:
    result = outcome(read_by(_signed_form_c, body, pairs_max))
    assert result == outcome(read_by(_signed_form_py, body, pairs_max))


@given(
    form=pairs,
    charset=charsets | anything,
    keep_empty=flags,
    left_out=left_outs | st.tuples(anything) | anything,
    names=wanted.map(tuple) | st.tuples(anything) | anything,
    name=crumbs | anything,
)
@settings(max_examples=2000)
def test_what_is_asked_of_a_form(
    outcome: Outcome,
    form: dict[bytes, bytes],
    charset: Any,
    keep_empty: Any,
    left_out: Any,
    names: Any,
    name: Any,
) -> None:
    if not form.keys() - {b""}:
        return
    body = urlencode({key: value for key, value in form.items() if key}).encode()
    compiled, pure = (twin.SignedForm(body, 99) for twin in (_signed_form_c, _signed_form_py))
    for method, given_values in (
        ("texts", (charset, keep_empty)),
        ("texts_of", (names, charset)),
        ("canonical", (left_out, keep_empty)),
        ("get", (name,)),
        ("pairs", ()),
    ):
        result = outcome(getattr(compiled, method), *given_values)
        assert result == outcome(getattr(pure, method), *given_values), method
    assert compiled.has_empty is pure.has_empty
    assert list(compiled.pairs()) == list(pure.pairs())


letters = st.text(st.sampled_from("ab_=&%+ é二\uffee\U0001f600\ud800\0"), max_size=6) | st.text()
fields = st.dictionaries(letters, letters, max_size=8)


@given(
    given_fields=pairs | fields | odd_forms | anything,
    left_out=left_outs | st.tuples(anything) | anything,
    keep_empty=flags,
)
@example(given_fields={"a": "2", b"a": b"1"}, left_out=(), keep_empty=True)
@settings(max_examples=1500)
def test_joints(outcome: Outcome, given_fields: Any, left_out: Any, keep_empty: Any) -> None:
    assert outcome(_form_c.join_sorted, given_fields, left_out, keep_empty) == outcome(
        _form_py.join_sorted, given_fields, left_out, keep_empty
    )


@given(given_fields=fields | odd_forms | anything)
@settings(max_examples=1000)
def test_writings(outcome: Outcome, given_fields: Any) -> None:
    assert outcome(_form_c.write_form, given_fields) == outcome(_form_py.write_form, given_fields)


def test_parameters_have_the_same_names_and_defaults() -> None:
    found = 0
    for pure, compiled in (
        (_form_py, _form_c),
        (_signed_form_py.SignedForm, _signed_form_c.SignedForm),
        (_rsa_py.RsaPublicKey, _rsa_c.RsaPublicKey),
    ):
        for name, function in vars(pure).items():
            own = inspect.isfunction(function) and function.__module__.startswith("fastpath._")
            if own and name[0] != "_" and name != "wrong_type":
                parameters = inspect.signature(function).parameters
                twin = inspect.signature(getattr(compiled, name)).parameters
                assert [(p.name, p.default) for p in twin.values()] == [
                    (p.name, p.default) for p in parameters.values()
                ]
                found += 1
    assert found == 9


@given(
    data=st.data(),
    message=st.binary(max_size=300) | anything,
    forged=st.one_of(st.binary(max_size=300), st.binary(min_size=256, max_size=256), anything),
)
@settings(max_examples=300)
def test_signatures(
    outcome: Outcome, rsa_key: RSAPrivateKey, data: st.DataObject, message: Any, forged: Any
) -> None:
    der = rsa_key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    signature = forged
    if type(message) is bytes and data.draw(st.booleans()):
        true = rsa_key.sign(message, padding.PKCS1v15(), hashes.SHA256())
        at = data.draw(st.none() | st.integers(0, 255))
        signature = true if at is None else true[:at] + bytes([true[at] ^ 1]) + true[at + 1 :]
    assert outcome(_rsa_c.RsaPublicKey(der).verify, message, signature) == outcome(
        _rsa_py.RsaPublicKey(der).verify, message, signature
    )


base64_crumbs = st.text(st.sampled_from("AQgwZaz09+/=-_ \n\0é"), max_size=12)


@given(
    data=st.data(),
    message=st.binary(max_size=300) | anything,
    forged=st.one_of(base64_crumbs, base64_crumbs.map(str.encode), anything),
)
@settings(max_examples=600)
def test_signatures_in_base64(
    outcome: Outcome, rsa_key: RSAPrivateKey, data: st.DataObject, message: Any, forged: Any
) -> None:
    der = rsa_key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    signature = forged
    if type(message) is bytes and data.draw(st.booleans()):
        true = base64.b64encode(rsa_key.sign(message, padding.PKCS1v15(), hashes.SHA256()))
        at = data.draw(st.integers(0, len(true)) | st.integers(len(true) - 5, len(true)))
        end = data.draw(st.integers(at, at + 4))
        signature = true[:at] + data.draw(base64_crumbs).encode() + true[end:]
        if data.draw(st.booleans()):
            signature = signature.decode()
    assert outcome(_rsa_c.RsaPublicKey(der).verify_base64, message, signature) == outcome(
        _rsa_py.RsaPublicKey(der).verify_base64, message, signature
    )


@st.composite
def strange_keys(draw: st.DrawFn) -> bytes | None:
    """Keys of numbers that nobody drew as primes; None where `cryptography` writes none."""
    bits = draw(st.sampled_from([512, 1023, 1024, 1025, 2048, 3072, 3080, 4096]))
    modulus = draw(st.integers(2 ** (bits - 1), 2**bits - 1))
    exponent = draw(st.sampled_from([3, 5, 17, 65537, 2**33 + 1, 2**64 + 1, 2**65 + 3, 4]))
    try:
        key = RSAPublicNumbers(exponent, modulus).public_key()
    except ValueError:
        return None
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


@given(der=strange_keys() | st.binary(max_size=40) | anything, number=st.integers(0, 2**4096 - 1))
@settings(max_examples=400)
def test_keys(outcome: Outcome, der: Any, number: int) -> None:
    twins = [outcome(module.RsaPublicKey, der) for module in (_rsa_c, _rsa_py)]
    if type(twins[0][1]) is not _rsa_c.RsaPublicKey:
        assert twins[0] == twins[1]
        return
    assert type(twins[1][1]) is _rsa_py.RsaPublicKey
    for signature in (number.to_bytes(512), number.to_bytes(512)[:256], b"\0" * 127 + b"\1"):
        verdicts = [outcome(key[1].verify, b"m", signature) for key in twins]
        assert verdicts[0] == verdicts[1]


@given(exponent=st.sampled_from([1, 3, 4, 65537, 2**64 + 1]), bits=st.integers(504, 1100))
@settings(max_examples=200)
def test_number_one_is_the_same_to_both(outcome: Outcome, exponent: int, bits: int) -> None:
    """1 is its own signature under every key: only the padding stands against it."""
    try:
        key = RSAPublicNumbers(exponent, 2**bits - 1).public_key()
    except ValueError:
        return
    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    one = (1).to_bytes((bits + 7) // 8)
    assert outcome(_rsa_c.RsaPublicKey(der).verify, b"", one) == outcome(
        _rsa_py.RsaPublicKey(der).verify, b"", one
    )
