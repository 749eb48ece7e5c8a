"""Who takes part: merchants, their keys, their registrations at channels.

Law: values only. Secrets are held unsealed in memory by whoever needs them and are never part of
a representation.
"""

from collections.abc import Mapping
from datetime import datetime
from ipaddress import IPv4Network, IPv6Network

from msgspec import Struct

ALGORITHMS = ("hmac-sha256", "ed25519", "rsa2048")
KEYS_ACTIVE_MAX = 2
HOUSE_NAME = "House"


class Merchant(Struct, frozen=True, kw_only=True):
    """A merchant. Its bucket is the one its id carries.

    `sandbox` marks the one merchant that a sandbox makes for itself.
    """

    id: str
    ref: str = ""
    name: str
    status: str = "active"  # active | suspended
    house: bool = False
    sandbox: bool = False
    timezone: str = "Asia/Shanghai"
    created_at: datetime
    version: int = 1


class Key(Struct, frozen=True, kw_only=True):
    """A key with which a merchant's client signs.

    `secret` is the 32-byte HMAC secret, the raw Ed25519 public key, or the DER of the RSA key.
    """

    id: str
    merchant_id: str
    ref: str = ""
    algorithm: str
    secret: bytes
    scopes: frozenset[str]
    ip_allow: tuple[IPv4Network | IPv6Network, ...] = ()
    status: str = "active"  # active | revoked
    expires_at: datetime | None = None
    created_at: datetime
    version: int = 1

    def __repr__(self) -> str:
        return f"Key({self.id}, {self.algorithm}, {self.status})"


class ChannelAccount(Struct, frozen=True, kw_only=True):
    """A merchant's registration at a channel; `credentials` holds private keys."""

    id: str
    merchant_id: str
    ref: str = ""
    channel: str
    methods: tuple[str, ...]
    credentials: Mapping[str, str]
    weight: int = 1
    priority: int = 0
    status: str = "active"  # active | disabled
    created_at: datetime
    version: int = 1

    def __repr__(self) -> str:
        return f"ChannelAccount({self.id}, {self.channel}, {self.status})"
