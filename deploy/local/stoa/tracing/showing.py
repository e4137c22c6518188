"""Shows a trace: for people as a tree and a table, for programs as JSON."""

import json
from collections.abc import Mapping, Sequence

from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from stoa.tracing.following import Trace
from stoa.tracing.spans import MS, Span, below, parts, total, walk

WIDE = 200
"""Columns that a line may take: a tree is not wrapped, as what it was cut off would be its figures."""


def tree(trace: Trace) -> Tree:
    """Each span under the one that called it: process, name, when it began, how long it took."""
    children = below(trace.spans, trace.root)
    shown = Tree(_line(trace.root, trace.root))
    _grow(shown, trace.root, trace.root, children)
    return shown


def _grow(branch: Tree, span: Span, root: Span, children: Mapping[str, Sequence[Span]]) -> None:
    for child in children.get(span.id, ()):
        _grow(branch.add(_line(child, root)), child, root, children)


def _line(span: Span, root: Span) -> Text:
    begun, took = (span.begun - root.begun) / MS, (span.ended - span.begun) / MS
    name, times = f" {span.title}", f"  +{begun:.1f} ms"
    return Text.assemble((span.service, "bold"), name, (times, "dim"), (f"  {took:.1f} ms", "cyan"))


def parts_table(trace: Trace) -> Table:
    """What of the whole each process took itself."""
    whole = total(trace.spans, trace.root) / MS
    caption = f"of {whole:.1f} ms in all; what goes on side by side counts for each"
    table = Table("part", "itself", "share", box=None, padding=(0, 2), caption=caption, caption_justify="left")
    for part in parts(trace.spans, trace.root):
        table.add_row(part.service, f"{part.own_ms:.1f} ms", f"{part.share:.0%}")
    return table


def as_json(trace: Trace) -> str:
    """The same for programs; times in milliseconds."""
    spans = [
        {
            "id": span.id,
            "parent": span.parent or None,
            "depth": depth,
            "service": span.service,
            "name": span.title,
            "offset_ms": round((span.begun - trace.root.begun) / MS, 3),
            "duration_ms": round((span.ended - span.begun) / MS, 3),
        }
        for depth, span in walk(trace.spans, trace.root)
    ]
    shares = [
        {"service": part.service, "own_ms": round(part.own_ms, 3), "share": round(part.share, 4)}
        for part in parts(trace.spans, trace.root)
    ]
    missing = [" ".join(leg).strip() for leg in trace.missing]
    whole = round(total(trace.spans, trace.root) / MS, 3)
    told = {"trace": trace.root.trace, "order": trace.order, "total_ms": whole, "missing": missing}
    return json.dumps(told | {"spans": spans, "parts": shares})
