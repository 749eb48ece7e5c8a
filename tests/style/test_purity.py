"""Pure floors compute: no clock, no waiting, no binary fractions, no doors to the world.

The imports of whole modules are the import law's (.importlinter); here is what an import cannot
show. Each check is a function of a syntax tree and is first shown to find what it looks for.
"""

import ast
import re
import sys
from collections.abc import Callable, Iterator

import pytest

from tests.style.conftest import ROOT, Source

# Fractions that are not money: spans of time, spread over a length that the caller drew.
FRACTIONS_ALLOWED = {
    ("gateway/domain/webhook.py", "next_retry"),
}
CLOCKS = {"now", "utcnow", "today", "time", "time_ns", "monotonic", "perf_counter"}
CALLS_REFUSED = {"float", "open", "print", "input", "exec", "eval", "__import__"}
# Of packages that are half pure, only these halves.
SUBMODULES_ALLOWED = {"urllib.parse", "email.utils"}
HALF_PURE = ("urllib", "email", "xml", "importlib")
# The registry finds a channel's package by its name; it loads code, and touches nothing else.
IMPORTS_ALLOWED = {("gateway/channels/registry.py", "import importlib")}
FASTPATH_MAY_IMPORT = sys.stdlib_module_names | {"cryptography", "msgspec", "fastpath"}
FASTPATH_WORLD = {"asyncio", "logging", "random", "secrets", "socket", "ssl", "subprocess", "time"}

Finding = tuple[int, str]


def waiting(tree: ast.AST) -> Iterator[Finding]:
    """Everything asynchronous."""
    kinds = (ast.AsyncFunctionDef, ast.Await, ast.AsyncFor, ast.AsyncWith)
    for node in ast.walk(tree):
        if isinstance(node, kinds):
            yield node.lineno, "async"


def clocks(tree: ast.AST) -> Iterator[Finding]:
    """Every reading of a clock, however the class is called."""
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in CLOCKS
        ):
            yield node.lineno, f".{node.func.attr}()"


def calls(tree: ast.AST) -> Iterator[Finding]:
    """Calls of built-ins that make binary fractions or touch the world."""
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id in CALLS_REFUSED
        ):
            yield node.lineno, f"{node.func.id}()"


def fractions(tree: ast.AST) -> Iterator[Finding]:
    """Binary fractions: literals and true division."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, float):
            yield node.lineno, f"literal {node.value}"
        elif isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Div):
            yield node.lineno, "division /"


def half_pure_imports(tree: ast.AST) -> Iterator[Finding]:
    """Imports from packages that are half pure, of the other half."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        for name in names:
            if name.split(".")[0] in HALF_PURE and name not in SUBMODULES_ALLOWED:
                yield node.lineno, f"import {name}"


CHECKS: dict[Callable[[ast.AST], Iterator[Finding]], str] = {
    waiting: "async def f():\n    await g()",
    clocks: "x = datetime.now(UTC)",
    calls: "x = float('1.5')",
    fractions: "x = amount / 100",
    half_pure_imports: "from urllib.request import urlopen",
}


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_a_check_finds_what_it_looks_for(check: Callable[[ast.AST], Iterator[Finding]]) -> None:
    assert list(check(ast.parse(CHECKS[check])))


@pytest.mark.parametrize("check", [c for c in CHECKS if c is not fractions])
def test_pure_floors_are_pure(
    check: Callable[[ast.AST], Iterator[Finding]], pure_floors: tuple[Source, ...]
) -> None:
    found = [(s.path, what, line) for s in pure_floors for line, what in check(s.tree)]
    assert [finding for finding in found if finding[:2] not in IMPORTS_ALLOWED] == []


def test_no_binary_fractions_near_money(pure_floors: tuple[Source, ...]) -> None:
    found = {
        (source.path, _function_at(source.tree, line), what)
        for source in pure_floors
        for line, what in fractions(source.tree)
    }
    assert sorted(f for f in found if f[:2] not in FRACTIONS_ALLOWED) == []
    assert {f[:2] for f in found} == FRACTIONS_ALLOWED, "an exception that nothing needs"


def test_fastpath_stands_on_the_standard_library_cryptography_and_msgspec() -> None:
    found = set()
    for path in sorted((ROOT / "fastpath").glob("*.py*")):
        if path.suffix not in {".py", ".pyx", ".pyi"}:
            continue
        for match in re.finditer(
            r"^\s*(?:from|import)\s+(\w+)", path.read_text(encoding="utf-8"), re.MULTILINE
        ):
            found.add((path.name, match[1]))
    assert found
    foreign = {f for f in found if f[1] not in FASTPATH_MAY_IMPORT}
    foreign |= {f for f in found if f[1] in FASTPATH_WORLD}
    assert sorted(f for f in foreign if not _is_c(*f)) == []


def _is_c(file: str, module: str) -> bool:
    """Whether a compiled twin takes it from C headers."""
    return file.endswith(".pyx") and module in {"cpython", "libc", "cython"}


def _function_at(tree: ast.Module, line: int) -> str:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.lineno <= line <= (
            node.end_lineno or node.lineno
        ):
            return node.name
    return "<module>"
