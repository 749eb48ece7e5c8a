"""Refusals: every code of the catalogue as a problem."""

import json
from types import SimpleNamespace
from typing import Any

import pytest

from gateway.domain.errors import CATALOGUE, TillgateError
from gateway.web.errors import problem_reply
from gateway.web.reply import Reply

pytestmark = pytest.mark.fast


def read(reply: Reply) -> tuple[str, dict[str, str], dict[str, Any]]:
    request: Any = SimpleNamespace(method="GET", is_http_1_0=False, keep_alive=True)
    head, _, body = reply.encode(request).partition(b"\r\n\r\n")
    line, *fields = head.decode("ascii").split("\r\n")
    return line, dict(field.split(": ", 1) for field in fields), json.loads(body)


@pytest.mark.parametrize("code", CATALOGUE)
def test_every_code_has_its_answer(code: str) -> None:
    error = TillgateError(code, "Because.", param="/a~1b")
    line, headers, members = read(problem_reply(error, request_id="req_1", instance="/v1/x"))
    status = CATALOGUE[code].status
    assert line.startswith(f"HTTP/1.1 {status} ")
    assert headers["Content-Type"] == "application/problem+json"
    assert headers["Request-Id"] == "req_1"
    assert headers.get("Retry-After") == ("1" if status in (429, 503) else None)
    assert ("WWW-Authenticate" in headers) == (status == 401)
    assert members == {
        "type": f"/docs/errors#{code}",
        "title": CATALOGUE[code].title,
        "status": status,
        "detail": "Because.",
        "instance": "/v1/x",
        "code": code,
        "param": "/a~1b",
        "request_id": "req_1",
        "retryable": CATALOGUE[code].retryable,
        "doc_url": f"/docs/errors#{code}",
    }


def test_further_members_never_replace_the_fixed_ones() -> None:
    error = TillgateError(
        "invalid_state",
        "No.",
        channel_code="ACQ.X",
        retry_after_s=7,
        extra={"payment_status": "closing", "status": 200, "code": "fine"},
    )
    _, headers, members = read(problem_reply(error, request_id="req_1", instance="/"))
    assert (members["status"], members["code"]) == (409, "invalid_state")
    assert (members["payment_status"], members["channel_code"]) == ("closing", "ACQ.X")
    assert headers["Retry-After"] == "7"


def test_allowed_methods_are_named() -> None:
    error = TillgateError("method_not_allowed", "No.")
    reply = problem_reply(error, request_id="req_1", instance="/", allow=("GET", "POST"))
    assert read(reply)[1]["Allow"] == "GET, POST"


def test_bytes_of_the_client_that_are_no_text_do_not_break_the_answer() -> None:
    error = TillgateError("unknown_field", "No.", param="/\ud800")
    _, _, members = read(problem_reply(error, request_id="req_1", instance="/\udcff"))
    assert (members["param"], members["instance"]) == ("/?", "/?")
