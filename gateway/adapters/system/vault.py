"""The vault: secrets at rest, sealed so that they open in one place only.

Law: nothing secret is stored unsealed, and what is sealed for one row, column, merchant and
version opens nowhere else; a blob that was changed, moved or cut is `SecretUnreadable`, never a
wrong plaintext. Keys and plaintexts are in no representation and no error.

    key-encryption keys (KEK)   from a file or the environment, by number; the newest seals
      -> installation keys      `seal_root`
      -> data keys              one ring per merchant, stored with the merchant
           -> its secrets       `seal`
           -> payers' keys      -> persons (`adapters/postgres/persons.py`)

    blob = 1 byte format | 4 bytes key number | 12 bytes nonce | ciphertext and 16 bytes tag

Rotating the KEK re-wraps installation keys and data keys; what lies under a data key stays as it
is. A ring holds its older keys, so a renewed data key opens what was sealed before.
Source: NIST SP 800-38D (AES-256-GCM, random nonces: up to 2^32 blobs under one key).
"""

import os
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import NamedTuple

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateway.domain.errors import SecretUnreadable

__all__ = ["MerchantSecrets", "Place", "SecretUnreadable", "Vault"]

KEY_BYTES = 32
FORMAT = 1
NONCE_BYTES = 12
TAG_BYTES = 16
HEADER_BYTES = 5
BLOB_BYTES_MIN = HEADER_BYTES + NONCE_BYTES + TAG_BYTES
KEY_NUMBER_MAX = 2**32 - 1
RINGS_CACHED_MAX = 4096

_NUMBER_BYTES = 4
_RING_STEP = _NUMBER_BYTES + KEY_BYTES
_encode_place = msgspec.json.Encoder().encode


class Place(NamedTuple):
    """Where a sealed value belongs: the associated data of its encryption."""

    table: str
    column: str
    row: str
    merchant_id: str
    version: int


def seal_with(cipher: AESGCM, number: int, place: Place, plaintext: bytes) -> bytes:
    """The blob of `plaintext` at `place`, under the key with this number."""
    header = _header(number)
    nonce = os.urandom(NONCE_BYTES)
    return header + nonce + cipher.encrypt(nonce, plaintext, _associated(header, place))


def open_with(ciphers: Mapping[int, AESGCM], place: Place, sealed: bytes) -> bytes:
    """The plaintext of a blob that was sealed at `place`. Raises `SecretUnreadable`."""
    number = key_number_of(sealed)
    cipher = ciphers.get(number)
    if cipher is None:
        raise SecretUnreadable(f"{place.table}.{place.column} is sealed under key {number}")
    header = sealed[:HEADER_BYTES]
    nonce = sealed[HEADER_BYTES : HEADER_BYTES + NONCE_BYTES]
    try:
        return cipher.decrypt(
            nonce, sealed[HEADER_BYTES + NONCE_BYTES :], _associated(header, place)
        )
    except InvalidTag:
        raise SecretUnreadable(
            f"{place.table}.{place.column} was not sealed by this key at this place"
        ) from None


def key_number_of(sealed: bytes) -> int:
    """The number of the key that a blob is sealed under. Raises `SecretUnreadable`."""
    if len(sealed) < BLOB_BYTES_MIN or sealed[0] != FORMAT:
        raise SecretUnreadable("the blob is too short or of an unknown format")
    return int.from_bytes(sealed[1:HEADER_BYTES])


def _header(number: int) -> bytes:
    if not 0 < number <= KEY_NUMBER_MAX:
        raise ValueError(f"{number} is no number of a key")
    return bytes((FORMAT,)) + number.to_bytes(_NUMBER_BYTES)


def _associated(header: bytes, place: Place) -> bytes:
    return header + _encode_place(place)


