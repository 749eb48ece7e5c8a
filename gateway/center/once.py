"""Once: waiting for work that was started, without ever cancelling it.

Law: a money operation runs in its own task; a client that hangs up, or a wait that ends, does not
cancel it. The task's end is remembered by key, so that a repeat in this process can wait too.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from gateway.center.ports import Watch
from gateway.domain.errors import TillgateError

WAIT_S = 5.0
POLL_S = 0.1

T = TypeVar("T")


class Ongoing:
    """The channel calls under way in this process, by the object they are about."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._tasks: dict[str, asyncio.Task[Any]] = {}

    def start(self, key: str, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Run `work` for `key` in a task of its own."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks[key] = task
        task.add_done_callback(lambda done: self._ended(key, done))
        return task

    def _ended(self, key: str, task: asyncio.Task[Any]) -> None:
        if self._tasks.get(key) is task:
            del self._tasks[key]
        error = None if task.cancelled() else task.exception()
        if error is not None and not isinstance(error, TillgateError):
            self._watch.broken(f"work on {key}", error)

    async def wait(self, key: str, seconds: float = WAIT_S) -> bool:
        """Wait for the work on `key`, if any, at most `seconds`. True if it is not under way."""
        task = self._tasks.get(key)
        if task is None:
            return True
        done, _ = await asyncio.wait({task}, timeout=seconds)
        return bool(done)

    def has(self, key: str) -> bool:
        """Whether work on `key` is under way here."""
        return key in self._tasks

    async def drain(self, seconds: float) -> None:
        """Wait for all work under way, at most `seconds`; what remains is for the resolver."""
        if self._tasks:
            await asyncio.wait(set(self._tasks.values()), timeout=seconds)
