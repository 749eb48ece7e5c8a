"""Both twins of `fastpath.form`: strict reading, what is signed, and writing."""

import itertools
from types import ModuleType
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastpath.form import REASONS, FormMalformed

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
def test_what_no_sender_writes_is_refused_with_its_reason(form: ModuleType, body: bytes) -> None:
    with pytest.raises(FormMalformed) as caught:
        form.read_form(body, 4)
    assert caught.value.reason == MALFORMED[body]
    assert str(caught.value) == REASONS[MALFORMED[body]]


def test_every_reason_is_met(form: ModuleType) -> None:
    assert {*MALFORMED.values(), "not_of_charset"} == set(REASONS)


def test_a_form_is_decoded_once(form: ModuleType) -> None:
    read = form.read_form
    assert read(b"a=b=c&d=", 4) == {b"a": b"b=c", b"d": b""}
    assert read(b"a=%2541&b=%2B+%26%3d", 4) == {b"a": b"%41", b"b": b"+ &="}
    assert read(b"%e4%B8%80=\xff\x00", 4) == {b"\xe4\xb8\x80": b"\xff\x00"}
    assert list(read(b"z=1&y=2&a=3", 3)) == [b"z", b"y", b"a"]
    assert read(b"a;b=c;d", 1) == {b"a;b": b"c;d"}


def test_every_escape_is_its_byte(form: ModuleType) -> None:
    for byte in range(256):
        for text in (b"%%%02x" % byte, b"%%%02X" % byte):
            assert form.read_form(b"a=" + text, 1) == {b"a": bytes([byte])}
    digits = b"0123456789abcdefABCDEF"
    for pair in itertools.product(range(256), repeat=2):
        body = b"a=%" + bytes(pair)
        if all(each in digits for each in pair):
            assert len(form.read_form(body, 9)[b"a"]) == 1
        else:
            with pytest.raises(FormMalformed):
                form.read_form(body, 9)


def test_as_many_pairs_as_allowed(form: ModuleType) -> None:
    body = b"&".join(b"k%d=v" % number for number in range(256))
    assert len(form.read_form(body, 256)) == 256
    with pytest.raises(FormMalformed):
        form.read_form(body, 255)


@given(
    st.dictionaries(st.text(min_size=1, max_size=8), st.text(max_size=12), min_size=1, max_size=6)
)
def test_what_is_written_is_read_back(form: ModuleType, fields: dict[str, str]) -> None:
    expected = {name.encode(): value.encode() for name, value in fields.items()}
    for written in (form.write_form(fields), urlencode(fields), urlencode(fields, quote_via=quote)):
        read = form.read_form(written.encode(), 6)
        assert read == expected
        if all(name.isascii() for name in fields):
            assert form.form_texts(read, "utf-8", True) == fields
    assert parse_qsl(form.write_form(fields), keep_blank_values=True) == list(fields.items())


def test_texts_are_of_their_charset(form: ModuleType) -> None:
    texts = form.form_texts
    for charset in ("utf-8", "gbk", "gb18030"):
        fields = {b"a": "一杯咖啡".encode(charset), b"b": b"1"}
        assert texts(fields, charset, False) == {"a": "一杯咖啡", "b": "1"}
    wrong = [{b"a": b"\xff"}, {b"\xff": b"a"}, {b"a": b"\xed\xa0\x80"}, {b"a": b"\xc0\x80"}]
    for fields in wrong:
        with pytest.raises(FormMalformed) as caught:
            texts(fields, "utf-8", True)
        assert caught.value.reason == "not_of_charset"
    with pytest.raises(FormMalformed):
        texts({b"a": b"\xff\xff"}, "gbk", True)


def test_empty_values_are_kept_or_left_out(form: ModuleType) -> None:
    fields = {b"a": b"", b"b": b"1", b"\xff": b""}
    assert form.form_texts(fields, "utf-8", False) == {"b": "1"}
    with pytest.raises(FormMalformed):
        form.form_texts(fields, "utf-8", True)
    del fields[b"\xff"]
    assert form.form_texts(fields, "utf-8", True) == {"a": "", "b": "1"}
    assert form.join_sorted(fields, (), True) == b"a=&b=1"
    assert form.join_sorted(fields, (), False) == b"b=1"


