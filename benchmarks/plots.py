"""Plots of the results, as SVG that shows itself without scripts or anything from elsewhere.

Law: made from the saved results alone.
"""

import re
from collections.abc import Mapping
from typing import Any

import pygal
from pygal.style import LightSolarizedStyle

WIDTH, HEIGHT = 900, 480
# Tooltips that a document does not need.
_SCRIPT = re.compile(rb"<script.*?</script>", re.DOTALL)


def drawn(results: Mapping[str, Any]) -> dict[str, bytes]:
    """The plots that these results are enough for, by name."""
    plots: dict[str, bytes] = {}
    if "connections" in results:
        table = results["connections"]["tables"][0]
        plots["throughput"] = _lines(
            table, "Creates per second over connections", {"tillgate": 1, "hello": 2}
        )
        plots["latency"] = _lines(
            table,
            "Latency over connections, ms",
            {"tillgate p50": 3, "hello p50": 4, "tillgate p99": 5, "hello p99": 6},
            logarithmic=True,
        )
    if "services" in results:
        players = {each["name"]: each["medians"]["rate"] for each in results["services"]["players"]}
        plots["rivals"] = _bars("Creates per second", players)
        players = {
            each["name"]: each["medians"]["p99_ms"] for each in results["services"]["players"]
        }
        plots["rivals-latency"] = _bars("p99 of a create, ms", players)
    if "create" in results:
        players = {each["name"]: each["medians"]["cpu_us"] for each in results["create"]["players"]}
        plots["cpu"] = _bars("CPU time of the program per request, microseconds", players)
    if "rows" in results:
        plots["rows"] = _lines(
            results["rows"]["tables"][0],
            "Creates per second over payments in the table",
            {"tillgate": 1},
        )
    return plots


def _settings() -> dict[str, Any]:
    return {
        "width": WIDTH,
        "height": HEIGHT,
        "js": (),
        "style": LightSolarizedStyle,
        "legend_at_bottom": True,
        "disable_xml_declaration": False,
        "show_dots": True,
    }


def _lines(table: Mapping[str, Any], title: str, series: Mapping[str, int], **more: Any) -> bytes:
    """A line for each series (the place of its column) over the table's first column."""
    chart = pygal.Line(title=title, **_settings(), **more)
    chart.x_labels = [f"{row[0]:,}" for row in table["rows"]]
    for name, column in series.items():
        chart.add(name, [row[column] for row in table["rows"]])
    return _SCRIPT.sub(b"", chart.render())


def _bars(title: str, values: Mapping[str, float]) -> bytes:
    chart = pygal.HorizontalBar(title=title, print_values=True, show_legend=True, **_settings())
    chart.value_formatter = lambda value: f"{value:,.0f}"
    for name, value in values.items():
        chart.add(name, value)
    return _SCRIPT.sub(b"", chart.render())
