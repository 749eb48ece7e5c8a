# cython: language_level=3, binding=True
"""Compiled twin of `fastpath.signed_form`. The specification is `_signed_form_py`.

Law. Same results, same errors, same order of checks. The body is gone through once: what is decoded
lies in one piece of memory that the form owns, never longer than the body, and a pair is two places
in it. Pairs stand in the order of the body; `sorted` names them in the order of their names, kept
while they come, so that a repeated name is met where it repeats.

Names are compared by their first eight bytes as one number before they are compared as bytes.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.mem cimport PyMem_Free, PyMem_Malloc, PyMem_Realloc
from cpython.unicode cimport PyUnicode_DecodeASCII, PyUnicode_DecodeUTF8
from libc.stdint cimport uint64_t
from libc.string cimport memcmp, memcpy, memmove

from fastpath._arguments import wrong_type
from fastpath._signed_form_terms import CHARSET_REFUSED, CHARSETS, PAIRS_MAX_REFUSED, FormMalformed

cdef extern from "Python.h":
    bint PyUnicode_IS_ASCII(object text)
    Py_ssize_t PyUnicode_GET_LENGTH(object text)
    unsigned char* PyUnicode_1BYTE_DATA(object text)

cdef enum:
    NO_DIGIT = 255
    ROOM_AT_FIRST = 32
    PREFIX_BYTES = 8
    BEYOND_ASCII = 128

ctypedef const unsigned char* Bytes

cdef struct Pair:
    uint64_t prefix
    Bytes name
    Py_ssize_t name_size
    Bytes value
    Py_ssize_t value_size
    bint is_kept  # in the text that is being made

cdef struct Reading:
    Bytes at
    Bytes end
    unsigned char* out

cdef unsigned char[256] DIGITS
# Whether a byte stands for itself, in a name and in a value.
cdef unsigned char[256] PLAIN_IN_NAMES
cdef unsigned char[256] PLAIN_IN_VALUES

cdef str UTF_8 = "utf-8"


cdef void _fill_tables():
    cdef int character
    for character in range(256):
        DIGITS[character] = NO_DIGIT
        PLAIN_IN_NAMES[character] = character not in b"%+&="
        PLAIN_IN_VALUES[character] = character not in b"%+&"
    for character in b"0123456789":
        DIGITS[character] = character - c"0"
    for character in b"abcdef":
        DIGITS[character] = character - c"a" + 10
        DIGITS[character - 32] = character - c"a" + 10


_fill_tables()


cdef bint _decode(Reading* reading, const unsigned char* plain) noexcept:
    """Decode up to what ends a name or value; False at a `%` that is no escape."""
    cdef Bytes at = reading.at
    cdef Bytes end = reading.end
    cdef unsigned char* out = reading.out
    cdef unsigned char byte
    cdef bint is_whole = True
    while at < end:
        byte = at[0]
        if plain[byte]:
            at += 1
        elif byte == c"%":
            # What follows the last byte of a body is a zero, which is no digit.
            if DIGITS[at[1]] == NO_DIGIT or DIGITS[at[2]] == NO_DIGIT:
                is_whole = False
                break
            byte = DIGITS[at[1]] << 4 | DIGITS[at[2]]
            at += 3
        elif byte == c"+":
            byte = c" "
            at += 1
        else:
            break
        out[0] = byte
        out += 1
    reading.at = at
    reading.out = out
    return is_whole


cdef bint _is_ascii(Bytes at, Bytes end) noexcept:
    cdef unsigned char seen = 0
    while at < end:
        seen |= at[0]
        at += 1
    return seen < BEYOND_ASCII


cdef inline uint64_t _prefix(Bytes name, Py_ssize_t size) noexcept:
    cdef uint64_t prefix = 0
    cdef Py_ssize_t at
    for at in range(size if size < PREFIX_BYTES else PREFIX_BYTES):
        prefix |= <uint64_t> name[at] << (56 - 8 * at)
    return prefix


cdef inline int _order(Pair* one, Pair* other) noexcept:
    """How two names are ordered: below, at or above zero."""
    cdef Py_ssize_t size
    cdef int order
    if one.prefix != other.prefix:
        return -1 if one.prefix < other.prefix else 1
    size = one.name_size if one.name_size < other.name_size else other.name_size
    order = memcmp(one.name, other.name, size)
    if order != 0:
        return order
    return (one.name_size > other.name_size) - (one.name_size < other.name_size)


cdef class SignedForm:
    """See `fastpath._signed_form_py.SignedForm`."""

    cdef unsigned char* _decoded
    cdef Pair* _all
    cdef int* _sorted
    cdef int _count
    cdef int _room
    cdef bint _is_ascii
    cdef readonly bint has_empty

    def __cinit__(self, body, pairs_max):
        if type(body) is not bytes:
            raise wrong_type("body", "bytes", body)
        if type(pairs_max) is not int:
            raise wrong_type("pairs_max", "int", pairs_max)
        if pairs_max < 1:
            raise ValueError(PAIRS_MAX_REFUSED)
        reason = self._read(<bytes> body, pairs_max)
        if reason is not None:
            # Whether there are too many pairs is asked before what they are like.
            if (<bytes> body).count(b"&") >= pairs_max:
                reason = "too_many_pairs"
            raise FormMalformed(reason)

    def __dealloc__(self):
        PyMem_Free(self._decoded)
        PyMem_Free(self._all)
        PyMem_Free(self._sorted)

    def __reduce__(self):
        raise TypeError("a SignedForm is not pickled")

    cdef str _read(self, bytes body, object pairs_max):
        """Take in the pairs; what is wrong with the first that cannot be, or None."""
        cdef Reading reading
        cdef Pair* pair
        cdef unsigned char* begun
        cdef Py_ssize_t size = PyBytes_GET_SIZE(body)
        # No pair is shorter than `a=`, and none but the last goes without `&`.
        cdef Py_ssize_t most = min(pairs_max, size // 3 + 1)
        self._decoded = <unsigned char*> PyMem_Malloc(size + 1)
        if self._decoded == NULL:
            raise MemoryError
        reading.at = <Bytes> PyBytes_AS_STRING(body)
        reading.end = reading.at + size
        reading.out = self._decoded
        while True:
            if self._count == most:
                return "too_many_pairs"
            self._make_room()
            pair = self._all + self._count
            begun = reading.out
            if not _decode(&reading, PLAIN_IN_NAMES):
                return "no_escape"
            if reading.at == reading.end or reading.at[0] == c"&" or reading.out == begun:
                return "no_name"
            pair.name = begun
            pair.name_size = reading.out - begun
            pair.prefix = _prefix(begun, pair.name_size)
            if not self._place():
                return "repeated_name"
            reading.at += 1
            begun = reading.out
            if not _decode(&reading, PLAIN_IN_VALUES):
                return "no_escape"
            pair.value = begun
            pair.value_size = reading.out - begun
            self.has_empty |= pair.value_size == 0
            if reading.at == reading.end:
                self._is_ascii = _is_ascii(self._decoded, reading.out)
                return None
            reading.at += 1

    cdef int _make_room(self) except -1:
        cdef int room
        cdef Pair* pairs
        cdef int* places
        if self._count < self._room:
            return 0
        room = 2 * self._room if self._room > 0 else ROOM_AT_FIRST
        pairs = <Pair*> PyMem_Realloc(self._all, room * sizeof(Pair))
        if pairs == NULL:
            raise MemoryError
        self._all = pairs
        places = <int*> PyMem_Realloc(self._sorted, room * sizeof(int))
        if places == NULL:
            raise MemoryError
        self._sorted = places
        self._room = room
        return 0

    cdef int _rank(self, Pair* pair, bint* is_known) noexcept:
        """How many names stand before that of `pair`, and whether it is there itself."""
        cdef int low = 0
        cdef int high = self._count
        cdef int middle
        cdef int order
        is_known[0] = False
        while low < high:
            middle = (low + high) >> 1
            order = _order(self._all + self._sorted[middle], pair)
            if order == 0:
                is_known[0] = True
                return middle
            if order < 0:
                low = middle + 1
            else:
                high = middle
        return low

    cdef bint _place(self) noexcept:
        """Take in the next pair by its name; False if the name is there already."""
        cdef bint is_known
        cdef int rank = self._rank(self._all + self._count, &is_known)
        if is_known:
            return False
        memmove(
            self._sorted + rank + 1,
            self._sorted + rank,
            (self._count - rank) * sizeof(int),
        )
        self._sorted[rank] = self._count
        self._count += 1
        return True

    cdef Pair* _find(self, Bytes name, Py_ssize_t size) noexcept:
        """The pair of a name, or NULL."""
        cdef Pair wanted
        cdef bint is_known
        cdef int rank
        wanted.name = name
        wanted.name_size = size
        wanted.prefix = _prefix(name, size)
        rank = self._rank(&wanted, &is_known)
        return self._all + self._sorted[rank] if is_known else NULL

    cdef str _text(self, Pair* pair, str charset):
        """The value of a pair as text of `charset`, one of `CHARSETS`."""
        cdef const char* value = <const char*> pair.value
        if self._is_ascii:
            return PyUnicode_DecodeASCII(value, pair.value_size, NULL)
        try:
            if charset == UTF_8:
                return PyUnicode_DecodeUTF8(value, pair.value_size, NULL)
            return PyBytes_FromStringAndSize(value, pair.value_size).decode(charset)
        except UnicodeDecodeError:
            raise FormMalformed("not_of_charset") from None

    cdef str _name(self, Pair* pair):
        try:
            return PyUnicode_DecodeASCII(<const char*> pair.name, pair.name_size, NULL)
        except UnicodeDecodeError:
            raise FormMalformed("not_of_charset") from None

    def pairs(self):
        """See `fastpath._signed_form_py.SignedForm.pairs`."""
        cdef Pair* pair
        cdef int place
        cdef dict pairs = {}
        for place in range(self._count):
            pair = self._all + place
            name = PyBytes_FromStringAndSize(<const char*> pair.name, pair.name_size)
            pairs[name] = PyBytes_FromStringAndSize(<const char*> pair.value, pair.value_size)
        return pairs

    def get(self, name):
        """See `fastpath._signed_form_py.SignedForm.get`."""
        cdef Pair* pair
        if type(name) is not bytes:
            raise wrong_type("name", "bytes", name)
        pair = self._find(<Bytes> PyBytes_AS_STRING(name), PyBytes_GET_SIZE(name))
        if pair == NULL:
            return None
        return PyBytes_FromStringAndSize(<const char*> pair.value, pair.value_size)

    def canonical(self, left_out, keep_empty):
        """See `fastpath._signed_form_py.SignedForm.canonical`."""
        cdef Pair* pair
        cdef char* out
        cdef char* begun
        cdef int rank
        cdef bytes joined
        if type(left_out) is not tuple:
            raise wrong_type("left_out", "tuple", left_out)
        for each in <tuple> left_out:
            if type(each) is not bytes:
                raise wrong_type("left_out", "bytes", each)
        if type(keep_empty) is not bool:
            raise wrong_type("keep_empty", "bool", keep_empty)
        joined = PyBytes_FromStringAndSize(NULL, self._keep(left_out, keep_empty))
        begun = out = PyBytes_AS_STRING(joined)
        for rank in range(self._count):
            pair = self._all + self._sorted[rank]
            if not pair.is_kept:
                continue
            if out != begun:
                out[0] = c"&"
                out += 1
            memcpy(out, pair.name, pair.name_size)
            out += pair.name_size
            out[0] = c"="
            memcpy(out + 1, pair.value, pair.value_size)
            out += 1 + pair.value_size
        return joined

    cdef Py_ssize_t _keep(self, tuple left_out, bint keep_empty) noexcept:
        """Mark the pairs that are kept; how long they are, joined."""
        cdef Pair* pair
        cdef int place
        cdef Py_ssize_t size = 0
        for place in range(self._count):
            pair = self._all + place
            pair.is_kept = keep_empty or pair.value_size > 0
        for name in left_out:
            pair = self._find(<Bytes> PyBytes_AS_STRING(name), PyBytes_GET_SIZE(name))
            if pair != NULL:
                pair.is_kept = False
        for place in range(self._count):
            pair = self._all + place
            if pair.is_kept:
                size += pair.name_size + 1 + pair.value_size + 1
        return size - 1 if size > 0 else 0

    def texts(self, charset, keep_empty):
        """See `fastpath._signed_form_py.SignedForm.texts`."""
        cdef Pair* pair
        cdef int place
        cdef dict texts = {}
        _check_charset(charset)
        if type(keep_empty) is not bool:
            raise wrong_type("keep_empty", "bool", keep_empty)
        for place in range(self._count):
            pair = self._all + place
            if pair.value_size > 0 or keep_empty:
                texts[self._name(pair)] = self._text(pair, charset)
        return texts

    def texts_of(self, names, charset):
        """See `fastpath._signed_form_py.SignedForm.texts_of`."""
        cdef Pair* pair
        cdef list texts = []
        if type(names) is not tuple:
            raise wrong_type("names", "tuple", names)
        for name in <tuple> names:
            if type(name) is not str:
                raise wrong_type("names", "str", name)
        _check_charset(charset)
        if not self._is_ascii:
            self.texts(charset, False)
        for name in <tuple> names:
            pair = NULL
            if PyUnicode_IS_ASCII(name):
                pair = self._find(PyUnicode_1BYTE_DATA(name), PyUnicode_GET_LENGTH(name))
            if pair == NULL or pair.value_size == 0:
                texts.append(None)
            else:
                texts.append(self._text(pair, charset))
        return tuple(texts)


cdef int _check_charset(object charset) except -1:
    if type(charset) is not str:
        raise wrong_type("charset", "str", charset)
    if charset not in CHARSETS:
        raise ValueError(CHARSET_REFUSED)
    return 0
