"""What an instance holds of the directory: merchants, keys, channel accounts, by id.

Law: no I/O, no waiting. Everything is as of a version of the directory; what was read as of an
older one than is held already is not taken (the reader asks again), because a change in between,
such as a revocation, would be lost. What does not exist is remembered until the next round only.
All maps are bounded; the oldest entry goes first and is looked up again when needed.
"""

from collections.abc import Iterable, Sequence
from typing import TypeVar

from gateway.adapters.postgres.directory_rows import MerchantRow
from gateway.domain.merchant import ChannelAccount, Key, Merchant

KEYS_HELD_MAX = 100_000
MERCHANTS_HELD_MAX = 50_000
ACCOUNTS_HELD_MAX = 50_000
ABSENT_HELD_MAX = 10_000

_Value = TypeVar("_Value")


class DirectoryMemory:
    """The maps. `version` is that of the directory up to which every change is in them."""

    def __init__(self) -> None:
        self.version = 0
        self.keys: dict[str, Key] = {}
        self.merchants: dict[str, Merchant] = {}
        self.data_keys: dict[str, bytes] = {}
        self.accounts: dict[str, ChannelAccount] = {}
        self.accounts_of: dict[str, tuple[ChannelAccount, ...]] = {}
        self.absent: set[str] = set()

    def is_fresh(self, as_of: int) -> bool:
        """Whether what was read as of this version may be taken."""
        return as_of >= self.version

    def keep_merchants(self, rows: Iterable[MerchantRow]) -> None:
        """Take merchants over, with their data keys."""
        for merchant, data_key in rows:
            _put(self.merchants, merchant.id, merchant, MERCHANTS_HELD_MAX)
            _put(self.data_keys, merchant.id, data_key, MERCHANTS_HELD_MAX)
            self.absent.discard(merchant.id)

    def keep_keys(self, keys: Iterable[Key]) -> None:
        """Take keys over."""
        for key in keys:
            _put(self.keys, key.id, key, KEYS_HELD_MAX)
            self.absent.discard(key.id)

    def keep_accounts(self, accounts: Iterable[ChannelAccount]) -> None:
        """Take changed channel accounts over; their merchants' lists are read again."""
        for account in accounts:
            _put(self.accounts, account.id, account, ACCOUNTS_HELD_MAX)
            self.accounts_of.pop(account.merchant_id, None)
            self.absent.discard(account.id)

    def keep_accounts_of(self, merchant_id: str, accounts: Sequence[ChannelAccount]) -> None:
        """Take over all channel accounts of a merchant."""
        for account in accounts:
            _put(self.accounts, account.id, account, ACCOUNTS_HELD_MAX)
        _put(self.accounts_of, merchant_id, tuple(accounts), MERCHANTS_HELD_MAX)

    def forget_key(self, key_id: str) -> None:
        """Drop a key that can no longer be read; it is not used, and looked up again."""
        self.keys.pop(key_id, None)

    def forget_account(self, account_id: str, merchant_id: str) -> None:
        """Drop a channel account that can no longer be read."""
        self.accounts.pop(account_id, None)
        self.accounts_of.pop(merchant_id, None)

    def keep_absent(self, text: str) -> None:
        """Remember until the next round that there is no such id."""
        if len(self.absent) < ABSENT_HELD_MAX:
            self.absent.add(text)


def _put(held: dict[str, _Value], key: str, value: _Value, held_max: int) -> None:
    if key not in held and len(held) >= held_max:
        del held[next(iter(held))]
    held[key] = value
