# cython: language_level=3, binding=True
"""Compiled twin of `fastpath.keyed`. The specification is `_keyed_py`.

Law. Same results, same errors. SHA-256 is OpenSSL's, called without its front door: the three
functions of the library that Python's `_hashlib` has already loaded are looked up by name, so
nothing is linked and no header is needed; where they are not found, or do not compute what
`hmac.digest` computes, `hmac.digest` does the work. The two halves of a key (RFC 2104, `ipad` and
`opad`) are hashed once, when the key is made; each message starts from copies of them.
Source: RFC 2104, FIPS 180-4; SHA256_Init(3).
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from fastpath._libcrypto cimport dlsym, loaded_library
from libc.string cimport memchr, memcpy, memset

import hmac
from hmac import compare_digest

from fastpath._arguments import wrong_type
from fastpath._signature_terms import HMAC_KEY_REFUSED, SECRET_BYTES

cdef enum:
    SECRET_SIZE = 32
    DIGEST_SIZE = 32
    BLOCK_SIZE = 64
    # OpenSSL's SHA256_CTX has 112 bytes, and has had them since 2004; twice that room is given.
    CONTEXT_WORDS = 32

if SECRET_BYTES != SECRET_SIZE:
    raise ImportError("fastpath._keyed_c was compiled for other limits; build it again")

cdef struct Context:
    unsigned long long words[CONTEXT_WORDS]

ctypedef int (*Init)(Context*) noexcept nogil
ctypedef int (*Update)(Context*, const void*, size_t) noexcept nogil
ctypedef int (*Final)(unsigned char*, Context*) noexcept nogil

cdef Init sha256_init = NULL
cdef Update sha256_update = NULL
cdef Final sha256_final = NULL


cdef bint _find_functions():
    global sha256_init, sha256_update, sha256_final
    cdef void* library = loaded_library()
    if library == NULL:
        return False
    sha256_init = <Init> dlsym(library, b"SHA256_Init")
    sha256_update = <Update> dlsym(library, b"SHA256_Update")
    sha256_final = <Final> dlsym(library, b"SHA256_Final")
    return sha256_init != NULL and sha256_update != NULL and sha256_final != NULL


cdef void _half(Context* context, const unsigned char* secret, unsigned char pad) noexcept:
    cdef unsigned char[BLOCK_SIZE] block
    cdef int at
    memset(block, pad, BLOCK_SIZE)
    for at in range(SECRET_SIZE):
        block[at] ^= secret[at]
    sha256_init(context)
    sha256_update(context, block, BLOCK_SIZE)
    memset(block, 0, BLOCK_SIZE)


cdef int _require_bytes(str name, object value) except -1:
    if type(value) is not bytes:
        raise wrong_type(name, "bytes", value)
    return 0


cdef int _require_one_line(str name, object value) except -1:
    if memchr(PyBytes_AS_STRING(value), c"\n", PyBytes_GET_SIZE(value)) != NULL:
        raise ValueError(f"{name} must not contain a line feed")
    return 0


cdef inline void _feed_line(Context* context, object line) noexcept:
    sha256_update(context, PyBytes_AS_STRING(line), PyBytes_GET_SIZE(line))
    sha256_update(context, b"\n", 1)


cdef class HmacKey:
    """See `fastpath._keyed_py.HmacKey`."""

    cdef Context _inner
    cdef Context _outer
    cdef bytes _secret

    def __init__(self, secret):
        _require_bytes("secret", secret)
        if PyBytes_GET_SIZE(secret) != SECRET_SIZE:
            raise ValueError(HMAC_KEY_REFUSED)
        self._secret = secret
        if IS_DIRECT:
            _half(&self._inner, <const unsigned char*> PyBytes_AS_STRING(secret), 0x36)
            _half(&self._outer, <const unsigned char*> PyBytes_AS_STRING(secret), 0x5C)

    def __repr__(self):
        return "HmacKey(…)"

    def __reduce__(self):
        raise TypeError("an HmacKey is not pickled")

    cdef bytes _end(self, Context* context):
        cdef unsigned char[DIGEST_SIZE] inner
        cdef Context outer
        cdef bytes digest = PyBytes_FromStringAndSize(NULL, DIGEST_SIZE)
        sha256_final(inner, context)
        memcpy(&outer, &self._outer, sizeof(Context))
        sha256_update(&outer, inner, DIGEST_SIZE)
        sha256_final(<unsigned char*> PyBytes_AS_STRING(digest), &outer)
        return digest

    def digest(self, message):
        """See `fastpath._keyed_py.HmacKey.digest`."""
        cdef Context context
        _require_bytes("message", message)
        if not IS_DIRECT:
            return hmac.digest(self._secret, message, "sha256")
        memcpy(&context, &self._inner, sizeof(Context))
        sha256_update(&context, PyBytes_AS_STRING(message), PyBytes_GET_SIZE(message))
        return self._end(&context)

    def verify_request(self, method, target, ts_text, nonce, body, signature):
        """See `fastpath._keyed_py.HmacKey.verify_request`."""
        cdef Context context
        _require_bytes("method", method)
        _require_bytes("target", target)
        _require_bytes("ts_text", ts_text)
        _require_bytes("nonce", nonce)
        _require_bytes("body", body)
        _require_one_line("method", method)
        _require_one_line("target", target)
        _require_one_line("ts_text", ts_text)
        _require_one_line("nonce", nonce)
        _require_bytes("signature", signature)
        if PyBytes_GET_SIZE(signature) != DIGEST_SIZE:
            return False
        if not IS_DIRECT:
            message = b"%b\n%b\n%b\n%b\n%b\n" % (method, target, ts_text, nonce, body)
            return compare_digest(hmac.digest(self._secret, message, "sha256"), signature)
        memcpy(&context, &self._inner, sizeof(Context))
        _feed_line(&context, method)
        _feed_line(&context, target)
        _feed_line(&context, ts_text)
        _feed_line(&context, nonce)
        _feed_line(&context, body)
        return compare_digest(self._end(&context), signature)


cdef bint _computes_hmac():
    """Whether the functions that were found are what they are taken for."""
    secret = bytes(range(SECRET_SIZE))
    for length in (0, 55, 64, 200):
        message = bytes(length)
        if HmacKey(secret).digest(message) != hmac.digest(secret, message, "sha256"):
            return False
    return True


cdef bint IS_DIRECT = _find_functions()
if IS_DIRECT:
    IS_DIRECT = _computes_hmac()

OPENSSL_DIRECT = IS_DIRECT
