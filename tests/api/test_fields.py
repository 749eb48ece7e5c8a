"""What may stand in the fields of the contract, at their limits and beyond."""

from typing import Any

import pytest

from gateway.domain.text import has_card_number
from tests.api.conftest import Api, Caller

CARDS = (
    "4111111111111111",
    "4111 1111 1111 1111",
    "4111-1111-1111-1111",
    "5500005555555559",
    "2223003122003222",
    "378282246310005",
    "6011111111111117",
    "3530111333300000",
    "6200000000000005",
    "30569309025904",
    "4222222222222",
    "pay to 4111111111111111, please",
)
NO_CARDS = (
    "4111111111111112",
    "9111111111111119",
    "4111  1111  1111  1111",
    "411111111111",
    "order 20261122081530",
)
CONTROLS = ("a\nb", "a\rb", "a\tb", "\x1b[31m", "a\x7f", "a\x85b", "a\u2028b", "a\u2029b", "\x01")


async def refused(
    api: Api, caller: Caller, target: str, body: dict[str, Any], code: str, param: str | None
) -> None:
    """The body is refused with this code at this place, and leaves nothing behind."""
    async with api.no_effect():
        answer = await caller.post(target, body)
        assert (answer.status, answer.body["code"]) == (400, code), (body, answer)
        if param is not None:
            assert answer.body["param"] == param


# Business numbers

NUMBERS_REFUSED = (
    "",
    "a" * 65,
    "a b",
    "a\n",
    "\na",
    "订单",
    "é",
    "a#b",
    "a'b",
    'a"b',
    "a%b",
    "a\\b",
    "a,b",
    "１２３",
    "a\u200b",
    "a+b",
    "a@b",
)


@pytest.mark.parametrize("number", NUMBERS_REFUSED)
async def test_business_numbers_that_are_refused(api: Api, merchant: Caller, number: str) -> None:
    body = api.order(merchant_order_no=number)
    await refused(api, merchant, "/v1/payments", body, "invalid_field", "/merchant_order_no")
    body = {"payment_id": "pay_x", "merchant_refund_no": number, "amount": 1}
    await refused(api, merchant, "/v1/refunds", body, "invalid_field", "/merchant_refund_no")


@pytest.mark.parametrize("number", [1, True, ["a"], {"a": "b"}])
async def test_business_numbers_are_texts(api: Api, merchant: Caller, number: Any) -> None:
    body = api.order(merchant_order_no=number)
    await refused(api, merchant, "/v1/payments", body, "invalid_field", "/merchant_order_no")


async def test_business_numbers_are_compared_byte_by_byte(api: Api) -> None:
    owner = await api.new_merchant()
    made = set()
    for number in ("a", "A", "a.", "a-", "a_|*.:/-9", "9" * 64, "4111111111111111", "a/b"):
        answer = await owner.post("/v1/payments", api.order(merchant_order_no=number))
        assert answer.status == 201, number
        made.add(answer.body["id"])
        quoted = number.replace("|", "%7C").replace("/", "%2F")
        found = await owner.get(f"/v1/payments?merchant_order_no={quoted}")
        assert found.body["id"] == answer.body["id"]
    assert len(made) == 8


# Texts


@pytest.mark.parametrize("subject", ["", "茶" * 128, *CONTROLS])
async def test_subjects_that_are_refused(api: Api, merchant: Caller, subject: str) -> None:
    body = api.order(subject=subject)
    await refused(api, merchant, "/v1/payments", body, "invalid_field", "/subject")


@pytest.mark.parametrize("subject", ["t", "茶" * 127, "🍵", "a\u00a0b", "<b>&'\"; --", *NO_CARDS])
async def test_subjects_that_are_kept_as_they_are(api: Api, merchant: Caller, subject: str) -> None:
    made = await merchant.post("/v1/payments", api.order(subject=subject))
    assert (made.status, made.body["subject"]) == (201, subject)
    assert (await merchant.get(made.headers["Location"])).body["subject"] == subject


