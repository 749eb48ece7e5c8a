"""The directory in memory: who takes part, never more than a second ago.

Law: what is looked up on every request is answered from memory. Twice a second the version of the
directory is asked for and everything that was written since is taken over. Whoever changes the
directory tells the new version (`Versions`) before he answers: what is held as of an older one is
not used until the change was taken over, so a revocation that was answered is effective in every
process that heard. A version that was not heard costs half a second, nothing else. While the
directory is away its readers go on with what they hold, say so (`away_for_s`), and after
`DIRECTORY_STALE_MAX_S` refuse with `shard_unavailable`.
An id that is not in memory is looked up, at most `LOOKUPS_PER_S_MAX` times a second for strangers'
ids; that it does not exist is believed until the next round.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from time import monotonic
from typing import Any, TypeVar

import asyncpg

from gateway.adapters.postgres.allowance import Allowance
from gateway.adapters.postgres.directory_change import GONE, NOT_LET_IN
from gateway.adapters.postgres.directory_intake import take_in
from gateway.adapters.postgres.directory_memory import DirectoryMemory
from gateway.adapters.postgres.directory_rows import account_of, key_of, merchant_of
from gateway.adapters.postgres.directory_versions import OwnVersions, Versions
from gateway.adapters.postgres.shards import Shards
from gateway.adapters.postgres.statements import load
from gateway.center.ports import Vault
from gateway.domain import ids
from gateway.domain.errors import SecretUnreadable, TillgateError
from gateway.domain.idempotency import Fingerprints
from gateway.domain.merchant import ChannelAccount, Key, Merchant

SQL = load(__file__)

FOLLOW_EVERY_S = 0.5
FOLLOW_WAIT_S = 2.0
LOOKUP_WAIT_S = 2.0
LOOKUPS_PER_S_MAX = 20
DIRECTORY_STALE_MAX_S = 900.0
CATCH_UP = "the directory"  # no id, so it stands for itself among the look-ups under way
HELD_AT_START_MAX = 10_000
CHANGES_PER_ROUND_MAX = 10_000
INSTANCE_PURPOSES = frozenset({"fingerprint", "cursor", "checkout"})

_Value = TypeVar("_Value")
log = logging.getLogger("tillgate.directory")


def _unavailable() -> TillgateError:
    return TillgateError("shard_unavailable", "The directory cannot be reached.")


class PostgresDirectory:
    """The Directory port over the first database. Made by `directory_opening`.

    `observe` hears what was not answered from memory: `behind` (a change is taken over first) and
    `primary` (an id is looked up). `news` takes a version to other instances.
    """

    def __init__(
        self,
        pool: asyncpg.Pool,
        *,
        shards: Shards,
        vault: Vault,
        versions: Versions | None = None,
        observe: Callable[[str], None] = lambda outcome: None,
    ) -> None:
        self.pool = pool
        self.house_id = ""
        self.mode = ""
        self.fingerprints: Fingerprints
        self._fingerprint_keys: Mapping[int, bytes] = {}
        self.cursor_keys: Mapping[int, bytes] = {}
        self.checkout_keys: Mapping[int, bytes] = {}
        self._shards = shards
        self._vault = vault
        self._versions = versions or OwnVersions()
        self._observe = observe
        self.news: Callable[[int], None] | None = None
        self._reached = 0  # the version of memory, or a higher one that was sought in vain
        self._memory = DirectoryMemory()
        self._confirmed_at = monotonic()
        self._strangers = Allowance(LOOKUPS_PER_S_MAX)
        self._callers = Allowance(LOOKUPS_PER_S_MAX)
        self._under_way: dict[str, asyncio.Task[Any]] = {}
        self._round = asyncio.Lock()
        self._follower: asyncio.Task[None] | None = None

    # --- from memory ---------------------------------------------------------------------------

    def key(self, key_id: str) -> Key | None:
        """The key, if it is in memory and nothing newer was told.

        Raises `shard_unavailable` when memory is too old.
        """
        if self._versions.directory_version > self._reached:
            return None
        return self._held_key(key_id)

    def _held_key(self, key_id: str) -> Key | None:
        if monotonic() - self._confirmed_at > DIRECTORY_STALE_MAX_S:
            raise _unavailable()
        return self._memory.keys.get(key_id)

    def merchant(self, merchant_id: str) -> Merchant | None:
        """The merchant, if it is in memory; its key was asked for before, and is as new.

        Raises `shard_unavailable` when memory is too old.
        """
        if monotonic() - self._confirmed_at > DIRECTORY_STALE_MAX_S:
            raise _unavailable()
        return self._memory.merchants.get(merchant_id)

    def account(self, account_id: str) -> ChannelAccount | None:
        """A channel account, if it and its merchant are in memory and nothing newer was told.

        Raises `shard_unavailable` when memory is too old.
        """
        if self._versions.directory_version > self._reached:
            return None
        account = self._memory.accounts.get(account_id)
        return None if account is None or self.merchant(account.merchant_id) is None else account

    def data_key(self, merchant_id: str) -> bytes:
        """The sealed data key of a merchant that was looked up before.

        Raises `shard_unavailable` if the merchant is not in memory.
        """
        data_key = self._memory.data_keys.get(merchant_id)
        if data_key is None:
            raise _unavailable()
        return data_key

    @property
    def version(self) -> int:
        """Up to which version of the directory every change is in memory."""
        return self._memory.version

    @property
    def away_for_s(self) -> float:
        """Seconds since the directory could last be asked, 0 while all is well."""
        silent_s = monotonic() - self._confirmed_at
        return silent_s if silent_s > FOLLOW_EVERY_S + FOLLOW_WAIT_S else 0.0

    # --- asking if need be ---------------------------------------------------------------------

    async def find_key(self, key_id: str) -> Key | None:
        """The key, or None: unknown, or one stranger's id too many in this second."""
        return await self._find(key_id, self._held_key, self._ask_key, self._strangers)

    async def find_merchant(self, merchant_id: str) -> Merchant | None:
        """The merchant, or None."""
        return await self._find(merchant_id, self.merchant, self._ask_merchant, self._strangers)

    async def find_account(self, account_id: str) -> ChannelAccount | None:
        """A channel account, or None. Its merchant is in memory afterwards.

        Raises `overloaded` for one look-up too many in this second: a genuine channel must hear
        "later" then, and never that there is no such account.
        """
        held = self._memory.accounts.get
        account = await self._find(
            account_id, held, self._ask_account, self._callers, is_refused=True
        )
        if account is not None and self.merchant(account.merchant_id) is None:
            await self._join(account.merchant_id, self._ask_merchant)
        return account

    async def find_accounts_of(self, merchant_id: str) -> Sequence[ChannelAccount]:
        """All channel accounts of a merchant that exists, oldest first."""
        await self._catch_up()
        if self.merchant(merchant_id) is None:
            await self._join(merchant_id, self._ask_merchant)
        accounts = self._memory.accounts_of.get(merchant_id)
        if accounts is None:
            accounts = await self._join(f"of {merchant_id}", self._ask_accounts_of)
        return accounts

    async def _find(
        self,
        text: str,
        held: Callable[[str], _Value | None],
        ask: Callable[[str], Awaitable[_Value | None]],
        allowance: Allowance,
        *,
        is_refused: bool = False,
    ) -> _Value | None:
        await self._catch_up()
        found = held(text)
        if found is not None or text in self._memory.absent:
            return found
        if text not in self._under_way and not allowance.take():
            if is_refused:
                raise TillgateError("overloaded", "Too many accounts are looked up; try again.")
            return None
        return await self._join(text, ask)

    async def _catch_up(self) -> None:
        """Take over what was told; what cannot be had now is left to the next round."""
        while self._versions.directory_version > self._reached:
            self._observe("behind")
            await self._join(CATCH_UP, self._take_over_told)

    async def _take_over_told(self, _: str) -> None:
        told = self._versions.directory_version
        try:
            async with asyncio.timeout(LOOKUP_WAIT_S):
                await self.refresh()
        except (TillgateError, TimeoutError):
            log.warning("a change of the directory was told, but cannot be read")
        self._reached = max(self._reached, told)

    async def _join(self, text: str, ask: Callable[[str], Awaitable[Any]]) -> Any:
        """Ask, or wait for the one who asks the same already."""
        task = self._under_way.get(text)
        if task is None:
            task = asyncio.ensure_future(ask(text.removeprefix("of ")))
            self._under_way[text] = task
            task.add_done_callback(lambda done: self._under_way.pop(text, None))
        return await asyncio.shield(task)

    async def _ask_key(self, key_id: str) -> Key | None:
        self._observe("primary")
        record = (await self._fresh("find_key", key_id))[0]
        if record["key_id"] is None:
            self._memory.keep_absent(key_id)
            return None
        try:
            key = key_of(self._vault, record)
        except SecretUnreadable:
            log.error("key %s cannot be opened", key_id)
            self._memory.keep_absent(key_id)
            return None
        self._memory.keep_keys([key])
        return key

    async def _ask_merchant(self, merchant_id: str) -> Merchant | None:
        self._observe("primary")
        record = (await self._fresh("find_merchant", merchant_id))[0]
        if record["merchant_id"] is None:
            self._memory.keep_absent(merchant_id)
            return None
        row = merchant_of(record)
        self._memory.keep_merchants([row])
        return row.merchant

    async def _ask_account(self, account_id: str) -> ChannelAccount | None:
        self._observe("primary")
        record = (await self._fresh("find_account", account_id))[0]
        if record["channel_account_id"] is None:
            self._memory.keep_absent(account_id)
            return None
        account = account_of(self._vault, record)
        self._memory.keep_accounts([account])
        return account

    async def _ask_accounts_of(self, merchant_id: str) -> tuple[ChannelAccount, ...]:
        self._observe("primary")
        records = await self._fresh("find_accounts_of", merchant_id)
        accounts = tuple(
            account_of(self._vault, record)
            for record in records
            if record["channel_account_id"] is not None
        )
        if records:
            self._memory.keep_accounts_of(merchant_id, accounts)
        return accounts

    async def _fresh(self, name: str, text: str) -> list[Any]:
        """Records as of a version that memory has not left behind."""
        while True:
            records = await self.fetch(name, ids.to_hex(text))
            if not records or self._memory.is_fresh(records[0]["as_of"]):
                return records

    async def fetch(self, name: str, *arguments: object) -> list[Any]:
        """The records of a statement of the directory. Raises `shard_unavailable`."""
        try:
            connection = await self.pool.acquire(timeout=LOOKUP_WAIT_S)
        except NOT_LET_IN as error:
            raise _unavailable() from error
        try:
            return await connection.fetch(SQL[name].text, *arguments, timeout=LOOKUP_WAIT_S)
        except (*GONE, asyncpg.QueryCanceledError) as error:
            raise _unavailable() from error
        finally:
            await self.pool.release(connection, timeout=LOOKUP_WAIT_S)

    # --- following -----------------------------------------------------------------------------

    async def load(self) -> None:
        """Read what every instance needs, and the newest merchants, keys and accounts."""
        house = await self.fetch("house")
        self.house_id = ids.from_uuid("mch", house[0]["merchant_id"])
        await self.refresh(limit=HELD_AT_START_MAX)

    def tell(self, version: int) -> None:
        """A change was written under this version, and nobody was answered yet."""
        self._versions.tell_directory(version)
        if self.news is not None:
            self.news(version)

    async def refresh(self, *, limit: int = CHANGES_PER_ROUND_MAX) -> None:
        """Take over every change since the last time. Raises `shard_unavailable`."""
        async with self._round:
            asked_at = monotonic()
            state = (await self.fetch("state"))[0]
            if state["version"] > self._memory.version:
                self.mode = state["mode"]
                await self._take_over(state["version"], limit)
            self._reached = max(self._reached, state["version"])
            self._memory.absent.clear()
            self._confirmed_at = asked_at

    async def _take_over(self, version: int, limit: int) -> None:
        memory, after = self._memory, self._memory.version
        merchants = await self.fetch("changed_merchants", after, limit)
        keys = await self.fetch("changed_keys", after, limit)
        accounts = await self.fetch("changed_accounts", after, limit)
        self._take_installation_keys(await self.fetch("installation_keys"))
        ranges = await self.fetch("shard_map")
        self._shards.place([(r["bucket_from"], r["bucket_to"], r["shard"]) for r in ranges])
        if max(len(merchants), len(keys), len(accounts)) >= limit:
            # Not all that changed was read: begin again with what was.
            self._memory = memory = DirectoryMemory()
        memory.version = version
        take_in(memory, self._vault, merchants=merchants, keys=keys, accounts=accounts)

    def _take_installation_keys(self, records: Iterable[Any]) -> None:
        opened: dict[str, dict[int, bytes]] = {}
        for record in records:
            purpose, number = record["purpose"], record["number"]
            if purpose in INSTANCE_PURPOSES:
                key = self._vault.open_root(purpose, number, record["sealed"])
                opened.setdefault(purpose, {})[number] = key
        if opened["fingerprint"] != self._fingerprint_keys:
            self._fingerprint_keys = opened["fingerprint"]
            self.fingerprints = Fingerprints(self._fingerprint_keys)
        self.cursor_keys = opened["cursor"]
        self.checkout_keys = opened["checkout"]

    def start(self) -> None:
        """Begin to follow, in a task that lives until `close`."""
        self._follower = asyncio.get_running_loop().create_task(self._follow())

    async def _follow(self) -> None:
        is_away = False
        while True:
            # Counted from the last question, so that the answer to it is never a second old.
            asked_s_ago = monotonic() - self._confirmed_at
            is_due_in_s = FOLLOW_EVERY_S - (0.0 if is_away else asked_s_ago)
            await asyncio.sleep(max(FOLLOW_EVERY_S / 10, is_due_in_s))
            try:
                async with asyncio.timeout(FOLLOW_WAIT_S):
                    await self.refresh()
            except (TillgateError, TimeoutError):
                if not is_away:
                    log.warning("the directory is away; going on with what is in memory")
                is_away = True
                self._memory.absent.clear()
            except Exception:
                log.exception("the directory could not be followed")
            else:
                if is_away:
                    log.warning("the directory is back")
                is_away = False

    async def close(self) -> None:
        """Stop following and end the connections."""
        self.stop_following()
        for task in [*self._under_way.values(), self._follower]:
            if task is not None:
                await asyncio.gather(task, return_exceptions=True)
        await self.pool.close()

    def stop_following(self) -> None:
        """From now on changes are taken over by `refresh` only."""
        if self._follower is not None:
            self._follower.cancel()
