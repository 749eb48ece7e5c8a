"""Strict JSON: tables of hostile bodies, and both readings against a slow reference."""

import json
from typing import Annotated, Any, Literal

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.domain.errors import TillgateError
from gateway.web import body
from gateway.web.body import DEPTH_MAX, MEMBERS_MAX, convert, read_json, without_nulls

pytestmark = pytest.mark.fast


def refusal(raw: bytes) -> tuple[str, str | None]:
    with pytest.raises(TillgateError) as caught:
        read_json(raw)
    return caught.value.code, caught.value.param


def nested(levels: int) -> bytes:
    return b'{"a":' * (levels - 1) + b"{}" + b"}" * (levels - 1)


REFUSED = [
    # body, code, param
    (b'{"amount":NaN}', "malformed_request", None),
    (b'{"amount":Infinity}', "malformed_request", None),
    (b'{"amount":-Infinity}', "malformed_request", None),
    (b'{"amount":1e400}', "invalid_amount", "/amount"),
    (b'{"amount":1e2}', "invalid_amount", "/amount"),
    (b'{"amount":1E2}', "invalid_amount", "/amount"),
    (b'{"amount":1.0}', "invalid_amount", "/amount"),
    (b'{"amount":-0.0}', "invalid_amount", "/amount"),
    (b'{"splits":[{"amount":1.5}]}', "invalid_amount", "/splits/0/amount"),
    (b'{"metadata":{"amount":1.5}}', "invalid_field", "/metadata/amount"),
    (b'{"expires_in":60.0}', "invalid_field", "/expires_in"),
    (b'{"a":[1,{"b":2.5}]}', "invalid_field", "/a/1/b"),
    (b'{"amount":9223372036854775808}', "invalid_amount", "/amount"),
    (b'{"amount":-9223372036854775809}', "invalid_amount", "/amount"),
    (b'{"amount":18446744073709551616}', "invalid_amount", "/amount"),
    (b'{"version":9223372036854775808}', "invalid_field", "/version"),
    (b'{"amount":1' + b"0" * 5000 + b"}", "invalid_amount", "/amount"),
    (b'{"amount":01}', "malformed_request", None),
    (b'{"amount":+1}', "malformed_request", None),
    (b'{"amount":.5}', "malformed_request", None),
    (b'{"amount":1_000}', "malformed_request", None),
    (b'{"amount":0x10}', "malformed_request", None),
    ('{"amount":١٢٣}'.encode(), "malformed_request", None),
    ('{"amount":１}'.encode(), "malformed_request", None),
    (b'{"a":1,"a":1}', "malformed_request", "/a"),
    (b'{"a":1,"b":2,"\\u0061":3}', "malformed_request", "/a"),
    (b'{"a":"\\u003a","a":":"}', "malformed_request", "/a"),
    (b'{"a":":","a":"\\u003a"}', "malformed_request", "/a"),
    (b'{"a":1,"a":"\\u003a"}', "malformed_request", "/a"),
    (b'{"a":1,"a":"\\u003A"}', "malformed_request", "/a"),
    (b'{"a":null,"a":1}', "malformed_request", "/a"),
    (b'{"x":{"a/b":1,"a/b":2}}', "malformed_request", "/x/a~1b"),
    (b'{"x":[{"a~":{},"a~":{}}]}', "malformed_request", "/x/0/a~0"),
    (b'{"a":"\\u0000"}', "malformed_request", "/a"),
    (b'{"a":["\\u0000"]}', "malformed_request", "/a/0"),
    (b'{"\\u0000":1}', "malformed_request", ""),
    (b'{"a":"\x00"}', "malformed_request", None),
    (b'{"a":"\x1f"}', "malformed_request", None),
    (b'{"a":"line\nbreak"}', "malformed_request", None),
    (b'{"a":"\\ud800"}', "malformed_request", "/a"),
    (b'{"a":"\\udc00"}', "malformed_request", "/a"),
    (b'{"a":"\\udc00\\ud800"}', "malformed_request", "/a"),
    (b'{"a":{"\\uD83D":1}}', "malformed_request", "/a"),
    (b'{"a":"\xed\xa0\x80"}', "malformed_request", None),
    (b'{"a":"\xff"}', "malformed_request", None),
    (b'{"a":"\xc0\x80"}', "malformed_request", None),
    (b'{"a":"\xf4\x90\x80\x80"}', "malformed_request", None),
    (b"\xef\xbb\xbf{}", "malformed_request", None),
    ('{"a":1}'.encode("utf-16"), "malformed_request", None),
    ('{"a":1}'.encode("utf-16-le"), "malformed_request", None),
    (b"[]", "malformed_request", None),
    (b'[{"a":1}]', "malformed_request", None),
    (b'"text"', "malformed_request", None),
    (b"1", "malformed_request", None),
    (b"1.5", "malformed_request", None),
    (b"null", "malformed_request", None),
    (b" ", "malformed_request", None),
    (b"{", "malformed_request", None),
    (b"{}{}", "malformed_request", None),
    (b"{},", "malformed_request", None),
    (b'{"a":1,}', "malformed_request", None),
    (b"{'a':1}", "malformed_request", None),
    (b"{a:1}", "malformed_request", None),
    (b'{"a":1/*x*/}', "malformed_request", None),
    (b'{"a":\x0c1}', "malformed_request", None),
    ('{"a":\u00a01}'.encode(), "malformed_request", None),
    (b'{"a":"\\x41"}', "malformed_request", None),
    (b"[" * 60_000, "malformed_request", None),
    (b'{"a":' * 12_000, "malformed_request", None),
    (nested(DEPTH_MAX + 1), "malformed_request", "/a" * DEPTH_MAX),
    (b'{"a":' + b"[" * DEPTH_MAX + b"]" * DEPTH_MAX + b"}", "malformed_request", None),
]


