"""Told: who hears of commits.

Law: a hint, and never more than that; what must be heard stands in the journal.
"""

from collections.abc import Callable, Sequence

from gateway.adapters.postgres.submitted import Submitted
from gateway.center.cache_ports import Wrote
from gateway.telemetry.metrics import Metrics


class Told:
    """Who hears of commits: the caches, the metrics, and whoever relays events, as a hint."""

    def __init__(self, metrics: Metrics, wrote: Wrote) -> None:
        self._metrics = metrics
        self._wrote = wrote
        self.hint: Callable[[set[str]], None] | None = None

    def committed(self, done: Sequence[Submitted]) -> None:
        """Take note of the Changes of one commit."""
        for merchant_id in {each.merchant_id for each in done}:
            self._wrote(merchant_id)
        self._metrics.committed(done)
        if self.hint is not None:
            merchants = {each.merchant_id for each in done if each.types}
            if merchants:
                self.hint(merchants)
