# cython: language_level=3, binding=True
"""Compiled twin of `fastpath.signature`. The specification is `_signature_py`.

Law. Same results, same errors, same order of checks as the pure twin. It reads memory only
between the start and the end of a bytes object that the caller holds; every pointer is compared
with `end` before it is read.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.unicode cimport PyUnicode_DecodeASCII
from libc.string cimport memchr, memcmp, memcpy

from fastpath import _signature_terms
from fastpath._arguments import wrong_type
from fastpath._signature_terms import (
    ED25519,
    HMAC_SHA256,
    RSA2048_SHA256,
    WINDOW_S,
    Authorization,
    SignatureMalformed,
)

cdef enum:
    HEADER_BYTES = 2048
    SIGNATURE_BYTES = 512
    ID_CHARS = 30
    TS_CHARS = 10
    NONCE_CHARS_MIN = 16
    NONCE_CHARS_MAX = 64

    MCH = 0
    KEY = 1
    TS = 2
    NONCE = 3
    SIG = 4
    NAMES = 5

    IN_BASE32 = 1
    IN_NONCE = 2
    IN_DIGITS = 4

    NOT_BASE64 = 64

if (
    _signature_terms.HEADER_BYTES_MAX != HEADER_BYTES
    or _signature_terms.SIGNATURE_BYTES_MAX != SIGNATURE_BYTES
):
    raise ImportError("fastpath._signature_c was compiled for other limits; build it again")

ctypedef const unsigned char* Bytes

cdef struct Span:
    Bytes start
    Py_ssize_t length

cdef unsigned char[256] CLASSES
cdef unsigned char[256] BASE64

# `tuple.__new__` on the NamedTuple: the same object as calling it, without its Python frame.
cdef object new_tuple = tuple.__new__
cdef object authorization_type = Authorization


cdef void _fill_tables():
    cdef int character
    for character in range(256):
        CLASSES[character] = 0
        BASE64[character] = NOT_BASE64
    for character in b"0123456789abcdefghjkmnpqrstvwxyz":
        CLASSES[character] |= IN_BASE32
    for character in b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-":
        CLASSES[character] |= IN_NONCE
    for character in b"0123456789":
        CLASSES[character] |= IN_DIGITS
    for value, character in enumerate(
        b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    ):
        BASE64[character] = value


_fill_tables()


cdef inline bint _all_in(Bytes start, Py_ssize_t length, int wanted) noexcept:
    cdef Py_ssize_t at
    for at in range(length):
        if not CLASSES[start[at]] & wanted:
            return False
    return True


cdef bint _is_id(Span span, const char* prefix) noexcept:
    """`prefix` (four bytes), then 0 to 7, then 25 of lower-case Crockford base32."""
    return (
        span.length == ID_CHARS
        and memcmp(span.start, prefix, 4) == 0
        and c"0" <= span.start[4] <= c"7"
        and _all_in(span.start + 5, ID_CHARS - 5, IN_BASE32)
    )


cdef int _index_of_name(Bytes start, Py_ssize_t length) noexcept:
    if length == 3:
        if memcmp(start, b"mch", 3) == 0:
            return MCH
        if memcmp(start, b"key", 3) == 0:
            return KEY
        if memcmp(start, b"sig", 3) == 0:
            return SIG
    elif length == 2:
        if memcmp(start, b"ts", 2) == 0:
            return TS
    elif length == 5:
        if memcmp(start, b"nonce", 5) == 0:
            return NONCE
    return -1


cdef object _algorithm(Bytes start, Py_ssize_t length):
    if length == 17 and memcmp(start, b"TILL1-HMAC-SHA256", 17) == 0:
        return HMAC_SHA256
    if length == 13 and memcmp(start, b"TILL1-ED25519", 13) == 0:
        return ED25519
    if length == 20 and memcmp(start, b"TILL1-SHA256-RSA2048", 20) == 0:
        return RSA2048_SHA256
    raise SignatureMalformed("scheme")


cdef int _read_pairs(Bytes at, Bytes end, Span* spans) except -1:
    """Fill the five spans, each at most once; `at` never passes `end`."""
    cdef Bytes mark
    cdef int index
    while True:
        mark = at
        while True:
            mark = <Bytes> memchr(mark, c"=", end - mark)
            if mark == NULL:
                raise SignatureMalformed("pair")
            if end - mark >= 2 and mark[1] == c'"':
                break
            mark += 1
        index = _index_of_name(at, mark - at)
        if index < 0:
            raise SignatureMalformed("name")
        if spans[index].start != NULL:
            raise SignatureMalformed("repeated")
        at = mark + 2
        mark = <Bytes> memchr(at, c'"', end - at)
        if mark == NULL:
            raise SignatureMalformed("pair")
        spans[index].start = at
        spans[index].length = mark - at
        at = mark + 1
        if at == end:
            return 0
        if at[0] != c",":
            raise SignatureMalformed("pair")
        at += 1
        if at < end and at[0] == c" ":
            at += 1


cdef bytes _decode_signature(Bytes text, Py_ssize_t length):
    """Canonical base64 of 1 to SIGNATURE_BYTES bytes, or SignatureMalformed."""
    cdef Py_ssize_t padding, size, group
    cdef unsigned char a, b, c, d
    cdef bytes signature
    cdef unsigned char* out
    if length == 0 or length % 4 != 0:
        raise SignatureMalformed("sig")
    padding = 0
    if text[length - 1] == c"=":
        padding = 2 if text[length - 2] == c"=" else 1
    size = length // 4 * 3 - padding
    if size > SIGNATURE_BYTES:
        raise SignatureMalformed("sig")
    signature = PyBytes_FromStringAndSize(NULL, size)
    out = <unsigned char*> PyBytes_AS_STRING(signature)
    # Three bytes out for four characters in: the full groups end inside `size`.
    for group in range(size // 3):
        a = BASE64[text[0]]
        b = BASE64[text[1]]
        c = BASE64[text[2]]
        d = BASE64[text[3]]
        if (a | b | c | d) & NOT_BASE64:
            raise SignatureMalformed("sig")
        out[0] = <unsigned char> (a << 2 | b >> 4)
        out[1] = <unsigned char> ((b & 15) << 4 | c >> 2)
        out[2] = <unsigned char> ((c & 3) << 6 | d)
        text += 4
        out += 3
    if padding:
        a = BASE64[text[0]]
        b = BASE64[text[1]]
        c = BASE64[text[2]] if padding == 1 else 0
        # The bits that the padding leaves over must be zero, or two texts mean one signature.
        if (a | b | c) & NOT_BASE64 or (c & 3 if padding == 1 else b & 15):
            raise SignatureMalformed("sig")
        out[0] = <unsigned char> (a << 2 | b >> 4)
        if padding == 1:
            out[1] = <unsigned char> ((b & 15) << 4 | c >> 2)
    return signature


def parse_authorization(header):
    """See `fastpath._signature_py.parse_authorization`."""
    cdef Span[NAMES] spans
    cdef Bytes at
    cdef Bytes end
    cdef Bytes space
    cdef int index
    cdef long long ts = 0
    if type(header) is not bytes:
        raise wrong_type("header", "bytes", header)
    if PyBytes_GET_SIZE(header) > HEADER_BYTES:
        raise SignatureMalformed("too_long")
    at = <Bytes> PyBytes_AS_STRING(header)
    end = at + PyBytes_GET_SIZE(header)
    space = <Bytes> memchr(at, c" ", end - at)
    if space == NULL:
        raise SignatureMalformed("scheme")
    algorithm = _algorithm(at, space - at)
    for index in range(NAMES):
        spans[index].start = NULL
        spans[index].length = 0
    _read_pairs(space + 1, end, spans)
    for index in range(NAMES):
        if spans[index].start == NULL:
            raise SignatureMalformed("missing")
    if not _is_id(spans[MCH], b"mch_"):
        raise SignatureMalformed("mch")
    if not _is_id(spans[KEY], b"key_"):
        raise SignatureMalformed("key")
    if spans[TS].length != TS_CHARS or not _all_in(spans[TS].start, TS_CHARS, IN_DIGITS):
        raise SignatureMalformed("ts")
    if not NONCE_CHARS_MIN <= spans[NONCE].length <= NONCE_CHARS_MAX or not _all_in(
        spans[NONCE].start, spans[NONCE].length, IN_NONCE
    ):
        raise SignatureMalformed("nonce")
    for index in range(TS_CHARS):
        ts = ts * 10 + (spans[TS].start[index] - c"0")
    return new_tuple(
        authorization_type,
        (
            algorithm,
            PyUnicode_DecodeASCII(<const char*> spans[MCH].start, ID_CHARS, NULL),
            PyUnicode_DecodeASCII(<const char*> spans[KEY].start, ID_CHARS, NULL),
            ts,
            PyBytes_FromStringAndSize(<const char*> spans[TS].start, TS_CHARS),
            PyBytes_FromStringAndSize(<const char*> spans[NONCE].start, spans[NONCE].length),
            _decode_signature(spans[SIG].start, spans[SIG].length),
        ),
    )


cdef int _require_bytes(str name, object value) except -1:
    if type(value) is not bytes:
        raise wrong_type(name, "bytes", value)
    return 0


cdef int _require_one_line(str name, object value) except -1:
    if memchr(PyBytes_AS_STRING(value), c"\n", PyBytes_GET_SIZE(value)) != NULL:
        raise ValueError(f"{name} must not contain a line feed")
    return 0


cdef inline char* _put_line(char* out, object line) noexcept:
    cdef Py_ssize_t length = PyBytes_GET_SIZE(line)
    memcpy(out, PyBytes_AS_STRING(line), length)
    out[length] = c"\n"
    return out + length + 1


cdef bytes _message(object method, object target, object ts_text, object nonce, object body):
    cdef bytes message
    cdef char* out
    _require_bytes("method", method)
    _require_bytes("target", target)
    _require_bytes("ts_text", ts_text)
    _require_bytes("nonce", nonce)
    _require_bytes("body", body)
    _require_one_line("method", method)
    _require_one_line("target", target)
    _require_one_line("ts_text", ts_text)
    _require_one_line("nonce", nonce)
    # Exactly the sum of what is written below; all five lie in memory, so it cannot overflow.
    message = PyBytes_FromStringAndSize(
        NULL,
        PyBytes_GET_SIZE(method)
        + PyBytes_GET_SIZE(target)
        + PyBytes_GET_SIZE(ts_text)
        + PyBytes_GET_SIZE(nonce)
        + PyBytes_GET_SIZE(body)
        + 5,
    )
    out = PyBytes_AS_STRING(message)
    out = _put_line(out, method)
    out = _put_line(out, target)
    out = _put_line(out, ts_text)
    out = _put_line(out, nonce)
    _put_line(out, body)
    return message


def build_message(method, target, ts_text, nonce, body):
    """See `fastpath._signature_py.build_message`."""
    return _message(method, target, ts_text, nonce, body)


def in_window(ts, now, window=WINDOW_S):
    """See `fastpath._signature_py.in_window`."""
    if type(ts) is not int:
        raise wrong_type("ts", "int", ts)
    if type(now) is not int:
        raise wrong_type("now", "int", now)
    if type(window) is not int:
        raise wrong_type("window", "int", window)
    # Python's integers, so that no size of number can wrap.
    return abs(now - ts) <= window
