"""Faults: what can be expected is one line with a way out, without a password."""

import errno
import sys

import asyncpg
import pytest

from gateway.adapters.system.vault import SecretUnreadable
from gateway.cli.faults import FAILED, WRONG_USE, CommandFailed, expected
from gateway.config import ConfigError
from gateway.domain.errors import TillgateError


@pytest.mark.parametrize(
    ("error", "status", "says"),
    [
        (CommandFailed("so", status=7), 7, "so"),
        (ConfigError("no such setting"), WRONG_USE, "no such setting"),
        (TillgateError("too_many_keys", "Two already."), FAILED, "Two already. (too_many_keys)"),
        (SecretUnreadable("keys.material"), FAILED, "--kek-file"),
        (asyncpg.InvalidPasswordError("no"), FAILED, "--database-url"),
        (asyncpg.InvalidCatalogNameError("no till"), FAILED, "create it"),
        (asyncpg.UndefinedTableError("payments"), FAILED, "tillgate migrate"),
        (ConnectionRefusedError(errno.ECONNREFUSED, "refused"), FAILED, "nothing listens"),
        (TimeoutError(), FAILED, "did not answer in time"),
        (PermissionError(errno.EACCES, "denied", "/data/x"), FAILED, "/data/x may not be used"),
        (PermissionError(errno.EACCES, "denied", sys.executable), FAILED, "cannot be run"),
        (OSError(errno.ENOSPC, "full", "/data/x"), FAILED, "no space left"),
        (ExceptionGroup("g", [ValueError(), CommandFailed("inner")]), FAILED, "inner"),
    ],
)
def test_what_can_be_expected_has_words(error: Exception, status: int, says: str) -> None:
    found = expected(error)
    assert found is not None
    assert found.status == status
    assert says in str(found) and "\n" not in str(found)


@pytest.mark.parametrize("error", [ValueError("ours"), KeyError("x"), AssertionError()])
def test_a_fault_of_ours_keeps_its_traceback(error: Exception) -> None:
    assert expected(error) is None


def test_a_password_is_not_repeated() -> None:
    error = asyncpg.InvalidCatalogNameError("no postgresql://app:s3cret@db/till")
    assert "s3cret" not in str(expected(error))
