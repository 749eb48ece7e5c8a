from fastpath._keyed_py import HmacKey as HmacKey

OPENSSL_DIRECT: bool
