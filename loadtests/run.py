"""A load test from nothing: a house of its own, locust merchants, then the proof of its books.

Law: status 0 only if every answer was right (merchant.py says what is), the books hold
(`tillgate verify`, beside the still running house) and the house ended by itself when told to.
Whatever happens, nothing is left running and nothing is left on the disk.

    python loadtests/run.py --users 20 --spawn-rate 10 --run-time 2m
"""

import argparse
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

START_S_MAX = 60.0
STOP_S_MAX = 90.0
BIN = Path(sys.executable).parent
HERE = Path(__file__).parent


def main() -> int:
    """Run it; the exit status."""
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--users", type=int, default=20, help="merchants at the same time")
    options.add_argument("--spawn-rate", type=float, default=10, help="new merchants a second")
    options.add_argument("--run-time", default="2m", help="how long, such as 30s or 2m")
    given = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="tillgate-load-") as folder:
        data, ready = Path(folder) / "data", Path(folder) / "ready.json"
        house = subprocess.Popen(
            [BIN / "tillgate", "up", "--port", "0", "--data", data, "--ready-file", ready,
             "--log-level", "warning"]
        )  # fmt: skip
        try:
            wait_for(ready, house)
            faults = [*load(ready, given), *verify(data)]
        finally:
            stopped = stop(house)
    faults += stopped
    for fault in faults:
        print(f"load: {fault}", file=sys.stderr)
    print("load: FAILED" if faults else "load: every answer was right, and the books hold")
    return 1 if faults else 0


def wait_for(ready: Path, house: subprocess.Popen[bytes]) -> None:
    """Until the house serves. Exits when it does not."""
    last = time.monotonic() + START_S_MAX
    while not ready.exists():
        if house.poll() is not None:
            sys.exit(f"load: `tillgate up` ended with status {house.returncode}")
        if time.monotonic() > last:
            sys.exit(f"load: `tillgate up` did not serve within {START_S_MAX:.0f} s")
        time.sleep(0.1)


def load(ready: Path, given: argparse.Namespace) -> list[str]:
    """Let the merchants work; what went wrong."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "locust", "-f", HERE / "merchant.py", "--headless"),
            *("--only-summary", "--ready-file", ready, "--users", str(given.users)),
            *("--spawn-rate", str(given.spawn_rate), "--run-time", given.run_time),
            *("--stop-timeout", "20"),
        ],
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
