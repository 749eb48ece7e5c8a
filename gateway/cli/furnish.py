"""What a sandbox has from the start: a merchant with a key, accounts at the simulators, an
administrator's key.

Law: everything is found before it is made, so that a restart, and a start after an interrupted
one, come to the same merchant, keys and accounts. Secrets are made once and kept sealed in the
directory; nothing is written here. Never part of live mode.
"""

from collections.abc import Sequence

from msgspec import Struct

from gateway.cli.administration import Administration
from gateway.cli.simulated_accounts import open_accounts
from gateway.domain.access import HOUSE_SCOPES, MERCHANT_SCOPES
from gateway.domain.merchant import Key, Merchant
from gateway.domain.registration import secret_text

KEY_REF = "up-"
MERCHANT_NAME = "Sandbox merchant"
KEY_ALGORITHM = "hmac-sha256"


class Furniture(Struct, frozen=True, kw_only=True):
    """Ids and secrets of what a sandbox has; the representation hides the secrets."""

    merchant_id: str
    key_id: str
    key_secret: str
    admin_merchant_id: str
    admin_key_id: str
    admin_key_secret: str
    notify_secret: str

    def __repr__(self) -> str:
        return f"Furniture({self.merchant_id}, {self.key_id}, {self.admin_key_id})"


async def furnish(administration: Administration, *, sandbox_url: str) -> Furniture:
    """See to it that the sandbox has all it should have.

    Raises CommandFailed when the simulators do not answer, and what administration raises.
    """
    merchant = await _sandbox_merchant(administration)
    house = await administration.core.register.house()
    key = await _key(administration, merchant, scopes=sorted(MERCHANT_SCOPES))
    admin_key = await _key(administration, house, scopes=sorted(HOUSE_SCOPES))
    await open_accounts(administration, merchant, sandbox_url=sandbox_url)
    notify_secret = await administration.core.notify.notify_secret(merchant.id)
    return Furniture(
        merchant_id=merchant.id,
        key_id=key.id,
        key_secret=secret_text(key),
        admin_merchant_id=house.id,
        admin_key_id=admin_key.id,
        admin_key_secret=secret_text(admin_key),
        notify_secret=notify_secret.secret or "",
    )


async def _sandbox_merchant(administration: Administration) -> Merchant:
    found = await administration.core.register.sandbox()
    if found is None:
        return await administration.create_merchant(MERCHANT_NAME, ref="sandbox", sandbox=True)
    return found if found.status == "active" else await administration.activate(found)


async def _key(administration: Administration, owner: Merchant, *, scopes: Sequence[str]) -> Key:
    """The key that an earlier start made for itself; a new one if that was revoked."""
    keys = await administration.core.register.keys_of(owner.id)
    ours = [key for key in keys if key.ref.startswith(KEY_REF)]
    for key in ours:
        is_whole = key.algorithm == KEY_ALGORITHM and key.expires_at is None
        if key.status == "active" and is_whole:
            return key
    key, _ = await administration.create_key(
        owner.id, algorithm=KEY_ALGORITHM, scopes=scopes, ref=f"{KEY_REF}{len(ours) + 1}"
    )
    return key
