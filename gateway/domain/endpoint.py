"""Webhook endpoints and the notify secret: where a merchant wants its events, and how signed.

Law: pure decisions. One living endpoint per URL and sixteen per merchant, each in a slot of its
own, so that both limits are keys. Secrets are stored sealed and shown once. An endpoint without
its secrets is never signed for, and a disabled one is never called.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from msgspec import Struct
from msgspec.structs import replace

from gateway.domain.change import Need, Rows, Writes
from gateway.domain.errors import TillgateError, not_found
from gateway.domain.events import TYPES, Line, encode, rfc3339, rfc3339_or_none
from gateway.domain.idempotency import Fingerprints, Numbered, check_repeat
from gateway.domain.webhook import DISABLE_AFTER

Decide = Callable[[Rows], Writes]

ENDPOINTS_MAX = 16
EVENTS_MAX = 64
OVERLAP_DEFAULT_S = 86_400
OVERLAP_MAX_S = 7 * 86_400
# Longer than a signed request can be sent again: a repeat in this time rotates nothing.
ROTATION_REPEAT_S = 600

# Types of the contract that nothing tells yet; a filter may name them today.
ANNOUNCED_TYPES = frozenset(
    {
        "capture.succeeded",
        "payout.requires_approval",
        "payout.paid",
        "payout.failed",
        "payout.returned",
        "top_up.succeeded",
        "wallet.low_balance",
        "wallet.pin_recovery",
        "dispute.opened",
        "settlement.paid",
        "reconciliation.break_opened",
    }
)
FILTERS = (
    TYPES
    | ANNOUNCED_TYPES
    | {f"{type.partition('.')[0]}.*" for type in TYPES | ANNOUNCED_TYPES}
    | {"*"}
)


class WebhookEndpoint(Struct, frozen=True, kw_only=True):
    """A receiver of events. Secrets are sealed; `since_sequence` is where its events begin.

    `failing_since` is the moment (business time) since which nothing got through; `slot` its
    place among the merchant's sixteen; `rotated_at` when its secret was last replaced.
    """

    merchant_id: str
    id: str
    url: str
    events: tuple[str, ...]
    description: str | None
    status: str  # enabled | disabled | deleted
    fingerprint: bytes
    fingerprint_key: int
    secret: bytes
    secret_before: bytes | None = None
    secret_before_until: datetime | None = None
    private_key: bytes
    rotated_at: datetime | None = None
    slot: int = 0
    since_sequence: int = 0
    failing_since: datetime | None = None
    created_at: datetime
    version: int = 1

    @property
    def place(self) -> Need:
        """Its kind and primary key."""
        return Need("webhook_endpoint", self.id)

    @property
    def is_living(self) -> bool:
        """Whether it was not deleted."""
        return self.status != "deleted"


class NotifySecret(Struct, frozen=True, kw_only=True):
    """The secret that signs what goes to a payment's `notify_url`; sealed."""

    merchant_id: str
    secret: bytes
    secret_before: bytes | None = None
    secret_before_until: datetime | None = None
    private_key: bytes
    rotated_at: datetime | None = None
    created_at: datetime
    version: int = 1

    @property
    def place(self) -> Need:
        """Its kind and primary key."""
        return Need("notify_secret", self.merchant_id)


class Made(Struct, frozen=True):
    """An endpoint and whether the request that asked for it was a repeat."""

    endpoint: WebhookEndpoint
    is_repeat: bool


class Rotation(Struct, frozen=True):
    """Whose secret was asked to be replaced, and whether the request was a repeat."""

    holder: WebhookEndpoint | NotifySecret
    is_repeat: bool


class EndpointUpdate(Struct, frozen=True, kw_only=True):
    """What a merchant wants changed; None leaves a field as it is."""

    url: str | None = None
    events: tuple[str, ...] | None = None
    description: str | None = None
    status: str | None = None
    version: int | None = None


# --- what others see ----------------------------------------------------------------------------


def view(endpoint: WebhookEndpoint, public_key: str) -> dict[str, object]:
    """The endpoint object of the API, without its secret. `public_key` is `whpk_` text."""
    return {
        "id": endpoint.id,
        "object": "webhook_endpoint",
        "url": endpoint.url,
        "events": endpoint.events,
        "description": endpoint.description,
        "status": endpoint.status,
        "public_key": public_key,
        "failing_since": rfc3339_or_none(endpoint.failing_since),
        "created_at": rfc3339(endpoint.created_at),
        "version": endpoint.version,
    }


