"""Which tests are fast, and how reports travel between processes.

Law: a test is fast because of where it lies (pure code, instant) or because its file says so with
`pytest.mark.fast`; `make check` and `make test-fast` run exactly these. A report may hold whatever
a test has fed its subject with, so what no encoding can carry (lone surrogates) is escaped before
the report is sent to the process that gathers them.
"""

import os
from collections.abc import Generator
from pathlib import Path

import pytest

TESTS = Path(__file__).parent / "tests"
PURE_FOLDERS = tuple(TESTS / name for name in ("domain", "channels", "fastpath", "style"))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark what lies below a pure folder; leave to root what only root can play."""
    for item in items:
        if any(folder in item.path.parents for folder in PURE_FOLDERS):
            item.add_marker(pytest.mark.fast)
    if os.geteuid() != 0:
        roots = [item for item in items if item.get_closest_marker("root")]
        config.hook.pytest_deselected(items=roots)
        items[:] = [item for item in items if item not in roots]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Make what was captured encodable."""
    report = yield
    report.sections = [(name, encodable(text)) for name, text in report.sections]
    if isinstance(report.longrepr, str):
        report.longrepr = encodable(report.longrepr)
    return report


def encodable(text: str) -> str:
    """The text with lone surrogates escaped."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
