"""Payment intents, refunds and balance transactions of the pretend Stripe."""

from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from gateway.sandbox.card.cards import CARDS

HELD = {"capture_method": "manual"}
SECURE = {"return_url": "https://shop.example/back?a=b"}


async def test_a_payment_that_works(client: Any, book: Any) -> None:
    metadata = {"metadata[attempt_no]": "A1", "metadata[x]": "ä"}
    intent = await client.paid(description="书", **metadata, **{"expand[]": "latest_charge"})
    assert intent["amount"] == intent["amount_received"] == 1234
    assert intent["metadata"] == {"attempt_no": "A1", "x": "ä"}
    assert intent["latest_charge"]["captured"] is True
    shown = (await book())["orders"]
    assert shown == [
        {
            "out_trade_no": "A1",
            "channel_order_no": intent["id"],
            "amount": 1234,
            "currency": "EUR",
            "status": "paid",
            "refunded": 0,
        }
    ]
    again = await client.call("GET", f"/payment_intents/{intent['id']}")
    assert again.body == intent | {"latest_charge": intent["latest_charge"]["id"]}


@pytest.mark.parametrize("name", sorted(CARDS))
async def test_each_card_does_what_its_name_says(client: Any, name: str) -> None:
    answer = await client.pay(name, **SECURE)
    card = CARDS[name]
    if card.authenticates:
        assert (answer.status, answer.body["status"]) == (200, "requires_action")
    elif card.decline is None:
        assert (answer.status, answer.body["status"]) == (200, "succeeded")
    else:
        error = answer.error
        assert (answer.status, error["type"]) == (402, "card_error")
        assert (error["code"], error["decline_code"]) == card.decline
        failed = error["payment_intent"]
        assert (failed["status"], failed["amount_received"]) == ("requires_payment_method", 0)
        assert failed["last_payment_error"]["decline_code"] == card.decline.decline_code


@pytest.mark.parametrize(
    ("changes", "code", "param"),
    [
        ({"amount": None}, "parameter_missing", "amount"),
        ({"amount": "0"}, "amount_too_small", "amount"),
        ({"amount": "12.34"}, "parameter_invalid_integer", "amount"),
        ({"currency": None}, "parameter_missing", "currency"),
        ({"currency": "euros"}, None, "currency"),
        ({"payment_method": None}, "parameter_missing", "payment_method"),
        ({"payment_method": "pm_unknown"}, "resource_missing", "payment_method"),
        ({"payment_method": "4242424242424242"}, "resource_missing", "payment_method"),
        ({"payment_method_data[type]": "card"}, "parameter_unknown", "payment_method_data"),
        ({"capture_method": "later"}, None, "capture_method"),
        ({"confirm": "yes"}, None, "confirm"),
        ({"customer": "cus_1"}, "parameter_unknown", "customer"),
        ({"allowed_payment_method_types[]": "ideal"}, None, "allowed_payment_method_types"),
        (
            {"payment_method_types[]": "card"},
            "payment_method_types_no_longer_supported",
            "payment_method_types",
        ),
        ({"return_url": "not a url"}, "url_invalid", "return_url"),
        ({"expand[]": "customer"}, None, "expand"),
        ({"confirm": "false", "return_url": "https://shop.example/"}, None, "return_url"),
        ({"confirm": "false", "off_session": "true"}, None, "off_session"),
    ],
)
async def test_what_stripe_would_refuse_is_refused_without_effect(
    client: Any, book: Any, changes: dict[str, Any], code: str | None, param: str
) -> None:
    answer = await client.pay(**changes)
    assert answer.status == 400
    assert (answer.error.get("code"), answer.error["param"]) == (code, param)
    assert "4242424242424242" not in str(answer.body)
    assert (await book())["orders"] == []


async def test_an_older_version_says_types_in_its_own_word(client: Any, http: Any) -> None:
    url = client.account["gateway_url"] + "/v1/payment_intents"
    form = {"amount": "1", "currency": "eur", "payment_method_types[]": "card"}
    headers = {"Authorization": f"Bearer {client.account['secret_key']}"}
    for version, status in (("2024-06-20", 200), ("2026-10-28.endive", 400)):
        named = headers | {"Stripe-Version": version}
        async with http.post(url, data=form, headers=named) as response:
            assert response.status == status


