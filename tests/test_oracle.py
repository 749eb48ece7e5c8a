"""The oracle can be wrong in neither direction: quiet after a good run, loud after each lie."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Installation
from tests.oracle import Answered, Received, check
from tests.world import World, open_world


async def _story(world: World) -> list[Answered]:
    answers = []
    for number in ("one", "two"):
        payment = await world.paid(number, 500)
        answers.append(Answered("payment", number, 500, 201, {**payment, "version": 1}))
    again = await world.merchant.post(
        "/v1/payments",
        {
            "merchant_order_no": "one",
            "amount": 500,
            "currency": "CNY",
            "subject": "tea",
            "method": "alipay_qr",
        },
    )
    answers.append(Answered("payment", "one", 500, again.status, again.body, began=2, ended=3))
    back = {"payment_id": payment["id"], "merchant_refund_no": "back", "amount": 50}
    refund = await world.merchant.post("/v1/refunds", back)
    answers.append(Answered("refund", "back", 50, refund.status, refund.body))
    waiting = await world.pay_by_qr("open", 5)
    answers.append(Answered("payment", "open", 5, 201, waiting))
    refused = await world.merchant.post("/v1/payments", {"merchant_order_no": "bad"})
    answers.append(Answered("payment", "bad", 0, refused.status))
    return answers


async def test_the_oracle(installation: Installation, tmp_path: Path) -> None:
    async with open_world(installation, tmp_path) as world:
        answers = await _story(world)
        book = await world.book()
        events = await world.sql(
            "update payments set notify_url = 'http://127.0.0.1:1/hook'"
            " where merchant_order_no = 'open' returning merchant_id, payment_id"
        )
        rows = await world.sql(
            "select seq, at, type, object_version, merchant_id from journal where object_id = $1",
            events[0]["payment_id"],
        )
    dsns = installation.dsns
    received = [_received(row) for row in rows]
    twice = [*received, received[0]]
    await check(dsns, simulator_book=book, acknowledged=answers, received=twice)

    async def says(finding: str, **seen: Any) -> None:
        with pytest.raises(AssertionError, match=finding):
            await check(dsns, **seen)

    def lie(**more: Any) -> list[Answered]:
        return [*answers, Answered(**{"kind": "payment", "currency": "CNY", **more})]

    def other_book(change: Any) -> dict[str, Any]:
        changed = copy.deepcopy(book)
        change(changed)
        return changed

    first = answers[0].body
    assert first is not None
    ghost = {**first, "id": "pay_01m81ce819fxxs7y9zbppg87cx"}
    await says("does not exist", acknowledged=lie(number="x", amount=5, status=201, body=ghost))
    await says("2 ids", acknowledged=lie(number="one", amount=500, status=200, body=ghost))
    await says("201 2 times", acknowledged=lie(number="one", amount=500, status=201, body=first))
    await says("only refused", acknowledged=[Answered("payment", "one", 500, 409)])
    await says("nobody asked for it", acknowledged=answers[1:2])
    await says("an amount that nobody asked", acknowledged=[answers[0]._replace(amount=7)])
    await says(
        "another amount",
        acknowledged=lie(number="one", amount=500, status=200, body={**first, "amount": 1}),
    )
    await says(
        "went back",
        acknowledged=lie(number="one", amount=500, status=200, body=first, began=9, ended=10),
    )
    await says(
        "a version that does not exist",
        acknowledged=lie(number="one", amount=500, status=200, body={**first, "version": 99}),
    )
    paid = next(n for n, order in enumerate(book["orders"]) if order["status"] == "paid")
    unpaid = next(n for n, order in enumerate(book["orders"]) if order["status"] != "paid")
    await says(
        "nowhere",
        simulator_book=other_book(lambda b: b["orders"][unpaid].update(status="paid")),
    )
    await says(
        "the channel does not have",
        simulator_book=other_book(lambda b: b["orders"][paid].update(status="open")),
    )
    await says("the channel took", simulator_book=other_book(lambda b: _more(b["orders"][paid])))
    await says(
        "is not in our book",
        simulator_book=other_book(lambda b: b["orders"][paid].update(out_trade_no="0" * 26)),
    )
    await says("not at the channel", simulator_book=other_book(lambda b: b["refunds"].clear()))
    await says("refund .* has 51", simulator_book=other_book(lambda b: _more(b["refunds"][0])))
    await says("never came to", received=received[1:])
    await says(
        "with 2 bodies", received=[*received, received[0]._replace(body=received[0].body + b" ")]
    )
    await says(
        "in no journal",
        received=[*received, received[0]._replace(webhook_id="evt_01m81ce819fxxs7y9zbppg87cx")],
    )
    await says("the journal has", received=[received[0]._replace(body=received[1].body)])


def _more(row: dict[str, Any]) -> None:
    row["amount"] += 1


def _received(row: Any) -> Received:
    from gateway.domain import ids

    event_id = ids.event_id(
        at_ms=int(row["at"].timestamp() * 1000),
        bucket=ids.bucket_of(ids.from_uuid("mch", row["merchant_id"])),
        sequence=row["seq"],
    )
    body = {
        "id": event_id,
        "sequence": row["seq"],
        "type": row["type"],
        "object_version": row["object_version"],
    }
    return Received("http://127.0.0.1:1/hook", event_id, json.dumps(body).encode())


async def test_it_looks_into_the_books(installation: Installation, tmp_path: Path) -> None:
    async with open_world(installation, tmp_path) as world:
        await world.paid("one", 500)
        await world.sql("update heads set seq = seq + 1")
    with pytest.raises(AssertionError, match="sequence_head"):
        await check(installation.dsns)
