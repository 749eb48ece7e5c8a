"""Both twins of `fastpath.form`: what is signed of fields, and writing."""

from types import ModuleType
from typing import Any
from urllib.parse import parse_qsl, quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytestmark = pytest.mark.fast


@given(st.dictionaries(st.text(min_size=1, max_size=8), st.text(max_size=12), max_size=6))
def test_what_is_written_is_read_back(form: ModuleType, fields: dict[str, str]) -> None:
    assert parse_qsl(form.write_form(fields), keep_blank_values=True) == list(fields.items())


def test_empty_values_are_kept_or_left_out(form: ModuleType) -> None:
    fields = {b"a": b"", b"b": b"1"}
    assert form.join_sorted(fields, (), True) == b"a=&b=1"
    assert form.join_sorted(fields, (), False) == b"b=1"


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
    for call in (
        lambda: form.write_form(wrong),
        lambda: form.join_sorted(wrong, (), True),
        lambda: form.write_form({"a": wrong if wrong != "a=b" else b""}),
        lambda: form.write_form({1: "a"}),
        lambda: form.join_sorted({"a": 1}, (), True),
        lambda: form.join_sorted({1: "a"}, (), True),
        lambda: form.join_sorted({}, ("a",), True),
        lambda: form.join_sorted({}, [], True),
        lambda: form.join_sorted({}, (), 1),
    ):
        with pytest.raises(TypeError, match="must be"):
            call()
