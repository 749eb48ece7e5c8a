"""What the tests of style look at: the project's own source files, parsed once."""

import ast
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parent.parent.parent


class Source(NamedTuple):
    """One Python file: its path below the project, text and syntax tree."""

    path: str
    text: str
    tree: ast.Module


@cache
def sources(*folders: str) -> tuple[Source, ...]:
    """Every Python file below the folders that has content, in order of path."""
    found = []
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            text = path.read_text(encoding="utf-8")
            if text.strip():
                name = path.relative_to(ROOT).as_posix()
                found.append(Source(name, text, ast.parse(text, filename=name)))
    assert found, f"nothing below {folders}"
    return tuple(found)


@pytest.fixture
def shaped() -> tuple[Source, ...]:
    """What is held to the shape of files: the product, and what measures and documents it."""
    return sources("gateway", "fastpath", "benchmarks", "loadtests", "docs")


@pytest.fixture
def pure_floors() -> tuple[Source, ...]:
    """The floors that take values and time and give values."""
    return sources("gateway/domain", "gateway/channels")


@pytest.fixture
def everything() -> tuple[Source, ...]:
    """All Python of the project."""
    return sources("gateway", "fastpath", "tests", "benchmarks", "loadtests", "docs")
