"""A worker process of a test: counts what it is told to, then ends as it is told to.

metrics_program.py FOLDER ROLE REQUESTS stop|kill|linger
"""

import os
import signal
import sys
from pathlib import Path

from gateway.telemetry.metrics import Metrics


def main() -> None:
    folder, role, requests, end = sys.argv[1:]
    metrics = Metrics(Path(folder), role=role)
    for _ in range(int(requests)):
        metrics.request("create_payment", "POST", 201, 0.003)
    metrics.set_oldest_due("deliveries", 0, float(requests))
    metrics.watch_queue(0, lambda: int(requests))
    metrics.flush()
    metrics.request("never_flushed", "GET", 200, 0.1)
    if end == "stop":
        metrics.stop()
        return
    if end == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    sys.stdout.write(f"{os.getpid()}\n")
    sys.stdout.flush()
    sys.stdin.read()


main()
