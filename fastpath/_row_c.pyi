from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")

def row_lines(rows: Sequence[Sequence[object]], kinds: bytes) -> str: ...
def read_row(
    record: Sequence[object],
    at: int,
    fields: tuple[str, ...],
    kinds: bytes,
    prefixes: tuple[str | None, ...],
    value: type[T],
) -> T: ...
