"""The payer's page: bilingual, without scripts, for its own origin only."""

import base64
import hashlib
from typing import Any
from urllib.parse import urlencode

import aiohttp
import pytest


async def get(http: aiohttp.ClientSession, url: str) -> tuple[int, str, Any]:
    async with http.get(url) as response:
        return response.status, await response.text(), response.headers


async def press(
    http: aiohttp.ClientSession, sandbox: Any, code: str, behaviour: str, **headers: str
) -> tuple[int, str]:
    form = {"code": code, "behaviour": behaviour}
    async with http.post(f"{sandbox.url}/payer", data=form, headers=headers) as response:
        return response.status, await response.text()


async def test_the_page_asks_for_a_code(sandbox: Any, http: aiohttp.ClientSession) -> None:
    status, text, headers = await get(http, f"{sandbox.url}/payer")
    assert status == 200 and 'name="code"' in text
    assert "模拟付款人" in text and "Pretend payer" in text
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "form-action 'self'" in policy
    assert "unsafe" not in policy and "script" not in policy
    assert "<script" not in text and " style=" not in text and " onclick" not in text


async def test_the_style_is_the_one_that_the_policy_allows(
    sandbox: Any, http: aiohttp.ClientSession
) -> None:
    _, text, headers = await get(http, f"{sandbox.url}/payer")
    style = text.split("<style>")[1].split("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in headers["Content-Security-Policy"]


async def test_the_page_shows_what_is_to_be_paid(
    merchant: Any, sandbox: Any, http: aiohttp.ClientSession
) -> None:
    code = await merchant.code("A_1", subject='<b>"书"</b>')
    status, text, _ = await get(http, f"{sandbox.url}/payer?{urlencode({'code': code})}")
    assert status == 200 and "CNY 12.34" in text and "A_1" in text
    assert "&lt;b&gt;&quot;书&quot;&lt;/b&gt;" in text and "<b>" not in text
    for behaviour in ("pay", "decline", "ignore"):
        assert f'value="{behaviour}"' in text


@pytest.mark.parametrize(
    ("behaviour", "said", "status"),
    [("pay", "Paid", "paid"), ("decline", "Declined", "open"), ("ignore", "not paid", "open")],
)
async def test_the_buttons_do_what_they_say(
    merchant: Any, sandbox: Any, http: Any, book: Any, behaviour: str, said: str, status: str
) -> None:
    code = await merchant.code("A_1")
    answered, text = await press(http, sandbox, code, behaviour, Origin=sandbox.url)
    assert answered == 200 and said in text
    assert (await book())["orders"][0]["status"] == status


async def test_a_paid_code_has_no_buttons(merchant: Any, sandbox: Any, http: Any) -> None:
    code = await merchant.code("A_1")
    await press(http, sandbox, code, "pay")
    status, text = await press(http, sandbox, code, "pay")
    assert status == 409 and "Not possible" in text and "<button" not in text


async def test_unknown_codes_and_behaviours(sandbox: Any, http: Any) -> None:
    status, text, _ = await get(http, f"{sandbox.url}/payer?code=%22%3E%3Cscript%3E")
    assert status == 404 and "<script" not in text
    assert (await press(http, sandbox, "nothing", "pay"))[0] == 404
    assert (await press(http, sandbox, "nothing", "steal"))[0] == 400


async def test_another_origin_may_not_pay(
    merchant: Any, sandbox: Any, http: Any, book: Any
) -> None:
    code = await merchant.code("A_1")
    for origin in ("https://evil.example", "null", "http://127.0.0.1:1"):
        assert (await press(http, sandbox, code, "pay", Origin=origin))[0] == 403
    assert (await book())["orders"][0]["status"] == "open"
