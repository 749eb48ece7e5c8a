# cython: language_level=3, binding=True
"""Compiled twin of `fastpath.identifier`. The specification is `_identifier_py`.

Law. Same results, same errors. The 128 bits are two words; characters are read from tables, and
texts are written where they will stay.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.unicode cimport (
    PyUnicode_1BYTE_DATA,
    PyUnicode_AsUTF8AndSize,
    PyUnicode_GET_LENGTH,
    PyUnicode_New,
)
from libc.string cimport memcmp, memcpy

from fastpath import _identifier_terms
from fastpath._arguments import wrong_type
from fastpath._identifier_terms import NOT_128_BITS, NOT_BASE32, NOT_OCTETS

cdef enum:
    CHARS = 26
    OCTETS = 16
    DIGITS = 32

if _identifier_terms.TEXT_CHARS != CHARS or _identifier_terms.OCTETS != OCTETS:
    raise ImportError("fastpath._identifier_c was compiled for other sizes; build it again")

ctypedef unsigned long long Word

cdef struct Number:
    Word high
    Word low

cdef const char* ALPHABET = b"0123456789abcdefghjkmnpqrstvwxyz"
cdef const char* HEX = b"0123456789abcdef"
cdef signed char[256] VALUES


cdef void _fill_table():
    cdef int character
    for character in range(256):
        VALUES[character] = -1
    for index in range(32):
        VALUES[<int> ALPHABET[index]] = index


_fill_table()


cdef str _hex(Number number):
    cdef str digits = PyUnicode_New(DIGITS, 127)
    cdef char* out = <char*> PyUnicode_1BYTE_DATA(digits)
    cdef int index
    for index in range(16):
        out[index] = HEX[number.high >> (60 - 4 * index) & 15]
        out[16 + index] = HEX[number.low >> (60 - 4 * index) & 15]
    return digits


cdef str _text(str prefix, Number number):
    cdef Py_ssize_t before = PyUnicode_GET_LENGTH(prefix)
    cdef str text
    cdef char* out
    cdef int index
    if not prefix.isascii():
        return prefix + _text("", number)
    text = PyUnicode_New(before + 1 + CHARS, 127)
    out = <char*> PyUnicode_1BYTE_DATA(text)
    memcpy(out, PyUnicode_1BYTE_DATA(prefix), before)
    out += before
    out[0] = c"_"
    # 26 characters of five bits are 130: the first has three bits, the fourteenth spans the words.
    out[1] = ALPHABET[number.high >> 61]
    for index in range(1, 13):
        out[1 + index] = ALPHABET[number.high >> (61 - 5 * index) & 31]
    out[14] = ALPHABET[(number.high << 4 | number.low >> 60) & 31]
    for index in range(14, CHARS):
        out[1 + index] = ALPHABET[number.low >> (125 - 5 * index) & 31]
    return text


cdef bint _read(const char* at, Number* number) noexcept:
    """Read 26 characters; False where one is not of the alphabet. The first may be too great."""
    cdef Word high = 0
    cdef Word low = 0
    cdef int index, value
    cdef int all_values = 0
    for index in range(CHARS):
        value = VALUES[<unsigned char> at[index]]
        all_values |= value
        high = high << 5 | low >> 59
        low = low << 5 | <Word> (value & 31)
    number.high = high
    number.low = low
    return all_values >= 0


cdef Number _number(object text) except *:
    cdef Number number
    cdef Py_ssize_t length
    cdef const char* at
    if type(text) is not str:
        raise wrong_type("text", "str", text)
    length = PyUnicode_GET_LENGTH(text)
    if length < CHARS:
        raise ValueError(NOT_BASE32)
    if not (<str> text).isascii():
        # What stands before the characters may be anything.
        text = (<str> text)[length - CHARS:]
        length = CHARS
        if not (<str> text).isascii():
            raise ValueError(NOT_BASE32)
    at = <const char*> PyUnicode_1BYTE_DATA(text) + (length - CHARS)
    if not _read(at, &number):
        raise ValueError(NOT_BASE32)
    if at[0] > c"7":
        raise OverflowError(NOT_128_BITS)
    return number


cdef Word _bits(str name, object value, int bits) except? 0xFFFFFFFFFFFFFFFF:
    cdef Word word = 0
    if type(value) is not int:
        raise wrong_type(name, "int", value)
    try:
        word = value
    except OverflowError:
        raise OverflowError(f"{name} does not fit {bits} bits") from None
    if word >> bits:
        raise OverflowError(f"{name} does not fit {bits} bits")
    return word


def make_identifier(prefix, at_ms, bucket, random62):
    """See `fastpath._identifier_py.make_identifier`."""
    cdef Number number
    if type(prefix) is not str:
        raise wrong_type("prefix", "str", prefix)
    number.high = _bits("at_ms", at_ms, 48) << 16 | 0x7000
    number.high |= _bits("bucket", bucket, 12)
    number.low = 0x8000000000000000 | _bits("random62", random62, 62)
    return _text(prefix, number), _hex(number)


def digits_of(prefix, text):
    """See `fastpath._identifier_py.digits_of`."""
    cdef Number number
    cdef Py_ssize_t before
    cdef const char* at
    if type(prefix) is not str:
        raise wrong_type("prefix", "str", prefix)
    if type(text) is not str:
        raise wrong_type("text", "str", text)
    before = PyUnicode_GET_LENGTH(prefix)
    if PyUnicode_GET_LENGTH(text) != before + 1 + CHARS:
        return None
    if not (<str> text).isascii():
        # Only a prefix like it can make that well-formed; what follows must be ASCII.
        if before and (<str> text).startswith(prefix):
            return digits_of("", (<str> text)[before:])
        return None
    if not (<str> prefix).isascii():
        return None
    at = <const char*> PyUnicode_1BYTE_DATA(text)
    if memcmp(at, PyUnicode_1BYTE_DATA(prefix), before) != 0 or at[before] != c"_":
        return None
    at += before + 1
    if at[0] > c"7" or not _read(at, &number):
        return None
    if number.high >> 12 & 0xF != 0x7 or number.low >> 62 != 0b10:
        return None
    return _hex(number)


def read_digits(text):
    """See `fastpath._identifier_py.read_digits`."""
    return _hex(_number(text))


def read_numbers(text):
    """See `fastpath._identifier_py.read_numbers`."""
    cdef Number number = _number(text)
    return number.high >> 16, number.high & 0xFFF, number.low & 0x3FFFFFFFFFFFFFFF


def write_identifier(prefix, octets):
    """See `fastpath._identifier_py.write_identifier`."""
    cdef Number number
    cdef const unsigned char* at
    cdef int index
    if type(prefix) is not str:
        raise wrong_type("prefix", "str", prefix)
    if type(octets) is not bytes:
        raise wrong_type("octets", "bytes", octets)
    if PyBytes_GET_SIZE(octets) != OCTETS:
        raise ValueError(NOT_OCTETS)
    at = <const unsigned char*> PyBytes_AS_STRING(octets)
    number.high = number.low = 0
    for index in range(8):
        number.high = number.high << 8 | at[index]
        number.low = number.low << 8 | at[8 + index]
    return _text(prefix, number)
