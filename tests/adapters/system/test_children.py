"""Children: they run, they stop, and they end with their parent."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import uvloop

from gateway.adapters.system.children import LAUNCH_PROGRAM, ChildNotStarted, start_child
from gateway.adapters.system.postgres_folder import process_facts

IGNORE_TERM = "trap '' TERM; echo ready; while :; do sleep 1000; done"


def is_alive(pid: int) -> bool:
    facts = process_facts(pid)
    return facts is not None and facts.alive


async def test_output_and_status_are_the_programs(tmp_path: Path) -> None:
    with (tmp_path / "out").open("wb") as out:
        child = await start_child(["sh", "-c", "echo hello; exit 3"], name="greeter", stdout=out)
        assert await child.wait() == 3
    assert (tmp_path / "out").read_text() == "hello\n"
    assert child.status == 3
    assert child.name == "greeter"


async def test_environment_replaces_ours(tmp_path: Path) -> None:
    with (tmp_path / "out").open("wb") as out:
        child = await start_child(
            ["env"], name="env", env={"A": "1", "PATH": "/usr/bin"}, stdout=out
        )
        await child.wait()
    assert set((tmp_path / "out").read_text().split()) >= {"A=1", "PATH=/usr/bin"}
    assert "HOME" not in (tmp_path / "out").read_text()


async def test_returns_only_when_the_program_runs_in_its_place() -> None:
    child = await start_child(["sleep", "1000"], name="sleeper")
    facts = process_facts(child.pid)
    assert facts is not None
    assert (facts.name, facts.parent) == ("sleep", os.getpid())
    assert await child.stop(5) == -signal.SIGTERM
    assert not is_alive(child.pid)


async def test_stop_kills_who_does_not_listen(tmp_path: Path, eventually) -> None:
    with (tmp_path / "out").open("wb") as out:
        child = await start_child(["sh", "-c", IGNORE_TERM], name="deaf", stdout=out)
    await eventually(lambda: "ready" in (tmp_path / "out").read_text(), "the trap is set")
    assert await child.stop(0.05) == -signal.SIGKILL


async def test_several_wait_and_one_gives_up() -> None:
    child = await start_child(["sleep", "1000"], name="sleeper")
    waiters = [asyncio.create_task(child.wait()) for _ in range(3)]
    await asyncio.sleep(0)
    waiters[0].cancel()
    child.send_signal(signal.SIGTERM)
    assert await asyncio.gather(*waiters[1:]) == [-signal.SIGTERM] * 2
    assert waiters[0].cancelled()
    child.send_signal(signal.SIGTERM)  # to the dead: nothing happens
    child.kill()


async def test_a_child_has_a_session_of_its_own() -> None:
    child = await start_child(["sleep", "1000"], name="sleeper")
    assert os.getsid(child.pid) == child.pid != os.getsid(0)
    await child.stop(5)


@pytest.mark.parametrize(
    ("argv", "options", "step", "reason"),
    [
        (["no-such-program"], {}, "program", "no-such-program"),
        (["/etc/hostname"], {}, "program", "/etc/hostname"),
        (["true"], {"folder": Path("/no/such/folder")}, "folder", "/no/such/folder"),
        (["true"], {"identity": "emperor"}, "identity", "emperor"),
    ],
)
async def test_what_cannot_start_says_why(argv, options, step: str, reason: str) -> None:
    with pytest.raises(ChildNotStarted, match=reason) as caught:
        await start_child(argv, name="broken", **options)
    assert caught.value.step == step


async def test_pipes_are_refused() -> None:
    with pytest.raises(ValueError, match="pipes"):
        await start_child(["true"], name="piped", stdout=subprocess.PIPE)


def test_other_threads_are_refused() -> None:
    caught: list[BaseException] = []

    def start() -> None:
        try:
            asyncio.run(start_child(["true"], name="orphan"))
        except RuntimeError as error:
            caught.append(error)

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()
    assert "main thread" in str(caught[0])


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_a_child_outlives_its_loop_but_not_its_death_signal(run) -> None:
    child = run(start_child(["sleep", "1000"], name="sleeper"))
    assert child.status is None
    child.send_signal(signal.SIGTERM)
    assert run(child.wait()) == -signal.SIGTERM


@pytest.mark.parametrize("death_signal", ["SIGTERM", "SIGINT", "SIGQUIT", "SIGKILL"])
async def test_kill_9_of_the_parent_ends_the_whole_tree(
    death_signal: str, start_supervisor, eventually
) -> None:
    # Shells ignore these two in background jobs, and ignoring is inherited.
    ignoring = ("sh", "-c", 'trap \'\' INT QUIT; exec "$0" "$@"')
    parent = start_supervisor("child", death_signal, wrapper=ignoring)
    # The parent itself, its child's id twice (told by both), its grandchild's.
    pids = {int(parent.stdout.readline().split()[1]) for _ in range(4)}
    assert len(pids) == 3
    assert all(map(is_alive, pids))
    parent.send_signal(signal.SIGKILL)
    await eventually(lambda: not any(map(is_alive, pids)), "the tree ended")


def test_a_child_born_after_its_parents_death_does_not_begin() -> None:
    """The launcher compares the parent it has with the one it was promised."""
    report, launcher_end = os.pipe()
    done = subprocess.run(
        [
            *(sys.executable, "-I", "-S", LAUNCH_PROGRAM),
            *("1073741824", "15", "same", "-", str(launcher_end), "echo", "began"),
        ],
        pass_fds=(launcher_end,),
        capture_output=True,
    )
    os.close(launcher_end)
    assert os.read(report, 1000).startswith(b"parent ")
    os.close(report)
    assert done.stdout == b""
    assert done.returncode == 127
