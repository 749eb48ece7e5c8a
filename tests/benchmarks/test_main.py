"""A whole run: its folder, and that one benchmark which fails costs the others nothing."""

import asyncio
from pathlib import Path

import pytest
from rich.console import Console

from benchmarks.__main__ import folder_of, play
from benchmarks.catalogue import Benchmark
from benchmarks.contest import Plan
from benchmarks.finding import Finding
from benchmarks.load import RanDry, RunVoid, _result
from benchmarks.processes import Cores
from benchmarks.stage import Stage

pytestmark = pytest.mark.fast


def test_a_folder_that_is_not_there_is_made_and_removed(tmp_path: Path) -> None:
    wanted = tmp_path / "some" / "where"
    with folder_of(wanted) as folder:
        assert folder == wanted
        assert wanted.is_dir()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_was_there_stays(tmp_path: Path) -> None:
    with folder_of(tmp_path) as folder:
        assert folder == tmp_path
    assert tmp_path.is_dir()
    with folder_of(None) as folder:
        assert folder is None


def test_a_folder_that_cannot_be_made_is_said_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SystemExit, match="cannot be made"), folder_of(tmp_path / "file"):
        pass


@pytest.mark.parametrize("fault", [RunVoid("one is missing"), ValueError("a defect")])
async def test_a_void_benchmark_is_told_and_ends_what_played(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], fault: Exception
) -> None:
    ended = []

    async def measure(stage: Stage) -> Finding:
        stage._stack.callback(ended.append, "all")
        raise fault

    assert await tried(tmp_path, measure, patience_s=60) is None
    assert ended == ["all"]
    assert str(fault) in capsys.readouterr().err


async def test_a_benchmark_that_does_not_end_is_void(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async def measure(stage: Stage) -> Finding:
        await asyncio.Event().wait()
        raise AssertionError

    assert await tried(tmp_path, measure, patience_s=0.01) is None
    assert "did not end" in capsys.readouterr().err


async def tried(tmp_path: Path, measure: object, *, patience_s: float) -> object:
    plan = Plan(
        cores=Cores(0, 0),
        folder=tmp_path,
        generator="python",
        rounds=1,
        seconds=1,
        connections=1,
        quick=True,
    )
    each = Benchmark("fails", "it fails", measure, 1, 1)  # type: ignore[arg-type]
    async with Stage(plan, tell=print) as stage:
        return await play(each, stage, plan, Console(), patience_s=patience_s)


def test_a_file_that_ran_dry_is_no_wrong_answer() -> None:
    said = 'RESULT {"requests":9,"seconds":1,"wrong":2,"broken":0,"dry":1,"p50_ms":1,"p99_ms":1}'
    with pytest.raises(RanDry):
        _result(said, "")
    with pytest.raises(RunVoid, match="wrong"):
        _result(said.replace('"dry":1', '"dry":0'), "")
