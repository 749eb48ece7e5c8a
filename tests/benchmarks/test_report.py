"""The report: which commit was measured."""

import subprocess
from pathlib import Path

import pytest

from benchmarks.report import commit_of


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A repository with a program and a result."""
    (tmp_path / "benchmarks" / "results").mkdir(parents=True)
    (tmp_path / "program").write_text("1")
    (tmp_path / "benchmarks" / "results" / "latest.json").write_text("1")
    for words in (
        ("init", "-q"),
        ("add", "."),
        ("-c", "user.name=a", "-c", "user.email=a@localhost", "commit", "-q", "-m", "a"),
    ):
        subprocess.run(["git", *words], cwd=tmp_path, check=True)
    return tmp_path


def test_results_are_no_change_of_what_is_measured(tree: Path) -> None:
    commit = commit_of(tree / "benchmarks")
    assert len(commit) == 12
    (tree / "benchmarks" / "results" / "latest.json").write_text("2")
    (tree / "benchmarks" / "results" / "new.svg").write_text("2")
    assert commit_of(tree / "benchmarks") == commit


def test_a_changed_program_is_told(tree: Path) -> None:
    commit = commit_of(tree)
    (tree / "program").write_text("2")
    assert commit_of(tree) == f"{commit}-dirty"
    assert commit_of(tree / "benchmarks") == f"{commit}-dirty"


def test_without_a_repository_nobody_knows(tmp_path: Path) -> None:
    assert commit_of(tmp_path) == "unknown"
