"""Nothing: the least that can be done on aiohttp's public seams, the limit of what is possible.

Law: a low-level `web.Server` without routing, whose answer is one buffer made beforehand and
written at once. It reads no header and no body, and answers everything alike.

    python -m benchmarks.rivals.nothing 8080
"""

import asyncio
import sys

import uvloop
from aiohttp import web

BODY = b'{"hello":"world"}'
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (
    len(BODY),
    BODY,
)


class Prebuilt(web.StreamResponse):
    """An answer whose bytes were there before the question."""

    @property
    def keep_alive(self) -> bool:
        """The connection stays."""
        return True

    async def prepare(self, request: web.BaseRequest) -> None:
        """Write all of it."""
        transport = request.transport
        if transport is not None:
            transport.write(ANSWER)

    async def write_eof(self, data: bytes = b"") -> None:
        """Nothing: everything was written by `prepare`."""


async def answer(request: web.BaseRequest) -> web.StreamResponse:
    """The same for everybody."""
    return Prebuilt()


async def serve(port: int) -> None:
    """Serve until told to end."""
    runner = web.ServerRunner(web.Server(answer, access_log=None))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await asyncio.Event().wait()


def main() -> None:
    """Serve until told to end."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(int(sys.argv[1])))


if __name__ == "__main__":
    main()
