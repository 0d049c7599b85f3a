"""Profiles: the field along a line, against the analytic solution and expected noise."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from diffusim import style
from diffusim.block import Array
from diffusim.comparison import Comparison
from diffusim.exact.matching import Solution
from diffusim.plots import outlines, shown
from diffusim.plots.noise import Noise, noises
from diffusim.store import Stored, StoredRun

# Noise beyond so many times the span of the first run's values is cut off.
BEYOND = 1.0


class Cut(NamedTuple):
    """A line through the grid: its axis, how in words, and the profile of a field along it.

    ``cells`` is how many cells each value of the profile is the mean of; ``line`` which row or
    column it is where it is but one.
    """

    axis: int
    words: str
    cells: int
    along: Callable[[Array], Array]
    line: int | None = None


@dataclass(frozen=True, eq=False)
class _Scene:
    stored: Stored
    comparison: Comparison
    runs: list[StoredRun]
    cut: Cut
    solution: Solution | None
    places: Array

    def of(self, run: StoredRun, number: int) -> Array:
        return self.cut.along(shown.mean(run, number))

    def law(self, run: StoredRun, number: int) -> Array:
        """Profile of the reference of a run's own limit; of such a reference, the analytic one."""
        if self.solution is not None and not self._led(run):
            return self.analytic(self.solution, number)
        return self.of(shown.law(self.stored, self.comparison, run), number)

    def law_in_cells(self, run: StoredRun, number: int) -> Array:
        """The same law in every cell, with channels where the run has any."""
        if self.solution is not None and not self._led(run):
            u = self.solution(float(self.stored.times[number]))
            return np.broadcast_to(u, run.frames.shape[1:])
        return shown.field(shown.law(self.stored, self.comparison, run), number)

    def truth(self, run: StoredRun, number: int) -> Array:
        """Profile that a deterministic run is compared with, the analytic one if there is one."""
        if self.solution is not None:
            return self.analytic(self.solution, number)
        return self.law(run, number)

    def analytic(self, solution: Solution, number: int) -> Array:
        return self.cut.along(solution(float(self.stored.times[number])))

    def compared(self, statistical: bool) -> list[StoredRun]:
        """Runs that have something else to be compared with, those of particles or the others."""
        return [run for run in self.runs if shown.by_chance(run) is statistical
                and (self.solution is not None or self._led(run))]  # fmt: skip

    def _led(self, run: StoredRun) -> bool:
        return self.comparison[run.label].reference != run.label

    def noise(self, run: StoredRun, number: int) -> Array:
        """Standard deviation that chance brings to each value of a profile.

        Variances of independent channels add up, and their mean has the root of that over them.
        """
        found = list(noises(self.stored, run, number, self.law_in_cells(run, number)))
        variances = sum((self._variance(noise) for noise in found), np.zeros(self.places.shape))
        return np.asarray(np.sqrt(variances) / max(1, len(found)))

    def _variance(self, noise: Noise) -> Array:
        """The variance of a profile of one channel."""
        independent = self.cut.along(noise.cells) / self.cut.cells
        return noise.less(independent, self.cut.along(noise.law))


@style.applied()
def profile(stored: Stored, comparison: Comparison) -> Figure:
    """Draw profiles at a few times, and below them how far they are from what they should be.

    Along the one axis that the field varies on as the mean over the other, else along x.
    """
    return _draw(stored, comparison, _cuts(stored, shown.runs(stored)[0])[0])


@style.applied()
def across(stored: Stored, comparison: Comparison) -> Figure | None:
    """Draw the same profiles along y, where the field varies on both axes; None elsewhere."""
    cuts = _cuts(stored, shown.runs(stored)[0])
    return _draw(stored, comparison, cuts[1]) if len(cuts) > 1 else None