async def test_two_steps(client: Any, book: Any) -> None:
    made = (await client.pay(None, confirm=None)).body
    assert made["status"] == "requires_payment_method"
    path = f"/payment_intents/{made['id']}/confirm"
    assert (await client.call("POST", path)).error["param"] == "payment_method"
    refused = await client.call("POST", path, {"payment_method": "pm_card_chargeDeclined"})
    assert refused.status == 402
    done = await client.call("POST", path, {"payment_method": "pm_card_visa"})
    assert (done.status, done.body["status"]) == (200, "succeeded")
    assert done.body["last_payment_error"] is None
    over = await client.call("POST", path, {"payment_method": "pm_card_visa"})
    assert over.error["code"] == "payment_intent_unexpected_state"
    assert over.error["payment_intent"]["status"] == "succeeded"
    assert [order["out_trade_no"] for order in (await book())["orders"]] == [made["id"]]


async def test_a_hold_is_captured_in_part_once(client: Any, book: Any) -> None:
    held = (await client.pay(**HELD, **{"expand[]": "latest_charge"})).body
    assert (held["status"], held["amount_capturable"]) == ("requires_capture", 1234)
    details = held["latest_charge"]["payment_method_details"]
    assert details["card"]["capture_before"] - held["created"] == 7 * 86_400
    assert (await book())["orders"][0]["status"] == "open"
    path = f"/payment_intents/{held['id']}/capture"
    over = await client.call("POST", path, {"amount_to_capture": "1235"})
    assert over.error["code"] == "amount_too_large"
    many = await client.call("POST", path, {"final_capture": "false"})
    assert (many.status, many.error["param"]) == (400, "final_capture")
    part = {"amount_to_capture": "1000", "metadata[capture_no]": "C1"}
    done = (await client.call("POST", path, part)).body
    assert (done["status"], done["amount_received"], done["amount_capturable"]) == (
        "succeeded",
        1000,
        0,
    )
    assert done["metadata"] == {"capture_no": "C1"}
    again = await client.call("POST", path, part)
    assert again.error["code"] == "payment_intent_unexpected_state"
    order = (await book())["orders"][0]
    assert (order["amount"], order["status"]) == (1000, "paid")


async def test_what_can_be_canceled(client: Any, book: Any) -> None:
    unpaid = (await client.pay(None, confirm=None)).body
    held = (await client.pay(**HELD)).body
    waiting = (await client.pay("pm_card_authenticationRequired", **SECURE)).body
    reason = {"cancellation_reason": "abandoned"}
    for intent in (unpaid, held, waiting):
        path = f"/payment_intents/{intent['id']}/cancel"
        done = await client.call("POST", path, reason)
        assert (done.body["status"], done.body["cancellation_reason"]) == ("canceled", "abandoned")
        again = await client.call("POST", path)
        assert again.error["payment_intent"]["status"] == "canceled"
    paid = await client.paid()
    refused = await client.call("POST", f"/payment_intents/{paid['id']}/cancel")
    assert refused.error["payment_intent"]["status"] == "succeeded"
    statuses = [order["status"] for order in (await book())["orders"]]
    assert statuses == ["closed", "closed", "closed", "paid"]


async def test_a_hold_is_let_go_after_seven_days(client: Any, clock: Any, sandbox: Any) -> None:
    held = (await client.pay(**HELD)).body
    clock.advance(days=6, hours=23)
    await sandbox.run_due()
    path = f"/payment_intents/{held['id']}"
    assert (await client.call("GET", path)).body["status"] == "requires_capture"
    clock.advance(hours=1)
    late = await client.call("POST", path + "/capture")
    assert late.error["payment_intent"]["status"] == "canceled"
    assert late.error["payment_intent"]["cancellation_reason"] == "expired"
    held = (await client.pay(**HELD)).body
    clock.advance(days=7)
    assert "end card holds and pending refunds" in [ran.what for ran in await sandbox.run_due()]


async def test_another_accounts_objects_do_not_exist(
    client: Any, sandbox: Any, open_client: Any
) -> None:
    intent = await client.paid()
    refund = (await client.call("POST", "/refunds", {"payment_intent": intent["id"]})).body
    stranger = await open_client(sandbox.url)
    for path in (f"/payment_intents/{intent['id']}", f"/refunds/{refund['id']}"):
        answer = await stranger.call("GET", path)
        assert (answer.status, answer.error["code"]) == (404, "resource_missing")
    for path in ("/payment_intents", "/refunds", "/balance_transactions"):
        assert (await stranger.call("GET", path)).body["data"] == []
    taken = await stranger.call("POST", "/refunds", {"payment_intent": intent["id"]})
    assert taken.error["code"] == "resource_missing"


