"""Moments: the text of a time, as every answer and every event tells it.

Law. This is a door: it holds no logic, only the name of the twin that `fastpath._select` chose.
"""

from fastpath._select import IMPLEMENTATION

if IMPLEMENTATION == "cython":
    from fastpath._moment_c import rfc3339
else:
    from fastpath._moment_py import rfc3339

__all__ = ["rfc3339"]
