"""Access: a route that names a scope is entered by a signed request of a key that has it, or not.

Law: no handler checks who calls; this does, before it, for every route of the API. Addresses are
believed through trusted proxies only. What a caller says where nobody would read it, in a query or
a body, is refused like an unknown field.
"""

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address

from gateway.center.authenticate import Authenticator
from gateway.web.api.schemas import NoParameters
from gateway.web.body import convert, read_json
from gateway.web.parameters import read_query
from gateway.web.reply import Reply
from gateway.web.request import Request
from gateway.web.server import Dispatch

AUTHORIZATION = "Authorization"
FORWARDED_FOR = "X-Forwarded-For"
FORWARDED_CHARS_MAX = 1024

Networks = Sequence[IPv4Network | IPv6Network]


def client_address(request: Request, trusted: Networks) -> str:
    """The client's address: the peer's, or the first one behind the proxies that we trust."""
    address = request.remote
    if not trusted or not is_trusted(address, trusted):
        return address
    # A proxy may add a header of its own below one that the client made up: all of them count.
    chain = ",".join(request.headers.getall(FORWARDED_FOR, ()))
    for text in reversed(chain[-FORWARDED_CHARS_MAX:].split(",")):
        candidate = text.strip()
        try:
            ip_address(candidate)
        except ValueError:
            return address
        address = candidate
        if not is_trusted(address, trusted):
            return address
    return address


def is_trusted(address: str, networks: Networks) -> bool:
    """Whether an address is in one of the networks; what is no address is in none."""
    try:
        found = ip_address(address)
    except ValueError:
        return False
    mapped = getattr(found, "ipv4_mapped", None)
    return any((mapped or found) in network for network in networks)


def authenticated(authenticator: Authenticator, *, trusted: Networks = ()) -> Dispatch:
    """A dispatch that authenticates where the route asks for a scope, then calls its handler."""

    async def dispatch(request: Request) -> Reply:
        route = request.route
        if route is None:
            raise RuntimeError("a request reached the dispatch without a route")
        if route.scope is not None:
            headers = request.headers.getall(AUTHORIZATION, ())
            method, target = request.method.encode("ascii"), request.target
            # Of two headers nobody can say which one counts.
            authorization = headers[0].encode("utf-8", "replace") if len(headers) == 1 else None
            address = client_address(request, trusted)
            request.caller = authenticator.authenticate_now(
                method=method,
                target=target,
                authorization=authorization,
                body=request.body,
                address=address,
                scope=route.scope,
            ) or await authenticator.authenticate(
                method=method,
                target=target,
                authorization=authorization,
                body=request.body,
                address=address,
                scope=route.scope,
            )
            if request.query and route.query is None:
                read_query(request.query, NoParameters)
            if request.body and route.body is None and not route.raw:
                convert(read_json(request.body), NoParameters)
        return await route.handler(request)

    return dispatch