def _draw(stored: Stored, comparison: Comparison, cut: Cut) -> Figure:
    runs, box = shown.runs(stored), shown.box(stored)
    places = stored.centres[cut.axis] / box.metres
    scene = _Scene(stored, comparison, runs, cut, shown.analytic(stored), places)
    numbers = shown.moments(stored.times, shown.MOST_TIMES)
    rows: list[Callable[[Axes, _Scene, int], None]] = [_values]
    rows += [_steady] if scene.compared(statistical=False) else []
    rows += [_chance] if scene.compared(statistical=True) else []
    columns = len(numbers)
    words = f"Profile along {stored.axes[cut.axis]}{cut.words}{shown.mean_in_words(stored)}"
    heights = [2.5, *[1.8] * (len(rows) - 1)]
    size = 2.5 * columns + 0.7, sum(heights) + 0.6
    figure = style.figure(*size, stored.title, subtitle=words)
    grid = figure.subplots(len(rows), columns, sharex=True, squeeze=False, height_ratios=heights)
    for axes_of_row, draw, height in zip(grid, rows, heights, strict=True):
        for axes, number in zip(axes_of_row, numbers, strict=True):
            draw(axes, scene, number)
            _tidy(axes)
            axes.set_xlim(box.ends(cut.axis))
            for place in outlines.crossed(stored, number, cut.axis, cut.line):
                axes.axvline(place / box.metres, **outlines.UPRIGHT)
        axes_of_row[0].set_ylabel(_label(draw, scene, style.letters(height)))
    _share_height(grid[0], scene, numbers)
    for axes, number in zip(grid[0], numbers, strict=True):
        axes.set_title(shown.moment(stored, number))
    for axes in grid[-1]:
        axes.set_xlabel(f"{stored.axes[cut.axis]} ({box.unit})")
    walled = any(outlines.crossed(stored, n, cut.axis, cut.line).size for n in numbers)
    style.legend(figure, _handles(scene, walled))
    return figure


# --- cuts ---------------------------------------------------------------------------------------


def _cuts(stored: Stored, run: StoredRun) -> list[Cut]:
    """The lines that show most.

    Of a field that is the same all along an axis one, the mean over that axis; of others the row of
    cells and the column nearest to the middle along which it varies at least half as much as
    anywhere, over all moments that are shown. Where there is a screen it is the column behind it,
    and in the end.
    """
    if len(stored.shape) == 1:
        return [Cut(0, "", 1, lambda u: u)]
    numbers = [0, *shown.moments(stored.times, shown.MOST_TIMES)]
    fields = [shown.mean(run, number) for number in numbers]
    start = stored.plain.get("initial", {})
    given = start.get("axis") if start.get("kind") == "halves" and shown.by_chance(run) else None
    for axis, other in ((0, 1), (1, 0)):
        # Chance makes everything uneven; what it was drawn from is what counts.
        if given == stored.axes[axis] or all(_even(u, other) for u in fields):
            words = f", mean over {stored.axes[other]}"
            return [Cut(axis, words, stored.shape[other], partial(_mean, axis=other))]
    behind = shown.behind(shown.solid(stored))
    cuts = []
    for axis in (0, 1):
        first = behind if axis == 1 else 0
        varies = sum(np.var(u, axis=axis) for u in (fields[-1:] if first else fields[1:]))
        line = first + _nearest_to_the_middle(np.asarray(varies)[first:])
        cuts.append(_cut(stored, axis, line))
    return cuts


def _mean(u: Array, axis: int) -> Array:
    return np.asarray(np.mean(u, axis=axis))


def _cut(stored: Stored, axis: int, line: int) -> Cut:
    """A row of cells along x, or a column along y."""
    other, box = 1 - axis, shown.box(stored)
    name = "row" if axis == 0 else "column"
    place = f"{stored.centres[other][line] / box.metres:.4g} {box.unit}"
    words = f", {name} of cells at {stored.axes[other]} = {place}"
    return Cut(axis, words, 1, lambda u: np.take(u, line, other), line)


