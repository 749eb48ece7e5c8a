"""Onboard: merchants, their keys and their registrations at channels, as administration wants them.

Law: what is wrong is refused before anything is written; a repeat is answered with what its first
time made; a secret that is made here is in the answer to the first time and nowhere else. A
merchant that was made can be paid: it has a head, a row in the directory and a notify secret, and
a repeat completes what an interruption left out.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from msgspec import Struct

from gateway.center.directory_ports import Entropy, NotifySecrets, Register
from gateway.center.ports import Clock, NewIds
from gateway.channels.codec import AccountView
from gateway.channels.registry import Registry
from gateway.domain import ids
from gateway.domain.access import check_scopes
from gateway.domain.errors import TillgateError, not_found
from gateway.domain.idempotency import Numbered
from gateway.domain.merchant import ALGORITHMS, ChannelAccount, Key, Merchant
from gateway.domain.registration import (
    MERCHANT_STATUSES,
    NAME_CHARS_MAX,
    PRIORITY_MAX,
    WEIGHT_MAX,
    Act,
    check_credentials,
    check_methods,
    read_networks,
    read_public_key,
)
from gateway.domain.text import check_text

SECRET_BYTES = 32
TIMEZONE_DEFAULT = "Asia/Shanghai"

ViewOf = Callable[[ChannelAccount], AccountView]


class MerchantWanted(Struct, frozen=True, kw_only=True):
    """A merchant to be made. `sandbox` marks the one that a sandbox makes for itself."""

    name: str
    timezone: str = TIMEZONE_DEFAULT
    sandbox: bool = False


class KeyWanted(Struct, frozen=True, kw_only=True):
    """A key to be made: `public_key` is PEM, None for `hmac-sha256`, whose secret is made here."""

    algorithm: str
    public_key: str | None = None
    scopes: Sequence[str]
    ip_allow: Sequence[str] = ()
    expires_at: datetime | None = None


class AccountWanted(Struct, frozen=True, kw_only=True):
    """A registration at a channel; `credentials` by the channel's names for them."""

    channel: str
    methods: Sequence[str]
    credentials: Mapping[str, str]
    weight: int = 1
    priority: int = 0

    def __repr__(self) -> str:
        return f"AccountWanted({self.channel}, credentials=…)"


