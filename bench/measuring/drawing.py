"""The pictures' room: a figure's bars as SVG, legible on light and dark pages, and the same for the same numbers."""

from typing import Any

from pygal import HorizontalBar
from pygal.style import Style

from measuring.results import Bars, Figure

WIDTH = 760
BAR = 24
AROUND = 84
"""Pixels above and below the bars: the title, the axis."""
LEGEND = 26
ROOM = 1.12
"""What the longest bar leaves for the number at its end."""
SANS = "system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif"
LIGHT = Style(
    background="#ffffff",
    plot_background="#ffffff",
    foreground="#1f2328",
    foreground_strong="#1f2328",
    foreground_subtle="#d1d9e0",
    colors=("#0969da", "#8250df", "#1a7f37"),
    opacity="1",
    font_family=SANS,
    title_font_size=15,
    label_font_size=12,
    major_label_font_size=12,
    value_font_size=12,
    legend_font_size=12,
)
LOOK = """inline:
.axis .major.guide.line { stroke: #bc4c00; stroke-dasharray: none; stroke-width: 1.5px }
.series text.value { text-anchor: start }
@media (prefers-color-scheme: dark) {
  svg { background-color: #0d1117 }
  .graph > .background, .plot > .background { fill: #0d1117 }
  .title, .axis text, .axis text.major, .legends .legend text, .text-overlay .series text { fill: #e6edf3 !important }
  .axis .line, .axis .guide.line { stroke: #30363d }
  .axis .major.guide.line { stroke: #f0883e }
  .color-0 { fill: #58a6ff; stroke: #58a6ff }
  .color-1 { fill: #bc8cff; stroke: #bc8cff }
  .color-2 { fill: #3fb950; stroke: #3fb950 }
}
"""


def drawn(figure: Figure) -> str:
    """The figure's bars, the first on top."""
    bars = figure.bars
    chart = HorizontalBar(
        width=WIDTH,
        height=_height(bars),
        explicit_size=True,
        title=f"{figure.key}: {bars.unit}",
        style=LIGHT,
        css=("file://style.css", "file://graph.css", LOOK),
        no_prefix=True,
        print_values=True,
        print_values_position="top",
        show_legend=len(bars.series) > 1,
        legend_at_bottom=True,
        truncate_label=-1,
        truncate_legend=-1,
        value_formatter=short,
        range=(0, _longest(bars) * ROOM),
        spacing=6,
        margin=10,
    )
    chart.x_labels = tuple(reversed(bars.names))
    chart.y_labels = _marks(bars)
    chart.y_labels_major = [] if bars.goal is None else [bars.goal]
    for name, values in bars.series.items():
        chart.add(name, tuple(reversed(values)))
    chart.add_xml_filter(_still)
    return str(chart.render(is_unicode=True, disable_xml_declaration=True)) + "\n"


def short(number: float) -> str:
    """No more digits than a reader compares."""
    return f"{number:,.0f}" if number >= 100 else f"{number:.2f}".rstrip("0").rstrip(".")


def _height(bars: Bars) -> int:
    legend = LEGEND if len(bars.series) > 1 else 0
    return AROUND + legend + BAR * len(bars.names) * len(bars.series)


def _longest(bars: Bars) -> float:
    return max([*(value for values in bars.series.values() for value in values), bars.goal or 0.0]) or 1.0


def _marks(bars: Bars) -> list[dict[str, Any]]:
    marks: list[dict[str, Any]] = [{"value": 0, "label": "0"}]
    return marks if bars.goal is None else [*marks, {"value": bars.goal, "label": f"goal {bars.goal_text}"}]


def _still(root: Any) -> Any:
    """Without what moves or changes: no script, no day on which it was drawn."""
    for parent in list(root.iter()):
        for child in list(parent):
            if not isinstance(child.tag, str) or child.tag.endswith("script"):
                parent.remove(child)
    return root
