"""Work and precision: the error of each run against the seconds that it took."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from diffusim import style
from diffusim.comparison import Comparison, Row
from diffusim.plots import shown
from diffusim.store import Header
from diffusim.verdicts import UNSOUND

# Beyond the points on either side of a logarithmic scale, as a factor.
MARGIN = 3.0


@style.applied()
def precision(stored: Header, comparison: Comparison) -> Figure | None:
    """Draw the last relative error of each run against the seconds that it took.

    Down and to the left is better; a pale line joins the runs that no other beats in both. What is
    expected of a run is a hollow mark of its colour.

    None where fewer than two runs have an error and a time.
    """
    rows = [row for row in comparison.rows if row.l2 > 0.0 and row.seconds > 0.0]
    rows = [row for row in rows if np.isfinite(row.l2) and row.reference != row.label]
    if len(rows) < 2:
        return None
    figure = style.figure(6.4, 4.0, stored.title)
    axes = figure.subplots()
    axes.set(xscale="log", yscale="log", xlabel="time taken (s)", ylabel="relative L2 error")
    axes.grid(visible=True)
    places = shown.places(stored, [row.label for row in comparison.rows])
    _front(axes, rows)
    for row in rows:
        _point(axes, row, places[row.label])
    _limits(axes, rows)
    style.legend(figure, _handles(rows, places))
    return figure


def _front(axes: Axes, rows: Sequence[Row]) -> None:
    """Join the runs that are more precise than all that are faster."""
    front: list[Row] = []
    for row in sorted(rows, key=lambda row: (row.seconds, row.l2)):
        if not front or row.l2 < front[-1].l2:
            front.append(row)
    axes.step([r.seconds for r in front], [r.l2 for r in front], where="post",
              color="0.8", linewidth=3.0, zorder=1)  # fmt: skip


def _point(axes: Axes, row: Row, place: int) -> None:
    colour, marker = style.colour(place), style.marker(place)
    if row.expected:
        axes.plot([row.seconds] * 2, [row.l2, row.expected], color=colour, linewidth=0.8, zorder=2)
        axes.plot(row.seconds, row.expected, marker, markerfacecolor="white", color=colour,
                  markersize=6.0, zorder=2.5)  # fmt: skip
    axes.plot(row.seconds, row.l2, marker, color=colour, markersize=6.0, zorder=3)
    if row.verdict in UNSOUND:
        axes.annotate(row.verdict, (row.seconds, row.l2), (6.0, 0.0), textcoords="offset points",
                      va="center", color=style.ALARM)  # fmt: skip


def _limits(axes: Axes, rows: Sequence[Row]) -> None:
    """Leave room for words beside the outermost points."""
    seconds = [row.seconds for row in rows]
    errors = [value for row in rows for value in (row.l2, row.expected) if value]
    axes.set_xlim(min(seconds) / MARGIN, max(seconds) * MARGIN)
    axes.set_ylim(min(errors) / MARGIN, max(errors) * MARGIN)


def _handles(rows: Sequence[Row], places: dict[str, int]) -> list[Line2D]:
    found = [style.handle(places[row.label], row.label, linestyle="") for row in rows]
    hollow = Line2D([], [], linestyle="", color="0.4", marker="o", markerfacecolor="white",
                    label="expected")  # fmt: skip
    return [*found, hollow]