@pytest.mark.parametrize("card", CARDS)
async def test_card_numbers_are_refused(api: Api, merchant: Caller, card: str) -> None:
    code = "card_number_refused"
    await refused(api, merchant, "/v1/payments", api.order(subject=card), code, "/subject")
    for name in ("id", "name", "email", "phone", "ip", "user_agent", "device_id"):
        body = api.order(customer={name: card})
        await refused(api, merchant, "/v1/payments", body, code, f"/customer/{name}")
    body = {"payment_id": "pay_x", "merchant_refund_no": "R", "amount": 1, "reason": card}
    await refused(api, merchant, "/v1/refunds", body, code, "/reason")
    body = {"url": "https://a.example/", "events": ["*"], "description": card}
    await refused(api, merchant, "/v1/webhook_endpoints", body, code, "/description")
    options = {"auth_code": card}
    body = api.order(method="alipay_qr", method_options=options)
    await refused(api, merchant, "/v1/payments", body, code, "/method_options/auth_code")


@pytest.mark.parametrize("shown", ["2612345678901234564", "2512345678901238", "134567890123456788"])
async def test_codes_that_payers_show_may_look_like_cards(
    api: Api, merchant: Caller, shown: str
) -> None:
    made = await merchant.post("/v1/payments", api.order(method_options={"auth_code": shown}))
    assert made.status == 201
    body = api.order(method="alipay_qr", method_options={"openid": shown})
    if has_card_number(shown):
        code = "card_number_refused"
        await refused(api, merchant, "/v1/payments", body, code, "/method_options/openid")


async def test_a_code_by_sms_is_no_option_of_a_new_payment(api: Api, merchant: Caller) -> None:
    body = api.order(method="alipay_qr", method_options={"sms_code": "123456"})
    where = "/method_options/sms_code"
    await refused(api, merchant, "/v1/payments", body, "invalid_field", where)
    payment = (await merchant.post("/v1/payments", api.order(method="alipay_qr"))).body
    path = f"/v1/payments/{payment['id']}/confirm"
    wrong = {"method": "alipay_qr", "method_options": {"sms_code": "1"}}
    await refused(api, merchant, path, wrong, "invalid_field", where)
    right = {"method": "alipay_qr", "method_options": {"sms_code": "123456"}}
    answer = await merchant.post(path, right)
    assert (answer.status, answer.body["code"]) == (409, "invalid_state")


async def test_card_numbers_are_refused_where_a_payment_goes_on(api: Api, merchant: Caller) -> None:
    payment = (await merchant.post("/v1/payments", api.order())).body["id"]
    path = f"/v1/payments/{payment}"
    code = "card_number_refused"
    await refused(api, merchant, path + "/cancel", {"reason": CARDS[0]}, code, "/reason")
    body = {"method": "alipay_qr", "method_options": {"openid": CARDS[0]}}
    await refused(api, merchant, path + "/confirm", body, code, "/method_options/openid")


async def test_a_card_number_never_comes_back(api: Api, merchant: Caller) -> None:
    answer = await merchant.post("/v1/payments", api.order(subject=CARDS[0]))
    assert CARDS[0] not in str(answer)


async def test_merchant_numbers_and_metadata_are_not_examined(api: Api, merchant: Caller) -> None:
    owner = await api.new_merchant()
    body = api.order(merchant_order_no=CARDS[0], metadata={"card": CARDS[0]})
    made = await owner.post("/v1/payments", body)
    assert made.status == 201 and made.body["metadata"] == {"card": CARDS[0]}


@pytest.mark.parametrize("text", ["x" * 256, "", *CONTROLS])
async def test_reasons_and_descriptions_that_are_refused(
    api: Api, merchant: Caller, text: str
) -> None:
    payment = (await merchant.post("/v1/payments", api.order())).body["id"]
    path = f"/v1/payments/{payment}/cancel"
    await refused(api, merchant, path, {"reason": text}, "invalid_field", "/reason")
    body = {"payment_id": payment, "merchant_refund_no": "R", "amount": 1, "reason": text}
    await refused(api, merchant, "/v1/refunds", body, "invalid_field", "/reason")
    body = {"url": "https://a.example/", "events": ["*"], "description": text}
    await refused(api, merchant, "/v1/webhook_endpoints", body, "invalid_field", "/description")


async def test_the_longest_reason_is_kept(api: Api, merchant: Caller) -> None:
    paid = await api.paid()
    body = {
        "payment_id": paid["id"],
        "merchant_refund_no": api.number(),
        "amount": 1,
        "reason": "茶" * 255,
    }
    made = await merchant.post("/v1/refunds", body)
    assert (made.status, made.body["reason"]) == (201, "茶" * 255)


# Customers, metadata, options


