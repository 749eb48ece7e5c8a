"""Which tests are fast: all below the folders of pure floors.

Law: a test is fast because of where it lies (pure code, instant) or because its file says so with
`pytest.mark.fast`; `make check` and `make test-fast` run exactly these.
"""

from pathlib import Path

import pytest

TESTS = Path(__file__).parent / "tests"
PURE_FOLDERS = tuple(TESTS / name for name in ("domain", "channels", "fastpath", "style"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what lies below a pure folder."""
    for item in items:
        if any(folder in item.path.parents for folder in PURE_FOLDERS):
            item.add_marker(pytest.mark.fast)
