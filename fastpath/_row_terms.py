"""The words both twins of `fastpath.row` share: kinds of columns, separators, what is replaced.

Law. Only names and values, no decision. A separator never stands inside a value: the rows of a
text are told apart by nothing else.
"""

import re
from typing import Final

TEXT: Final = b"t"
"""str, as it is. Postgres: text."""
NUMBER: Final = b"n"
"""int, in decimal. Postgres: any integer."""
FLAG: Final = b"f"
"""bool. Postgres: boolean."""
ID: Final = b"i"
"""TypeID text, whose 128 bits are written as 32 hexadecimal digits. Postgres: uuid."""
MOMENT: Final = b"m"
"""Aware datetime, in UTC with microseconds. Postgres: timestamptz."""
BYTES: Final = b"b"
"""bytes, as `\\x` and hexadecimal digits. Postgres: bytea."""
JSON: Final = b"j"
"""What `msgspec.json` can encode, as compact JSON. Postgres: jsonb."""
TEXTS: Final = b"s"
"""Tuple or list of str, as an array literal. Postgres: text[]."""

KINDS: Final = TEXT + NUMBER + FLAG + ID + MOMENT + BYTES + JSON + TEXTS

UNIT: Final = "\x1f"
"""Parts the values of a row."""
NULL: Final = "\x1e"
"""Stands for None."""
GROUP: Final = "\x1d"
"""Parts rows."""

REPLACEMENT: Final = "\ufffd"
ODD: Final = re.compile("[\x00\x1d-\x1f\ud800-\udfff]")
"""Characters that a text must not bring: separators, and what Postgres or UTF-8 cannot hold."""
NUL_ESCAPE: Final = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")
"""An escaped NUL in JSON text, which jsonb refuses, with the pairs of backslashes before it."""
NUL_REPLACED: Final = r"\1" + REPLACEMENT

COLUMNS_MAX: Final = 128

ID_REFUSED: Final = "must be an id: a prefix, '_' and 26 characters of Crockford base32"
"""Follows the name of the column; the value itself is not told."""
NAIVE_REFUSED: Final = "must be a datetime with a time zone"
LONE_TEXT_REFUSED: Final = "rows of a single text are refused: an empty one would be no row"
