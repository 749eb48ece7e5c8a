"""The whole house on Debian's own Postgres, the oldest version that is promised (15)."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.system, pytest.mark.timeout(180)]

PROGRAMS = Path("/usr/lib/postgresql")
VERSION_MIN = 15


def test_the_demonstration_is_right_on_it(tmp_path: Path) -> None:
    versions = sorted(int(path.name) for path in PROGRAMS.iterdir() if path.name.isdecimal())
    oldest = next(version for version in versions if version >= VERSION_MIN)
    environment = {k: v for k, v in os.environ.items() if not k.startswith("TILLGATE_")}
    environment["TILLGATE_POSTGRES_BIN"] = str(PROGRAMS / str(oldest) / "bin")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "gateway.cli", "demo", "--once", "--json"),
            *("--port", "0", "--data", str(tmp_path / "data")),
        ],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]), done.stdout
    # It ran on these programs and no others: the cluster says of which version it is.
    assert _cluster_versions(tmp_path) == {oldest}


def _cluster_versions(folder: Path) -> set[int]:
    """The versions of the clusters below a folder, from the file in the top of each."""
    tops = {path.parent for path in folder.rglob("pg_wal")}
    return {int((top / "PG_VERSION").read_text("ascii")) for top in tops}
