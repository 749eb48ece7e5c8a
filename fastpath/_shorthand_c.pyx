# cython: language_level=3, binding=True
"""Compiled twin of `fastpath.shorthand`. The specification is `_shorthand_py`.

Law. Same results, same errors. A text is looked at where its commas are, and there by the letter
behind the quote; a stored one byte by byte. What has no UTF-8 form goes to the pure twin.
"""

from cpython.mem cimport PyMem_Free, PyMem_Malloc
from cpython.unicode cimport PyUnicode_AsUTF8AndSize, PyUnicode_DecodeASCII, PyUnicode_DecodeUTF8
from libc.string cimport memchr, memcmp, memcpy

from fastpath import _shorthand_py
from fastpath._arguments import wrong_type
from fastpath._shorthand_terms import BEGINNING, PHRASES

cdef extern from "Python.h":
    bint PyUnicode_IS_COMPACT_ASCII(object)
    object PyUnicode_New(Py_ssize_t size, Py_UCS4 character_max)
    void* PyUnicode_DATA(object)

cdef enum:
    SIGNS = 32
    ROOM_BYTES = 4096

ctypedef const char* Text

cdef struct Phrase:
    const char* at
    Py_ssize_t size
    unsigned char sign
    int next

# By sign, and by the letter behind the quote as a chain of places in `phrases`, ended by 0.
cdef Py_ssize_t[SIGNS] sizes
cdef Text[SIGNS] texts
cdef Phrase[SIGNS] phrases
cdef int[256] chains
cdef list kept_alive = []


cdef int _fill_tables() except -1:
    cdef int place = 0
    cdef int last
    cdef const char* at
    cdef bytes phrase
    for index in range(SIGNS):
        sizes[index] = 1
        texts[index] = NULL
    for index in range(256):
        chains[index] = 0
    for sign, text in PHRASES.items():
        phrase = text.encode("ascii")
        if not text.startswith(BEGINNING) or ord(sign) >= SIGNS or len(PHRASES) >= SIGNS:
            raise ImportError("fastpath._shorthand_c was compiled for other terms; build it again")
        kept_alive.append(phrase)
        at = phrase
        place += 1
        phrases[place].at = at
        phrases[place].size = len(phrase)
        phrases[place].sign = ord(sign)
        phrases[place].next = 0
        sizes[<int> ord(sign)] = len(phrase)
        texts[<int> ord(sign)] = at
        last = chains[<unsigned char> at[2]]
        if last == 0:
            chains[<unsigned char> at[2]] = place
        else:
            while phrases[last].next:
                last = phrases[last].next
            phrases[last].next = place
    return 0


_fill_tables()


cdef inline int _phrase_at(const char* at, Py_ssize_t left) noexcept:
    """The place of the phrase that begins here, or 0. There are three bytes at least."""
    cdef int place = chains[<unsigned char> at[2]]
    while place:
        if phrases[place].size <= left and memcmp(at, phrases[place].at, phrases[place].size) == 0:
            return place
        place = phrases[place].next
    return 0


cdef Py_ssize_t _shorten(const char* at, Py_ssize_t size, char* to) noexcept:
    """Write the short form, which is never longer; its length."""
    cdef const char* end = at + size
    cdef const char* comma
    cdef char* start = to
    cdef int place
    while end - at > 2:
        comma = <const char*> memchr(at, c",", end - at - 2)
        if comma == NULL:
            break
        memcpy(to, at, comma - at)
        to += comma - at
        at = comma
        place = _phrase_at(at, end - at) if at[1] == c'"' else 0
        if place:
            to[0] = phrases[place].sign
            at += phrases[place].size
        else:
            to[0] = c","
            at += 1
        to += 1
    memcpy(to, at, end - at)
    return to + (end - at) - start


def shorten(text):
    """See `fastpath._shorthand_py.shorten`."""
    cdef char[ROOM_BYTES] room
    cdef char* to = room
    cdef const char* at
    cdef Py_ssize_t size
    if type(text) is not str:
        raise wrong_type("text", "str", text)
    try:
        at = PyUnicode_AsUTF8AndSize(text, &size)
    except UnicodeEncodeError:
        return _shorthand_py.shorten(text)
    if size > ROOM_BYTES:
        to = <char*> PyMem_Malloc(size)
        if to == NULL:
            raise MemoryError
    try:
        size = _shorten(at, size, to)
        if PyUnicode_IS_COMPACT_ASCII(text):
            return PyUnicode_DecodeASCII(to, size, NULL)
        return PyUnicode_DecodeUTF8(to, size, NULL)
    finally:
        if to != room:
            PyMem_Free(to)


cdef void _lengthen(const char* at, Py_ssize_t size, char* to) noexcept:
    cdef Py_ssize_t index
    cdef unsigned char byte
    for index in range(size):
        byte = <unsigned char> at[index]
        if byte < SIGNS and texts[byte] != NULL:
            memcpy(to, texts[byte], sizes[byte])
            to += sizes[byte]
        else:
            to[0] = byte
            to += 1


def lengthen(stored):
    """See `fastpath._shorthand_py.lengthen`."""
    cdef const char* at
    cdef char* to
    cdef Py_ssize_t size, index
    cdef Py_ssize_t long_size = 0
    cdef unsigned char byte
    if type(stored) is not str:
        raise wrong_type("stored", "str", stored)
    try:
        at = PyUnicode_AsUTF8AndSize(stored, &size)
    except UnicodeEncodeError:
        return _shorthand_py.lengthen(stored)
    for index in range(size):
        byte = <unsigned char> at[index]
        long_size += sizes[byte] if byte < SIGNS else 1
    if long_size == size:
        return stored
    if PyUnicode_IS_COMPACT_ASCII(stored):
        text = PyUnicode_New(long_size, 127)
        _lengthen(at, size, <char*> PyUnicode_DATA(text))
        return text
    to = <char*> PyMem_Malloc(long_size)
    if to == NULL:
        raise MemoryError
    try:
        _lengthen(at, size, to)
        return PyUnicode_DecodeUTF8(to, long_size, NULL)
    finally:
        PyMem_Free(to)
