"""The compiled twins of the quick way against the pure ones, on anything."""

import hmac
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fastpath import (
    _identifier_c,
    _identifier_py,
    _keyed_c,
    _keyed_py,
    _moment_c,
    _moment_py,
    _order_c,
    _order_py,
    _request_c,
    _request_py,
)
from fastpath._request_terms import SIGNIFICANT

pytestmark = pytest.mark.fast

Outcome = Callable[..., tuple[Any, ...]]

letters = st.sampled_from(list("aA0 _-|*.:/\"\\{}[],\t\n\r\x00\x7f\x85é茶\u2028😀'"))
texts = st.one_of(st.text(letters, max_size=30), st.text(max_size=20))
numbers = st.text("AZaz09_-|*.:/", min_size=1, max_size=64)
plain_texts = st.text(st.characters(min_codepoint=0x20, exclude_characters='"\\'), max_size=130)
metadata = st.dictionaries(st.text("aZ0_.-", min_size=1, max_size=6), plain_texts, max_size=22)
values = st.one_of(
    texts, st.integers(), st.floats(), st.none(), st.booleans(), metadata, st.lists(texts)
)
NAMES = ("merchant_order_no", "amount", "currency", "subject", "metadata", "expires_in")


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    """Bodies of orders, most of them nearly plain."""
    likely: dict[str, Any] = {
        "merchant_order_no": draw(numbers),
        "amount": draw(st.integers(-1, 10**13)),
        "currency": draw(st.text("ACNYa", min_size=2, max_size=4)),
        "subject": draw(plain_texts),
    }
    if draw(st.booleans()):
        likely["metadata"] = draw(metadata)
    if draw(st.booleans()):
        likely["expires_in"] = draw(st.integers(0, 10**8))
    for name in draw(st.sets(st.sampled_from(["notify_url", "return_url"]))):
        likely[name] = draw(st.one_of(st.text('az:/?#[]@!~\\"', max_size=20), texts))
    for _ in range(draw(st.integers(0, 1))):
        likely[draw(st.one_of(st.sampled_from(NAMES), texts))] = draw(values)
    members = draw(st.permutations(list(likely.items())))
    indent = draw(st.sampled_from([None, 0, "\t", " "]))
    whole = json.dumps(dict(members), ensure_ascii=draw(st.booleans()), indent=indent)
    raw = bytearray(whole.encode("utf-8", "surrogatepass"))
    for _ in range(draw(st.integers(0, 2))):
        if raw and draw(st.booleans()):
            raw[draw(st.integers(0, len(raw) - 1))] = draw(st.integers(0, 255))
    return bytes(raw)


@settings(max_examples=600)
@given(st.one_of(bodies(), st.binary(max_size=60)))
@example(b'{"merchant_order_no":"')
def test_orders(outcome: Outcome, body: bytes) -> None:
    assert outcome(_order_c.read_order, body) == outcome(_order_py.read_order, body)


header_names = st.one_of(
    st.sampled_from([b"Host", b"Authorization", b"Content-Length", b"Content-Type", b"Connection"]),
    st.sampled_from(sorted(SIGNIFICANT)),
    st.binary(max_size=6),
    st.sampled_from([b"Accept", b"X-Y", b""]),
)
header_values = st.one_of(
    st.sampled_from([b"a", b"", b"7", b"07", b"application/json", b"keep-alive", b"close"]),
    st.binary(max_size=8),
)
joints = st.sampled_from([b": ", b":", b" : ", b":\t ", b""])
ends = st.sampled_from([b"\r\n", b"\r\n", b"\r\n", b"\n", b"\r", b" \r\n"])


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """Requests, most of them nearly plain."""
    method = draw(st.sampled_from([b"POST", b"GET", b"get", b"PUT"]))
    target = draw(st.sampled_from([b"/", b"/v1/payments", b"/a?b=c", b"a", b"/a#b", b"/\xff"]))
    body = draw(st.binary(max_size=9)) if method != b"GET" else b""
    lines = [(b"Host", b": ", b"a"), (b"Authorization", b": ", b"X y")]
    if method != b"GET":
        lines += [
            (b"Content-Length", b": ", str(len(body)).encode()),
            (b"content-type", b":", b"application/json"),
        ]
    for _ in range(draw(st.integers(0, 2))):
        lines.append((draw(header_names), draw(joints), draw(header_values)))
    raw = method + b" " + target + b" HTTP/1.1" + draw(ends)
    for line in draw(st.permutations(lines)):
        raw += b"".join(line) + (draw(ends) if draw(st.integers(0, 9)) == 0 else b"\r\n")
    return raw + draw(ends) + body + draw(st.sampled_from([b"", b"", b"", b"x"]))


@settings(max_examples=600)
@given(st.one_of(requests(), st.binary(max_size=60)))
@example(b"GET / HTTP/1.1\r\n")
def test_requests(outcome: Outcome, data: bytes) -> None:
    assert outcome(_request_c.scan_request, data) == outcome(_request_py.scan_request, data)
    assert posted(outcome, _request_c, data) == posted(outcome, _request_py, data)


