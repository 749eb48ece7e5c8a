# cython: language_level=3, binding=True
"""Compiled twin of `fastpath.identifier`. The specification is `_identifier_py`.

Law. Same results, same errors. The 128 bits are two words; characters are read from tables.
"""

from cpython.unicode cimport PyUnicode_DecodeASCII

from fastpath._arguments import wrong_type

cdef const char* ALPHABET = b"0123456789abcdefghjkmnpqrstvwxyz"
cdef const char* HEX = b"0123456789abcdef"


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
    cdef char[32] digits
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
    for index in range(16):
        digits[index] = HEX[high >> (60 - 4 * index) & 15]
        digits[16 + index] = HEX[low >> (60 - 4 * index) & 15]
    return (
        prefix + "_" + PyUnicode_DecodeASCII(text, 26, NULL),
        PyUnicode_DecodeASCII(digits, 32, NULL),
    )
