"""Notifications of the pretend WeChat Pay: sealed, signed, repeated, and spoiled on order."""

import json
from typing import Any

import pytest

from .conftest import opened


async def test_a_payment_is_told(shop: Any, pay: Any, mailbox: Any) -> None:
    code = await shop.native("A-1", notify_url=mailbox.url, attach="书架")
    await pay(code)
    headers, body = await mailbox.next()
    envelope, plain = shop.read_notice(headers, body)
    assert plain == await shop.query("A-1")
    resource = envelope.pop("resource")
    assert envelope.pop("id") and envelope == {
        "create_time": "2026-11-22T12:00:00+08:00",
        "resource_type": "encrypt-resource",
        "event_type": "TRANSACTION.SUCCESS",
        "summary": "支付成功",
    }
    assert resource["algorithm"] == "AEAD_AES_256_GCM" and len(resource["nonce"]) == 12
    assert resource["original_type"] == "transaction"
    assert mailbox.got.empty()


async def test_a_refund_is_told_at_its_own_address(shop: Any, pay: Any, mailbox: Any) -> None:
    await pay(await shop.native("A-1"))
    content = shop.refunding("A-1", "R-1", 1000, 1234, notify_url=mailbox.url)
    await shop.call("POST", "/v3/refund/domestic/refunds", content)
    envelope, plain = shop.read_notice(*await mailbox.next())
    assert envelope["event_type"] == "REFUND.SUCCESS"
    assert plain["amount"]["refund"] == 1000 and plain["mchid"] == shop.account["mchid"]
    assert "appid" not in plain


async def test_a_payers_code_is_not_told(shop: Any, ledger: Any) -> None:
    content = shop.charge("A-1", 5, "134567890123456789")
    await shop.call("POST", "/v3/pay/transactions/codepay", content)
    assert (await ledger())["orders"][0]["status"] == "paid"


async def test_it_is_repeated_until_it_is_accepted(
    shop: Any, pay: Any, mailbox: Any, clock: Any, sandbox: Any
) -> None:
    mailbox.script = [500, 302, 401, 200]
    await pay(await shop.native("A-1", notify_url=mailbox.url))
    await sandbox.run_due()
    first = shop.read_notice(*await mailbox.next())
    seen = {first[0]["id"]}
    for seconds in (1, 2, 4):
        clock.advance(seconds=seconds)
        await sandbox.run_due()
        envelope, plain = shop.read_notice(*await mailbox.next())
        assert plain == first[1]
        seen.add(envelope["id"])
    assert len(seen) == 1
    clock.advance(hours=2)
    await sandbox.run_due()
    assert mailbox.got.empty()


@pytest.mark.parametrize("kind", ["bad_signature", "wrong_amount"])
async def test_a_spoiled_one_is_repeated_rightly(
    shop: Any, pay: Any, spoil: Any, mailbox: Any, clock: Any, sandbox: Any, kind: str
) -> None:
    await spoil("notify", kind)
    mailbox.script = [500]
    await pay(await shop.native("A-1", notify_url=mailbox.url))
    await sandbox.run_due()
    headers, body = await mailbox.next()
    lower = {name.lower(): value for name, value in headers.items()}
    assert shop.is_right(lower, body) is (kind == "wrong_amount")
    plain = json.loads(opened(json.loads(body)["resource"], shop.account["apiv3_key"]))
    assert plain["amount"]["total"] == (1235 if kind == "wrong_amount" else 1234)
    clock.advance(seconds=1)
    await sandbox.run_due()
    assert shop.read_notice(*await mailbox.next())[1]["amount"]["total"] == 1234


@pytest.mark.parametrize("total", [4_440_003, 4_440_004, 4_440_006])
async def test_magic_amounts_spoil_the_first_only(
    shop: Any, pay: Any, mailbox: Any, clock: Any, sandbox: Any, total: int
) -> None:
    mailbox.script = [500]
    await pay(await shop.native("A-1", total, notify_url=mailbox.url))
    await sandbox.run_due()
    headers, body = await mailbox.next()
    lower = {name.lower(): value for name, value in headers.items()}
    assert shop.is_right(lower, body) is (total == 4_440_004)
    is_probe = lower["wechatpay-signature"].startswith("WECHATPAY/SIGNTEST/")
    assert is_probe is (total == 4_440_006)
    clock.advance(seconds=1)
    await sandbox.run_due()
    assert shop.read_notice(*await mailbox.next())[1]["amount"]["total"] == total


async def test_a_probe_that_is_believed_is_never_told_again(
    shop: Any, pay: Any, mailbox: Any, clock: Any, sandbox: Any
) -> None:
    await pay(await shop.native("A-1", 4_440_006, notify_url=mailbox.url))
    await sandbox.run_due()
    await mailbox.next()
    clock.advance(hours=1)
    await sandbox.run_due()
    assert mailbox.got.empty()
