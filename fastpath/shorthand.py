"""Shorthand: the JSON text of a payment's view at a third of its length.

Law. This is a door: it holds no logic, only the names of the twin that `fastpath._select` chose.
"""

from fastpath._select import IMPLEMENTATION
from fastpath._shorthand_terms import PHRASES

if IMPLEMENTATION == "cython":
    from fastpath._shorthand_c import lengthen, shorten
else:
    from fastpath._shorthand_py import lengthen, shorten

__all__ = ["PHRASES", "lengthen", "shorten"]
