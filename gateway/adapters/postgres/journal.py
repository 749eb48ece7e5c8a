"""The journal as rows: outbox, timeline, audit trail and metrics read the same line.

Law: rows are inserted with the change that they tell of and never updated. An event's id is made
of the row's own time, bucket and sequence.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from gateway.adapters.postgres.statements import load
from gateway.domain import ids
from gateway.domain.change import Change
from gateway.domain.events import OBJECT_PREFIXES, Event, Line

SQL = load(__file__)
insert = SQL["insert"]


class Told(NamedTuple):
    """A line at its place: in the short way `sequence` counts from the merchant's head."""

    change: Change
    line: Line
    sequence: int
    prior: int | None


def arrays(told: Sequence[Told]) -> list[list[Any]]:
    """One array per journal column."""
    hexed = ids.to_hex
    return [
        [hexed(t.change.merchant_id) for t in told],
        [t.sequence for t in told],
        [t.change.at for t in told],
        [t.line.type for t in told],
        [hexed(t.line.object_id) for t in told],
        [t.line.object_version for t in told],
        [_other_payment(t.line) for t in told],
        [t.prior for t in told],
        [t.change.actor for t in told],
        [t.change.request_id for t in told],
        [t.line.data.decode() for t in told],
        [t.line.personal for t in told],
    ]


def _other_payment(line: Line) -> str | None:
    """The payment's column is filled only where the object is not the payment itself."""
    if line.payment_id is None or line.payment_id == line.object_id:
        return None
    return ids.to_hex(line.payment_id)


def event_of(record: Any) -> Event:
    """The event of a journal record."""
    merchant_id = ids.from_uuid("mch", record["merchant_id"])
    object_id = ids.from_uuid(
        OBJECT_PREFIXES[record["type"].partition(".")[0]], record["object_id"]
    )
    payment_id = record["payment_id"]
    about: str | None
    if payment_id is not None:
        about = ids.from_uuid("pay", payment_id)
    else:
        about = object_id if object_id.startswith("pay_") else None
    at = record["at"]
    return Event(
        id=ids.event_id(
            at_ms=int(at.timestamp() * 1000),
            bucket=ids.bucket_of(merchant_id),
            sequence=record["seq"],
        ),
        merchant_id=merchant_id,
        sequence=record["seq"],
        type=record["type"],
        at=at,
        object_id=object_id,
        object_version=record["object_version"],
        actor=record["actor"],
        request_id=record["request_id"],
        payment_id=about,
        data=record["data"].encode(),
        personal=record["personal"],
    )
