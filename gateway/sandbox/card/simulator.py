"""The door of the pretend Stripe: keys, idempotency, faults, routes.

Law: the secret key is looked at before anything else; then the idempotency key, then parameters.
One request is one change of the book: what is carried out and the answer that its idempotency key
keeps become true together. The first answer of a key is given again for ever, failures and errors
of our own among them; the same key with other parameters is refused, and while a request is being
carried out a second one with its key is refused with 409. What was refused before anything was
carried out is not kept. Source: Stripe API reference, "Authentication", "Idempotent requests".
"""

import asyncio
import hashlib
import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import quote, urlencode

from aiohttp import web

from gateway.sandbox.book import Notice, Order
from gateway.sandbox.card.accounts import CHANNEL, Account, Accounts, new_id
from gateway.sandbox.card.cards import AMOUNT_CUT
from gateway.sandbox.card.doors import PATH, Doors
from gateway.sandbox.card.dues import Dues
from gateway.sandbox.card.endpoints import Endpoints
from gateway.sandbox.card.events import Events
from gateway.sandbox.card.intents import REDIRECT_PATH, Intents
from gateway.sandbox.card.parameters import Parameters
from gateway.sandbox.card.refunds import Refunds
from gateway.sandbox.card.refusals import (
    Refusal,
    internal,
    invalid,
    key_in_use,
    key_reused,
    unauthorized,
)
from gateway.sandbox.card.shapes import API_VERSION, falsified
from gateway.sandbox.card.store import Kept, Store
from gateway.sandbox.channel import Described, PayerRefused, Played, World
from gateway.sandbox.connections import cut, hold
from gateway.sandbox.faults import (
    AMOUNT_REQUEST_FAULTS,
    NOTIFICATION_FAULTS,
    REQUEST_FAULTS,
)
from gateway.sandbox.notifications import Outgoing

FORM: Final = "application/x-www-form-urlencoded"
KEY_CHARS_MAX: Final = 255
VERSION: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(\.[a-z_]+)?")

# An answer is not signed: TLS proves it. So no request can have a false signature.
UNSIGNED: Final = {"bad_signature"}
FAULTS: Final = {
    "create": AMOUNT_REQUEST_FAULTS - UNSIGNED,
    "confirm": AMOUNT_REQUEST_FAULTS - UNSIGNED,
    "capture": AMOUNT_REQUEST_FAULTS - UNSIGNED,
    "cancel": AMOUNT_REQUEST_FAULTS - UNSIGNED,
    "query": AMOUNT_REQUEST_FAULTS - UNSIGNED,
    "refund": AMOUNT_REQUEST_FAULTS - UNSIGNED,
    "refund_query": AMOUNT_REQUEST_FAULTS - UNSIGNED,
    "transactions": AMOUNT_REQUEST_FAULTS - UNSIGNED,
    "webhook_endpoints": REQUEST_FAULTS - UNSIGNED,
    "notify": NOTIFICATION_FAULTS,
}


class Call(NamedTuple):
    """One request whose sender is proved."""

    account: Account
    operation: str
    verb: Callable[[Account, Parameters, web.Request], dict[str, Any]]
    parameters: Parameters
    key: str | None
    fingerprint: str


