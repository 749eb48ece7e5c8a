"""Rows: many rows of values as one text for Postgres, and the value that a record holds.

Law. This is a door: it holds no logic, only the names of the twin that `fastpath._select` chose.
"""

from fastpath._row_terms import (
    BYTES,
    FLAG,
    GROUP,
    ID,
    JSON,
    MOMENT,
    NULL,
    NUMBER,
    TEXT,
    TEXTS,
    UNIT,
)
from fastpath._select import IMPLEMENTATION

if IMPLEMENTATION == "cython":
    from fastpath._row_c import read_row, row_lines
else:
    from fastpath._row_py import read_row, row_lines

__all__ = [
    "BYTES",
    "FLAG",
    "GROUP",
    "ID",
    "JSON",
    "MOMENT",
    "NULL",
    "NUMBER",
    "TEXT",
    "TEXTS",
    "UNIT",
    "read_row",
    "row_lines",
]
