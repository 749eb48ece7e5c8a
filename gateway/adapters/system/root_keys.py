"""Key-encryption keys: where the vault's own keys come from.

Law: there is no default. Keys come from the environment or from a file that nobody else can read;
a file is made only when the caller says so (the first start of a sandbox), whole or not at all,
and never overwritten. Errors say what to do and never repeat the text.

Both have one grammar: entries joined by commas or white space, each `<number>:<base64 of 32
bytes>` or, for key 1, the base64 alone. The highest number seals, the others open: a rotation
adds an entry, re-wraps, and takes the old one away.
"""

import base64
import binascii
import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path

from gateway.adapters.system.vault import KEY_BYTES, KEY_NUMBER_MAX

VARIABLE = "TILLGATE_KEK"
FILE_BYTES_MAX = 64 * 1024
_FILE_MODE = 0o600

_ENTRY = re.compile(r"(?:([1-9][0-9]{0,9}):)?([A-Za-z0-9+/]{43}=)")
_BETWEEN = re.compile(r"[\s,]+")


class RootKeysUnusable(Exception):
    """There are no key-encryption keys, or they cannot be used. The text says the way out."""


def read_root_keys(
    file: Path | None, environment: Mapping[str, str], *, create: bool = False
) -> dict[int, bytes]:
    """The key-encryption keys by number: of the environment, else of the file.

    `create` makes the file with one random key if it is absent. Raises `RootKeysUnusable`.
    """
    text = environment.get(VARIABLE)
    if text is not None:
        return parse_root_keys(text, where=VARIABLE)
    if file is None:
        raise RootKeysUnusable(
            f"No key-encryption key: set {VARIABLE} to the base64 of {KEY_BYTES} random bytes "
            "(openssl rand -base64 32), or name a file that holds it."
        )
    if create:
        _make_file(file)
    return parse_root_keys(_read_file(file), where=str(file))


def parse_root_keys(text: str, *, where: str) -> dict[int, bytes]:
    """The keys that a text names. Raises `RootKeysUnusable`, without the text in it."""
    keys: dict[int, bytes] = {}
    for entry in filter(None, _BETWEEN.split(text)):
        match = _ENTRY.fullmatch(entry)
        number = int(match[1] or 1) if match else 0
        key = _decode(match[2]) if match else b""
        if len(key) != KEY_BYTES or number > KEY_NUMBER_MAX:
            raise RootKeysUnusable(
                f"{where} must hold the base64 of {KEY_BYTES} bytes, or several of them as "
                "<number>:<base64>, joined by commas."
            )
        if number in keys:
            raise RootKeysUnusable(f"{where} holds two keys with the number {number}.")
        keys[number] = key
    if not keys:
        raise RootKeysUnusable(f"{where} holds no key-encryption key.")
    return keys


def _decode(text: str) -> bytes:
    try:
        raw = base64.b64decode(text, validate=True)
    except binascii.Error:
        return b""
    # One value has one spelling: loose last bits would be a second one.
    return raw if base64.b64encode(raw).decode() == text else b""


def _read_file(file: Path) -> str:
    try:
        # A pipe without a writer would keep us waiting.
        descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise RootKeysUnusable(
            f"The key-encryption keys cannot be read from {file}: {error.strerror}."
        ) from None
    try:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode) or stat.S_IMODE(mode) & 0o077:
            raise RootKeysUnusable(
                f"{file} must be a file that only its owner can read: chmod 600 {file}"
            )
        return os.read(descriptor, FILE_BYTES_MAX).decode("ascii", "replace")
    finally:
        os.close(descriptor)


def _make_file(file: Path) -> None:
    """Write a temporary file, make it durable, then link: the name is whole or absent."""
    if file.exists():
        return
    entry = f"1:{base64.b64encode(os.urandom(KEY_BYTES)).decode()}\n"
    temporary = file.with_name(f"{file.name}.{os.getpid()}.new")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _FILE_MODE)
    try:
        with os.fdopen(descriptor, "wb") as opened:
            opened.write(entry.encode())
            opened.flush()
            os.fsync(descriptor)
        try:
            os.link(temporary, file)
        except FileExistsError:
            pass  # another start was quicker: its key is the key
    finally:
        temporary.unlink(missing_ok=True)
    folder = os.open(file.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
