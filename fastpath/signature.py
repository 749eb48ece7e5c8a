"""Request signatures, scheme TILL1: read the header, rebuild the message, verify.

Law. This is a door: it holds no logic, only the names of the twin that `fastpath._select`
chose. It knows no keys, no merchants and no clock; who may sign, and with what, is decided by
the caller. A false signature is False, a header outside the grammar is SignatureMalformed, a
key that can never verify is ValueError, an argument of another type is TypeError.
"""

from fastpath._public_key import PUBLIC_KEYS_CACHED_MAX, verify_ed25519, verify_rsa2048_sha256
from fastpath._select import IMPLEMENTATION
from fastpath._signature_terms import (
    ED25519,
    FAULTS,
    HEADER_BYTES_MAX,
    HMAC_SHA256,
    RSA2048_SHA256,
    SECRET_BYTES,
    SIGNATURE_BYTES_MAX,
    WINDOW_S,
    Authorization,
    SignatureMalformed,
)

if IMPLEMENTATION == "cython":
    from fastpath._signature_c import (
        build_message,
        in_window,
        parse_authorization,
    )
else:
    from fastpath._signature_py import (
        build_message,
        in_window,
        parse_authorization,
    )

__all__ = [
    "ED25519",
    "FAULTS",
    "HEADER_BYTES_MAX",
    "HMAC_SHA256",
    "PUBLIC_KEYS_CACHED_MAX",
    "RSA2048_SHA256",
    "SECRET_BYTES",
    "SIGNATURE_BYTES_MAX",
    "WINDOW_S",
    "Authorization",
    "SignatureMalformed",
    "build_message",
    "in_window",
    "parse_authorization",
    "verify_ed25519",
    "verify_rsa2048_sha256",
]
