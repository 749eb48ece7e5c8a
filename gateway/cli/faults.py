"""What can go wrong for an operator: one clear line with the way out, and an exit status.

Law: every fault that is expected becomes a `CommandFailed` here, in one table; what is not in it
is a fault of ours and keeps its traceback. Nothing is printed here.

    0 done    1 failed    2 wrong use (options, settings)    128 + n ended by signal n
"""

import errno
import re
import sys
from collections.abc import Iterator

import asyncpg

from gateway.adapters.postgres.migration_steps import MigrationRefused
from gateway.adapters.postgres.verify import VerifyImpossible
from gateway.adapters.system.children import ChildNotStarted
from gateway.adapters.system.postgres_binaries import EmbeddedUnavailable
from gateway.adapters.system.root_keys import RootKeysUnusable
from gateway.adapters.system.vault import SecretUnreadable
from gateway.channels.registry import ChannelUnusable
from gateway.config import ConfigError, redacted_url
from gateway.domain.errors import TillgateError

DONE = 0
FAILED = 1
WRONG_USE = 2
SIGNALED = 128

_EXPECTED: tuple[tuple[type[BaseException], int], ...] = (
    (ConfigError, WRONG_USE),
    (MigrationRefused, FAILED),
    (VerifyImpossible, FAILED),
    (EmbeddedUnavailable, FAILED),
    (RootKeysUnusable, FAILED),
    (ChildNotStarted, FAILED),
    (ChannelUnusable, FAILED),
)
_DATABASE_AWAY = {
    errno.ECONNREFUSED: "nothing listens there",
    errno.ENOENT: "there is no such socket",
    errno.EHOSTUNREACH: "the host cannot be reached",
    errno.ENETUNREACH: "the network cannot be reached",
    errno.ETIMEDOUT: "it did not answer in time",
}
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f]")


class CommandFailed(Exception):
    """A command ends here. The text is for people: what is wrong, and the way out."""

    def __init__(self, text: str, *, status: int = FAILED) -> None:
        super().__init__(text)
        self.status = status


def expected(error: BaseException) -> CommandFailed | None:
    """The clear words for a fault that can be expected, or None for one of ours."""
    for each in _leaves(error):
        if isinstance(each, CommandFailed):
            return each
        for kind, status in _EXPECTED:
            if isinstance(each, kind):
                return CommandFailed(_clean(str(each)), status=status)
        found = _of_database(each) or _of_system(each)
        if found is not None:
            return found
    return None


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for each in error.exceptions:
            yield from _leaves(each)
    else:
        yield error


def _of_database(error: BaseException) -> CommandFailed | None:
    if isinstance(error, TillgateError):
        return CommandFailed(f"{error.detail} ({error.code})")
    if isinstance(error, SecretUnreadable):
        return CommandFailed(
            f"A secret cannot be opened: {error}. The key-encryption key is not the one it was "
            "sealed with: give the right one by --kek-file or TILLGATE_KEK."
        )
    if isinstance(
        error, asyncpg.InvalidPasswordError | asyncpg.InvalidAuthorizationSpecificationError
    ):
        return CommandFailed(
            f"The database refuses this login: {_clean(str(error))}. Check user and password in "
            "--database-url."
        )
    if isinstance(error, asyncpg.InvalidCatalogNameError):
        return CommandFailed(f"{_clean(str(error))}: create it, or correct --database-url.")
    if isinstance(error, asyncpg.UndefinedTableError):
        return CommandFailed(
            "The database is not prepared: run `tillgate migrate` with the same --database-url."
        )
    if isinstance(error, asyncpg.CannotConnectNowError | asyncpg.TooManyConnectionsError):
        return CommandFailed(f"The database takes no connection now: {_clean(str(error))}.")
    return None


def _of_system(error: BaseException) -> CommandFailed | None:
    if not isinstance(error, OSError):
        return None
    if error.errno in _DATABASE_AWAY and error.filename is None:
        return CommandFailed(
            f"The database cannot be reached ({_DATABASE_AWAY[error.errno]}). Start it, or "
            "correct --database-url."
        )
    if isinstance(error, TimeoutError):
        return CommandFailed("The database did not answer in time. Try again, or look at it.")
    if error.errno == errno.ENOSPC:
        return CommandFailed(
            f"There is no space left on the disk of {error.filename or 'the data'}."
        )
    if error.filename == sys.executable:
        return CommandFailed(
            f"{sys.executable} cannot be run by this user ({error.strerror}): install Tillgate "
            "where this user can reach it."
        )
    if error.filename is not None and error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return CommandFailed(
            f"{error.filename} may not be used by this user ({error.strerror}): use another "
            "folder with --data, or another user."
        )
    return None


def _clean(text: str) -> str:
    return _CONTROL.sub(" ", redacted_url(text)).rstrip(".\n ") if text else ""