async def test_lists_are_newest_first_and_paged(client: Any, clock: Any) -> None:
    made = []
    for number in range(5):
        made.append((await client.paid(**{"metadata[n]": number}))["id"])
        clock.advance(seconds=10)
    newest = made[::-1]

    async def listed(**parameters: Any) -> tuple[list[str], bool]:
        body = (await client.call("GET", "/payment_intents", parameters)).body
        assert body["object"] == "list"
        return [each["id"] for each in body["data"]], body["has_more"]

    assert await listed() == (newest, False)
    assert await listed(limit=2) == (newest[:2], True)
    assert await listed(limit=2, starting_after=newest[1]) == (newest[2:4], True)
    assert await listed(limit=3, starting_after=newest[1]) == (newest[2:], False)
    assert await listed(limit=2, ending_before=newest[3]) == (newest[1:3], True)
    first = (await client.call("GET", f"/payment_intents/{made[0]}")).body["created"]
    assert await listed(**{"created[gte]": first + 10}) == (newest[:4], False)
    assert await listed(**{"created[lt]": first + 10}) == (newest[4:], False)
    assert await listed(created=first) == (newest[4:], False)
    for bad in ({"limit": 101}, {"limit": 0}, {"customer": "x"}):
        assert (await client.call("GET", "/payment_intents", bad)).status == 400


# --- 3-D Secure -----------------------------------------------------------------------------------


async def secured(client: Any, card: str = "pm_card_threeDSecure2Required", **more: Any) -> Any:
    answer = await client.pay(card, **(SECURE | more))
    assert (answer.status, answer.body["status"]) == (200, "requires_action")
    return answer.body, answer.body["next_action"]["redirect_to_url"]["url"]


async def test_the_payer_is_authenticated_on_the_banks_page(
    client: Any, http: Any, control: Any, book: Any
) -> None:
    intent, url = await secured(client, description="一本书")
    assert (await book())["orders"][0]["status"] == "open"
    async with http.get(url) as page:
        text = await page.text()
        assert page.url.path == "/payer" and "一本书" in text and "EUR 12.34" in text
        form = {"code": page.url.query["code"], "behaviour": "pay"}
    async with http.post(page.url.with_query(None), data=form) as done:
        assert done.status == 200
    paid = (await client.call("GET", f"/payment_intents/{intent['id']}")).body
    assert (paid["status"], paid["next_action"]) == ("succeeded", None)
    async with http.get(url, allow_redirects=False) as back:
        told = dict(parse_qsl(urlsplit(back.headers["Location"]).query))
    assert back.headers["Location"].startswith("https://shop.example/back?a=b&payment_intent=")
    assert told["redirect_status"] == "succeeded" and told["payment_intent"] == intent["id"]
    assert (await control("POST", "/payer/pay", {"code": url}))[0] == 409


@pytest.mark.parametrize(
    ("card", "behaviour", "result", "status"),
    [
        ("pm_card_authenticationRequired", "pay", "paid", "succeeded"),
        ("pm_card_authenticationRequired", "decline", "declined", "requires_payment_method"),
        ("pm_card_authenticationRequired", "ignore", "ignored", "requires_action"),
        (
            "pm_card_authenticationRequiredChargeDeclinedInsufficientFunds",
            "pay",
            "declined",
            "requires_payment_method",
        ),
    ],
)
async def test_what_the_payer_does_is_what_comes_of_it(
    client: Any, control: Any, card: str, behaviour: str, result: str, status: str
) -> None:
    intent, url = await secured(client, card)
    played = await control("POST", "/payer/pay", {"code": url, "behaviour": behaviour})
    assert played[1]["result"] == result
    now = (await client.call("GET", f"/payment_intents/{intent['id']}")).body
    assert now["status"] == status
    if behaviour == "decline":
        assert now["last_payment_error"]["code"] == "payment_intent_authentication_failure"


async def test_a_payer_can_authorize_a_hold(client: Any, control: Any) -> None:
    intent, url = await secured(client, **HELD)
    assert (await control("POST", "/payer/pay", {"code": url, "amount": 1}))[0] == 400
    assert (await control("POST", "/payer/pay", {"code": url}))[1]["result"] == "paid"
    now = (await client.call("GET", f"/payment_intents/{intent['id']}")).body
    assert now["status"] == "requires_capture"


async def test_without_a_way_back_there_is_no_redirect(client: Any) -> None:
    card = "pm_card_authenticationRequired"
    waiting = (await client.pay(card)).body
    assert waiting["next_action"]["type"] == "use_stripe_sdk"
    refused = await client.pay(card, error_on_requires_action="true")
    assert (refused.status, refused.error["code"]) == (402, "authentication_required")


