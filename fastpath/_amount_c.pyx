# cython: language_level=3, binding=True
"""Compiled twin of `fastpath.amount`. The specification is `_amount_py`.

Law. Same results, same errors, same order of checks as the pure twin; no float. Digits are
counted in 64 bits: no value ever passes 10 * AMOUNT_MINOR_MAX + 9 < 2**63.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.long cimport PyLong_AsLongLongAndOverflow
from cpython.unicode cimport PyUnicode_DecodeASCII

from fastpath import _amount_terms
from fastpath._amount_terms import EXPONENT_REFUSED, AmountInvalid
from fastpath._arguments import wrong_type

cdef enum:
    TEXT_CHARS = 32
    EXPONENT_LAST = 4
    # 12 digits of the largest amount, or 0 and 4 decimals; and the point.
    FORMATTED_CHARS = 16

cdef long long MINOR_MAX = _amount_terms.AMOUNT_MINOR_MAX

if _amount_terms.TEXT_CHARS_MAX != TEXT_CHARS or _amount_terms.EXPONENT_MAX != EXPONENT_LAST:
    raise ImportError("fastpath._amount_c was compiled for other limits; build it again")
if MINOR_MAX > 999_999_999_999:
    raise ImportError("fastpath._amount_c holds 12 digits; the limit of amounts has grown")


cdef long long _checked(object value, long long least) except -1:
    """`value` as least (0 or 1) to MINOR_MAX, or AmountInvalid."""
    cdef int overflow = 0
    cdef long long minor
    if type(value) is not int:
        raise AmountInvalid("not_an_integer")
    minor = PyLong_AsLongLongAndOverflow(value, &overflow)
    if overflow < 0 or (overflow == 0 and minor < least):
        raise AmountInvalid("too_small")
    if overflow > 0 or minor > MINOR_MAX:
        raise AmountInvalid("too_large")
    return minor


cdef int _checked_exponent(object exponent) except -1:
    cdef int overflow = 0
    cdef long long number
    if type(exponent) is not int:
        raise wrong_type("exponent", "int", exponent)
    number = PyLong_AsLongLongAndOverflow(exponent, &overflow)
    if overflow != 0 or number < 0 or number > EXPONENT_LAST:
        raise ValueError(EXPONENT_REFUSED)
    return <int> number


cdef inline long long _append(long long minor, int digit) noexcept:
    """One more digit; once beyond MINOR_MAX it stays there, so it cannot overflow."""
    return minor if minor > MINOR_MAX else minor * 10 + digit


cdef long long _parse(const unsigned char* at, Py_ssize_t length, int exponent) except -1:
    cdef const unsigned char* end = at + length
    cdef long long minor = 0
    cdef Py_ssize_t decimals = 0
    if at == end or not (c"0" <= at[0] <= c"9"):
        raise AmountInvalid("malformed")
    if at[0] == c"0":
        at += 1
    else:
        while at < end and c"0" <= at[0] <= c"9":
            minor = _append(minor, at[0] - c"0")
            at += 1
    if at < end:
        if at[0] != c"." or end - at < 2:
            raise AmountInvalid("malformed")
        at += 1
        decimals = end - at
        while at < end:
            if not (c"0" <= at[0] <= c"9"):
                raise AmountInvalid("malformed")
            minor = _append(minor, at[0] - c"0")
            at += 1
    if decimals > exponent:
        raise AmountInvalid("too_precise")
    while decimals < exponent:
        minor = _append(minor, 0)
        decimals += 1
    if minor > MINOR_MAX:
        raise AmountInvalid("too_large")
    return minor


def check_minor(value):
    """See `fastpath._amount_py.check_minor`."""
    _checked(value, 1)
    return value


def parse_decimal(text, exponent):
    """See `fastpath._amount_py.parse_decimal`."""
    cdef unsigned char[TEXT_CHARS] characters
    cdef Py_ssize_t length = 0
    cdef Py_UCS4 character
    cdef int places
    if type(text) is bytes:
        places = _checked_exponent(exponent)
        length = PyBytes_GET_SIZE(text)
        if length > TEXT_CHARS:
            raise AmountInvalid("malformed")
        return _parse(<const unsigned char*> PyBytes_AS_STRING(text), length, places)
    if type(text) is not str:
        raise wrong_type("text", "str or bytes", text)
    places = _checked_exponent(exponent)
    if len(<str> text) > TEXT_CHARS:
        raise AmountInvalid("malformed")
    # At most TEXT_CHARS rounds, so `length` stays inside the array.
    for character in <str> text:
        if character > 127:
            raise AmountInvalid("malformed")
        characters[length] = <unsigned char> character
        length += 1
    return _parse(characters, length, places)


def format_decimal(minor, exponent):
    """See `fastpath._amount_py.format_decimal`."""
    cdef long long rest = _checked(minor, 0)
    cdef int places = _checked_exponent(exponent)
    cdef char[FORMATTED_CHARS] characters
    cdef int at = FORMATTED_CHARS
    cdef int written = 0
    # Written from the right: at most 12 digits (or places + 1 <= 5) and one point.
    while rest > 0 or written <= places:
        if written == places and places > 0:
            at -= 1
            characters[at] = c"."
        at -= 1
        characters[at] = <char> (c"0" + rest % 10)
        rest //= 10
        written += 1
    return PyUnicode_DecodeASCII(characters + at, FORMATTED_CHARS - at, NULL)