class Onboard:
    """The operations behind administration. `view_of` is how a codec will see an account."""

    def __init__(
        self,
        *,
        register: Register,
        registry: Registry,
        notify_secrets: NotifySecrets,
        view_of: ViewOf,
        clock: Clock,
        ids: NewIds,
        entropy: Entropy,
    ) -> None:
        self._register = register
        self._registry = registry
        self._notify_secrets = notify_secrets
        self._view_of = view_of
        self._clock = clock
        self._ids = ids
        self._entropy = entropy

    # --- merchants -----------------------------------------------------------------------------

    async def create_merchant(
        self, wanted: MerchantWanted, numbered: Numbered, *, actor: str, request_id: str | None
    ) -> tuple[Merchant, bool]:
        """A new merchant, in a bucket drawn among all; and whether it is new.

        Raises `invalid_field`, `card_number_refused`, `merchant_ref_conflict`.
        """
        check_text(wanted.name, param="/name", chars_max=NAME_CHARS_MAX)
        _check_timezone(wanted.timezone)
        act = self._act(actor, request_id)
        bucket = int.from_bytes(self._entropy(2)) % ids.BUCKETS
        merchant = Merchant(
            id=self._ids.in_bucket("mch", bucket),
            ref=numbered.number,
            name=wanted.name,
            sandbox=wanted.sandbox,
            timezone=wanted.timezone,
            created_at=act.at,
        )
        made, is_new = await self._register.add_merchant(merchant, numbered, act)
        await self._notify_secrets.notify_secret_of(made.id)
        return made, is_new

    async def set_merchant_status(
        self,
        merchant_id: str,
        status: str,
        *,
        version: int | None,
        actor: str,
        request_id: str | None,
    ) -> Merchant:
        """Suspend a merchant, or make it active again; its keys sign nothing while suspended.

        Raises `not_found`, `invalid_field`, `stale_version`, `invalid_state` (the house).
        """
        if status not in MERCHANT_STATUSES:
            raise TillgateError("invalid_field", "Not a status of a merchant.", param="/status")
        act = self._act(actor, request_id)
        return await self._register.set_merchant_status(
            merchant_id, status, version=version, act=act
        )

    async def merchant(self, merchant_id: str) -> Merchant:
        """A merchant. Raises `not_found`."""
        found = await self._register.merchant(merchant_id)
        if found is None:
            raise not_found()
        return found

    async def merchant_of_ref(self, ref: str) -> Merchant:
        """The merchant that was made under a number. Raises `not_found`."""
        found = await self._register.merchant_of_ref(ref)
        if found is None:
            raise not_found()
        return found

    async def merchants(self, *, before: str | None, limit: int) -> Sequence[Merchant]:
        """A page of merchants, newest first."""
        return await self._register.merchants(before=before, limit=limit)

    # --- keys ----------------------------------------------------------------------------------

    async def create_key(
        self,
        merchant_id: str,
        wanted: KeyWanted,
        numbered: Numbered,
        *,
        actor: str,
        request_id: str | None,
    ) -> tuple[Key, bool]:
        """A new key of a merchant, with its secret; and whether it is new.

        Raises `not_found`, `missing_field`, `invalid_field`, `key_ref_conflict`,
        `too_many_keys`, `key_exists`.
        """
        merchant = await self.merchant(merchant_id)
        act = self._act(actor, request_id)
        is_over = wanted.expires_at is not None and wanted.expires_at <= self._clock.wall()
        if is_over and not await self._register.has_key(merchant_id, numbered.number):
            raise TillgateError("invalid_field", "That moment is over.", param="/expires_at")
        key = Key(
            id=self._ids.make("key", merchant_id),
            merchant_id=merchant_id,
            ref=numbered.number,
            algorithm=wanted.algorithm,
            secret=self._material(wanted),
            scopes=check_scopes(frozenset(wanted.scopes), house=merchant.house),
            ip_allow=read_networks(wanted.ip_allow),
            expires_at=wanted.expires_at,
            created_at=act.at,
        )
        return await self._register.add_key(key, numbered, act)

    def _material(self, wanted: KeyWanted) -> bytes:
        if wanted.algorithm not in ALGORITHMS:
            raise TillgateError("invalid_field", "There is no such algorithm.", param="/algorithm")
        if wanted.algorithm == "hmac-sha256":
            if wanted.public_key is not None:
                raise TillgateError(
                    "invalid_field", "This algorithm has no public key.", param="/public_key"
                )
            return self._entropy(SECRET_BYTES)
        if wanted.public_key is None:
            raise TillgateError(
                "missing_field", "This algorithm needs a public key.", param="/public_key"
            )
        return read_public_key(wanted.public_key, wanted.algorithm)

    async def revoke_key(self, key_id: str, *, actor: str, request_id: str | None) -> Key:
        """Take a key's power, for good. Raises `not_found`."""
        return await self._register.revoke_key(key_id, self._act(actor, request_id))

    async def key(self, key_id: str) -> Key:
        """A key. Raises `not_found`."""
        found = await self._register.key(key_id)
        if found is None:
            raise not_found()
        return found

    async def keys_of(self, merchant_id: str, *, before: str | None, limit: int) -> Sequence[Key]:
        """A page of the keys of a merchant, newest first. Raises `not_found`."""
        await self.merchant(merchant_id)
        return await self._register.keys_of(merchant_id, before=before, limit=limit)

    # --- channel accounts ----------------------------------------------------------------------

    async def create_account(
        self,
        merchant_id: str,
        wanted: AccountWanted,
        numbered: Numbered,
        *,
        actor: str,
        request_id: str | None,
    ) -> tuple[ChannelAccount, bool]:
        """A new registration of a merchant at a channel; and whether it is new.

        Raises `not_found`, `invalid_field`, `unknown_field`, `missing_field`,
        `unsupported_method`, `account_ref_conflict`, `limit_exceeded`.
        """
        await self.merchant(merchant_id)
        codec = self._registry.codec(wanted.channel)
        if codec is None:
            raise TillgateError("invalid_field", "There is no such channel.", param="/channel")
        check_credentials(
            wanted.credentials,
            required=codec.credential_names,
            optional=getattr(codec, "option_names", frozenset()),
        )
        for name, value, most in (
            ("weight", wanted.weight, WEIGHT_MAX),
            ("priority", wanted.priority, PRIORITY_MAX),
        ):
            if not 0 <= value <= most:
                raise TillgateError("invalid_field", f"0 to {most}.", param=f"/{name}")
        act = self._act(actor, request_id)
        account = ChannelAccount(
            id=self._ids.make("cac", merchant_id),
            merchant_id=merchant_id,
            ref=numbered.number,
            channel=wanted.channel,
            methods=check_methods(wanted.methods, codec.methods),
            credentials=dict(wanted.credentials),
            weight=wanted.weight,
            priority=wanted.priority,
            created_at=act.at,
        )
        # A channel refuses here what could never work, such as a key that is none.
        codec.check_account(self._view_of(account))
        return await self._register.add_account(account, numbered, act)

    async def account(self, account_id: str) -> ChannelAccount:
        """A channel account. Raises `not_found`."""
        found = await self._register.account(account_id)
        if found is None:
            raise not_found()
        return found

    async def accounts_of(self, merchant_id: str) -> Sequence[ChannelAccount]:
        """All channel accounts of a merchant, newest first. Raises `not_found`."""
        await self.merchant(merchant_id)
        return await self._register.accounts_of(merchant_id)

    def _act(self, actor: str, request_id: str | None) -> Act:
        return Act(actor, self._clock.business(), request_id)


def _check_timezone(name: str) -> None:
    """Refuse what is no IANA time zone that this machine knows."""
    try:
        ZoneInfo(name)
    except (OSError, ValueError, KeyError):
        raise TillgateError(
            "invalid_field", "The time zone must be an IANA name.", param="/timezone"
        ) from None
