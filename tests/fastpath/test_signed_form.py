"""Both twins of `fastpath.signed_form`: strict reading, what was signed, and texts."""

import itertools
import pickle
import random
from types import ModuleType
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastpath.form import join_sorted, write_form
from fastpath.signed_form import REASONS, FormMalformed

pytestmark = pytest.mark.fast

MALFORMED = {
    b"": "no_name",
    b"a": "no_name",
    b"=b": "no_name",
    b"&": "no_name",
    b"a=b&": "no_name",
    b"&a=b": "no_name",
    b"a=b&&c=d": "no_name",
    b"a=b&a=b": "repeated_name",
    b"a=b&%61=c": "repeated_name",
    b"a+b=1&a%20b=2": "repeated_name",
    b"a=%": "no_escape",
    b"a=%4": "no_escape",
    b"a=%zz": "no_escape",
    b"a=%4g": "no_escape",
    b"a=%+1": "no_escape",
    b"a=%\x00\x00": "no_escape",
    b"%=b": "no_escape",
    b"%&4=b": "no_escape",
    b"a=%&41=b": "no_escape",
    b"%4=b&c": "no_escape",
    b"a%41": "no_name",
    b"a%4": "no_escape",
    b"a=1&b=2&c=3&d=4&e=5": "too_many_pairs",
    b"%&&&&": "too_many_pairs",
}


@pytest.mark.parametrize("body", MALFORMED)
def test_what_no_sender_writes_is_refused_with_its_reason(
    signed_form: ModuleType, body: bytes
) -> None:
    with pytest.raises(FormMalformed) as caught:
        signed_form.SignedForm(body, 4)
    assert caught.value.reason == MALFORMED[body]
    assert str(caught.value) == REASONS[MALFORMED[body]]


def test_every_reason_is_met(signed_form: ModuleType) -> None:
    assert {*MALFORMED.values(), "not_of_charset"} == set(REASONS)


def test_a_form_is_decoded_once(signed_form: ModuleType) -> None:
    def read(body: bytes, pairs_max: int) -> dict[bytes, bytes]:
        return signed_form.SignedForm(body, pairs_max).pairs()

    assert read(b"a=b=c&d=", 4) == {b"a": b"b=c", b"d": b""}
    assert read(b"a=%2541&b=%2B+%26%3d", 4) == {b"a": b"%41", b"b": b"+ &="}
    assert read(b"%e4%B8%80=\xff\x00", 4) == {b"\xe4\xb8\x80": b"\xff\x00"}
    assert list(read(b"z=1&y=2&a=3", 3)) == [b"z", b"y", b"a"]
    assert read(b"a;b=c;d", 1) == {b"a;b": b"c;d"}


def test_every_escape_is_its_byte(signed_form: ModuleType) -> None:
    for byte in range(256):
        for text in (b"%%%02x" % byte, b"%%%02X" % byte):
            assert signed_form.SignedForm(b"a=" + text, 1).pairs() == {b"a": bytes([byte])}
    digits = b"0123456789abcdefABCDEF"
    for pair in itertools.product(range(256), repeat=2):
        body = b"a=%" + bytes(pair)
        if all(each in digits for each in pair):
            assert len(signed_form.SignedForm(body, 9).get(b"a")) == 1
        else:
            with pytest.raises(FormMalformed):
                signed_form.SignedForm(body, 9)


def test_as_many_pairs_as_allowed(signed_form: ModuleType) -> None:
    body = b"&".join(b"k%d=v" % number for number in range(256))
    assert len(signed_form.SignedForm(body, 256).pairs()) == 256
    with pytest.raises(FormMalformed):
        signed_form.SignedForm(body, 255)


@given(
    st.dictionaries(st.text(min_size=1, max_size=8), st.text(max_size=12), min_size=1, max_size=6)
)
def test_what_is_written_is_read_back(signed_form: ModuleType, fields: dict[str, str]) -> None:
    expected = {name.encode(): value.encode() for name, value in fields.items()}
    for written in (write_form(fields), urlencode(fields), urlencode(fields, quote_via=quote)):
        read = signed_form.SignedForm(written.encode(), 6)
        assert read.pairs() == expected and list(read.pairs()) == list(expected)
        assert [read.get(name) for name in expected] == list(expected.values())
        assert read.get(b"no such name") is None
        assert read.has_empty is ("" in fields.values())
        assert read.canonical((), True) == join_sorted(fields, (), True)
        if all(name.isascii() for name in fields):
            assert read.texts("utf-8", True) == fields
            names = (*fields, "no such name")
            assert read.texts_of(names, "utf-8") == (*(v or None for v in fields.values()), None)


def of(signed_form: ModuleType, fields: dict[bytes, bytes]) -> Any:
    body = urlencode(fields).encode()
    return signed_form.SignedForm(body, len(fields))


def test_texts_are_of_their_charset(signed_form: ModuleType) -> None:
    for charset in ("utf-8", "gbk", "gb18030"):
        read = of(signed_form, {b"a": "一杯咖啡".encode(charset), b"b": b"1"})
        assert read.texts(charset, False) == {"a": "一杯咖啡", "b": "1"}
        assert read.texts_of(("b", "x", "a"), charset) == ("1", None, "一杯咖啡")
    wrong = [{b"a": b"\xff"}, {b"\xff": b"a"}, {b"a": b"\xed\xa0\x80"}, {b"a": b"\xc0\x80"}]
    for fields in wrong:
        read = of(signed_form, {**fields, b"b": b"1"})
        for ask in (
            lambda read=read: read.texts("utf-8", True),
            lambda read=read: read.texts("utf-8", False),
            lambda read=read: read.texts_of(("b",), "utf-8"),
        ):
            with pytest.raises(FormMalformed) as caught:
                ask()
            assert caught.value.reason == "not_of_charset"
    with pytest.raises(FormMalformed):
        of(signed_form, {b"a": b"\xff\xff"}).texts("gbk", True)


