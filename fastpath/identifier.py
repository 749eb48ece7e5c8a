"""Identifiers: the text, the digits and the numbers of an id.

Law. This is a door: it holds no logic, only the names of the twin that `fastpath._select` chose.
"""

from fastpath._select import IMPLEMENTATION

if IMPLEMENTATION == "cython":
    from fastpath._identifier_c import (
        digits_of,
        make_identifier,
        read_digits,
        read_numbers,
        write_identifier,
    )
else:
    from fastpath._identifier_py import (
        digits_of,
        make_identifier,
        read_digits,
        read_numbers,
        write_identifier,
    )

__all__ = ["digits_of", "make_identifier", "read_digits", "read_numbers", "write_identifier"]
