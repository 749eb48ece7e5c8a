"""Webhook endpoints of the pretend Stripe: where an account hears of events.

Law: an endpoint hears what happens after it was made. The first endpoint of an account signs with
the secret that `POST /accounts` has told; each further one gets a secret of its own, shown once.
Another URL keeps the secret. Source: Stripe API reference, "Webhook Endpoints".
"""

from dataclasses import replace
from typing import Any, Final

from gateway.sandbox.card.accounts import Account, new_id, random_text
from gateway.sandbox.card.events import EVENTS
from gateway.sandbox.card.parameters import Parameters
from gateway.sandbox.card.refusals import invalid, missing, no_such
from gateway.sandbox.card.shapes import endpoint_shape
from gateway.sandbox.card.store import Endpoint, Store
from gateway.sandbox.moments import Clock, to_ms
from gateway.sandbox.notifications import is_legal_url

ENDPOINTS_MAX: Final = 16


class Endpoints:
    """The verbs. Each raises `Refusal` for what it does not do."""

    def __init__(self, *, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def find(self, account: Account, number: str) -> Endpoint:
        """An endpoint of the account."""
        for endpoint in self._store.endpoints(account.account_id):
            if endpoint.id == number:
                return endpoint
        raise no_such("webhook endpoint", number, param="webhook_endpoint")

    def create(self, account: Account, parameters: Parameters) -> dict[str, Any]:
        """A new endpoint, with its secret."""
        url = _url(parameters)
        events = _events(parameters)
        parameters.text("api_version")
        description = parameters.text("description")
        metadata = parameters.metadata() or {}
        parameters.done()
        if url is None:
            raise missing("url")
        if events is None:
            raise missing("enabled_events")
        if len(self._store.endpoints(account.account_id)) >= ENDPOINTS_MAX:
            raise invalid(f"There are {ENDPOINTS_MAX} endpoints already.", executed=True)
        first = not self._store.had_endpoint(account.account_id)
        endpoint = Endpoint(
            id=new_id("we"),
            account_id=account.account_id,
            url=url,
            secret=account.webhook_secret if first else f"whsec_{random_text(32)}",
            enabled_events=events,
            created=to_ms(self._clock()),
            description=description,
            metadata=metadata,
        )
        self._store.write_endpoint(endpoint)
        return endpoint_shape(endpoint, with_secret=True)

    def update(self, endpoint: Endpoint, parameters: Parameters) -> dict[str, Any]:
        """Another URL, other events, on or off; the secret stays."""
        url = _url(parameters)
        events = _events(parameters)
        disabled = parameters.boolean("disabled")
        description = parameters.text("description")
        metadata = parameters.metadata()
        parameters.done()
        status = endpoint.status
        if disabled is not None:
            status = "disabled" if disabled else "enabled"
        changed = replace(
            endpoint,
            url=url or endpoint.url,
            enabled_events=events or endpoint.enabled_events,
            status=status,
            description=description or endpoint.description,
            metadata=endpoint.metadata | (metadata or {}),
        )
        self._store.write_endpoint(changed)
        return endpoint_shape(changed)

    def delete(self, endpoint: Endpoint, parameters: Parameters) -> dict[str, Any]:
        """Hear no more."""
        parameters.done()
        self._store.write_endpoint(endpoint, deleted=True)
        return {"id": endpoint.id, "object": "webhook_endpoint", "deleted": True}


def _url(parameters: Parameters) -> str | None:
    url = parameters.text("url")
    if url is not None and not is_legal_url(url):
        raise invalid("Invalid URL.", param="url", code="url_invalid")
    return url


def _events(parameters: Parameters) -> tuple[str, ...] | None:
    events = parameters.texts("enabled_events")
    if events is None:
        return None
    for each in events:
        if each != "*" and each not in EVENTS:
            raise invalid("Invalid enabled_events.", param="enabled_events")
    return tuple(events)
