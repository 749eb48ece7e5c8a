"""The documents that the process serves about itself."""

import base64
import hashlib
import json
import re
from collections.abc import Awaitable, Callable

import pytest

from gateway.domain.errors import CATALOGUE, TillgateError
from gateway.web.documents import Documents
from gateway.web.errors import problem
from tests.web.conftest import ROUTES, Stand

Start = Callable[..., Awaitable[Stand]]


@pytest.fixture
async def documents(start_stand: Start) -> Stand:
    """A server with a few routes and the documents about them."""
    return await start_stand(*Documents(ROUTES).routes())


def get(path: str, *lines: str) -> bytes:
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: t", *lines, "", ""]).encode()


async def test_the_openapi_document(documents: Stand) -> None:
    answer = await documents.ask(get("/openapi.json"))
    assert answer.status == 200 and answer.headers["content-type"] == "application/json"
    drawn = json.loads(answer.body)
    assert {"/echo", "/raw", "/openapi.json", "/docs/errors"} <= set(drawn["paths"])
    assert drawn["info"]["title"] and drawn["servers"] == [{"url": "/"}]


@pytest.mark.parametrize("path", ["/openapi.json", "/docs/errors"])
async def test_who_has_it_already_gets_no_bytes(documents: Stand, path: str) -> None:
    first = await documents.ask(get(path))
    tag = first.headers["etag"]
    for known in (tag, f"W/{tag}", f'"other", {tag}'):
        again = await documents.ask(get(path, f"If-None-Match: {known}"))
        assert (again.status, again.body, again.headers["etag"]) == (304, b"", tag)
    other = await documents.ask(get(path, 'If-None-Match: "other"'))
    assert other.status == 200 and other.body == first.body


async def test_every_doc_url_is_an_anchor_of_the_page(documents: Stand) -> None:
    page = (await documents.ask(get("/docs/errors"))).body.decode()
    for code, entry in CATALOGUE.items():
        told = problem(TillgateError(code, "x"), request_id="req_1", instance="/")
        path, _, anchor = str(told["doc_url"]).partition("#")
        assert path == "/docs/errors"
        assert page.count(f'id="{anchor}"') == 1
        assert f"<td>{entry.title}</td>".replace("'", "&#x27;") in page


async def test_the_page_runs_and_loads_nothing(documents: Stand) -> None:
    answer = await documents.ask(get("/docs/errors"))
    page, policy = answer.body.decode(), answer.headers["content-security-policy"]
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert not re.search(r"<script|<img|<link|\son\w+=|style=|url\(|@import|https?://", page)
    assert policy.startswith("default-src 'none'") and "unsafe" not in policy
    (style,) = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in policy
