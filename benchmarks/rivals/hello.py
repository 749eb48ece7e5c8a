"""Hello: the least that an aiohttp program can do, the yardstick of every benchmark here.

Law: `web.Application` with a static answer to POST and GET of `/`, on uvloop, access log off: no
signature, no JSON, no database. One process, one thread.

    python -m benchmarks.rivals.hello 8080
"""

import sys

import uvloop
from aiohttp import web

PATH = "/"
BODY = b'{"hello":"world"}'


async def hello(request: web.Request) -> web.Response:
    """The static answer."""
    return web.Response(body=BODY, content_type="application/json")


def main() -> None:
    """Serve until told to end."""
    application = web.Application()
    application.router.add_post(PATH, hello)
    application.router.add_get(PATH, hello)
    web.run_app(
        application,
        host="127.0.0.1",
        port=int(sys.argv[1]),
        access_log=None,
        print=None,
        loop=uvloop.new_event_loop(),
    )


if __name__ == "__main__":
    main()
