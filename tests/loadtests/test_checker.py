"""The checker finds whatever was acknowledged and is not so, and nothing else."""

import dataclasses
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from gateway.domain import ids
from loadtests.checker import Paid, Payment, Refund, Witnesses, faults, type_id
from loadtests.record import Operation, Record, Webhook, read

pytestmark = pytest.mark.fast


def webhook(type: str, object_id: str, amount: int, **more: Any) -> Webhook:
    whole = {
        "event_id": f"evt_{type}_{object_id}",
        "type": type,
        "object_id": object_id,
        "amount": amount,
        "is_genuine": True,
        "body_digest": "d",
    }
    return Webhook(**whole | more)


OPERATIONS = [
    Operation("created", "pay_1", "load-1", 100, "pay_1"),
    Operation("paid", "pay_1", "load-1", 100, "pay_1"),
    Operation("succeeded", "pay_1", "load-1", 100, "pay_1"),
    Operation("refunded", "rfd_1", "r1", 40, "pay_1"),
    Operation("created", "pay_2", "load-2", 200, "pay_2"),
    Operation("canceled", "pay_2", "load-2", 200, "pay_2"),
]
TOLD = [
    webhook("payment.created", "pay_1", 100),
    webhook("payment.requires_action", "pay_1", 100),
    webhook("payment.succeeded", "pay_1", 100),
    webhook("refund.created", "rfd_1", 40),
    webhook("refund.succeeded", "rfd_1", 40),
    webhook("payment.created", "pay_2", 200),
    webhook("payment.canceled", "pay_2", 200),
]


@dataclasses.dataclass
class World:
    """The witnesses, to be changed by a test."""

    payments: dict[str, Payment] = dataclasses.field(
        default_factory=lambda: {
            "pay_1": Payment("load-1", 100, "succeeded", 100, 40, "2026a"),
            "pay_2": Payment("load-2", 200, "canceled", 0, 0, None),
        }
    )
    refunds: dict[str, Refund] = dataclasses.field(
        default_factory=lambda: {"rfd_1": Refund("pay_1", "r1", 40, "succeeded")}
    )
    book: dict[str, Paid] = dataclasses.field(default_factory=lambda: {"2026a": Paid(100, 40)})
    webhooks: list[Webhook] = dataclasses.field(default_factory=lambda: list(TOLD))

    def faults(self, operations: list[Operation] = OPERATIONS) -> list[str]:
        seen = Witnesses(self.payments, self.refunds, self.book, self.webhooks)
        return faults(operations, seen)


def test_what_agrees_is_right() -> None:
    assert World().faults() == []


def test_repeats_of_a_webhook_are_right() -> None:
    assert World(webhooks=[*TOLD, *TOLD]).faults() == []


@pytest.mark.parametrize(
    "change",
    [
        lambda world: world.payments.pop("pay_2"),
        lambda world: world.payments.update(
            pay_1=world.payments["pay_1"]._replace(status="closing")
        ),
        lambda world: world.payments.update(pay_1=world.payments["pay_1"]._replace(captured=99)),
        lambda world: world.payments.update(pay_2=world.payments["pay_2"]._replace(amount=201)),
        lambda world: world.payments.update(pay_2=world.payments["pay_2"]._replace(number="x")),
        lambda world: world.payments.update(
            pay_2=world.payments["pay_2"]._replace(status="expired")
        ),
        lambda world: world.payments.update(pay_1=world.payments["pay_1"]._replace(refunded=0)),
        lambda world: world.refunds.clear(),
        lambda world: world.refunds.update(
            rfd_1=world.refunds["rfd_1"]._replace(status="processing")
        ),
        lambda world: world.refunds.update(rfd_2=Refund("pay_1", "r2", 1, "succeeded")),
        lambda world: world.book.clear(),
        lambda world: world.book.update({"2026a": Paid(100, 41)}),
        lambda world: world.book.update({"2026b": Paid(1, 0)}),
        lambda world: world.webhooks.append(TOLD[0]._replace(is_genuine=False)),
        lambda world: world.webhooks.append(TOLD[0]._replace(body_digest="e")),
        lambda world: world.webhooks.append(TOLD[2]._replace(event_id="evt_x", amount=1)),
    ],
)
def test_every_disagreement_is_found(change: Any) -> None:
    world = World()
    change(world)
    assert world.faults() != []


@pytest.mark.parametrize("missing", [n for n in range(len(TOLD)) if n != 1])
def test_every_missing_webhook_is_found(missing: int) -> None:
    left = [each for n, each in enumerate(TOLD) if n != missing]
    (fault,) = World(webhooks=left).faults()
    assert TOLD[missing].type in fault and TOLD[missing].object_id in fault


def test_what_was_not_acknowledged_need_not_be_told() -> None:
    assert World(webhooks=[TOLD[0]]).faults([OPERATIONS[0]]) == []


@pytest.mark.parametrize("number", [0, 1, 2**128 - 1, 0x0193F0A1B2C3700080000000000000AB])
def test_ids_are_written_as_the_system_writes_them(number: int) -> None:
    assert type_id("pay", number) == ids.from_uuid("pay", UUID(int=number))


def test_a_record_gives_back_what_was_written(tmp_path: Path) -> None:
    record = Record(tmp_path)
    for each in OPERATIONS:
        record.acknowledged(each)
    assert record.missing() == len(TOLD) - 1
    for came in TOLD:
        record.received(came)
    assert record.missing() == 0
    record.close()
    assert read(tmp_path) == (OPERATIONS, TOLD)