class CardSimulator:
    """A `Simulator` (see `channel.py`)."""

    name: Final = CHANNEL
    operations: Final[Mapping[str, frozenset[str]]] = FAULTS

    def __init__(self, world: World) -> None:
        self._world = world
        book, clock = world.book, world.clock
        self._store = Store(book)
        self._accounts = Accounts(book=book, clock=clock)
        self._events = Events(book=book, store=self._store, postman=world.postman, clock=clock)
        self._intents = Intents(book=book, store=self._store, events=self._events, clock=clock)
        refunds = Refunds(book=book, store=self._store, events=self._events, clock=clock)
        self._dues = Dues(
            book=book,
            store=self._store,
            intents=self._intents,
            refunds=refunds,
            agenda=world.agenda,
            clock=clock,
        )
        self._doors = Doors(
            store=self._store,
            intents=self._intents,
            refunds=refunds,
            endpoints=Endpoints(store=self._store, clock=clock),
        )
        self._running: set[tuple[str, str]] = set()

    def routes(self) -> list[web.RouteDef]:
        """Version 1 of the API, and the bank's page of 3-D Secure."""
        found = [
            web.route(method, PATH + path, self._handler(operation, verb))
            for method, path, operation, verb in self._doors.table()
        ]
        return [*found, web.get(REDIRECT_PATH + "{token}", self._authenticate)]

    def open_account(self, *, merchant_public_key: str, sandbox_url: str) -> dict[str, Any]:
        """What a client of Stripe is configured with; raises `KeyRefused`."""
        account = self._accounts.open(merchant_public_key)
        return {
            "channel": CHANNEL,
            "account_id": account.account_id,
            "secret_key": account.secret_key,
            "webhook_secret": account.webhook_secret,
            "gateway_url": sandbox_url + PATH,
            "api_version": API_VERSION,
        }

    def play(self, order: Order, *, behaviour: str, amount: int | None) -> Played:
        """The payer answers the bank's question (3-D Secure), fails to, or walks off."""
        if amount is not None and amount != order.amount:
            detail = "the page names its amount; leave it out or give the same"
            raise PayerRefused("amount_mismatch", detail, conflict=False)
        self._dues.settle()
        intent = self._store.intent_of_order(order.id)
        if intent.status != "requires_action":
            word = "paid" if intent.status in ("succeeded", "requires_capture") else "closed"
            raise PayerRefused(f"already_{word}", f"the payment is {intent.status}")
        if behaviour == "ignore":
            return Played("ignored", intent.id)
        with self._world.book.change():
            intent = self._intents.authenticate(intent, succeeds=behaviour == "pay")
        self._dues.watch()
        paid = intent.status in ("succeeded", "requires_capture")
        return Played("paid" if paid else "declined", intent.id)

    def describe(self, order: Order) -> Described:
        """What the bank's page shows."""
        intent = self._store.intent_of_order(order.id)
        return Described("银行卡 Card (3-D Secure)", order.account_id, intent.description or "")

    def compose(self, notice: Notice, *, fault: str | None) -> Outgoing:
        """One signed sending."""
        return self._events.compose(notice, fault=fault)

    def accepts(self, status: int, body: bytes) -> bool:
        """Accepted is any 2xx."""
        return web.HTTPOk.status_code <= status < web.HTTPMultipleChoices.status_code

    def _handler(
        self, operation: str, verb: Callable[[Account, Parameters, web.Request], dict[str, Any]]
    ) -> Callable[[web.Request], Any]:
        async def handle(request: web.Request) -> web.StreamResponse:
            try:
                call = await self._called(request, operation, verb)
            except Refusal as refusal:
                return _response(refusal.status, refusal.to_body(), request)
            return await self._answer(request, call)

        return handle

    async def _called(
        self,
        request: web.Request,
        operation: str,
        verb: Callable[[Account, Parameters, web.Request], dict[str, Any]],
    ) -> Call:
        account = self._accounts.authenticated(request.headers.get("Authorization", ""))
        if account is None:
            raise unauthorized()
        version = request.headers.get("Stripe-Version")
        if version is not None and VERSION.fullmatch(version) is None:
            raise invalid("Invalid Stripe-Version.")
        key = request.headers.get("Idempotency-Key") if request.method == "POST" else None
        if key is not None and not 0 < len(key) <= KEY_CHARS_MAX:
            raise invalid(f"An idempotency key has 1 to {KEY_CHARS_MAX} characters.")
        parameters = Parameters(await _encoded(request))
        told = json.dumps([request.method, request.path, parameters.canonical])
        fingerprint = hashlib.sha256(told.encode()).hexdigest()
        return Call(account, operation, verb, parameters, key, fingerprint)

    async def _answer(self, request: web.Request, call: Call) -> web.StreamResponse:
        if call.key is None:
            return await self._operate(request, call)
        running = (call.account.account_id, call.key)
        if running in self._running:
            refusal = key_in_use()
            return _response(refusal.status, refusal.to_body(), request, retry=True)
        kept = self._store.kept(*running)
        if kept is not None:
            if kept.fingerprint != call.fingerprint:
                refusal = key_reused()
                return _response(refusal.status, refusal.to_body(), request)
            body = json.loads(kept.body)
            return _response(kept.status, body, request, replayed=True)
        self._running.add(running)
        try:
            return await self._operate(request, call)
        finally:
            self._running.discard(running)

    async def _operate(self, request: web.Request, call: Call) -> web.StreamResponse:
        fault = self._world.faults.take(CHANNEL, call.operation)
        word = fault.fault if fault else None
        if word == "timeout":
            return await hold(request)
        if fault is not None and fault.delay_ms is not None:
            await asyncio.sleep(fault.delay_ms / 1_000)
        self._dues.settle()
        try:
            status, body = self._carried_out(request, call, fails=word == "error")
        except Refusal as refusal:
            return _response(refusal.status, refusal.to_body(), request)
        self._dues.watch()
        magic = call.operation == "create" and body.get("amount") == AMOUNT_CUT
        if word == "drop_after_effect" or magic:
            return cut(request)
        shown = falsified(body) if word == "wrong_amount" else body
        return _response(status, shown, request)

    def _carried_out(
        self, request: web.Request, call: Call, *, fails: bool
    ) -> tuple[int, dict[str, Any]]:
        """Do it and keep the answer; raises the refusals that are not kept."""
        with self._world.book.change():
            status = web.HTTPOk.status_code
            try:
                if fails:
                    raise internal()
                body = call.verb(call.account, call.parameters, request)
            except Refusal as refusal:
                if not refusal.executed:
                    raise
                status, body = refusal.status, refusal.to_body()
            if call.key is not None:
                kept = Kept(call.fingerprint, status, json.dumps(body, ensure_ascii=False))
                self._store.keep(call.account.account_id, call.key, kept)
        return status, body

    async def _authenticate(self, request: web.Request) -> web.StreamResponse:
        """To the payer's page, and when the bank is done, back to the merchant's."""
        self._dues.settle()
        url = f"{request.scheme}://{request.host}{request.path}"
        order = self._world.book.order_by_code(url)
        if order is None:
            raise web.HTTPNotFound
        intent = self._store.intent_of_order(order.id)
        if intent.status == "requires_action" or intent.return_url is None:
            raise web.HTTPSeeOther(f"/payer?code={quote(url, safe='')}")
        done = intent.status in ("succeeded", "requires_capture")
        told = {
            "payment_intent": intent.id,
            "payment_intent_client_secret": intent.client_secret,
            "redirect_status": "succeeded" if done else "failed",
        }
        joint = "&" if "?" in intent.return_url else "?"
        raise web.HTTPSeeOther(f"{intent.return_url}{joint}{urlencode(told)}")


