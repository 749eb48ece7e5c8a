"""Administration from the command line: the same operations as `/admin/v1`, at the databases.

Law: whoever can reach the databases and the key-encryption key owns the installation, so no key
signs here; every act is in the house's journal with its actor all the same. Nothing is decided
here: `center/onboard` does.
"""

import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from gateway.app import Core, open_core
from gateway.center.onboard import TIMEZONE_DEFAULT, AccountWanted, KeyWanted, MerchantWanted
from gateway.config import Settings
from gateway.domain.idempotency import Numbered
from gateway.domain.merchant import ChannelAccount, Key, Merchant
from gateway.domain.registration import UNNAMED
from gateway.telemetry.metrics import Metrics

UNNAMED_BYTES = 16


class Administration:
    """The installation in an operator's hands, in the name of `actor`.

    A `ref` is the operator's own number: what was made under it before is answered as it is now.
    Without one everything that is asked for is made.
    """

    def __init__(self, core: Core, *, actor: str) -> None:
        self.core = core
        self._actor = actor

    async def create_merchant(
        self,
        name: str,
        *,
        ref: str | None = None,
        timezone: str = TIMEZONE_DEFAULT,
        sandbox: bool = False,
    ) -> Merchant:
        """A new merchant. Raises what `Onboard.create_merchant` does."""
        wanted = MerchantWanted(name=name, timezone=timezone, sandbox=sandbox)
        content = {"name": name, "timezone": timezone, "sandbox": sandbox}
        made, _ = await self.core.onboard.create_merchant(
            wanted, self._numbered("merchant", content, ref), actor=self._actor, request_id=None
        )
        return made

    async def activate(self, merchant: Merchant) -> Merchant:
        """The merchant, not suspended."""
        return await self.core.onboard.set_merchant_status(
            merchant.id, "active", version=None, actor=self._actor, request_id=None
        )

    async def create_key(
        self,
        merchant_id: str,
        *,
        algorithm: str,
        scopes: Sequence[str],
        public_key: str | None = None,
        ip_allow: Sequence[str] = (),
        ref: str | None = None,
    ) -> tuple[Key, bool]:
        """A new key with its secret, and whether it is new. Raises like `Onboard.create_key`."""
        wanted = KeyWanted(
            algorithm=algorithm, public_key=public_key, scopes=scopes, ip_allow=ip_allow
        )
        content = {
            "merchant_id": merchant_id,
            "algorithm": algorithm,
            "public_key": public_key,
            "scopes": sorted(scopes),
            "ip_allow": list(ip_allow),
        }
        numbered = self._numbered("key", content, ref)
        return await self.core.onboard.create_key(
            merchant_id, wanted, numbered, actor=self._actor, request_id=None
        )

    async def revoke_key(self, key_id: str) -> Key:
        """Take a key's power, for good. Raises `not_found`."""
        return await self.core.onboard.revoke_key(key_id, actor=self._actor, request_id=None)

    async def create_account(
        self, merchant_id: str, wanted: AccountWanted, *, ref: str
    ) -> ChannelAccount:
        """A registration at a channel. Raises what `Onboard.create_account` does."""
        content = {"merchant_id": merchant_id, "channel": wanted.channel}
        numbered = self._numbered("channel_account", content, ref)
        made, _ = await self.core.onboard.create_account(
            merchant_id, wanted, numbered, actor=self._actor, request_id=None
        )
        return made

    def _numbered(self, kind: str, content: Mapping[str, object], ref: str | None) -> Numbered:
        number = ref or UNNAMED + secrets.token_hex(UNNAMED_BYTES)
        return self.core.directory.fingerprints.numbered(f"cli.{kind}.create", "", content, number)


@asynccontextmanager
async def open_administration(settings: Settings, *, actor: str) -> AsyncIterator[Administration]:
    """Open the databases of `settings`; everything is ended on the way out.

    Raises `RootKeysUnusable`, `SecretUnreadable`, `shard_unavailable`, and what asyncpg raises.
    """
    async with open_core(settings, Metrics(None, role="cli")) as core:
        yield Administration(core, actor=actor)