@pytest.mark.parametrize(("raw", "code", "param"), REFUSED, ids=lambda value: repr(value)[:40])
def test_hostile_body_is_refused(raw: bytes, code: str, param: str | None) -> None:
    found_code, found_param = refusal(raw)
    assert found_code == code
    if param is not None:
        assert found_param == param


ACCEPTED = [
    (b"", {}),
    (b"{}", {}),
    (b" \t\r\n{ } \n", {}),
    (b'{"a":-0}', {"a": 0}),
    (b'{"a":9223372036854775807}', {"a": 2**63 - 1}),
    (b'{"a":-9223372036854775808}', {"a": -(2**63)}),
    (b'{"a":true,"b":null,"c":[]}', {"a": True, "b": None, "c": []}),
    (b'{"t":"12:30:00","u":"https://example.com:1/","":":"}',
     {"t": "12:30:00", "u": "https://example.com:1/", "": ":"}),
    (b'{"a":"\\u003a"}', {"a": ":"}),
    (b'{"a":"\\\\u0000"}', {"a": "\\u0000"}),
    (b'{"a":"\\ud83d\\ude00"}', {"a": "\U0001f600"}),
    (b'{"a":"\\u8336"}', {"a": "茶"}),
    ('{"a":"茶"}'.encode(), {"a": "茶"}),
    (b'{"a":"\\"\\/\\b\\f\\n\\r\\t\\\\"}', {"a": '"/\b\f\n\r\t\\'}),
    (b'{"a":"\x7f"}', {"a": "\x7f"}),
    (nested(DEPTH_MAX), json.loads(nested(DEPTH_MAX))),
]  # fmt: skip


@pytest.mark.parametrize(("raw", "value"), ACCEPTED, ids=lambda value: repr(value)[:40])
def test_sound_body_is_read(raw: bytes, value: dict[str, object]) -> None:
    assert read_json(raw) == value
    if raw:
        assert body._read_carefully(raw) == value


def test_members_are_counted_in_all() -> None:
    members = {f"k{number}": "a:b" for number in range(MEMBERS_MAX - 2)}
    raw = json.dumps({"x": [{"y": 1}], **members}).encode()
    assert read_json(raw)["k0"] == "a:b"
    assert refusal(json.dumps({"x": [{"y": 1, "z": 1}], **members}).encode()) == (
        "malformed_request",
        None,
    )


def test_a_body_of_the_usual_kind_is_read_quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body, "_read_carefully", lambda raw: pytest.fail("a doubt too many"))
    raw = (
        '{"merchant_order_no": "A-1", "amount": 1234, "subject": "\\u8336 茶 \\"x\\"", '
        '"notify_url": "https://example.com:8443/n?a=b:c", "metadata": {"k:1": ":"}}'
    )
    assert read_json(raw.encode())["amount"] == 1234


# Against a slow reference


