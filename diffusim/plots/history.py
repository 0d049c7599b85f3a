"""Histories: what became of the total and of the error in the course of time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, NullLocator

from diffusim import style
from diffusim.block import Array
from diffusim.comparison import Comparison
from diffusim.plots import shown
from diffusim.store import Stored, StoredRun

Look = dict[str, Any]
# What was observed is wide and pale, so that what was expected can be seen on top of it.
OBSERVED: Look = {"linewidth": 3.0, "alpha": 0.4}
EXPECTED: Look = {"linewidth": 1.0, "linestyle": (0, (4, 2))}
AT_MOST: Look = {"linewidth": 1.0, "linestyle": (0, (1, 1.5))}
# About one rounding error; changes below it are drawn on a linear scale, down to zero.
ROUNDING = 1e-16


@style.applied()
def history(stored: Stored, comparison: Comparison) -> Figure | None:
    """Draw the change of the total, and the error beside the one that theory expects.

    Of waves the total is the norm, and the change of their energy is drawn too. Where no balance is
    kept, as by a mask, the change of the total is left out; None where nothing is left.
    """
    runs = shown.runs(stored)
    kept = [run for run in runs if comparison[run.label].series.mass]
    compared = [run for run in runs if comparison[run.label].reference != run.label]
    energies = [run for run in runs if "energy" in run.arrays]
    columns = bool(kept) + bool(compared) + bool(energies)
    if not columns:
        return None
    figure = style.figure((5.2 if columns < 3 else 4.4) * columns, 3.9, stored.title)
    grid = figure.subplots(1, columns, squeeze=False)[0]
    seconds, words = shown.time_axis(stored)
    times = stored.times / seconds
    if kept:
        _masses(grid[0], times, stored, kept, comparison)
    kinds = {"observed": OBSERVED}
    if compared:
        kinds |= _errors(grid[int(bool(kept))], times, stored, comparison, runs)
    if energies:
        _energies(grid[-1], times, runs)
    for axes in grid:
        axes.grid(visible=True)
        shown.along_time(axes, stored, times)
    handles = [style.handle(place, run.label) for place, run in enumerate(runs)]
    if len(kinds) > 1:
        handles += [Line2D([], [], color="0.3", label=name, **look)
                    for name, look in kinds.items()]  # fmt: skip
    style.legend(figure, handles)
    return figure


def _over(stored: Stored) -> str:
    """Say that all channels count together, where there are several."""
    return ", over all channels" if len(stored.channels) > 1 else ""


def _masses(
    axes: Axes, times: Array, stored: Stored, runs: list[StoredRun], comparison: Comparison
) -> None:
    axes.set_title("Change of the total")
    axes.set_ylabel(f"relative to the start{_over(stored)}")
    largest = ROUNDING
    places = shown.places(stored, [run.label for run in shown.runs(stored)])
    for run in runs:
        place = places[run.label]
        drift = np.abs(comparison[run.label].series.mass)
        largest = max(largest, float(np.max(drift)))
        _line(axes, place, times, drift, {"linewidth": 0.8})
    _from_round_off(axes, largest)


def _energies(axes: Axes, times: Array, runs: list[StoredRun]) -> None:
    axes.set_title("Change of the energy")
    axes.set_ylabel("relative to the start")
    largest = ROUNDING
    for place, run in enumerate(runs):
        if "energy" in run.arrays:
            energy = run.array("energy").reshape(len(times), -1).sum(axis=1)
            drift = np.abs(energy - energy[0]) / (abs(energy[0]) or 1.0)
            largest = max(largest, float(np.max(drift)))
            _line(axes, place, times, drift, {"linewidth": 0.8})
    _from_round_off(axes, largest)


def _from_round_off(axes: Axes, largest: float) -> None:
    """A scale of decades from the largest change down to round-off, and below it to zero."""
    axes.set_yscale("symlog", linthresh=ROUNDING, linscale=0.5)
    decades = range(round(math.log10(ROUNDING)), math.ceil(math.log10(largest)) + 1)
    axes.set_yticks([0.0, *(10.0**k for k in decades[:: 1 + len(decades) // 8])], minor=False)
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(_decade))
    axes.set_ylim(-0.2 * ROUNDING, 3.0 * 10.0 ** decades[-1])


def _decade(value: float, _place: int | None = None) -> str:
    return style.power(round(math.log10(value))) if value > 0.0 else "0"


def _errors(
    axes: Axes, times: Array, stored: Stored, comparison: Comparison, runs: list[StoredRun]
) -> dict[str, Look]:
    """Draw observed and expected errors; return which kinds of lines there are beside observed."""
    axes.set_title("Error against the reference of the same limit")
    axes.set_ylabel(f"relative L2 norm{_over(stored)}")
    kinds: dict[str, Look] = {}
    for place, run in enumerate(runs):
        row = comparison[run.label]
        if row.reference == run.label:
            continue
        _line(axes, place, times, _positive(row.series.l2), OBSERVED)
        expected = row.series.predicted
        if run.facts.get("prediction") == "bound":
            name, look = "expected at most", AT_MOST
        else:
            name, look = "expected", EXPECTED
        if len(expected) == len(times):
            kinds[name] = look
            axes.plot(times, _positive(expected), color=style.colour(place), **look)
    if any(np.any(np.isfinite(line.get_ydata())) for line in axes.lines):
        axes.set_yscale("log")
    else:
        axes.set_ylim(-1.0, 1.0)
        axes.set_yticks([0.0])
        axes.text(0.5, 0.75, "no difference at any time", ha="center", transform=axes.transAxes)
    return kinds


def _line(axes: Axes, place: int, times: Array, values: Array, look: Look) -> None:
    hue, apart = style.colour(place), max(1, times.size // 6)
    axes.plot(times, values, color=hue, **look)
    axes.plot(times, values, color=hue, marker=style.marker(place), linestyle="",
              markevery=(place % apart, apart))  # fmt: skip


def _positive(values: Sequence[float | None]) -> Array:
    """Numbers for a logarithmic scale, with gaps where there is nothing to show."""
    array = np.asarray(values, dtype=float)
    return np.where(np.isfinite(array) & (array > 0.0), array, np.nan)
