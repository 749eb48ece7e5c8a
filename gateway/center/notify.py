"""Notify: where a merchant wants its events and with which secrets they are signed.

Beats: LOAD what is needed beforehand (the sequence, sealed keys) - DECIDE in `domain.endpoint` -
COMMIT one Change - the rest is told by the workers. Secrets leave in the answers to create and
rotate only, that of `notify_url` also when it is asked for.
"""

from datetime import datetime

from msgspec import Struct

from gateway.center.ports import Books, Clock, Directory, Ids
from gateway.center.signing_secrets import Fresh, SigningSecrets
from gateway.center.webhook_ports import Deliveries, Events
from gateway.domain import endpoint as endpoints
from gateway.domain.change import Change, Need, Rows, Writes
from gateway.domain.delivery import Sent
from gateway.domain.endpoint import EndpointUpdate, NotifySecret, WebhookEndpoint
from gateway.domain.errors import not_found
from gateway.domain.idempotency import Numbered

WORKER = "worker:deliver"


class Shown(Struct, frozen=True):
    """An endpoint or notify secret as it is answered: with its public key, and a secret if due."""

    holder: WebhookEndpoint | NotifySecret
    public_key: str
    secret: str | None = None
    is_repeat: bool = False


class EndpointRequest(Struct, frozen=True, kw_only=True):
    """What a merchant wants to receive and where; already checked field by field."""

    url: str
    events: tuple[str, ...]
    description: str | None = None


