"""Lists: pages, filters, cursors, and the one object of a number."""

from typing import Any

import pytest

from tests.api.conftest import Api, Caller

COLLECTIONS = (
    "/v1/payments",
    "/v1/refunds",
    "/v1/events",
    "/v1/balance/transactions",
    "/v1/webhook_endpoints",
)
PAGED = ("/v1/payments", "/v1/refunds", "/v1/balance/transactions", "/v1/events")


async def refused(caller: Caller, target: str, code: str, param: str | None = None) -> None:
    answer = await caller.get(target)
    assert (answer.status, answer.body["code"]) == (400, code), (target, answer)
    if param is not None:
        assert answer.body["param"] == param


@pytest.mark.parametrize("collection", COLLECTIONS)
async def test_an_empty_list(api: Api, collection: str) -> None:
    owner = await api.new_merchant(scopes=["payments.read", "reports.read", "webhooks.write"])
    answer = await owner.get(collection)
    assert answer.body == {"data": [], "has_more": False, "next_cursor": None}


@pytest.mark.parametrize("collection", PAGED)
@pytest.mark.parametrize(
    "limit", ["0", "101", "-1", "x", "", "1.0", "1e1", "01", "+1", "%EF%BC%91", "9" * 30, "1%00"]
)
async def test_limits_that_are_refused(merchant: Caller, collection: str, limit: str) -> None:
    code = "malformed_request" if limit == "1%00" else "invalid_field"
    await refused(merchant, f"{collection}?limit={limit}", code)


@pytest.mark.parametrize("collection", COLLECTIONS)
async def test_parameters_that_are_refused(merchant: Caller, collection: str) -> None:
    await refused(merchant, collection + "?colour=red", "unknown_field", "/colour")
    await refused(merchant, collection + "?LIMIT=1", "unknown_field", "/LIMIT")
    await refused(merchant, collection + "?a%2Fb=1", "unknown_field", "/a~1b")
    await refused(merchant, collection + "?limit", "malformed_request")
    await refused(merchant, collection + "?limit=%FF", "malformed_request")
    await refused(merchant, collection + "?limit=%ED%A0%80", "malformed_request")
    many = "&".join(f"a{n}=1" for n in range(100))
    await refused(merchant, f"{collection}?{many}", "malformed_request")
    if collection in PAGED:
        await refused(merchant, collection + "?limit=1&limit=2", "malformed_request", "/limit")


MOMENTS_REFUSED = (
    "",
    "x",
    "2026-11-22",
    "2026-11-22T08:00:00",
    "2026-11-22T08:00:00z",
    "2026-11-22t08:00:00Z",
    "2026-11-22%2008:00:00Z",
    "2026-11-22T08:00:00%2B00:00",
    "2026-11-22T08:00Z",
    "2026-11-22T08:00:00.Z",
    "2026-11-22T08:00:00.1234567Z",
    "2026-13-01T00:00:00Z",
    "2026-02-30T00:00:00Z",
    "2026-11-22T25:00:00Z",
    "2026-11-22T08:60:00Z",
    "0000-01-01T00:00:00Z",
    "10000-01-01T00:00:00Z",
    "1700000000",
    "%EF%BC%92026-11-22T08:00:00Z",
)


@pytest.mark.parametrize("name", ["created_from", "created_to"])
async def test_moments_that_are_refused(merchant: Caller, name: str) -> None:
    for moment in MOMENTS_REFUSED:
        for collection in ("/v1/payments", "/v1/refunds"):
            target = f"{collection}?{name}={moment}"
            await refused(merchant, target, "invalid_field", "/" + name)


@pytest.mark.parametrize(
    "moment", ["0001-01-01T00:00:00Z", "1969-12-31T23:59:59Z", "9999-12-31T23:59:59.999999Z"]
)
async def test_moments_at_the_ends_of_time(merchant: Caller, moment: str) -> None:
    for collection in ("/v1/payments", "/v1/refunds"):
        for name in ("created_from", "created_to"):
            assert (await merchant.get(f"{collection}?{name}={moment}")).status == 200