@pytest.mark.parametrize("name", ["id", "name", "email", "phone", "ip", "user_agent", "device_id"])
async def test_customer_fields(api: Api, merchant: Caller, name: str) -> None:
    for value in ("x" * 256, "", "a\nb", 1, ["x"]):
        body = api.order(customer={name: value})
        await refused(api, merchant, "/v1/payments", body, "invalid_field", f"/customer/{name}")
    made = await merchant.post("/v1/payments", api.order(customer={name: "茶" * 255}))
    assert (made.status, made.body["customer"]) == (201, {name: "茶" * 255})


async def test_customers_of_other_shapes(api: Api, merchant: Caller) -> None:
    body = api.order(customer={"card": "x"})
    await refused(api, merchant, "/v1/payments", body, "unknown_field", "/customer/card")
    for value in ("c-1", 1, [], True):
        body = api.order(customer=value)
        await refused(api, merchant, "/v1/payments", body, "invalid_field", "/customer")
    for value in ({}, {"name": None}, None):
        made = await merchant.post("/v1/payments", api.order(customer=value))
        assert (made.status, made.body["customer"]) == (201, None)


METADATA_REFUSED = (
    {f"k{n}": "v" for n in range(21)},
    {"k" * 41: "v"},
    {"": "v"},
    {"a b": "v"},
    {"a/b": "v"},
    {"键": "v"},
    {"a\n": "v"},
    {"k": "v" * 501},
    {"k": "a\nb"},
    {"k": "\x1b[0m"},
    {"k": 1},
    {"k": True},
    {"k": ["v"]},
    {"k": {"a": "b"}},
    "text",
    [],
    1,
)


@pytest.mark.parametrize("metadata", METADATA_REFUSED, ids=str)
async def test_metadata_that_is_refused(api: Api, merchant: Caller, metadata: Any) -> None:
    body = api.order(metadata=metadata)
    await refused(api, merchant, "/v1/payments", body, "invalid_field", None)


@pytest.mark.parametrize(
    "metadata",
    [
        {f"k{n}": "v" for n in range(20)},
        {"k" * 40: "v" * 500},
        {"A.b_c-9": "茶" * 500},
        {"k": ""},
        {"amount": "1.5", "currency": "cny"},
        {},
    ],
    ids=["20 members", "longest", "all letters", "empty", "named like money", "none"],
)
async def test_metadata_that_is_kept(api: Api, merchant: Caller, metadata: dict[str, str]) -> None:
    made = await merchant.post("/v1/payments", api.order(metadata=metadata))
    assert (made.status, made.body["metadata"]) == (201, metadata)


async def test_null_metadata_counts_as_absent(api: Api, merchant: Caller) -> None:
    made = await merchant.post("/v1/payments", api.order(metadata={"a": None, "b": "x"}))
    assert (made.status, made.body["metadata"]) == (201, {"b": "x"})


@pytest.mark.parametrize(
    "options",
    [
        {f"o{n}": "v" for n in range(17)},
        {"o": "v" * 513},
        {"o": ""},
        {"a b": "v"},
        {"o" * 41: "v"},
        {"o": 1},
        {"o": "a\nb"},
    ],
    ids=str,
)
async def test_method_options_that_are_refused(
    api: Api, merchant: Caller, options: dict[str, Any]
) -> None:
    body = api.order(method="alipay_qr", method_options=options)
    await refused(api, merchant, "/v1/payments", body, "invalid_field", None)
    payment = (await merchant.post("/v1/payments", api.order())).body["id"]
    body = {"method": "alipay_qr", "method_options": options}
    await refused(api, merchant, f"/v1/payments/{payment}/confirm", body, "invalid_field", None)


# Everything else of a payment


@pytest.mark.parametrize("seconds", [0, 59, 2_592_001, -60, 2**62, "60", 60.5, True])
async def test_expires_in_has_bounds(api: Api, merchant: Caller, seconds: Any) -> None:
    body = api.order(expires_in=seconds)
    await refused(api, merchant, "/v1/payments", body, "invalid_field", "/expires_in")


@pytest.mark.parametrize("seconds", [60, 2_592_000])
async def test_the_bounds_of_expires_in(api: Api, merchant: Caller, seconds: int) -> None:
    assert (await merchant.post("/v1/payments", api.order(expires_in=seconds))).status == 201


@pytest.mark.parametrize("value", ["", "auto", "AUTOMATIC", 1, None])
async def test_capture_method(api: Api, merchant: Caller, value: Any) -> None:
    body = api.order(capture_method=value)
    if value is None:
        assert (await merchant.post("/v1/payments", body)).body["capture_method"] == "automatic"
        return
    await refused(api, merchant, "/v1/payments", body, "invalid_field", "/capture_method")


