"""A receiver of webhooks that costs as little as it can: it keeps what came, and when.

Law: every POST is answered 204 at once and kept whole with its moment; nothing is looked at before
all has come (`heard.py` does that), so that the receiver never is what limits. A GET writes down
what was kept since the last one and answers with the number of all. Loopback only.

    python -m benchmarks.receiver 8080 FILE
"""

import asyncio
import sys
import time
from pathlib import Path
from typing import IO, cast

import uvloop

from benchmarks.heard import MOMENT

TAKEN = b"HTTP/1.1 204 No Content\r\n\r\n"
COUNTED = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%b"
BACKLOG = 1_024
_HEAD_END = b"\r\n\r\n"
_LENGTH = b"\r\ncontent-length:"


class Kept:
    """What came and is not written down yet."""

    def __init__(self, file: IO[bytes]) -> None:
        self.count = 0
        self._file = file
        self._parts: list[bytes] = []

    def keep(self, raw: bytes) -> None:
        """A webhook has come."""
        self._parts += (MOMENT.pack(time.time(), len(raw)), raw)
        self.count += 1

    def write(self) -> None:
        """Write all of it down."""
        self._file.write(b"".join(self._parts))
        self._file.flush()
        self._parts.clear()


class Receiving(asyncio.Protocol):
    """One connection of a sender."""

    def __init__(self, kept: Kept) -> None:
        self._kept = kept
        self._buffer = b""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Somebody is there."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's has no such base class

    def data_received(self, data: bytes) -> None:
        """Take every request that is whole."""
        self._buffer += data
        while (size := whole_bytes(self._buffer)) is not None:
            raw, self._buffer = self._buffer[:size], self._buffer[size:]
            if raw.startswith(b"GET "):
                self._kept.write()
                text = b"%d" % self._kept.count
                self._transport.write(COUNTED % (len(text), text))
            else:
                self._kept.keep(raw)
                self._transport.write(TAKEN)


def whole_bytes(buffer: bytes) -> int | None:
    """The length of the first request in a buffer; None until it is whole."""
    head_bytes = buffer.find(_HEAD_END)
    if head_bytes < 0:
        return None
    head = buffer[:head_bytes].lower()
    at = head.find(_LENGTH)
    length = 0 if at < 0 else int(head[at + len(_LENGTH) :].split(b"\r\n", 1)[0])
    size = head_bytes + len(_HEAD_END) + length
    return size if len(buffer) >= size else None


async def receive(port: int, file: Path) -> None:
    """Receive until told to end."""
    with file.open("wb") as opened:
        kept = Kept(opened)
        loop = asyncio.get_running_loop()
        await loop.create_server(lambda: Receiving(kept), "127.0.0.1", port, backlog=BACKLOG)
        await asyncio.Event().wait()


def main() -> None:
    """Receive until told to end."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(receive(int(sys.argv[1]), Path(sys.argv[2])))


if __name__ == "__main__":
    main()