async def test_from_is_inclusive_and_to_is_exclusive(api: Api) -> None:
    owner = await api.new_merchant()
    made = (await owner.post("/v1/payments", api.order())).body
    at = made["created_at"]

    async def found(query: str) -> list[Any]:
        return (await owner.get("/v1/payments?" + query)).body["data"]

    assert await found(f"created_from={at}") == [made]
    assert await found(f"created_to={at}") == []
    assert await found(f"created_from={at}&created_to={at}") == []
    assert await found("created_to=9999-01-01T00:00:00Z") == [made]
    assert await found("status=requires_payment_method") == [made]
    assert await found("status=succeeded") == []


async def test_filters_that_are_refused(merchant: Caller) -> None:
    await refused(merchant, "/v1/payments?status=paid", "invalid_field", "/status")
    await refused(merchant, "/v1/payments?status=", "invalid_field", "/status")
    await refused(merchant, "/v1/refunds?status=x", "invalid_field", "/status")
    await refused(merchant, "/v1/refunds?payment_id=x", "invalid_field", "/payment_id")
    await refused(merchant, "/v1/events?after=-1", "invalid_field", "/after")
    await refused(merchant, "/v1/events?types=x", "invalid_field", "/types")
    await refused(
        merchant, "/v1/balance/transactions?account=suspense", "invalid_field", "/account"
    )
    await refused(
        merchant, "/v1/balance/transactions?currency=cny", "invalid_currency", "/currency"
    )
    await refused(merchant, "/v1/payments?merchant_order_no=A&limit=1", "invalid_field")
    both = "/v1/payments?merchant_order_no=A&channel_order_no=B"
    await refused(merchant, both, "invalid_field")


@pytest.mark.parametrize(
    "query",
    [
        "/v1/payments?merchant_order_no=none",
        "/v1/payments?merchant_order_no=",
        "/v1/payments?merchant_order_no=%E8%AE%A2",
        "/v1/payments?merchant_order_no=" + "a" * 5000,
        "/v1/payments?merchant_order_no='%20or%201=1--",
        "/v1/payments?channel_order_no=none",
        "/v1/payments?channel_order_no=",
        "/v1/refunds?merchant_refund_no=none",
    ],
    ids=lambda each: each[:60],
)
async def test_a_number_that_is_nobodys(merchant: Caller, query: str) -> None:
    answer = await merchant.get(query)
    assert (answer.status, answer.body["code"]) == (404, "not_found")


async def test_a_number_with_nul_is_malformed(merchant: Caller) -> None:
    for query in (
        "/v1/payments?merchant_order_no=%00",
        "/v1/payments?channel_order_no=a%00b",
        "/v1/refunds?merchant_refund_no=%00",
    ):
        await refused(merchant, query, "malformed_request")


# Cursors


async def _three_payments(api: Api) -> Caller:
    owner = await api.new_merchant()
    for _ in range(3):
        assert (await owner.post("/v1/payments", api.order())).status == 201
    return owner


async def test_a_cursor_belongs_to_merchant_path_and_filter(api: Api, merchant: Caller) -> None:
    owner = await _three_payments(api)
    page = (await owner.get("/v1/payments?limit=1")).body
    cursor = page["next_cursor"]
    assert page["has_more"] is True and cursor
    second = await owner.get(f"/v1/payments?limit=2&cursor={cursor}")
    assert (second.status, second.body["has_more"]) == (200, False)
    for caller, target in (
        (merchant, f"/v1/payments?limit=1&cursor={cursor}"),
        (owner, f"/v1/refunds?cursor={cursor}"),
        (owner, f"/v1/balance/transactions?cursor={cursor}"),
        (owner, f"/v1/payments?status=failed&cursor={cursor}"),
        (owner, f"/v1/payments?created_from=2020-01-01T00:00:00Z&cursor={cursor}"),
    ):
        await refused(caller, target, "invalid_cursor", "/cursor")


@pytest.mark.parametrize("collection", ["/v1/payments", "/v1/refunds", "/v1/balance/transactions"])
async def test_cursors_that_nobody_made(api: Api, collection: str) -> None:
    owner = await _three_payments(api)
    cursor = (await owner.get("/v1/payments?limit=1")).body["next_cursor"]
    turned = ("B" if cursor[0] == "A" else "A") + cursor[1:]
    for each in ("", "x", "=", "AAAA", turned, cursor + "A", cursor[:-4], "%E8", "%00", "A" * 7000):
        answer = await owner.get(f"{collection}?cursor={each}")
        assert answer.status == 400
        assert answer.body["code"] in ("invalid_cursor", "malformed_request")
