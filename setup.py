"""Builds the compiled twins of `fastpath`; everything else about the package is in pyproject.toml.

Law. This file holds the extensions and their switches, nothing else. A build that cannot compile
still succeeds and says so on stderr: the pure twins then run. Switches, from the environment:

    FASTPATH_PURE=1          build no extension
    FASTPATH_REQUIRE=cython  an extension that cannot be built stops the build
    FASTPATH_ANNOTATE=1      also write HTML that shows where Python remains (build/cython/)
"""

import os
import sys

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

EXTENSIONS = {
    f"fastpath._{subject}_c": f"fastpath/_{subject}_c.pyx"
    for subject in (
        "signature",
        "amount",
        "keyed",
        "request",
        "order",
        "identifier",
        "moment",
        "row",
        "rsa",
        "form",
        "signed_form",
        "shorthand",
    )
}
DIRECTIVES = {"language_level": 3, "binding": True}

PURE = os.environ.get("FASTPATH_PURE") == "1"
REQUIRED = os.environ.get("FASTPATH_REQUIRE") == "cython"
ANNOTATE = os.environ.get("FASTPATH_ANNOTATE") == "1"


def say_loudly(sentence: str) -> None:
    line = "*" * 96
    sys.stderr.write(f"\n{line}\nWARNING: {sentence}\n{line}\n\n")
    sys.stderr.flush()


class BuildExtensions(build_ext):
    """Says loudly what setuptools, for an optional extension, would only mention."""

    def build_extension(self, ext: Extension) -> None:
        try:
            super().build_extension(ext)
        except Exception as error:
            say_loudly(
                f"{ext.name} was NOT compiled ({error}).\n"
                "Tillgate will run the slower PURE twin of its fast path, and say so at start.\n"
                "To get the compiled one, install a C compiler and Python's headers; build again."
            )
            raise


def extensions() -> list[Extension]:
    if PURE and REQUIRED:
        raise SystemExit("FASTPATH_PURE=1 and FASTPATH_REQUIRE=cython contradict each other")
    if PURE:
        say_loudly("FASTPATH_PURE=1: no extension is built; the PURE twin of fastpath will run.")
        return []
    try:
        from Cython.Build import cythonize
    except ImportError:
        if REQUIRED:
            raise
        say_loudly("Cython is not installed: the PURE twin of fastpath will run.")
        return []
    modules: list[Extension] = cythonize(
        [Extension(name, [source]) for name, source in EXTENSIONS.items()],
        build_dir="build/cython",
        compiler_directives=DIRECTIVES,
        annotate=ANNOTATE,
    )
    for module in modules:
        # Said here, because cythonize makes new Extensions and forgets `optional`.
        module.optional = not REQUIRED
    return modules


setup(ext_modules=extensions(), cmdclass={"build_ext": BuildExtensions})
