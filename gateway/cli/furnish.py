"""What a sandbox has from the start: a merchant with a key, accounts at the simulators, an
administrator's key.

Law: everything is found before it is made, so that a restart, and a start after an interrupted
one, come to the same merchant, keys and accounts. Secrets are made once and kept sealed in the
directory; nothing is written here. Never part of live mode.
"""

from collections.abc import Sequence

import aiohttp
import msgspec
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from msgspec import Struct

from gateway.center.onboard import AccountWanted
from gateway.cli.administration import Administration
from gateway.cli.faults import CommandFailed
from gateway.domain.access import HOUSE_SCOPES, MERCHANT_SCOPES
from gateway.domain.merchant import ChannelAccount, Key, Merchant
from gateway.domain.registration import secret_text

KEY_REF = "up-"
MERCHANT_NAME = "Sandbox merchant"
KEY_ALGORITHM = "hmac-sha256"
RSA_BITS = 2048
RSA_EXPONENT = 65_537
ASK_S_MAX = 10.0


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


class AlipayOpened(Struct, frozen=True):
    """What the simulator answers to an account that it opened (or had opened before)."""

    app_id: str
    seller_id: str
    alipay_public_key: str


async def furnish(administration: Administration, *, sandbox_url: str) -> Furniture:
    """See to it that the sandbox has all it should have.

    Raises CommandFailed when the simulators do not answer, and what administration raises.
    """
    merchant = await _sandbox_merchant(administration)
    house = await administration.core.register.house()
    key = await _key(administration, merchant, scopes=sorted(MERCHANT_SCOPES))
    admin_key = await _key(administration, house, scopes=sorted(HOUSE_SCOPES))
    await _alipay_account(administration, merchant, sandbox_url=sandbox_url)
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


# --- accounts at simulators -----------------------------------------------------------------------


async def _alipay_account(
    administration: Administration, merchant: Merchant, *, sandbox_url: str
) -> None:
    """An account at the pretend Alipay that both sides know.

    The RSA key is made once and stays the merchant's. A simulator that has lost its book (another
    data folder on the same databases) opens a new account for it, which then goes first.
    """
    accounts = await administration.core.register.accounts_of(merchant.id)
    ours = [each for each in accounts if each.channel == "alipay"]
    private_key = ours[0].credentials["merchant_private_key"] if ours else _new_private_key()
    answer = await _open_account(sandbox_url, "alipay", _public_key_of(private_key))
    opened = msgspec.convert(answer, AlipayOpened)
    if any(_is_account(each, opened) and each.status == "active" for each in ours):
        return
    codec = administration.core.registry.codec("alipay")
    if codec is None:
        raise CommandFailed("The channel alipay is not installed.")
    wanted = AccountWanted(
        channel="alipay",
        methods=sorted(codec.methods),
        credentials={
            "app_id": opened.app_id,
            "seller_id": opened.seller_id,
            "merchant_private_key": private_key,
            "alipay_public_key": opened.alipay_public_key,
        },
        weight=len(ours) + 1,
    )
    await administration.create_account(merchant.id, wanted, ref=f"sandbox-{opened.app_id}")


def _is_account(account: ChannelAccount, opened: AlipayOpened) -> bool:
    return (
        account.credentials["app_id"] == opened.app_id
        and account.credentials["alipay_public_key"] == opened.alipay_public_key
    )


def _new_private_key() -> str:
    key = rsa.generate_private_key(public_exponent=RSA_EXPONENT, key_size=RSA_BITS)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode("ascii")


def _public_key_of(private_key: str) -> str:
    key = load_pem_private_key(private_key.encode("ascii"), None)
    public = key.public_key()
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode("ascii")


async def _open_account(sandbox_url: str, channel: str, public_key: str) -> object:
    body = {"channel": channel, "merchant_public_key": public_key}
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=ASK_S_MAX)) as session,
            session.post(f"{sandbox_url}/accounts", json=body) as answer,
        ):
            if answer.status == 200:
                return await answer.json()
            reason = f"status {answer.status}"
    except (aiohttp.ClientError, TimeoutError) as error:
        reason = type(error).__name__
    raise CommandFailed(f"The simulators at {sandbox_url} opened no {channel} account ({reason}).")
