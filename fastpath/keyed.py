"""Keys that authenticate many messages: HMAC-SHA-256 with the key's half of the work done once.

Law. This is a door: it holds no logic, only the names of the twin that `fastpath._select` chose.
It knows no merchant and no clock. A false signature is False, a key that can never verify is
ValueError, an argument of another type is TypeError.
"""

from fastpath._select import IMPLEMENTATION

if IMPLEMENTATION == "cython":
    from fastpath._keyed_c import HmacKey
else:
    from fastpath._keyed_py import HmacKey

__all__ = ["HmacKey"]