async def _encoded(request: web.Request) -> str:
    """The form body of a changing request, the query of a reading one."""
    query = request.raw_path.partition("?")[2]
    body = await request.read()
    if request.method == "GET":
        if body:
            raise invalid("A reading request has no body.")
        return query
    if query:
        raise invalid("Parameters go into the body.")
    if body and request.content_type != FORM:
        raise invalid(f"The body must be {FORM}.")
    try:
        return body.decode("ascii")
    except UnicodeDecodeError as error:
        raise invalid("The form is not well-formed.") from error


def _response(
    status: int,
    body: Mapping[str, Any],
    request: web.Request,
    *,
    replayed: bool = False,
    retry: bool = False,
) -> web.Response:
    headers = {"Request-Id": new_id("req"), "Stripe-Version": API_VERSION}
    if "Idempotency-Key" in request.headers:
        headers["Idempotency-Key"] = request.headers["Idempotency-Key"]
    if replayed:
        headers["Idempotent-Replayed"] = "true"
    if retry or status >= web.HTTPInternalServerError.status_code:
        # Our own errors are kept under the key: trying again would only show them again.
        headers["Stripe-Should-Retry"] = "true" if retry else "false"
    text = json.dumps(body, ensure_ascii=False, indent=2)
    return web.Response(text=text, status=status, content_type="application/json", headers=headers)
