"""Which path of the pretend Stripe's API is which verb.

Law: reads parameters for lists, calls one verb, shapes one answer; nothing is decided here, and the
caller holds the change.
"""

from collections.abc import Callable
from typing import Any, Final

from aiohttp import web

from gateway.sandbox.card.accounts import Account
from gateway.sandbox.card.endpoints import Endpoints
from gateway.sandbox.card.intents import Intents
from gateway.sandbox.card.parameters import Parameters
from gateway.sandbox.card.refunds import Refunds
from gateway.sandbox.card.refusals import invalid, no_such
from gateway.sandbox.card.shapes import (
    API_VERSION,
    endpoint_shape,
    intent_shape,
    list_shape,
    refund_shape,
)
from gateway.sandbox.card.store import Intent, Page, Store

PATH: Final = "/card"
LIMIT_DEFAULT: Final = 10
LIMIT_MAX: Final = 100
EXPAND: Final = ("latest_charge",)
TYPES: Final = "payment_method_types"
TYPES_REFUSED_SINCE: Final = "2026-09-30"
"""The version (dates compare as text) whose intents only tell their types."""

Verb = Callable[[Account, Parameters, web.Request], dict[str, Any]]


class Doors:
    """The table of paths, and the verbs behind it."""

    def __init__(
        self, *, store: Store, intents: Intents, refunds: Refunds, endpoints: Endpoints
    ) -> None:
        self._store = store
        self._intents = intents
        self._refunds = refunds
        self._endpoints = endpoints

    def table(self) -> list[tuple[str, str, str, Verb]]:
        """(method, path, operation as faults call it, verb)."""
        intents, refunds = "/v1/payment_intents", "/v1/refunds"
        endpoints, transactions = "/v1/webhook_endpoints", "/v1/balance_transactions"
        return [
            ("POST", intents, "create", self._create),
            ("GET", intents, "query", self._list_intents),
            ("GET", intents + "/{id}", "query", self._intent),
            ("POST", intents + "/{id}/confirm", "confirm", self._confirm),
            ("POST", intents + "/{id}/capture", "capture", self._capture),
            ("POST", intents + "/{id}/cancel", "cancel", self._cancel),
            ("POST", refunds, "refund", self._refund),
            ("GET", refunds, "refund_query", self._list_refunds),
            ("GET", refunds + "/{id}", "refund_query", self._show_refund),
            ("GET", transactions, "transactions", self._list_transactions),
            ("GET", transactions + "/{id}", "transactions", self._transaction),
            ("POST", endpoints, "webhook_endpoints", self._create_endpoint),
            ("GET", endpoints, "webhook_endpoints", self._list_endpoints),
            ("GET", endpoints + "/{id}", "webhook_endpoints", self._endpoint),
            ("POST", endpoints + "/{id}", "webhook_endpoints", self._update_endpoint),
            ("DELETE", endpoints + "/{id}", "webhook_endpoints", self._delete_endpoint),
        ]

    # Payment intents

    def _create(self, account: Account, given: Parameters, request: web.Request) -> dict[str, Any]:
        whole = given.expand(EXPAND)
        version = request.headers.get("Stripe-Version", API_VERSION)
        if version >= TYPES_REFUSED_SINCE and given.has(TYPES):
            raise invalid(
                f"{TYPES} is not supported; use allowed_payment_method_types.",
                param=TYPES,
                code=f"{TYPES}_no_longer_supported",
            )
        return _shown(self._intents.create(account, given, _site(request)), whole)

    def _confirm(self, account: Account, given: Parameters, request: web.Request) -> dict[str, Any]:
        whole = given.expand(EXPAND)
        intent = self._intents.find(account, request.match_info["id"])
        return _shown(self._intents.confirm(intent, given, _site(request)), whole)

    def _capture(self, account: Account, given: Parameters, request: web.Request) -> dict[str, Any]:
        whole = given.expand(EXPAND)
        intent = self._intents.find(account, request.match_info["id"])
        return _shown(self._intents.capture(intent, given), whole)

    def _cancel(self, account: Account, given: Parameters, request: web.Request) -> dict[str, Any]:
        whole = given.expand(EXPAND)
        intent = self._intents.find(account, request.match_info["id"])
        return _shown(self._intents.cancel(intent, given), whole)

    def _intent(self, account: Account, given: Parameters, request: web.Request) -> dict[str, Any]:
        whole = given.expand(EXPAND)
        given.text("client_secret")
        given.done()
        return _shown(self._intents.find(account, request.match_info["id"]), whole)

    def _list_intents(
        self, account: Account, given: Parameters, request: web.Request
    ) -> dict[str, Any]:
        whole = given.expand(tuple(f"data.{name}" for name in EXPAND))
        page = _page(given)
        given.done()
        found, more = self._store.intents(account.account_id, page)
        expand = frozenset(name.removeprefix("data.") for name in whole)
        return list_shape(_path(request), [_shown(each, expand) for each in found], has_more=more)

    # Refunds

    def _refund(self, account: Account, given: Parameters, request: web.Request) -> dict[str, Any]:
        given.expand(())
        return refund_shape(self._refunds.create(account, given))

    def _show_refund(
        self, account: Account, given: Parameters, request: web.Request
    ) -> dict[str, Any]:
        given.expand(())
        given.done()
        return refund_shape(self._refunds.find(account, request.match_info["id"]))

    def _list_refunds(
        self, account: Account, given: Parameters, request: web.Request
    ) -> dict[str, Any]:
        page = _page(given)
        named = given.text("payment_intent") or given.text("charge")
        given.done()
        intent_id = None
        if named is not None:
            intent = self._store.intent(account.account_id, named)
            if intent is None:
                raise no_such("payment_intent", named, param="payment_intent")
            intent_id = intent.id
        found, more = self._store.refunds(account.account_id, page, intent_id=intent_id)
        return list_shape(_path(request), [refund_shape(each) for each in found], has_more=more)

    # Balance transactions

    def _list_transactions(
        self, account: Account, given: Parameters, request: web.Request
    ) -> dict[str, Any]:
        page = _page(given)
        wanted = {name: given.text(name) for name in ("type", "source", "currency")}
        given.done()
        found, more = self._store.transactions(account.account_id, page, **wanted)
        return list_shape(_path(request), found, has_more=more)

    def _transaction(
        self, account: Account, given: Parameters, request: web.Request
    ) -> dict[str, Any]:
        given.done()
        number = request.match_info["id"]
        found, _ = self._store.transactions(account.account_id, Page(limit=1), id=number)
        if not found:
            raise no_such("balance transaction", number, param="id")
        return found[0]

    # Webhook endpoints

    def _create_endpoint(
        self, account: Account, given: Parameters, request: web.Request
    ) -> dict[str, Any]:
        return self._endpoints.create(account, given)

    def _update_endpoint(
        self, account: Account, given: Parameters, request: web.Request
    ) -> dict[str, Any]:
        endpoint = self._endpoints.find(account, request.match_info["id"])
        return self._endpoints.update(endpoint, given)

    def _delete_endpoint(
        self, account: Account, given: Parameters, request: web.Request
    ) -> dict[str, Any]:
        endpoint = self._endpoints.find(account, request.match_info["id"])
        return self._endpoints.delete(endpoint, given)

    def _endpoint(
        self, account: Account, given: Parameters, request: web.Request
    ) -> dict[str, Any]:
        given.done()
        return endpoint_shape(self._endpoints.find(account, request.match_info["id"]))

    def _list_endpoints(
        self, account: Account, given: Parameters, request: web.Request
    ) -> dict[str, Any]:
        given.integer("limit", at_least=1, at_most=LIMIT_MAX)
        given.done()
        found = [endpoint_shape(each) for each in self._store.endpoints(account.account_id)]
        return list_shape(_path(request), found, has_more=False)


def _shown(intent: Intent, whole: frozenset[str]) -> dict[str, Any]:
    return intent_shape(intent, expand_charge="latest_charge" in whole)


def _path(request: web.Request) -> str:
    """The list's path as a client writes it, without the simulator's own place."""
    return request.path.removeprefix(PATH)


def _site(request: web.Request) -> str:
    return f"{request.scheme}://{request.host}"


def _page(given: Parameters) -> Page:
    after, before = given.text("starting_after"), given.text("ending_before")
    if after is not None and before is not None:
        raise invalid("Give starting_after or ending_before, not both.", param="ending_before")
    limit = given.integer("limit", at_least=1, at_most=LIMIT_MAX)
    return Page(
        limit=LIMIT_DEFAULT if limit is None else limit,
        after=after,
        before=before,
        created=given.created(),
    )
