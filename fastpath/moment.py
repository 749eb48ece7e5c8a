"""Moments: the text of a time as every answer and event tells it, and a channel's wall time read.

Law. This is a door: it holds no logic, only the names of the twin that `fastpath._select` chose.
"""

from fastpath._select import IMPLEMENTATION

if IMPLEMENTATION == "cython":
    from fastpath._moment_c import read_wall, rfc3339
else:
    from fastpath._moment_py import read_wall, rfc3339

__all__ = ["read_wall", "rfc3339"]
