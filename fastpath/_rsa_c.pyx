# cython: language_level=3, binding=True
"""Compiled twin of `fastpath.rsa`. The specification is `_rsa_py`.

Law. Same results, same errors. `cryptography` decides what a key is and writes it anew; padding,
numbers and comparison are OpenSSL's EVP_PKEY_verify, called without `cryptography`'s front door,
with everything that does not depend on the message set up once. Where the functions are not found
(see `_libcrypto`), or do not tell the genuine signature of `_rsa_terms` from false ones,
`cryptography` does the work.

The GIL is held during a call: a key's context serves one call at a time, and two threads that
share a key wait for each other. What OpenSSL writes down about a false signature is cleared, since
Python's `ssl` reads the same list. Source: EVP_PKEY_verify(3), EVP_PKEY_CTX_ctrl(3).
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from fastpath._libcrypto cimport dlsym, loaded_library

# Who computes digests has loaded the library that is looked for.
import hashlib

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from fastpath._arguments import wrong_type
from fastpath._rsa_py import RsaPublicKey as PureKey
from fastpath._rsa_py import load_key
from fastpath._rsa_terms import (
    PROOF_KEY,
    PROOF_MESSAGE,
    PROOF_SIGNATURE,
    SIGNATURE_CHARS_MAX,
)

cdef extern from "Python.h":
    bint PyUnicode_IS_ASCII(object text)
    Py_ssize_t PyUnicode_GET_LENGTH(object text)
    unsigned char* PyUnicode_1BYTE_DATA(object text)

cdef enum:
    DIGEST_SIZE = 32
    CHARS_MAX = 2048  # SIGNATURE_CHARS_MAX, which a C array must know when it is compiled
    RAW_MAX = 1536  # bytes of so many characters
    NO_DIGIT = 255

ctypedef unsigned char* (*Sha256)(const void*, size_t, unsigned char*) noexcept nogil
ctypedef void* (*ReadKey)(void**, const unsigned char**, long) noexcept nogil
ctypedef void (*Free)(void*) noexcept nogil
ctypedef void* (*NewContext)(void*, void*) noexcept nogil
ctypedef int (*Prepare)(void*) noexcept nogil
ctypedef int (*Choose)(void*, const char*, const char*) noexcept nogil
ctypedef int (*Verify)(
    void*, const unsigned char*, size_t, const unsigned char*, size_t
) noexcept nogil
ctypedef void (*Clear)() noexcept nogil

cdef Sha256 sha256 = NULL
cdef ReadKey read_key = NULL
cdef Free free_key = NULL
cdef NewContext new_context = NULL
cdef Free free_context = NULL
cdef Prepare prepare = NULL
cdef Choose choose = NULL
cdef Verify verify = NULL
cdef Clear clear_errors = NULL

cdef unsigned char[256] DIGITS


cdef void _fill_digits():
    cdef int character
    cdef int value = 0
    for character in range(256):
        DIGITS[character] = NO_DIGIT
    for character in b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/":
        DIGITS[character] = value
        value += 1


_fill_digits()
if SIGNATURE_CHARS_MAX != CHARS_MAX:
    raise ImportError("fastpath: the compiled twin of rsa was built with another limit")


cdef Py_ssize_t _decode(
    const unsigned char* text, Py_ssize_t size, unsigned char* out
) noexcept:
    """Decode canonical base64; how many bytes it makes, or -1."""
    cdef Py_ssize_t at
    cdef Py_ssize_t padding
    cdef unsigned int quad
    cdef unsigned char wrong = 0
    if size == 0 or size % 4 != 0 or size > CHARS_MAX:
        return -1
    padding = (text[size - 1] == c"=") + (text[size - 1] == c"=" and text[size - 2] == c"=")
    for at in range(0, size - 4, 4):
        wrong |= DIGITS[text[at]] | DIGITS[text[at + 1]]
        wrong |= DIGITS[text[at + 2]] | DIGITS[text[at + 3]]
        quad = DIGITS[text[at]] << 18 | DIGITS[text[at + 1]] << 12
        quad |= DIGITS[text[at + 2]] << 6 | DIGITS[text[at + 3]]
        out[0] = <unsigned char> (quad >> 16)
        out[1] = <unsigned char> (quad >> 8)
        out[2] = <unsigned char> quad
        out += 3
    at = size - 4
    wrong |= DIGITS[text[at]] | DIGITS[text[at + 1]]
    quad = DIGITS[text[at]] << 18 | DIGITS[text[at + 1]] << 12
    if padding < 2:
        wrong |= DIGITS[text[at + 2]]
        quad |= DIGITS[text[at + 2]] << 6
    if padding < 1:
        wrong |= DIGITS[text[at + 3]]
        quad |= DIGITS[text[at + 3]]
    # No digit has one of the two highest bits, what is none has both.
    if wrong > 63 or quad & ((1 << 8 * padding) - 1):
        return -1
    out[0] = <unsigned char> (quad >> 16)
    out[1] = <unsigned char> (quad >> 8)
    out[2] = <unsigned char> quad
    return size // 4 * 3 - padding


cdef bint _find_functions():
    global sha256, read_key, free_key, new_context, free_context
    global prepare, choose, verify, clear_errors
    cdef void* library = loaded_library()
    if library == NULL:
        return False
    sha256 = <Sha256> dlsym(library, b"SHA256")
    read_key = <ReadKey> dlsym(library, b"d2i_PUBKEY")
    free_key = <Free> dlsym(library, b"EVP_PKEY_free")
    new_context = <NewContext> dlsym(library, b"EVP_PKEY_CTX_new")
    free_context = <Free> dlsym(library, b"EVP_PKEY_CTX_free")
    prepare = <Prepare> dlsym(library, b"EVP_PKEY_verify_init")
    choose = <Choose> dlsym(library, b"EVP_PKEY_CTX_ctrl_str")
    verify = <Verify> dlsym(library, b"EVP_PKEY_verify")
    clear_errors = <Clear> dlsym(library, b"ERR_clear_error")
    return (
        sha256 != NULL
        and read_key != NULL
        and free_key != NULL
        and new_context != NULL
        and free_context != NULL
        and prepare != NULL
        and choose != NULL
        and verify != NULL
        and clear_errors != NULL
    )


cdef void* _context_of(bytes der) noexcept:
    """A context that verifies under the SubjectPublicKeyInfo `der`; NULL where OpenSSL will not."""
    cdef const unsigned char* at = <const unsigned char*> PyBytes_AS_STRING(der)
    cdef void* key = read_key(NULL, &at, <long> PyBytes_GET_SIZE(der))
    cdef void* context = NULL
    if key != NULL:
        context = new_context(key, NULL)
        free_key(key)  # the context holds it
    if context != NULL and not (
        prepare(context) == 1
        and choose(context, b"rsa_padding_mode", b"pkcs1") == 1
        and choose(context, b"digest", b"sha256") == 1
    ):
        free_context(context)
        context = NULL
    clear_errors()
    return context


cdef class RsaPublicKey:
    """See `fastpath._rsa_py.RsaPublicKey`."""

    cdef void* _context
    cdef object _pure

    def __cinit__(self, der):
        loaded = load_key(der)
        if IS_DIRECT:
            der = loaded.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
            self._context = _context_of(der)
        if self._context == NULL:
            self._pure = PureKey(der)

    def __dealloc__(self):
        if self._context != NULL:
            free_context(self._context)

    def __reduce__(self):
        raise TypeError("an RsaPublicKey is not pickled")

    def verify(self, message, signature):
        """See `fastpath._rsa_py.RsaPublicKey.verify`."""
        if type(message) is not bytes:
            raise wrong_type("message", "bytes", message)
        if type(signature) is not bytes:
            raise wrong_type("signature", "bytes", signature)
        if self._context == NULL:
            return self._pure.verify(message, signature)
        return self._is_genuine(
            <bytes> message,
            <const unsigned char*> PyBytes_AS_STRING(signature),
            PyBytes_GET_SIZE(signature),
        )

    def verify_base64(self, message, signature):
        """See `fastpath._rsa_py.RsaPublicKey.verify_base64`."""
        cdef const unsigned char* text
        cdef Py_ssize_t size
        cdef unsigned char[RAW_MAX] raw
        if type(message) is not bytes:
            raise wrong_type("message", "bytes", message)
        if type(signature) is bytes:
            text = <const unsigned char*> PyBytes_AS_STRING(signature)
            size = PyBytes_GET_SIZE(signature)
        elif type(signature) is str:
            if not PyUnicode_IS_ASCII(signature):
                return False
            text = PyUnicode_1BYTE_DATA(signature)
            size = PyUnicode_GET_LENGTH(signature)
        else:
            raise wrong_type("signature", "str or bytes", signature)
        if self._context == NULL:
            return self._pure.verify_base64(message, signature)
        size = _decode(text, size, raw)
        return size > 0 and self._is_genuine(<bytes> message, raw, size)

    cdef bint _is_genuine(self, bytes message, const unsigned char* signature, Py_ssize_t size):
        cdef unsigned char[DIGEST_SIZE] digest
        cdef bint genuine
        sha256(PyBytes_AS_STRING(message), PyBytes_GET_SIZE(message), digest)
        genuine = verify(self._context, signature, size, digest, DIGEST_SIZE) == 1
        if not genuine:
            clear_errors()
        return genuine


cdef bint _tells_apart():
    """Whether the functions that were found are what they are taken for."""
    key = RsaPublicKey(PROOF_KEY)
    if (<RsaPublicKey> key)._context == NULL:
        return False
    if not key.verify(PROOF_MESSAGE, PROOF_SIGNATURE) or key.verify(b"", PROOF_SIGNATURE):
        return False
    for at in (0, 100, len(PROOF_SIGNATURE) - 1):
        changed = bytearray(PROOF_SIGNATURE)
        changed[at] ^= 1
        if key.verify(PROOF_MESSAGE, bytes(changed)):
            return False
    return not key.verify(PROOF_MESSAGE, PROOF_SIGNATURE[1:])


cdef bint IS_DIRECT = _find_functions()
if IS_DIRECT:
    IS_DIRECT = _tells_apart()

OPENSSL_DIRECT = IS_DIRECT