def notify_secret_view(holder: NotifySecret, *, secret: str, public_key: str) -> dict[str, object]:
    """The notify secret of the API. `secret` is `whsec_` text, `public_key` `whpk_` text."""
    return {
        "object": "notify_secret",
        "secret": secret,
        "public_key": public_key,
        "previous_valid_until": rfc3339_or_none(holder.secret_before_until),
        "created_at": rfc3339(holder.created_at),
        "version": holder.version,
    }


def line(endpoint: WebhookEndpoint, kind: str, public_key: str) -> Line:
    """The journal line that tells `webhook_endpoint.<kind>`."""
    data = encode(view(endpoint, public_key))
    return Line(f"webhook_endpoint.{kind}", endpoint.id, endpoint.version, data)


def notify_secret_line(holder: NotifySecret, public_key: str) -> Line:
    """The journal line that tells `notify_secret.rotated`; the secret is not in it."""
    data = {
        "object": "notify_secret",
        "public_key": public_key,
        "previous_valid_until": rfc3339_or_none(holder.secret_before_until),
        "version": holder.version,
    }
    return Line("notify_secret.rotated", holder.merchant_id, holder.version, encode(data))


def check_events(events: Sequence[str]) -> tuple[str, ...]:
    """The filter, each entry once: types of events, `payment.*` and its kin, or `*`.

    Raises `invalid_field` for an empty or too long filter and for what is no type.
    """
    if not 1 <= len(events) <= EVENTS_MAX:
        raise TillgateError(
            "invalid_field", f"Name 1 to {EVENTS_MAX} types of events.", param="/events"
        )
    for index, name in enumerate(events):
        if name not in FILTERS:
            raise TillgateError(
                "invalid_field", "There is no such type of event.", param=f"/events/{index}"
            )
    return tuple(dict.fromkeys(events))


def check_version(version: int, expected: int | None) -> None:
    """Refuse with `stale_version` a change that was made against an older state."""
    if expected is not None and expected != version:
        raise TillgateError(
            "stale_version", f"The object is at version {version} now.", param="/version"
        )


# --- decisions ----------------------------------------------------------------------------------


def url_need(url: str) -> Need:
    """The key of the living endpoint of a URL."""
    return Need("webhook_endpoint_url", url)


SLOT_NEEDS = tuple(Need("webhook_endpoint_slot", str(slot)) for slot in range(ENDPOINTS_MAX))


def _living(rows: Rows, need: Need) -> WebhookEndpoint | None:
    found = rows.get(need)
    return found if isinstance(found, WebhookEndpoint) and found.is_living else None


def _at_url(rows: Rows, url: str) -> WebhookEndpoint | None:
    """The living endpoint of a URL; one that left it earlier in the transaction is not there."""
    found = _living(rows, url_need(url))
    return found if found is not None and found.url == url else None


def _present(rows: Rows, place: Need) -> WebhookEndpoint:
    found = _living(rows, place)
    if found is None:
        raise not_found()
    return found


def created(
    rows: Rows,
    endpoint: WebhookEndpoint,
    numbered: Numbered,
    fingerprints: Fingerprints,
    *,
    public_key: str,
) -> Writes:
    """Make an endpoint, or find that the request repeats the one that made it (result: `Made`).

    Raises `endpoint_exists` for a URL taken with other content and `too_many_endpoints`.
    """
    existing = _at_url(rows, endpoint.url)
    if existing is not None:
        is_own = existing.id == endpoint.id
        if not is_own:
            check_repeat(
                "webhook_endpoint",
                numbered,
                fingerprints,
                stored=existing.fingerprint,
                key_number=existing.fingerprint_key,
            )
        return Writes(touched=(existing.place,), result=Made(existing, not is_own))
    slot = next((slot for slot, need in enumerate(SLOT_NEEDS) if _living(rows, need) is None), None)
    if slot is None:
        raise TillgateError(
            "too_many_endpoints", f"A merchant has at most {ENDPOINTS_MAX} webhook endpoints."
        )
    endpoint = replace(endpoint, slot=slot)
    return Writes(
        rows=(endpoint,),
        lines=(line(endpoint, "created", public_key),),
        result=Made(endpoint, False),
    )