class Notify:
    """The operations behind webhook endpoints and the notify secret."""

    def __init__(
        self,
        *,
        books: Books,
        deliveries: Deliveries,
        events: Events,
        secrets: SigningSecrets,
        directory: Directory,
        clock: Clock,
        ids: Ids,
    ) -> None:
        self._books = books
        self._deliveries = deliveries
        self._events = events
        self._secrets = secrets
        self._directory = directory
        self._clock = clock
        self._ids = ids

    # --- endpoints -------------------------------------------------------------------------------

    async def create(
        self,
        merchant_id: str,
        request: EndpointRequest,
        numbered: Numbered,
        *,
        actor: str,
        request_id: str,
    ) -> Shown:
        """A new endpoint with its secret, or the one that the same request made before.

        It receives what becomes durable from now on. Raises `endpoint_exists`,
        `too_many_endpoints`.
        """
        endpoint_id = self._ids.make("whe", merchant_id)
        keys = await self._secrets.fresh(merchant_id, table="webhook_endpoints", row=endpoint_id)
        now = self._clock.business()
        endpoint = WebhookEndpoint(
            merchant_id=merchant_id,
            id=endpoint_id,
            url=request.url,
            events=request.events,
            description=request.description,
            status="enabled",
            fingerprint=numbered.fingerprint,
            fingerprint_key=numbered.fingerprint_key,
            secret=keys.sealed_secret,
            private_key=keys.sealed_seed,
            since_sequence=await self._events.head(merchant_id),
            created_at=now,
        )
        fingerprints = self._directory.fingerprints
        number = endpoints.url_need(request.url)

        def decide(rows: Rows) -> Writes:
            return endpoints.created(
                rows, endpoint, numbered, fingerprints, public_key=keys.public_key_text
            )

        made: endpoints.Made = (
            await self._submit(
                merchant_id,
                decide,
                needs=(number, *endpoints.SLOT_NEEDS),
                number=number,
                now=now,
                actor=actor,
                request_id=request_id,
            )
        ).result
        if made.is_repeat:
            public_key = await self._secrets.public_key_text(made.endpoint)
            return Shown(made.endpoint, public_key, is_repeat=True)
        return Shown(made.endpoint, keys.public_key_text, keys.secret_text)

    async def all_endpoints(self, merchant_id: str) -> list[Shown]:
        """All endpoints of a merchant, newest first."""
        found = await self._deliveries.endpoints(merchant_id)
        return [Shown(each, await self._secrets.public_key_text(each)) for each in found]

    async def get(self, merchant_id: str, endpoint_id: str) -> Shown:
        """One endpoint. Raises `not_found`."""
        found = await self._endpoint(merchant_id, endpoint_id)
        return Shown(found, await self._secrets.public_key_text(found))

    async def update(
        self,
        merchant_id: str,
        endpoint_id: str,
        update: EndpointUpdate,
        *,
        actor: str,
        request_id: str,
    ) -> Shown:
        """Change an endpoint. Raises `not_found`, `stale_version`, `endpoint_exists`."""
        present = await self._endpoint(merchant_id, endpoint_id)
        public_key = await self._secrets.public_key_text(present)
        place = present.place
        url = () if update.url is None else (endpoints.url_need(update.url),)

        def decide(rows: Rows) -> Writes:
            return endpoints.updated(rows, place, update, public_key=public_key)

        writes = await self._submit(
            merchant_id,
            decide,
            needs=(place, *url),
            now=self._clock.business(),
            actor=actor,
            request_id=request_id,
        )
        return Shown(writes.result, public_key)

    async def delete(
        self, merchant_id: str, endpoint_id: str, *, actor: str, request_id: str
    ) -> None:
        """Delete an endpoint, also one that is deleted already. Raises `not_found`."""
        present = await self._deliveries.endpoint(merchant_id, endpoint_id)
        public_key = "" if present is None else await self._secrets.public_key_text(present)
        place = Need("webhook_endpoint", endpoint_id)

        def decide(rows: Rows) -> Writes:
            return endpoints.deleted(rows, place, public_key=public_key)

        await self._submit(
            merchant_id,
            decide,
            needs=(place,),
            now=self._clock.business(),
            actor=actor,
            request_id=request_id,
        )

    async def rotate_secret(
        self,
        merchant_id: str,
        endpoint_id: str,
        *,
        overlap_s: int,
        version: int | None,
        actor: str,
        request_id: str,
    ) -> Shown:
        """Replace an endpoint's secret; the old one signs too for `overlap_s` seconds.

        Without `version` a request within ten minutes of a rotation is its repeat and is answered
        with the present secret. Raises `not_found`, `stale_version`.
        """
        present = await self._endpoint(merchant_id, endpoint_id)
        return await self._rotate(
            present, overlap_s=overlap_s, version=version, actor=actor, request_id=request_id
        )

    async def sent_to(
        self,
        merchant_id: str,
        endpoint_id: str,
        *,
        before: str | None,
        created_from: datetime | None,
        created_to: datetime | None,
        limit: int,
    ) -> list[Sent]:
        """The deliveries of an endpoint, newest first. Raises `not_found`."""
        await self._endpoint(merchant_id, endpoint_id)
        return await self._deliveries.sent_to(
            merchant_id,
            endpoint_id,
            before=before,
            created_from=created_from,
            created_to=created_to,
            limit=limit,
        )

    # --- the notify secret -----------------------------------------------------------------------

    async def notify_secret(self, merchant_id: str) -> Shown:
        """The secret that signs what goes to `notify_url`; made when there is none yet."""
        holder = await self.notify_secret_of(merchant_id)
        return Shown(
            holder,
            await self._secrets.public_key_text(holder),
            await self._secrets.secret_text(holder),
        )

    async def notify_secret_of(self, merchant_id: str) -> NotifySecret:
        """The row of the notify secret, sealed; made when there is none yet."""
        found = await self._deliveries.notify_secret(merchant_id)
        if found is not None:
            return found
        keys = await self._secrets.fresh(merchant_id, table="notify_secrets", row=merchant_id)
        now = self._clock.business()
        place = Need("notify_secret", merchant_id)

        def decide(rows: Rows) -> Writes:
            existing = rows.get(place)
            if existing is not None:
                return Writes(result=existing)
            made = NotifySecret(
                merchant_id=merchant_id,
                secret=keys.sealed_secret,
                private_key=keys.sealed_seed,
                created_at=now,
            )
            return Writes(rows=(made,), result=made)

        writes = await self._submit(
            merchant_id, decide, needs=(place,), now=now, actor=WORKER, request_id=None
        )
        return writes.result

    async def rotate_notify_secret(
        self,
        merchant_id: str,
        *,
        overlap_s: int,
        version: int | None,
        actor: str,
        request_id: str,
    ) -> Shown:
        """Replace the notify secret, as `rotate_secret` does an endpoint's."""
        present = await self.notify_secret_of(merchant_id)
        return await self._rotate(
            present, overlap_s=overlap_s, version=version, actor=actor, request_id=request_id
        )

    # --- health ----------------------------------------------------------------------------------

    async def note_failing(self, endpoint: WebhookEndpoint, *, since: datetime) -> None:
        """Nothing gets through to an endpoint since a moment (business time)."""
        await self._note(
            endpoint, lambda rows: endpoints.failing(rows, endpoint.place, since=since)
        )

    async def note_recovered(self, endpoint: WebhookEndpoint) -> None:
        """Something got through to an endpoint again."""
        await self._note(endpoint, lambda rows: endpoints.recovered(rows, endpoint.place))

    async def give_up(self, endpoint: WebhookEndpoint, *, is_gone: bool) -> None:
        """Disable an endpoint that answered 410 or failed for five days; the journal tells it."""
        public_key = await self._secrets.public_key_text(endpoint)
        now = self._clock.business()

        def decide(rows: Rows) -> Writes:
            return endpoints.given_up(
                rows, endpoint.place, now=now, is_gone=is_gone, public_key=public_key
            )

        await self._note(endpoint, decide)

    # --- parts -----------------------------------------------------------------------------------

    async def _endpoint(self, merchant_id: str, endpoint_id: str) -> WebhookEndpoint:
        found = await self._deliveries.endpoint(merchant_id, endpoint_id)
        if found is None:
            raise not_found()
        return found

    async def _rotate(
        self,
        present: WebhookEndpoint | NotifySecret,
        *,
        overlap_s: int,
        version: int | None,
        actor: str,
        request_id: str,
    ) -> Shown:
        is_endpoint = isinstance(present, WebhookEndpoint)
        keys: Fresh = await self._secrets.fresh(
            present.merchant_id,
            table="webhook_endpoints" if is_endpoint else "notify_secrets",
            row=present.place.key,
        )
        public_key = await self._secrets.public_key_text(present)
        now = self._clock.business()

        def decide(rows: Rows) -> Writes:
            return endpoints.rotated(
                rows,
                present.place,
                keys.sealed_secret,
                now=now,
                overlap_s=overlap_s,
                version=version,
                public_key=public_key,
            )

        rotation: endpoints.Rotation = (
            await self._submit(
                present.merchant_id,
                decide,
                needs=(present.place,),
                now=now,
                actor=actor,
                request_id=request_id,
            )
        ).result
        secret = await self._secrets.secret_text(rotation.holder)
        return Shown(rotation.holder, public_key, secret, is_repeat=rotation.is_repeat)

    async def _note(self, endpoint: WebhookEndpoint, decide: endpoints.Decide) -> None:
        await self._submit(
            endpoint.merchant_id,
            decide,
            needs=(endpoint.place,),
            now=self._clock.business(),
            actor=WORKER,
            request_id=None,
        )

    async def _submit(
        self,
        merchant_id: str,
        decide: endpoints.Decide,
        *,
        needs: tuple[Need, ...],
        now: datetime,
        actor: str,
        request_id: str | None,
        number: Need | None = None,
    ) -> Writes:
        return await self._books.submit(
            Change(
                merchant_id=merchant_id,
                actor=actor,
                at=now,
                request_id=request_id,
                decide=decide,
                needs=needs,
                number=number,
            )
        )
