"""Forms that are signed: application/x-www-form-urlencoded read and written, and what is signed.

Law. This is a door: it holds no logic, only the names of the twin that `fastpath._select` chose.
A form is read once and strictly, into bytes; its texts are asked for when it is believed. No
channel is known here, nor how long a form may be.
"""

from fastpath._form_terms import CHARSETS, REASONS, FormMalformed
from fastpath._select import IMPLEMENTATION

if IMPLEMENTATION == "cython":
    from fastpath._form_c import form_texts, join_sorted, read_form, write_form
else:
    from fastpath._form_py import form_texts, join_sorted, read_form, write_form

__all__ = [
    "CHARSETS",
    "REASONS",
    "FormMalformed",
    "form_texts",
    "join_sorted",
    "read_form",
    "write_form",
]
