"""The container image is built by the steps of the Makefile: here they run without a container."""

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.style.conftest import ROOT

DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")


def instructions(name: str) -> list[str]:
    return re.findall(rf"^{name} +(.+)$", DOCKERFILE, re.MULTILINE)


def copied_by_the_build_stage(target: Path) -> None:
    """Carry out the COPY instructions of the build stage."""
    copies = [line for line in instructions("COPY") if not line.startswith("--from")]
    assert copies
    for line in copies:
        *names, place = shlex.split(line)
        for name in names:
            if (ROOT / name).is_dir():
                built = shutil.ignore_patterns("__pycache__", "*.so", "*.c")
                shutil.copytree(ROOT / name, target / place, ignore=built)
            else:
                shutil.copy(ROOT / name, target / place)


def build_step() -> list[str]:
    (step,) = [line for line in instructions("RUN") if line.startswith("make ")]
    return shlex.split(step)


def make(arguments: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("FASTPATH_", "MAKE"))}
    return subprocess.run(
        arguments,
        cwd=folder,
        env=environment | {"FASTPATH_REQUIRE": "cython"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_what_is_copied_is_all_that_the_build_needs(tmp_path: Path) -> None:
    copied_by_the_build_stage(tmp_path)
    done = make([*build_step(), "--dry-run"], tmp_path)
    assert done.returncode == 0, done.stderr
    steps = done.stdout.replace("\\\n", " ").splitlines()
    locked, own = [step.strip() for step in steps if re.search(r"-m pip .* install -q", step)]
    assert "--require-hashes" in locked and locked.endswith("-r requirements.lock")
    assert "--no-deps" in own and own.endswith("-e .")


def test_what_is_copied_is_what_docker_is_shown() -> None:
    shown = {
        line[1:]
        for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines()
        if line.startswith("!")
    }
    copied = {
        name
        for line in instructions("COPY")
        if not line.startswith("--from")
        for name in shlex.split(line)[:-1]
    }
    assert shown == copied


def test_it_serves_and_is_not_root() -> None:
    assert instructions("ENTRYPOINT") == ['["tillgate"]']
    assert instructions("CMD")[-1] == '["serve"]'
    (user,) = instructions("USER")
    assert user.isdecimal() and int(user) > 0
    bases = {line.split(" AS ")[0] for line in instructions("FROM")}
    assert len(bases) == 1, "the environment would not find its Python in another image"


@pytest.mark.system
@pytest.mark.timeout(600)
def test_the_build_stage_builds(tmp_path: Path) -> None:
    copied_by_the_build_stage(tmp_path)
    done = make(build_step(), tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "fast path: cython" in done.stdout
    told = subprocess.run(
        [tmp_path / ".venv/bin/tillgate", "serve", "--help"],
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0 and "--port" in told.stdout, told.stderr
