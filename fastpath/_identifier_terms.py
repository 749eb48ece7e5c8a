"""The words both twins of `fastpath.identifier` share: sizes and the texts of errors.

Law. Only names and values, no decision. An error text never repeats input.
"""

from typing import Final

TEXT_CHARS: Final = 26
OCTETS: Final = 16

NOT_BASE32: Final = "an id ends in 26 characters of Crockford's lower-case base32"
NOT_128_BITS: Final = "the characters of an id are at most 128 bits"
NOT_OCTETS: Final = "octets must be 16 bytes"
