"""Callbacks: many times, early, late, wrong, forged; and what they do to the book."""

import asyncio
from urllib.parse import parse_qsl, urlencode

import aiohttp
import pytest
from aiohttp import web

from tests.world import World


class Tap:
    """Stands where the channel's callbacks go, so that a test can hold, change and replay them."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []
        self.arrived = asyncio.Event()

    async def answer(self, request: web.Request) -> web.Response:
        self.heard.append(await request.read())
        self.arrived.set()
        return web.Response(text="success")


async def post(world: World, body: bytes, account_id: str | None = None) -> tuple[int, str]:
    url = f"{world.base}/callbacks/alipay/{account_id or world.account_id}"
    headers = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
    async with world.session.post(url, data=body, headers=headers) as response:
        return response.status, await response.text()


async def callback_of(world: World, number: str, amount: int = 100) -> tuple[dict, bytes]:
    """A paid payment of which we have not heard, and the callback that would tell us.

    The simulator is told to call a tap instead, by faults that swallow the first sending.
    """
    tap = Tap()
    application = web.Application()
    application.router.add_post("/{path:.*}", tap.answer)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = site._server.sockets[0].getsockname()[1]
    teller = world.core.teller
    true_addresses = teller._addresses
    teller._addresses = type(true_addresses)(f"http://127.0.0.1:{port}", true_addresses.gateways)
    payment = await world.pay_by_qr(number, amount)
    teller._addresses = true_addresses
    status, _ = await world.scan(payment["next_action"]["qr_code"])
    assert status == 200
    async with asyncio.timeout(10):
        await tap.arrived.wait()
    await runner.cleanup()
    assert (await world.payment(payment["id"]))["status"] == "requires_action"
    return payment, tap.heard[0]


async def entries(world: World) -> list[str]:
    return [row["reason"] for row in await world.sql("select reason from entries order by at")]


async def test_a_callback_sent_a_hundred_times_is_booked_once(world: World) -> None:
    payment, body = await callback_of(world, "A-1")
    answers = await asyncio.gather(*(post(world, body) for _ in range(100)))
    assert set(answers) == {(200, "success")}
    paid = await world.payment(payment["id"])
    assert paid["status"] == "succeeded" and paid["amount_captured"] == 100
    assert await entries(world) == ["captured"]
    told = await world.sql(
        "select j.type from journal j join payments p using (merchant_id) order by j.seq"
    )
    assert [row["type"] for row in told if row["type"].startswith("payment")] == [
        "payment.created",
        "payment.requires_action",
        "payment.succeeded",
    ]


@pytest.mark.tampers
async def test_a_late_callback_after_cancel_is_booked_to_suspense_and_told(world: World) -> None:
    payment, body = await callback_of(world, "A-1")
    # The channel says that it closed what was in fact paid: the worst that can happen.
    await world.sql("update payments set status = 'canceled', version = version + 1")
    await world.sql("update attempts set status = 'closed', version = version + 1")
    assert await post(world, body) == (200, "success")
    late = await world.payment(payment["id"])
    assert late["status"] == "canceled" and late["amount_captured"] == 0
    assert await entries(world) == ["funds_unexpected"]
    (funds,) = await world.sql("select * from unexpected_funds")
    assert (funds["cause"], funds["amount"], funds["status"]) == ("late", 100, "detected")
    (told,) = await world.sql("select * from journal where type = 'payment.unexpected_funds'")
    assert '"unexpected_funds"' in told["data"]
    assert await post(world, body) == (200, "success")
    assert await entries(world) == ["funds_unexpected"]


async def test_a_cancel_that_finds_the_payer_was_faster_ends_succeeded(world: World) -> None:
    payment, body = await callback_of(world, "A-1")
    answer = await world.merchant.post(f"/v1/payments/{payment['id']}/cancel")
    assert (answer.status, answer.body["code"]) == (409, "invalid_state")
    paid = await world.payment(payment["id"])
    assert paid["status"] == "succeeded" and await entries(world) == ["captured"]
    assert await post(world, body) == (200, "success")
    assert await entries(world) == ["captured"]


async def test_a_wrong_amount_books_nothing_and_is_asked_about(world: World) -> None:
    await world.fault("notify", "wrong_amount")
    payment = await world.pay_by_qr("A-1", 100)
    await world.scan(payment["next_action"]["qr_code"])
    # The forged amount is refused; the query that it caused books the true one.
    paid = await world.until(payment["id"], "succeeded")
    assert paid["amount_captured"] == 100 and await entries(world) == ["captured"]


@pytest.mark.parametrize("times", [1, 3])
async def test_a_bad_signature_is_refused_and_the_repeat_applied(world, times) -> None:
    await world.fault("notify", "bad_signature", times=times)
    payment = await world.pay_by_qr("A-1", 100)
    await world.scan(payment["next_action"]["qr_code"])
    paid = await world.until(payment["id"], "succeeded", 30)
    assert paid["amount_captured"] == 100


async def test_no_flipped_bit_gets_through(world: World) -> None:
    payment, body = await callback_of(world, "A-1")
    step = max(1, len(body) * 8 // 400)
    for bit in range(0, len(body) * 8, step):
        forged = bytearray(body)
        forged[bit // 8] ^= 1 << bit % 8
        _, text = await post(world, bytes(forged))
        if text == "success":
            # Only where the flip does not change what is signed, such as the case of an escape.
            assert dict(parse_qsl(forged.decode("latin-1"))) | {"sign_type": ""} == dict(
                parse_qsl(body.decode())
            ) | {"sign_type": ""}
            break
    assert (await world.payment(payment["id"]))["status"] in ("requires_action", "succeeded")
    assert await entries(world) in ([], ["captured"])


async def test_a_changed_field_is_refused_and_leaves_nothing(world: World) -> None:
    payment, body = await callback_of(world, "A-1")
    fields = dict(parse_qsl(body.decode()))
    for name, value in (
        ("total_amount", "1.01"),
        ("seller_id", "2088000000000000"),
        ("app_id", "2021000000000000"),
        ("out_trade_no", "0" * 26),
        ("trade_status", "TRADE_FINISHED"),
        ("sign", fields["sign"][:-4] + "AAA="),
    ):
        _, text = await post(world, urlencode(fields | {name: value}).encode())
        assert text != "success", name
    _, text = await post(world, b"")
    assert text != "success"
    assert (await world.payment(payment["id"]))["status"] == "requires_action"
    assert await entries(world) == []
    assert await world.sql("select 1 from callbacks") == []


async def test_a_genuine_callback_at_another_registration_is_refused(world: World) -> None:
    _, body = await callback_of(world, "A-1")
    other = await world.new_merchant("Other")
    account = await world.new_account(other.mch)
    _, text = await post(world, body, account)
    assert text != "success" and await entries(world) == []


async def test_an_unknown_registration_is_not_found(world: World) -> None:
    status, _ = await post(world, b"a=b", "cac_01h455vb4pex5vsknk084sn02q")
    assert status == 404
    status, _ = await post(world, b"a=b", "nonsense")
    assert status == 404


async def test_a_refund_told_on_the_same_url_is_not_a_second_payment(world: World) -> None:
    paid = await world.paid("A-1", 100)
    refund = await world.merchant.post(
        "/v1/refunds",
        {"payment_id": paid["id"], "merchant_refund_no": "R-1", "amount": 100},
    )
    assert refund.body["status"] == "succeeded"
    await asyncio.sleep(0.5)  # the channel tells of the refund too
    payment = await world.payment(paid["id"])
    assert payment["amount_captured"] == 100 and payment["amount_refunded"] == 100
    assert sorted(await entries(world)) == ["captured", "refund_paid", "refund_reserved"]


async def test_callbacks_are_answered_with_any_media_type_but_never_over_the_limit(world) -> None:
    url = f"{world.base}/callbacks/alipay/{world.account_id}"
    async with world.session.post(url, data=b"x" * (64 * 1024 + 1)) as response:
        assert response.status == 413
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        assert response.status == 405 and response.headers["Allow"] == "POST"
