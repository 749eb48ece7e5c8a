"""A load test from nothing: a house of its own, locust merchants, then proof of what they heard.

Law: status 0 only if every answer was right (merchant.py says what is), every acknowledged
operation agrees with database, simulator's book and webhooks (checker.py), the books hold
(`tillgate verify`, beside the still running house) and the house ended by itself when told to.
Everything is on loopback and bounded in time; whatever happens, nothing is left running and
nothing is left on the disk.

    python -m loadtests.run [--shape spike] [--users 20] [--run-time 2m] [--web]
"""

import argparse
import json
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from loadtests.checker import check
from loadtests.shapes import SHAPES

START_S_MAX = 60.0
STOP_S_MAX = 90.0
LOOPBACK, WEB_PORT = "127.0.0.1", 8089
BIN = Path(sys.executable).parent
ROOT = Path(__file__).parent.parent
PROVEN = (
    "every answer was the one that the contract promises: repeats made nothing twice, forged "
    "requests and refunds beyond the payment were refused",
    "every acknowledged payment, refund and cancellation is in the database, with its amount",
    "the channel's book and the database know the same paid orders, amounts and refunds",
    "every promised webhook came, with a genuine signature and never with two bodies",
    "the recomputed books hold, and the house ended by itself",
)


def main() -> int:
    """Run it; the exit status."""
    options = argparse.ArgumentParser(
        prog="python -m loadtests.run", description=__doc__.partition("\n")[0]
    )
    options.add_argument("--shape", choices=sorted(SHAPES), default="steady")
    options.add_argument("--users", type=int, default=20, help="tills at the same time")
    options.add_argument("--merchants", type=int, default=4, help="whose tills they are")
    options.add_argument("--spawn-rate", type=float, default=10, help="new tills a second")
    options.add_argument("--run-time", default="2m", help="how long, such as 30s or 2m")
    options.add_argument("--workers", type=int, help="gateway processes")
    options.add_argument("--shards", type=int, help="databases")
    options.add_argument(
        "--web", action="store_true", help=f"with locust's page at http://{LOOPBACK}:{WEB_PORT}"
    )
    given = options.parse_args()
    # Being told to end is an end like any other: the house is stopped, the folder removed.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    with tempfile.TemporaryDirectory(prefix="tillgate-load-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        data, ready, records = folder / "data", folder / "ready.json", folder / "records"
        records.mkdir()
        house = subprocess.Popen(command_of_house(given, data, ready))
        try:
            wait_for(ready, house)
            faults = load(ready, records, given)
            found, compared = check(json.loads(ready.read_text("utf-8")), records)
            print(f"load: compared {compared}")
            faults += [*found, *verify(data)]
        finally:
            stopped = stop(house)
    faults += stopped
    for fault in faults:
        print(f"load: {fault}", file=sys.stderr)
    if faults:
        print("load: FAILED")
        return 1
    print(f"load: PASSED ({given.shape}, {given.users} tills, {given.run_time}). Proven:")
    for sentence in PROVEN:
        print(f"load: - {sentence}")
    return 0


def command_of_house(given: argparse.Namespace, data: Path, ready: Path) -> list[str]:
    """`tillgate up` with ports of its own."""
    command = [
        *(str(BIN / "tillgate"), "up", "--port", "0", "--data", str(data)),
        *("--ready-file", str(ready), "--log-level", "warning"),
    ]
    for name in ("workers", "shards"):
        if (number := getattr(given, name)) is not None:
            command += [f"--{name}", str(number)]
    return command


def wait_for(ready: Path, house: subprocess.Popen[bytes]) -> None:
    """Until the house serves. Exits when it does not."""
    last = time.monotonic() + START_S_MAX
    while not ready.exists():
        if house.poll() is not None:
            sys.exit(f"load: `tillgate up` ended with status {house.returncode}")
        if time.monotonic() > last:
            sys.exit(f"load: `tillgate up` did not serve within {START_S_MAX:.0f} s")
        time.sleep(0.1)


def load(ready: Path, records: Path, given: argparse.Namespace) -> list[str]:
    """Let the merchants work; what went wrong."""
    page = ["--web-host", LOOPBACK, "--web-port", str(WEB_PORT), "--autostart", "--autoquit", "5"]
    done = subprocess.run(
        [
            *(sys.executable, "-m", "locust", "-f", "loadtests/merchant.py"),
            *(page if given.web else ["--headless", "--only-summary"]),
            *("--ready-file", str(ready), "--records", str(records)),
            *("--shape", given.shape, "--users", str(given.users)),
            *("--merchants", str(given.merchants), "--spawn-rate", str(given.spawn_rate)),
            *("--run-time", given.run_time, "--stop-timeout", "20"),
        ],
        cwd=ROOT,
        check=False,
    )
    return [] if done.returncode == 0 else [f"locust ended with status {done.returncode}"]


def verify(data: Path) -> list[str]:
    """Recompute the books beside the running house; what does not hold."""
    done = subprocess.run([BIN / "tillgate", "verify", "--data", data], check=False)
    return [] if done.returncode == 0 else [f"`tillgate verify` gave status {done.returncode}"]


def stop(house: subprocess.Popen[bytes]) -> list[str]:
    """End the house as an operator would; what went wrong."""
    house.send_signal(signal.SIGTERM)
    try:
        status = house.wait(STOP_S_MAX)
    except subprocess.TimeoutExpired:
        house.kill()
        house.wait()
        return [f"`tillgate up` did not stop within {STOP_S_MAX:.0f} s and was killed"]
    return [] if status == 0 else [f"`tillgate up` ended with status {status}"]


if __name__ == "__main__":
    sys.exit(main())
