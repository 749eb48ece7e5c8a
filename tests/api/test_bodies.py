"""What is no sound JSON body is refused with a stable code, and leaves nothing behind."""

import json
from typing import Any

import pytest

from tests.api.conftest import Api, Caller, ask, request_bytes

CODES = ("malformed_request", "invalid_amount", "invalid_currency", "unknown_field")
TARGETS = ("/v1/payments", "/v1/refunds", "/v1/webhook_endpoints")


def order(amount: str = "100", more: str = "") -> bytes:
    """A payment's body as text, so that it can be wrong in ways that no encoder makes."""
    text = f'{{"merchant_order_no":"B-1","amount":{amount},"currency":"CNY","subject":"tea"{more}}}'
    return text.encode("utf-8", "surrogatepass")


def nested(levels: int) -> str:
    """Metadata so deep that the whole body has `levels` levels."""
    return f',"metadata":{"[" * (levels - 1)}{"]" * (levels - 1)}'


MALFORMED = {
    "nan": order("NaN"),
    "infinity": order("Infinity"),
    "minus infinity": order("-Infinity"),
    "a leading zero": order("0100"),
    "a plus": order("+1"),
    "hexadecimal": order("0x10"),
    "a repeated key": order(more=',"amount":1'),
    "a repeated key, escaped": order(more=',"\\u0061mount":1'),
    "a repeated key below": order(more=',"metadata":{"a":"1","a":"2"}'),
    "a NUL in a value": order(more=',"metadata":{"a":"x\\u0000"}'),
    "a NUL in a key": order(more=',"metadata":{"a\\u0000":"x"}'),
    "a raw NUL": order(more=',"metadata":{"a":"\x00"}'),
    "half a character": order(more=',"metadata":{"a":"\\ud800"}'),
    "the other half": order(more=',"metadata":{"a":"\\udc00x"}'),
    "bytes of half a character": order(more=',"metadata":{"a":"\ud800"}'),
    "a mark at the beginning": b"\xef\xbb\xbf" + order(),
    "UTF-16": order().decode().encode("utf-16"),
    "UTF-16 without a mark": order().decode().encode("utf-16-le"),
    "Latin-1": order(more=',"metadata":{"a":"é"}').decode().encode("latin-1"),
    "an overlong form": order().replace(b"tea", b"\xc0\xaf"),
    "17 levels": order(more=nested(17)),
    "10000 levels": order(more=nested(10_000)),
    "257 members": order(more=',"metadata":{' + ",".join(f'"k{n}":"v"' for n in range(252)) + "}"),
    "an array": b"[]",
    "a text": b'"x"',
    "null": b"null",
    "a number": b"1",
    "true": b"true",
    "nothing but a space": b" ",
    "two objects": order() + order(),
    "a comma too much": order(more=","),
    "a comment": order(more="/* x */"),
    "single quotes": order().replace(b'"', b"'"),
    "an end too early": order()[:-1],
    "a raw line feed in a text": order().replace(b"tea", b"t\nea"),
    "a raw tab in a text": order().replace(b"tea", b"t\tea"),
    "a form": b"amount=1&currency=CNY",
    "xml": b"<?xml version='1.0'?><a/>",
}


@pytest.mark.parametrize("target", TARGETS)
async def test_malformed_bodies(api: Api, merchant: Caller, target: str) -> None:
    async with api.no_effect():
        for name, raw in MALFORMED.items():
            answer = await merchant.send("POST", target, raw)
            assert (answer.status, answer.body["code"]) == (400, "malformed_request"), name


AMOUNTS = {
    "a fraction": "1.0",
    "a fraction of nothing": "1.5",
    "an exponent": "1e2",
    "an exponent beyond": "1e400",
    "a small exponent": "1E-2",
    "a text": '"100"',
    "a text of digits of another script": '"１００"',
    "true": "true",
    "false": "false",
    "a list": "[100]",
    "an object": '{"value":100}',
    "minus nothing": "-0",
    "nothing": "0",
    "minus one": "-1",
    "one too much": str(10**12),
    "2 to the 31st": "-2147483648",
    "2 to the 63rd minus one": str(2**63 - 1),
    "2 to the 63rd": str(2**63),
    "minus 2 to the 63rd minus one": str(-(2**63) - 1),
    "2 to the 64th plus 100": str(2**64 + 100),
    "5000 digits": "1" + "0" * 5000,
}