def posted(outcome: Outcome, module: Any, data: bytes) -> tuple[Any, ...]:
    """What a twin reads, with the order of the headers."""
    found = outcome(module.scan_post, data)
    return found, list(found[1].headers.items()) if found[1] is not None else None


anything = st.one_of(st.binary(max_size=70), st.text(max_size=5), st.none(), st.integers())


@given(st.one_of(st.binary(min_size=32, max_size=32), anything), anything)
def test_keys(outcome: Outcome, secret: Any, message: Any) -> None:
    def digest(module: Any) -> bytes:
        return module.HmacKey(secret).digest(message)

    assert outcome(digest, _keyed_c) == outcome(digest, _keyed_py)


lines = st.binary(max_size=30)


@given(
    st.data(),
    st.binary(min_size=32, max_size=32),
    st.tuples(*[lines] * 5) | st.tuples(*[lines | anything] * 5),
)
@settings(max_examples=400)
def test_verification(
    outcome: Outcome, data: st.DataObject, secret: bytes, parts: tuple[Any, ...]
) -> None:
    choices: list[st.SearchStrategy[Any]] = [lines, anything]
    if all(type(part) is bytes for part in parts):
        true = hmac.digest(secret, b"%b\n%b\n%b\n%b\n%b\n" % parts, "sha256")
        choices += [st.just(true), st.integers(0, 31).map(lambda at: changed(true, at))]
    signature = data.draw(st.one_of(choices))

    def verify(module: Any) -> bool:
        return module.HmacKey(secret).verify_request(*parts, signature)

    assert outcome(verify, _keyed_c) == outcome(verify, _keyed_py)


def changed(whole: bytes, at: int) -> bytes:
    return whole[:at] + bytes([whole[at] ^ 0x80]) + whole[at + 1 :]


words = st.one_of(st.integers(-1, 2**64), st.integers(), st.none(), st.booleans(), st.floats())


@given(st.one_of(st.text(max_size=4), anything), words, words, words)
def test_making_ids(outcome: Outcome, prefix: Any, at_ms: Any, bucket: Any, random62: Any) -> None:
    arguments = (prefix, at_ms, bucket, random62)
    assert outcome(_identifier_c.make_identifier, *arguments) == outcome(
        _identifier_py.make_identifier, *arguments
    )


@given(
    st.integers(0, 2**48 - 1),
    st.integers(0, 4095),
    st.integers(0, 2**62 - 1),
    st.integers(0, 30),
    st.one_of(st.just(""), st.characters()),
)
def test_reading_ids(
    outcome: Outcome, at_ms: int, bucket: int, random62: int, place: int, other: str
) -> None:
    text, digits = _identifier_py.make_identifier("pay", at_ms, bucket, random62)
    assert _identifier_c.digits_of("pay", text) == digits
    text = text[:place] + other + text[place + 1 :]
    assert outcome(_identifier_c.digits_of, "pay", text) == outcome(
        _identifier_py.digits_of, "pay", text
    )
    for name in ("read_digits", "read_numbers"):
        compiled, pure = getattr(_identifier_c, name), getattr(_identifier_py, name)
        assert outcome(compiled, text) == outcome(pure, text)


@given(
    st.one_of(st.text(max_size=4), anything),
    st.one_of(st.binary(min_size=16, max_size=16), anything),
)
def test_writing_ids(outcome: Outcome, prefix: Any, octets: Any) -> None:
    assert outcome(_identifier_c.write_identifier, prefix, octets) == outcome(
        _identifier_py.write_identifier, prefix, octets
    )


characters = st.text("0123456789abcdefghjkmnpqrstvwxyzZil_-é", min_size=25, max_size=27)


@given(st.text(max_size=3), st.text(max_size=3), st.one_of(characters, anything))
def test_reading_anything(outcome: Outcome, prefix: str, other: str, tail: Any) -> None:
    texts = [tail, f"{prefix}_{tail}", f"{other}_{tail}"]
    for text in texts:
        for name in ("read_digits", "read_numbers"):
            compiled, pure = getattr(_identifier_c, name), getattr(_identifier_py, name)
            assert outcome(compiled, text) == outcome(pure, text)
        assert outcome(_identifier_c.digits_of, prefix, text) == outcome(
            _identifier_py.digits_of, prefix, text
        )


@given(st.text(max_size=3), st.integers(0, 2**48 - 1), st.integers(0, 2**62 - 1))
def test_reading_ids_of_any_prefix(
    outcome: Outcome, prefix: str, at_ms: int, random62: int
) -> None:
    text, digits = _identifier_py.make_identifier(prefix, at_ms, 7, random62)
    assert _identifier_c.digits_of(prefix, text) == _identifier_py.digits_of(prefix, text) == digits


@given(st.one_of(st.datetimes(), st.datetimes(timezones=st.timezones()), st.dates(), anything))
def test_moments(outcome: Outcome, moment: Any) -> None:
    assert outcome(_moment_c.rfc3339, moment) == outcome(_moment_py.rfc3339, moment)
