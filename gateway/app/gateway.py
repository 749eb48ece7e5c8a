"""A gateway process: the doors on a core.

Law: every route and every quick way is named here, once.
"""

import socket
import ssl
from collections.abc import Mapping
from typing import Any

from gateway.adapters.postgres.readiness import PostgresReadiness
from gateway.adapters.postgres.views import PostgresViews
from gateway.app.core import Core
from gateway.center.authenticate import Authenticator
from gateway.telemetry.logs import request_id
from gateway.telemetry.observe import (
    http_errors,
    with_request_id,
)
from gateway.web.access import authenticated
from gateway.web.admin.channel_accounts import ChannelAccounts
from gateway.web.admin.keys import Keys
from gateway.web.admin.merchants import Merchants
from gateway.web.admin.offline_receipts import OfflineReceipts
from gateway.web.admin.statements import Statements
from gateway.web.api.balance import Balance
from gateway.web.api.events import Events
from gateway.web.api.notify_secret import NotifySecrets
from gateway.web.api.pages import Pages
from gateway.web.api.payments import Payments
from gateway.web.api.quick_payments import QuickCreatePayment, QuickGetPayment
from gateway.web.api.refunds import Refunds
from gateway.web.api.webhook_endpoints import WebhookEndpoints
from gateway.web.callbacks import Callbacks
from gateway.web.documents import Documents
from gateway.web.ops import routes as ops_routes
from gateway.web.quick import QuickLane
from gateway.web.quick_callbacks import BEGINNING as CALLBACKS_BEGINNING
from gateway.web.quick_callbacks import QuickCallbacks
from gateway.web.quick_routes import QuickRoutes
from gateway.web.routing import Route, Router
from gateway.web.server import HttpServer


class Gateway:
    """The doors of one process."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self.is_ready = False
        self._postgres = PostgresReadiness(
            [shard.pool for shard in core.shards.all],
            directory_away_for_s=lambda: core.directory.away_for_s,
        )
        self.router = Router()
        for route in self._routes():
            self.router.add(route)
        authenticator = Authenticator(directory=core.directory, clock=core.clock)
        dispatch = authenticated(authenticator, trusted=core.settings.proxy_networks)
        self.quick = QuickLane(
            authenticator=authenticator,
            exact={(b"POST", b"/v1/payments"): self._quick_create},
            below=((b"GET", b"/v1/payments/", self._quick_get),),
            open_doors=((CALLBACKS_BEGINNING, self._quick_callbacks),),
            find=QuickRoutes(self.router, self._quick_names),
            new_request_id=core.ids.request_id,
            trusted=core.settings.proxy_networks,
            observe=core.metrics.request,
            on_error=http_errors(core.metrics),
            log_as=request_id.set,
        )
        self.server = HttpServer(
            self.router,
            quick=self.quick,
            new_request_id=core.ids.request_id,
            dispatch=with_request_id(dispatch),
            observe=core.metrics.request,
            on_error=http_errors(core.metrics),
            pure_parser_allowed=not core.settings.livemode,
        )

    def _routes(self) -> list[Route]:
        core, directory = self._core, self._core.directory
        sandbox = not core.settings.livemode
        cursor_key = directory.cursor_keys[max(directory.cursor_keys)]
        pages = Pages(core.cache)
        payments = Payments(
            pay=core.pay,
            answer=core.answer,
            close=core.close,
            query=core.query,
            directory=directory,
            pages=pages,
            cursor_key=cursor_key,
            sandbox=sandbox,
        )
        self._quick_create = QuickCreatePayment(quick_pay=core.quick_pay, payments=payments)
        self._quick_get = QuickGetPayment(views=PostgresViews(core.shards), payments=payments)
        refunds = Refunds(
            refunding=core.refunding,
            query=core.query,
            directory=directory,
            pages=pages,
            cursor_key=cursor_key,
        )
        self._quick_names = [each.name for each in (*payments.routes(), *refunds.routes())]
        callbacks = Callbacks(core.receive)
        self._quick_callbacks = QuickCallbacks(
            quick_receive=core.quick_receive, callbacks=callbacks
        )
        doors = (
            payments,
            refunds,
            Balance(query=core.query, pages=pages, cursor_key=cursor_key),
            WebhookEndpoints(
                notify=core.notify,
                replay=core.replay,
                directory=directory,
                pages=pages,
                cursor_key=cursor_key,
                sandbox=sandbox,
            ),
            Events(replay=core.replay, pages=pages),
            NotifySecrets(notify=core.notify),
            callbacks,
        )
        routes = [route for door in doors for route in door.routes()]
        routes += [*self._admin_routes(cursor_key), *ops_routes(self.readiness)]
        return [*routes, *Documents(routes).routes()]

    def _admin_routes(self, cursor_key: bytes) -> list[Route]:
        core = self._core
        doors = (
            Merchants(onboard=core.onboard, directory=core.directory, cursor_key=cursor_key),
            Keys(onboard=core.onboard, directory=core.directory, cursor_key=cursor_key),
            ChannelAccounts(onboard=core.onboard, directory=core.directory),
            Statements(core.statement_import),
            OfflineReceipts(core.offline),
        )
        return [route for door in doors for route in door.routes()]

    async def readiness(self) -> Mapping[str, Any]:
        """What `/readyz` says: the shards' checks, or that this process is draining."""
        if not self.is_ready:
            return {"ready": False, "draining": True}
        return await self._postgres()

    async def start(
        self,
        host: str | None = None,
        port: int | None = None,
        *,
        sock: socket.socket | None = None,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        """Listen at an address or on a bound socket, and be ready."""
        await self.server.start(host, port, sock=sock, ssl_context=ssl_context)
        self.is_ready = True

    def not_ready(self) -> None:
        """Tell load balancers to go elsewhere; requests are still answered."""
        self.is_ready = False
        self.server.say_goodbye()

    async def drain(self, timeout_s: float) -> bool:
        """Stop accepting and finish what is in flight; open channel calls go to the resolver."""
        self.is_ready = False
        ended = await self.server.drain(timeout_s)
        await self._core.ongoing.drain(timeout_s)
        return ended
