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
from fastpath._rsa_terms import PROOF_KEY, PROOF_MESSAGE, PROOF_SIGNATURE

cdef enum:
    DIGEST_SIZE = 32

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
        cdef unsigned char[DIGEST_SIZE] digest
        cdef bint genuine
        if type(message) is not bytes:
            raise wrong_type("message", "bytes", message)
        if type(signature) is not bytes:
            raise wrong_type("signature", "bytes", signature)
        if self._context == NULL:
            return self._pure.verify(message, signature)
        sha256(PyBytes_AS_STRING(message), PyBytes_GET_SIZE(message), digest)
        genuine = verify(
            self._context,
            <const unsigned char*> PyBytes_AS_STRING(signature),
            PyBytes_GET_SIZE(signature),
            digest,
            DIGEST_SIZE,
        ) == 1
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
