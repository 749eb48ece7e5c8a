# cython: language_level=3, binding=True
"""Compiled twin of `fastpath.form`. The specification is `_form_py`.

Law. Same results, same errors, same order of checks. Memory is read only between the start and the
end of objects that the caller holds, and written only into objects whose size was counted before;
no Python code runs while a pointer into one is kept.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from libc.stdlib cimport qsort
from libc.string cimport memcmp, memcpy

from fastpath._arguments import wrong_type

cdef extern from "Python.h":
    const char* PyUnicode_AsUTF8AndSize(object text, Py_ssize_t* size) except NULL
    object PyUnicode_New(Py_ssize_t size, Py_UCS4 highest)
    unsigned char* PyUnicode_1BYTE_DATA(object text)

cdef enum:
    ESCAPE_BYTES = 3

ctypedef const unsigned char* Bytes

cdef struct Pair:
    Bytes name
    Py_ssize_t name_size
    Bytes value
    Py_ssize_t value_size

# What a byte becomes in a form: itself (1) or an escape (3).
cdef unsigned char[256] WIDTHS
cdef unsigned char* HEX = b"0123456789ABCDEF"


cdef void _fill_tables():
    cdef int character
    for character in range(256):
        WIDTHS[character] = ESCAPE_BYTES
    for character in b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-._~":
        WIDTHS[character] = 1


_fill_tables()


cdef Bytes _utf8(str role, object text, Py_ssize_t* size) except NULL:
    if type(text) is bytes:
        size[0] = PyBytes_GET_SIZE(text)
        return <Bytes> PyBytes_AS_STRING(text)
    if type(text) is not str:
        raise wrong_type(role, "str or bytes", text)
    return <Bytes> PyUnicode_AsUTF8AndSize(text, size)


cdef bint _is_left_out(Pair* pair, tuple left_out) noexcept:
    for name in left_out:
        if pair.name_size == PyBytes_GET_SIZE(name) and (
            memcmp(pair.name, PyBytes_AS_STRING(name), pair.name_size) == 0
        ):
            return True
    return False


cdef int _order(Bytes one, Py_ssize_t one_size, Bytes other, Py_ssize_t other_size) noexcept nogil:
    cdef int order = memcmp(one, other, one_size if one_size < other_size else other_size)
    if order != 0:
        return order
    return (one_size > other_size) - (one_size < other_size)


cdef int _order_of_pairs(const void* one, const void* other) noexcept nogil:
    cdef const Pair* left = <const Pair*> one
    cdef const Pair* right = <const Pair*> other
    cdef int order = _order(left.name, left.name_size, right.name, right.name_size)
    if order != 0:
        return order
    return _order(left.value, left.value_size, right.value, right.value_size)


cdef bytes _joined(Pair* pairs, Py_ssize_t count):
    cdef Py_ssize_t size = count - 1 if count > 0 else 0
    cdef Py_ssize_t index
    cdef char* out
    cdef bytes joined
    for index in range(count):
        size += pairs[index].name_size + 1 + pairs[index].value_size
    joined = PyBytes_FromStringAndSize(NULL, size)
    out = PyBytes_AS_STRING(joined)
    for index in range(count):
        if index > 0:
            out[0] = c"&"
            out += 1
        memcpy(out, pairs[index].name, pairs[index].name_size)
        out += pairs[index].name_size
        out[0] = c"="
        memcpy(out + 1, pairs[index].value, pairs[index].value_size)
        out += 1 + pairs[index].value_size
    return joined


def join_sorted(fields, left_out, keep_empty):
    """See `fastpath._form_py.join_sorted`."""
    cdef Pair* pairs
    cdef Pair* pair
    cdef Py_ssize_t count = 0
    if type(fields) is not dict:
        raise wrong_type("fields", "dict", fields)
    if type(left_out) is not tuple:
        raise wrong_type("left_out", "tuple", left_out)
    for each in <tuple> left_out:
        if type(each) is not bytes:
            raise wrong_type("left_out", "bytes", each)
    if type(keep_empty) is not bool:
        raise wrong_type("keep_empty", "bool", keep_empty)
    pairs = <Pair*> PyMem_Malloc((len(<dict> fields) + 1) * sizeof(Pair))
    if pairs == NULL:
        raise MemoryError
    try:
        for name, value in (<dict> fields).items():
            pair = pairs + count
            pair.name = _utf8("name", name, &pair.name_size)
            pair.value = _utf8("value", value, &pair.value_size)
            if (keep_empty or pair.value_size > 0) and not _is_left_out(pair, left_out):
                count += 1
        qsort(pairs, count, sizeof(Pair), _order_of_pairs)
        return _joined(pairs, count)
    finally:
        PyMem_Free(pairs)


cdef Py_ssize_t _width(str text) except -1:
    """How many characters a text has in a form."""
    cdef Py_ssize_t size = 0
    cdef Py_ssize_t width = 0
    cdef Bytes at = <Bytes> PyUnicode_AsUTF8AndSize(text, &size)
    cdef Bytes end = at + size
    while at < end:
        width += WIDTHS[at[0]]
        at += 1
    return width


cdef unsigned char* _written(unsigned char* out, str text) except NULL:
    """Write a text's form; returns where the next one begins."""
    cdef Py_ssize_t size = 0
    cdef Bytes at = <Bytes> PyUnicode_AsUTF8AndSize(text, &size)
    cdef Bytes end = at + size
    while at < end:
        if WIDTHS[at[0]] == 1:
            out[0] = at[0]
            out += 1
        else:
            out[0] = c"%"
            out[1] = HEX[at[0] >> 4]
            out[2] = HEX[at[0] & 15]
            out += ESCAPE_BYTES
        at += 1
    return out


def write_form(fields):
    """See `fastpath._form_py.write_form`."""
    cdef Py_ssize_t width = 0
    cdef unsigned char* out
    if type(fields) is not dict:
        raise wrong_type("fields", "dict", fields)
    for name, value in (<dict> fields).items():
        if type(name) is not str:
            raise wrong_type("name", "str", name)
        if type(value) is not str:
            raise wrong_type("value", "str", value)
    for name, value in (<dict> fields).items():
        width += _width(<str> name) + 1 + _width(<str> value) + 1
    if width == 0:
        return ""
    written = PyUnicode_New(width - 1, 127)
    out = PyUnicode_1BYTE_DATA(written)
    for name, value in (<dict> fields).items():
        if out != PyUnicode_1BYTE_DATA(written):
            out[0] = c"&"
            out += 1
        out = _written(out, <str> name)
        out[0] = c"="
        out = _written(out + 1, <str> value)
    return written