@pytest.mark.parametrize("charset", ["latin-1", "UTF-8", "utf8", "rot13", "", "utf-8\0"])
def test_no_other_charset_is_known(form: ModuleType, charset: str) -> None:
    with pytest.raises(ValueError, match=r"^charset must be one of gb18030, gbk, utf-8$"):
        form.form_texts({b"a": b"b"}, charset, True)


def test_pairs_are_sorted_by_the_bytes_of_their_names(form: ModuleType) -> None:
    join = form.join_sorted
    assert join({}, (), True) == b""
    assert join({b"a": b""}, (), True) == b"a="
    fields = {b"b": b"2", b"a_b": b"x", b"a": b"=&", b"ab": b"", b"aB": b"y", b"a\xff": b"z"}
    assert join(fields, (), True) == b"a==&&aB=y&a_b=x&ab=&a\xff=z&b=2"
    assert join({"z": "1", "二": "2", "é": "3", "\U0001f600": "4", "\uffee": "5"}, (), True) == (
        "z=1&é=3&二=2&\uffee=5&\U0001f600=4".encode()
    )


def test_only_whole_names_are_left_out(form: ModuleType) -> None:
    fields = {b"sign": b"1", b"sign_type": b"2", b"sig": b"3", b"signs": b"4", b"SIGN": b"5"}
    assert form.join_sorted(fields, (b"sign",), True) == b"SIGN=5&sig=3&sign_type=2&signs=4"
    assert form.join_sorted(fields, (b"sign", b"sign_type"), True) == b"SIGN=5&sig=3&signs=4"
    texts = {name.decode(): value.decode() for name, value in fields.items()}
    assert form.join_sorted(texts, (b"sign",), True) == b"SIGN=5&sig=3&sign_type=2&signs=4"


def test_all_but_the_unreserved_is_escaped(form: ModuleType) -> None:
    everything = "".join(map(chr, range(128))) + "é二\U0001f600"
    for written in (form.write_form({"a": everything}), form.write_form({everything: "a"})):
        assert quote(everything, safe="") in written
    assert form.write_form({"a b": "+~-._ /%"}) == "a%20b=%2B~-._%20%2F%25"
    assert form.write_form({}) == ""
    assert form.write_form({"": ""}) == "="
    assert form.write_form({"a": "1", "b": ""}) == "a=1&b="


def test_a_text_without_utf_8_is_refused(form: ModuleType) -> None:
    for fields in ({"a": "\ud800"}, {"\udfff": "a"}):
        with pytest.raises(UnicodeEncodeError):
            form.write_form(fields)
        with pytest.raises(UnicodeEncodeError):
            form.join_sorted(fields, (), True)


@pytest.mark.parametrize("wrong", [bytearray(b"a=b"), "a=b", None, 1, [], {1: 2}])
def test_other_types_are_refused_without_their_value(form: ModuleType, wrong: Any) -> None:
    kind = type(wrong).__name__
    with pytest.raises(TypeError, match=f"^body must be bytes, not {kind}$"):
        form.read_form(wrong, 1)
    for call in (
        lambda: form.write_form(wrong),
        lambda: form.form_texts(wrong, "utf-8", True),
        lambda: form.join_sorted(wrong, (), True),
        lambda: form.write_form({"a": wrong if wrong != "a=b" else b""}),
        lambda: form.write_form({1: "a"}),
        lambda: form.join_sorted({"a": 1}, (), True),
        lambda: form.join_sorted({1: "a"}, (), True),
        lambda: form.join_sorted({}, ("a",), True),
        lambda: form.join_sorted({}, [], True),
        lambda: form.join_sorted({}, (), 1),
        lambda: form.form_texts({b"a": "b"}, "utf-8", True),
        lambda: form.form_texts({"a": b"b"}, "utf-8", True),
        lambda: form.form_texts({}, "utf-8", 1),
        lambda: form.form_texts({}, b"utf-8", True),
        lambda: form.read_form(b"a=b", "1"),
        lambda: form.read_form(b"a=b", True),
    ):
        with pytest.raises(TypeError, match="must be"):
            call()
    with pytest.raises(ValueError, match=r"^pairs_max must be positive$"):
        form.read_form(b"a=b", 0)
