"""Endpoints and their secrets: made once, sixteen at most, rotated without losing anybody."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from gateway.center.notify import EndpointRequest, Shown
from gateway.domain import ids
from gateway.domain.endpoint import ENDPOINTS_MAX, EndpointUpdate, WebhookEndpoint
from gateway.domain.errors import SecretUnreadable, TillgateError
from gateway.domain.webhook import public_key_bytes, secret_bytes
from tests.conftest import Installation
from tests.webhook_world import WebhookWorld, open_webhook_world

BY = {"actor": "test", "request_id": "req_1"}


@pytest.fixture
async def world(installation: Installation) -> AsyncIterator[WebhookWorld]:
    async with open_webhook_world(installation) as opened:
        yield opened


def url(number: int = 1) -> str:
    return f"http://127.0.0.1:1/hook/{number}"


async def refused(code: str, work: Any) -> TillgateError:
    with pytest.raises(TillgateError) as caught:
        await work
    assert caught.value.code == code
    return caught.value


def endpoint_of(shown: Shown) -> WebhookEndpoint:
    assert isinstance(shown.holder, WebhookEndpoint)
    return shown.holder


async def test_the_secret_is_shown_once_and_stored_sealed(world: WebhookWorld) -> None:
    merchant = await world.merchant()
    shown = await world.endpoint(merchant, url())
    secret = secret_bytes(shown.secret or "")
    assert len(secret) == 32 and public_key_bytes(shown.public_key)
    again = await world.notify.get(merchant, endpoint_of(shown).id)
    assert again.secret is None and again.public_key == shown.public_key
    stored = b"".join(
        bytes(value)
        for row in await world.sql("select * from webhook_endpoints")
        for value in row.values()
        if isinstance(value, bytes)
    )
    assert secret not in stored
    journal = await world.sql("select string_agg(data, '') from journal")
    assert (shown.secret or "")[6:] not in journal[0][0]


async def test_a_sealed_secret_opens_in_its_own_row_only(world: WebhookWorld) -> None:
    merchant = await world.merchant()
    first = endpoint_of(await world.endpoint(merchant, url(1)))
    await world.endpoint(merchant, url(2))
    await world.sql("update webhook_endpoints set secret = $1", first.secret)
    world.secrets._opened.clear()
    found = await world.notify.all_endpoints(merchant)
    swapped = next(each for each in found if each.holder.place != first.place)
    with pytest.raises(SecretUnreadable):
        await world.secrets.secret_text(swapped.holder)


async def test_the_same_request_again_is_the_same_endpoint(world: WebhookWorld) -> None:
    merchant = await world.merchant()
    made = await asyncio.gather(*(world.endpoint(merchant, url()) for _ in range(8)))
    assert len({endpoint_of(each).id for each in made}) == 1
    first = [each for each in made if not each.is_repeat]
    assert len(first) == 1 and first[0].secret
    assert all(each.secret is None for each in made if each.is_repeat)
    await refused("endpoint_exists", world.endpoint(merchant, url(), ["payment.succeeded"]))
    assert await world.sequence(merchant) == 1


async def test_sixteen_and_no_more_also_at_once(world: WebhookWorld) -> None:
    merchant, other = await world.merchant(1), await world.merchant(2)
    made = await asyncio.gather(
        *(world.endpoint(merchant, url(number)) for number in range(ENDPOINTS_MAX + 4)),
        return_exceptions=True,
    )
    refusals = [each for each in made if isinstance(each, TillgateError)]
    assert [each.code for each in refusals] == ["too_many_endpoints"] * 4
    assert len(await world.notify.all_endpoints(merchant)) == ENDPOINTS_MAX
    # A place that was left is free again, and other merchants have their own.
    gone = endpoint_of(next(each for each in made if isinstance(each, Shown)))
    await world.notify.delete(merchant, gone.id, **BY)
    assert (await world.endpoint(merchant, url(99))).secret
    await refused("too_many_endpoints", world.endpoint(merchant, url(100)))
    assert (await world.endpoint(other, url(1))).secret


async def test_deleting_frees_the_url_and_may_be_repeated(world: WebhookWorld) -> None:
    merchant = await world.merchant()
    old = endpoint_of(await world.endpoint(merchant, url()))
    await world.notify.delete(merchant, old.id, **BY)
    await world.notify.delete(merchant, old.id, **BY)
    await refused("not_found", world.notify.get(merchant, old.id))
    await refused(
        "not_found", world.notify.update(merchant, old.id, EndpointUpdate(status="enabled"), **BY)
    )
    new = await world.endpoint(merchant, url())
    assert new.secret and endpoint_of(new).id != old.id
    await refused("not_found", world.notify.delete(merchant, world.ids.make("whe", merchant), **BY))


async def test_another_merchants_endpoint_is_not_there(world: WebhookWorld) -> None:
    owner, stranger = await world.merchant(5), await world.merchant(5)
    made = endpoint_of(await world.endpoint(owner, url()))
    for work in (
        world.notify.get(stranger, made.id),
        world.notify.update(stranger, made.id, EndpointUpdate(status="disabled"), **BY),
        world.notify.delete(stranger, made.id, **BY),
        world.notify.rotate_secret(stranger, made.id, overlap_s=0, version=None, **BY),
        world.notify.sent_to(
            stranger, made.id, before=None, created_from=None, created_to=None, limit=1
        ),
        world.replay.resend_range(
            stranger,
            made.id,
            created_from=made.created_at,
            created_to=made.created_at + timedelta(1),
            types=None,
        ),
    ):
        await refused("not_found", work)
    assert endpoint_of(await world.notify.get(owner, made.id)) == made


async def test_updates_are_versioned_and_told(world: WebhookWorld) -> None:
    merchant = await world.merchant()
    made = endpoint_of(await world.endpoint(merchant, url(1)))
    other = endpoint_of(await world.endpoint(merchant, url(2)))

    async def update(endpoint_id: str, **fields: Any) -> WebhookEndpoint:
        change = EndpointUpdate(**fields)
        return endpoint_of(await world.notify.update(merchant, endpoint_id, change, **BY))

    moved = await update(made.id, url=url(3), events=("refund.*",), description="till")
    assert (moved.url, moved.events, moved.description) == (url(3), ("refund.*",), "till")
    assert moved.version == 2
    # Nothing new changes nothing.
    assert (await update(made.id, url=url(3))).version == 2
    await refused("stale_version", update(made.id, status="disabled", version=1))
    assert (await update(made.id, status="disabled", version=2)).status == "disabled"
    await refused("endpoint_exists", update(other.id, url=url(3)))
    assert (await update(other.id, url=url(1))).url == url(1)
    types = [
        event.type for event in await world.events.page(merchant, after=0, types=None, limit=9)
    ]
    assert types.count("webhook_endpoint.updated") == 3


async def test_an_endpoint_begins_where_the_merchant_is(world: WebhookWorld) -> None:
    merchant = await world.merchant()
    await world.pay_many(merchant, 3)
    made = endpoint_of(await world.endpoint(merchant, url()))
    assert made.since_sequence == 3


async def test_rotation_is_repeated_without_harm(world: WebhookWorld) -> None:
    merchant = await world.merchant()
    made = await world.endpoint(merchant, url())
    endpoint_id = endpoint_of(made).id

    async def rotate(version: int | None = None, overlap_s: int = 0) -> Shown:
        return await world.notify.rotate_secret(
            merchant, endpoint_id, overlap_s=overlap_s, version=version, **BY
        )

    first = await rotate()
    assert first.secret != made.secret and not first.is_repeat
    # The answer was lost, or somebody sends what he saw once more: nothing is rotated away.
    again = await rotate()
    assert again.secret == first.secret and again.is_repeat
    # Whoever names the version means it.
    forced = await rotate(version=2)
    assert forced.secret != first.secret and endpoint_of(forced).version == 3
    await refused("stale_version", rotate(version=2))
    world.clock.advance(minutes=11)
    assert (await rotate()).secret != forced.secret


async def test_a_rotation_keeps_the_old_secret_for_a_while(world: WebhookWorld) -> None:
    merchant = await world.merchant()
    made = await world.endpoint(merchant, url())
    rotated = await world.notify.rotate_secret(
        merchant, endpoint_of(made).id, overlap_s=60, version=None, **BY
    )
    now = world.clock.business()
    old, new = (secret_bytes(each.secret or "") for each in (made, rotated))
    assert (await world.secrets.signer(rotated.holder, now)).secrets == [new, old]
    later = now + timedelta(seconds=61)
    assert (await world.secrets.signer(rotated.holder, later)).secrets == [new]


async def test_the_notify_secret_is_one_and_rotates(world: WebhookWorld) -> None:
    merchant = await world.merchant()
    owner = await asyncpg.connect(world.installation.dsns[0])
    await owner.execute("delete from notify_secrets")
    await owner.close()
    shown = await asyncio.gather(*(world.notify.notify_secret(merchant) for _ in range(4)))
    assert len({each.secret for each in shown}) == 1
    rotated = await world.notify.rotate_notify_secret(merchant, overlap_s=60, version=None, **BY)
    assert rotated.secret != shown[0].secret
    again = await world.notify.rotate_notify_secret(merchant, overlap_s=60, version=None, **BY)
    assert again.is_repeat and again.secret == rotated.secret
    assert (await world.notify.notify_secret(merchant)).secret == rotated.secret
    assert ids.bucket_of(merchant) == 7


async def test_health_is_noted_once(world: WebhookWorld) -> None:
    merchant = await world.merchant()
    made = endpoint_of(await world.endpoint(merchant, url()))
    since = world.clock.business()
    await world.notify.note_failing(made, since=since)
    await world.notify.note_failing(made, since=since + timedelta(hours=1))
    found = endpoint_of(await world.notify.get(merchant, made.id))
    assert found.failing_since == since and found.version == 2
    # Five days are not over, so it stays; 410 is a word.
    await world.notify.give_up(found, is_gone=False)
    assert endpoint_of(await world.notify.get(merchant, made.id)).status == "enabled"
    await world.notify.note_recovered(found)
    assert endpoint_of(await world.notify.get(merchant, made.id)).failing_since is None
    await world.notify.give_up(found, is_gone=True)
    assert endpoint_of(await world.notify.get(merchant, made.id)).status == "disabled"
    # Enabled again it starts anew.
    enabled = await world.notify.update(merchant, made.id, EndpointUpdate(status="enabled"), **BY)
    assert endpoint_of(enabled).failing_since is None


async def test_nobody_has_no_endpoints(world: WebhookWorld) -> None:
    nobody = world.ids.in_bucket("mch", 3)
    numbered = world.directory.fingerprints.numbered("x", "/", {}, url())
    await refused(
        "not_found",
        world.notify.create(nobody, EndpointRequest(url=url(), events=("*",)), numbered, **BY),
    )