@pytest.mark.parametrize("name", AMOUNTS)
async def test_money_is_an_integer_from_1_to_999999999999(
    api: Api, merchant: Caller, name: str
) -> None:
    refund = b'{"payment_id":"%b","merchant_refund_no":"B-1","amount":%b}'
    async with api.no_effect():
        answer = await merchant.send("POST", "/v1/payments", order(AMOUNTS[name]))
        assert (answer.status, answer.body["code"]) == (400, "invalid_amount"), answer
        assert answer.body["param"] == "/amount"
        raw = refund % (b"pay_01jd3xk1vvfr0anyb1ngk00000", AMOUNTS[name].encode())
        answer = await merchant.send("POST", "/v1/refunds", raw)
        assert (answer.status, answer.body["code"]) == (400, "invalid_amount")


async def test_a_null_amount_is_a_missing_one(api: Api, merchant: Caller) -> None:
    async with api.no_effect():
        answer = await merchant.send("POST", "/v1/payments", order("null"))
        assert (answer.status, answer.body["code"]) == (400, "missing_field")
        assert answer.body["param"] == "/amount"


@pytest.mark.parametrize("amount", [1, 999_999_999_999])
async def test_the_ends_of_the_range_are_accepted(api: Api, merchant: Caller, amount: int) -> None:
    made = await merchant.post("/v1/payments", api.order(amount=amount))
    assert (made.status, made.body["amount"]) == (201, amount)


@pytest.mark.parametrize(
    "currency", ["cny", "Cny", "CNY\n", " CNY", "CN", "CNYY", "ABC", "XXX", "XTS", "XAU", "", "￥"]
)
async def test_a_currency_is_one_of_iso_4217(api: Api, merchant: Caller, currency: str) -> None:
    async with api.no_effect():
        answer = await merchant.post("/v1/payments", api.order(currency=currency))
        assert (answer.status, answer.body["code"]) == (400, "invalid_currency")
        assert answer.body["param"] == "/currency"


@pytest.mark.parametrize("currency", [1, True, ["CNY"], {"code": "CNY"}])
async def test_a_currency_is_a_text(api: Api, merchant: Caller, currency: Any) -> None:
    async with api.no_effect():
        answer = await merchant.post("/v1/payments", api.order(currency=currency))
        assert (answer.status, answer.body["code"]) == (400, "invalid_currency")


@pytest.mark.parametrize("currency", ["JPY", "KWD", "USD"])
async def test_every_currency_counts_its_own_minor_units(
    api: Api, merchant: Caller, currency: str
) -> None:
    made = await merchant.post("/v1/payments", api.order(currency=currency, amount=1))
    assert (made.status, made.body["currency"], made.body["amount"]) == (201, currency, 1)


async def test_the_deepest_and_widest_body_is_read(api: Api, merchant: Caller) -> None:
    # What is refused below is refused for what it says, not for its shape.
    async with api.no_effect():
        answer = await merchant.send("POST", "/v1/payments", order(more=nested(16)))
        assert (answer.status, answer.body["code"]) == (400, "invalid_field")
        members = ",".join(f'"k{n}":"v"' for n in range(251))
        raw = order(more=f',"metadata":{{{members}}}')
        answer = await merchant.send("POST", "/v1/payments", raw)
        assert (answer.status, answer.body["code"]) == (400, "invalid_field")


UNKNOWN = {
    "/v1/payments": (
        "status",
        "merchant_id",
        "fee",
        "fee_amount",
        "livemode",
        "amount_captured",
        "id",
        "version",
        "Amount",
        "amount ",
        "__proto__",
        "",
        "a/b~c",
    ),
    "/v1/refunds": ("status", "currency", "merchant_id", "channel"),
    "/v1/webhook_endpoints": ("secret", "status", "merchant_id", "since_sequence"),
}


@pytest.mark.parametrize("target", UNKNOWN)
async def test_unknown_fields_are_refused_by_name(api: Api, merchant: Caller, target: str) -> None:
    bodies = {
        "/v1/payments": api.order(),
        "/v1/refunds": {"payment_id": "x", "merchant_refund_no": "R", "amount": 1},
        "/v1/webhook_endpoints": {"url": "https://a.example/", "events": ["*"]},
    }
    async with api.no_effect():
        for name in UNKNOWN[target]:
            answer = await merchant.post(target, bodies[target] | {name: "x"})
            assert (answer.status, answer.body["code"]) == (400, "unknown_field"), name
            pointer = name.replace("~", "~0").replace("/", "~1")
            assert answer.body["param"] == "/" + pointer


@pytest.mark.parametrize("missing", ["merchant_order_no", "amount", "currency", "subject"])
async def test_required_fields(api: Api, merchant: Caller, missing: str) -> None:
    for change in ({}, {missing: None}):
        body = api.order()
        del body[missing]
        async with api.no_effect():
            answer = await merchant.post("/v1/payments", body | change)
            assert (answer.status, answer.body["code"]) == (400, "missing_field")
            assert answer.body["param"] == "/" + missing


# Sizes, media types, codings


