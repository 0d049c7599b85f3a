"""What the command line shows: tables and progress, for people on a terminal, plain in a pipe."""

from __future__ import annotations

import json
import sys
import time as clock
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from diffusim.comparison import Comparison
    from diffusim.convergence import Convergence

_COLUMNS: dict[str, Callable[[Any], str]] = {
    "label": str, "limit": str, "reference": str, "l1": "{:.3g}".format, "l2": "{:.3g}".format,
    "linf": "{:.3g}".format, "worst_l2": "{:.3g}".format,
    "expected": lambda value: "" if value is None else f"{value:.3g}",
    "mass_drift": "{:.1g}".format, "minimum": "{:.6g}".format, "maximum": "{:.6g}".format,
    "seconds": "{:.2f}".format, "verdict": str, "reason": str,
}  # fmt: skip


def print_table(comparison: Comparison, style: str) -> None:
    """Print a comparison as ``table``, ``csv`` or ``json``; in a pipe a table is tab-separated."""
    if style == "json":
        click.echo(json.dumps(comparison.as_dict(), indent=1))
        return
    rows = [
        [text(getattr(row, name)) for name, text in _COLUMNS.items()] for row in comparison.rows
    ]
    heads = [name.replace("_", " ") for name in _COLUMNS]
    if style == "csv":
        import csv
        import io

        csv.writer(text := io.StringIO(), lineterminator="\n").writerows(
            [
                list(_COLUMNS),
                *([getattr(row, name) for name in _COLUMNS] for row in comparison.rows),
            ]
        )
        click.echo(text.getvalue(), nl=False)
    elif not on_terminal(sys.stdout):
        click.echo("\n".join("\t".join(cells) for cells in [heads, *rows]))
    else:
        _show_table(comparison, rows)


def _show_table(comparison: Comparison, rows: list[list[str]]) -> None:
    """Show on a terminal of eighty columns what matters most; verdicts below, a line each."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    names = list(_COLUMNS)
    shown = ["label", "reference", "l2", "worst_l2", "expected", "mass_drift", "seconds"]
    table = Table(title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for name in shown:
        words = name in ("label", "reference")
        table.add_column(name.replace("_", " "), overflow="fold", no_wrap=not words,
                         justify="left" if words else "right")  # fmt: skip
    for cells in rows:
        table.add_row(*(cells[names.index(name)] for name in shown))
    console = Console(markup=False, highlight=False)
    console.print(comparison.title, style="bold")
    console.print(table)
    for cells in rows:
        cell = dict(zip(names, cells, strict=True))
        reason = f" ({cell['reason']})" if cell["reason"] else ""
        console.print(f"{cell['label']}: {cell['verdict']}{reason}")
        console.print(
            f"  limit {cell['limit']}, l1 {cell['l1']}, linf {cell['linf']}, "
            f"values from {cell['minimum']} to {cell['maximum']}"
        )


_REFINED = {"particles": "particles", "dt": "longest step", "grid": "cells"}


def print_convergence(found: Convergence, style: str) -> None:
    """Print a study: of a table a row for each resolution, the verdicts below; else every point."""
    if style == "json":
        click.echo(json.dumps(found.as_dict(), indent=1))
        return
    if style == "csv":
        from diffusim.convergence import as_csv

        click.echo(as_csv(found), nl=False)
        return
    short = "{:.4g}".format
    heads = ["label", _REFINED[found.refine], "error", "expected", "ratio", "p"]
    rows = [
        [series.label, group.resolution, short(group.error),
         *("" if value is None else short(value)
           for value in (group.expected, group.ratio, group.p))]
        for series in found.series for group in series.groups
    ]  # fmt: skip
    shown = [k for k in range(len(heads)) if k < 3 or any(row[k] for row in rows)]
    table = [[cells[k] for k in shown] for cells in [heads, *rows]]
    if on_terminal(sys.stdout):
        _show_columns(found.title, table)
    else:
        click.echo("\n".join("\t".join(cells) for cells in table))
    for series in found.series:
        click.echo(series.verdict)


def _show_columns(title: str, table: list[list[str]]) -> None:
    """Show a table on a terminal, words to the left and numbers to the right."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    shown = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for number, name in enumerate(table[0]):
        shown.add_column(name, no_wrap=number > 0, justify="right" if number else "left")
    for cells in table[1:]:
        shown.add_row(*cells)
    console = Console(markup=False, highlight=False)
    console.print(title, style="bold")
    console.print(shown)


def on_terminal(stream: Any) -> bool:
    """Whether a stream is read by a person."""
    return stream is not None and stream.isatty()


class Progress:
    """A bar on a terminal, a line per tenth elsewhere, nothing for what takes under a second."""

    def __init__(self, quiet: bool) -> None:
        self._quiet = quiet
        self._bar: Any = None

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_what: object) -> None:
        self._close()

    def note(self, text: str) -> None:
        """Say something on a line of its own."""
        self._close()
        click.echo(text, err=True)

    def stage(self, name: str) -> Callable[[float], None]:
        """Begin a part of the work; the fraction done goes to what is returned."""
        self._close()
        if self._quiet:
            return lambda _fraction: None
        began = clock.perf_counter()
        told = [0]

        def tell(fraction: float) -> None:
            spent = clock.perf_counter() - began
            if spent < 1.0:
                return
            if fraction >= 1.0 and not told[0]:
                return  # it did not tell its progress, and that it is over will be seen
            if on_terminal(sys.stderr):
                told[0] = 1
                self._show(name, fraction, spent)
            elif int(10 * fraction) > told[0]:
                told[0] = int(10 * fraction)
                left = spent / fraction - spent
                click.echo(f"{name}: {10 * told[0]} %, {left:.0f} s left", err=True)

        return tell

    def _show(self, name: str, fraction: float, spent: float) -> None:
        if self._bar is None:
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn
            from rich.progress import TimeRemainingColumn as Remaining

            columns = [
                TextColumn("{task.description}"),
                BarColumn(),
                TaskProgressColumn(),
                TextColumn("{task.fields[rate]:.0f} %/s"),
                Remaining(),
            ]
            self._bar = Progress(*columns, console=Console(stderr=True), transient=True)
            self._bar.start()
            self._task = self._bar.add_task(name, total=1.0, rate=0.0)
        self._bar.update(self._task, completed=fraction, rate=100.0 * fraction / spent)

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
