"""Documents that the process serves about itself: `/openapi.json` and `/docs/errors`.

Law: drawn once from routes and catalogue, then the same bytes for everybody; no key is asked for,
because nothing here is anybody's. The page runs no script and loads nothing.
Source: RFC 9110 section 13.1.2 (If-None-Match), CSP level 3 (hashes of inline styles).
"""

import base64
import hashlib
from collections.abc import Iterable
from html import escape
from http import HTTPStatus
from typing import Any

import msgspec

from gateway.domain.errors import CATALOGUE, Entry
from gateway.web import openapi
from gateway.web.api.objects import Problem
from gateway.web.api.terms import PLACEHOLDERS
from gateway.web.errors import DOCUMENTS_PATH
from gateway.web.reply import JSON, Reply, empty_reply
from gateway.web.routing import Route

OPENAPI_PATH = "/openapi.json"
API_VERSION = "1"
TITLE = "Tillgate API"
HTML = "text/html; charset=utf-8"

DESCRIPTION = """\
One signed HTTP/JSON API in front of many payment channels.

- Amounts are integers of minor units. Times are RFC 3339 in UTC. Unknown fields are refused.
- Every creating request names its own number, which is unique for ever. Sending the same request
  again is always safe: it is answered with the object as it is now and `Idempotent-Replayed: true`.
- Refusals are `application/problem+json`; decide by `code`, see [the catalogue](/docs/errors).
- Answers may get further members at any time: ignore those that you do not know.
"""

STYLE = """\
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}
table{border-collapse:collapse;width:100%}
th,td{text-align:left;vertical-align:top;padding:.4rem .6rem;border-bottom:1px solid #ccc}
code{font:14px/1.5 ui-monospace,monospace}
tr:target{background:#fff3bf}
"""
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; style-src "
    f"'sha256-{base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()}'"
)
_PAGE_HEADERS = (
    ("Content-Security-Policy", CONTENT_SECURITY_POLICY),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
)


class Documents:
    """The handlers of the documents about `routes` and themselves."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._routes = [
            Route(
                "GET",
                OPENAPI_PATH,
                self.get_openapi,
                "get_openapi",
                summary="This document.",
                answer=dict[str, Any],
            ),
            Route(
                "GET",
                DOCUMENTS_PATH,
                self.get_errors,
                "get_errors_page",
                summary="Every code that a request can be refused with, for people.",
                answer=HTML,
            ),
        ]
        drawn = openapi.document(
            [*routes, *self._routes],
            title=TITLE,
            version=API_VERSION,
            description=DESCRIPTION,
            problem=Problem,
            placeholders=PLACEHOLDERS,
        )
        self._openapi = msgspec.json.encode(drawn)
        self._openapi_tag = _tag(self._openapi)
        self._errors = errors_page().encode()
        self._errors_tag = _tag(self._errors)

    def routes(self) -> list[Route]:
        """The routes of the documents."""
        return list(self._routes)

    async def get_openapi(self, request: Any) -> Reply:
        """`GET /openapi.json`."""
        return _document(request, self._openapi, self._openapi_tag, JSON)

    async def get_errors(self, request: Any) -> Reply:
        """`GET /docs/errors`."""
        return _document(request, self._errors, self._errors_tag, HTML, _PAGE_HEADERS)


def _tag(body: bytes) -> str:
    return f'"{hashlib.sha256(body).hexdigest()[:32]}"'


def _document(
    request: Any,
    body: bytes,
    tag: str,
    content_type: str,
    headers: tuple[tuple[str, str], ...] = (),
) -> Reply:
    headers = (("ETag", tag), ("Cache-Control", "no-cache"), *headers)
    known = [each.strip() for each in request.headers.get("If-None-Match", "").split(",")]
    if tag in known or "W/" + tag in known:
        return empty_reply(304, request_id=request.request_id, headers=headers)
    return Reply(
        200, body, content_type=content_type, request_id=request.request_id, headers=headers
    )


def errors_page() -> str:
    """The catalogue as a page; every code is an anchor, which `doc_url` of a problem points at."""
    sections = []
    for status in sorted({entry.status for entry in CATALOGUE.values()}):
        rows = "\n".join(
            _row(code, entry) for code, entry in CATALOGUE.items() if entry.status == status
        )
        sections.append(
            f"<h2>{status} {HTTPStatus(status).phrase}</h2>\n<table>\n"
            "<tr><th>code</th><th>meaning</th><th>what to do</th></tr>\n"
            f"{rows}\n</table>"
        )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>Tillgate: errors</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        "<h1>Errors</h1>\n<p>A refusal is <code>application/problem+json</code> (RFC 9457). Decide "
        "by <code>code</code>, never by <code>detail</code>. <code>param</code> points at the "
        "member that is wrong, <code>request_id</code> is what to tell your operator.</p>\n"
        + "\n".join(sections)
        + "\n</body>\n</html>\n"
    )


def _row(code: str, entry: Entry) -> str:
    todo = "Send the same request again, later." if entry.retryable else "Do not just repeat it."
    return (
        f'<tr id="{escape(code)}"><td><code>{escape(code)}</code></td>'
        f"<td>{escape(entry.title)}</td><td>{todo}</td></tr>"
    )
