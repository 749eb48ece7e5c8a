"""The record of a load test: what the merchants were told, and which webhooks came.

Law: an operation is written down only when its answer has come, because only what was acknowledged
is promised. Two files of JSON lines below one folder, read again by the checker.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import IO, NamedTuple

OPERATIONS, WEBHOOKS = "operations.jsonl", "webhooks.jsonl"
KINDS = ("created", "paid", "succeeded", "refunded", "canceled")


class Operation(NamedTuple):
    """What was acknowledged: `object_id` is the payment's, or the refund's for `refunded`.

    `amount` is in minor units: the payment's, or the refund's; `number` is the merchant's own.
    """

    kind: str
    object_id: str
    number: str
    amount: int
    payment_id: str


class Webhook(NamedTuple):
    """A webhook that came; `body_digest` tells repeats with another body."""

    event_id: str
    type: str
    object_id: str
    amount: int | None
    is_genuine: bool
    body_digest: str


# The events that an acknowledged operation promises.
PROMISED = {
    "created": ("payment.created",),
    "paid": ("payment.succeeded",),
    "succeeded": ("payment.succeeded",),
    "refunded": ("refund.created", "refund.succeeded"),
    "canceled": ("payment.canceled",),
}


def promised(operations: Iterable[Operation]) -> set[tuple[str, str]]:
    """Type and object of every event that these operations promise."""
    return {
        (type, operation.object_id) for operation in operations for type in PROMISED[operation.kind]
    }


class Record:
    """Both files, while the merchants work."""

    def __init__(self, folder: Path) -> None:
        self.operations: list[Operation] = []
        self.came: set[tuple[str, str]] = set()
        self._files: dict[str, IO[str]] = {
            name: (folder / name).open("w", encoding="utf-8") for name in (OPERATIONS, WEBHOOKS)
        }

    def acknowledged(self, operation: Operation) -> None:
        """A merchant was told this."""
        self.operations.append(operation)
        print(json.dumps(operation), file=self._files[OPERATIONS])

    def received(self, webhook: Webhook) -> None:
        """A webhook came."""
        self.came.add((webhook.type, webhook.object_id))
        print(json.dumps(webhook), file=self._files[WEBHOOKS])

    def missing(self) -> int:
        """How many promised webhooks have not come yet."""
        return len(promised(self.operations) - self.came)

    def close(self) -> None:
        """All is written."""
        for file in self._files.values():
            file.close()


def read(folder: Path) -> tuple[list[Operation], list[Webhook]]:
    """What an earlier run wrote."""
    operations = [
        Operation(*json.loads(line))
        for line in (folder / OPERATIONS).read_text("utf-8").splitlines()
    ]
    webhooks = [
        Webhook(*json.loads(line)) for line in (folder / WEBHOOKS).read_text("utf-8").splitlines()
    ]
    return operations, webhooks