URLS_REFUSED = (
    "",
    "shop.example",
    "/back",
    "//shop.example/",
    "ftp://shop.example/",
    "javascript:alert(1)",
    "data:text/html,x",
    "file:///etc/passwd",
    "http://shop.example/",
    "http://10.0.0.1/",
    "http://169.254.169.254/latest/meta-data",
    "http://localhost.example/",
    "http://[::ffff:127.0.0.1]/",
    "http://0.0.0.0/",
    "https://user@shop.example/",
    "https://user:pass@shop.example/",
    "https://shop.example@evil.example/",
    "https://shop.example/#part",
    "https://shop.example/ a",
    "https://shop.example/\\@evil.example",
    "https://shop.example/é",
    "https://商店.example/",
    "https://shop.example:0/",
    "https://shop.example:65536/",
    "https://0x7f.1/",
    "https://127.1/",
    "https:///path",
    "https://",
    "https://shop.example/\n",
    "https://shop.example/" + "a" * (513 - len("https://shop.example/")),
)


@pytest.mark.parametrize("url", URLS_REFUSED)
async def test_urls_that_are_refused(api: Api, merchant: Caller, url: str) -> None:
    for name in ("return_url", "notify_url"):
        body = api.order(**{name: url})
        await refused(api, merchant, "/v1/payments", body, "url_not_allowed", "/" + name)
    body = {"url": url, "events": ["*"]}
    await refused(api, merchant, "/v1/webhook_endpoints", body, "url_not_allowed", "/url")


@pytest.mark.parametrize(
    "url",
    [
        "https://shop.example/" + "a" * (512 - len("https://shop.example/")),
        "https://shop.example",
        "https://shop.example:8443/back?order=1&x=%2F",
        "http://127.0.0.1:9/back",
        "http://localhost/back",
        "http://[::1]:9/back",
        "https://xn--4gq48lf9j.example/",
    ],
)
async def test_urls_that_are_kept(api: Api, merchant: Caller, url: str) -> None:
    made = await merchant.post("/v1/payments", api.order(return_url=url, notify_url=url))
    assert made.status == 201
    assert (made.body["return_url"], made.body["notify_url"]) == (url, url)


async def test_methods(api: Api, merchant: Caller) -> None:
    async with api.no_effect():
        for method in ("card", "alipay_qr2", "ALIPAY_QR", "x"):
            answer = await merchant.post("/v1/payments", api.order(method=method))
            assert (answer.status, answer.body["code"]) == (422, "unsupported_method"), method
        answer = await merchant.post("/v1/payments", api.order(method="alipay_qr", currency="JPY"))
        assert (answer.status, answer.body["code"]) == (422, "unsupported_currency")
        manual = api.order(method="alipay_qr", capture_method="manual")
        answer = await merchant.post("/v1/payments", manual)
        assert (answer.status, answer.body["code"]) == (422, "unsupported_method")
    for value in ("", "m" * 33, 1):
        body = api.order(method=value)
        await refused(api, merchant, "/v1/payments", body, "invalid_field", "/method")


# Webhook endpoints


@pytest.mark.parametrize(
    "events",
    [[], ["payment"], ["payment.*.x"], ["nothing.happened"], [""], [1], "*", ["*"] * 65, {}],
    ids=str,
)
async def test_events_that_are_refused(api: Api, merchant: Caller, events: Any) -> None:
    body = {"url": "https://a.example/", "events": events}
    await refused(api, merchant, "/v1/webhook_endpoints", body, "invalid_field", None)


async def test_sixteen_endpoints(api: Api) -> None:
    owner = await api.new_merchant()
    for number in range(16):
        body = {"url": f"https://a.example/{number}", "events": ["payment.*"]}
        assert (await owner.post("/v1/webhook_endpoints", body)).status == 201
    body = {"url": "https://a.example/16", "events": ["payment.*"]}
    async with api.no_effect():
        answer = await owner.post("/v1/webhook_endpoints", body)
        assert (answer.status, answer.body["code"]) == (409, "too_many_endpoints")


@pytest.mark.parametrize("overlap", [-1, 604_801, "1", 1.5])
async def test_overlaps_that_are_refused(api: Api, merchant: Caller, overlap: Any) -> None:
    target = "/v1/notify_secret/rotate"
    await refused(api, merchant, target, {"overlap_s": overlap}, "invalid_field", "/overlap_s")
