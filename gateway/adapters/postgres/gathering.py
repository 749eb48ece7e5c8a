"""Gathering: fewer and fuller commits while many shards of a process commit at once.

Law: a batch waits only while others have commits under way, at least `GATHER_SIBLINGS` other shards
of this process, and only for a bounded time: until enough has gathered, until fewer of them commit,
or until it has waited for as long as `GATHER_COMMITS` commits of its shard take, by the last one.
So a lone request never waits, and neither does anybody in a process of one shard; the wait is short
where commits are quick, and long only where each is slow because there are so many. What a shard
does never depends on another one coming to an end.

A commit costs the same whatever it carries, and each shard has its own: eight of them that commit
whatever has arrived carry an eighth each. The wait goes by steps, timers of the loop: in a process
that has no time each is a turn of its loop, in which requests are taken in and which would pass
anyway. (Postgres knows the same as `commit_delay` and `commit_siblings`, but can only gather
flushes, which are the smaller part.)
"""

from asyncio import sleep
from collections.abc import Callable, Sized
from time import monotonic

GATHER_SIBLINGS = 2
GATHER_CHANGES = 64
GATHER_COMMITS = 2
GATHER_S_MAX = 0.02
GATHER_STEP_S = 0.001


class Crowd:
    """The shards of one process, each by whatever stands for it: which of them have a commit under
    way, and how long their last one took. `clock` counts seconds.
    """

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._commits: dict[object, int] = {}
        self._began_at: dict[object, float] = {}
        self._took_s: dict[object, float] = {}

    def enter(self, shard: object) -> None:
        """A commit of this shard begins."""
        if shard not in self._commits:
            self._began_at[shard] = self._clock()
        self._commits[shard] = self._commits.get(shard, 0) + 1

    def leave(self, shard: object) -> None:
        """A commit of this shard has come to its end."""
        left = self._commits[shard] - 1
        if left:
            self._commits[shard] = left
        else:
            del self._commits[shard]
            self._took_s[shard] = self._clock() - self._began_at[shard]

    def siblings(self, shard: object) -> int:
        """How many other shards have a commit under way."""
        return len(self._commits) - (shard in self._commits)

    def patience_s(self, shard: object) -> float:
        """For how many seconds the shard's next batch may wait to fill."""
        return min(GATHER_S_MAX, GATHER_COMMITS * self._took_s.get(shard, 0.0))

    async def gather(self, shard: object, queue: Sized) -> None:
        """Let `queue` fill before the shard commits it, if there is reason to."""
        latest = self._clock() + self.patience_s(shard)
        while self._clock() < latest:
            if self.siblings(shard) < GATHER_SIBLINGS or len(queue) >= GATHER_CHANGES:
                return
            await sleep(GATHER_STEP_S)
