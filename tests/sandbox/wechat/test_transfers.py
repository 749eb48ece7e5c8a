"""Transfers of the pretend WeChat Pay, which wait for the payee."""

import base64
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

BILLS = "/v3/fund-app/mch-transfer/transfer-bills"


def wanted(shop: Any, number: str = "T1", amount: int = 5000, **members: Any) -> dict[str, Any]:
    content = {
        "appid": shop.account["appid"],
        "out_bill_no": number,
        "transfer_scene_id": "1000",
        "openid": "o1",
        "transfer_amount": amount,
        "transfer_remark": "货款",
        **members,
    }
    return {name: value for name, value in content.items() if value is not None}


async def status_of(ledger: Any) -> list[str]:
    return [transfer["status"] for transfer in (await ledger())["transfers"]]


async def test_the_payee_confirms(shop: Any, pay: Any, ledger: Any, mailbox: Any) -> None:
    content = wanted(shop, notify_url=mailbox.url)
    made = await shop.call("POST", BILLS, content)
    assert made["state"] == "WAIT_USER_CONFIRM" and made["out_bill_no"] == "T1"
    assert await shop.call("POST", BILLS, content) == made
    assert await status_of(ledger) == ["processing"]
    played = await pay(made["package_info"])
    assert played == {"result": "paid", "channel_order_no": made["transfer_bill_no"]}
    found = await shop.call("GET", f"{BILLS}/out-bill-no/T1")
    assert (found["state"], found["transfer_amount"]) == ("SUCCESS", 5000)
    path = f"{BILLS}/transfer-bill-no/{made['transfer_bill_no']}"
    assert await shop.call("GET", path) == found
    envelope, plain = shop.read_notice(*await mailbox.next())
    assert envelope["event_type"] == "MCHTRANSFER.BILL.FINISHED"
    assert (plain["state"], plain["out_bill_no"], plain["transfer_amount"]) == (
        "SUCCESS",
        "T1",
        5000,
    )
    shown = (await ledger())["transfers"]
    assert len(shown) == 1
    assert (shown[0]["amount"], shown[0]["status"], shown[0]["payee"]) == (5000, "succeeded", "o1")


@pytest.mark.parametrize(("behaviour", "amount"), [("decline", 5000), ("pay", 4_440_012)])
async def test_a_transfer_may_fail(
    shop: Any, pay: Any, ledger: Any, control: Any, behaviour: str, amount: int
) -> None:
    made = await shop.call("POST", BILLS, wanted(shop, amount=amount, user_name=name(shop)))
    assert (await pay(made["package_info"], "ignore"))["result"] == "ignored"
    assert (await pay(made["package_info"], behaviour))["result"] == "declined"
    found = await shop.call("GET", f"{BILLS}/out-bill-no/T1")
    assert found["state"] == "FAIL" and found["fail_reason"]
    assert await status_of(ledger) == ["failed"]
    again = await control("POST", "/payer/pay", {"code": made["package_info"]})
    assert again[0] == 409


async def test_the_payees_page_shows_it(shop: Any, http: Any, sandbox: Any) -> None:
    made = await shop.call("POST", BILLS, wanted(shop))
    query = {"code": made["package_info"]}
    async with http.get(f"{sandbox.url}/payer", params=query) as response:
        page = await response.text()
    assert response.status == 200 and "货款" in page and "50.00" in page


async def test_an_unconfirmed_one_fails_after_a_day(
    shop: Any, clock: Any, sandbox: Any, ledger: Any
) -> None:
    await shop.call("POST", BILLS, wanted(shop))
    clock.advance(hours=23, minutes=59)
    await sandbox.run_due()
    assert await status_of(ledger) == ["processing"]
    clock.advance(minutes=1)
    await sandbox.run_due()
    found = await shop.call("GET", f"{BILLS}/out-bill-no/T1")
    assert (found["state"], found["fail_reason"]) == ("FAIL", "OVERDUE_CLOSE")


async def test_it_can_be_taken_back(shop: Any, pay: Any, ledger: Any, control: Any) -> None:
    made = await shop.call("POST", BILLS, wanted(shop))
    cancel = f"{BILLS}/out-bill-no/T1/cancel"
    for _ in range(2):
        assert (await shop.call("POST", cancel))["state"] == "CANCELLED"
    assert (await control("POST", "/payer/pay", {"code": made["package_info"]}))[0] == 409
    other = await shop.call("POST", BILLS, wanted(shop, "T2"))
    await pay(other["package_info"])
    late = f"{BILLS}/out-bill-no/T2/cancel"
    assert await shop.code("POST", late) == (400, "INVALID_REQUEST")
    missing = f"{BILLS}/out-bill-no/T3/cancel"
    assert await shop.code("POST", missing) == (404, "NOT_FOUND")
    assert await status_of(ledger) == ["failed", "succeeded"]


def name(shop: Any, named: str = "public_key_id") -> str:
    key = shop.keys[shop.account[named]]
    oaep = padding.OAEP(mgf=padding.MGF1(hashes.SHA1()), algorithm=hashes.SHA1(), label=None)
    return base64.b64encode(key.encrypt("张三".encode(), oaep)).decode()


async def test_a_name_is_sealed_under_the_key_that_is_named(shop: Any) -> None:
    right = wanted(shop, "T1", 200_000, user_name=name(shop))
    await shop.call("POST", BILLS, right)
    await shop.call("POST", BILLS, right | {"user_name": name(shop)})  # another seal, same name
    shop.mode = "certificate"
    sealed = name(shop, "platform_serial")
    await shop.call("POST", BILLS, wanted(shop, "T2", 200_000, user_name=sealed))
    for spoiled in (name(shop), "AAAA", "not base64", None):
        content = wanted(shop, "T3", 200_000, user_name=spoiled)
        assert await shop.code("POST", BILLS, content) == (400, "PARAM_ERROR")
    shop.mode = None
    content = wanted(shop, "T3", user_name=sealed)
    assert await shop.code("POST", BILLS, content) == (400, "PARAM_ERROR")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"out_bill_no": None}, "PARAM_ERROR"),
        ({"out_bill_no": "T_1"}, "PARAM_ERROR"),
        ({"transfer_amount": 9}, "PARAM_ERROR"),
        ({"transfer_amount": "5000"}, "PARAM_ERROR"),
        ({"openid": None}, "PARAM_ERROR"),
        ({"transfer_remark": None}, "PARAM_ERROR"),
        ({"transfer_remark": "长" * 33}, "PARAM_ERROR"),
        ({"transfer_scene_id": None}, "PARAM_ERROR"),
        ({"transfer_amount": 200_000}, "PARAM_ERROR"),
        ({"appid": "wx00"}, "APPID_MCHID_NOT_MATCH"),
    ],
)
async def test_what_is_refused(shop: Any, ledger: Any, changes: dict, code: str) -> None:
    content = {name: value for name, value in (wanted(shop) | changes).items() if value is not None}
    assert await shop.code("POST", BILLS, content) == (400, code)
    assert await status_of(ledger) == []


async def test_other_content_under_the_same_number(shop: Any) -> None:
    await shop.call("POST", BILLS, wanted(shop))
    other = wanted(shop, amount=5001)
    assert await shop.code("POST", BILLS, other) == (400, "INVALID_REQUEST")
    short = wanted(shop, "T2", 4_440_011, user_name=name(shop))
    assert await shop.code("POST", BILLS, short) == (403, "NOT_ENOUGH")
    for path in ("out-bill-no/T2", "transfer-bill-no/1330"):
        assert await shop.code("GET", f"{BILLS}/{path}") == (404, "NOT_FOUND")
