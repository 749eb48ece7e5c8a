"""The doors of the pretend wallet service: signed ones for clients, plain ones for tests.

Law: nothing is looked at before the signature stands; an answer to an unproved sender is unsigned,
every other one is signed. Wallets are made at a plain door, as in reality at the service itself.
"""

import asyncio
import hashlib
import hmac
import json
import re
import time
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from aiohttp import web

from gateway.sandbox.balance import magic, wire
from gateway.sandbox.balance.accounts import CHANNEL, Client, Clients
from gateway.sandbox.balance.wallets import Row, WalletRefused, Wallets, shown_debit, shown_part
from gateway.sandbox.book import Notice, Order
from gateway.sandbox.channel import Described, PayerRefused, Played, World
from gateway.sandbox.connections import cut, hold
from gateway.sandbox.faults import AMOUNT_REQUEST_FAULTS, Fault
from gateway.sandbox.notifications import Outgoing
from gateway.sandbox.strict import InputRefused, Members, read_object

PATH: Final = "/balance"
AMOUNT_MAX: Final = 999_999_999_999
NUMBER_CHARS_MAX: Final = 64

_ABOUT: Final = {
    "debit": "debit",
    "query": "debit",
    "close": "debit",
    "reverse": "debit",
    "void": "debit",
    "capture": "capture",
    "capture_query": "capture",
    "credit": "credit",
    "credit_query": "credit",
}
"""Each door's operation, and what its answers name."""

FAULTS: Final = dict.fromkeys(_ABOUT, AMOUNT_REQUEST_FAULTS)

_NUMBER: Final = re.compile(r"[0-9A-Za-z_-]{1,64}")
_CURRENCY: Final = re.compile(r"[A-Z]{3}")

Act = Callable[[Client, Row, str], Row]


class BalanceSimulator:
    """A `Simulator` (see `channel.py`)."""

    name: Final = CHANNEL
    operations: Final = FAULTS

    def __init__(self, world: World) -> None:
        self._world = world
        self._clients = Clients(book=world.book, clock=world.clock)
        self._wallets = Wallets(book=world.book, clock=world.clock)
        self._spent: set[tuple[str, str]] = set()

    def routes(self) -> list[web.RouteDef]:
        """The service's doors, and those of its wallets."""
        debit, number = PATH + "/v1/debits/{number}", "/{number}"
        read = partial(web.get, allow_head=False)
        return [
            web.post(PATH + "/wallets", self._make_wallet),
            read(PATH + "/wallets/{wallet_id}", self._show_wallet),
            web.post(PATH + "/v1/debits", self._door("debit", self._debit)),
            read(debit, self._door("query", self._found_debit)),
            web.post(debit + "/close", self._door("close", self._close)),
            web.post(debit + "/reverse", self._door("reverse", self._reverse)),
            web.post(debit + "/void", self._door("void", self._void)),
            web.post(debit + "/captures", self._door("capture", self._capture)),
            read(PATH + "/v1/captures" + number, self._door("capture_query", self._found_capture)),
            web.post(PATH + "/v1/credits", self._door("credit", self._credit)),
            read(PATH + "/v1/credits" + number, self._door("credit_query", self._found_credit)),
        ]

    def open_account(self, *, merchant_public_key: str, sandbox_url: str) -> dict[str, Any]:
        """What a client is configured with; raises `KeyRefused`."""
        client = self._clients.open(merchant_public_key)
        return {
            "channel": CHANNEL,
            "client_id": client.client_id,
            "service_key": client.key_text,
            "gateway_url": sandbox_url + PATH,
        }

    def shown(self, account_id: str | None) -> dict[str, Any]:
        """Debits and credits: the outside truth."""
        return self._wallets.shown(account_id)

    def play(self, order: Order, *, behaviour: str, amount: int | None) -> Played:
        """No payer brings a code here."""
        raise PayerRefused("no_code", "wallets are debited without a code")

    def describe(self, order: Order) -> Described:
        """No payer brings a code here."""
        raise LookupError("wallets have no codes")

    def compose(self, notice: Notice, *, fault: str | None) -> Outgoing:
        """The service sends no notifications."""
        raise LookupError("the wallet service sends no notifications")

    def accepts(self, status: int, body: bytes) -> bool:
        """The service sends no notifications."""
        return False

    # Wallets

    async def _make_wallet(self, request: web.Request) -> web.Response:
        members = Members(await read_object(request))
        balance = members.integer("balance", at_least=0, at_most=AMOUNT_MAX) or 0
        currency = members.text("currency", chars_max=3, default="CNY")
        status = members.word("status", ("active", "frozen", "closed"), default="active")
        members.done()
        if not _CURRENCY.fullmatch(currency):
            raise InputRefused("invalid_field", "currency is three capital letters")
        with self._world.book.change():
            made = self._wallets.make(available=balance, currency=currency, status=status)
        return web.json_response(made)

    async def _show_wallet(self, request: web.Request) -> web.Response:
        try:
            return web.json_response(self._wallets.wallet(request.match_info["wallet_id"]))
        except WalletRefused as refused:
            raise InputRefused(refused.code, "no such wallet", status=refused.status) from refused

    # Signed doors

    def _door(self, operation: str, act: Act) -> Callable[[web.Request], Any]:
        async def door(request: web.Request) -> web.StreamResponse:
            body = await request.read()
            client = self._authenticated(request, body)
            if client is None:
                return web.json_response({"code": "unauthenticated"}, status=401)
            fault = self._world.faults.take(CHANNEL, operation)
            word = fault.fault if fault else None
            if word == "timeout":
                return await hold(request)
            if fault is not None and fault.delay_ms is not None:
                await asyncio.sleep(fault.delay_ms / 1_000)
            about = _about(operation, request, body)
            if word == "error":
                return _signed(client, 503, {**about, "code": "busy"}, fault)
            status, answer = self._carry_out(client, act, request, body)
            first = self._first(client, operation, answer)
            cuts = word == "drop_after_effect" or first == magic.CUT_FEN
            if cuts:
                return cut(request)
            if first == magic.FALSE_FEN:
                fault = Fault(CHANNEL, operation, "bad_signature")
            return _signed(client, status, {**about, **answer}, fault)

        return door

    def _carry_out(
        self, client: Client, act: Act, request: web.Request, body: bytes
    ) -> tuple[int, Row]:
        fields: Row = dict(request.match_info)
        try:
            if body:
                fields = {**fields, "body": _members(body)}
            with self._world.book.change():
                return 200, act(client, fields, hashlib.sha256(body).hexdigest())
        except WalletRefused as refused:
            return refused.status, {"code": refused.code}

    def _first(self, client: Client, operation: str, answer: Row) -> int | None:
        """The amount of a debit that is answered for the first time in this run."""
        number = answer.get("number")
        if operation != "debit" or number is None or (client.client_id, number) in self._spent:
            return None
        self._spent.add((client.client_id, number))
        return answer["amount"]

    def _authenticated(self, request: web.Request, body: bytes) -> Client | None:
        signed = wire.read_authorization(request.headers.get("Authorization", ""))
        client = self._clients.get(signed.client) if signed is not None else None
        if signed is None or client is None:
            return None
        right = wire.request_signature(client.key, request.method, request.raw_path, signed, body)
        is_fresh = abs(time.time() - int(signed.ts)) <= wire.SKEW_S_MAX
        return client if hmac.compare_digest(right, signed.sig) and is_fresh else None

    # Operations

    def _debit(self, client: Client, fields: Row, digest: str) -> Row:
        body = _checked(
            fields, number=str, wallet_id=str, amount=int, currency=str, subject=str, hold=bool
        )
        if body["amount"] == magic.FUNDS_SHORT_FEN:
            raise WalletRefused("funds_short")
        return shown_debit(self._wallets.debit(client.client_id, body, digest))

    def _found_debit(self, client: Client, fields: Row, digest: str) -> Row:
        return shown_debit(self._wallets.found_debit(client.client_id, fields["number"]))

    def _close(self, client: Client, fields: Row, digest: str) -> Row:
        closed = self._wallets.close(client.client_id, fields["number"], reverse=False)
        return shown_debit(closed)

    def _reverse(self, client: Client, fields: Row, digest: str) -> Row:
        closed = self._wallets.close(client.client_id, fields["number"], reverse=True)
        return shown_debit(closed)

    def _void(self, client: Client, fields: Row, digest: str) -> Row:
        return shown_debit(self._wallets.void(client.client_id, fields["number"]))

    def _capture(self, client: Client, fields: Row, digest: str) -> Row:
        body = _checked(fields, number=str, amount=int, currency=str, final=bool)
        return shown_part(self._wallets.capture(client.client_id, fields["number"], body, digest))

    def _found_capture(self, client: Client, fields: Row, digest: str) -> Row:
        return shown_part(self._wallets.found_capture(client.client_id, fields["number"]))

    def _credit(self, client: Client, fields: Row, digest: str) -> Row:
        body = _checked(fields, number=str, debit=str, amount=int, currency=str)
        return shown_part(self._wallets.credit(client.client_id, body, digest))

    def _found_credit(self, client: Client, fields: Row, digest: str) -> Row:
        return shown_part(self._wallets.found_credit(client.client_id, fields["number"]))


