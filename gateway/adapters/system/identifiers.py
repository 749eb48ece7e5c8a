"""Makes ids: the machine's clock and randomness for `domain.ids`.

Law: ids of one process rise within a millisecond only by chance; order comes from the time.
Randomness is drawn from the operating system in blocks, 62 bits for each id.
"""

import os
import time

from gateway.domain import ids

_BLOCK_IDS = 512
_ID_BYTES = 8


class RandomIds:
    """Ids of real time, the merchant's bucket and 62 random bits."""

    def __init__(self) -> None:
        self._block = b""
        self._at = 0

    def _random62(self) -> int:
        if self._at >= len(self._block):
            self._block = os.urandom(_BLOCK_IDS * _ID_BYTES)
            self._at = 0
        start = self._at
        self._at = start + _ID_BYTES
        return int.from_bytes(self._block[start : self._at]) >> 2

    def make(self, prefix: str, merchant_id: str) -> str:
        """A new id in the merchant's bucket."""
        return self.in_bucket(prefix, ids.bucket_of(merchant_id))

    def in_bucket(self, prefix: str, bucket: int) -> str:
        """A new id in a bucket (0..4095)."""
        return ids.make(
            prefix, at_ms=int(time.time() * 1000), bucket=bucket, random62=self._random62()
        )

    def request_id(self) -> str:
        """A new `req_` id; it lives in logs and answers only, so its bucket is random."""
        random = self._random62()
        return ids.make(
            "req",
            at_ms=int(time.time() * 1000),
            bucket=random & (ids.BUCKETS - 1),
            random62=random,
        )
