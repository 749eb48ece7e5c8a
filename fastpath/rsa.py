"""RSA keys that verify many messages: PKCS#1 v1.5 with SHA-256, the key loaded once.

Law. This is a door: it holds no logic, only the names of the twin that `fastpath._select` chose.
A false signature is False, whatever is wrong with it; what is no RSA key is ValueError, an argument
of another type is TypeError. Nothing here signs: the private operation itself is what signing
costs, and `cryptography` does it as fast as anything.
"""

from fastpath._select import IMPLEMENTATION

if IMPLEMENTATION == "cython":
    from fastpath._rsa_c import RsaPublicKey
else:
    from fastpath._rsa_py import RsaPublicKey

__all__ = ["RsaPublicKey"]