def test_empty_values_are_kept_or_left_out(signed_form: ModuleType) -> None:
    read = of(signed_form, {b"a": b"", b"b": b"1", b"\xff": b""})
    assert read.has_empty is True
    assert read.texts("utf-8", False) == {"b": "1"}
    assert read.texts_of(("a", "b", "\xff", "\ud800"), "utf-8") == (None, "1", None, None)
    with pytest.raises(FormMalformed):
        read.texts("utf-8", True)
    read = of(signed_form, {b"a": b"", b"b": b"1"})
    assert read.texts("utf-8", True) == {"a": "", "b": "1"}
    assert read.canonical((), True) == b"a=&b=1"
    assert read.canonical((), False) == b"b=1"
    assert of(signed_form, {b"a": b"1"}).has_empty is False


@pytest.mark.parametrize("charset", ["latin-1", "UTF-8", "utf8", "rot13", "", "utf-8\0"])
def test_no_other_charset_is_known(signed_form: ModuleType, charset: str) -> None:
    read = of(signed_form, {b"a": b"b"})
    for ask in (lambda: read.texts(charset, True), lambda: read.texts_of(("a",), charset)):
        with pytest.raises(ValueError, match=r"^charset must be one of gb18030, gbk, utf-8$"):
            ask()


def test_pairs_are_signed_in_the_order_of_the_bytes_of_their_names(signed_form: ModuleType) -> None:
    fields = {b"b": b"2", b"a_b": b"x", b"a": b"=&", b"ab": b"", b"aB": b"y", b"a\xff": b"z"}
    assert of(signed_form, fields).canonical((), True) == b"a==&&aB=y&a_b=x&ab=&a\xff=z&b=2"
    # Names that begin alike, end in zeros, or are as long as what is compared at once.
    alike = [b"\0", b"\0\0", b"a", b"a\0", b"a\0\0", b"abcdefg", b"abcdefg\0", b"abcdefgh"]
    alike += [b"abcdefgh\0", b"abcdefgha", b"abcdefghb", b"abcdefgha\xff", b"\xff" * 8]
    for seed in range(50):
        random.Random(seed).shuffle(alike)
        read = of(signed_form, dict.fromkeys(alike, b"1"))
        assert read.canonical((), True) == b"&".join(b"%b=1" % name for name in sorted(alike))
        assert list(read.pairs()) == alike
        assert all(read.get(name) == b"1" for name in alike)
        assert read.get(b"abcdefghi") is None and read.get(b"") is None


def test_only_whole_names_are_left_out(signed_form: ModuleType) -> None:
    fields = {b"sign": b"1", b"sign_type": b"2", b"sig": b"3", b"signs": b"4", b"SIGN": b"5"}
    read = of(signed_form, fields)
    assert read.canonical((b"sign",), True) == b"SIGN=5&sig=3&sign_type=2&signs=4"
    assert read.canonical((b"sign", b"sign_type"), True) == b"SIGN=5&sig=3&signs=4"
    assert (
        read.canonical((b"x", b"", b"sign", b"sign"), True) == b"SIGN=5&sig=3&sign_type=2&signs=4"
    )
    assert read.canonical(tuple(fields), True) == b""
    assert read.canonical((), True) == b"SIGN=5&sig=3&sign=1&sign_type=2&signs=4"


def test_a_long_form_is_read_whole(signed_form: ModuleType) -> None:
    body = b"&".join(b"%d=%b" % (number, b"v" * (number % 700)) for number in range(3_000))
    read = signed_form.SignedForm(body, 10**30)
    expected = dict(pair.split(b"=") for pair in body.split(b"&"))
    assert read.pairs() == expected
    assert read.canonical((), True) == join_sorted(expected, (), True)


def test_a_form_is_not_pickled(signed_form: ModuleType) -> None:
    with pytest.raises(TypeError):
        pickle.dumps(of(signed_form, {b"a": b"b"}))


@pytest.mark.parametrize("wrong", [bytearray(b"a=b"), "a=b", None, 1, [], {1: 2}])
def test_other_types_are_refused_without_their_value(signed_form: ModuleType, wrong: Any) -> None:
    kind = type(wrong).__name__
    with pytest.raises(TypeError, match=f"^body must be bytes, not {kind}$"):
        signed_form.SignedForm(wrong, 1)
    read = of(signed_form, {b"a": b"b"})
    for call in (
        lambda: signed_form.SignedForm(b"a=b", "1"),
        lambda: signed_form.SignedForm(b"a=b", True),
        lambda: read.get(wrong),
        lambda: read.canonical(wrong, True),
        lambda: read.canonical(("a",), True),
        lambda: read.canonical((), 1),
        lambda: read.texts(b"utf-8", True),
        lambda: read.texts("utf-8", 1),
        lambda: read.texts_of(wrong, "utf-8"),
        lambda: read.texts_of((b"a",), "utf-8"),
        lambda: read.texts_of(("a",), b"utf-8"),
    ):
        with pytest.raises(TypeError, match="must be"):
            call()
    with pytest.raises(ValueError, match=r"^pairs_max must be positive$"):
        signed_form.SignedForm(b"a=b", 0)
