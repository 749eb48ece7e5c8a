# cython: language_level=3, binding=True
"""Compiled twin of `fastpath.request`. The specification is `_request_py`.

Law. Same results, same errors. It reads memory only between the start and the end of a bytes
object that the caller holds; every pointer is compared with `end` before it is read.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.unicode cimport PyUnicode_DecodeASCII
from libc.string cimport memcmp

from fastpath import _request_terms
from fastpath._arguments import wrong_type
from fastpath._request_terms import ATTRIBUTING, SIGNIFICANT, PlainPost, PlainRequest

cdef enum:
    REQUEST_BYTES = 8192
    REQUEST_BYTES_LEAST = 16
    LINE_END_BYTES = 11
    HEADERS = 32
    NAME_BYTES_LONGEST = 18

    IN_TOKEN = 1
    IN_TARGET = 2
    IN_VALUE = 4

    HOST = 1
    AUTHORIZATION = 2
    LENGTH = 4
    TYPE = 8
    CONNECTION = 16

if (
    _request_terms.REQUEST_BYTES_MAX != REQUEST_BYTES
    or _request_terms.HEADERS_MAX != HEADERS
    or max(map(len, SIGNIFICANT)) != NAME_BYTES_LONGEST
):
    raise ImportError("fastpath._request_c was compiled for other limits; build it again")

ctypedef const unsigned char* Bytes

cdef struct Header:
    Bytes name
    Py_ssize_t name_bytes
    Bytes value
    Py_ssize_t value_bytes

cdef unsigned char[256] CLASSES
cdef unsigned char[256] LOWER
# By length: whether any significant name has it.
cdef bint[NAME_BYTES_LONGEST + 1] SIGNIFICANT_LENGTHS

cdef object new_tuple = tuple.__new__
cdef object plain_type = PlainRequest
cdef object post_type = PlainPost
cdef object significant = SIGNIFICANT
cdef set doubtful_in_post = {name.decode("ascii") for name in SIGNIFICANT - ATTRIBUTING}
cdef bytes GET = b"GET"
cdef bytes POST = b"POST"
cdef bytes NO_BODY = b""


cdef void _fill_tables():
    cdef int character
    for character in range(256):
        CLASSES[character] = 0
        LOWER[character] = character
        if 0x21 <= character <= 0x7E and character != c"#":
            CLASSES[character] |= IN_TARGET
        if 0x20 <= character <= 0x7E or character == c"\t":
            CLASSES[character] |= IN_VALUE
    for character in b"!#$%&'*+.^_`|~-0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ":
        CLASSES[character] |= IN_TOKEN
    for character in b"ABCDEFGHIJKLMNOPQRSTUVWXYZ":
        LOWER[character] = character + 32
    for length in range(NAME_BYTES_LONGEST + 1):
        SIGNIFICANT_LENGTHS[length] = any(len(name) == length for name in SIGNIFICANT)


_fill_tables()


cdef bint _is(Bytes at, Py_ssize_t length, const char* lower, Py_ssize_t lower_length) noexcept:
    """Whether `length` bytes, letters in either case, are `lower`."""
    cdef Py_ssize_t index
    if length != lower_length:
        return False
    for index in range(length):
        if LOWER[at[index]] != <unsigned char> lower[index]:
            return False
    return True


cdef int _known(Bytes name, Py_ssize_t length) noexcept:
    """Which of the headers that a plain request is made of this is; 0 for another one."""
    if length == 4 and _is(name, length, b"host", 4):
        return HOST
    if length == 13 and _is(name, length, b"authorization", 13):
        return AUTHORIZATION
    if length == 14 and _is(name, length, b"content-length", 14):
        return LENGTH
    if length == 12 and _is(name, length, b"content-type", 12):
        return TYPE
    if length == 10 and _is(name, length, b"connection", 10):
        return CONNECTION
    return 0


cdef bint _is_significant(Bytes name, Py_ssize_t length):
    if length > NAME_BYTES_LONGEST or not SIGNIFICANT_LENGTHS[length]:
        return False
    return PyBytes_FromStringAndSize(<const char*> name, length).lower() in significant


cdef Py_ssize_t _number(Bytes at, Py_ssize_t length) noexcept:
    """One to five digits without a leading zero, or -1."""
    cdef Py_ssize_t value = 0
    cdef Py_ssize_t index
    if not 1 <= length <= 5 or at[0] == c"0":
        return -1
    for index in range(length):
        if not c"0" <= at[index] <= c"9":
            return -1
        value = value * 10 + (at[index] - c"0")
    return value


cdef Bytes _target_end(Bytes at, Bytes end) noexcept:
    """The end of the target that begins at `at`; NULL if it is none or the line ends otherwise.

    There is one byte at least: REQUEST_BYTES_LEAST are more than any method takes.
    """
    if at[0] != c"/":
        return NULL
    while at < end and CLASSES[at[0]] & IN_TARGET:
        at += 1
    if end - at < LINE_END_BYTES or memcmp(at, b" HTTP/1.1\r\n", LINE_END_BYTES) != 0:
        return NULL
    return at


cdef Bytes _read_header(Bytes at, Bytes end, Header* header) noexcept:
    """Past one line of a header; NULL if it is not plain."""
    cdef Bytes last
    header.name = at
    while at < end and CLASSES[at[0]] & IN_TOKEN:
        at += 1
    header.name_bytes = at - header.name
    if header.name_bytes == 0 or at == end or at[0] != c":":
        return NULL
    at += 1
    while at < end and (at[0] == c" " or at[0] == c"\t"):
        at += 1
    header.value = at
    while at < end and CLASSES[at[0]] & IN_VALUE:
        at += 1
    if end - at < 2 or at[0] != c"\r" or at[1] != c"\n":
        return NULL
    last = at
    while last > header.value and (last[-1] == c" " or last[-1] == c"\t"):
        last -= 1
    header.value_bytes = last - header.value
    return at + 2


def scan_request(data):
    """See `fastpath._request_py.scan_request`."""
    cdef Bytes at
    cdef Bytes end
    cdef Bytes target
    cdef Header header
    cdef Bytes authorization = NULL
    cdef Py_ssize_t target_bytes, authorization_bytes = 0
    cdef Py_ssize_t content_length = -1
    cdef int headers = 0
    cdef int seen = 0
    cdef int known
    cdef bytes method
    if type(data) is not bytes:
        raise wrong_type("data", "bytes", data)
    at = <Bytes> PyBytes_AS_STRING(data)
    end = at + PyBytes_GET_SIZE(data)
    if not REQUEST_BYTES_LEAST <= end - at <= REQUEST_BYTES:
        return None
    if memcmp(at, b"POST ", 5) == 0:
        method = POST
        target = at + 5
    elif memcmp(at, b"GET ", 4) == 0:
        method = GET
        target = at + 4
    else:
        return None
    at = _target_end(target, end)
    if at == NULL:
        return None
    target_bytes = at - target
    at += LINE_END_BYTES
    while True:
        if end - at < 2:
            return None
        if at[0] == c"\r":
            if at[1] != c"\n" or headers == 0:
                return None
            at += 2
            break
        headers += 1
        if headers > HEADERS:
            return None
        at = _read_header(at, end, &header)
        if at == NULL:
            return None
        known = _known(header.name, header.name_bytes)
        if known == 0:
            if _is_significant(header.name, header.name_bytes):
                return None
            continue
        if seen & known:
            return None
        seen |= known
        if known == CONNECTION:
            if not _is(header.value, header.value_bytes, b"keep-alive", 10):
                return None
        elif known == HOST:
            if header.value_bytes == 0:
                return None
        elif known == AUTHORIZATION:
            if header.value_bytes == 0:
                return None
            authorization = header.value
            authorization_bytes = header.value_bytes
        elif known == LENGTH:
            content_length = _number(header.value, header.value_bytes)
            if content_length < 0:
                return None
        elif header.value_bytes != 16 or memcmp(header.value, b"application/json", 16) != 0:
            return None
    if not seen & HOST or authorization == NULL:
        return None
    if method is GET:
        if at != end or seen & (LENGTH | TYPE):
            return None
        body = NO_BODY
    else:
        if not seen & TYPE or content_length != end - at:
            return None
        body = PyBytes_FromStringAndSize(<const char*> at, end - at)
    return new_tuple(
        plain_type,
        (
            method,
            PyBytes_FromStringAndSize(<const char*> target, target_bytes),
            PyBytes_FromStringAndSize(<const char*> authorization, authorization_bytes),
            body,
        ),
    )


cdef str _lower_name(Header* header):
    """The name in lower case; it is shorter than the request that it stands in."""
    cdef unsigned char[REQUEST_BYTES] room
    cdef Py_ssize_t index
    for index in range(header.name_bytes):
        room[index] = LOWER[header.name[index]]
    return PyUnicode_DecodeASCII(<const char*> room, header.name_bytes, NULL)


def scan_post(data):
    """See `fastpath._request_py.scan_post`."""
    cdef Bytes at
    cdef Bytes end
    cdef Bytes target
    cdef Header header
    cdef Py_ssize_t target_bytes
    cdef Py_ssize_t content_length = -1
    cdef int headers = 0
    cdef bint has_host = False
    cdef int known
    cdef str name
    cdef dict values
    if type(data) is not bytes:
        raise wrong_type("data", "bytes", data)
    at = <Bytes> PyBytes_AS_STRING(data)
    end = at + PyBytes_GET_SIZE(data)
    if not REQUEST_BYTES_LEAST <= end - at <= REQUEST_BYTES or memcmp(at, b"POST ", 5) != 0:
        return None
    target = at + 5
    at = _target_end(target, end)
    if at == NULL:
        return None
    target_bytes = at - target
    at += LINE_END_BYTES
    values = {}
    while True:
        if end - at < 2:
            return None
        if at[0] == c"\r":
            if at[1] != c"\n":
                return None
            at += 2
            break
        headers += 1
        if headers > HEADERS:
            return None
        at = _read_header(at, end, &header)
        if at == NULL:
            return None
        known = _known(header.name, header.name_bytes)
        if known == HOST:
            has_host = header.value_bytes > 0
        elif known == LENGTH:
            content_length = _number(header.value, header.value_bytes)
        name = _lower_name(&header)
        if name in values:
            return None
        if known == CONNECTION:
            if not (
                _is(header.value, header.value_bytes, b"keep-alive", 10)
                or _is(header.value, header.value_bytes, b"close", 5)
            ):
                return None
        elif name in doubtful_in_post:
            return None
        values[name] = PyUnicode_DecodeASCII(
            <const char*> header.value, header.value_bytes, NULL
        )
    # No body has -1 bytes, nor has it none: a length that is no number is never equal.
    if not has_host or content_length != end - at:
        return None
    return new_tuple(
        post_type,
        (
            PyUnicode_DecodeASCII(<const char*> target, target_bytes, NULL),
            values,
            PyBytes_FromStringAndSize(<const char*> at, end - at),
        ),
    )