async def test_a_body_has_at_most_64_kib(api: Api, merchant: Caller) -> None:
    def padded(size: int) -> bytes:
        raw = json.dumps(api.order()).encode()
        return raw[:-1] + b" " * (size - len(raw)) + b"}"

    accepted = await merchant.send("POST", "/v1/payments", padded(64 * 1024))
    assert accepted.status == 201
    async with api.no_effect():
        answer = await merchant.send("POST", "/v1/payments", padded(64 * 1024 + 1))
        assert (answer.status, answer.body["code"]) == (413, "body_too_large")


async def test_a_body_that_is_announced_too_large_is_refused_at_once(
    api: Api, merchant: Caller
) -> None:
    head = request_bytes(merchant, "POST", "/v1/payments", b"{}").replace(
        b"Content-Length: 2", b"Content-Length: 10000000"
    )
    async with api.no_effect():
        answer = await ask(api.world, head[: head.index(b"\r\n\r\n") + 4])
        assert (answer.status, answer.code) == (413, "body_too_large")


MEDIA_TYPES = (
    ("Content-Type: text/plain",),
    ("Content-Type: application/x-www-form-urlencoded",),
    ("Content-Type: application/jsonp",),
    ("Content-Type: application/problem+json",),
    ("Content-Type: application/json; charset=utf-16",),
    ("Content-Type: application/json; charset=gbk",),
    ("Content-Type: multipart/form-data; boundary=x",),
    ("Content-Type:",),
    (),
    ("Content-Type: application/json", "Content-Encoding: gzip"),
    ("Content-Type: application/json", "Content-Encoding: identity"),
    ("Content-Type: application/json", "Content-Encoding: br"),
)


@pytest.mark.parametrize("headers", MEDIA_TYPES, ids=lambda each: " ".join(each) or "none")
async def test_only_plain_json_is_read(
    api: Api, merchant: Caller, headers: tuple[str, ...]
) -> None:
    raw = json.dumps(api.order()).encode()
    async with api.no_effect():
        data = request_bytes(merchant, "POST", "/v1/payments", raw, headers=headers)
        answer = await ask(api.world, data)
        assert (answer.status, answer.code) == (415, "unsupported_media_type")


@pytest.mark.parametrize(
    "media_type",
    [
        "application/json; charset=utf-8",
        "application/json;charset=UTF-8",
        "APPLICATION/JSON",
        'application/json; charset="utf-8"',
    ],
)
async def test_json_in_other_spellings(api: Api, merchant: Caller, media_type: str) -> None:
    raw = json.dumps(api.order()).encode()
    headers = (f"Content-Type: {media_type}",)
    data = request_bytes(merchant, "POST", "/v1/payments", raw, headers=headers)
    assert (await ask(api.world, data)).status == 201


async def test_the_signature_is_over_the_raw_bytes(api: Api, merchant: Caller) -> None:
    body = api.order(subject="茶")
    raw = ("\n {" + json.dumps(body, ensure_ascii=False, indent=3)[1:] + "\t\r\n").encode()
    made = await merchant.send("POST", "/v1/payments", raw)
    assert (made.status, made.body["subject"]) == (201, "茶")


async def test_an_empty_body_where_all_is_optional(api: Api, merchant: Caller) -> None:
    for raw in (b"", b"{}", b'{"reason":null}'):
        payment = (await merchant.post("/v1/payments", api.order())).body
        answer = await merchant.send("POST", f"/v1/payments/{payment['id']}/cancel", raw)
        assert (answer.status, answer.body["status"]) == (200, "canceled")
    async with api.no_effect():
        for target in TARGETS:
            answer = await merchant.post(target)
            assert (answer.status, answer.body["code"]) == (400, "missing_field")


async def test_what_nobody_would_read_is_refused(api: Api, merchant: Caller) -> None:
    raw = json.dumps(api.order()).encode()
    payment = (await merchant.post("/v1/payments", api.order())).body["id"]
    async with api.no_effect():
        answer = await merchant.send("POST", "/v1/payments?dry_run=1", raw)
        assert (answer.status, answer.body["code"]) == (400, "unknown_field")
        assert answer.body["param"] == "/dry_run"
        answer = await merchant.send("POST", f"/v1/payments/{payment}/cancel?force=true")
        assert (answer.status, answer.body["code"]) == (400, "unknown_field")
        for method, target in (
            ("GET", "/v1/payments"),
            ("GET", f"/v1/payments/{payment}"),
            ("DELETE", "/v1/webhook_endpoints/whe_01jd3xk1vvfr0anyb1ngk00000"),
        ):
            data = request_bytes(merchant, method, target, b'{"limit":1}')
            answer = await ask(api.world, data)
            assert (answer.status, answer.code) == (400, "unknown_field")