def reference(raw: bytes) -> dict[str, Any] | None:
    """What the body says by the standard library, checked afterwards; None if refused."""
    seen = {"members": 0}

    class Refused(Exception):
        pass

    def refuse(_: object) -> None:
        raise Refused

    def pairs(members: list[tuple[str, Any]]) -> dict[str, Any]:
        seen["members"] += len(members)
        if len({key for key, _ in members}) < len(members):
            raise Refused
        return dict(members)

    def check(value: object, depth: int) -> None:
        if isinstance(value, dict | list):
            if depth > DEPTH_MAX:
                raise Refused
            for part in [*value.keys(), *value.values()] if isinstance(value, dict) else value:
                check(part, depth + 1)
        elif isinstance(value, str):
            if any(ch == "\x00" or "\ud800" <= ch <= "\udfff" for ch in value):
                raise Refused
        elif isinstance(value, int) and not -(2**63) <= value < 2**63:
            raise Refused

    if not raw:
        return {}
    try:
        value = json.loads(
            raw.decode("utf-8"),
            object_pairs_hook=pairs,
            parse_float=refuse,
            parse_constant=refuse,
        )
        if not isinstance(value, dict) or seen["members"] > MEMBERS_MAX:
            return None
        check(value, 1)
    except (Refused, ValueError, RecursionError):
        return None
    return value


def verdict(raw: bytes) -> dict[str, Any] | None:
    try:
        return read_json(raw)
    except TillgateError:
        return None


