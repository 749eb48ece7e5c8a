"""Both twins of `fastpath.order`: what raises no doubt is read, everything else is None."""

import json
from types import ModuleType
from typing import Any

import pytest

from fastpath._order_terms import BODY_BYTES_MAX, PlainOrder

pytestmark = pytest.mark.fast

PLAIN: dict[str, Any] = {
    "merchant_order_no": "A-1",
    "amount": 1234,
    "currency": "CNY",
    "subject": "Tea",
}


def body(_without: str = "", **changed: Any) -> bytes:
    members = {**PLAIN, **changed}
    members.pop(_without, None)
    return json.dumps(members, ensure_ascii=False, separators=(",", ":")).encode()


def test_a_plain_order_is_read(order: ModuleType) -> None:
    assert order.read_order(body()) == PlainOrder(
        "A-1",
        1234,
        "CNY",
        "Tea",
        "{}",
        0,
        "",
        "",
        b'{"amount":1234,"currency":"CNY","merchant_order_no":"A-1","subject":"Tea"}',
    )


def test_metadata_keeps_its_order_and_is_sorted_in_the_content(order: ModuleType) -> None:
    read = order.read_order(body(metadata={"b": "2", "a": "", "aa": "1", "B": "茶"}))
    assert read.metadata == '{"b":"2","a":"","aa":"1","B":"茶"}'
    assert '"metadata":{"B":"茶","a":"","aa":"1","b":"2"}'.encode() in read.content


def test_empty_metadata_is_part_of_the_content(order: ModuleType) -> None:
    read = order.read_order(body(metadata={}))
    assert read.metadata == "{}"
    assert b'"merchant_order_no":"A-1","metadata":{},"subject"' in read.content


def test_everything_that_may_be_given_is_in_the_content(order: ModuleType) -> None:
    more = {"return_url": "https://a.example/b?c=d", "expires_in": 600, "notify_url": "http://x"}
    read = order.read_order(body(metadata={"k": "v"}, **more))
    assert (read.expires_in, read.notify_url, read.return_url) == (
        600,
        "http://x",
        more["return_url"],
    )
    assert read.content == (
        b'{"amount":1234,"currency":"CNY","expires_in":600,"merchant_order_no":"A-1",'
        b'"metadata":{"k":"v"},"notify_url":"http://x","return_url":"https://a.example/b?c=d",'
        b'"subject":"Tea"}'
    )


def test_white_space_and_order_do_not_count(order: ModuleType) -> None:
    plain = order.read_order(body(metadata={"k": "v"}))
    spread = json.dumps(
        {"metadata": {"k": "v"}, **dict(reversed(PLAIN.items()))}, indent="\t"
    ).encode()
    assert order.read_order(b" \r\n" + spread + b"\n ") == plain


@pytest.mark.parametrize(
    ("subject", "taken"),
    [
        ("一杯咖啡 ☕", True),
        ("x" * 127, True),
        ("茶" * 127, True),
        ("x" * 128, False),
        ("茶" * 128, False),
        ("", False),
        ("it's 50% <off> & more", True),
        ("a\\u0041", False),
        ("tab\there", False),
        ("del\x7f", False),
        ("c1\x85", False),
        ("line\u2028", False),
        ("paragraph\u2029", False),
        ("order 123456789012", True),
        ("order 1234567890123", False),
        ('quote"', False),
        ("back\\slash", False),
        ("😀", True),
    ],
)
def test_subjects(order: ModuleType, subject: str, taken: bool) -> None:
    read = order.read_order(body(subject=subject))
    assert (read is not None) is taken
    if taken:
        assert read.subject == subject


