"""Signing secrets: the keys that sign webhooks, made, sealed and opened.

Law: a secret is in the clear in memory only, and leaves it only in the answer to whoever may have
it. It is sealed for its row; a replaced secret stays sealed as it was, so `secret` and
`secret_before` hold blobs of one place. Opened secrets are remembered by their sealed bytes, which
never mean anything else.
"""

from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime

from msgspec import Struct

from gateway.center.ports import Directory
from gateway.center.webhook_ports import SecretBox
from gateway.domain import webhook
from gateway.domain.endpoint import NotifySecret, WebhookEndpoint, sealed_secrets
from gateway.domain.errors import not_found

OPENED_MAX = 16_384
# Secrets are replaced, not edited: what is sealed for a row is always its first version.
SEALED_VERSION = 1

Holder = WebhookEndpoint | NotifySecret


class Fresh(Struct, frozen=True):
    """New keys of a row: in the clear and sealed."""

    secret: bytes
    sealed_secret: bytes
    seed: bytes
    sealed_seed: bytes

    @property
    def secret_text(self) -> str:
        """`whsec_…`."""
        return webhook.secret_text(self.secret)

    @property
    def public_key_text(self) -> str:
        """`whpk_…`."""
        return webhook.public_key_text(webhook.public_key_of(self.seed))

    def __repr__(self) -> str:
        return "Fresh(…)"


class Signer(Struct, frozen=True):
    """What signs a delivery now: secrets, the newest first, and the Ed25519 seed."""

    secrets: list[bytes]
    seed: bytes

    def __repr__(self) -> str:
        return "Signer(…)"


class SigningSecrets:
    """Makes and opens the keys of endpoints and notify secrets.

    `draw` gives that many random bytes.
    """

    def __init__(
        self, *, box: SecretBox, directory: Directory, draw: Callable[[int], bytes]
    ) -> None:
        self._box = box
        self._directory = directory
        self._draw = draw
        self._opened: OrderedDict[bytes, bytes] = OrderedDict()

    async def fresh(self, merchant_id: str, *, table: str, row: str) -> Fresh:
        """New keys for a row of `webhook_endpoints` or `notify_secrets`."""
        await self.know(merchant_id)
        secret = self._draw(webhook.SECRET_BYTES)
        seed = self._draw(webhook.ED25519_KEY_BYTES)
        return Fresh(
            secret,
            self._seal(secret, merchant_id, table, "secret", row),
            seed,
            self._seal(seed, merchant_id, table, "private_key", row),
        )

    async def signer(self, holder: Holder, now: datetime) -> Signer:
        """What signs for a holder at `now` (business time)."""
        known = self.known_signer(holder, now)
        if known is not None:
            return known
        secrets = [await self._open(holder, "secret", each) for each in sealed_secrets(holder, now)]
        return Signer(secrets, await self._open(holder, "private_key", holder.private_key))

    def known_signer(self, holder: Holder, now: datetime) -> Signer | None:
        """What `signer` answers, where every key of it was opened before."""
        seed = self._recall(holder.private_key)
        secrets = []
        for sealed in sealed_secrets(holder, now):
            if (secret := self._recall(sealed)) is None:
                return None
            secrets.append(secret)
        return None if seed is None else Signer(secrets, seed)

    async def secret_text(self, holder: Holder) -> str:
        """The present secret of a holder as `whsec_…`."""
        return webhook.secret_text(await self._open(holder, "secret", holder.secret))

    async def public_key_text(self, holder: Holder) -> str:
        """The public key of a holder as `whpk_…`."""
        seed = await self._open(holder, "private_key", holder.private_key)
        return webhook.public_key_text(webhook.public_key_of(seed))

    def _seal(self, plaintext: bytes, merchant_id: str, table: str, column: str, row: str) -> bytes:
        return self._box.seal(
            plaintext,
            table=table,
            column=column,
            row=row,
            merchant_id=merchant_id,
            version=SEALED_VERSION,
        )

    async def _open(self, holder: Holder, column: str, sealed: bytes) -> bytes:
        found = self._recall(sealed)
        if found is not None:
            return found
        await self.know(holder.merchant_id)
        is_endpoint = isinstance(holder, WebhookEndpoint)
        opened = self._box.open(
            sealed,
            table="webhook_endpoints" if is_endpoint else "notify_secrets",
            column=column,
            row=holder.place.key,
            merchant_id=holder.merchant_id,
            version=SEALED_VERSION,
        )
        self._opened[sealed] = opened
        if len(self._opened) > OPENED_MAX:
            self._opened.popitem(last=False)
        return opened

    def _recall(self, sealed: bytes) -> bytes | None:
        found = self._opened.get(sealed)
        if found is not None:
            self._opened.move_to_end(sealed)
        return found

    async def know(self, merchant_id: str) -> None:
        """Have a merchant in memory, where its secrets can be opened. Raises `not_found`."""
        if await self._directory.find_merchant(merchant_id) is None:
            raise not_found()