def same(left: object, right: object) -> bool:
    """Equality that tells 1 from True and sees the order of members."""
    if type(left) is not type(right):
        return False
    if isinstance(left, dict) and isinstance(right, dict):
        return list(left) == list(right) and all(same(left[key], right[key]) for key in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    return left == right


texts = st.text(alphabet=st.sampled_from('ab:"\\/茶\x7f\U0001f600{}[],'), max_size=6)
scalars = st.none() | st.booleans() | st.integers(-(2**64), 2**64) | texts | st.just(1.5)
values = st.recursive(
    scalars,
    lambda parts: st.lists(parts, max_size=4) | st.dictionaries(texts, parts, max_size=4),
    max_leaves=12,
)
tokens = st.sampled_from(
    [
        *["{", "}", "[", "]", ":", ",", '"a"', '"b"', '":"', '"\\u003a"', '"\\u0061"'],
        *['"\\ud800"', '"\\udc00x"', '"\\ud83d\\ude00"', '"\\u0000"', '"\\\\u0000"', '"\\\\"'],
        *["1", "-0", "1.0", "1e5", "-", "9223372036854775808", "true", "false", "null", "NaN"],
        *[" ", "\n", "\x0b", "\ufeff", "茶", '{"a":', '"a":1', '{"a":1}', '"a":":"'],
    ]
)


@given(
    st.dictionaries(texts, values, max_size=5),
    st.sampled_from([(",", ":"), (", ", ": "), (" ,\n", " :\t")]),
    st.booleans(),
)
def test_written_values_read_as_the_reference_reads_them(
    value: dict[str, Any], separators: tuple[str, str], ensure_ascii: bool
) -> None:
    raw = json.dumps(value, separators=separators, ensure_ascii=ensure_ascii).encode()
    assert same(verdict(raw), reference(raw))


@given(st.lists(tokens, max_size=14).map("".join))
@example('{"a":":","a":"\\u003a"}')
def test_soup_of_tokens_reads_as_the_reference_reads_it(soup: str) -> None:
    for text in (soup, "{" + soup + "}", '{"a":' + soup + "}", '{"a":1,' + soup + "}"):
        raw = text.encode("utf-8", "surrogatepass")
        assert same(verdict(raw), reference(raw))


@given(
    st.dictionaries(texts, values, min_size=1, max_size=4),
    st.booleans(),
    st.integers(0),
    st.integers(0, 3),
    st.binary(max_size=3),
)
def test_damaged_bytes_read_as_the_reference_reads_them(
    value: dict[str, Any], ensure_ascii: bool, place: int, cut: int, insert: bytes
) -> None:
    raw = json.dumps(value, ensure_ascii=ensure_ascii).encode()
    place %= len(raw) + 1
    raw = raw[:place] + insert + raw[place + cut :]
    assert same(verdict(raw), reference(raw))


# To a schema

Amount = Annotated[int, msgspec.Meta(ge=1, le=999_999_999_999)]
Currency = Annotated[str, msgspec.Meta(pattern=r"\A[A-Z]{3}\Z")]
Key = Annotated[str, msgspec.Meta(min_length=1, max_length=40, pattern=r"\A[A-Za-z0-9_.-]+\Z")]


class Customer(msgspec.Struct, forbid_unknown_fields=True):
    id: str | None = None


class Split(msgspec.Struct, forbid_unknown_fields=True):
    amount: Amount


class Create(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    amount: Amount
    currency: Currency
    capture_method: Literal["automatic", "manual"] = "automatic"
    customer: Customer | None = None
    metadata: Annotated[
        dict[Key, Annotated[str, msgspec.Meta(max_length=5)]], msgspec.Meta(max_length=3)
    ] = {}
    splits: list[Split] = []
    people: dict[str, Customer] = {}


CONVERSIONS = [
    # members beside amount 1 and currency CNY (... takes one away), code, param, detail
    ({"amount": ...}, "missing_field", "/amount", "The field is required."),
    ({"amount": None}, "missing_field", "/amount", "The field is required."),
    ({"amount": True}, "invalid_amount", "/amount", "Expected int, got bool."),
    ({"amount": "1"}, "invalid_amount", "/amount", "Expected int, got str."),
    ({"amount": 0}, "invalid_amount", "/amount", "Expected int >= 1."),
    ({"amount": -1}, "invalid_amount", "/amount", "Expected int >= 1."),
    ({"amount": 10**12}, "invalid_amount", "/amount", "Expected int <= 999999999999."),
    ({"amount": 2**63 - 1}, "invalid_amount", "/amount", None),
    ({"amount": [1]}, "invalid_amount", "/amount", None),
    ({"currency": "cny"}, "invalid_currency", "/currency", None),
    ({"currency": "CNY\n"}, "invalid_currency", "/currency", None),
    ({"currency": ...}, "missing_field", "/currency", None),
    ({"fee": 1}, "unknown_field", "/fee", "There is no such field."),
    ({"a/b~": 1}, "unknown_field", "/a~1b~0", None),
    ({"x` - at `$.amount": 1}, "unknown_field", None, None),
    ({"customer": {"status": 1}}, "unknown_field", "/customer/status", None),
    ({"customer": {"id": 1}}, "invalid_field", "/customer/id", None),
    ({"customer": []}, "invalid_field", "/customer", None),
    ({"splits": [{"amount": 1}, {"amount": "1"}]}, "invalid_amount", "/splits/1/amount", None),
    ({"splits": [{"amount": 1}, {}]}, "missing_field", "/splits/1/amount", None),
    ({"splits": [None]}, "invalid_field", "/splits/0", None),
    ({"metadata": {"a": "1", "b": 2}}, "invalid_field", "/metadata/b", None),
    ({"metadata": {"a": "1", "amount": "1" * 6}}, "invalid_field", "/metadata/amount", None),
    ({"metadata": {"a": "1", "b/": "1"}}, "invalid_field", "/metadata/b~1", None),
    ({"metadata": {"a": "", "b": "", "c": "", "d": ""}}, "invalid_field", "/metadata", None),
    ({"people": {"a": {}, "b.]": {"id": 5}}}, "invalid_field", "/people/b.]/id", None),
    ({"capture_method": "4111111111111111"}, "invalid_field", "/capture_method",
     "Invalid enum value."),
]  # fmt: skip


@pytest.mark.parametrize(
    ("members", "code", "param", "detail"), CONVERSIONS, ids=lambda value: repr(value)[:40]
)
def test_what_does_not_fit_the_schema_is_refused(
    members: dict[str, Any], code: str, param: str | None, detail: str | None
) -> None:
    value = {"amount": 1, "currency": "CNY", **members}
    value = {key: item for key, item in value.items() if item is not ...}
    before = json.dumps(value)
    with pytest.raises(TillgateError) as caught:
        convert(value, Create)
    assert caught.value.code == code
    if param is not None:
        assert caught.value.param == param
    if detail is not None:
        assert caught.value.detail == detail
    assert json.dumps(value) == before


def test_null_members_count_as_absent() -> None:
    value = {
        "amount": 1,
        "currency": "CNY",
        "capture_method": None,
        "customer": {"id": None},
        "metadata": {"a": None, "b": "x"},
        "people": None,
        "splits": [{"amount": 2}],
        "nothing": None,
    }
    made = convert(value, Create)
    assert made == Create(
        amount=1,
        currency="CNY",
        customer=Customer(),
        metadata={"b": "x"},
        splits=[Split(amount=2)],
    )


def test_nulls_of_arrays_stay() -> None:
    assert without_nulls({"a": [None, {"b": None, "c": 1}], "d": None}) == {"a": [None, {"c": 1}]}
