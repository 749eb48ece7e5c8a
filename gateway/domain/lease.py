"""Leases: the right to do a background work for a range of buckets, for a while.

Law: a lease is proved by its fence, a number that rises with every new holder. Whatever a holder
writes names the fence, so that one who slept through the end of its lease writes nothing.
"""

from msgspec import Struct


class Lease(Struct, frozen=True):
    """The buckets `bucket_from`..`bucket_to` (both inclusive) of a work, under a fence."""

    work: str
    bucket_from: int
    bucket_to: int
    fence: int

    def covers(self, bucket: int) -> bool:
        """Whether a bucket is in the range."""
        return self.bucket_from <= bucket <= self.bucket_to
