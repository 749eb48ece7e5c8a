"""Persons: what we hold of payers, sealed under a key for each payer.

Law: a payer's fields are never stored otherwise. The key is a row of `payer_keys`, sealed under the
merchant's data key; when the row is gone the fields cannot be read by anybody, also not here: an
opened key is kept for a second at most, and never what it opened.

A sealed value is 16 bytes payer, then a blob of the vault's form.
"""

import os
from collections.abc import Callable, Iterable, Sequence
from time import monotonic

import asyncpg
import msgspec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateway.adapters.postgres.commit import shard_unavailable
from gateway.adapters.postgres.directory_change import GONE
from gateway.adapters.postgres.shards import Shards
from gateway.adapters.postgres.statements import load
from gateway.adapters.system.vault import (
    KEY_BYTES,
    MerchantSecrets,
    Place,
    SecretUnreadable,
    open_with,
    seal_with,
)
from gateway.domain import ids
from gateway.domain.person import PAYER_BYTES

SQL = load(__file__.replace("persons", "payer_keys"))

KEY_KEPT_S_MAX = 1.0
KEYS_KEPT_MAX = 4096
PAYER_KEY_NUMBER = 1
SEALED_VERSION = 1
READ_KEYS_MAX = 1000

_to_json = msgspec.json.Encoder().encode
_from_json = msgspec.json.Decoder(dict[str, str]).decode


class PostgresPersons:
    """The Persons port. The merchants it is asked about must be in the directory's memory."""

    def __init__(
        self,
        shards: Shards,
        secrets: MerchantSecrets,
        *,
        time: Callable[[], float] = monotonic,
    ) -> None:
        self._shards = shards
        self._secrets = secrets
        self._time = time
        self._kept: dict[tuple[str, bytes], tuple[float, AESGCM | None]] = {}

    def new_key(self, merchant_id: str, payer: str) -> bytes:
        """A new payer key, sealed under the merchant's data key. `payer` is hexadecimal."""
        return self._secrets.seal(
            os.urandom(KEY_BYTES),
            table="payer_keys",
            column="sealed",
            row=payer,
            merchant_id=merchant_id,
            version=SEALED_VERSION,
        )

    def seal(self, merchant_id: str, payer: str, key: bytes, fields: dict[str, str]) -> bytes:
        """Personal fields sealed under a payer's (sealed) key; the result names the payer.

        Raises `SecretUnreadable` if the key does not open.
        """
        cipher = self._cipher(merchant_id, payer, key)
        place = _place(merchant_id, payer)
        return bytes.fromhex(payer) + seal_with(cipher, PAYER_KEY_NUMBER, place, _to_json(fields))

    async def open(
        self, merchant_id: str, sealed: Sequence[bytes]
    ) -> dict[bytes, dict[str, str] | None]:
        """The fields of each sealed value; None where the payer's key was erased.

        Raises `shard_unavailable`, and `SecretUnreadable` for what was tampered with.
        """
        ciphers = await self._ciphers(merchant_id, {each[:PAYER_BYTES] for each in sealed})
        opened: dict[bytes, dict[str, str] | None] = {}
        for each in sealed:
            payer, blob = each[:PAYER_BYTES], each[PAYER_BYTES:]
            cipher = ciphers.get(payer)
            if cipher is None:
                opened[each] = None
                continue
            place = _place(merchant_id, payer.hex())
            opened[each] = _from_json(open_with({PAYER_KEY_NUMBER: cipher}, place, blob))
        return opened

    async def _ciphers(
        self, merchant_id: str, payers: Iterable[bytes]
    ) -> dict[bytes, AESGCM | None]:
        now = self._time()
        found: dict[bytes, AESGCM | None] = {}
        missing = []
        for payer in payers:
            kept = self._kept.get((merchant_id, payer))
            if kept is not None and now < kept[0]:
                found[payer] = kept[1]
            else:
                missing.append(payer)
        for start in range(0, len(missing), READ_KEYS_MAX):
            part = missing[start : start + READ_KEYS_MAX]
            found |= await self._read(merchant_id, part, until=now + KEY_KEPT_S_MAX)
        return found

    async def _read(
        self, merchant_id: str, payers: list[bytes], *, until: float
    ) -> dict[bytes, AESGCM | None]:
        """Keys as they are now; kept until a moment that was fixed before they were asked for."""
        try:
            records = await self._shards.of(merchant_id).pool.fetch(
                SQL["read"].text, ids.to_hex(merchant_id), payers
            )
        except (*GONE, asyncpg.QueryCanceledError) as error:
            raise shard_unavailable() from error
        found: dict[bytes, AESGCM | None] = dict.fromkeys(payers)
        for record in records:
            payer = record["payer"]
            found[payer] = self._cipher(merchant_id, payer.hex(), record["sealed"])
        if len(self._kept) + len(found) > KEYS_KEPT_MAX:
            self._kept.clear()
        if len(found) <= KEYS_KEPT_MAX:
            self._kept.update({(merchant_id, p): (until, cipher) for p, cipher in found.items()})
        return found

    def _cipher(self, merchant_id: str, payer: str, sealed: bytes) -> AESGCM:
        key = self._secrets.open(
            sealed,
            table="payer_keys",
            column="sealed",
            row=payer,
            merchant_id=merchant_id,
            version=SEALED_VERSION,
        )
        if len(key) != KEY_BYTES:
            raise SecretUnreadable("a payer key has another size")
        return AESGCM(key)


def _place(merchant_id: str, payer: str) -> Place:
    return Place("persons", "fields", payer, merchant_id, SEALED_VERSION)
