"""Endpoints: decisions on rows as they are, and nothing else."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from gateway.domain import endpoint as endpoints
from gateway.domain.change import Need, Writes
from gateway.domain.endpoint import (
    ENDPOINTS_MAX,
    EVENTS_MAX,
    FILTERS,
    ROTATION_REPEAT_S,
    EndpointUpdate,
    NotifySecret,
    WebhookEndpoint,
)
from gateway.domain.errors import TillgateError
from gateway.domain.events import TYPES
from gateway.domain.idempotency import Fingerprints
from gateway.domain.ledger import Account

pytestmark = pytest.mark.fast

NOW = datetime(2026, 11, 22, tzinfo=UTC)
PRINTS = Fingerprints({1: bytes(32)})
KEY = "whpk_x"


class Found:
    """Rows of a merchant, found as the committer finds them."""

    def __init__(self, *rows: WebhookEndpoint | NotifySecret) -> None:
        self._rows: dict[Need, object] = {row.place: row for row in rows}
        for row in rows:
            if isinstance(row, WebhookEndpoint) and row.is_living:
                self._rows[endpoints.url_need(row.url)] = row
                self._rows[endpoints.SLOT_NEEDS[row.slot]] = row

    def get(self, need: Need) -> object | None:
        return self._rows.get(need)

    def account(self, code: str, currency: str) -> Account:
        raise AssertionError("an endpoint has no money")


def endpoint(number: int = 0, **more: object) -> WebhookEndpoint:
    url = f"https://example.com/{number}"
    numbered = PRINTS.numbered("create", "/", {"url": url}, url)
    made = WebhookEndpoint(
        merchant_id="mch",
        id=f"whe_{number}",
        url=url,
        events=("*",),
        description=None,
        status="enabled",
        fingerprint=numbered.fingerprint,
        fingerprint_key=1,
        secret=b"old",
        private_key=b"seed",
        slot=number,
        created_at=NOW,
    )
    return replace(made, **more)


def created(rows: Sequence[WebhookEndpoint], new: WebhookEndpoint, body: object = None) -> Writes:
    numbered = PRINTS.numbered("create", "/", {"url": body or new.url}, new.url)
    return endpoints.created(Found(*rows), new, numbered, PRINTS, public_key=KEY)


def code(work: object, *args: object, **more: object) -> str:
    with pytest.raises(TillgateError) as caught:
        work(*args, **more)  # type: ignore[operator]
    return caught.value.code


def test_a_new_endpoint_takes_the_first_free_slot() -> None:
    rows = [endpoint(number) for number in (0, 1, 3)]
    writes = created(rows, endpoint(9))
    (made,) = writes.rows
    assert isinstance(made, WebhookEndpoint) and made.slot == 2
    assert [line.type for line in writes.lines] == ["webhook_endpoint.created"]


def test_sixteen_slots() -> None:
    rows = [endpoint(number) for number in range(ENDPOINTS_MAX)]
    assert code(created, rows, endpoint(99)) == "too_many_endpoints"
    rows[5] = replace(rows[5], status="deleted")
    assert created(rows, endpoint(99)).rows


def test_a_repeat_changes_nothing() -> None:
    writes = created([endpoint(1)], endpoint(1, id="whe_new"))
    assert writes.result == endpoints.Made(endpoint(1), True)
    assert writes.rows == writes.lines == () and writes.touched == (endpoint(1).place,)
    # Our own row of an earlier run of the same change is the first time, not a repeat.
    assert created([endpoint(1)], endpoint(1)).result == endpoints.Made(endpoint(1), False)
    assert code(created, [endpoint(1)], endpoint(1, id="whe_new"), "other") == "endpoint_exists"


def test_nothing_new_is_no_update() -> None:
    rows, place = Found(endpoint(1)), endpoint(1).place
    update = EndpointUpdate(url=endpoint(1).url, events=("*",), status="enabled", version=1)
    writes = endpoints.updated(rows, place, update, public_key=KEY)
    assert writes.rows == () and writes.result == endpoint(1)


def test_enabling_forgives() -> None:
    rows = Found(endpoint(1, status="disabled", failing_since=NOW))
    update = EndpointUpdate(status="enabled")
    writes = endpoints.updated(rows, endpoint(1).place, update, public_key=KEY)
    assert writes.result.failing_since is None and writes.result.version == 2


def test_a_rotation_moves_the_secret() -> None:
    def rotate(holder: WebhookEndpoint | NotifySecret, **more: object) -> endpoints.Rotation:
        values = {"now": NOW, "overlap_s": 60, "version": None, "public_key": KEY} | more
        return endpoints.rotated(Found(holder), holder.place, b"new", **values).result  # type: ignore[arg-type]

    holder = NotifySecret(merchant_id="mch", secret=b"old", private_key=b"seed", created_at=NOW)
    for each in (endpoint(1), holder):
        done = rotate(each).holder
        assert endpoints.sealed_secrets(done, NOW) == [b"new", b"old"]
        assert endpoints.sealed_secrets(done, NOW + timedelta(seconds=60)) == [b"new"]
        assert endpoints.sealed_secrets(rotate(each, overlap_s=0).holder, NOW) == [b"new"]
        soon = NOW + timedelta(seconds=ROTATION_REPEAT_S - 1)
        assert rotate(done, now=soon).is_repeat
        assert not rotate(done, now=soon, version=2).is_repeat
        assert not rotate(done, now=soon + timedelta(seconds=1)).is_repeat


def test_five_days() -> None:
    failing = endpoint(1, failing_since=NOW)
    almost = NOW + timedelta(days=5) - timedelta(milliseconds=1)

    def give_up(now: datetime, *, is_gone: bool = False, row: WebhookEndpoint = failing) -> Writes:
        return endpoints.given_up(Found(row), row.place, now=now, is_gone=is_gone, public_key=KEY)

    assert give_up(almost).rows == ()
    assert give_up(NOW + timedelta(days=5)).result.status == "disabled"
    assert give_up(NOW, is_gone=True).lines[0].type == "webhook_endpoint.updated"
    assert give_up(NOW, is_gone=True, row=replace(failing, status="disabled")).rows == ()
    assert give_up(NOW, is_gone=True, row=replace(failing, status="deleted")).rows == ()


def test_filters() -> None:
    assert TYPES <= FILTERS and {"*", "payment.*", "payout.paid"} <= FILTERS
    assert endpoints.check_events(["*", "*", "refund.*"]) == ("*", "refund.*")
    for wrong in ([], ["payment"], ["payment."], ["Payment.created"], ["**"], ["x.*"]):
        assert code(endpoints.check_events, wrong) == "invalid_field"
    assert code(endpoints.check_events, ["*"] * (EVENTS_MAX + 1)) == "invalid_field"
