"""Rings: a compact start by the distance from its middle, also as log c against r squared."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from diffusim import style
from diffusim.block import Array
from diffusim.comparison import Comparison
from diffusim.plots import shown
from diffusim.plots.noise import noises
from diffusim.plots.spread import growth_law, is_free, moments
from diffusim.store import Stored, StoredRun

# Rings of less than this part of the value in the middle are not shown.
LEAST = 1e-6
# Widths along both axes that differ by more than this part are those of no circle.
ROUND = 0.01


class Rings(NamedTuple):
    """Rings of cells about a middle, one cell wide, as far as they are whole.

    ``labels`` is the number of each cell's ring, -1 beyond the last, ``sizes`` how many cells are
    in each and ``squares`` the mean square of their distances in m^2.
    """

    labels: Array
    sizes: Array
    squares: Array

    def sums(self, u: Array) -> Array:
        """Sum of a field over each ring."""
        inside = self.labels >= 0
        return np.bincount(self.labels[inside], u[inside], self.sizes.size)

    def means(self, u: Array) -> Array:
        """Mean of a field over each ring."""
        return np.asarray(self.sums(u) / self.sizes)


@dataclass(frozen=True, eq=False)
class _Scene:
    """What is drawn: runs, the rings of each moment, and the Gaussian that is expected."""

    stored: Stored
    comparison: Comparison
    runs: list[StoredRun]
    rings: dict[int, Rings]
    gaussian: Callable[[Array, int], Array] | None

    def of(self, run: StoredRun, number: int) -> Array:
        return self.rings[number].means(shown.mean(run, number))

    def noise(self, run: StoredRun, number: int) -> tuple[Array, Array]:
        """What a run expects in each ring, and the standard deviation that chance brings there."""
        law = shown.law(self.stored, self.comparison, run)
        rings, of_law = self.rings[number], shown.field(law, number)
        found = list(noises(self.stored, run, number, of_law))
        variances = [noise.less(rings.sums(noise.cells) / rings.sizes**2, rings.means(noise.law))
                     for noise in found]  # fmt: skip
        deviation = np.sqrt(np.sum(variances, axis=0)) / len(found)
        return rings.means(shown.mean(law, number)), deviation

    def compared(self, run: StoredRun) -> bool:
        return shown.by_chance(run) and self.comparison[run.label].reference != run.label


@style.applied()
def radial(stored: Stored, comparison: Comparison) -> Figure | None:
    """Draw means over rings about the middle of a compact start, against r and against r squared.

    On a logarithmic scale against r squared a Gaussian is a straight line. None where the start is
    not compact, something stands in its way, or the grid has one axis or is radial itself. What has
    reached the sides of the box is thrown back from there, and is no Gaussian any more.
    """
    grid = shown.grid(stored)
    if grid is None or grid.radial or len(grid.shape) != 2 or not is_free(stored, 1.0):
        return None
    runs, numbers = shown.runs(stored), shown.moments(stored.times, shown.MOST_TIMES)
    rings = {number: _rings(stored, shown.mean(runs[0], number)) for number in numbers}
    scene = _Scene(stored, comparison, runs, rings, _gaussian(stored, runs[0]))
    if any(np.max(scene.of(runs[0], number)) <= 0.0 for number in numbers):
        return None  # there is nothing above zero, of which a logarithm could be drawn
    columns, reach = len(numbers), max(_reach(scene, number) for number in numbers)
    words = f"Means over rings about the middle of the field{shown.mean_in_words(stored)}"
    figure = style.figure(2.5 * columns + 0.9, 5.4, stored.title, subtitle=words)
    panels = figure.subplots(2, columns, squeeze=False, sharex=False, sharey=False)
    for column, number in zip(panels.T, numbers, strict=True):
        column[0].set_title(shown.moment(stored, number))
        for axes, squared in zip(column, (False, True), strict=True):
            _panel(axes, scene, number, squared)
        _tidy(column, scene, number, reach)
    for axes in panels[:, 0]:
        axes.set_ylabel(style.with_unit(stored.name, stored.unit, width=style.letters(2.2)))
    style.legend(figure, _handles(scene))
    return figure


def _rings(stored: Stored, u: Array) -> Rings:
    found, box = moments(stored, u), shown.box(stored)
    ends = [[end * box.metres for end in box.ends(axis)] for axis in (0, 1)]
    middle = [sum(pair) / 2.0 for pair in ends] if found is None else list(found[0])
    x, y = (centres - at for centres, at in zip(stored.centres, middle, strict=True))
    squares = x[:, None] ** 2 + y[None, :] ** 2
    width = max((high - low) / n for (low, high), n in zip(ends, stored.shape, strict=True))
    # As far as the nearest side, rings are whole.
    nearest = min(min(at - low, high - at) for at, (low, high) in zip(middle, ends, strict=True))
    labels = np.floor(np.sqrt(squares) / width).astype(int)
    labels[labels >= max(1, int(nearest / width + 1e-9))] = -1
    inside = labels >= 0
    sizes = np.bincount(labels[inside])
    # The first ring may be empty where the middle is a corner of cells.
    kept = np.cumsum(sizes > 0) - 1
    labels[inside] = kept[labels[inside]]
    sums = np.bincount(labels[inside], squares[inside])
    sizes = sizes[sizes > 0]
    return Rings(labels, sizes, sums / sizes)


def _gaussian(stored: Stored, run: StoredRun) -> Callable[[Array, int], Array] | None:
    """The Gaussian that a round blob is at a frame, by squares of distances; None of another start.

    Its variance is half the second moment of the first frame and half of what theory adds to it.
    """
    law, _ = growth_law(stored)
    start = stored.plain.get("initial", {})
    first, last = (moments(stored, shown.mean(run, number)) for number in (0, -1))
    if law is None or first is None or last is None or start.get("kind") not in ("blob", "packet"):
        return None
    if any(abs(wide[0] - wide[1]) > ROUND * sum(wide) for _, wide in (first, last)):
        return None
    total = float(np.sum(shown.mean(run, 0) * shown.volume(stored)))

    def values(squares: Array, number: int) -> Array:
        variance = 0.5 * (float(np.sum(first[1])) + float(law(stored.times[number])))
        gauss = np.exp(-0.5 * squares / variance) / (2.0 * math.pi * variance)
        return np.asarray(total * gauss)

    return values


# --- panels -------------------------------------------------------------------------------------


def _panel(axes: Axes, scene: _Scene, number: int, squared: bool) -> None:
    box, rings = shown.box(scene.stored), scene.rings[number]
    places = _places(rings.squares, box.metres, squared)
    # What is smaller than this is nothing on a scale of logarithms.
    least = np.finfo(float).tiny if squared else -np.inf
    for place, run in enumerate(scene.runs):
        hue = style.colour(place)
        if scene.compared(run):
            law, deviation = scene.noise(run, number)
            low = np.maximum(law - shown.BAND * deviation, max(least, 0.0))
            high = np.maximum(law + shown.BAND * deviation, low)
            axes.fill_between(places, low, high, color=hue, alpha=0.2, linewidth=0.0, zorder=2)
        values = scene.of(run, number)
        # Where there is no line all points have markers.
        line = "" if shown.by_chance(run) else "-"
        turns = style.turns(place, places.size, len(scene.runs))
        axes.plot(places, np.where(values > least, values, np.nan), color=hue, linestyle=line,
                  marker=style.marker(place), markersize=3.0, zorder=3,
                  markevery=turns if line else None)  # fmt: skip
    if scene.gaussian is not None:
        squares = np.linspace(0.0, math.sqrt(rings.squares[-1]), 400) ** 2
        places = _places(squares, box.metres, squared)
        axes.plot(places, scene.gaussian(squares, number), **style.LAW, zorder=4)


def _places(squares: Array, metres: float, squared: bool) -> Array:
    places = squares / metres**2
    return places if squared else np.asarray(np.sqrt(places))


def _tidy(column: Sequence[Axes], scene: _Scene, number: int, reach: float) -> None:
    """Show values from the least to the largest, and against r squared as far as they reach."""
    left, right = column
    values = scene.of(scene.runs[0], number)
    top = float(np.max(values)) or 1.0
    farthest = _reach(scene, number)
    left.set(xlim=(0.0, math.sqrt(reach)), ylim=(0.0, 1.15 * top))
    right.set(xlim=(0.0, farthest), yscale="log", ylim=(LEAST * top, 3.0 * top))
    for axes in column:
        style.even_ticks(axes.xaxis, 4)
        axes.grid(visible=True)
    style.even_ticks(left.yaxis, 4)
    right.yaxis.set_major_locator(LogLocator(numticks=6))
    right.yaxis.set_minor_locator(NullLocator())
    right.yaxis.set_major_formatter(
        FuncFormatter(lambda value, _: style.power(round(math.log10(value))))
    )
    unit = shown.box(scene.stored).unit
    left.set_xlabel(f"r ({unit})")
    right.set_xlabel(f"r² ({unit}²)")


def _reach(scene: _Scene, number: int) -> float:
    """The square of the distance up to which there is something to see, in units of the picture."""
    squares, values = scene.rings[number].squares, scene.of(scene.runs[0], number)
    there = np.flatnonzero(values >= LEAST * np.max(values))
    return float(_places(squares[there[-1] :], shown.box(scene.stored).metres, True)[0])


def _handles(scene: _Scene) -> list[Line2D | Patch]:
    found: list[Line2D | Patch] = []
    for place, run in enumerate(scene.runs):
        line: Any = "" if shown.by_chance(run) else "-"
        found.append(style.handle(place, run.label, markersize=3.0, linestyle=line))
    if any(scene.compared(run) for run in scene.runs):
        found.append(Patch(color="0.75", linewidth=0.0,
                           label=f"law ± {shown.BAND:g} standard deviations"))  # fmt: skip
    if scene.gaussian is not None:
        _, words = growth_law(scene.stored)
        short = words.partition(" along")[0]
        label = f"free Gaussian, its moment grown by {short}"
        found.append(Line2D([], [], **style.LAW, label=label))
    return found
