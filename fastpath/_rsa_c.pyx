# cython: language_level=3, binding=True
"""Compiled twin of `fastpath.rsa`. The specification is `_rsa_py`.

Law. Same results, same errors. `cryptography` decides what a key is. Numbers are OpenSSL's (bn.h):
the signature is raised to 65537 by sixteen squarings and a product, and what comes out is compared,
whole, with the one encoding that the message has (RFC 8017 section 8.2.2: nothing is parsed). That
is EVP_PKEY_verify without its way there, a sixth of its time. Keys of another exponent, all keys
where the functions are not found (see `_libcrypto`), or where these do not tell the genuine
signature of `_rsa_terms` from false ones, are `cryptography`'s work.

The GIL is held during a call: a key's numbers serve one call at a time, and two threads that share
a key wait for each other. Nothing here is secret. Source: BN_mod_mul_montgomery(3), RFC 8017.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.string cimport memcmp

from fastpath._libcrypto cimport dlsym, loaded_library

# Who computes digests has loaded the library that is looked for.
import hashlib

from fastpath._arguments import wrong_type
from fastpath._rsa_py import RsaPublicKey as PureKey
from fastpath._rsa_py import load_key
from fastpath._rsa_terms import (
    ENCODED_MIN,
    EXPONENT,
    PROOF_KEY,
    PROOF_MESSAGE,
    PROOF_SIGNATURE,
    SIGNATURE_CHARS_MAX,
    encoding_before_digest,
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
    SQUARINGS = 16  # of the exponent 65537
    ENCODED_MAX = 2048  # bytes of a modulus

ctypedef unsigned char* (*Sha256)(const void*, size_t, unsigned char*) noexcept nogil
ctypedef void* (*New)() noexcept nogil
ctypedef void (*Free)(void*) noexcept nogil
ctypedef void* (*FromBytes)(const unsigned char*, int, void*) noexcept nogil
ctypedef int (*ToBytes)(const void*, unsigned char*, int) noexcept nogil
ctypedef int (*Compare)(const void*, const void*) noexcept nogil
ctypedef int (*SetModulus)(void*, const void*, void*) noexcept nogil
ctypedef int (*ToForm)(void*, const void*, void*, void*) noexcept nogil
ctypedef int (*Multiply)(void*, const void*, const void*, void*, void*) noexcept nogil
ctypedef void (*Clear)() noexcept nogil

cdef Sha256 sha256 = NULL
cdef New new_number = NULL
cdef Free free_number = NULL
cdef New new_scratch = NULL
cdef Free free_scratch = NULL
cdef New new_modulus = NULL
cdef Free free_modulus = NULL
cdef FromBytes from_bytes = NULL
cdef ToBytes to_bytes = NULL
cdef Compare compare = NULL
cdef SetModulus set_modulus = NULL
cdef ToForm to_form = NULL
cdef Multiply multiply = NULL
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
    global sha256, new_number, free_number, new_scratch, free_scratch, new_modulus, free_modulus
    global from_bytes, to_bytes, compare, set_modulus, to_form, multiply, clear_errors
    cdef void* library = loaded_library()
    if library == NULL:
        return False
    sha256 = <Sha256> dlsym(library, b"SHA256")
    new_number = <New> dlsym(library, b"BN_new")
    free_number = <Free> dlsym(library, b"BN_free")
    new_scratch = <New> dlsym(library, b"BN_CTX_new")
    free_scratch = <Free> dlsym(library, b"BN_CTX_free")
    new_modulus = <New> dlsym(library, b"BN_MONT_CTX_new")
    free_modulus = <Free> dlsym(library, b"BN_MONT_CTX_free")
    from_bytes = <FromBytes> dlsym(library, b"BN_bin2bn")
    to_bytes = <ToBytes> dlsym(library, b"BN_bn2binpad")
    compare = <Compare> dlsym(library, b"BN_ucmp")
    set_modulus = <SetModulus> dlsym(library, b"BN_MONT_CTX_set")
    to_form = <ToForm> dlsym(library, b"BN_to_montgomery")
    multiply = <Multiply> dlsym(library, b"BN_mod_mul_montgomery")
    clear_errors = <Clear> dlsym(library, b"ERR_clear_error")
    return (
        sha256 != NULL
        and new_number != NULL
        and free_number != NULL
        and new_scratch != NULL
        and free_scratch != NULL
        and new_modulus != NULL
        and free_modulus != NULL
        and from_bytes != NULL
        and to_bytes != NULL
        and compare != NULL
        and set_modulus != NULL
        and to_form != NULL
        and multiply != NULL
        and clear_errors != NULL
    )


cdef class RsaPublicKey:
    """See `fastpath._rsa_py.RsaPublicKey`."""

    cdef void* _number  # n
    cdef void* _modulus  # n, and what Montgomery's products take of it
    cdef void* _signature
    cdef void* _power
    cdef void* _scratch
    cdef bytes _encoding  # of every message, but for its digest at the end
    cdef object _pure

    def __cinit__(self, der):
        loaded = load_key(der)
        numbers = loaded.public_numbers()
        size = (loaded.key_size + 7) // 8
        if not (IS_DIRECT and numbers.e == EXPONENT and ENCODED_MIN <= size <= ENCODED_MAX):
            self._pure = PureKey(der)
            return
        self._encoding = encoding_before_digest(size)
        modulus = numbers.n.to_bytes(size, "big")
        self._scratch = new_scratch()
        self._modulus = new_modulus()
        self._number = from_bytes(
            <const unsigned char*> PyBytes_AS_STRING(modulus), <int> size, NULL
        )
        self._signature = new_number()
        self._power = new_number()
        if (
            self._scratch == NULL
            or self._modulus == NULL
            or self._number == NULL
            or self._signature == NULL
            or self._power == NULL
        ):
            raise MemoryError
        if not set_modulus(self._modulus, self._number, self._scratch):
            clear_errors()
            self._pure = PureKey(der)

    def __dealloc__(self):
        if IS_DIRECT:
            free_number(self._power)
            free_number(self._signature)
            free_number(self._number)
            free_modulus(self._modulus)
            free_scratch(self._scratch)

    def __reduce__(self):
        raise TypeError("an RsaPublicKey is not pickled")

    def verify(self, message, signature):
        """See `fastpath._rsa_py.RsaPublicKey.verify`."""
        if type(message) is not bytes:
            raise wrong_type("message", "bytes", message)
        if type(signature) is not bytes:
            raise wrong_type("signature", "bytes", signature)
        if self._pure is not None:
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
        if self._pure is not None:
            return self._pure.verify_base64(message, signature)
        size = _decode(text, size, raw)
        return size > 0 and self._is_genuine(<bytes> message, raw, size)

    cdef bint _is_genuine(
        self, bytes message, const unsigned char* signature, Py_ssize_t size
    ) except -1:
        cdef unsigned char[DIGEST_SIZE] digest
        cdef unsigned char[ENCODED_MAX] encoded
        cdef Py_ssize_t before = PyBytes_GET_SIZE(self._encoding)
        if size != before + DIGEST_SIZE:
            return False
        if from_bytes(signature, <int> size, self._signature) == NULL:
            raise MemoryError
        if compare(self._signature, self._number) >= 0:
            return False
        if not self._write_power(encoded, <int> size):
            clear_errors()
            raise MemoryError
        sha256(PyBytes_AS_STRING(message), PyBytes_GET_SIZE(message), digest)
        return (
            memcmp(encoded, PyBytes_AS_STRING(self._encoding), before) == 0
            and memcmp(encoded + before, digest, DIGEST_SIZE) == 0
        )

    cdef bint _write_power(self, unsigned char* encoded, int size) noexcept:
        """Write the signature's power, the message's encoding if it is genuine; False: no memory."""
        cdef int squaring
        if not to_form(self._power, self._signature, self._modulus, self._scratch):
            return False
        for squaring in range(SQUARINGS):
            if not multiply(self._power, self._power, self._power, self._modulus, self._scratch):
                return False
        # A product of which one factor is in Montgomery's form is not.
        return (
            multiply(self._power, self._power, self._signature, self._modulus, self._scratch) == 1
            and to_bytes(self._power, encoded, size) == size
        )


cdef bint _tells_apart():
    """Whether the functions that were found are what they are taken for."""
    key = RsaPublicKey(PROOF_KEY)
    if (<RsaPublicKey> key)._pure is not None:
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
