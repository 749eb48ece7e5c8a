"""A load generator in Python: replays the requests of a file and looks at every answer.

Law: slower than wrk and stricter. Each connection has one request under way; an answer must have
the status and contain the text that the file says, or it counts as wrong. Runs as a process of
its own and writes one line of JSON, in the form of replay.lua.

    python -m benchmarks.replay FILE --port 8080 --connections 64 --seconds 3
"""

import argparse
import json
import selectors
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

READ_BYTES_MAX = 256 * 1024
WRONG_SHOWN_MAX = 3
_HEAD_END = b"\r\n\r\n"
_LENGTH = b"\r\ncontent-length:"


class Connection:
    """One connection: the request under way and what has come of its answer."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.answer = b""
        self.whole_bytes = 0
        self.status = b""
        self.contains = b""
        self.sent_at = 0.0

    def send(self, raw: bytes, status: bytes, contains: bytes) -> None:
        """Send a request; the answer to the one before it has been read."""
        self.answer, self.whole_bytes = b"", 0
        self.status, self.contains = status, contains
        self.sent_at = time.perf_counter()
        self.socket.sendall(raw)

    def receive(self) -> bool:
        """Read what is there; whether the answer is whole. Raises ConnectionError at its end."""
        data = self.socket.recv(READ_BYTES_MAX)
        if not data:
            raise ConnectionError("the server closed a connection")
        self.answer += data
        if not self.whole_bytes:
            head_bytes = self.answer.find(_HEAD_END)
            if head_bytes < 0:
                return False
            head = self.answer[:head_bytes].lower()
            at = head.find(_LENGTH)
            length = 0 if at < 0 else int(head[at + len(_LENGTH) :].split(b"\r\n", 1)[0])
            self.whole_bytes = head_bytes + len(_HEAD_END) + length
        return len(self.answer) >= self.whole_bytes

    @property
    def is_right(self) -> bool:
        """Whether the whole answer is the one that the file says."""
        return self.answer[9:12] == self.status and self.contains in self.answer


def records(file: Path, *, loop: bool) -> Iterator[tuple[bytes, bytes, bytes]]:
    """The requests of a file: bytes, status, text."""
    while True:
        with file.open("rb") as opened:
            while line := opened.readline():
                size, status, contains = line.rstrip(b"\n").split(b" ", 2)
                yield opened.read(int(size)), status, contains
        if not loop:
            return


def replay(file: Path, *, port: int, connections: int, seconds: float, loop: bool) -> dict:
    """Replay until the time is over or the file ends; what came of it."""
    selector = selectors.DefaultSelector()
    source = records(file, loop=loop)
    wrong: list[bytes] = []
    latencies: list[float] = []
    begun = time.perf_counter()
    end = begun + seconds
    busy = 0
    for _ in range(connections):
        record = next(source, None)
        if record is None:
            break
        connection = Connection(port)
        connection.send(*record)
        selector.register(connection.socket, selectors.EVENT_READ, connection)
        busy += 1
    while busy:
        for key, _ in selector.select():
            connection = key.data
            if not connection.receive():
                continue
            now = time.perf_counter()
            latencies.append(now - connection.sent_at)
            if not connection.is_right:
                wrong.append(connection.answer)
            record = next(source, None) if now < end else None
            if record is None:
                selector.unregister(connection.socket)
                connection.socket.close()
                busy -= 1
            else:
                connection.send(*record)
    taken = time.perf_counter() - begun
    for answer in wrong[:WRONG_SHOWN_MAX]:
        print(answer.decode("utf-8", "replace"), file=sys.stderr)
    latencies.sort()
    return {
        "requests": len(latencies),
        "seconds": taken,
        "wrong": len(wrong),
        "broken": 0,
        "p50_ms": latencies[len(latencies) // 2] * 1000,
        "p99_ms": latencies[len(latencies) * 99 // 100] * 1000,
    }


def main() -> None:
    """Replay one file."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--loop", action="store_true", help="begin again at the end of the file")
    given = parser.parse_args()
    result = replay(
        given.file,
        port=given.port,
        connections=given.connections,
        seconds=given.seconds,
        loop=given.loop,
    )
    print("RESULT", json.dumps(result))


if __name__ == "__main__":
    main()
