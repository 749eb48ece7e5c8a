"""The post: what a merchant is told, when it is told again, and who is never called."""

from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl

import pytest
from aiohttp import web

from gateway.sandbox.notifications import is_legal_url, is_loopback_url


async def advance_to_next(sandbox: Any, clock: Any) -> timedelta:
    """Move the clock to the next due moment, do what is due; returns how far it went."""
    before = clock.now
    clock.now = max(before, sandbox.next_due())
    await sandbox.run_due()
    return clock.now - before


def drained(receiver: Any) -> list[dict[str, str]]:
    got = []
    while not receiver.got.empty():
        got.append(dict(parse_qsl(receiver.got.get_nowait().decode(), keep_blank_values=True)))
    return got


async def test_a_payment_is_told_with_all_its_fields(
    merchant: Any, pay: Any, receiver: Any
) -> None:
    code = await merchant.code(
        "A_1", "12.30", notify_url=receiver.url, subject="书 +%&=/", passback_params="a=1&b"
    )
    played = await pay(code)
    told = merchant.read_notice(await receiver.next())
    account = merchant.account
    assert told.pop("sign") and len(told.pop("notify_id")) == 34
    assert told.pop("buyer_id").startswith("2088") and "***" in told.pop("buyer_logon_id")
    assert told == {
        "notify_type": "trade_status_sync",
        "notify_time": "2026-11-22 12:00:00",
        "app_id": account["app_id"],
        "auth_app_id": account["app_id"],
        "seller_id": account["seller_id"],
        "seller_email": "seller@sandbox.example",
        "charset": "utf-8",
        "version": "1.0",
        "sign_type": "RSA2",
        "trade_no": played["channel_order_no"],
        "out_trade_no": "A_1",
        "trade_status": "TRADE_SUCCESS",
        "total_amount": "12.30",
        "receipt_amount": "12.30",
        "invoice_amount": "12.30",
        "buyer_pay_amount": "12.30",
        "point_amount": "0.00",
        "subject": "书 +%&=/",
        "passback_params": "a=1&b",
        "gmt_create": "2026-11-22 12:00:00",
        "gmt_payment": "2026-11-22 12:00:00",
        "fund_bill_list": '[{"amount":"12.30","fundChannel":"ALIPAYACCOUNT"}]',
    }


async def test_refunds_are_told_on_the_same_url(merchant: Any, pay: Any, receiver: Any) -> None:
    await pay(await merchant.code("A_1", "10.00", notify_url=receiver.url))
    paid = merchant.read_notice(await receiver.next())
    assert "refund_fee" not in paid
    seen = []
    for number, amount in (("R1", "4.00"), ("R2", "6.00")):
        biz = {"out_trade_no": "A_1", "refund_amount": amount, "out_request_no": number}
        await merchant.call("refund", biz)
        told = merchant.read_notice(await receiver.next())
        assert told["notify_id"] != paid["notify_id"]
        assert told["gmt_refund"].startswith("2026-11-22 12:00:00")
        seen.append((told["trade_status"], told["refund_fee"], told["out_biz_no"]))
    assert seen == [("TRADE_SUCCESS", "4.00", "R1"), ("TRADE_CLOSED", "10.00", "R2")]


async def test_nothing_is_told_of_an_order_that_only_waits_or_closes(
    merchant: Any, pay: Any, receiver: Any, sandbox: Any
) -> None:
    await pay(await merchant.code("A_1", notify_url=receiver.url), "ignore")
    await merchant.call("close", {"out_trade_no": "A_1"})
    await pay(await merchant.code("A_2"))
    await sandbox.run_due()
    assert drained(receiver) == []


async def test_the_schedule_of_repeats(
    merchant: Any, pay: Any, receiver: Any, sandbox: Any, clock: Any
) -> None:
    code = await merchant.code("A_1", notify_url=receiver.url, timeout_express="15d")
    receiver.answer(200, "fail", times=99)
    await pay(code)
    await sandbox.run_due()
    gaps = [await advance_to_next(sandbox, clock) for _ in range(8)]
    assert [gap.total_seconds() for gap in gaps] == [1, 2, 4, 8, 16, 32, 64, 128]
    got = drained(receiver)
    assert len(got) == 9
    assert len({told["notify_id"] for told in got}) == 1
    assert len({told["notify_time"] for told in got}) == 9
    assert all(merchant.is_notice_signed(told) for told in got)
    clock.advance(days=14)
    await sandbox.run_due()
    assert drained(receiver) == []


