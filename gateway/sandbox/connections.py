"""Connections that end badly on order: held until the caller gives up, or cut without an answer.

Law: the caller never gets a byte of an answer. Only `faults.py` and magic amounts lead here.
"""

import asyncio
from typing import Final

from aiohttp import web

from gateway.sandbox.faults import HELD_CONNECTION_S_MAX

LOOK_S: Final = 0.05
"""How often a held connection is looked at; aiohttp tells a handler of no hang-up."""


def cut(request: web.Request) -> web.StreamResponse:
    """Cut the connection at once; return what this returns, it reaches nobody."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


async def hold(request: web.Request) -> web.StreamResponse:
    """Say nothing until the caller hangs up, at most 30 s of real time, then cut."""
    loop = asyncio.get_running_loop()
    until = loop.time() + HELD_CONNECTION_S_MAX
    while loop.time() < until:
        if request.transport is None or request.transport.is_closing():
            break
        await asyncio.sleep(LOOK_S)
    return cut(request)
