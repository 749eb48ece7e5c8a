# cython: language_level=3, binding=True, cdivision=True
"""Compiled twin of `fastpath.moment`. The specification is `_moment_py`.

Law. Same results, same errors. Every moment has a text of 24 characters, each at its place; a time
on the wall has 19, and up to seven more.
"""

from cpython.datetime cimport (
    PyDateTime_Check,
    datetime_day,
    datetime_hour,
    datetime_microsecond,
    datetime_minute,
    datetime_month,
    datetime_new,
    datetime_second,
    datetime_year,
    import_datetime,
)
from cpython.unicode cimport PyUnicode_1BYTE_DATA, PyUnicode_New
from libc.string cimport memcpy

from datetime import UTC

from fastpath._arguments import wrong_type
from fastpath._moment_terms import HOURS_EAST_MAX, HOURS_EAST_REFUSED

import_datetime()

cdef extern from "Python.h":
    bint PyUnicode_IS_ASCII(object text)
    Py_ssize_t PyUnicode_GET_LENGTH(object text)

cdef enum:
    CHARS = 24
    WALL_CHARS = 19
    DECIMALS_MAX = 6
    NONE = -1

cdef object ZONE = UTC


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


cdef inline int _number(const unsigned char* at, int digits) noexcept:
    """The number that so many digits write, or NONE."""
    cdef int number = 0
    cdef int place
    for place in range(digits):
        if not c"0" <= at[place] <= c"9":
            return NONE
        number = 10 * number + at[place] - c"0"
    return number


cdef inline int _days(int year, int month) noexcept:
    """How many days a month has."""
    if month == 2:
        return 29 if year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) else 28
    return 30 if month == 4 or month == 6 or month == 9 or month == 11 else 31


cdef inline int _microseconds(const unsigned char* at, Py_ssize_t size) noexcept:
    """What the point and the decimals behind a second say, or NONE."""
    cdef int number
    cdef Py_ssize_t place
    if size == 0:
        return 0
    if size == 1 or size > 1 + DECIMALS_MAX or at[0] != c".":
        return NONE
    number = _number(at + 1, <int> size - 1)
    if number == NONE:
        return NONE
    for place in range(DECIMALS_MAX + 1 - size):
        number *= 10
    return number


def read_wall(text, hours_east):
    """See `fastpath._moment_py.read_wall`."""
    cdef const unsigned char* at
    cdef Py_ssize_t size
    cdef int year, month, day, hour, minute, second, micro
    if type(text) is not str:
        raise wrong_type("text", "str", text)
    if type(hours_east) is not int:
        raise wrong_type("hours_east", "int", hours_east)
    if not 0 <= hours_east <= HOURS_EAST_MAX:
        raise ValueError(HOURS_EAST_REFUSED)
    size = PyUnicode_GET_LENGTH(text)
    if size < WALL_CHARS or not PyUnicode_IS_ASCII(text):
        return None
    at = <const unsigned char*> PyUnicode_1BYTE_DATA(text)
    if at[4] != c"-" or at[7] != c"-" or at[10] != c" " or at[13] != c":" or at[16] != c":":
        return None
    year, month, day = _number(at, 4), _number(at + 5, 2), _number(at + 8, 2)
    hour, minute, second = _number(at + 11, 2), _number(at + 14, 2), _number(at + 17, 2)
    micro = _microseconds(at + WALL_CHARS, size - WALL_CHARS)
    if year < 1 or not 1 <= month <= 12 or not 1 <= day <= _days(year, month):
        return None
    if not 0 <= hour <= 23 or not 0 <= minute <= 59 or not 0 <= second <= 59 or micro == NONE:
        return None
    hour -= <int> hours_east
    if hour < 0:
        hour += 24
        day -= 1
        if day == 0:
            month -= 1
            if month == 0:
                month = 12
                year -= 1
            if year == 0:
                return None
            day = _days(year, month)
    return datetime_new(year, month, day, hour, minute, second, micro, ZONE)
