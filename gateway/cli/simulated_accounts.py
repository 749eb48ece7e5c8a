"""Accounts of the sandbox merchant at the simulators: one at each that both sides know.

Law: everything is found before it is made. The merchant has one RSA key for all of them, made once
and kept with the accounts, so that every simulator finds its account again by it. Simulators
answer under the names that their channel's codec has for credentials; which of them an account
needs, its codec says. A simulator that has lost its book (another data folder on the same
databases) opens a new account, which then goes first. Nothing stored holds a port: what a
simulator must know of this run it is told at every start.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

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

from gateway.center.onboard import AccountWanted
from gateway.channels.codec import Codec
from gateway.cli.administration import Administration
from gateway.cli.faults import CommandFailed
from gateway.domain.merchant import ChannelAccount, Merchant

RSA_BITS = 2048
RSA_EXPONENT = 65_537
ASK_S_MAX = 10.0
PRIVATE_KEY = "merchant_private_key"
REF_DIGITS = 16
# A channel that keeps our address itself, instead of being given it with every order.
WEBHOOK_ENDPOINTS = {"card": "/card/v1/webhook_endpoints"}


async def open_accounts(
    administration: Administration, merchant: Merchant, *, sandbox_url: str
) -> Sequence[ChannelAccount]:
    """An active account at every simulator that has a codec, and at channels that need nothing.

    Raises CommandFailed when a simulator does not answer, and what administration raises.
    """
    core = administration.core
    accounts = list(await core.register.accounts_of(merchant.id))
    private_key = _private_key(accounts)
    opened = []
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=ASK_S_MAX)) as session:
        simulators = Simulators(session, sandbox_url)
        simulated = await simulators.channels()
        for name in sorted(core.registry.names):
            codec = core.registry.codec(name)
            if codec is None:
                continue
            ours = [each for each in accounts if each.channel == name]
            key = next((k for each in ours if (k := each.credentials.get(PRIVATE_KEY))), "")
            key = key or private_key
            if name in simulated:
                answer = await simulators.open_account(name, _public_key_of(key))
                credentials = _credentials(codec, answer | {PRIVATE_KEY: key})
            elif not codec.credential_names:
                credentials = {}
            else:
                continue
            account = await _account(administration, merchant, codec, ours, credentials)
            opened.append(account)
            if name in WEBHOOK_ENDPOINTS and name in simulated:
                url = core.teller.view(account).notify_url
                await simulators.tell_address(name, credentials["secret_key"], url)
    return opened


def _private_key(accounts: Sequence[ChannelAccount]) -> str:
    """The merchant's RSA key, from the newest account that has one; else a new one."""
    for account in accounts:
        if PRIVATE_KEY in account.credentials:
            return account.credentials[PRIVATE_KEY]
    key = rsa.generate_private_key(public_exponent=RSA_EXPONENT, key_size=RSA_BITS)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode("ascii")


def _public_key_of(private_key: str) -> str:
    key = load_pem_private_key(private_key.encode("ascii"), None)
    public = key.public_key()
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode("ascii")


def _credentials(codec: Codec, answered: Mapping[str, Any]) -> dict[str, str]:
    """What the codec wants of what a simulator answered."""
    names = codec.credential_names | codec.option_names
    return {
        name: value
        for name, value in answered.items()
        if name in names and isinstance(value, str) and value
    }


async def _account(
    administration: Administration,
    merchant: Merchant,
    codec: Codec,
    ours: Sequence[ChannelAccount],
    credentials: Mapping[str, str],
) -> ChannelAccount:
    """The registration with these credentials: the one that is there, or a new one."""
    for account in ours:
        if account.status == "active" and _is_same(codec, account, credentials):
            return account
    wanted = AccountWanted(
        channel=codec.name,
        methods=sorted(codec.methods),
        credentials=dict(credentials),
        weight=len(ours) + 1,
    )
    ref = f"sandbox-{codec.name}-{_digest(wanted)}"
    return await administration.create_account(merchant.id, wanted, ref=ref)


def _is_same(codec: Codec, account: ChannelAccount, credentials: Mapping[str, str]) -> bool:
    """Whether an account is the one that a simulator answered, and serves all ways of today.

    What the simulators have learnt to answer since does not make it another.
    """
    known = account.credentials
    agrees = all(credentials.get(name, value) == value for name, value in known.items())
    is_whole = codec.credential_names <= known.keys() and codec.methods <= set(account.methods)
    return agrees and is_whole


def _digest(wanted: AccountWanted) -> str:
    """A number that is the same for the same registration, and tells nothing of its secrets."""
    told = {"methods": wanted.methods, "credentials": sorted(wanted.credentials.items())}
    return hashlib.sha256(msgspec.json.encode(told)).hexdigest()[:REF_DIGITS]


class Simulators:
    """The control interface of the simulators, and the one door where a channel keeps URLs."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url

    async def channels(self) -> frozenset[str]:
        """Which simulators there are."""
        answer = await self._ask("GET", "/healthz", "say what they are")
        return frozenset(answer["channels"])

    async def open_account(self, channel: str, public_key: str) -> dict[str, Any]:
        """What a client of a channel is configured with; the same for the same key."""
        body = {"channel": channel, "merchant_public_key": public_key}
        return await self._ask("POST", "/accounts", f"open a {channel} account", json=body)

    async def tell_address(self, channel: str, secret_key: str, url: str) -> None:
        """See to it that a channel calls us at `url`, and nowhere else."""
        path = WEBHOOK_ENDPOINTS[channel]
        what = f"take the {channel} webhook URL"
        signed = {"Authorization": f"Bearer {secret_key}"}
        known = (await self._ask("GET", path, what, headers=signed))["data"]
        form = [("url", url), ("enabled_events[]", "*")]
        target = f"{path}/{known[0]['id']}" if known else path
        await self._ask("POST", target, what, headers=signed, data=form)

    async def _ask(self, method: str, path: str, what: str, **more: Any) -> dict[str, Any]:
        try:
            async with self._session.request(method, self._url + path, **more) as answer:
                if answer.status == 200:
                    found: dict[str, Any] = await answer.json()
                    return found
                reason = f"status {answer.status}"
        except (aiohttp.ClientError, TimeoutError) as error:
            reason = type(error).__name__
        raise CommandFailed(f"The simulators at {self._url} did not {what} ({reason}).")
