"""Which twins this process runs: chosen once, when `fastpath` is first imported.

Law. All or nothing: the compiled twins are used only when every one of them can be imported.
Falling back to the pure twins is never silent: one line on stderr and one `RuntimeWarning`.

Switches, read from the environment (a value that is not listed is an ImportError, because a
misspelt switch must not pass for an absent one):

    FASTPATH_PURE      1: the pure twins, without a warning · 0, empty or absent: no wish
    FASTPATH_REQUIRE   cython: the compiled twins or an ImportError · empty or absent: no wish
"""

import importlib
import os
import sys
import warnings
from typing import Final, Literal

Implementation = Literal["cython", "pure"]

_COMPILED: Final = (
    "fastpath._signature_c",
    "fastpath._amount_c",
    "fastpath._keyed_c",
    "fastpath._request_c",
    "fastpath._order_c",
    "fastpath._identifier_c",
    "fastpath._row_c",
    "fastpath._moment_c",
    "fastpath._rsa_c",
    "fastpath._form_c",
    "fastpath._signed_form_c",
    "fastpath._shorthand_c",
)

_WAY_OUT: Final = "build the compiled twin with `make build` (it needs a C compiler)"


def _choose() -> Implementation:
    pure = _switch("FASTPATH_PURE", ("", "0", "1")) == "1"
    required = _switch("FASTPATH_REQUIRE", ("", "cython")) == "cython"
    if pure and required:
        raise ImportError(
            "fastpath: FASTPATH_PURE=1 and FASTPATH_REQUIRE=cython contradict each other; "
            "unset one of them"
        )
    if pure:
        return "pure"
    missing = _first_missing()
    if missing is None:
        return "cython"
    if required:
        raise ImportError(
            f"fastpath: FASTPATH_REQUIRE=cython, but {missing}; "
            f"{_WAY_OUT}, or unset FASTPATH_REQUIRE"
        )
    _say_loudly(
        f"fastpath: running the slower PURE twin, because {missing}; "
        f"{_WAY_OUT}, or set FASTPATH_PURE=1 to say that this is meant"
    )
    return "pure"


def _switch(name: str, allowed: tuple[str, ...]) -> str:
    value = os.environ.get(name, "")
    if value not in allowed:
        wanted = " or ".join(repr(choice) for choice in allowed if choice)
        raise ImportError(f"fastpath: {name} is {value!r}; set it to {wanted}, or unset it")
    return value


def _first_missing() -> str | None:
    """Why the compiled twins cannot be used, as the end of a sentence; None if they can."""
    for module in _COMPILED:
        try:
            importlib.import_module(module)
        except ImportError as error:
            return f"{module} cannot be imported ({error})"
    return None


def _say_loudly(sentence: str) -> None:
    # The line comes first: under `-W error` the warning is an exception.
    if sys.stderr is not None:
        sys.stderr.write(f"WARNING: {sentence}\n")
        sys.stderr.flush()
    warnings.warn(sentence, RuntimeWarning, stacklevel=2)


IMPLEMENTATION: Final[Implementation] = _choose()
