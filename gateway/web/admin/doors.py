"""What the doors of the administration share: who may enter, numbers, pages, answers.

Law: administration is the house's. Scopes say so already (no other merchant's key can have them);
a key of another merchant is refused here all the same.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from gateway.center.authenticate import Caller, name_of_request
from gateway.domain import cursor, ids
from gateway.domain.errors import TillgateError, not_found
from gateway.domain.idempotency import Fingerprints, Numbered
from gateway.domain.text import check_business_no
from gateway.web.parameters import limit_of
from gateway.web.reply import Reply, json_reply
from gateway.web.request import Request

BASE = "/admin/v1"
READ = "admin.read"
WRITE = "admin.write"
REPLAYED = ("Idempotent-Replayed", "true")
_AUTHORIZATION = "Authorization"

_encode = msgspec.json.Encoder().encode


def caller_of(request: Request) -> Caller:
    """The caller, if it is the house. Raises `forbidden_scope`."""
    caller: Caller = request.caller
    if not caller.merchant.house:
        raise TillgateError("forbidden_scope", "Administration is for keys of the house.")
    return caller


def id_of(request: Request, prefix: str, name: str) -> str:
    """The id in the path. Raises `not_found` for one that is not well-formed."""
    found = ids.parse(prefix, request.params[name])
    if found is None:
        raise not_found()
    return found


def numbered(
    request: Request,
    fingerprints: Fingerprints,
    operation: str,
    value: Mapping[str, object],
    *,
    ref: str | None,
    param: str,
) -> Numbered:
    """The number of a creating request: the given one, else one made of the signed request."""
    if ref is None:
        header = request.headers.get(_AUTHORIZATION, "")
        number = name_of_request(header.encode("utf-8", "replace"))
    else:
        number = check_business_no(ref, param=param)
    return fingerprints.numbered(operation, request.path, value, number)


def answer(request: Request, value: object) -> Reply:
    """The object as it is now."""
    return json_reply(200, _encode(value), request_id=request.request_id)


def created(request: Request, value: object, *, is_new: bool, location: str) -> Reply:
    """201 and where it is, or 200 for a repeat."""
    headers = (("Location", location),) if is_new else (REPLAYED,)
    status = 201 if is_new else 200
    return json_reply(status, _encode(value), request_id=request.request_id, headers=headers)


def list_answer(
    request: Request, data: Sequence[object], *, next_cursor: str | None = None
) -> Reply:
    """A list, or a page of one."""
    value = {"data": data, "has_more": next_cursor is not None, "next_cursor": next_cursor}
    return answer(request, value)


class Pages:
    """Pages of lists by id, newest first."""

    def __init__(self, cursor_key: bytes) -> None:
        self._cursor_key = cursor_key

    def begin(self, request: Request, *, limit: str | None, after: str | None) -> tuple[int, Any]:
        """How many are wanted, and the id behind which the page begins (None: at the start)."""
        count = limit_of(limit)
        if after is None:
            return count, None
        owner = request.caller.merchant.id
        return count, cursor.read(
            self._cursor_key, after, merchant_id=owner, path=request.path, filters=""
        )

    def end(
        self,
        request: Request,
        found: Sequence[Any],
        limit: int,
        view: Callable[[Any], object],
    ) -> Reply:
        """The page of `limit` of what was found; one more was asked for."""
        page = found[:limit]
        following = None
        if len(found) > limit:
            following = cursor.make(
                self._cursor_key,
                merchant_id=request.caller.merchant.id,
                path=request.path,
                filters="",
                last=page[-1].id,
            )
        return list_answer(request, [view(each) for each in page], next_cursor=following)
