# cython: language_level=3, binding=True, cdivision=True
"""Compiled twin of `fastpath.moment`. The specification is `_moment_py`.

Law. Same results, same errors. Every moment has a text of 24 characters, each at its place.
"""

from cpython.datetime cimport (
    PyDateTime_Check,
    datetime_day,
    datetime_hour,
    datetime_microsecond,
    datetime_minute,
    datetime_month,
    datetime_second,
    datetime_year,
    import_datetime,
)
from cpython.unicode cimport PyUnicode_1BYTE_DATA, PyUnicode_New
from libc.string cimport memcpy

from fastpath._arguments import wrong_type

import_datetime()

cdef enum:
    CHARS = 24


cdef inline void _put(char* out, int number, int digits) noexcept:
    cdef int place
    for place in range(digits - 1, -1, -1):
        out[place] = <char> (c"0" + number % 10)
        number //= 10


def rfc3339(moment):
    """See `fastpath._moment_py.rfc3339`."""
    cdef str text
    cdef char* out
    if not PyDateTime_Check(moment):
        raise wrong_type("moment", "datetime", moment)
    text = PyUnicode_New(CHARS, 127)
    out = <char*> PyUnicode_1BYTE_DATA(text)
    memcpy(out, b"0000-00-00T00:00:00.000Z", CHARS)
    _put(out, datetime_year(moment), 4)
    _put(out + 5, datetime_month(moment), 2)
    _put(out + 8, datetime_day(moment), 2)
    _put(out + 11, datetime_hour(moment), 2)
    _put(out + 14, datetime_minute(moment), 2)
    _put(out + 17, datetime_second(moment), 2)
    _put(out + 20, datetime_microsecond(moment) // 1000, 3)
    return text
