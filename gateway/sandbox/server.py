"""The sandbox: one process, one loopback port, all pretend channels behind it.

Law: this file only puts the world together and takes it down again; it knows every simulator,
and no simulator knows it. Business time is the injected clock's; whoever moves that clock calls
`clock_moved()` or `run_due()`. Stopping loses nothing: open notifications are in the book.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

from aiohttp import web

from gateway.sandbox.agenda import Agenda, Ran
from gateway.sandbox.alipay import AlipaySimulator
from gateway.sandbox.balance import BalanceSimulator
from gateway.sandbox.bank import BankSimulator
from gateway.sandbox.book import Book
from gateway.sandbox.card import CardSimulator
from gateway.sandbox.channel import World
from gateway.sandbox.control import Control
from gateway.sandbox.expiry import Expiry
from gateway.sandbox.faults import Faults
from gateway.sandbox.moments import Clock, system_clock
from gateway.sandbox.notifications import Postman
from gateway.sandbox.packages import SimulatorMaker, by_name, installed_simulators
from gateway.sandbox.payer import Payer
from gateway.sandbox.strict import InputRefused, refusal
from gateway.sandbox.unionpay import UnionPaySimulator
from gateway.sandbox.wechat import WechatSimulator

BODY_BYTES_MAX: Final = 65_536
SHUTDOWN_S_MAX: Final = 1.0
"""How long a request under way may take at a stop; held connections are cut then."""


class Sandbox:
    """The pretend world over the data folder `data`; raises `BookHeld` if it is in use.

    `close_locks_unscanned`: whether closing an Alipay code that nobody scanned takes it out of
    the world (see `alipay/trades.py`). `installed` makes the simulators of channel packages.
    """

    def __init__(
        self,
        *,
        data: Path,
        clock: Clock = system_clock,
        close_locks_unscanned: bool = True,
        installed: Sequence[SimulatorMaker] = (),
    ) -> None:
        self._installed = installed
        self._data = data
        self._clock = clock
        self._close_locks_unscanned = close_locks_unscanned
        self._url: str | None = None
        self._agenda = Agenda(clock)
        self._closing = contextlib.AsyncExitStack()

    @property
    def url(self) -> str:
        """`http://host:port`, without a slash at the end; known once started."""
        if self._url is None:
            raise RuntimeError("the sandbox was not started")
        return self._url

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> None:
        """Open the book and the port (0: any free one); raises OSError for a taken port."""
        async with contextlib.AsyncExitStack() as opening:
            book = Book(self._data)
            opening.callback(book.close)
            application, postman = self._built(book)
            opening.push_async_callback(postman.stop)
            await postman.start()
            serving = asyncio.create_task(self._agenda.run())
            opening.push_async_callback(self._stop_agenda, serving)
            runner = web.AppRunner(application, access_log=None, shutdown_timeout=SHUTDOWN_S_MAX)
            opening.push_async_callback(runner.cleanup)
            await runner.setup()
            await web.TCPSite(runner, host, port).start()
            shown_host = f"[{host}]" if ":" in host else host
            self._url = f"http://{shown_host}:{runner.addresses[0][1]}"
            self._closing = opening.pop_all()

    async def stop(self) -> None:
        """Stop serving and close the book. May be repeated."""
        await self._closing.aclose()

    def clock_moved(self) -> None:
        """The business clock was moved: what has become due is done soon."""
        self._agenda.moved()

    def next_due(self) -> datetime | None:
        """The earliest business moment at which something is to be done, or None."""
        return self._agenda.next_due()

    async def run_due(self) -> list[Ran]:
        """Do all that is due by the business clock and wait until it is done."""
        return await self._agenda.run_due()

    def _built(self, book: Book) -> tuple[web.Application, Postman]:
        faults = Faults()
        expiry = Expiry(book=book, agenda=self._agenda, clock=self._clock)
        postman = Postman(book=book, agenda=self._agenda, faults=faults, clock=self._clock)
        world = World(
            book=book,
            faults=faults,
            agenda=self._agenda,
            expiry=expiry,
            postman=postman,
            clock=self._clock,
        )
        alipay = AlipaySimulator(world, close_locks_unscanned=self._close_locks_unscanned)
        simulators = by_name(
            [
                alipay,
                CardSimulator(world),
                UnionPaySimulator(world),
                WechatSimulator(world),
                BalanceSimulator(world),
                BankSimulator(world),
                *(make(world) for make in self._installed),
            ]
        )
        payer = Payer(book=book, expiry=expiry, simulators=simulators)
        control = Control(
            book=book,
            expiry=expiry,
            faults=faults,
            payer=payer,
            simulators=simulators,
            sandbox_url=lambda: self.url,
        )
        application = web.Application(client_max_size=BODY_BYTES_MAX, middlewares=[_refusals])
        application.add_routes(control.routes())
        application.add_routes(payer.routes())
        for name, simulator in simulators.items():
            faults.know(name, simulator.operations)
            postman.know(name, simulator)
            application.add_routes(simulator.routes())
        expiry.watch()
        return application, postman

    async def _stop_agenda(self, serving: asyncio.Task[None]) -> None:
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
        await self._agenda.stop()


async def serve(
    *,
    host: str,
    port: int,
    data: Path,
    ready: Callable[[str], None],
    stop: asyncio.Event,
    clock: Clock = system_clock,
    close_locks_unscanned: bool = True,
) -> None:
    """Run a sandbox until `stop` is set; `ready` is told its URL once it serves."""
    sandbox = Sandbox(
        data=data,
        clock=clock,
        close_locks_unscanned=close_locks_unscanned,
        installed=installed_simulators(),
    )
    await sandbox.start(host, port)
    try:
        ready(sandbox.url)
        await stop.wait()
    finally:
        await sandbox.stop()


@web.middleware
async def _refusals(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    try:
        return await handler(request)
    except InputRefused as refused:
        return refusal(refused.code, refused.detail, status=refused.status)
    except web.HTTPException as error:
        if error.status < web.HTTPBadRequest.status_code:
            raise
        code = error.reason.lower().replace(" ", "_")
        answer = refusal(code, error.reason, status=error.status)
        if "Allow" in error.headers:
            answer.headers["Allow"] = error.headers["Allow"]
        return answer
