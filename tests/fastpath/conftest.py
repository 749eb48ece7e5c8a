"""One suite, every twin: a test that asks for `signature`, `order`, ... runs once for each.

With FASTPATH_PURE=1 only the pure twin is there, and the tests of agreement, which need two,
are not collected. Without it a compiled twin that cannot be imported is an error of the run.
"""

import importlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key

PURE_ONLY = os.environ.get("FASTPATH_PURE") == "1"
TWINS = {"pure": "py"} if PURE_ONLY else {"pure": "py", "cython": "c"}

AGREEMENTS = sorted(path.name for path in Path(__file__).parent.glob("test_*agreement.py"))
collect_ignore = AGREEMENTS if PURE_ONLY else []

VECTORS = Path(__file__).parent.parent / "vectors"


@pytest.fixture(scope="session", params=TWINS)
def signature(request: pytest.FixtureRequest) -> ModuleType:
    return importlib.import_module(f"fastpath._signature_{TWINS[request.param]}")


@pytest.fixture(scope="session", params=TWINS)
def amount(request: pytest.FixtureRequest) -> ModuleType:
    return importlib.import_module(f"fastpath._amount_{TWINS[request.param]}")


@pytest.fixture(scope="session", params=TWINS)
def keyed(request: pytest.FixtureRequest) -> ModuleType:
    return importlib.import_module(f"fastpath._keyed_{TWINS[request.param]}")


@pytest.fixture(scope="session", params=TWINS)
def plain_request(request: pytest.FixtureRequest) -> ModuleType:
    return importlib.import_module(f"fastpath._request_{TWINS[request.param]}")


@pytest.fixture(scope="session", params=TWINS)
def order(request: pytest.FixtureRequest) -> ModuleType:
    return importlib.import_module(f"fastpath._order_{TWINS[request.param]}")


@pytest.fixture(scope="session", params=TWINS)
def identifier(request: pytest.FixtureRequest) -> ModuleType:
    return importlib.import_module(f"fastpath._identifier_{TWINS[request.param]}")


@pytest.fixture(scope="session", params=TWINS)
def row(request: pytest.FixtureRequest) -> ModuleType:
    return importlib.import_module(f"fastpath._row_{TWINS[request.param]}")


@pytest.fixture(scope="session", params=TWINS)
def moment_twin(request: pytest.FixtureRequest) -> ModuleType:
    return importlib.import_module(f"fastpath._moment_{TWINS[request.param]}")


@pytest.fixture(scope="session", params=TWINS)
def rsa(request: pytest.FixtureRequest) -> ModuleType:
    return importlib.import_module(f"fastpath._rsa_{TWINS[request.param]}")


@pytest.fixture(scope="session", params=TWINS)
def form(request: pytest.FixtureRequest) -> ModuleType:
    return importlib.import_module(f"fastpath._form_{TWINS[request.param]}")


@pytest.fixture(scope="session", params=TWINS)
def signed_form(request: pytest.FixtureRequest) -> ModuleType:
    return importlib.import_module(f"fastpath._signed_form_{TWINS[request.param]}")


@pytest.fixture(scope="session", params=TWINS)
def shorthand(request: pytest.FixtureRequest) -> ModuleType:
    return importlib.import_module(f"fastpath._shorthand_{TWINS[request.param]}")


@pytest.fixture(scope="session")
def own_pay1() -> dict[str, Any]:
    return json.loads((VECTORS / "own_pay1.json").read_text())


@pytest.fixture(scope="session")
def rsa_key() -> RSAPrivateKey:
    return generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture(scope="session")
def outcome() -> Callable[..., tuple[Any, ...]]:
    """What a call did, as a value that can be compared: the result with its types, or the
    error with its type, text, arguments and reason."""

    def run(function: Callable[..., Any], *arguments: Any, **named: Any) -> tuple[Any, ...]:
        try:
            result = function(*arguments, **named)
        except Exception as error:
            return type(error), str(error), error.args, getattr(error, "reason", None)
        parts = result if isinstance(result, tuple) else (result,)
        return type(result), result, [type(part) for part in parts]

    return run
