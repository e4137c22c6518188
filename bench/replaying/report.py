"""The report's room: figures and checks as tables for people and as JSON for programs."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table

from replaying.checks import Check
from replaying.gateway import Gateway
from replaying.ledger import Ledger
from replaying.plan import Plan
from replaying.uploading import Upload


def show_plan(console: Console, plan: Plan, path: str) -> None:
    """What was read, and what was left out."""
    sales = sum(not invoice.cancels for invoice in plan.invoices)
    console.print(
        f"[bold]{path}[/]: {plan.lines:,} lines, {len(plan.products):,} products, {len(plan.customers):,} customers, "
        f"{sales:,} invoices, {len(plan.invoices) - sales:,} cancellations"
    )
    for reason, count in plan.left_out.most_common():
        console.print(f"  left out: {count:,} lines, {reason}", style="yellow")


def figures(plan: Plan, upload: Upload, ledger: Ledger, gateway: Gateway) -> dict[str, Any]:
    """Everything that was measured and counted."""
    return {
        "lines": plan.lines,
        "left_out": dict(plan.left_out),
        "products": len(plan.products),
        "customers": len(plan.customers),
        "invoices": len(plan.invoices),
        "upload": asdict(upload),
        "orders_placed": len(ledger.placed),
        "orders_through_cart": sum(order.customer in ledger.through_cart for order in ledger.placed),
        "orders_cancelled": ledger.cancelled,
        "cancellation_lines_unmatched": ledger.unmatched,
        "lines_of_products_not_uploaded": ledger.unsold,
        "orders_per_s": round(ledger.orders_per_s, 1),
        "placing_s": round(ledger.placing_s, 1),
        "placement_p50_ms": round(ledger.latency_ms(50), 1),
        "placement_p99_ms": round(ledger.latency_ms(99), 1),
        "refused": dict(ledger.refused),
        "answers": {str(status): count for status, count in sorted(gateway.answers.items())},
        "sent_again": dict(gateway.again),
        "unanswered": ledger.unanswered,
    }


def as_json(figures: Mapping[str, Any], checks: Sequence[Check]) -> dict[str, Any]:
    """The figures and the outcome of every check."""
    return {**figures, "green": all(check.ok for check in checks), "checks": [asdict(check) for check in checks]}


def show_figures(console: Console, figures: Mapping[str, Any]) -> None:
    """The run in numbers."""
    table = Table(title="What happened", title_justify="left", show_header=False)
    upload = figures["upload"]
    table.add_row(
        "products uploaded",
        f"{upload['created']:,} created, {upload['updated']:,} updated, {upload['unchanged']:,} unchanged",
    )
    table.add_row(
        "orders placed", f"{figures['orders_placed']:,}, {figures['orders_through_cart']:,} of them through the cart"
    )
    table.add_row("orders cancelled", f"{figures['orders_cancelled']:,}")
    table.add_row("cancelled lines without an order", f"{figures['cancellation_lines_unmatched']:,}")
    table.add_row("refused", _counts(figures["refused"]))
    table.add_row("answers by status", _counts(figures["answers"]))
    table.add_row("sent again after", _counts(figures["sent_again"]))
    table.add_row("placing took", f"{figures['placing_s']:,} s")
    table.add_row("[bold]orders per second[/]", f"[bold]{figures['orders_per_s']:,}[/]")
    table.add_row("[bold]placement p50, p99[/]", f"[bold]{_latency(figures)}[/]")
    console.print(table)


def show_checks(console: Console, checks: Sequence[Check]) -> None:
    """Each check with what it found."""
    table = Table("", "check", "found", title="Does it all add up?", title_justify="left")
    for check in checks:
        table.add_row("[green]✔[/]" if check.ok else "[bold red]✘[/]", check.name, check.told)
    console.print(table)
    red = sum(not check.ok for check in checks)
    verdict = f"[bold red]{red} of {len(checks)} checks are red.[/]" if red else "[bold green]Every check is green.[/]"
    console.print(verdict)


def _latency(figures: Mapping[str, Any]) -> str:
    return f"{figures['placement_p50_ms']:,} ms, {figures['placement_p99_ms']:,} ms"


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name}: {count:,}" for name, count in counts.items()) or "none"
