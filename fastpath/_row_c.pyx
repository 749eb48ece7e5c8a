# cython: language_level=3, binding=True
"""Compiled twin of `fastpath.row`. The specification is `_row_py`.

Law. Same results, same errors. A text is written as UTF-8 into one buffer, which begins on the
stack; a value of a record goes from its column to its constructor without a dict. Texts are
looked at eight bytes at a time, and one by one where one of those is a control character.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.datetime cimport (
    datetime_day, datetime_hour, datetime_microsecond, datetime_minute, datetime_month,
    datetime_second, datetime_tzinfo, datetime_year, get_utc, import_datetime,
)
from cpython.list cimport PyList_CheckExact
from cpython.mem cimport PyMem_Free, PyMem_Malloc, PyMem_Realloc
from cpython.object cimport PyObject, PyObject_Size, PyObject_TypeCheck, PyTypeObject
from cpython.ref cimport Py_DECREF, Py_INCREF
from cpython.sequence cimport PySequence_Check, PySequence_GetItem
from cpython.tuple cimport PyTuple_CheckExact, PyTuple_GET_ITEM, PyTuple_GET_SIZE
from cpython.unicode cimport PyUnicode_AsUTF8AndSize, PyUnicode_DecodeASCII, PyUnicode_DecodeUTF8
from libc.string cimport memcpy

from datetime import UTC, datetime
from uuid import UUID

import msgspec

from fastpath import _row_terms
from fastpath._arguments import wrong_type
from fastpath._row_terms import (
    COLUMNS_MAX,
    ID_REFUSED,
    KINDS,
    LONE_TEXT_REFUSED,
    NAIVE_REFUSED,
    NUL_ESCAPE,
    NUL_REPLACED,
    ODD,
    REPLACEMENT,
)

cdef extern from "Python.h":
    object PyObject_Vectorcall(object, PyObject**, size_t, PyObject*)
    object PyUnicode_New(Py_ssize_t size, Py_UCS4 character_max)
    bint PyUnicode_IS_COMPACT_ASCII(object)
    void* PyUnicode_DATA(object)
    Py_ssize_t PyUnicode_GET_LENGTH(object)
    long long PyLong_AsLongLongAndOverflow(object, int*) except? -1

cdef extern from "string.h" nogil:
    void* memmem(const void*, size_t, const void*, size_t)

cdef enum:
    COLUMNS = 128
    ROOM_BYTES = 4096
    ID_SIZE = 26
    HEX_SIZE = 32
    NUMBER_SIZE = 20
    MOMENT_SIZE = 29

    TEXT = 0x74
    NUMBER = 0x6E
    FLAG = 0x66
    IDENTIFIER = 0x69
    MOMENT = 0x6D
    BINARY = 0x62
    JSON = 0x6A
    TEXTS = 0x73

    UNIT = 0x1F
    NULL_MARK = 0x1E
    GROUP = 0x1D

if (
    KINDS,
    _row_terms.UNIT,
    _row_terms.NULL,
    _row_terms.GROUP,
    COLUMNS_MAX,
) != (
    bytes((TEXT, NUMBER, FLAG, IDENTIFIER, MOMENT, BINARY, JSON, TEXTS)),
    chr(UNIT),
    chr(NULL_MARK),
    chr(GROUP),
    COLUMNS,
):
    raise ImportError("fastpath._row_c was compiled for other terms; build it again")

ctypedef unsigned long long Word

cdef struct Out:
    char* start
    char* at
    char* end
    bint is_on_heap

import_datetime()

cdef const char* ALPHABET = b"0123456789abcdefghjkmnpqrstvwxyz"
cdef const char* HEX = b"0123456789abcdef"
cdef const char* NUL_TEXT = b"\\u0000"
cdef signed char[256] VALUES
cdef bint[256] IS_KIND
cdef char[512] HEX_PAIRS
cdef char[200] DECIMAL_PAIRS

cdef object to_json = msgspec.json.Encoder().encode
cdef object from_json = msgspec.json.Decoder().decode
cdef object utc = get_utc()


cdef void _fill_tables():
    cdef int index
    for index in range(256):
        VALUES[index] = -1
        IS_KIND[index] = index in KINDS
        HEX_PAIRS[2 * index] = HEX[index >> 4]
        HEX_PAIRS[2 * index + 1] = HEX[index & 15]
    for index in range(32):
        VALUES[<unsigned char> ALPHABET[index]] = index
    for index in range(100):
        DECIMAL_PAIRS[2 * index] = c"0" + index // 10
        DECIMAL_PAIRS[2 * index + 1] = c"0" + index % 10


_fill_tables()


# --- the buffer -----------------------------------------------------------------------------------


cdef int _grow(Out* out, Py_ssize_t wanted) except -1:
    cdef Py_ssize_t used = out.at - out.start
    cdef Py_ssize_t size = 2 * (used + wanted)
    cdef char* start
    if out.is_on_heap:
        start = <char*> PyMem_Realloc(out.start, size)
    else:
        start = <char*> PyMem_Malloc(size)
    if start == NULL:
        raise MemoryError
    if not out.is_on_heap:
        memcpy(start, out.start, used)
    out.start = start
    out.at = start + used
    out.end = start + size
    out.is_on_heap = True
    return 0


cdef inline int _reserve(Out* out, Py_ssize_t wanted) except -1:
    if out.end - out.at < wanted:
        _grow(out, wanted)
    return 0


cdef inline int _put_mark(Out* out, char mark) except -1:
    _reserve(out, 1)
    out.at[0] = mark
    out.at += 1
    return 0


# --- texts ----------------------------------------------------------------------------------------


cdef inline bint _is_odd(unsigned char byte) noexcept:
    return byte == 0 or GROUP <= byte <= UNIT


cdef inline bint _has_odd(const char* at, Py_ssize_t size) noexcept:
    """Whether NUL or a separator is among them: eight bytes at a time, then one by one."""
    cdef Word word
    cdef int index
    cdef const char* end = at + size
    while end - at >= 8:
        memcpy(&word, at, 8)
        if (word - 0x2020202020202020ULL) & ~word & 0x8080808080808080ULL:
            for index in range(8):
                if _is_odd(<unsigned char> at[index]):
                    return True
        at += 8
    while at < end:
        if _is_odd(<unsigned char> at[0]):
            return True
        at += 1
    return False


cdef inline const char* _utf8(object text, Py_ssize_t* size) except NULL:
    if PyUnicode_IS_COMPACT_ASCII(text):
        size[0] = PyUnicode_GET_LENGTH(text)
        return <const char*> PyUnicode_DATA(text)
    return PyUnicode_AsUTF8AndSize(text, size)


cdef object _clean(object text):
    """A text without odd characters: mostly itself. What it gives has an UTF-8 form."""
    cdef Py_ssize_t size
    cdef const char* at
    try:
        at = _utf8(text, &size)
    except UnicodeEncodeError:
        return ODD.sub(REPLACEMENT, text)
    return ODD.sub(REPLACEMENT, text) if _has_odd(at, size) else text


cdef inline int _put_raw(Out* out, const char* at, Py_ssize_t size) except -1:
    _reserve(out, size)
    memcpy(out.at, at, size)
    out.at += size
    return 0


cdef int _put_text(Out* out, object value, Py_ssize_t column) except -1:
    cdef Py_ssize_t size
    cdef const char* at
    if type(value) is not str:
        raise wrong_type(f"column {column}", "str", value)
    value = _clean(value)
    at = _utf8(value, &size)
    return _put_raw(out, at, size)


cdef int _put_json(Out* out, object value) except -1:
    cdef bytes encoded = to_json(value)
    cdef const char* at = PyBytes_AS_STRING(encoded)
    cdef Py_ssize_t size = PyBytes_GET_SIZE(encoded)
    if _has_odd(at, size) or memmem(at, size, NUL_TEXT, 6) != NULL:
        text = NUL_ESCAPE.sub(NUL_REPLACED, encoded.decode())
        encoded = ODD.sub(REPLACEMENT, text).encode()
        at = PyBytes_AS_STRING(encoded)
        size = PyBytes_GET_SIZE(encoded)
    return _put_raw(out, at, size)


cdef int _put_element(Out* out, object value, Py_ssize_t column) except -1:
    cdef Py_ssize_t size, index
    cdef const char* at
    cdef char* to
    if type(value) is not str:
        raise wrong_type(f"an element of column {column}", "str", value)
    value = _clean(value)
    at = _utf8(value, &size)
    _reserve(out, 2 * size + 2)
    to = out.at
    to[0] = c'"'
    to += 1
    for index in range(size):
        if at[index] == c"\\" or at[index] == c'"':
            to[0] = c"\\"
            to += 1
        to[0] = at[index]
        to += 1
    to[0] = c'"'
    out.at = to + 1
    return 0


cdef int _put_texts(Out* out, object value, Py_ssize_t column) except -1:
    cdef bint is_first = True
    if not isinstance(value, (tuple, list)):
        raise wrong_type(f"column {column}", "a tuple or list", value)
    _put_mark(out, c"{")
    for element in value:
        if not is_first:
            _put_mark(out, c",")
        is_first = False
        _put_element(out, element, column)
    return _put_mark(out, c"}")


# --- numbers, ids, moments, bytes -----------------------------------------------------------------


cdef int _put_number(Out* out, object value, Py_ssize_t column) except -1:
    cdef int overflow
    cdef long long number
    cdef Word rest
    cdef char[NUMBER_SIZE] digits
    cdef int at = NUMBER_SIZE
    if type(value) is not int:
        raise wrong_type(f"column {column}", "int", value)
    number = PyLong_AsLongLongAndOverflow(value, &overflow)
    if overflow:
        text = str(value)
        return _put_raw(out, <const char*> PyUnicode_DATA(text), PyUnicode_GET_LENGTH(text))
    rest = <Word> number
    if number < 0:
        rest = 0 - rest
    while rest >= 100:
        at -= 2
        memcpy(&digits[at], &DECIMAL_PAIRS[2 * (rest % 100)], 2)
        rest //= 100
    if rest >= 10:
        at -= 2
        memcpy(&digits[at], &DECIMAL_PAIRS[2 * rest], 2)
    else:
        at -= 1
        digits[at] = c"0" + <char> rest
    if number < 0:
        _put_mark(out, c"-")
    return _put_raw(out, &digits[at], NUMBER_SIZE - at)


cdef int _put_flag(Out* out, object value, Py_ssize_t column) except -1:
    if value is True:
        return _put_mark(out, c"t")
    if value is False:
        return _put_mark(out, c"f")
    raise wrong_type(f"column {column}", "bool", value)


cdef inline void _hex(char* to, const unsigned char* at, Py_ssize_t size) noexcept:
    cdef Py_ssize_t index
    for index in range(size):
        memcpy(to + 2 * index, &HEX_PAIRS[2 * at[index]], 2)


cdef int _put_id(Out* out, object value, Py_ssize_t column) except -1:
    cdef Py_ssize_t size
    cdef const unsigned char* at
    cdef int index
    cdef int wrong = 0
    cdef Word high = 0
    cdef Word low = 0
    cdef int middle
    if type(value) is not str:
        raise wrong_type(f"column {column}", "str", value)
    # Of other texts the last characters are looked at alone: a prefix may be anything.
    text = value if PyUnicode_IS_COMPACT_ASCII(value) else value[-ID_SIZE - 1:]
    if not PyUnicode_IS_COMPACT_ASCII(text) or PyUnicode_GET_LENGTH(text) <= ID_SIZE:
        raise ValueError(f"column {column} {ID_REFUSED}")
    size = PyUnicode_GET_LENGTH(text)
    at = <const unsigned char*> PyUnicode_DATA(text) + size - ID_SIZE
    for index in range(ID_SIZE):
        wrong |= VALUES[at[index]]
    if wrong < 0 or at[0] > c"7" or at[-1] != c"_":
        raise ValueError(f"column {column} {ID_REFUSED}")
    # 26 characters of five bits: the fourteenth spans the two words.
    for index in range(13):
        high = high << 5 | <Word> VALUES[at[index]]
    for index in range(14, ID_SIZE):
        low = low << 5 | <Word> VALUES[at[index]]
    middle = VALUES[at[13]]
    high = high << 1 | <Word> (middle >> 4)
    low |= <Word> (middle & 15) << 60
    _reserve(out, HEX_SIZE)
    for index in range(8):
        memcpy(out.at + 2 * index, &HEX_PAIRS[2 * (high >> (56 - 8 * index) & 255)], 2)
        memcpy(out.at + 16 + 2 * index, &HEX_PAIRS[2 * (low >> (56 - 8 * index) & 255)], 2)
    out.at += HEX_SIZE
    return 0


cdef inline char* _pair(char* to, int number, char after) noexcept:
    memcpy(to, &DECIMAL_PAIRS[2 * number], 2)
    to[2] = after
    return to + 3


cdef int _put_moment(Out* out, object value, Py_ssize_t column) except -1:
    cdef char* to
    cdef int year, microsecond
    if type(value) is not datetime:
        raise wrong_type(f"column {column}", "datetime", value)
    if datetime_tzinfo(value) is not utc:
        if value.utcoffset() is None:
            raise ValueError(f"column {column} {NAIVE_REFUSED}")
        value = value.astimezone(UTC)
    _reserve(out, MOMENT_SIZE)
    year = datetime_year(value)
    microsecond = datetime_microsecond(value)
    to = out.at
    memcpy(to, &DECIMAL_PAIRS[2 * (year // 100)], 2)
    to = _pair(to + 2, year % 100, c"-")
    to = _pair(to, datetime_month(value), c"-")
    to = _pair(to, datetime_day(value), c" ")
    to = _pair(to, datetime_hour(value), c":")
    to = _pair(to, datetime_minute(value), c":")
    to = _pair(to, datetime_second(value), c".")
    memcpy(to, &DECIMAL_PAIRS[2 * (microsecond // 10000)], 2)
    memcpy(to + 2, &DECIMAL_PAIRS[2 * (microsecond // 100 % 100)], 2)
    memcpy(to + 4, &DECIMAL_PAIRS[2 * (microsecond % 100)], 2)
    memcpy(to + 6, b"+00", 3)
    out.at = to + 9
    return 0


cdef int _put_bytes(Out* out, object value, Py_ssize_t column) except -1:
    cdef Py_ssize_t size
    if type(value) is not bytes:
        raise wrong_type(f"column {column}", "bytes", value)
    size = PyBytes_GET_SIZE(value)
    _reserve(out, 2 * size + 2)
    out.at[0] = c"\\"
    out.at[1] = c"x"
    _hex(out.at + 2, <const unsigned char*> PyBytes_AS_STRING(value), size)
    out.at += 2 * size + 2
    return 0


# --- rows -----------------------------------------------------------------------------------------


cdef int _check_kinds(object kinds) except -1:
    if type(kinds) is not bytes:
        raise wrong_type("kinds", "bytes", kinds)
    if not 1 <= PyBytes_GET_SIZE(kinds) <= COLUMNS:
        raise ValueError(f"kinds must be 1 to {COLUMNS_MAX}")
    cdef const unsigned char* kind = <const unsigned char*> PyBytes_AS_STRING(kinds)
    cdef Py_ssize_t index
    for index in range(PyBytes_GET_SIZE(kinds)):
        if not IS_KIND[kind[index]]:
            raise ValueError(f"{kind[index]} is no kind of column")
    return 0


cdef int _put_row(Out* out, object row, bytes kinds) except -1:
    cdef const char* kind = PyBytes_AS_STRING(kinds)
    cdef Py_ssize_t count = PyBytes_GET_SIZE(kinds)
    cdef Py_ssize_t column
    cdef tuple values
    if PyTuple_CheckExact(row):
        values = row
    elif isinstance(row, (tuple, list)):
        # A list could be changed while its values are encoded.
        values = tuple(row)
    else:
        raise wrong_type("row", "a tuple or list", row)
    if PyTuple_GET_SIZE(values) != count:
        raise ValueError(f"a row must have {count} values, not {PyTuple_GET_SIZE(values)}")
    for column in range(count):
        if column:
            _put_mark(out, UNIT)
        value = <object> PyTuple_GET_ITEM(values, column)
        if value is None:
            _put_mark(out, NULL_MARK)
        elif kind[column] == TEXT:
            _put_text(out, value, column)
        elif kind[column] == NUMBER:
            _put_number(out, value, column)
        elif kind[column] == IDENTIFIER:
            _put_id(out, value, column)
        elif kind[column] == MOMENT:
            _put_moment(out, value, column)
        elif kind[column] == JSON:
            _put_json(out, value)
        elif kind[column] == FLAG:
            _put_flag(out, value, column)
        elif kind[column] == BINARY:
            _put_bytes(out, value, column)
        else:
            _put_texts(out, value, column)
    return 0


def row_lines(rows, kinds):
    """See `fastpath._row_py.row_lines`."""
    cdef char[ROOM_BYTES] room
    cdef Out out
    cdef bint is_first = True
    _check_kinds(kinds)
    if PyBytes_GET_SIZE(kinds) == 1 and PyBytes_AS_STRING(kinds)[0] == TEXT:
        raise ValueError(LONE_TEXT_REFUSED)
    if not isinstance(rows, (tuple, list)):
        raise wrong_type("rows", "a tuple or list", rows)
    out.start = out.at = room
    out.end = &room[0] + ROOM_BYTES
    out.is_on_heap = False
    try:
        for row in rows:
            if not is_first:
                _put_mark(&out, GROUP)
            is_first = False
            _put_row(&out, row, kinds)
        return PyUnicode_DecodeUTF8(out.start, out.at - out.start, NULL)
    finally:
        if out.is_on_heap:
            PyMem_Free(out.start)


# --- records --------------------------------------------------------------------------------------


cdef object _id_text(object field, object column, object prefix):
    cdef Word high = 0
    cdef Word low = 0
    cdef const unsigned char* at
    cdef char[ID_SIZE + 1] characters
    cdef char* to
    cdef Py_ssize_t size
    cdef int index
    if type(prefix) is not str:
        raise wrong_type(f"prefix of {field}", "str", prefix)
    if not PyObject_TypeCheck(column, <PyTypeObject*> UUID):
        raise wrong_type(field, "UUID", column)
    data = column.bytes
    if type(data) is not bytes or PyBytes_GET_SIZE(data) != 16:
        raise wrong_type(field, "UUID", column)
    at = <const unsigned char*> PyBytes_AS_STRING(data)
    for index in range(8):
        high = high << 8 | at[index]
        low = low << 8 | at[8 + index]
    characters[0] = c"_"
    to = &characters[1]
    # 26 characters of five bits are 130: the first has three bits, the fourteenth spans the words.
    for index in range(13):
        to[index] = ALPHABET[high >> (61 - 5 * index) & 31]
    to[13] = ALPHABET[(high << 4 | low >> 60) & 31]
    for index in range(14, ID_SIZE):
        to[index] = ALPHABET[low >> (125 - 5 * index) & 31]
    if not PyUnicode_IS_COMPACT_ASCII(prefix):
        return prefix + PyUnicode_DecodeASCII(characters, ID_SIZE + 1, NULL)
    size = PyUnicode_GET_LENGTH(prefix)
    text = PyUnicode_New(size + ID_SIZE + 1, 127)
    to = <char*> PyUnicode_DATA(text)
    memcpy(to, PyUnicode_DATA(prefix), size)
    memcpy(to + size, characters, ID_SIZE + 1)
    return text


cdef inline object _read(object column, char kind, object field, object prefix):
    if kind == IDENTIFIER:
        return _id_text(field, column, prefix)
    if kind == JSON:
        if type(column) is not str:
            raise wrong_type(field, "str", column)
        return from_json(column)
    if kind == TEXTS:
        if not PyList_CheckExact(column):
            raise wrong_type(field, "list", column)
        return tuple(column)
    return column


def read_row(record, at, fields, kinds, prefixes, value):
    """See `fastpath._row_py.read_row`."""
    cdef (PyObject*)[COLUMNS] values
    cdef Py_ssize_t done = 0
    cdef Py_ssize_t index, count, start
    cdef int overflow
    cdef const char* kind
    cdef bint is_sequence = PySequence_Check(record)
    _check_kinds(kinds)
    if not PyTuple_CheckExact(fields):
        raise wrong_type("fields", "a tuple", fields)
    if not PyTuple_CheckExact(prefixes):
        raise wrong_type("prefixes", "a tuple", prefixes)
    if type(at) is not int:
        raise wrong_type("at", "int", at)
    count = PyTuple_GET_SIZE(fields)
    if not count == PyBytes_GET_SIZE(kinds) == PyTuple_GET_SIZE(prefixes):
        raise ValueError("fields, kinds and prefixes must be as many")
    start = PyLong_AsLongLongAndOverflow(at, &overflow)
    if overflow or not 0 <= start <= PyObject_Size(record) - count:
        raise ValueError(f"the record has no {count} columns from {at} on")
    kind = PyBytes_AS_STRING(kinds)
    try:
        while done < count:
            field = <object> PyTuple_GET_ITEM(fields, done)
            if type(field) is not str:
                raise wrong_type("field", "str", field)
            if is_sequence:
                column = PySequence_GetItem(record, start + done)
            else:
                column = record[start + done]
            if column is not None:
                column = _read(column, kind[done], field, <object> PyTuple_GET_ITEM(prefixes, done))
            Py_INCREF(column)
            values[done] = <PyObject*> column
            done += 1
        return PyObject_Vectorcall(value, values, 0, <PyObject*> fields)
    finally:
        for index in range(done):
            Py_DECREF(<object> values[index])
