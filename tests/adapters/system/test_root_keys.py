"""Key-encryption keys: from a file that nobody else reads, or from the environment; no default."""

import base64
import os
import stat
from pathlib import Path

import pytest

from gateway.adapters.system.root_keys import (
    VARIABLE,
    RootKeysUnusable,
    parse_root_keys,
    read_root_keys,
)

pytestmark = pytest.mark.fast

ONE, TWO = bytes(range(32)), bytes(range(32, 64))
ONE_TEXT, TWO_TEXT = (base64.b64encode(key).decode() for key in (ONE, TWO))


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        (ONE_TEXT, {1: ONE}),
        (f"1:{ONE_TEXT}\n", {1: ONE}),
        (f"1:{ONE_TEXT},2:{TWO_TEXT}", {1: ONE, 2: TWO}),
        (f"{ONE_TEXT}\n7:{TWO_TEXT}\n", {1: ONE, 7: TWO}),
    ],
)
def test_texts(text: str, keys: dict[int, bytes]) -> None:
    assert parse_root_keys(text, where="here") == keys


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \n",
        "password",
        ONE_TEXT[:-1],
        ONE_TEXT[:-2] + "9=",  # loose last bits
        base64.b64encode(b"short").decode(),
        f"0:{ONE_TEXT}",
        f"4294967296:{ONE_TEXT}",
        f"1:{ONE_TEXT},1:{TWO_TEXT}",
        f"{ONE_TEXT},{TWO_TEXT}",
        f"x:{ONE_TEXT}",
    ],
)
def test_unfit_texts_are_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(RootKeysUnusable) as caught:
        parse_root_keys(text, where="here")
    assert "here" in str(caught.value)
    assert ONE_TEXT not in str(caught.value)


def test_the_environment_comes_first(tmp_path: Path) -> None:
    assert read_root_keys(tmp_path / "none", {VARIABLE: ONE_TEXT}) == {1: ONE}
    with pytest.raises(RootKeysUnusable):
        read_root_keys(tmp_path / "none", {VARIABLE: ""})


def test_there_is_no_default(tmp_path: Path) -> None:
    for file in (None, tmp_path / "none"):
        with pytest.raises(RootKeysUnusable):
            read_root_keys(file, {})


def test_a_sandbox_makes_its_file_once(tmp_path: Path) -> None:
    file = tmp_path / "kek"
    made = read_root_keys(file, {}, create=True)
    assert read_root_keys(file, {}, create=True) == made
    assert read_root_keys(file, {}) == made
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["kek"]
    assert read_root_keys(tmp_path / "other", {}, create=True) != made


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_file_that_others_read_is_refused(tmp_path: Path, mode: int) -> None:
    file = tmp_path / "kek"
    file.write_text(ONE_TEXT)
    file.chmod(mode)
    with pytest.raises(RootKeysUnusable, match="chmod 600"):
        read_root_keys(file, {})
    file.chmod(0o600)
    assert read_root_keys(file, {}) == {1: ONE}


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    (tmp_path / "folder").mkdir()
    for name in ("pipe", "folder"):
        with pytest.raises(RootKeysUnusable):
            read_root_keys(tmp_path / name, {})
