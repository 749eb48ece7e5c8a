"""Parameters: the query of a request line, read as strictly as a body.

Law: unknown or repeated parameters are refused, and NUL, which Postgres cannot compare; values are
plain text, converted by a schema.
Source: WHATWG URL (application/x-www-form-urlencoded parsing), RFC 3339.
"""

import re
from datetime import UTC, datetime
from typing import TypeVar
from urllib.parse import parse_qsl

import msgspec

from gateway.domain.errors import TillgateError
from gateway.web.body import convert, escape_pointer

PARAMETERS_MAX = 16
LIMIT_DEFAULT = 20
LIMIT_MAX = 100

_INTEGER = re.compile(r"(?:0|[1-9][0-9]{0,18})\Z")
_MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?Z\Z")
_Schema = TypeVar("_Schema", bound=msgspec.Struct)


def read_query(query: str, schema: type[_Schema]) -> _Schema:
    """The parameters of a raw query string. Raises `malformed_request`, `unknown_field`, …"""
    if not query:
        return convert({}, schema)
    try:
        pairs = parse_qsl(
            query,
            keep_blank_values=True,
            strict_parsing=True,
            errors="strict",
            max_num_fields=PARAMETERS_MAX,
        )
    except ValueError:
        raise TillgateError("malformed_request", "The query is not well-formed.") from None
    values: dict[str, object] = {}
    for name, value in pairs:
        if name in values:
            raise TillgateError(
                "malformed_request", "A parameter is repeated.", param="/" + escape_pointer(name)
            )
        if "\x00" in value or "\x00" in name:
            raise TillgateError("malformed_request", "A parameter contains NUL.")
        values[name] = value
    return convert(values, schema)


def integer(text: str | None, *, param: str, default: int, least: int, most: int) -> int:
    """A decimal parameter within bounds, else `invalid_field`."""
    if text is None:
        return default
    if _INTEGER.match(text) is None or not least <= int(text) <= most:
        raise TillgateError(
            "invalid_field", f"The parameter must be {least} to {most}.", param=param
        )
    return int(text)


def limit_of(text: str | None) -> int:
    """The `limit` of a list: 1 to 100, default 20."""
    return integer(text, param="/limit", default=LIMIT_DEFAULT, least=1, most=LIMIT_MAX)


def moment(text: str | None, *, param: str) -> datetime | None:
    """An RFC 3339 moment in UTC with `Z`, else `invalid_field`."""
    if text is None:
        return None
    if _MOMENT.match(text):
        try:
            return datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone(UTC)
        except ValueError:
            pass
    raise TillgateError(
        "invalid_field", "The moment must be RFC 3339 in UTC, as 2026-11-22T08:00:00Z.", param=param
    )
