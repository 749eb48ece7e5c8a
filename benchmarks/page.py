"""The page of results: what was promised and what was measured, as Markdown.

Law: made from the saved results alone; nothing is measured or rounded up here.
"""

from collections.abc import Iterable, Mapping
from typing import Any

FIGURES = {
    "rate": "req/s",
    "cpu_us": "CPU us",
    "database_cpu_us": "Postgres us",
    "p50_ms": "p50 ms",
    "p99_ms": "p99 ms",
    "changes_per_commit": "per commit",
    "lag_p99_ms": "webhook lag p99 ms",
}
PLAYERS_SHOWN_MAX = 8
# The plots of each benchmark (`plots.py`).
PICTURES = {
    "create": ("cpu",),
    "services": ("rivals", "rivals-latency"),
    "connections": ("throughput", "latency"),
    "rows": ("rows",),
}


def written(results: Mapping[str, Any], pictures: Mapping[str, str]) -> str:
    """The whole page; `pictures` are the files of the plots by name."""
    parts = ["# Measured", "", *_verdicts(results)]
    for result in results.values():
        parts += ["", f"## {result['name']}", "", f"{result['about']}.", ""]
        if result["players"] and len(result["players"]) <= PLAYERS_SHOWN_MAX:
            parts += [*_players(result["players"]), ""]
        for table in result["tables"]:
            parts += [f"{table['title']}:", "", *_table(table["head"], table["rows"]), ""]
        for name in PICTURES.get(result["name"], ()):
            if name in pictures:
                parts += [f"![{result['name']}: {name}]({pictures[name]})", ""]
        parts += [f"- {line}" for line in (*result["notes"], f"Proven: {result['proof']}.")]
        parts += [f"- Books recomputed: {books}." for books in result["books"]]
        parts.append(f"- {_made_with(result)}")
    return "\n".join(parts) + "\n"


def text_of(cell: str | int | float) -> str:
    """A cell of a table as text."""
    if isinstance(cell, str):
        return cell
    return f"{cell:,}" if isinstance(cell, int) else figure(cell)


def figure(value: float | None) -> str:
    """A figure with as many digits as it deserves; empty for none."""
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def _verdicts(results: Mapping[str, Any]) -> Iterable[str]:
    rows = []
    for result in results.values():
        for each in result["verdicts"]:
            sign = "" if each["more_is_better"] else "at most "
            mark = "yes" if each["is_on_target"] else "at least" if each["is_met"] else "**no**"
            unit = f" {each['unit']}" if each["unit"] else ""
            rows.append(
                [
                    each["what"],
                    f"**{each['value']:.2f}**{unit}",
                    f"{sign}{each['target']:g}{unit}",
                    f"{sign}{each['at_least']:g}{unit}",
                    mark,
                ]
            )
    return _table(["what", "measured", "target", "at least", "reached"], rows)


def _players(players: Iterable[Mapping[str, Any]]) -> Iterable[str]:
    players = list(players)
    shown = [name for name in FIGURES if any(name in each["medians"] for each in players)]
    rows = [
        [each["name"], *(figure(each["medians"].get(name)) for name in shown)] for each in players
    ]
    return _table(["", *(FIGURES[name] for name in shown)], rows)


def _table(head: Iterable[str], rows: Iterable[Iterable[str | int | float]]) -> Iterable[str]:
    head = list(head)
    yield "| " + " | ".join(head) + " |"
    yield "|" + "---|" * len(head)
    for row in rows:
        yield "| " + " | ".join(text_of(cell) for cell in row) + " |"


def _made_with(result: Mapping[str, Any]) -> str:
    on, plan = result["machine"], result["plan"]
    versions = ", ".join(f"{name} {number}" for name, number in on["versions"].items())
    postgres = result["postgres"]
    database = (
        f"Postgres {postgres['server_version']} (fsync {postgres['fsync']}, synchronous_commit "
        f"{postgres['synchronous_commit']}), "
        if postgres
        else ""
    )
    return (
        f"{on['at']}, commit {on['commit']}; {on['processor']}, {on['cores']} cores, kernel "
        f"{on['kernel']}; Python {on['python']}, fast path {on['fastpath']}, {database}{versions}; "
        f"{plan['generator']}, {plan['connections']} connections, medians of {plan['rounds']} "
        f"rounds of {plan['seconds']:g} s; other programs took at most "
        f"{result['strangers_max']:.0%} of the measured core."
    )
