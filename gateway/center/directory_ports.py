"""Ports of the directory's writers: how merchants, keys and channel accounts are registered.

Law: as `center/ports.py`: protocols only, no technology.
"""

from collections.abc import Awaitable, Sequence
from typing import Protocol

from gateway.domain.idempotency import Numbered
from gateway.domain.merchant import ChannelAccount, Key, Merchant
from gateway.domain.registration import Act


class Register(Protocol):
    """The directory as administration sees it: always as it is now, each write one transaction.

    An `add_` is answered with the object and whether it is new; a repeat with the same content is
    answered with the object as it is now.
    """

    async def add_merchant(
        self, merchant: Merchant, numbered: Numbered, act: Act
    ) -> tuple[Merchant, bool]: ...
    async def set_merchant_status(
        self, merchant_id: str, status: str, *, version: int | None, act: Act
    ) -> Merchant: ...
    async def add_key(self, key: Key, numbered: Numbered, act: Act) -> tuple[Key, bool]: ...
    async def has_key(self, merchant_id: str, ref: str) -> bool: ...
    async def revoke_key(self, key_id: str, act: Act) -> Key: ...
    async def add_account(
        self, account: ChannelAccount, numbered: Numbered, act: Act
    ) -> tuple[ChannelAccount, bool]: ...
    async def merchant(self, merchant_id: str) -> Merchant | None: ...
    async def merchant_of_ref(self, ref: str) -> Merchant | None: ...
    async def merchants(self, *, before: str | None, limit: int) -> Sequence[Merchant]: ...
    async def key(self, key_id: str) -> Key | None: ...
    async def keys_of(
        self, merchant_id: str, *, before: str | None, limit: int
    ) -> Sequence[Key]: ...
    async def account(self, account_id: str) -> ChannelAccount | None: ...
    async def accounts_of(self, merchant_id: str) -> Sequence[ChannelAccount]: ...


class Entropy(Protocol):
    """Randomness fit for secrets."""

    def __call__(self, count: int, /) -> bytes:
        """`count` random bytes."""
        ...


class NotifySecrets(Protocol):
    """Gives every merchant the secret that signs what goes to its `notify_url`s."""

    def notify_secret_of(self, merchant_id: str) -> Awaitable[object]:
        """The merchant's notify secret; made when there is none yet."""
        ...