async def test_it_ends_with_the_first_success(
    merchant: Any, pay: Any, receiver: Any, sandbox: Any, clock: Any
) -> None:
    receiver.answer(200, "fail", times=2)
    await pay(await merchant.code("A_1", notify_url=receiver.url))
    await sandbox.run_due()
    clock.advance(milliseconds=999)
    await sandbox.run_due()
    assert len(drained(receiver)) == 1
    for _ in range(9):
        clock.advance(seconds=300)
        await sandbox.run_due()
    assert len(drained(receiver)) == 2


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (201, "success"), (204, ""), (200, "SUCCESS"), (200, "success\n"), (200, ' "success"'),
        (200, ""), (500, "success"), (302, "success"), (307, "success"), (200, "success" * 1000),
    ],
)  # fmt: skip
async def test_only_200_and_exactly_success_is_accepted(
    merchant: Any, pay: Any, receiver: Any, sandbox: Any, clock: Any, status: int, text: str
) -> None:
    receiver.answer(status, text, Location=receiver.url)
    await pay(await merchant.code("A_1", notify_url=receiver.url))
    await sandbox.run_due()
    assert len(drained(receiver)) == 1
    clock.advance(seconds=1)
    await sandbox.run_due()
    assert len(drained(receiver)) == 1


async def test_a_dead_server_is_tried_again(
    merchant: Any, pay: Any, receiver: Any, sandbox: Any, clock: Any
) -> None:
    async def die(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    receiver.script.append(die)
    await pay(await merchant.code("A_1", notify_url=receiver.url))
    await sandbox.run_due()
    clock.advance(seconds=1)
    await sandbox.run_due()
    assert len(drained(receiver)) == 2


# Faults


async def test_fault_duplicate_sends_it_twice(
    merchant: Any, pay: Any, arm: Any, receiver: Any, sandbox: Any
) -> None:
    await arm("notify", "duplicate")
    await pay(await merchant.code("A_1", notify_url=receiver.url))
    await sandbox.run_due()
    first, second = drained(receiver)
    assert first == second


async def test_fault_reorder_holds_it_behind_the_next(
    merchant: Any, pay: Any, arm: Any, receiver: Any, sandbox: Any
) -> None:
    await arm("notify", "reorder")
    await pay(await merchant.code("A_1", notify_url=receiver.url))
    await sandbox.run_due()
    assert drained(receiver) == []
    await pay(await merchant.code("A_2", notify_url=receiver.url))
    await sandbox.run_due()
    assert [told["out_trade_no"] for told in drained(receiver)] == ["A_2", "A_1"]
    await sandbox.run_due()
    assert drained(receiver) == []


async def test_fault_reorder_ends_when_no_next_comes(
    merchant: Any, pay: Any, arm: Any, receiver: Any, sandbox: Any, clock: Any
) -> None:
    await arm("notify", "reorder")
    await pay(await merchant.code("A_1", notify_url=receiver.url))
    await sandbox.run_due()
    clock.advance(seconds=60)
    await sandbox.run_due()
    assert len(drained(receiver)) == 1


@pytest.mark.parametrize("fault", ["timeout", "error"])
async def test_faults_timeout_and_error_send_nothing_this_time(
    merchant: Any, pay: Any, arm: Any, receiver: Any, sandbox: Any, clock: Any, fault: str
) -> None:
    await arm("notify", fault)
    await pay(await merchant.code("A_1", notify_url=receiver.url))
    await sandbox.run_due()
    assert drained(receiver) == []
    clock.advance(seconds=1)
    await sandbox.run_due()
    assert len(drained(receiver)) == 1


async def test_fault_drop_after_effect_loses_the_answer(
    merchant: Any, pay: Any, arm: Any, receiver: Any, sandbox: Any, clock: Any
) -> None:
    await arm("notify", "drop_after_effect")
    await pay(await merchant.code("A_1", notify_url=receiver.url))
    await sandbox.run_due()
    clock.advance(seconds=1)
    await sandbox.run_due()
    first, again = drained(receiver)
    assert first["notify_id"] == again["notify_id"]


async def test_fault_delay_sends_it_later(
    merchant: Any, pay: Any, arm: Any, receiver: Any, sandbox: Any
) -> None:
    await arm("notify", "delay", delay_ms=1_500)
    await pay(await merchant.code("A_1", notify_url=receiver.url))
    await pay(await merchant.code("A_2", notify_url=receiver.url))
    await sandbox.run_due()
    assert [told["out_trade_no"] for told in drained(receiver)] == ["A_2", "A_1"]


async def test_fault_wrong_amount_is_in_one_message_only(
    merchant: Any, pay: Any, arm: Any, receiver: Any, sandbox: Any, clock: Any, book: Any
) -> None:
    await arm("notify", "wrong_amount")
    receiver.answer(200, "fail")
    await pay(await merchant.code("A_1", "10.00", notify_url=receiver.url))
    await sandbox.run_due()
    clock.advance(seconds=1)
    await sandbox.run_due()
    wrong, right = drained(receiver)
    assert merchant.is_notice_signed(wrong) and merchant.is_notice_signed(right)
    assert (wrong["total_amount"], right["total_amount"]) == ("10.01", "10.00")
    assert (await book())["orders"][0]["amount"] == 1000
    node = await merchant.call("query", {"out_trade_no": "A_1"})
    assert node["total_amount"] == "10.00"


async def test_fault_bad_signature_is_in_one_message_only(
    merchant: Any, pay: Any, arm: Any, receiver: Any, sandbox: Any, clock: Any
) -> None:
    await arm("notify", "bad_signature")
    receiver.answer(200, "fail")
    await pay(await merchant.code("A_1", notify_url=receiver.url))
    await sandbox.run_due()
    clock.advance(seconds=1)
    await sandbox.run_due()
    wrong, right = drained(receiver)
    assert not merchant.is_notice_signed(wrong)
    assert merchant.is_notice_signed(right)


# Who may be called


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/n", "http://127.8.9.10:8080/n?x=1", "https://localhost/n",
        "http://LOCALHOST:1/n", "http://[::1]:8080/n",
    ],
)  # fmt: skip
def test_loopback_addresses_are_called(url: str) -> None:
    assert is_legal_url(url) and is_loopback_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "https://shop.example/notify", "http://10.0.0.1/n", "http://169.254.169.254/n",
        "http://0.0.0.0/n", "http://[::]/n", "http://[::ffff:127.0.0.1]/n", "http://2130706433/n",
        "http://127.1/n", "http://0x7f.0.0.1/n", "http://localhost.example/n",
        "http://127.0.0.1@shop.example/n", "http://localhost./n", "http://[fe80::1]/n",
    ],
)  # fmt: skip
def test_other_addresses_are_legal_but_never_called(url: str) -> None:
    assert is_legal_url(url) and not is_loopback_url(url)


@pytest.mark.parametrize(
    "url", ["", "/n", "ftp://127.0.0.1/", "http://", "http://h:0/", "http://h:99999/",
            "http://h/ n", "http://h/\n", "http://h/书", "http://[::1/", "javascript:1"],
)  # fmt: skip
def test_illegal_urls(url: str) -> None:
    assert not is_legal_url(url)


async def test_a_name_that_is_not_loopback_is_never_called(
    merchant: Any, pay: Any, receiver: Any, sandbox: Any, clock: Any
) -> None:
    port = receiver.url.rsplit(":", 1)[1]
    await pay(await merchant.code("A_1", notify_url=f"http://127.1:{port}"))
    await pay(await merchant.code("A_2", notify_url="https://shop.example/notify"))
    clock.advance(days=1)
    await sandbox.run_due()
    assert drained(receiver) == []
    assert sandbox.next_due() is None


async def test_localhost_is_called(merchant: Any, pay: Any, receiver: Any) -> None:
    await pay(await merchant.code("A_1", notify_url=receiver.url.replace("127.0.0.1", "localhost")))
    assert merchant.read_notice(await receiver.next())["out_trade_no"] == "A_1"
