"""Statements: SQL is SQL, in `.sql` files beside their readers, as named and described queries.

Law: no SQL text is built from values. A file holds statements of the form

    -- name: by_id
    -- What it answers, in a sentence.
    -- scope: buckets          (only where a worker reads across merchants)
    select ... where merchant_id = :merchant_id ...

Named parameters become `$n` in order of first appearance. `chain` joins several data-modifying
statements into one round trip; each is a CTE of its own and none reads what another wrote.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)
_PARAMETER = re.compile(r"(?<![:\w]):([a-z]\w*)")
_NUMBERED = re.compile(r"\$(\d+)")


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


def chain(statements: Sequence[Statement]) -> str:
    """One statement that runs all given ones and answers their row counts, in order.

    Every statement must end in a `returning` clause; its parameters follow those of the one
    before it.
    """
    ctes, counts, offset = [], [], 0
    for index, statement in enumerate(statements):

        def shifted(match: re.Match[str], offset: int = offset) -> str:
            return f"${int(match[1]) + offset}"

        ctes.append(f"w{index} as ({_NUMBERED.sub(shifted, statement.text)})")
        counts.append(f"(select count(*) from w{index})")
        offset += len(statement.parameters)
    return f"with {', '.join(ctes)} select {', '.join(counts)}"
