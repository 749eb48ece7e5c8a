"""Payer: from what was handed out to the code by which the payer knows the order."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from gateway.channels.codec import PayOrder
from gateway.conformance import Violation
from gateway.conformance.doors import Doors, new_session
from gateway.conformance.payer import payer_code

NOW = datetime(2026, 11, 22, tzinfo=UTC)
ORDER = PayOrder(
    "a1", "m", 1, "CNY", "tea", NOW, NOW, method_options={"auth_code": "281234567890123456"}
)
PAGE = '<html><input name="other" value="x"><input name="code" value="{}"></html>'


async def page(request: web.Request) -> web.StreamResponse:
    form = await request.post()
    if request.path == "/moved":
        raise web.HTTPFound("/payer?code=from%20address")
    code = str(form.get("order", "")) or "from form"
    text = "<p>nothing</p>" if request.path == "/empty" else PAGE.format(code)
    return web.Response(text=text, content_type="text/html")


@pytest.fixture
async def doors() -> AsyncIterator[Doors]:
    application = web.Application()
    application.router.add_route("*", "/{any:.*}", page)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    session: aiohttp.ClientSession
    async with new_session() as session:
        yield Doors(f"http://127.0.0.1:{runner.addresses[0][1]}", session)
    await runner.cleanup()


@pytest.mark.parametrize(
    ("action", "code"),
    [
        ({"type": "qr_code", "qr_code": "https://qr/1"}, "https://qr/1"),
        ({"type": "redirect", "url": "/page"}, "from form"),
        ({"type": "redirect", "url": "/moved"}, "from address"),
        ({"type": "form", "url": "/page", "fields": {"order": "of the form"}}, "of the form"),
        ({"type": "app_params", "order_string": "a=1&b=2"}, "a=1&b=2"),
        ({"type": "bank_transfer", "account": "62", "reference": "RF18"}, "RF18"),
        ({"type": "bank_transfer", "account": "62"}, "62"),
        ({"type": "barcode_wait"}, "281234567890123456"),
    ],
)
async def test_the_code_is_found(doors: Doors, action: dict[str, Any], code: str) -> None:
    if "url" in action:
        action = {**action, "url": doors.url + action["url"]}
    assert await payer_code(doors, ORDER, action) == code


@pytest.mark.parametrize("action", [{"type": "none"}, {"type": "redirect", "url": "/empty"}])
async def test_no_code_is_told(doors: Doors, action: dict[str, Any]) -> None:
    if "url" in action:
        action = {**action, "url": doors.url + action["url"]}
    with pytest.raises(Violation, match=r"no payer|no code"):
        await payer_code(doors, ORDER, action)
