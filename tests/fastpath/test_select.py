"""Which twin is chosen: every switch, in a process of its own, with and without compiled ones."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import fastpath
from fastpath import amount, signature

pytestmark = pytest.mark.fast

PACKAGE = Path(fastpath.__file__).parent
PURE_ONLY = os.environ.get("FASTPATH_PURE") == "1"

SHOW = """
import sys
import fastpath
from fastpath import amount, identifier, keyed, moment, order, request, signature
functions = (amount.check_minor, amount.parse_decimal, amount.format_decimal,
             signature.parse_authorization, signature.build_message, signature.in_window,
             keyed.HmacKey, identifier.digits_of, moment.rfc3339, order.read_order,
             request.scan_request)
print(fastpath.IMPLEMENTATION, *sorted({f.__module__.rpartition("_")[2] for f in functions}))
"""


def run(place: Path, *options: str, **switches: str) -> subprocess.CompletedProcess[str]:
    """A fresh interpreter that finds `fastpath` at `place` first."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("FASTPATH_")}
    environment |= {"PYTHONPATH": str(place), "PYTHONDONTWRITEBYTECODE": "1"} | switches
    return subprocess.run(
        [sys.executable, *options, "-c", SHOW],
        cwd=place,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def copy_package(place: Path, *compiled: str) -> Path:
    """The package's Python files, and of the compiled ones only those named."""
    target = place / "fastpath"
    target.mkdir()
    for file in PACKAGE.iterdir():
        if file.suffix == ".py" or (file.name.split(".")[0] in compiled and file.suffix == ".so"):
            shutil.copy(file, target)
    return place


@pytest.fixture
def uncompiled(tmp_path: Path) -> Path:
    return copy_package(tmp_path)


def test_this_process_runs_what_it_should() -> None:
    wanted, ending = ("pure", "_py") if PURE_ONLY else ("cython", "_c")
    assert wanted == fastpath.IMPLEMENTATION, "build the compiled twin with `make build`"
    assert signature.parse_authorization.__module__ == f"fastpath._signature{ending}"
    assert amount.check_minor.__module__ == f"fastpath._amount{ending}"


def test_pure_is_obeyed_and_silent() -> None:
    done = run(PACKAGE.parent, FASTPATH_PURE="1")
    assert (done.stdout, done.stderr, done.returncode) == ("pure py\n", "", 0)


def test_pure_is_obeyed_without_compiled_ones(uncompiled: Path) -> None:
    done = run(uncompiled, FASTPATH_PURE="1")
    assert (done.stdout, done.stderr, done.returncode) == ("pure py\n", "", 0)


@pytest.mark.parametrize("switches", [{}, {"FASTPATH_PURE": "0"}, {"FASTPATH_REQUIRE": ""}])
def test_fallback_is_loud(uncompiled: Path, switches: dict[str, str]) -> None:
    done = run(uncompiled, **switches)
    assert (done.stdout, done.returncode) == ("pure py\n", 0)
    assert done.stderr.count("WARNING: fastpath: running the slower PURE twin") == 1
    assert done.stderr.count("RuntimeWarning: fastpath: running the slower PURE twin") == 1
    assert "fastpath._signature_c cannot be imported" in done.stderr
    assert "make build" in done.stderr


def test_fallback_is_seen_with_warnings_off(uncompiled: Path) -> None:
    done = run(uncompiled, "-W", "ignore")
    assert done.stderr.count("WARNING: fastpath: running the slower PURE twin") == 1
    assert "RuntimeWarning" not in done.stderr


def test_fallback_is_an_error_where_warnings_are(uncompiled: Path) -> None:
    done = run(uncompiled, "-W", "error::RuntimeWarning")
    assert done.returncode == 1
    assert "RuntimeWarning: fastpath: running the slower PURE twin" in done.stderr


def test_required_and_missing(uncompiled: Path) -> None:
    done = run(uncompiled, FASTPATH_REQUIRE="cython")
    assert (done.stdout, done.returncode) == ("", 1)
    last = done.stderr.splitlines()[-1]
    assert last.startswith("ImportError: fastpath: FASTPATH_REQUIRE=cython, but fastpath._sig")
    assert "make build" in last


@pytest.mark.parametrize(
    "switches",
    [
        {"FASTPATH_PURE": "yes"},
        {"FASTPATH_PURE": "true"},
        {"FASTPATH_REQUIRE": "cyhton"},
        {"FASTPATH_REQUIRE": "pure"},
        {"FASTPATH_PURE": "1", "FASTPATH_REQUIRE": "cython"},
    ],
    ids=str,
)
def test_senseless_switches_are_refused(uncompiled: Path, switches: dict[str, str]) -> None:
    done = run(uncompiled, **switches)
    assert (done.stdout, done.returncode) == ("", 1)
    assert "ImportError: fastpath: FASTPATH_" in done.stderr
    assert "unset" in done.stderr


def test_a_broken_compiled_file_counts_as_missing(uncompiled: Path) -> None:
    import importlib.machinery

    ending = importlib.machinery.EXTENSION_SUFFIXES[0]
    for name in ("_signature_c", "_amount_c"):
        (uncompiled / "fastpath" / f"{name}{ending}").write_bytes(b"not a library")
    done = run(uncompiled)
    assert (done.stdout, done.returncode) == ("pure py\n", 0)
    assert "running the slower PURE twin" in done.stderr
    assert run(uncompiled, FASTPATH_REQUIRE="cython").returncode == 1


if not PURE_ONLY:

    @pytest.mark.parametrize("switches", [{}, {"FASTPATH_REQUIRE": "cython"}])
    def test_compiled_is_chosen_and_silent(switches: dict[str, str]) -> None:
        done = run(PACKAGE.parent, **switches)
        assert (done.stdout, done.stderr, done.returncode) == ("cython c\n", "", 0)

    @pytest.mark.parametrize("there", ["_signature_c", "_amount_c"])
    def test_all_or_nothing(tmp_path: Path, there: str) -> None:
        half = copy_package(tmp_path, there)
        assert len(list((half / "fastpath").glob("*.so"))) == 1
        done = run(half)
        assert (done.stdout, done.returncode) == ("pure py\n", 0)
        assert "running the slower PURE twin" in done.stderr
        assert run(half, FASTPATH_REQUIRE="cython").returncode == 1
