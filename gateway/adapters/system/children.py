"""Child processes that end with their parent, even when it is killed with SIGKILL.

Law: a child is started from the main thread, gets a session of its own (a Ctrl-C at the terminal
reaches the parent alone, which then stops its children in order) and a death signal that the
kernel sends when the parent ends. `start_child` returns when the program runs in its place with
the death signal armed; nothing here restarts, logs or decides.

The kernel ties the death signal to the *thread* that forked (prctl(2)), not to the process: a
child started from a helper thread would die as soon as that thread ended. Therefore
`start_child` refuses any thread but the main one. Programs run through `launch.py`, which also
closes the race with a parent that dies while its child is being born.

Waiting uses a pidfd and works on any event loop, one after another too; a child outlives the loop
it was started on. Needs Linux 5.3.
"""

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Literal

LAUNCH_PROGRAM = Path(__file__).with_name("launch.py")
REPORT_BYTES_MAX = 4096

Identity = Literal["same", "namespace", "setuid"]
Output = int | IO[bytes] | None


class ChildNotStarted(Exception):
    """The program could not be started; `step` of `launch.py` failed, the text says why."""

    def __init__(self, name: str, *, step: str, reason: str) -> None:
        self.step = step
        super().__init__(f"{name} could not start ({step}): {reason}")


class Child:
    """One running (or ended) child process. Only its starter makes it; see `start_child`."""

    def __init__(self, process: subprocess.Popen[bytes], *, name: str) -> None:
        self._process = process
        self.name = name

    def __repr__(self) -> str:
        return f"Child({self.name}, pid={self.pid}, status={self._process.returncode})"

    @property
    def pid(self) -> int:
        """Its process id; also the id of its session and process group."""
        return self._process.pid

    @property
    def status(self) -> int | None:
        """None while it runs, else its exit status (negative: the signal that ended it)."""
        return self._process.poll()

    async def wait(self) -> int:
        """Wait until it ended and return its status. Several may wait; cancelling is harmless."""
        while (status := self.status) is None:
            # The process stays a zombie until `status` reaps it, so its pid is still its own.
            descriptor = os.pidfd_open(self.pid)
            try:
                await _readable(descriptor)
            finally:
                os.close(descriptor)
        return status

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal to the child alone; does nothing when it has ended."""
        self._process.send_signal(number)

    def kill(self) -> None:
        """SIGKILL the child and whatever it left in its process group."""
        if self.status is None:
            os.killpg(self.pid, signal.SIGKILL)

    async def stop(self, grace_s: float) -> int:
        """SIGTERM, and after `grace_s` seconds SIGKILL. Returns the exit status."""
        self.send_signal(signal.SIGTERM)
        return await self.wait_at_most(grace_s)

    async def wait_at_most(self, grace_s: float) -> int:
        """Wait for its end, and after `grace_s` seconds SIGKILL. Returns the exit status."""
        try:
            async with asyncio.timeout(grace_s):
                return await self.wait()
        except TimeoutError:
            self.kill()
            return await self.wait()


async def start_child(
    argv: Sequence[str | os.PathLike[str]],
    *,
    name: str,
    env: Mapping[str, str] | None = None,
    stdout: Output = None,
    stderr: Output = None,
    death_signal: signal.Signals = signal.SIGTERM,
    identity: Identity = "same",
    folder: Path | None = None,
) -> Child:
    """Start `argv` as a child that ends with this process. Call it from the main thread.

    `env` replaces the environment (None: inherit). `stdout` and `stderr` are None (inherit),
    DEVNULL, an open file or a descriptor; never a pipe, because nobody here would drain it.
    `death_signal` is what the child gets when this process ends. `identity` and `folder` (entered
    under that identity) are explained in `launch.py`.

    Raises ChildNotStarted (program missing or not executable, folder out of reach, identity
    refused), RuntimeError outside the main thread, ValueError for a pipe.
    """
    if threading.current_thread() is not threading.main_thread():
        raise RuntimeError("a child dies with the thread that started it: use the main thread")
    if subprocess.PIPE in (stdout, stderr):
        raise ValueError("children write to files, not to pipes")
    steps = [str(os.getpid()), str(int(death_signal)), identity, str(folder or "-")]
    process, report = _spawn(
        steps, [os.fspath(part) for part in argv], env=env, stdout=stdout, stderr=stderr
    )
    child = Child(process, name=name)
    try:
        await _readable(report)
        complaint = os.read(report, REPORT_BYTES_MAX)
    except BaseException:
        child.kill()
        process.wait()
        raise
    finally:
        os.close(report)
    if complaint:
        await child.wait()
        step, _, reason = complaint.decode(errors="replace").partition(" ")
        raise ChildNotStarted(name, step=step, reason=reason)
    return child


def _spawn(
    steps: Sequence[str],
    argv: Sequence[str],
    *,
    env: Mapping[str, str] | None,
    stdout: Output,
    stderr: Output,
) -> tuple[subprocess.Popen[bytes], int]:
    """Fork the launcher; returns it and the descriptor that ends when the program runs."""
    report, launcher_end = os.pipe()
    try:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", LAUNCH_PROGRAM, *steps, str(launcher_end), *argv],
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            pass_fds=(launcher_end,),
            start_new_session=True,
        )
    except BaseException:
        os.close(report)
        raise
    finally:
        os.close(launcher_end)
    return process, report


async def _readable(descriptor: int) -> None:
    """Wait until `descriptor` can be read (for a pidfd: until its process ended)."""
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_reader(descriptor, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(descriptor)
