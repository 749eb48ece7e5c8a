"""Refusals as answers: a `TillgateError` becomes `application/problem+json`.

Law: every refusal leaves through here, and nothing of it comes from anywhere but the catalogue and
the error itself; no stack trace, no name of a class, no value of ours.
Source: RFC 9457 (problem details), RFC 9110 sections 10.2.1, 10.2.3 and 11.6.1 (Allow,
Retry-After, WWW-Authenticate).
"""

from collections.abc import Sequence

import msgspec

from gateway.domain.errors import CATALOGUE, TillgateError
from gateway.web.reply import PROBLEM_JSON, Reply

DOCUMENTS_PATH = "/docs/errors"
CHALLENGE = "TILL1-HMAC-SHA256, TILL1-ED25519, TILL1-SHA256-RSA2048"

_encode = msgspec.json.Encoder().encode


def problem(error: TillgateError, *, request_id: str, instance: str) -> dict[str, object]:
    """The members of a problem; `instance` is the path that was asked for."""
    entry = CATALOGUE[error.code]
    document = f"{DOCUMENTS_PATH}#{error.code}"
    members: dict[str, object] = {
        **error.extra,
        "type": document,
        "title": entry.title,
        "status": entry.status,
        "detail": error.detail,
        "instance": _sayable(instance),
        "code": error.code,
        "param": None if error.param is None else _sayable(error.param),
        "request_id": request_id,
        "retryable": entry.retryable,
        "doc_url": document,
    }
    if error.channel_code is not None:
        members["channel_code"] = error.channel_code
    return members


def problem_reply(
    error: TillgateError,
    *,
    request_id: str,
    instance: str,
    allow: Sequence[str] = (),
    close: bool = False,
) -> Reply:
    """The answer to a refused request; `allow` names the methods that a 405 leaves open."""
    headers: list[tuple[str, str]] = []
    status = error.status
    if allow:
        headers.append(("Allow", ", ".join(allow)))
    if error.retry_after_s is not None:
        headers.append(("Retry-After", str(error.retry_after_s)))
    if status == 401:
        headers.append(("WWW-Authenticate", CHALLENGE))
    return Reply(
        status,
        _encode(problem(error, request_id=request_id, instance=instance)),
        content_type=PROBLEM_JSON,
        request_id=request_id,
        headers=headers,
        close=close,
    )


def _sayable(text: str) -> str:
    """The text as UTF-8 can say it: what the client sent may hold bytes that are none."""
    return text.encode("utf-8", "replace").decode("utf-8")
