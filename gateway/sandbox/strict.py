"""Strict JSON input of the control interface, and its way of saying no.

Law: an unknown field, a repeated key, a wrong type or a wrong media type is refused with 400 and
`{"code","detail"}`; nothing is converted. Being `application/json` also keeps web pages of
other origins from steering the sandbox through a browser.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

from aiohttp import web

MEMBERS_MAX: Final = 16


class InputRefused(Exception):
    """The request is refused; `status` is the HTTP status."""

    def __init__(self, code: str, detail: str, *, status: int = 400) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.status = status


def refusal(code: str, detail: str, *, status: int) -> web.Response:
    """The answer of a refusal."""
    return web.json_response({"code": code, "detail": detail}, status=status)


async def read_object(request: web.Request) -> dict[str, Any]:
    """The JSON object of a request's body; raises `InputRefused`."""
    if request.content_type != "application/json":
        raise InputRefused("malformed_request", "the body must be application/json")
    body = await request.read()
    try:
        value = json.loads(
            body.decode("utf-8"), object_pairs_hook=_object_of, parse_constant=_refuse_constant
        )
    except (ValueError, RecursionError) as error:
        raise InputRefused("malformed_request", "the body is not strict JSON") from error
    if not isinstance(value, dict):
        raise InputRefused("malformed_request", "the body is not a JSON object")
    return value


class Members:
    """The members of one object, read by name and type; `done` refuses what nobody read."""

    def __init__(self, members: Mapping[str, Any]) -> None:
        self._left = dict(members)

    def text(self, name: str, *, chars_max: int, default: str | None = None) -> str:
        """A string of 1 to `chars_max` characters; required where there is no default."""
        value = self._left.pop(name, None)
        if value is None:
            if default is None:
                raise InputRefused("missing_field", f"{name} is missing")
            return default
        if type(value) is not str:
            raise InputRefused("invalid_field", f"{name} must be a string")
        if not 0 < len(value) <= chars_max:
            raise InputRefused("invalid_field", f"{name} must have 1 to {chars_max} characters")
        return value

    def word(self, name: str, words: tuple[str, ...], *, default: str | None = None) -> str:
        """One of the given words; required where there is no default."""
        value = self.text(name, chars_max=64, default=default)
        if value not in words:
            raise InputRefused("invalid_field", f"{name} must be one of: {' '.join(words)}")
        return value

    def integer(self, name: str, *, at_least: int, at_most: int) -> int | None:
        """An integer within bounds, or None where it is absent."""
        value = self._left.pop(name, None)
        if value is None:
            return None
        if type(value) is not int or not at_least <= value <= at_most:
            raise InputRefused("invalid_field", f"{name} must be {at_least} to {at_most}")
        return value

    def done(self) -> None:
        """Raise `InputRefused` if a member was never read."""
        if self._left:
            raise InputRefused("unknown_field", f"unknown: {' '.join(sorted(self._left))}")


def _object_of(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs) or len(members) > MEMBERS_MAX:
        raise ValueError("repeated key, or too many")
    return members


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")