def updated(rows: Rows, place: Need, update: EndpointUpdate, *, public_key: str) -> Writes:
    """Change what a merchant wants changed (result: the endpoint); nothing new changes nothing.

    Enabling forgives: failures count from then on. Raises `not_found`, `stale_version`,
    `endpoint_exists`.
    """
    present = _present(rows, place)
    check_version(present.version, update.version)
    if update.url is not None and update.url != present.url:
        other = _at_url(rows, update.url)
        if other is not None and other.id != present.id:
            raise TillgateError("endpoint_exists", "Another endpoint has this URL.", param="/url")
    fields = {
        name: value
        for name in ("url", "events", "description", "status")
        if (value := getattr(update, name)) is not None and value != getattr(present, name)
    }
    if not fields:
        return Writes(touched=(present.place,), result=present)
    if fields.get("status") == "enabled":
        fields["failing_since"] = None
    changed = replace(present, version=present.version + 1, **fields)
    return Writes(rows=(changed,), lines=(line(changed, "updated", public_key),), result=changed)


def deleted(rows: Rows, place: Need, *, public_key: str) -> Writes:
    """Delete an endpoint; one that was deleted already stays so. Raises `not_found`."""
    found = rows.get(place)
    if not isinstance(found, WebhookEndpoint):
        raise not_found()
    if not found.is_living:
        return Writes(touched=(found.place,), result=found)
    gone = replace(
        found, status="deleted", secret_before=None, secret_before_until=None,
        version=found.version + 1,
    )  # fmt: skip
    return Writes(rows=(gone,), lines=(line(gone, "deleted", public_key),), result=gone)


def rotated(
    rows: Rows,
    place: Need,
    secret: bytes,
    *,
    now: datetime,
    overlap_s: int,
    version: int | None,
    public_key: str,
) -> Writes:
    """Put a new sealed secret in place; the old one signs beside it for `overlap_s` seconds.

    A request without `version` that comes within `ROTATION_REPEAT_S` of a rotation is taken for
    its repeat: it changes nothing and its result is the present secret (result: `Rotation`).
    Raises `not_found`, `stale_version`.
    """
    holder = rows.get(place)
    if isinstance(holder, WebhookEndpoint):
        holder = _present(rows, place)
    elif not isinstance(holder, NotifySecret):
        raise not_found()
    check_version(holder.version, version)
    if version is None and _was_just_rotated(holder, now):
        return Writes(touched=(holder.place,), result=Rotation(holder, True))
    changed = replace(
        holder,
        secret=secret,
        secret_before=holder.secret if overlap_s else None,
        secret_before_until=now + timedelta(seconds=overlap_s) if overlap_s else None,
        rotated_at=now,
        version=holder.version + 1,
    )
    told = (
        line(changed, "updated", public_key)
        if isinstance(changed, WebhookEndpoint)
        else notify_secret_line(changed, public_key)
    )
    return Writes(rows=(changed,), lines=(told,), result=Rotation(changed, False))


def _was_just_rotated(holder: WebhookEndpoint | NotifySecret, now: datetime) -> bool:
    at = holder.rotated_at
    return at is not None and now < at + timedelta(seconds=ROTATION_REPEAT_S)


def sealed_secrets(holder: WebhookEndpoint | NotifySecret, now: datetime) -> list[bytes]:
    """The sealed secrets that sign at `now` (business time), the newest first."""
    before, until = holder.secret_before, holder.secret_before_until
    if before is None or until is None or now >= until:
        return [holder.secret]
    return [holder.secret, before]


# --- health -------------------------------------------------------------------------------------


def failing(rows: Rows, place: Need, *, since: datetime) -> Writes:
    """Note that nothing gets through to an endpoint (result: the endpoint, or None if gone)."""
    present = _living(rows, place)
    if present is None or present.failing_since is not None:
        return Writes(result=present)
    changed = replace(present, failing_since=since, version=present.version + 1)
    return Writes(rows=(changed,), result=changed)


def recovered(rows: Rows, place: Need) -> Writes:
    """Note that something got through again."""
    present = _living(rows, place)
    if present is None or present.failing_since is None:
        return Writes(result=present)
    changed = replace(present, failing_since=None, version=present.version + 1)
    return Writes(rows=(changed,), result=changed)


def has_failed_too_long(endpoint: WebhookEndpoint, now: datetime) -> bool:
    """Whether nothing got through for five days."""
    since = endpoint.failing_since
    return since is not None and now - since >= DISABLE_AFTER


def given_up(rows: Rows, place: Need, *, now: datetime, is_gone: bool, public_key: str) -> Writes:
    """Disable an endpoint that said 410 (`is_gone`) or failed for five days, and tell it."""
    present = _living(rows, place)
    if present is None or present.status != "enabled":
        return Writes(result=present)
    if not is_gone and not has_failed_too_long(present, now):
        return Writes(result=present)
    changed = replace(present, status="disabled", version=present.version + 1)
    return Writes(rows=(changed,), lines=(line(changed, "updated", public_key),), result=changed)
