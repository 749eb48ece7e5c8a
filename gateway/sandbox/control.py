"""The control interface: how a person or a test steers the pretend world.

Law: it never goes around a protocol: paying goes through the payer, and what `GET /book` shows
is the outside truth, not what anybody was told. Input is strict, see `strict.py`.
"""

from collections.abc import Callable, Mapping
from typing import Final

from aiohttp import web

from gateway.sandbox.book import Book
from gateway.sandbox.channel import PayerRefused, Showing, Simulator
from gateway.sandbox.expiry import Expiry
from gateway.sandbox.faults import DELAY_MS_MAX, TIMES_MAX, Fault, FaultRefused, Faults
from gateway.sandbox.keys import KeyRefused
from gateway.sandbox.payer import BEHAVIOURS, CODE_CHARS_MAX, Payer
from gateway.sandbox.strict import InputRefused, Members, read_object

AMOUNT_MAX: Final = 999_999_999_999
"""Minor units."""
PEM_CHARS_MAX: Final = 8_192
WORD_CHARS_MAX: Final = 64


class Control:
    """The handlers of `/payer/pay`, `/faults`, `/accounts`, `/book/{channel}` and `/healthz`."""

    def __init__(
        self,
        *,
        book: Book,
        expiry: Expiry,
        faults: Faults,
        payer: Payer,
        simulators: Mapping[str, Simulator],
        sandbox_url: Callable[[], str],
    ) -> None:
        self._book = book
        self._expiry = expiry
        self._faults = faults
        self._payer = payer
        self._simulators = simulators
        self._sandbox_url = sandbox_url

    def routes(self) -> list[web.RouteDef]:
        """All doors of the control interface."""
        return [
            web.post("/payer/pay", self._pay),
            web.post("/faults", self._arm),
            web.get("/faults", self._list_faults),
            web.delete("/faults", self._clear_faults),
            web.post("/accounts", self._open_account),
            web.get("/book/{channel}", self._show_book),
            web.get("/healthz", self._health),
        ]

    async def _pay(self, request: web.Request) -> web.Response:
        members = Members(await read_object(request))
        code = members.text("code", chars_max=CODE_CHARS_MAX)
        amount = members.integer("amount", at_least=1, at_most=AMOUNT_MAX)
        behaviour = members.word("behaviour", BEHAVIOURS, default="pay")
        members.done()
        try:
            played = self._payer.play(code, behaviour=behaviour, amount=amount)
        except PayerRefused as refused:
            status = 409 if refused.conflict else 400
            raise InputRefused(refused.code, refused.detail, status=status) from refused
        if played is None:
            raise InputRefused("unknown_code", "no order has this code", status=404)
        return web.json_response(
            {"result": played.result, "channel_order_no": played.channel_order_no}
        )

    async def _arm(self, request: web.Request) -> web.Response:
        members = Members(await read_object(request))
        fault = Fault(
            channel=members.text("channel", chars_max=WORD_CHARS_MAX),
            operation=members.text("operation", chars_max=WORD_CHARS_MAX),
            fault=members.text("fault", chars_max=WORD_CHARS_MAX),
            times=members.integer("times", at_least=1, at_most=TIMES_MAX) or 1,
            delay_ms=members.integer("delay_ms", at_least=0, at_most=DELAY_MS_MAX),
        )
        members.done()
        try:
            self._faults.arm(fault)
        except FaultRefused as refused:
            raise InputRefused("invalid_field", str(refused)) from refused
        return web.json_response(fault.to_json())

    async def _list_faults(self, request: web.Request) -> web.Response:
        return web.json_response({"faults": [f.to_json() for f in self._faults.left()]})

    async def _clear_faults(self, request: web.Request) -> web.Response:
        self._faults.clear()
        return web.json_response({"faults": []})

    async def _open_account(self, request: web.Request) -> web.Response:
        members = Members(await read_object(request))
        simulator = self._simulators.get(members.text("channel", chars_max=WORD_CHARS_MAX))
        if simulator is None:
            names = " ".join(self._simulators)
            raise InputRefused("invalid_field", f"channel must be one of: {names}")
        pem = members.text("merchant_public_key", chars_max=PEM_CHARS_MAX)
        members.done()
        try:
            opened = simulator.open_account(
                merchant_public_key=pem, sandbox_url=self._sandbox_url()
            )
        except KeyRefused as refused:
            raise InputRefused("invalid_field", f"merchant_public_key: {refused}") from refused
        return web.json_response(opened)

    async def _show_book(self, request: web.Request) -> web.Response:
        channel = request.match_info["channel"]
        if channel not in self._simulators:
            raise InputRefused("not_found", "there is no such channel", status=404)
        self._expiry.settle()
        account_id = request.query.get("account_id")
        simulator = self._simulators[channel]
        if isinstance(simulator, Showing):
            return web.json_response(simulator.shown(account_id))
        return web.json_response(self._book.shown(channel, account_id))

    async def _health(self, request: web.Request) -> web.Response:
        return web.json_response({"status": "ok", "channels": list(self._simulators)})
