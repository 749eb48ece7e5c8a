"""The ways of the real channels through the real house: what `trial.py` shows, in real dialects."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from gateway.channels.registry import built_in
from gateway.channels.wire import CallbackRequest
from gateway.cli.administration import Administration
from gateway.cli.simulated_accounts import open_accounts
from gateway.web.quick import Exchange
from tests.conftest import Installation
from tests.oracle import check
from tests.world import World, open_world

BUILT_IN = frozenset(method for codec in built_in() for method in codec.methods)
OPTIONS = {
    "alipay_barcode": {"auth_code": "281234567890121111"},
    "wechat_codepay": {"auth_code": "131234567890121111"},
}
SMS_CODE = "111111"
PASSWORD_FEN = 100_000  # from here on WeChat asks for a password
WAITING = {
    "alipay_barcode": {"auth_code": "281234567890120003"},
    "wechat_codepay": {"auth_code": "131234567890120003"},
}


def offered(*methods: str) -> list[str]:
    return [method for method in methods if method in BUILT_IN]


@pytest.fixture
async def world(installation: Installation, tmp_path: Path) -> AsyncIterator[World]:
    """A world whose merchant has an account at every simulator."""
    async with open_world(installation, tmp_path) as opened:
        administration = Administration(opened.core, actor="test")
        merchant = await administration.create_merchant("All", ref="sandbox", sandbox=True)
        opened.merchant = await opened.new_key(merchant.id, ["payments.read", "payments.write"])
        await open_accounts(administration, merchant, sandbox_url=opened.sandbox.url)
        yield opened
        await opened.core.ongoing.drain(10)
    await check(installation.dsns)


async def pay(world: World, method: str, options: Any = None, **more: Any) -> Any:
    order = {
        "merchant_order_no": "A-1",
        "amount": 100,
        "currency": "CNY",
        "subject": "tea",
        "method": method,
    }
    if options:
        order["method_options"] = options
    answer = await world.merchant.post("/v1/payments", order | more)
    assert answer.status == 201, answer
    return answer.body


@pytest.mark.parametrize("method", offered("alipay_qr", "wechat_native", "unionpay_qr"))
async def test_a_channels_own_callback_is_taken_quickly_and_its_forgery_refused(
    world: World, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[tuple[str, int]] = []
    heard: list[CallbackRequest] = []
    answered = asyncio.Event()
    lane, receive = world.gateway.quick, world.core.quick_receive
    end, callback = lane.end, receive.callback

    def noted_end(exchange: Exchange, status: int, answer: bytes) -> None:
        taken.append((exchange.door.name, status))
        if exchange.door.name == "receive_callback":
            answered.set()
        end(exchange, status, answer)

    def noted_callback(channel: str, account_id: str, request: Any, **more: Any) -> bool:
        heard.append(request)
        return callback(channel, account_id, request, **more)

    monkeypatch.setattr(lane, "end", noted_end)
    monkeypatch.setattr(receive, "callback", noted_callback)
    waiting = await pay(world, method)
    assert (await world.scan(waiting["next_action"]["qr_code"]))[0] == 200
    await world.until(waiting["id"], "succeeded")
    assert ("create_payment", 201) in taken
    await asyncio.wait_for(answered.wait(), 10)
    # Again, as it was heard and with one byte of the body changed; nobody's is not found.
    genuine = heard[0]
    changed = bytearray(genuine.body)
    changed[len(changed) // 2] ^= 1
    other = "cac" + waiting["id"][3:]
    for target, body, is_accepted in (
        (genuine.target, genuine.body, True),
        (genuine.target, bytes(changed), False),
        (genuine.target.rpartition("/")[0] + "/" + other, genuine.body, False),
    ):
        before = len(taken)
        headers = genuine.headers | {"content-length": str(len(body))}
        status, answer = await post(world, target, headers, body)
        assert len(taken) == before + 1 and taken[-1] == ("receive_callback", status)
        refused = status >= 400 or answer in (b"failure", b"fail")
        assert refused is not is_accepted, (status, answer)
    assert status == 404 and json.loads(answer)["code"] == "not_found"
    entries = await world.sql("select reason from entries")
    assert [each["reason"] for each in entries] == ["captured"]


async def post(
    world: World, target: str, headers: Mapping[str, str], body: bytes
) -> tuple[int, bytes]:
    """Post with exactly these headers; the status and body of the answer."""
    lines = [f"POST {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    reader, writer = await asyncio.open_connection("127.0.0.1", world.gateway.server.port)
    try:
        writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        async with asyncio.timeout(10):
            head = await reader.readuntil(b"\r\n\r\n")
            status = int(head.split()[1])
            length = 0
            if status != 204:
                length = int(head.partition(b"Content-Length: ")[2].split()[0])
            return status, await reader.readexactly(length)
    finally:
        writer.close()


async def later(world: World, seconds: float) -> None:
    await world.sql(
        "update attempts set created_at = created_at - make_interval(secs => $1), due_at = now()",
        seconds,
    )


@pytest.mark.parametrize("method", offered(*OPTIONS))
async def test_a_code_at_the_till_pays(world: World, method: str) -> None:
    paid = await pay(world, method, OPTIONS[method])
    assert paid["status"] == "succeeded" and paid["amount_captured"] == 100
    rows = await world.sql("select method_options::text as options from attempts")
    assert OPTIONS[method]["auth_code"] not in rows[0]["options"]


@pytest.mark.parametrize("method", offered(*WAITING))
async def test_a_payer_who_does_not_confirm_is_taken_back(world: World, method: str) -> None:
    waiting = await pay(world, method, WAITING[method], amount=PASSWORD_FEN)
    assert waiting["next_action"] == {"type": "barcode_wait"}
    await later(world, 46)
    await world.core.chase.attempt(world.merchant.mch, waiting["attempt_id"], actor="test")
    ended = await world.payment(waiting["id"])
    assert ended["status"] == "failed" and ended["error"]["code"] == "channel_timeout"


@pytest.mark.parametrize("method", offered(*WAITING))
async def test_a_waiting_code_is_canceled_by_the_merchant(world: World, method: str) -> None:
    waiting = await pay(world, method, WAITING[method], amount=PASSWORD_FEN)
    canceled = await world.merchant.post(f"/v1/payments/{waiting['id']}/cancel")
    assert (canceled.status, canceled.body["status"]) == (200, "canceled")


@pytest.mark.parametrize("method", offered("alipay_preauth"))
async def test_a_hold_by_qr_code_is_given_and_let_go(world: World, method: str) -> None:
    waiting = await pay(world, method)
    assert waiting["next_action"]["type"] == "qr_code"
    status, _ = await world.scan(waiting["next_action"]["qr_code"])
    assert status == 200
    held = await world.until(waiting["id"], "requires_capture")
    assert held["amount_authorized"] == 100 and await world.sql("select 1 from entries") == []
    canceled = await world.merchant.post(f"/v1/payments/{waiting['id']}/cancel")
    assert (canceled.status, canceled.body["status"]) == (200, "canceled")


@pytest.mark.parametrize("method", offered("card"))
async def test_a_card_is_held_and_let_go(world: World, method: str) -> None:
    options = {"payment_method": "pm_card_visa"}
    held = await pay(world, method, options, capture_method="manual")
    assert held["status"] == "requires_capture" and held["amount_capturable"] == 100
    canceled = await world.merchant.post(f"/v1/payments/{held['id']}/cancel")
    assert (canceled.status, canceled.body["status"]) == (200, "canceled")


@pytest.mark.parametrize("method", offered("unionpay_quick"))
async def test_a_code_by_sms_is_tried_and_pays(world: World, method: str) -> None:
    waiting = await pay(world, method, {"phone": "13800138000"})
    assert waiting["next_action"] == {"type": "sms_code"}
    path = f"/v1/payments/{waiting['id']}/confirm"
    wrong = {"method": method, "method_options": {"sms_code": "000000"}}
    answer = await world.merchant.post(path, wrong)
    assert (answer.status, answer.body["code"]) == (422, "sms_code_wrong")
    right = {"method": method, "method_options": {"sms_code": SMS_CODE}}
    assert (await world.merchant.post(path, right)).status == 200
    async with world.worker():
        await world.until(waiting["id"], "succeeded", 20)


@pytest.mark.parametrize("method", offered("alipay_page", "alipay_wap", "alipay_app"))
async def test_what_the_payer_carries_is_handed_out_at_once(world: World, method: str) -> None:
    waiting = await pay(world, method)
    assert waiting["status"] == "requires_action"
    assert waiting["next_action"]["type"] in ("redirect", "form", "app_params")
    canceled = await world.merchant.post(f"/v1/payments/{waiting['id']}/cancel")
    assert canceled.body["status"] == "canceled"