def _nearest_to_the_middle(values: Array) -> int:
    """The number nearest to the middle of those whose values are at least half of the largest."""
    large = np.flatnonzero(values >= 0.5 * np.max(values))
    return int(large[np.argmin(np.abs(large - values.size // 2))])


def _even(u: Array, axis: int) -> bool:
    """Whether a field is the same all along an axis, up to round-off."""
    return bool(np.max(np.ptp(u, axis=axis)) <= 1e-9 * np.max(np.abs(u)))


# --- panels -------------------------------------------------------------------------------------


def _values(axes: Axes, scene: _Scene, number: int) -> None:
    for place, run in enumerate(scene.runs):
        if run in scene.compared(statistical=True):
            _band(axes, scene, run, number, scene.law(run, number), least=0.0)
        _curve(axes, scene, run, place, scene.of(run, number))
    if scene.solution is not None:
        truth = scene.analytic(scene.solution, number)
        axes.plot(scene.places, truth, **style.LAW, zorder=4)


def _steady(axes: Axes, scene: _Scene, number: int) -> None:
    for run in scene.compared(statistical=False):
        apart = scene.of(run, number) - scene.truth(run, number)
        _curve(axes, scene, run, scene.runs.index(run), apart)
    axes.axhline(0.0, color="0.6", linewidth=0.6, zorder=1)


def _chance(axes: Axes, scene: _Scene, number: int) -> None:
    for run in scene.compared(statistical=True):
        _band(axes, scene, run, number, np.zeros(scene.places.shape))
        apart = scene.of(run, number) - scene.law(run, number)
        _curve(axes, scene, run, scene.runs.index(run), apart)
    axes.axhline(0.0, color="0.6", linewidth=0.6, zorder=1)


def _curve(axes: Axes, scene: _Scene, run: StoredRun, place: int, values: Array) -> None:
    options: dict[str, Any] = {"linewidth": 0.7, "zorder": 2.5}
    if not shown.by_chance(run):
        turns = style.turns(place, values.size, len(scene.runs))
        options = {"marker": style.marker(place), "markevery": turns, "zorder": 3.0}
    axes.plot(scene.places, values, color=style.colour(place), **options)


def _band(
    axes: Axes, scene: _Scene, run: StoredRun, number: int, middle: Array, least: float = -np.inf
) -> None:
    """Draw where chance leaves it 19 times in 20; counts are nowhere less than nothing."""
    half = shown.BAND * scene.noise(run, number)
    low = np.minimum(middle, np.maximum(middle - half, least))
    axes.fill_between(scene.places, low, middle + half, linewidth=0.0, alpha=0.25,
                      color=style.colour(scene.runs.index(run)), zorder=2)  # fmt: skip


def _label(draw: Callable[[Axes, _Scene, int], None], scene: _Scene, width: int) -> str:
    unit = scene.stored.unit
    if draw is _values:
        return style.with_unit(scene.stored.name, unit, width=width)
    if draw is _steady:
        name = "analytic" if scene.solution else "reference"
        return style.with_unit(f"methods \N{MINUS SIGN} {name}", unit, width=width)
    return style.with_unit("chance \N{MINUS SIGN} law", unit, width=width)


def _tidy(axes: Axes) -> None:
    style.even_ticks(axes.xaxis, 4)
    style.even_ticks(axes.yaxis, 5)
    axes.grid(visible=True)
    if not any(np.any(line.get_ydata()) for line in axes.lines):
        axes.set_ylim(-1.0, 1.0)
        axes.set_yticks([0.0])


def _share_height(row: Any, scene: _Scene, numbers: Sequence[int]) -> None:
    """One scale for a row; what few particles do may reach so far beyond the first run's values."""
    limits = [axes.get_ylim() for axes in row]
    low, high = min(low for low, _ in limits), max(high for _, high in limits)
    values = [scene.of(scene.runs[0], number) for number in numbers]
    least, most = float(np.min(values)), float(np.max(values))
    if most > least:
        low = max(low, least - BEYOND * (most - least))
        high = min(high, most + BEYOND * (most - least))
    spare = 0.03 * (high - low)
    for axes in row:
        style.even_ticks(axes.yaxis, 5)
        axes.set_ylim(low - spare, high + spare)
        axes.tick_params(labelleft=axes is row[0])


def _handles(scene: _Scene, walled: bool) -> list[Line2D | Patch]:
    found: list[Line2D | Patch] = []
    for place, run in enumerate(scene.runs):
        bare = {"marker": ""} if shown.by_chance(run) else {}
        found.append(style.handle(place, run.label, **bare))
    if scene.solution is not None:
        found.append(Line2D([], [], **style.LAW, label="analytic"))
    if walled:
        found.append(Line2D([], [], **outlines.UPRIGHT, label="wall"))
    for run in scene.compared(statistical=True):
        label = style.plain(f"{run.label}: law ± {shown.BAND:g} standard deviations", 60)
        hue = style.colour(scene.runs.index(run))
        found.append(Patch(color=hue, alpha=0.25, linewidth=0.0, label=label))
    return found
