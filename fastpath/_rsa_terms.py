"""What the twins of `fastpath.rsa` share: how long a signature may be, what a genuine one says, and
what proves a twin.

Law. Only values, no decision. The compiled twin proves itself by a key, a message, its signature.
The private key was thrown away; the key guards nothing.
"""

import base64
from typing import Final

SIGNATURE_CHARS_MAX: Final = 2048
"""Characters of a signature in base64; those of a key of 8192 bits are 1368."""

EXPONENT: Final = 65_537
"""The public exponent of the keys of all channels."""

_DIGEST_INFO: Final = bytes.fromhex("3031300d060960864801650304020105000420")
_DIGEST_BYTES: Final = 32
_PADDING_MIN: Final = 8
ENCODED_MIN: Final = 3 + _PADDING_MIN + len(_DIGEST_INFO) + _DIGEST_BYTES
"""Bytes of the shortest modulus that has room for a message's encoding."""


def encoding_before_digest(size: int) -> bytes:
    """EMSA-PKCS1-v1_5 with SHA-256 in `size` bytes, but for the digest that ends it.

    Source: RFC 8017 section 9.2, with the DigestInfo of its note 1.
    """
    padding = size - 3 - len(_DIGEST_INFO) - _DIGEST_BYTES
    return b"\x00\x01" + b"\xff" * padding + b"\x00" + _DIGEST_INFO


PROOF_KEY: Final = base64.b64decode(
    "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAp1+GmTl1dSMV5S4Bbr7DCaqwrAuKGrPSN0YUZA7zIyPi"
    "Fuk/YmqsQNJ6V2r3EVR58OfTiR5wJr4FETyvfCF1ZrYds5hJnTS9aLY5gaonL0Nw+Jxk2s1p9546nLAYnSOw4LRd"
    "8G9XxbwaxDnDueDbfaqdbeOd2liYieWZTBvH4HDpZb6y/tYFDCaLMP1aPvUaPFISaJUEKQCID4k0HXbTkRlp6mF7"
    "5KzjOVn2pVP0LByXv5m3c5MKVfVAeGPQJ6Mrl37OWFMbrkUPUSWbGA993+f4HBJH7efQcW/U9bQiVcJPn+e7Up8+"
    "OsPT6zuf0dR/wAjLpSSwa6hIJEUsQhq2XwIDAQAB"
)
"""SubjectPublicKeyInfo in DER, 2048 bits."""
PROOF_MESSAGE: Final = b"a message whose signature is known"
PROOF_SIGNATURE: Final = base64.b64decode(
    "LqLpL2js0MKWwMaCh8L36pnsoR+xEOG+qDflMk8kllkNrsPi+Yl0gRAJ3cuapWjPYn5tzJqkuF4EXrfussLEww5r"
    "VaxnO/eSrGvlvfwizjIU96IXjmc4Ilt+n6LOM15Nu6aj+zLE50mysIMp5otM6hkX00t9Ap9yukntibKfkO8ycv7R"
    "gV8/D5p7jQ2OV6k/6mhjj4bPJWb4x8bRDO6Qch2X1oMoog0y64499lYHY0VLu+8G8JFfXxUqA/kGvQUWh9uy7WKH"
    "P86cpFTYTS6XCepwyjM2vn76WNbbOItTP3IphudSAQFydPuDy8YDaYENWqwLG2y6CqLEtPIpTahCpg=="
)
"""RSASSA-PKCS1-v1_5 with SHA-256."""