def _about(operation: str, request: web.Request, body: bytes) -> Row:
    """What every answer names: the operation and the number."""
    number = request.match_info.get("number", "")
    if operation in ("debit", "credit", "capture"):
        try:
            said = json.loads(body)
            number = said.get("number", "") if isinstance(said, dict) else ""
        except ValueError:
            number = ""
    return {"operation": _ABOUT[operation], "number": number}


def _members(body: bytes) -> Row:
    try:
        value = json.loads(body.decode("utf-8"))
    except ValueError as error:
        raise WalletRefused("malformed", status=400) from error
    if not isinstance(value, dict):
        raise WalletRefused("malformed", status=400)
    return value


def _checked(fields: Row, **kinds: type) -> Row:
    """The body with exactly these members of exactly these types."""
    body = fields.get("body", {})
    if body.keys() != kinds.keys() or any(type(body[n]) is not kinds[n] for n in kinds):
        raise WalletRefused("malformed", status=400)
    if not _NUMBER.fullmatch(body["number"]):
        raise WalletRefused("malformed", status=400)
    if not 1 <= body["amount"] <= AMOUNT_MAX:
        raise WalletRefused("amount_limit")
    return body


def _signed(client: Client, status: int, value: Row, fault: Fault | None) -> web.Response:
    word = fault.fault if fault else None
    if word == "wrong_amount" and "amount" in value:
        more: Row = {name: value[name] + 1 for name in ("amount", "captured") if name in value}
        value = {**value, **more}
    body = json.dumps(value, ensure_ascii=False).encode()
    now_s = int(time.time())
    header = wire.answer_header(client.key, status, now_s, body, false=word == "bad_signature")
    return web.Response(
        status=status,
        body=body,
        content_type="application/json",
        headers={"Wallet-Signature": header},
    )
