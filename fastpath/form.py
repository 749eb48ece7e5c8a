"""Forms that we write: application/x-www-form-urlencoded, and what is signed of fields.

Law. This is a door: it holds no logic, only the names of the twin that `fastpath._select` chose.
What others signed is read by `fastpath.signed_form`. No channel is known here, nor how long a form
may be.
"""

from fastpath._select import IMPLEMENTATION

if IMPLEMENTATION == "cython":
    from fastpath._form_c import join_sorted, write_form
else:
    from fastpath._form_py import join_sorted, write_form

__all__ = ["join_sorted", "write_form"]
