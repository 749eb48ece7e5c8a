"""`tillgate demo --once`: the whole story, right or status 1."""

import json
from pathlib import Path

from tests.cli.conftest import FREE_PORTS, environment, tillgate


def test_once_ends_with_0_only_if_all_is_right(tmp_path: Path) -> None:
    done = tillgate("demo", "--once", *FREE_PORTS, "--json", env=environment(TMPDIR=str(tmp_path)))
    assert (done.returncode, done.stderr) == (0, "")
    told = json.loads(done.stdout)
    assert told["ok"] is True and told["status"] == "succeeded"
    assert len(told["checks"]) == 11 and all(told["checks"].values())
    assert list(tmp_path.iterdir()) == [], "the temporary data folder is gone"
