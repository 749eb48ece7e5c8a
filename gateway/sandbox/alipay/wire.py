"""Bytes of the pretend Alipay: parameters in, canonical text, response envelope out.

Law: pure; no signature is checked or made here, only the texts that are signed. A request's
canonical text keeps `sign_type` and drops empty values; a notification's (V1) drops `sign` and
`sign_type` and keeps the rest. Source: Alipay OpenAPI, "signing" and "asynchronous
notification".
"""

import json
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode

from gateway.sandbox.alipay.refusals import Refusal

FIELDS_MAX: Final = 64
ERROR_NODE: Final = "error_response"


def merged_parameters(query: str, body: bytes) -> dict[str, str]:
    """All parameters of a request, wherever the client put them.

    A parameter may stand in the query or in the form body, once in all. Raises `Refusal`.
    """
    try:
        if not query.isascii():
            raise ValueError("a query is percent-encoded")
        pairs = _pairs(query) + _pairs(body.decode("ascii"))
    except ValueError as error:
        raise Refusal("isv.invalid-parameter", "not a well-formed form") from error
    parameters = dict(pairs)
    if len(parameters) != len(pairs):
        raise Refusal("isv.invalid-parameter", "a parameter was sent twice")
    return parameters


def request_text(parameters: Mapping[str, str]) -> bytes:
    """The text that a client signs."""
    return _joined({k: v for k, v in parameters.items() if k != "sign" and v})


def notification_text(parameters: Mapping[str, str]) -> bytes:
    """The text that Alipay signs in a notification (V1)."""
    return _joined({k: v for k, v in parameters.items() if k not in ("sign", "sign_type")})


def form(parameters: Mapping[str, str]) -> bytes:
    """The parameters as application/x-www-form-urlencoded in UTF-8."""
    return urlencode(parameters).encode("ascii")


def node_name(method: str) -> str:
    """`alipay.trade.query` -> `alipay_trade_query_response`."""
    return method.replace(".", "_") + "_response"


def node_text(node: Mapping[str, Any]) -> str:
    """The node's JSON: the very characters that are signed; slashes escaped as Alipay does."""
    return json.dumps(node, ensure_ascii=False, separators=(",", ":")).replace("/", "\\/")


def envelope(name: str, node: str, sign: str | None, *, cert_sn: str | None = None) -> bytes:
    """The whole answer around a node that is already text; `sign` None for an unsigned one.

    In certificate mode the number of Alipay's certificate stands between node and signature.
    """
    number = f',"alipay_cert_sn":"{cert_sn}"' if cert_sn is not None else ""
    end = f'{number},"sign":"{sign}"}}' if sign is not None else "}"
    return f'{{"{name}":{node}{end}'.encode()


def _joined(parameters: Mapping[str, str]) -> bytes:
    # Python orders str by code point, which for UTF-8 is the order of the bytes (ASCII order).
    return "&".join(f"{k}={parameters[k]}" for k in sorted(parameters)).encode()


def _pairs(text: str) -> list[tuple[str, str]]:
    if not text:
        return []
    return parse_qsl(
        text,
        keep_blank_values=True,
        strict_parsing=True,
        encoding="utf-8",
        errors="strict",
        max_num_fields=FIELDS_MAX,
    )
