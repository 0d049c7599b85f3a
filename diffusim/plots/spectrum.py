"""Spectra: how much of a field, and of what it is off by, is in waves of each length."""

from __future__ import annotations

from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

from diffusim import style
from diffusim.comparison import Comparison
from diffusim.grid import Grid
from diffusim.plots import shown
from diffusim.plots.noise import noises
from diffusim.spectrum import Radial, radial_power
from diffusim.store import Stored, StoredRun

# Of fewer modes there is no spectrum to see.
FEWEST = 8
# Modes of less than this part of the mean square of a cell are the rounding of its numbers.
ROUND_OFF = (10.0 * float(np.finfo(float).eps)) ** 2
SHOT_NOISE: dict[str, Any] = {"linestyle": (0, (4, 3)), "linewidth": 1.0}
FIELD: dict[str, Any] = {"color": "0.75", "linewidth": 2.5, "marker": "o", "markersize": 2.5,
                         "zorder": 1.5}  # fmt: skip
POINTS: dict[str, Any] = {"linewidth": 1.0, "marker": "o", "markersize": 2.0}
# Colours of moments, early ones dark; the palest are not seen on white.
PALEST = 0.85


@style.applied()
def spectrum(stored: Stored, comparison: Comparison) -> Figure | None:
    """Draw the power of a field by wavelength at a few moments, and that of each error at the last.

    Cosine modes between sides, Fourier modes round a periodic axis; the mean is left out. Chance
    alone leaves a flat level, the variance of a cell. None on radial grids.
    """
    grid, runs = shown.grid(stored), shown.runs(stored)
    if grid is None or grid.radial or grid.cells <= FEWEST:
        return None
    numbers = shown.moments(stored.times, shown.MOST_TIMES)
    fields = [radial_power(shown.mean(runs[0], number), grid) for number in numbers]
    first = shown.mean(runs[0], numbers[0])
    least = ROUND_OFF * float(np.mean(first**2))
    if not any(np.any(one.power > least) for one in fields):
        return None
    compared = [run for run in runs if comparison[run.label].reference != run.label]
    words = f"Power by {_of_waves(grid)}, {shown.name(stored)}"
    figure = style.figure(9.4 if compared else 6.0, 3.9, stored.title, subtitle=words)
    panels = figure.subplots(1, 1 + bool(compared), squeeze=False)[0]
    metres, unit = shown.wave_unit(stored)
    hues = [mpl.colormaps[style.FIELD](part) for part in np.linspace(0.0, PALEST, len(numbers))]
    for one, hue in zip(fields, hues, strict=True):
        _draw(panels[0], one, metres, least, color=hue, **POINTS)
    panels[0].set_title(style.plain(runs[0].label, 40))
    if compared:
        _errors(panels[1], stored, comparison, compared, metres, least)
        _draw(panels[1], fields[-1], metres, least, **FIELD)
    for axes in panels:
        by_period(axes, f"{_of_waves(grid)} ({unit})")
    power = f"({stored.unit})²" if stored.unit.strip() not in ("", "1") else ""
    panels[0].set_ylabel(style.with_unit("mean square of a mode", power))
    style.legend(figure, _handles(stored, numbers, hues, runs, compared))
    return figure


# --- errors and noise ---------------------------------------------------------------------------


def _errors(
    axes: Axes, stored: Stored, comparison: Comparison, runs: list[StoredRun], metres: float,
    least: float,
) -> None:  # fmt: skip
    grid, last, places = shown.grid(stored), len(stored.times) - 1, shown.runs(stored)
    assert grid is not None
    axes.set_title(f"errors, {shown.moment(stored, last)}")
    for run in runs:
        law, hue = shown.law(stored, comparison, run), style.colour(places.index(run))
        found = radial_power(shown.mean(run, last) - shown.mean(law, last), grid)
        _draw(axes, found, metres, least, color=hue, zorder=3, **POINTS)
        level = noise_level(stored, law, run, last)
        if level > 0.0:
            axes.axhline(level, color=hue, zorder=4, **SHOT_NOISE)


def noise_level(stored: Stored, law: StoredRun, run: StoredRun, number: int) -> float:
    """Return the flat level that chance alone leaves in the spectrum of a run's error.

    It is the mean variance of a cell; of several channels, that of their mean. Zero of a run that
    chance does not make.
    """
    if not shown.by_chance(run):
        return 0.0
    found = list(noises(stored, run, number, shown.field(law, number)))
    return float(sum(np.mean(noise.cells) for noise in found)) / max(1, len(found)) ** 2


# --- panels -------------------------------------------------------------------------------------


def _draw(axes: Axes, found: Radial, metres: float, least: float, **look: Any) -> None:
    """Draw what is more than so much; at modes that symmetry forbids the line is broken."""
    power = np.where(found.power > least, found.power, np.nan)
    axes.plot(found.lengths / metres, power, **look)


def _of_waves(grid: Grid) -> str:
    """What tells waves apart: in space their length, in time their period."""
    return "period" if grid.unit == "s" else "wavelength"


def by_period(axes: Axes, words: str) -> None:
    """Decades upwards, long waves to the left."""
    axes.set_xscale("log")
    if any(np.any(np.isfinite(np.asarray(line.get_ydata(), float))) for line in axes.lines):
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(numticks=9))
        axes.yaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0), numticks=9))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: style.number(value)))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.invert_xaxis()
    axes.set_xlabel(words)
    axes.grid(visible=True)


def _handles(
    stored: Stored, numbers: list[int], hues: list[Any], runs: list[StoredRun],
    compared: list[StoredRun],
) -> list[Line2D]:  # fmt: skip
    found = [Line2D([], [], color=hue, label=shown.moment(stored, number))
             for number, hue in zip(numbers, hues, strict=True)]  # fmt: skip
    if compared:
        found.append(Line2D([], [], **FIELD, label="the field itself"))
    for run in compared:
        hue = style.colour(runs.index(run))
        found.append(Line2D([], [], color=hue, label=style.plain(f"error of {run.label}", 50)))
    if any(shown.by_chance(run) for run in compared):
        found.append(Line2D([], [], color="0.3", **SHOT_NOISE, label="expected of chance"))
    return found