# --- refunds, balance -----------------------------------------------------------------------------


async def test_never_more_is_given_back_than_was_taken(client: Any, book: Any) -> None:
    intent = await client.paid(**{"metadata[attempt_no]": "A1"})
    part = {"payment_intent": intent["id"], "amount": 1000, "metadata[refund_no]": "R1"}
    refund = (await client.call("POST", "/refunds", part)).body
    assert (refund["status"], refund["amount"]) == ("succeeded", 1000)
    over = await client.call("POST", "/refunds", part | {"amount": 235})
    assert over.error["code"] == "amount_too_large"
    rest = await client.call("POST", "/refunds", {"charge": intent["latest_charge"]})
    assert rest.body["amount"] == 234
    none = await client.call("POST", "/refunds", {"charge": intent["latest_charge"]})
    assert none.error["code"] == "charge_already_refunded"
    shown = await book()
    assert shown["orders"][0]["refunded"] == 1234
    assert [(r["out_refund_no"], r["amount"]) for r in shown["refunds"]] == [
        ("R1", 1000),
        (rest.body["id"], 234),
    ]
    listed = await client.call("GET", "/refunds", {"payment_intent": intent["id"]})
    assert [each["id"] for each in listed.body["data"]] == [rest.body["id"], refund["id"]]
    assert (await client.call("GET", f"/refunds/{refund['id']}")).body == refund


@pytest.mark.parametrize(
    ("parameters", "status"),
    [
        ({}, 400),
        ({"payment_intent": "pi_unknown"}, 404),
        ({"charge": "ch_unknown"}, 404),
        ({"payment_intent": "{id}", "charge": "{charge}"}, 400),
        ({"payment_intent": "{charge}"}, 404),
        ({"payment_intent": "{id}", "amount": 0}, 400),
        ({"payment_intent": "{id}", "reason": "broken"}, 400),
        ({"payment_intent": "{id}", "currency": "eur"}, 400),
    ],
)
async def test_refunds_that_are_none(
    client: Any, book: Any, parameters: dict[str, Any], status: int
) -> None:
    intent = await client.paid()
    known = {"id": intent["id"], "charge": intent["latest_charge"]}
    wanted = {name: str(value).format(**known) for name, value in parameters.items()}
    assert (await client.call("POST", "/refunds", wanted)).status == status
    held = (await client.pay(**HELD)).body
    early = await client.call("POST", "/refunds", {"payment_intent": held["id"]})
    assert early.status == 400
    assert (await book())["refunds"] == []


@pytest.mark.parametrize(
    ("card", "status", "refunded"),
    [("pm_card_pendingRefund", "succeeded", 1234), ("pm_card_refundFail", "failed", 0)],
)
async def test_a_pending_refund_is_promised_and_then_concluded(
    client: Any, clock: Any, sandbox: Any, book: Any, card: str, status: str, refunded: int
) -> None:
    intent = await client.paid(card)
    refund = (await client.call("POST", "/refunds", {"payment_intent": intent["id"]})).body
    assert refund["status"] == "pending"
    assert (await book())["orders"][0]["refunded"] == 0
    again = await client.call("POST", "/refunds", {"payment_intent": intent["id"]})
    assert again.error["code"] == "charge_already_refunded"
    clock.advance(seconds=3)
    await sandbox.run_due()
    now = (await client.call("GET", f"/refunds/{refund['id']}")).body
    assert now["status"] == status
    assert (await book())["orders"][0]["refunded"] == refunded


async def test_the_balance_tells_every_movement(client: Any) -> None:
    intent = await client.paid(amount="10000")
    held = (await client.pay(**HELD)).body
    refund = (
        await client.call("POST", "/refunds", {"payment_intent": intent["id"], "amount": 500})
    ).body
    body = (await client.call("GET", "/balance_transactions")).body
    rows = [
        (row["type"], row["amount"], row["fee"], row["net"], row["source"]) for row in body["data"]
    ]
    assert rows == [
        ("refund", -500, 0, -500, refund["id"]),
        ("charge", 10000, 290, 9710, intent["latest_charge"]),
    ]
    await client.call("POST", f"/payment_intents/{held['id']}/capture")
    charges = await client.call("GET", "/balance_transactions", {"type": "charge", "limit": 1})
    assert (charges.body["data"][0]["amount"], charges.body["has_more"]) == (1234, True)
    one = body["data"][0]
    assert (await client.call("GET", f"/balance_transactions/{one['id']}")).body == one
    assert (await client.call("GET", "/balance_transactions/txn_unknown")).status == 404
