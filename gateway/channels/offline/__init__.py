"""Offline payments: money that staff takes in by hand, and says so with a receipt."""

from gateway.channels.offline.codec import OfflineCodec

__all__ = ["OfflineCodec"]
