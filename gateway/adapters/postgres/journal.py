"""The journal as rows: outbox, timeline, audit trail and metrics read the same line.

Law: rows are inserted with the change that they tell of and never updated. An event's id is made
of the row's own time, bucket and sequence. Its text is kept in shorthand (`fastpath.shorthand`),
here and wherever a statement writes or reads `data`.
"""

from typing import Any

from fastpath.shorthand import lengthen, shorten
from gateway.adapters.postgres.statements import load
from gateway.adapters.postgres.tables import part
from gateway.domain import ids
from gateway.domain.change import Change
from gateway.domain.events import OBJECT_PREFIXES, Event, Line

SQL = load(__file__)
INSERT = part("journal", SQL["insert"])


def told(
    change: Change, line: Line, sequence: int, prior: int | None, *, head: int
) -> tuple[Any, ...]:
    """The values of a journal row; `sequence` counts from its head, the one at place `head`."""
    # The payment's column is filled only where the object is not the payment itself.
    payment_id = None if line.payment_id == line.object_id else line.payment_id
    return (
        change.merchant_id,
        sequence,
        change.at,
        line.type,
        line.object_id,
        line.object_version,
        payment_id,
        prior,
        change.actor,
        change.request_id,
        shorten(line.data.decode()),
        line.personal,
        head,
    )


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
        data=lengthen(record["data"]).encode(),
        personal=record["personal"],
    )
