"""Persons: what we hold of payers, sealed under a key for each payer.

Law: a payer's fields are never stored otherwise. The key is a row of `payer_keys`, sealed under the
merchant's data key; when the row is gone the fields cannot be read by anybody, also not here: an
opened key is kept for a second at most, and never what it opened.

A sealed value is 16 bytes payer, then a blob of the vault's form.
"""

from collections.abc import Callable, Iterable, Sequence
from time import monotonic

import asyncpg
import msgspec

from gateway.adapters.postgres.commit import shard_unavailable
from gateway.adapters.postgres.directory_change import GONE, NOT_LET_IN, POOL_WAIT_S
from gateway.adapters.postgres.shards import Shards
from gateway.adapters.postgres.statements import load
from gateway.center.ports import PayerSecrets
from gateway.domain import ids
from gateway.domain.person import PAYER_BYTES

SQL = load(__file__.replace("persons", "payer_keys"))

KEY_KEPT_S_MAX = 1.0
KEYS_KEPT_MAX = 4096
READ_KEYS_MAX = 1000

_to_json = msgspec.json.Encoder().encode
_from_json = msgspec.json.Decoder(dict[str, str]).decode


class PostgresPersons:
    """The Persons port. The merchants it is asked about must be in the directory's memory."""

    def __init__(
        self,
        shards: Shards,
        secrets: PayerSecrets,
        *,
        time: Callable[[], float] = monotonic,
    ) -> None:
        self._shards = shards
        self._secrets = secrets
        self._time = time
        self._kept: dict[tuple[str, bytes], tuple[float, bytes | None]] = {}

    def new_key(self, merchant_id: str, payer: str) -> bytes:
        """A new payer key, sealed under the merchant's data key. `payer` is hexadecimal."""
        return self._secrets.new_payer_key(merchant_id, payer)

    def seal(self, merchant_id: str, payer: str, key: bytes, fields: dict[str, str]) -> bytes:
        """Personal fields sealed under a payer's (sealed) key; the result names the payer.

        Raises `SecretUnreadable` if the key does not open.
        """
        opened = self._secrets.open_payer_key(merchant_id, payer, key)
        sealed = self._secrets.seal_fields(opened, merchant_id, payer, _to_json(fields))
        return bytes.fromhex(payer) + sealed

    async def open(
        self, merchant_id: str, sealed: Sequence[bytes]
    ) -> dict[bytes, dict[str, str] | None]:
        """The fields of each sealed value; None where the payer's key was erased.

        Raises `shard_unavailable`, and `SecretUnreadable` for what was tampered with.
        """
        keys = await self._keys(merchant_id, {each[:PAYER_BYTES] for each in sealed})
        opened: dict[bytes, dict[str, str] | None] = {}
        for each in sealed:
            payer, blob = each[:PAYER_BYTES], each[PAYER_BYTES:]
            key = keys.get(payer)
            if key is None:
                opened[each] = None
            else:
                fields = self._secrets.open_fields(key, merchant_id, payer.hex(), blob)
                opened[each] = _from_json(fields)
        return opened

    async def _keys(self, merchant_id: str, payers: Iterable[bytes]) -> dict[bytes, bytes | None]:
        now = self._time()
        found: dict[bytes, bytes | None] = {}
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
    ) -> dict[bytes, bytes | None]:
        """Keys as they are now; kept until a moment that was fixed before they were asked for."""
        pool = self._shards.of(merchant_id).pool
        try:
            connection = await pool.acquire(timeout=POOL_WAIT_S)
        except NOT_LET_IN as error:
            raise shard_unavailable() from error
        try:
            records = await connection.fetch(SQL["read"].text, ids.to_hex(merchant_id), payers)
        except (*GONE, asyncpg.QueryCanceledError) as error:
            raise shard_unavailable() from error
        finally:
            await pool.release(connection)
        found: dict[bytes, bytes | None] = dict.fromkeys(payers)
        for record in records:
            payer = record["payer"]
            found[payer] = self._secrets.open_payer_key(merchant_id, payer.hex(), record["sealed"])
        if len(self._kept) + len(found) > KEYS_KEPT_MAX:
            self._kept.clear()
        self._kept.update({(merchant_id, payer): (until, key) for payer, key in found.items()})
        return found
