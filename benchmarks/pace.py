"""A load generator of constant rate: every request has a moment at which it is to be sent.

Law: latency counts from the intended moment, not from the real one, so that a server that stalls
is not forgiven for the requests that waited meanwhile (no coordinated omission). Requests for which
no connection is free wait in their order. Every answer is looked at, as `replay.py` does. Runs as a
process of its own and writes one line in the form of replay.lua.

    python -m benchmarks.pace FILE --port 8080 --rate 3000 --connections 64 --seconds 5
"""

import argparse
import json
import select
import sys
import time
from collections import deque
from pathlib import Path

from benchmarks.replay import WRONG_SHOWN_MAX, Connection, records

START_AFTER_S = 0.2
ANSWER_S_MAX = 10.0


def pace(
    file: Path, *, port: int, rate: float, connections: int, seconds: float, loop: bool
) -> dict[str, float]:
    """Send `rate` requests a second for `seconds`; what came of it.

    The file must hold enough of them unless `loop`. Raises ConnectionError, TimeoutError.
    """
    source = records(file, loop=loop)
    total = int(rate * seconds)
    free = deque(Connection(port) for _ in range(connections))
    busy: dict[int, tuple[Connection, float]] = {}
    begun = time.perf_counter() + START_AFTER_S
    latencies: list[float] = []
    wrong: list[bytes] = []
    late_max = 0.0
    sent = 0
    while len(latencies) < total:
        now = time.perf_counter()
        while sent < total and free and begun + sent / rate <= now:
            connection = free.popleft()
            connection.send(*next(source))
            busy[connection.socket.fileno()] = connection, begun + sent / rate
            late_max = max(late_max, now - begun - sent / rate)
            sent += 1
        wait = ANSWER_S_MAX
        if sent < total and free:
            wait = max(0.0, begun + sent / rate - time.perf_counter())
        # select() and not epoll: its time limit counts microseconds, epoll's milliseconds.
        readable, _, _ = select.select(list(busy), (), (), wait)
        if not readable and wait == ANSWER_S_MAX:
            raise TimeoutError("the server does not answer")
        for number in readable:
            connection, intended = busy[number]
            if connection.receive():
                latencies.append(time.perf_counter() - intended)
                if not connection.is_right:
                    wrong.append(connection.answer)
                del busy[number]
                free.append(connection)
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
        "late_max_ms": late_max * 1000,
    }


def main() -> None:
    """Replay one file."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--rate", type=float, required=True)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--loop", action="store_true", help="begin again at the end of the file")
    given = parser.parse_args()
    result = pace(
        given.file,
        port=given.port,
        rate=given.rate,
        connections=given.connections,
        seconds=given.seconds,
        loop=given.loop,
    )
    print("RESULT", json.dumps(result))


if __name__ == "__main__":
    main()
