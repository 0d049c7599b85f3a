"""Paths: where the particles went that were followed, and how far from where they started."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from diffusim import style
from diffusim.block import Array
from diffusim.comparison import Comparison
from diffusim.grid import Grid
from diffusim.plots import outlines, shown
from diffusim.store import Header, Stored, StoredRun

MOST_RUNS, MOST_TRACKS, MOST_BARS = 3, 30, 24
PALE = 0.35


@style.applied()
def paths(stored: Stored, comparison: Comparison) -> Figure | None:
    """Draw the paths of followed particles on the last law, and their mean square displacement.

    Places are joined by straight lines from frame to frame; where a particle goes round a periodic
    axis the line is broken. None where no run has followed any particle.
    """
    runs = [run for run in shown.runs(stored) if "paths" in run.arrays][:MOST_RUNS]
    runs = [run for run in runs if run.arrays["paths"].shape[1]]
    if not runs:
        return None
    box, grid = shown.box(stored), shown.grid(stored)
    line, radial = len(stored.shape) == 1, grid is not None and grid.radial
    width, height = (3.2, 3.2) if line else (3.4 * part for part in box.size)
    panels = len(runs) + (not radial)
    size = panels * max(width, 2.6) + 1.2, max(height, 2.6) + 0.9
    last = shown.moment(stored, len(stored.times) - 1)
    words = f"Paths from frame to frame until {last}"
    figure = style.figure(*size, stored.title, subtitle=words)
    row = figure.subplots(1, panels, squeeze=False)[0]
    for axes, run in zip(row, runs, strict=False):
        if line:
            _in_time(axes, stored, run)
        else:
            _in_space(axes, stored, comparison, run)
        axes.set_title(style.plain(_title(run), style.letters(max(width, 2.6)), 3))
    if not radial:
        _distances(row[-1], stored, runs)
    style.legend(figure, _handles(stored, runs, not line, not radial))
    return figure


def _title(run: StoredRun) -> str:
    number = run.arrays["paths"].shape[1]
    many = f"{MOST_TRACKS} of {number}" if number > MOST_TRACKS else f"{number}"
    return f"{run.label}, {many} particles"


# --- places -------------------------------------------------------------------------------------


def periods(stored: Stored) -> Array:
    """Return the length of each axis in m where it is periodic, infinity where it is not."""
    grid, box = shown.grid(stored), shown.box(stored)
    lengths = [box.metres * (box.ends(k)[1] - box.ends(k)[0]) for k in range(len(stored.shape))]
    wrap = [True] * len(lengths) if grid is None else grid.wrap
    return np.where(wrap, lengths, np.inf)


def pieces(track: Array, period: Array) -> list[Array]:
    """Return a track (frames, axes) in pieces, cut where a step is longer than half a period.

    What is NaN, after a particle is gone, is left out.
    """
    track = track[np.all(np.isfinite(track), axis=1)]
    jumps = np.any(np.abs(np.diff(track, axis=0)) > 0.5 * period, axis=1)
    return np.split(track, np.flatnonzero(jumps) + 1) if track.size else []


def displacements(stored: Stored, run: StoredRun) -> Array:
    """Return how far each path is from its start in m, (frames, paths, axes), NaN once gone.

    Round a periodic axis each step is the shortest one that leads from place to place.
    """
    places, period = run.array("paths"), periods(stored)
    steps = np.diff(places, axis=0)
    wide = np.isfinite(period)
    steps[..., wide] -= period[wide] * np.round(steps[..., wide] / period[wide])
    return np.concatenate([0.0 * places[:1], np.cumsum(steps, axis=0)])


def mean_squares(displaced: Array) -> tuple[Array, Array]:
    """Return the mean square of displacements in m^2 at each time, and its standard error.

    NaN where fewer than two are left.
    """
    squares = np.sum(displaced**2, axis=-1)
    there = np.isfinite(squares)
    number = np.sum(there, axis=1)
    enough = number > 1
    many = np.where(enough, number, 1)
    mean = np.sum(np.where(there, squares, 0.0), axis=1) / many
    apart = np.where(there, squares - mean[:, None], 0.0)
    error = np.sqrt(np.sum(apart**2, axis=1) / np.maximum(many - 1, 1) / many)
    return np.where(enough, mean, np.nan), np.where(enough, error, np.nan)


# --- what is known of the medium ----------------------------------------------------------------


def rate(stored: Header) -> float | None:
    """Return 2 d D in m^2/s, twice the sum of D over all directions, of a medium that has one.

    None of any other propagator than diffusion, and of a medium with walls, obstacles, a flow or
    anything else to it. A radius stands for two directions of a cylinder and three of a sphere.
    """
    medium, grid = shown.propagator(stored), shown.grid(stored)
    if medium.get("kind") != "diffusion" or grid is None:
        return None
    if {key for key, value in medium.items() if value not in (None, [], {})} - {
        "kind", "diffusivity"
    }:  # fmt: skip
        return None
    found = medium.get("diffusivity")
    along = dict.fromkeys(grid.names, found) if isinstance(found, int | float) else found
    if not isinstance(along, Mapping):
        return None
    values = [along.get(name) for name in grid.names]
    if not all(isinstance(value, int | float) for value in values):
        return None
    return 2.0 * float(np.dot(np.array(values, dtype=float), directions(grid)))


def directions(grid: Grid) -> list[int]:
    """Return how many directions of space each axis stands for."""
    radius = {"cylindrical": 2, "spherical": 3}
    return [radius.get(grid.geometry, 1), *[1] * (len(grid.shape) - 1)]


# --- panels -------------------------------------------------------------------------------------


def _tracks(axes: Axes, places: Array, period: Array) -> None:
    """Tracks (frames, paths, 2), their starts and their ends."""
    for number in range(min(places.shape[1], MOST_TRACKS)):
        track, hue = places[:, number], style.colour(number)
        parts = pieces(track, period)
        if not parts:
            continue
        lines = LineCollection(parts, colors=hue, linewidths=0.7, alpha=0.8, zorder=3)
        axes.add_collection(lines, autolim=False)
        for place, fill in ((parts[0][0], "white"), (parts[-1][-1], hue)):
            axes.plot(*place, marker="o", markersize=3.0, color=hue, markerfacecolor=fill,
                      markeredgewidth=0.7, linestyle="",
                      zorder=4, clip_on=False)  # fmt: skip


def _in_space(axes: Axes, stored: Stored, comparison: Comparison, run: StoredRun) -> None:
    box = shown.box(stored)
    law = shown.mean(shown.law(stored, comparison, run), len(stored.times) - 1)
    low, high = float(np.min(law)), float(np.max(law))
    image = box.picture(axes, law, (low, high if high > low else low + 1.0), "Greys")
    image.set_alpha(PALE)
    outlines.draw(axes, stored, len(stored.times) - 1, shown.solid(stored))
    _tracks(axes, run.array("paths") / box.metres, periods(stored) / box.metres)
    axes.set(xlim=box.ends(0), ylim=box.ends(1))
    box.name_axes(axes, stored.axes)


def _in_time(axes: Axes, stored: Stored, run: StoredRun) -> None:
    box, (unit, words) = shown.box(stored), shown.time_axis(stored)
    places = run.array("paths") / box.metres
    times = np.broadcast_to((stored.times / unit)[:, None, None], places.shape)
    period = np.append(periods(stored) / box.metres, np.inf)
    _tracks(axes, np.concatenate([places, times], axis=-1), period)
    last = float(stored.times[-1] / unit) or 1.0
    axes.set(xlim=box.ends(0), ylim=(0.0, last), ylabel=words)
    axes.set_xlabel(f"{stored.axes[0]} ({box.unit})")
    style.even_ticks(axes.xaxis, 4)


def _distances(axes: Axes, stored: Stored, runs: list[StoredRun]) -> None:
    """Mean square displacement against time, beside 2 d D t where that is known."""
    of_runs = [mean_squares(displacements(stored, run)) for run in runs]
    farthest = max((float(np.nanmax(mean)) for mean, _ in of_runs
                    if np.any(np.isfinite(mean))), default=0.0)  # fmt: skip
    metres, name = style.length_unit(np.sqrt(farthest) or 1.0)
    unit, words = shown.time_axis(stored)
    times = stored.times / unit
    for run, (mean, error) in zip(runs, of_runs, strict=True):
        hue = style.colour(shown.runs(stored).index(run))
        # More bars than these would hide each other.
        apart = max(1, times.size // MOST_BARS)
        axes.plot(times, mean / metres**2, color=hue, linewidth=0.8)
        axes.errorbar(times[::apart], mean[::apart] / metres**2, error[::apart] / metres**2,
                      color=hue, marker="o", markersize=3.0, linestyle="",
                      elinewidth=0.8)  # fmt: skip
    known = rate(stored)
    if known is not None:
        axes.plot(times, known * stored.times / metres**2, **style.LAW)
    axes.set(xlabel=words, ylabel=f"mean square displacement ({name}²)", ylim=(0.0, None),
             xlim=(0.0, 1.04 * float(times[-1]) or 1.0))  # fmt: skip
    axes.set_title("Distance from the start")
    style.even_ticks(axes.yaxis, 5)
    axes.grid(visible=True)


def _handles(
    stored: Stored, runs: list[StoredRun], in_space: bool, distances: bool
) -> list[Line2D | Patch]:
    mark: dict[str, Any] = {"marker": "o", "markersize": 3.0, "color": "0.3", "linestyle": ""}
    found: list[Line2D | Patch] = [
        Line2D([], [], **mark, markerfacecolor="white", label="start"),
        Line2D([], [], **mark, label="end"),
    ]
    if in_space:
        found.append(Patch(color="0.75", linewidth=0.0, label="law at the end"))
        if shown.solid(stored) is not None:
            found.append(Patch(color=outlines.SOLID, linewidth=0.0, label="solid"))
    if not distances:
        return found
    for run in runs:
        hue = style.colour(shown.runs(stored).index(run))
        name = f"{run.label}, " if len(runs) > 1 else ""
        label = style.plain(f"{name}mean ± standard error", 50)
        found.append(Line2D([], [], marker="o", markersize=3.0, color=hue, label=label))
    if rate(stored) is not None:
        found.append(Line2D([], [], **style.LAW, label="2 d D t"))
    return found
