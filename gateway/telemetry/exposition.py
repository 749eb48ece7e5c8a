"""Exposition: one scrape for a whole process tree.

Law: counters never fall. Every process writes its values into files of its own in one folder; the
supervisor merges them at each scrape, and when a process has ended it adds that process's counts
to the file of those who ended and takes its gauges away. The folder belongs to one start of the
supervisor, is emptied by it, and holds nothing that is needed after a restart.
"""

import struct
from collections.abc import Iterable
from pathlib import Path

from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

ENDED = "ended"
_ADDED = ("counter", "histogram")


class _Merged(Collector):
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def collect(self) -> Iterable[Metric]:
        # A file that was just made is empty for a moment.
        files = [str(path) for path in sorted(self._folder.glob("*.db")) if path.stat().st_size]
        return MultiProcessCollector.merge(files, accumulate=True)


def prepare_folder(folder: Path) -> None:
    """Make the folder, or empty it of an earlier start's values. Processes start after this."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for path in folder.glob("*.db"):
        path.unlink()


def exposition(folder: Path) -> bytes:
    """The merged values of all processes in Prometheus's text format."""
    registry = CollectorRegistry()
    registry.register(_Merged(folder))
    return generate_latest(registry)


def bury(folder: Path, pid: int) -> None:
    """Keep what an ended process counted, and forget its gauges. Harmless when repeated."""
    for kind in _ADDED:
        source = folder / f"{kind}_{pid}.db"
        if source.exists():
            _add_to_ended(source, folder / f"{kind}_{ENDED}.db")
            source.unlink()
    for path in folder.glob(f"gauge_*_{pid}.db"):
        path.unlink()


def _add_to_ended(source: Path, target: Path) -> None:
    try:
        counted = list(MmapedDict.read_all_values_from_file(str(source)))
    except (struct.error, RuntimeError):
        return  # it ended while it made the file: nothing was counted yet
    sums = MmapedDict(str(target))
    try:
        for key, value, _, _ in counted:
            sums.write_value(key, sums.read_value(key)[0] + value, 0.0)
    finally:
        sums.close()