class Vault:
    """Seals and opens under the key-encryption keys, and under the data keys they protect.

    `keys` are the KEKs by number (1 and up), 32 bytes each; the highest number seals.
    Raises ValueError for keys of another size, or none.
    """

    def __init__(self, keys: Mapping[int, bytes]) -> None:
        if not keys or any(len(key) != KEY_BYTES for key in keys.values()):
            raise ValueError(f"a vault needs key-encryption keys of {KEY_BYTES} bytes")
        self._ciphers = {number: AESGCM(key) for number, key in keys.items()}
        self.newest = max(keys)
        self._rings: OrderedDict[bytes, tuple[str, dict[int, AESGCM]]] = OrderedDict()

    def __repr__(self) -> str:
        return f"Vault(keys {sorted(self._ciphers)})"

    # --- under a key-encryption key ----------------------------------------------------------

    def seal_root(self, purpose: str, number: int, plaintext: bytes) -> bytes:
        """Seal a key of the installation: the `number`-th of its purpose."""
        return self._seal_root(_root_place(purpose, number), plaintext)

    def open_root(self, purpose: str, number: int, sealed: bytes) -> bytes:
        """Open a key of the installation. Raises `SecretUnreadable`."""
        return open_with(self._ciphers, _root_place(purpose, number), sealed)

    def new_data_key(self, merchant_id: str) -> bytes:
        """A merchant's first data key: a sealed ring of one."""
        return self._seal_ring(merchant_id, _ring_part(1))

    def renew_data_key(self, merchant_id: str, sealed: bytes) -> bytes:
        """The ring with a new key that seals from now on; the older ones still open."""
        ring = open_with(self._ciphers, _ring_place(merchant_id), sealed)
        return self._seal_ring(merchant_id, ring + _ring_part(len(ring) // _RING_STEP + 1))

    def rewrap_root(self, purpose: str, number: int, sealed: bytes) -> bytes | None:
        """The key of the installation under the newest KEK; None if it is there already."""
        return self._rewrap(_root_place(purpose, number), sealed)

    def rewrap_data_key(self, merchant_id: str, sealed: bytes) -> bytes | None:
        """The ring under the newest KEK; None if it is there already."""
        return self._rewrap(_ring_place(merchant_id), sealed)

    def _rewrap(self, place: Place, sealed: bytes) -> bytes | None:
        if key_number_of(sealed) == self.newest:
            return None
        return self._seal_root(place, open_with(self._ciphers, place, sealed))

    def _seal_root(self, place: Place, plaintext: bytes) -> bytes:
        return seal_with(self._ciphers[self.newest], self.newest, place, plaintext)

    def _seal_ring(self, merchant_id: str, ring: bytes) -> bytes:
        return self._seal_root(_ring_place(merchant_id), ring)

    # --- under a merchant's data key ---------------------------------------------------------

    def seal(
        self,
        data_key: bytes,
        *,
        table: str,
        column: str,
        row: str,
        merchant_id: str,
        version: int,
        plaintext: bytes,
    ) -> bytes:
        """Seal a secret of a merchant under its (sealed) data key, for one place.

        Raises `SecretUnreadable` if the data key itself does not open.
        """
        ring = self._ring(merchant_id, data_key)
        newest = max(ring)
        place = Place(table, column, row, merchant_id, version)
        return seal_with(ring[newest], newest, place, plaintext)

    def open(
        self,
        data_key: bytes,
        *,
        table: str,
        column: str,
        row: str,
        merchant_id: str,
        version: int,
        sealed: bytes,
    ) -> bytes:
        """The secret that was sealed at this place. Raises `SecretUnreadable`."""
        place = Place(table, column, row, merchant_id, version)
        return open_with(self._ring(merchant_id, data_key), place, sealed)

    def _ring(self, merchant_id: str, data_key: bytes) -> dict[int, AESGCM]:
        """The opened ring; remembered, because it is asked for with every secret."""
        found = self._rings.get(data_key)
        if found is not None and found[0] == merchant_id:
            self._rings.move_to_end(data_key)
            return found[1]
        ring = open_with(self._ciphers, _ring_place(merchant_id), data_key)
        if not ring or len(ring) % _RING_STEP:
            raise SecretUnreadable("the data key is not a ring of keys")
        opened = {
            int.from_bytes(ring[at : at + _NUMBER_BYTES]): AESGCM(
                ring[at + _NUMBER_BYTES : at + _RING_STEP]
            )
            for at in range(0, len(ring), _RING_STEP)
        }
        self._rings[data_key] = (merchant_id, opened)
        if len(self._rings) > RINGS_CACHED_MAX:
            self._rings.popitem(last=False)
        return opened


class MerchantSecrets:
    """The vault as those see it who know merchants and no data keys.

    `data_key_of` gives the sealed data key of a merchant that is in memory (the directory's).
    """

    def __init__(self, vault: Vault, data_key_of: Callable[[str], bytes]) -> None:
        self._vault = vault
        self._data_key_of = data_key_of

    def seal(
        self,
        plaintext: bytes,
        *,
        table: str,
        column: str,
        row: str,
        merchant_id: str,
        version: int,
    ) -> bytes:
        """Seal a merchant's secret for one place."""
        return self._vault.seal(
            self._data_key_of(merchant_id),
            table=table,
            column=column,
            row=row,
            merchant_id=merchant_id,
            version=version,
            plaintext=plaintext,
        )

    def open(
        self, sealed: bytes, *, table: str, column: str, row: str, merchant_id: str, version: int
    ) -> bytes:
        """Open what `seal` made for this place. Raises `SecretUnreadable`."""
        return self._vault.open(
            self._data_key_of(merchant_id),
            table=table,
            column=column,
            row=row,
            merchant_id=merchant_id,
            version=version,
            sealed=sealed,
        )

    # --- payers --------------------------------------------------------------------------------

    def new_payer_key(self, merchant_id: str, payer: str) -> bytes:
        """A new payer key, sealed under the merchant's data key. `payer` is hexadecimal."""
        key = os.urandom(KEY_BYTES)
        table, column = _PAYER_KEY
        return self.seal(
            key, table=table, column=column, row=payer, merchant_id=merchant_id, version=1
        )

    def open_payer_key(self, merchant_id: str, payer: str, sealed: bytes) -> bytes:
        """The payer key. Raises `SecretUnreadable`."""
        table, column = _PAYER_KEY
        key = self.open(
            sealed, table=table, column=column, row=payer, merchant_id=merchant_id, version=1
        )
        if len(key) != KEY_BYTES:
            raise SecretUnreadable("a payer key has another size")
        return key

    def seal_fields(self, key: bytes, merchant_id: str, payer: str, plaintext: bytes) -> bytes:
        """Seal a payer's fields under the opened payer key."""
        return seal_with(AESGCM(key), 1, _fields_place(merchant_id, payer), plaintext)

    def open_fields(self, key: bytes, merchant_id: str, payer: str, sealed: bytes) -> bytes:
        """The fields that `seal_fields` sealed. Raises `SecretUnreadable`."""
        return open_with({1: AESGCM(key)}, _fields_place(merchant_id, payer), sealed)


_PAYER_KEY = ("payer_keys", "sealed")


def _fields_place(merchant_id: str, payer: str) -> Place:
    return Place("persons", "fields", payer, merchant_id, 1)


def _root_place(purpose: str, number: int) -> Place:
    return Place("installation_keys", "sealed", purpose, "", number)


def _ring_place(merchant_id: str) -> Place:
    return Place("merchants", "data_key", merchant_id, merchant_id, 1)


def _ring_part(number: int) -> bytes:
    return number.to_bytes(_NUMBER_BYTES) + os.urandom(KEY_BYTES)
