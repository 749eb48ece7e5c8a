"""`setup.py`: without a compiler the build goes on and says so, unless told to stop."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """What the build needs, and nothing that was built before."""
    for name in ("setup.py", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "README.md").write_text("Tillgate")
    ignored = shutil.ignore_patterns("*.so", "__pycache__")
    shutil.copytree(ROOT / "fastpath", tmp_path / "fastpath", ignore=ignored)
    return tmp_path


def build(tree: Path, **switches: str) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("FASTPATH_")}
    return subprocess.run(
        [sys.executable, "setup.py", "build_ext", "--inplace"],
        cwd=tree,
        env=environment | switches,
        capture_output=True,
        text=True,
        check=False,
    )


def test_without_a_compiler_the_build_goes_on(tree: Path) -> None:
    done = build(tree, CC="/bin/false")
    assert done.returncode == 0, done.stderr
    for name in ("_signature_c", "_amount_c"):
        assert f"WARNING: fastpath.{name} was NOT compiled" in done.stderr
    assert list(tree.rglob("*.so")) == []


def test_without_a_compiler_a_required_build_stops(tree: Path) -> None:
    done = build(tree, CC="/bin/false", FASTPATH_REQUIRE="cython")
    assert done.returncode != 0
    assert "was NOT compiled" in done.stderr


def test_pure_builds_nothing(tree: Path) -> None:
    done = build(tree, FASTPATH_PURE="1")
    assert done.returncode == 0, done.stderr
    assert "FASTPATH_PURE=1: no extension is built" in done.stderr
    assert not (tree / "build" / "cython").exists()
    assert list(tree.rglob("*.so")) == []
