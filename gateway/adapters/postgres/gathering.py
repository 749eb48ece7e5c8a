"""Gathering: fewer and fuller commits while many shards of a process commit at once.

Law: a batch waits only while others have commits under way, at least `GATHER_SIBLINGS` other shards
of this process, and only a few short steps: until enough has gathered, until fewer of them commit,
or until the steps are over. So a lone request never waits, and neither does anybody in a process of
one shard. What a shard does never depends on another one coming to an end.

A commit costs the same whatever it carries, and each shard has its own: eight of them that commit
whatever has arrived carry an eighth each. Steps are timers of the loop, which is what bounds them
rightly: 3 ms in a process that has time; in one that has none as many turns of its loop, in which
requests are taken in and which would pass anyway. (Postgres knows the same as `commit_delay` and
`commit_siblings`, but can only gather flushes, which are the smaller part.)
"""

from asyncio import sleep
from collections.abc import Sized

GATHER_SIBLINGS = 2
GATHER_CHANGES = 64
GATHER_STEPS = 3
GATHER_STEP_S = 0.001


class Crowd:
    """The shards of one process that have a commit under way, each by whatever stands for it."""

    def __init__(self) -> None:
        self._commits: dict[object, int] = {}

    def enter(self, shard: object) -> None:
        """A commit of this shard begins."""
        self._commits[shard] = self._commits.get(shard, 0) + 1

    def leave(self, shard: object) -> None:
        """A commit of this shard has come to its end."""
        left = self._commits[shard] - 1
        if left:
            self._commits[shard] = left
        else:
            del self._commits[shard]

    def siblings(self, shard: object) -> int:
        """How many other shards have a commit under way."""
        return len(self._commits) - (shard in self._commits)

    async def gather(self, shard: object, queue: Sized) -> None:
        """Let `queue` fill before the shard commits it, if there is reason to."""
        for _ in range(GATHER_STEPS):
            if self.siblings(shard) < GATHER_SIBLINGS or len(queue) >= GATHER_CHANGES:
                return
            await sleep(GATHER_STEP_S)
