"""Versions of the directory that processes tell each other of.

Law: hints. They may be lost, late or false; whoever hears one asks the directory itself.
"""

from typing import Protocol


class Versions(Protocol):
    """What the processes of an instance have told each other of the directory's version."""

    @property
    def directory_version(self) -> int:
        """The highest version that was told."""
        ...

    def tell_directory(self, version: int) -> None:
        """The directory is at this version now."""
        ...


class OwnVersions:
    """The Versions of a process that stands alone."""

    def __init__(self) -> None:
        self.directory_version = 0

    def tell_directory(self, version: int) -> None:
        """The directory is at this version now."""
        self.directory_version = max(self.directory_version, version)
