"""Binding: values to the named parameters of a statement.

Law: names only; a value without a parameter or a parameter without a value is a defect and raises.
"""

from typing import Any

from gateway.adapters.postgres.statements import Statement


def bind(statement: Statement, **values: Any) -> list[Any]:
    """The text of a statement and its arguments, in the order in which it names them.

    Raises TypeError unless exactly the statement's parameters are given.
    """
    if values.keys() != statement.names:
        differing = sorted(values.keys() ^ statement.names)
        raise TypeError(f"{statement.name} is given or lacks {', '.join(differing)}")
    return [statement.text, *(values[name] for name in statement.parameters)]
