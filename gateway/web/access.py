"""Access: a route that names a scope is entered by a signed request of a key that has it, or not.

Law: no handler checks who calls; this does, before it, for every route of the API.
"""

from gateway.center.authenticate import Authenticate, Credentials
from gateway.web.reply import Reply
from gateway.web.server import Dispatch, Request

AUTHORIZATION = "Authorization"


def authenticated(authenticate: Authenticate) -> Dispatch:
    """A dispatch that authenticates where the route asks for a scope, then calls its handler."""

    async def dispatch(request: Request) -> Reply:
        route = request.route
        if route.scope is not None:
            credentials = Credentials(
                method=request.method.encode(),
                target=request.target,
                authorization=request.headers.get(AUTHORIZATION),
                body=request.body,
                address=request.remote,
                scope=route.scope,
            )
            caller = authenticate.now(credentials)
            if caller is None:
                caller = await authenticate.later(credentials)
            request.caller = caller
        return await route.handler(request)

    return dispatch
