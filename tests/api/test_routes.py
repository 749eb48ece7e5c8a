"""Paths, methods and ids: what leads nowhere is one answer, whoever asks and whatever exists."""

import json

import pytest

from tests.api.conftest import Api, Caller, ask, request_bytes, without_names

ABSENT = {
    "pay": "pay_01jd3xk1vvfr0anyb1ngk00000",
    "rfd": "rfd_01jd3xk1vvfr0anyb1ngk00000",
}
NOWHERE = (
    "/",
    "/v1",
    "/v1/",
    "/v2/payments",
    "/v1/payments/",
    "//v1/payments",
    "/v1//payments",
    "/V1/payments",
    "/v1/Payments",
    "/v1/./payments",
    "/v1/x/../payments",
    "/v1/payments%2F",
    "/v1/%70ayments",
    "/v1/payments;a=b",
    "/v1/payments/x/y/z",
    "/v1/payments/pay_x/refunds",
    "/admin",
    "/admin/v1",
    "/.env",
    "/metrics",
    "/" + "a" * 4000,
    "/a" * 100,
)


@pytest.mark.parametrize("target", NOWHERE, ids=lambda each: each[:40])
async def test_unknown_paths(api: Api, merchant: Caller, target: str) -> None:
    for method in ("GET", "POST"):
        answer = await ask(api.world, request_bytes(merchant, method, target))
        assert (answer.status, answer.code) == (404, "not_found")
        assert json.loads(answer.body)["instance"] == target.partition("?")[0]


@pytest.mark.parametrize(
    ("target", "methods", "allow"),
    [
        ("/v1/payments", ("PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"), "GET, POST"),
        ("/v1/payments/pay_x", ("POST", "PUT", "PATCH", "DELETE", "HEAD"), "GET"),
        ("/v1/payments/pay_x/cancel", ("GET", "PUT", "DELETE"), "POST"),
        ("/v1/webhook_endpoints/whe_x", ("PUT", "PATCH", "HEAD"), "DELETE, GET, POST"),
        ("/v1/balance", ("POST", "TRACE", "PURGE"), "GET"),
        ("/openapi.json", ("POST", "HEAD", "OPTIONS"), "GET"),
    ],
)
async def test_wrong_methods(
    api: Api, merchant: Caller, target: str, methods: tuple[str, ...], allow: str
) -> None:
    async with api.no_effect():
        for method in methods:
            if method == "HEAD":
                signed = {"Authorization": merchant.authorization("HEAD", target, b"")}
                async with merchant.session.head(merchant.base + target, headers=signed) as head:
                    assert (head.status, head.headers["Allow"]) == (405, allow)
                continue
            answer = await merchant.send(method, target)
            assert (answer.status, answer.body["code"]) == (405, "method_not_allowed")
            assert answer.headers["Allow"] == allow


ILL_FORMED = (
    "x",
    "pay_",
    "pay_01jd3xk1vvfr0anyb1ngk0000",
    "pay_01jd3xk1vvfr0anyb1ngk000000",
    "pay_81jd3xk1vvfr0anyb1ngk00000",
    "pay_01JD3XK1VVFR0ANYB1NGK00000",
    "pay_01jd3xk1vvfr0anyb1ngk0000o",
    "pay_00000000000000000000000000",
    "rfd_01jd3xk1vvfr0anyb1ngk00000",
    "pay-01jd3xk1vvfr0anyb1ngk00000",
    "1",
    "0'OR'1'='1",
    "*",
    "null",
    "undefined",
    "pay_01jd3xk1vvfr0anyb1ngk00000.json",
)


@pytest.mark.parametrize("text", ILL_FORMED)
async def test_ill_formed_ids_are_answered_like_unknown_ones(
    api: Api, merchant: Caller, text: str
) -> None:
    async with api.no_effect():
        unknown = await merchant.get(f"/v1/payments/{ABSENT['pay']}")
        for method, target in (
            ("GET", f"/v1/payments/{text}"),
            ("GET", f"/v1/payments/{text}/timeline"),
            ("POST", f"/v1/payments/{text}/cancel"),
        ):
            answer = await merchant.send(method, target)
            assert answer.status == 404
            assert without_names(answer.body) == without_names(unknown.body)
        body = {"payment_id": text, "merchant_refund_no": "R", "amount": 1}
        answer = await merchant.post("/v1/refunds", body)
        assert answer.status == 404
        assert without_names(answer.body) == without_names(unknown.body)


async def test_every_answer_says_date_and_request_id(api: Api, merchant: Caller) -> None:
    seen = set()
    for data in (
        request_bytes(merchant, "GET", "/v1/balance"),
        request_bytes(merchant, "GET", "/nowhere"),
        request_bytes(merchant, "PUT", "/v1/balance"),
        request_bytes(merchant, "POST", "/v1/payments", b"x" * 70_000),
        request_bytes(merchant, "POST", "/v1/payments", b"[]"),
        b"GET /livez HTTP/1.1\r\nHost: t\r\n\r\n",
        b"GET /openapi.json HTTP/1.1\r\nHost: t\r\n\r\n",
        b"GET /v1/balance HTTP/1.1\r\nHost: t\r\n\r\n",
        b"nonsense\r\n\r\n",
    ):
        answer = await ask(api.world, data)
        assert answer.headers["date"].endswith(" GMT")
        seen.add(answer.headers["request-id"])
    assert len(seen) == 9
