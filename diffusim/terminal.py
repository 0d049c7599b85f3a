"""What the command line shows: tables and progress, for people on a terminal, plain in a pipe."""

from __future__ import annotations

import json
import sys
import time as clock
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import click

from diffusim.quantities import axis_unit

if TYPE_CHECKING:
    from diffusim.comparison import Comparison
    from diffusim.convergence import Convergence

_short: Callable[[Any], str] = "{:.3g}".format


def _maybe(value: Any) -> str:
    return "" if value is None else _short(value)


def _by_key(values: Any) -> str:
    return ", ".join(f"{key} {value:.3g}" for key, value in values.items())


# The columns, and how they are written; those of a gap are fields of it.
_GAP = "gap_"
_COLUMNS: dict[str, Callable[[Any], str]] = {
    "label": str, "limit": str, "reference": str, "l1": _short, "l2": _short, "linf": _short,
    "worst_l2": _short, "expected": _maybe, "ratio": _maybe, "h1": _maybe, "bands": _by_key,
    "variation": _maybe, "transport": _by_key, "displacement": _by_key,
    "negative": "{:.1g}".format, "mass_drift": "{:.1g}".format, "minimum": "{:.6g}".format,
    "maximum": "{:.6g}".format, "steps": lambda value: "" if value is None else str(value),
    "seconds": "{:.2f}".format, "gap_reference": str, "gap_l2": _maybe, "gap_expected": _maybe,
    "gap_verdict": str, "gap_reason": str, "verdict": str, "reason": str,
}  # fmt: skip


def _value(row: Any, name: str) -> Any:
    if not name.startswith(_GAP):
        return getattr(row, name)
    return None if row.gap is None else getattr(row.gap, name.removeprefix(_GAP))


def _cells(row: Any) -> dict[str, str]:
    """A row in words, by the name of the column."""
    values = {name: _value(row, name) for name in _COLUMNS}
    return {name: "" if value is None else _COLUMNS[name](value) for name, value in values.items()}


def print_table(comparison: Comparison, style: str) -> None:
    """Print a comparison as ``table``, ``csv`` or ``json``; in a pipe a table is tab-separated.

    Below a table stands which run is cheapest to which error; in a pipe that goes to the log, so
    that nothing but the table is read.
    """
    if style == "json":
        click.echo(json.dumps(comparison.as_dict(), indent=1))
    elif style == "csv":
        click.echo(_as_csv(comparison), nl=False)
    elif on_terminal(sys.stdout):
        _show_table(comparison)
    else:
        rows = [[*_cells(row).values()] for row in comparison.rows]
        heads = [name.replace("_", " ") for name in _COLUMNS]
        click.echo("\n".join("\t".join(cells) for cells in [heads, *rows]))
        if comparison.ranking:
            print_note(comparison.cheapest)


def _as_csv(comparison: Comparison) -> str:
    """All columns with all digits; of what has a number for each axis or band, a column each."""
    import csv
    import io

    found: list[dict[str, Any]] = []
    for row in comparison.rows:
        found.append({})
        for name in _COLUMNS:
            value = _value(row, name)
            parts = value if isinstance(value, dict) else {"": value}
            found[-1] |= {f"{name}_{key}".rstrip("_"): part for key, part in parts.items()}
    heads = list(dict.fromkeys(name for flat in found for name in flat))
    writer = csv.DictWriter(text := io.StringIO(), heads, lineterminator="\n")
    writer.writeheader()
    writer.writerows(found)
    return text.getvalue()


_SHOWN = ("label", "reference", "l2", "worst_l2", "expected", "mass_drift", "seconds")
# What is told of a run below the table, its words there, and whether it lies along axes.
_BELOW = (("h1", "h1", ""), ("variation", "variation", ""), ("transport", "moved by", "along"),
          ("displacement", "centre off by", "along"))  # fmt: skip


def _show_table(comparison: Comparison) -> None:
    """Show on a terminal of eighty columns what matters most; verdicts and the rest are below."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for name in _SHOWN:
        words = name in ("label", "reference")
        table.add_column(name.replace("_", " "), overflow="fold", no_wrap=not words,
                         justify="left" if words else "right")  # fmt: skip
    rows = [_cells(row) for row in comparison.rows]
    for cells in rows:
        table.add_row(*(cells[name] for name in _SHOWN))
    console = Console(markup=False, highlight=False)
    console.print(comparison.title, style="bold")
    console.print(table)
    for cells in rows:
        for line in _below(cells):
            console.print(line)
    if comparison.ranking:
        console.print(comparison.cheapest)


def _below(cell: dict[str, str]) -> Iterator[str]:
    """What is told of a run below the table, a line each."""
    reason = f" ({cell['reason']})" if cell["reason"] else ""
    yield f"{cell['label']}: {cell['verdict']}{reason}"
    yield (
        f"  limit {cell['limit']}, l1 {cell['l1']}, linf {cell['linf']}, "
        f"values from {cell['minimum']} to {cell['maximum']}"
    )
    if cell["verdict"] != "reference":
        parts = [f"{words} {cell[name]}" + (f" {axis_unit(cell[name].split()[0])}" if along else "")
                 for name, words, along in _BELOW if cell[name]]  # fmt: skip
        yield f"  {', '.join(parts)}"
        if cell["bands"]:
            yield f"  l2 by wavelength in cells: {cell['bands']}"
    if cell["gap_reference"]:
        yield (
            f"  {cell['gap_l2']} from {cell['gap_reference']}: {cell['gap_verdict']} "
            f"({cell['gap_reason']})"
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


def print_note(text: str) -> None:
    """Print a remark on the log, on a terminal wrapped to its width."""
    if on_terminal(sys.stderr):
        import shutil
        import textwrap

        text = textwrap.fill(text, shutil.get_terminal_size().columns, break_on_hyphens=False)
    click.echo(text, err=True)


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

    def frame(self, _name: str, _time: float, _field: Any) -> None:
        """Take no notice of a frame."""

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
