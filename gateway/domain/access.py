"""Access: what a key may do.

Law: every route names exactly one scope; the house's administration scopes belong to keys of the
house only. Deciding is pure; `center.authenticate` finds the key and calls `check`.
"""

from datetime import datetime
from ipaddress import ip_address

from gateway.domain.errors import TillgateError
from gateway.domain.merchant import Key

MERCHANT_SCOPES = frozenset(
    {
        "payments.read",
        "payments.write",
        "refunds.write",
        "payouts.write",
        "wallets.write",
        "webhooks.write",
        "reports.read",
    }
)
HOUSE_SCOPES = frozenset({"admin.read", "admin.write", "admin.approve"})


def check_scopes(scopes: frozenset[str], *, house: bool) -> frozenset[str]:
    """`scopes` if a key of such a merchant may have them, else `invalid_field`."""
    allowed = MERCHANT_SCOPES | HOUSE_SCOPES if house else MERCHANT_SCOPES
    unknown = sorted(scopes - allowed)
    if unknown or not scopes:
        raise TillgateError(
            "invalid_field",
            f"Not a scope of this merchant: {unknown[0]}." if unknown else "Name a scope at least.",
            param="/scopes",
        )
    return scopes


def is_usable(key: Key, now: datetime) -> bool:
    """Whether the key is active and has not expired."""
    return key.status == "active" and (key.expires_at is None or now < key.expires_at)


def check(key: Key, *, scope: str | None, address: str) -> None:
    """Refuse a request whose signature is valid but which this key may not make.

    Raises `ip_not_allowed` and `forbidden_scope`.
    """
    if key.ip_allow and not _is_allowed(key, address):
        raise TillgateError("ip_not_allowed", "The key may not be used from this address.")
    if scope is not None and scope not in key.scopes:
        raise TillgateError("forbidden_scope", f"The key lacks the scope {scope}.")


def _is_allowed(key: Key, address: str) -> bool:
    try:
        found = ip_address(address)
    except ValueError:
        return False  # a Unix socket has no address
    mapped = getattr(found, "ipv4_mapped", None)
    return any((mapped or found) in network for network in key.ip_allow)
