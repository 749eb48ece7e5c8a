"""The fast path: the few pure functions every request passes, each written twice.

Law. Each subject has a door (`signature`, `amount`), a pure twin `_<subject>_py` that is the
specification and is never tuned, and a compiled twin `_<subject>_c` that only has to be fast.
For every input both give the same result or raise the same error with the same words; where
they differ, the pure twin is right and the build fails. `_select` chooses once for all doors,
so a process never runs a mixture. Nothing here knows the gateway: this package imports the
standard library, `cryptography` and `msgspec` only, reads no clock, waits for nothing, logs
nothing.

`IMPLEMENTATION` is "cython" or "pure": the twins this process runs.
"""

from fastpath._select import IMPLEMENTATION

__all__ = ["IMPLEMENTATION"]
