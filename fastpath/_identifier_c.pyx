# cython: language_level=3, binding=True
"""Compiled twin of `fastpath.identifier`. The specification is `_identifier_py`.

Law. Same results, same errors. The 128 bits are two words; characters are read from tables.
"""

from cpython.unicode cimport PyUnicode_AsUTF8AndSize, PyUnicode_DecodeASCII
from libc.string cimport memcmp

from fastpath._arguments import wrong_type

cdef const char* ALPHABET = b"0123456789abcdefghjkmnpqrstvwxyz"
cdef const char* HEX = b"0123456789abcdef"
cdef signed char[128] VALUES


cdef void _fill_table():
    cdef int character
    for character in range(128):
        VALUES[character] = -1
    for index in range(32):
        VALUES[<int> ALPHABET[index]] = index


_fill_table()


cdef str _hex(unsigned long long high, unsigned long long low):
    cdef char[32] digits
    cdef int index
    for index in range(16):
        digits[index] = HEX[high >> (60 - 4 * index) & 15]
        digits[16 + index] = HEX[low >> (60 - 4 * index) & 15]
    return PyUnicode_DecodeASCII(digits, 32, NULL)


cdef unsigned long long _bits(str name, object value, int bits) except? 0xFFFFFFFFFFFFFFFF:
    if type(value) is not int:
        raise wrong_type(name, "int", value)
    if value < 0 or value >> bits:
        raise OverflowError(f"{name} does not fit {bits} bits")
    return value


def make_identifier(prefix, at_ms, bucket, random62):
    """See `fastpath._identifier_py.make_identifier`."""
    cdef unsigned long long high, low
    cdef char[26] text
    cdef int index
    if type(prefix) is not str:
        raise wrong_type("prefix", "str", prefix)
    high = _bits("at_ms", at_ms, 48) << 16 | 0x7000
    high |= _bits("bucket", bucket, 12)
    low = 0x8000000000000000 | _bits("random62", random62, 62)
    # 26 characters of five bits are 130: the first has three bits, the thirteenth spans the words.
    text[0] = ALPHABET[high >> 61]
    for index in range(1, 13):
        text[index] = ALPHABET[high >> (61 - 5 * index) & 31]
    text[13] = ALPHABET[(high << 4 | low >> 60) & 31]
    for index in range(14, 26):
        text[index] = ALPHABET[low >> (55 - 5 * (index - 14)) & 31]
    return prefix + "_" + PyUnicode_DecodeASCII(text, 26, NULL), _hex(high, low)


def digits_of(prefix, text):
    """See `fastpath._identifier_py.digits_of`."""
    cdef unsigned long long high = 0
    cdef unsigned long long low = 0
    cdef Py_ssize_t prefix_bytes, text_bytes
    cdef const char* start
    cdef const char* at
    cdef int index, value
    if type(prefix) is not str:
        raise wrong_type("prefix", "str", prefix)
    if type(text) is not str:
        raise wrong_type("text", "str", text)
    # What is not ASCII is no id, and may be text that UTF-8 cannot say.
    if not (<str> text).isascii() or not (<str> prefix).isascii():
        return None
    start = PyUnicode_AsUTF8AndSize(prefix, &prefix_bytes)
    at = PyUnicode_AsUTF8AndSize(text, &text_bytes)
    if (
        text_bytes != prefix_bytes + 27
        or memcmp(at, start, prefix_bytes) != 0
        or at[prefix_bytes] != c"_"
    ):
        return None
    at += prefix_bytes + 1
    if not c"0" <= at[0] <= c"7":
        return None
    for index in range(26):
        value = VALUES[<unsigned char> at[index]]
        if value < 0:
            return None
        high = high << 5 | low >> 59
        low = low << 5 | <unsigned long long> value
    if high >> 12 & 0xF != 0x7 or low >> 62 != 0b10:
        return None
    return _hex(high, low)
