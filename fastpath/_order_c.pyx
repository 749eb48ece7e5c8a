# cython: language_level=3, binding=True
"""Compiled twin of `fastpath.order`. The specification is `_order_py`.

Law. Same results, same errors. One walk over the bytes, between their start and their end; what
is found are spans of the body, and texts are made only once all of it is plain.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.string cimport memcmp, memcpy

from fastpath import _order_terms
from fastpath._arguments import wrong_type
from fastpath._order_terms import PlainOrder

cdef enum:
    BODY_BYTES = 8192
    NUMBER_CHARS = 64
    AMOUNT_DIGITS = 12
    SUBJECT_CHARS = 127
    SUBJECT_DIGITS = 12
    MEMBERS = 20
    KEY_CHARS = 40
    VALUE_CHARS = 500
    URL_CHARS = 512
    EXPIRES_IN_DIGITS = 7

    IN_NUMBER = 1
    IN_KEY = 2
    IN_TEXT = 4
    IN_SPACE = 8
    IN_URL = 16

    NUMBER = 1
    AMOUNT = 2
    CURRENCY = 4
    SUBJECT = 8
    METADATA = 16
    EXPIRES_IN = 32
    NOTIFY_URL = 64
    RETURN_URL = 128
    REQUIRED = 15

if (
    _order_terms.BODY_BYTES_MAX,
    _order_terms.NUMBER_CHARS_MAX,
    _order_terms.AMOUNT_DIGITS_MAX,
    _order_terms.SUBJECT_CHARS_MAX,
    _order_terms.SUBJECT_DIGITS_MAX,
    _order_terms.METADATA_MEMBERS_MAX,
    _order_terms.METADATA_KEY_CHARS_MAX,
    _order_terms.METADATA_VALUE_CHARS_MAX,
    _order_terms.URL_CHARS_MAX,
    _order_terms.EXPIRES_IN_DIGITS_MAX,
) != (
    BODY_BYTES,
    NUMBER_CHARS,
    AMOUNT_DIGITS,
    SUBJECT_CHARS,
    SUBJECT_DIGITS,
    MEMBERS,
    KEY_CHARS,
    VALUE_CHARS,
    URL_CHARS,
    EXPIRES_IN_DIGITS,
):
    raise ImportError("fastpath._order_c was compiled for other limits; build it again")

ctypedef const unsigned char* Bytes

cdef struct Span:
    Bytes start
    Py_ssize_t length

cdef struct Member:
    Span key
    Span value

cdef struct Order:
    Span number
    Span amount
    Span currency
    Span subject
    Span expires_in
    Span notify_url
    Span return_url
    Member[MEMBERS] members
    int member_count
    int seen

cdef unsigned char[256] CLASSES

cdef object new_tuple = tuple.__new__
cdef object plain_type = PlainOrder
cdef str NO_METADATA = "{}"
cdef str NOT_GIVEN = ""


cdef void _fill_tables():
    cdef int character
    for character in range(256):
        CLASSES[character] = 0
        # What is not ASCII was looked at before, as characters.
        if character >= 0x20 and character != 0x7F and character != c'"' and character != c"\\":
            CLASSES[character] |= IN_TEXT
            if 0x21 <= character <= 0x7E:
                CLASSES[character] |= IN_URL
    for character in b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-|*.:/":
        CLASSES[character] |= IN_NUMBER
    for character in b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-":
        CLASSES[character] |= IN_KEY
    for character in b" \t\n\r":
        CLASSES[character] |= IN_SPACE


_fill_tables()


cdef inline Bytes _space(Bytes at, Bytes end) noexcept:
    while at < end and CLASSES[at[0]] & IN_SPACE:
        at += 1
    return at


cdef inline Bytes _sign(Bytes at, Bytes end, unsigned char wanted) noexcept:
    """Past `wanted` and the white space around it; NULL if something else stands there."""
    at = _space(at, end)
    if at == end or at[0] != wanted:
        return NULL
    return _space(at + 1, end)


cdef Bytes _text(Bytes at, Bytes end, int wanted, Span* span) noexcept:
    """Past a text of `wanted` characters in quotes; NULL if none stands there."""
    if at == end or at[0] != c'"':
        return NULL
    at += 1
    span.start = at
    while at < end and CLASSES[at[0]] & wanted:
        at += 1
    if at == end or at[0] != c'"':
        return NULL
    span.length = at - span.start
    return at + 1


cdef Py_ssize_t _characters(Span span) noexcept:
    """How many characters of UTF-8 a span holds."""
    cdef Py_ssize_t count = 0
    cdef Py_ssize_t index
    for index in range(span.length):
        if span.start[index] & 0xC0 != 0x80:
            count += 1
    return count


cdef bint _has_few_digits(Span span) noexcept:
    cdef int digits = 0
    cdef Py_ssize_t index
    for index in range(span.length):
        if c"0" <= span.start[index] <= c"9":
            digits += 1
    return digits <= SUBJECT_DIGITS


cdef Bytes _digits(Bytes at, Bytes end, Py_ssize_t most, Span* span) noexcept:
    """Past 1 to `most` digits that begin with none of zero."""
    span.start = at
    while at < end and c"0" <= at[0] <= c"9":
        at += 1
    span.length = at - span.start
    if not 1 <= span.length <= most or span.start[0] == c"0":
        return NULL
    return at


cdef Bytes _url(Bytes at, Bytes end, Span* span) noexcept:
    at = _text(at, end, IN_URL, span)
    return at if at != NULL and 1 <= span.length <= URL_CHARS else NULL


cdef int _compare(Span a, Span b) noexcept:
    cdef int order = memcmp(a.start, b.start, min(a.length, b.length))
    if order == 0 and a.length != b.length:
        return -1 if a.length < b.length else 1
    return order


cdef Bytes _metadata(Bytes at, Bytes end, Order* order) noexcept:
    cdef Member* member
    cdef int index
    at = _sign(at, end, c"{")
    if at == NULL or at == end:
        return NULL
    if at[0] == c"}":
        return _space(at + 1, end)
    while True:
        if order.member_count == MEMBERS:
            return NULL
        member = &order.members[order.member_count]
        at = _text(at, end, IN_KEY, &member.key)
        if at == NULL or not 1 <= member.key.length <= KEY_CHARS:
            return NULL
        for index in range(order.member_count):
            if _compare(order.members[index].key, member.key) == 0:
                return NULL
        at = _sign(at, end, c":")
        if at == NULL:
            return NULL
        at = _text(at, end, IN_TEXT, &member.value)
        if at == NULL or _characters(member.value) > VALUE_CHARS:
            return NULL
        order.member_count += 1
        at = _space(at, end)
        if at == end:
            return NULL
        if at[0] == c"}":
            return _space(at + 1, end)
        if at[0] != c",":
            return NULL
        at = _space(at + 1, end)


cdef int _which(Span name) noexcept:
    if name.length == 17 and memcmp(name.start, b"merchant_order_no", 17) == 0:
        return NUMBER
    if name.length == 6 and memcmp(name.start, b"amount", 6) == 0:
        return AMOUNT
    if name.length == 8 and memcmp(name.start, b"currency", 8) == 0:
        return CURRENCY
    if name.length == 7 and memcmp(name.start, b"subject", 7) == 0:
        return SUBJECT
    if name.length == 8 and memcmp(name.start, b"metadata", 8) == 0:
        return METADATA
    if name.length == 10:
        if memcmp(name.start, b"notify_url", 10) == 0:
            return NOTIFY_URL
        if memcmp(name.start, b"return_url", 10) == 0:
            return RETURN_URL
        if memcmp(name.start, b"expires_in", 10) == 0:
            return EXPIRES_IN
    return 0


cdef Bytes _member(Bytes at, Bytes end, Order* order) noexcept:
    """Past one member of the order; NULL if it is not plain."""
    cdef Span name
    cdef int which
    cdef int index
    at = _text(at, end, IN_KEY, &name)
    if at == NULL:
        return NULL
    which = _which(name)
    if which == 0 or order.seen & which:
        return NULL
    order.seen |= which
    at = _sign(at, end, c":")
    if at == NULL:
        return NULL
    if which == NUMBER:
        at = _text(at, end, IN_NUMBER, &order.number)
        if not 1 <= order.number.length <= NUMBER_CHARS:
            return NULL
    elif which == AMOUNT:
        at = _digits(at, end, AMOUNT_DIGITS, &order.amount)
    elif which == EXPIRES_IN:
        at = _digits(at, end, EXPIRES_IN_DIGITS, &order.expires_in)
    elif which == NOTIFY_URL:
        at = _url(at, end, &order.notify_url)
    elif which == RETURN_URL:
        at = _url(at, end, &order.return_url)
    elif which == CURRENCY:
        at = _text(at, end, IN_KEY, &order.currency)
        if at == NULL or order.currency.length != 3:
            return NULL
        for index in range(3):
            if not c"A" <= order.currency.start[index] <= c"Z":
                return NULL
    elif which == SUBJECT:
        at = _text(at, end, IN_TEXT, &order.subject)
        if at == NULL or not 1 <= _characters(order.subject) <= SUBJECT_CHARS:
            return NULL
        if not _has_few_digits(order.subject):
            return NULL
    else:
        at = _metadata(at, end, order)
    return at


cdef bint _read(Bytes at, Bytes end, Order* order) noexcept:
    at = _sign(at, end, c"{")
    while True:
        if at == NULL:
            return False
        at = _member(at, end, order)
        if at == NULL:
            return False
        at = _space(at, end)
        if at == end:
            return False
        if at[0] == c"}":
            return _space(at + 1, end) == end and order.seen & REQUIRED == REQUIRED
        if at[0] != c",":
            return False
        at = _space(at + 1, end)


cdef inline char* _put(char* out, const void* source, Py_ssize_t length) noexcept:
    memcpy(out, source, length)
    return out + length


cdef inline char* _put_quoted(char* out, Span span) noexcept:
    out[0] = c'"'
    out = _put(out + 1, span.start, span.length)
    out[0] = c'"'
    return out + 1


cdef char* _put_members(char* out, Order* order, bint in_order) noexcept:
    """The metadata as an object; sorted by key unless `in_order` of the body."""
    cdef int[MEMBERS] places
    cdef int index, before, place
    for index in range(order.member_count):
        before = index
        if not in_order:
            while before > 0 and _compare(
                order.members[places[before - 1]].key, order.members[index].key
            ) > 0:
                places[before] = places[before - 1]
                before -= 1
        places[before] = index
    out[0] = c"{"
    out += 1
    for index in range(order.member_count):
        place = places[index]
        if index:
            out[0] = c","
            out += 1
        out = _put_quoted(out, order.members[place].key)
        out[0] = c":"
        out = _put_quoted(out + 1, order.members[place].value)
    out[0] = c"}"
    return out + 1


cdef bytes _content(Order* order):
    # The body's own characters less its white space, so never longer than that; see `room`.
    cdef char[BODY_BYTES] room
    cdef char* out = room
    out = _put(out, b'{"amount":', 10)
    out = _put(out, order.amount.start, order.amount.length)
    out = _put(out, b',"currency":', 12)
    out = _put_quoted(out, order.currency)
    if order.seen & EXPIRES_IN:
        out = _put(out, b',"expires_in":', 14)
        out = _put(out, order.expires_in.start, order.expires_in.length)
    out = _put(out, b',"merchant_order_no":', 21)
    out = _put_quoted(out, order.number)
    if order.seen & METADATA:
        out = _put(out, b',"metadata":', 12)
        out = _put_members(out, order, False)
    if order.seen & NOTIFY_URL:
        out = _put(out, b',"notify_url":', 14)
        out = _put_quoted(out, order.notify_url)
    if order.seen & RETURN_URL:
        out = _put(out, b',"return_url":', 14)
        out = _put_quoted(out, order.return_url)
    out = _put(out, b',"subject":', 11)
    out = _put_quoted(out, order.subject)
    out[0] = c"}"
    return PyBytes_FromStringAndSize(room, out + 1 - room)


cdef str _metadata_text(Order* order):
    cdef char[BODY_BYTES] room
    if order.member_count == 0:
        return NO_METADATA
    return PyUnicode_DecodeUTF8(room, _put_members(room, order, True) - room, NULL)


cdef str _str(Span span):
    return PyUnicode_DecodeUTF8(<const char*> span.start, span.length, NULL)


cdef long long _value(Span span) noexcept:
    """The number that at most twelve digits write."""
    cdef long long value = 0
    cdef Py_ssize_t index
    for index in range(span.length):
        value = value * 10 + (span.start[index] - c"0")
    return value


cdef bint _is_clean(str text) noexcept:
    """Whether no character beyond ASCII is a control character or ends a line."""
    cdef Py_UCS4 character
    for character in text:
        if 0x80 <= character <= 0x9F or character == 0x2028 or character == 0x2029:
            return False
    return True


def read_order(body):
    """See `fastpath._order_py.read_order`."""
    cdef Order order
    cdef Bytes at
    cdef Bytes end
    cdef Bytes byte
    if type(body) is not bytes:
        raise wrong_type("body", "bytes", body)
    if PyBytes_GET_SIZE(body) > BODY_BYTES:
        return None
    at = <Bytes> PyBytes_AS_STRING(body)
    end = at + PyBytes_GET_SIZE(body)
    order.member_count = 0
    order.seen = 0
    if not _read(at, end, &order):
        return None
    byte = at
    while byte < end and byte[0] < 0x80:
        byte += 1
    if byte < end:
        try:
            if not _is_clean(PyUnicode_DecodeUTF8(<const char*> at, end - at, NULL)):
                return None
        except UnicodeDecodeError:
            return None
    return new_tuple(
        plain_type,
        (
            _str(order.number),
            _value(order.amount),
            _str(order.currency),
            _str(order.subject),
            _metadata_text(&order),
            _value(order.expires_in) if order.seen & EXPIRES_IN else 0,
            _str(order.notify_url) if order.seen & NOTIFY_URL else NOT_GIVEN,
            _str(order.return_url) if order.seen & RETURN_URL else NOT_GIVEN,
            _content(&order),
        ),
    )
