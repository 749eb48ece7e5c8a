from fastpath._rsa_py import RsaPublicKey as RsaPublicKey

OPENSSL_DIRECT: bool
