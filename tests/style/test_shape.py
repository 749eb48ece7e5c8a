"""The shape of files: each says its law, stays small, and is called after its subject."""

import ast
import re

from tests.style.conftest import ROOT, Source

FUNCTION_LINES_MAX = 60
MODULE_LINES_MAX = 400
FIRST_SCREEN_LINES = 30
# The few functions that are longer because cutting them would part what is read together; with the
# length that each may reach. An exception that is no longer needed fails, as does one that grows.
NAMES_REFUSED = re.compile(r"(^|_)(utils?|helpers?|common|managers?|base|misc)(_|$)")
UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
TEXT_SUFFIXES = {".py", ".pyx", ".pyi", ".sql", ".toml", ".yaml", ".yml", ".md", ".sh"}


def test_every_module_says_its_law_on_the_first_screen(shaped: tuple[Source, ...]) -> None:
    silent = []
    for source in shaped:
        if ast.get_docstring(source.tree) is None:
            silent.append(source.path)
        elif not source.path.endswith("__init__.py"):
            screen = "\n".join(source.text.splitlines()[:FIRST_SCREEN_LINES])
            # A verb of the center states its law as its four beats.
            if not re.search(r"^(Law[.:]|Beats:)", screen, re.MULTILINE):
                silent.append(source.path)
    assert silent == []


def test_modules_are_short(shaped: tuple[Source, ...]) -> None:
    length = {source.path: len(source.text.splitlines()) for source in shaped}
    assert {path: lines for path, lines in length.items() if lines > MODULE_LINES_MAX} == {}


def body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function from `def` to its end, without its docstring."""
    lines = (function.end_lineno or function.lineno) - function.lineno + 1
    if ast.get_docstring(function) is not None:
        docstring = function.body[0]
        lines -= (docstring.end_lineno or docstring.lineno) - docstring.lineno + 1
    return lines


def test_functions_are_short(shaped: tuple[Source, ...]) -> None:
    length = {}
    for source in shaped:
        for node in ast.walk(source.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                key = (source.path, node.name)
                length[key] = max(body_lines(node), length.get(key, 0))
    assert {key: lines for key, lines in length.items() if lines > FUNCTION_LINES_MAX} == {}


def test_files_are_called_after_their_subject(everything: tuple[Source, ...]) -> None:
    assert NAMES_REFUSED.search("string_utils") and NAMES_REFUSED.search("base")
    vague = [
        source.path
        for source in everything
        if any(NAMES_REFUSED.search(part.removesuffix(".py")) for part in source.path.split("/"))
    ]
    assert vague == []


def test_nothing_is_left_for_later() -> None:
    left = []
    for folder in ("gateway", "fastpath", "docs", "loadtests", "benchmarks"):
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in TEXT_SUFFIXES:
                for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1):
                    if UNFINISHED.search(line):
                        left.append(f"{path.relative_to(ROOT)}:{number}")
    assert left == []
