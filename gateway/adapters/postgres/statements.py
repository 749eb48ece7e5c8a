"""Statements: SQL is SQL, in `.sql` files beside their readers, as named and described queries.

Law: no SQL text is built from values. A file holds statements of the form

    -- name: by_id
    -- What it answers, in a sentence.
    -- scope: buckets          (only where a worker reads across merchants)
    select ... where merchant_id = :merchant_id ...

Named parameters become `$n` in order of first appearance. A statement with `scope: chain` stands
only as a part of a larger one (`writing.py`).
"""

import re
from pathlib import Path
from typing import NamedTuple

_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)
_PARAMETER = re.compile(r"(?<![:\w]):([a-z]\w*)")


class Statement(NamedTuple):
    """One named statement: its text with `$n`, and the names of its parameters in that order.

    `names` are the parameters again, as the set that a binding is compared with.
    """

    name: str
    text: str
    parameters: tuple[str, ...]
    note: str
    scope: str | None
    names: frozenset[str]


def parse(source: str, file: str) -> dict[str, Statement]:
    """The statements of one `.sql` source. Raises ValueError for one without a description."""
    parts = _NAME.split(source)
    found = {}
    for name, body in zip(parts[1::2], parts[2::2], strict=True):
        notes = [row[3:] for row in body.splitlines() if row.startswith("-- ")]
        scope = next((note[7:] for note in notes if note.startswith("scope: ")), None)
        note = " ".join(note for note in notes if not note.startswith("scope: "))
        if not note:
            raise ValueError(f"{file}: {name} has no description")
        text = "\n".join(row for row in body.splitlines() if not row.lstrip().startswith("--"))
        names: list[str] = []

        def numbered(match: re.Match[str], names: list[str] = names) -> str:
            if match[1] not in names:
                names.append(match[1])
            return f"${names.index(match[1]) + 1}"

        text = _PARAMETER.sub(numbered, text).strip().rstrip(";")
        found[name] = Statement(name, text, tuple(names), note, scope, frozenset(names))
    return found


def load(module_file: str) -> dict[str, Statement]:
    """The statements of the `.sql` file beside a module."""
    path = Path(module_file).with_suffix(".sql")
    return parse(path.read_text(encoding="utf-8"), path.name)
