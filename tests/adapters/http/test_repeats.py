"""Nothing is sent twice: also not a GET on a kept connection that the channel cuts."""

import asyncio

import pytest

from gateway.adapters.http.client import ChannelHttp
from gateway.channels.wire import ChannelSilent, HttpRequest

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_cut_connection_is_silence(method: str) -> None:
    seen = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal seen
        while await reader.readuntil(b"\r\n\r\n"):
            seen += 1
            if seen > 1:
                writer.close()
                return
            writer.write(ANSWER)

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server, ChannelHttp() as http:
        port = server.sockets[0].getsockname()[1]
        request = HttpRequest(method, f"http://127.0.0.1:{port}/x")
        assert (await http.send(request)).body == b"ok"
        with pytest.raises(ChannelSilent) as silent:
            await http.send(request)
        assert silent.value.sent
    assert seen == 2
