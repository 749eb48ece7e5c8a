"""Orders whose bodies raise no doubt: their fields and their one form, in a single reading.

Law. This is a door: it holds no logic, only the names of the twin that `fastpath._select` chose.
A reading never refuses: what is not plain is None, and is read again by a reader that can refuse.
"""

from fastpath._order_terms import PlainOrder
from fastpath._select import IMPLEMENTATION

if IMPLEMENTATION == "cython":
    from fastpath._order_c import read_order
else:
    from fastpath._order_py import read_order

__all__ = ["PlainOrder", "read_order"]
