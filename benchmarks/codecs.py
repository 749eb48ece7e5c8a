"""Codecs: what building, signing, reading and verifying costs, per channel.

Law: real messages only: the request is the codec's own, the answer and the callback are those of
the channel's simulator. Every result is looked at once before it is timed.
"""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import aiohttp
from aiohttp import web

from benchmarks import processes
from benchmarks.finding import Cell, Finding, Table
from benchmarks.load import RunVoid
from benchmarks.pretend import SIGNING, Pretend, open_simulators, pretend_channels, sent
from benchmarks.stage import Stage
from benchmarks.stopwatch import NS_PER_S, Call, nanoseconds
from gateway.channels.codec import HandedOut, Paid, VerifiedCallback
from gateway.channels.wire import CallbackRequest, HttpRequest

NAME = "codecs"
ABOUT = "building, signing, reading and verifying a channel's messages"
CALLBACK_S_MAX = 10.0


@contextlib.asynccontextmanager
async def listening(port: int) -> AsyncIterator["asyncio.Queue[CallbackRequest]"]:
    """Where a channel's callbacks come; each is answered as its own dialect is not known here."""
    came: asyncio.Queue[CallbackRequest] = asyncio.Queue()

    async def take(request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        body = await request.read()
        came.put_nowait(CallbackRequest(request.method, request.raw_path, headers, body))
        return web.Response(text="success")

    application = web.Application()
    application.router.add_route("*", "/{any:.*}", take)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield came
    finally:
        await runner.cleanup()


async def calls_of(
    channel: Pretend, url: str, came: "asyncio.Queue[CallbackRequest]"
) -> dict[str, Call]:
    """The functions to be timed, each proven to work. Raises `RunVoid`."""
    codec, account = channel.codec, channel.account
    order = channel.order(secrets.token_hex(13))
    answer = await sent(channel.build(order))
    handed = codec.read_pay(account, order, answer)
    if not isinstance(handed, HandedOut):
        raise RunVoid(f"{codec.name}: {handed}")
    code = handed.next_action.get("qr_code") or handed.next_action.get("code_url")
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{url}/payer/pay", json={"code": code}) as played,
    ):
        if played.status != 200:
            raise RunVoid(f"{codec.name}: the payer could not pay: {await played.text()}")
    async with asyncio.timeout(CALLBACK_S_MAX):
        callback = await came.get()
    now = datetime.now(UTC)
    asked = codec.build_query(account, order, now)
    assert isinstance(asked, HttpRequest)
    query_answer = await sent(asked)
    verified = codec.read_callback(account, callback, now)
    queried = codec.read_query(account, order, query_answer)
    if not isinstance(queried, Paid) or not isinstance(verified, VerifiedCallback):
        raise RunVoid(f"{codec.name}: {queried}, {verified}")
    return {
        "build and sign an order": lambda: codec.build_pay(account, order, now),
        "verify and read its answer": lambda: codec.read_pay(account, order, answer),
        "build and sign a query": lambda: codec.build_query(account, order, now),
        "verify and read its answer, paid": lambda: codec.read_query(account, order, query_answer),
        "verify and read a callback": lambda: codec.read_callback(account, callback, now),
    }


async def measure(stage: Stage) -> Finding:
    """Every codec that has a simulator. Raises `RunVoid`."""
    plan = stage.plan
    port = processes.free_port()
    rows: list[list[Cell]] = []
    async with (
        open_simulators(plan.folder / NAME, core=plan.cores.rest) as (url, _),
        listening(port) as came,
    ):
        notify_url = f"http://127.0.0.1:{port}/notify"
        for channel in await pretend_channels(url, notify_url=notify_url, methods=SIGNING):
            calls = await calls_of(channel, url, came)
            for what, ns in nanoseconds(calls, quick=plan.quick).items():
                rows.append([channel.codec.name, what, round(ns / 1000, 1), round(NS_PER_S / ns)])
    return Finding(
        name=NAME,
        about=ABOUT,
        proof="every message was real and was read rightly",
        tables=[
            Table(
                name=NAME,
                title="codecs on one core",
                head=["channel", "what", "us", "per second"],
                rows=rows,
            )
        ],
    )