@pytest.mark.parametrize(
    "doubtful",
    [
        b"",
        b"{}",
        b"null",
        b"[]",
        body()[:-1],
        body() + b"x",
        body() + body(),
        b"\xef\xbb\xbf" + body(),
        body("merchant_order_no"),
        body("amount"),
        body("currency"),
        body("subject"),
        body(amount=0),
        body(amount=-1),
        body(amount=1_000_000_000_000),
        body(amount=1.5),
        body(amount="1"),
        body(amount=True),
        body(amount=None),
        body().replace(b"1234", b"01234"),
        body().replace(b"1234", b"1234e0"),
        body().replace(b"1234", b"+1234"),
        body().replace(b"1234", "１２".encode()),
        body(currency="cny"),
        body(currency="CN"),
        body(currency="CNYY"),
        body(merchant_order_no=""),
        body(merchant_order_no="x" * 65),
        body(merchant_order_no="a b"),
        body(merchant_order_no="é"),
        body(subject=None),
        body(subject="x\x00"),
        body(method="alipay_qr"),
        body(notify_url=""),
        body(notify_url="https://a.example/ b"),
        body(notify_url="https://a.example/\u00e9"),
        body(notify_url="https://a.example/\\"),
        body(return_url="x" * 513),
        body(return_url=None),
        body(expires_in=0),
        body(expires_in=10_000_000),
        body(expires_in="600"),
        body(expires_in=None),
        body(unknown="x"),
        body(metadata=None),
        body(metadata=[]),
        body(metadata={"k": 1}),
        body(metadata={"k": None}),
        body(metadata={"k": {}}),
        body(metadata={"": "v"}),
        body(metadata={"a b": "v"}),
        body(metadata={"k" * 41: "v"}),
        body(metadata={"k": "v" * 501}),
        body(metadata={str(number): "v" for number in range(21)}),
        body().replace(b'"amount"', b'"amount":1,"amount"'),
        body(metadata={"k": "v"}).replace(b'"k"', b'"k":"1","k"'),
        body().replace(b'"currency"', b'"\\u0063urrency"'),
        body(subject="Tea").replace(b"Tea", b"T\xff"),
        body(subject="Tea").replace(b"Tea", b"T\xc3"),
        body(subject="Tea").replace(b"Tea", b"\xed\xa0\x80"),
        body(subject="Tea").replace(b"Tea", b"\xc0\x80"),
        body(subject="Tea").replace(b"Tea", b"\xf4\x90\x80\x80"),
        body().replace(b",", b",,", 1),
        body().replace(b"}", b",}"),
        body().replace(b":", b"::", 1),
        body().replace(b'"CNY"', b"'CNY'"),
        body().replace(b"{", b"{{"),
        body().replace(b"{", b"\x0b{"),
    ],
)
def test_what_is_in_doubt_is_none(order: ModuleType, doubtful: bytes) -> None:
    assert order.read_order(doubtful) is None


def test_a_body_cut_anywhere_is_none(order: ModuleType) -> None:
    whole = body(metadata={"k": "v", "l": "茶"})
    for end in range(len(whole)):
        assert order.read_order(whole[:end]) is None
    assert order.read_order(whole) is not None


def test_limits(order: ModuleType) -> None:
    most = {str(number): "v" for number in range(20)}
    assert order.read_order(body(metadata=most)) is not None
    assert order.read_order(body(metadata={"k" * 40: "茶" * 500})) is not None
    assert order.read_order(body(amount=999_999_999_999)).amount == 999_999_999_999
    assert order.read_order(body(merchant_order_no="aZ9_-|*.:/" + "x" * 54)) is not None
    assert order.read_order(body(notify_url="x" * 512, expires_in=9_999_999)) is not None
    room = b" " * (BODY_BYTES_MAX - len(body()))
    assert order.read_order(body() + room) is not None
    assert order.read_order(body() + room + b" ") is None


@pytest.mark.parametrize("wrong", ["{}", bytearray(body()), None])
def test_only_bytes_are_read(order: ModuleType, wrong: object) -> None:
    with pytest.raises(TypeError, match=r"^body must be bytes"):
        order.read_order(wrong)
