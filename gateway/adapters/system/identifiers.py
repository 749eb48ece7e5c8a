"""Makes ids: the machine's clock and randomness for `domain.ids`.

Law: ids of one process rise within a millisecond only by chance; order comes from the time.
Randomness is drawn from the operating system in blocks, 62 bits for each id.
"""

import os
import struct
import time

from fastpath.identifier import make_identifier
from gateway.domain import ids

_BLOCK = struct.Struct(">512Q")


class RandomIds:
    """Ids of real time, the merchant's bucket and 62 random bits."""

    def __init__(self) -> None:
        self._drawn: list[int] = []

    def _random62(self) -> int:
        if not self._drawn:
            self._drawn.extend(_BLOCK.unpack(os.urandom(_BLOCK.size)))
        return self._drawn.pop() >> 2

    def make(self, prefix: str, merchant_id: str) -> str:
        """A new id in the merchant's bucket."""
        return self.in_bucket(prefix, ids.bucket_of(merchant_id))

    def in_bucket(self, prefix: str, bucket: int) -> str:
        """A new id in a bucket (0..4095)."""
        return make_identifier(prefix, int(time.time() * 1000), bucket, self._random62())[0]

    def make_with_digits(self, prefix: str, merchant_id: str) -> tuple[str, str]:
        """A new id in the merchant's bucket, and its 32 hexadecimal digits."""
        return make_identifier(
            prefix, int(time.time() * 1000), ids.bucket_of(merchant_id), self._random62()
        )

    def request_id(self) -> str:
        """A new `req_` id; it lives in logs and answers only, so its bucket is random."""
        random = self._random62()
        return make_identifier("req", int(time.time() * 1000), random & (ids.BUCKETS - 1), random)[
            0
        ]
