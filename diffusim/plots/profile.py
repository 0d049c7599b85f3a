"""Profiles: the field along a line, against the analytic solution and expected noise."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from diffusim import style
from diffusim.block import Array
from diffusim.channels import parts
from diffusim.comparison import Comparison
from diffusim.counts import worths
from diffusim.exact.matching import Solution
from diffusim.plots import shown
from diffusim.store import Stored, StoredRun

MOST_TIMES = 4
# Chance leaves this band of standard deviations at one place in twenty.
BAND = 2.0
ANALYTIC: dict[str, Any] = {"color": "black", "linestyle": (0, (4, 3)), "linewidth": 1.0}


class Cut(NamedTuple):
    """A line through the grid: its axis, how in words, and the profile of a field along it.

    ``cells`` is how many cells each value of the profile is the mean of.
    """

    axis: int
    words: str
    cells: int
    along: Callable[[Array], Array]


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
        channels = shown.channels(run)
        variances = self._variances(run, number)
        return np.asarray(np.sqrt(sum(variances)) / max(1, channels))

    def _variances(self, run: StoredRun, number: int) -> Iterator[Array]:
        """The variance of a profile in each channel.

        That of cells is told, or it is that of N particles, (w / V)^2 m (1 - m / N) for one cell: m
        particles are expected in it, V is its volume and w what a particle is worth. Where their
        number varies it is Poisson's, (w / V)^2 m.
        """
        channels = shown.channels(run)
        if "deviation" in run.arrays:
            for deviation in parts(run.arrays["deviation"][number], channels):
                yield self.cut.along(deviation**2) / self.cut.cells
        elif run.counts is not None:
            law = parts(self.law_in_cells(run, number), channels)
            fields = parts(shown.field(run, number), channels)
            weight = run.arrays["weight"][number] if "weight" in run.arrays else None
            counts = parts(run.counts[number], channels)
            for of_channel in zip(fields, counts, law, worths(weight, channels), strict=True):
                yield self._of_particles(*of_channel)

    def _of_particles(self, u: Array, counts: Array, law: Array, worth: float | None) -> Array:
        volume = np.broadcast_to(shown.volume(self.stored), u.shape)
        number, total = int(np.sum(counts)), float(np.sum(u * volume))
        one = (total / number if number else 0.0) if worth is None else worth
        if one <= 0.0:
            return np.zeros(self.places.shape)
        expected = np.maximum(law, 0.0) * volume / one
        spread = self.cut.along((one / volume) ** 2 * expected) / self.cut.cells
        if worth is None:
            spread = spread - self.cut.along(one / volume * expected) ** 2 / number
        return np.asarray(np.maximum(spread, 0.0))


@style.applied()
def profile(stored: Stored, comparison: Comparison) -> Figure:
    """Draw profiles at a few times, and below them how far they are from what they should be."""
    runs, box = shown.runs(stored), shown.box(stored)
    cut = _cut(stored, runs[0])
    places = stored.centres[cut.axis] / box.metres
    scene = _Scene(stored, comparison, runs, cut, shown.analytic(stored), places)
    numbers = shown.moments(stored.times, MOST_TIMES)
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
        axes_of_row[0].set_ylabel(_label(draw, scene, style.letters(height)))
    _share_height(grid[0])
    for axes, number in zip(grid[0], numbers, strict=True):
        axes.set_title(shown.moment(stored, number))
    for axes in grid[-1]:
        axes.set_xlabel(f"{stored.axes[cut.axis]} ({box.unit})")
    style.legend(figure, _handles(scene))
    return figure


def _cut(stored: Stored, run: StoredRun) -> Cut:
    """The line that shows most: along the axis the start varies on, else through the middle."""
    if len(stored.shape) == 1:
        return Cut(0, "", 1, lambda u: u)
    start = shown.scenario(stored).get("initial", {})
    across = start.get("axis") if start.get("kind") == "halves" else None
    first = shown.mean(run, 0)
    x, y = stored.axes[:2]
    if across == "x" or _even(first, 1):
        return Cut(0, f", mean over {y}", stored.shape[1], lambda u: np.mean(u, axis=1))
    if across == "y" or _even(first, 0):
        return Cut(1, f", mean over {x}", stored.shape[0], lambda u: np.mean(u, axis=0))
    middle = stored.shape[1] // 2
    box = shown.box(stored)
    words = f", row of cells at {y} = {stored.centres[1][middle] / box.metres:.4g} {box.unit}"
    return Cut(0, words, 1, lambda u: u[:, middle])


def _even(u: Array, axis: int) -> bool:
    """Whether a field is the same all along an axis, up to round-off."""
    return bool(np.max(np.ptp(u, axis=axis)) <= 1e-12 * np.max(np.abs(u)))


# --- panels -------------------------------------------------------------------------------------


def _values(axes: Axes, scene: _Scene, number: int) -> None:
    for place, run in enumerate(scene.runs):
        if run in scene.compared(statistical=True):
            _band(axes, scene, run, number, scene.law(run, number), least=0.0)
        _curve(axes, scene, run, place, scene.of(run, number))
    if scene.solution is not None:
        truth = scene.analytic(scene.solution, number)
        axes.plot(scene.places, truth, **ANALYTIC, zorder=4)


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
        # Markers take turns, so that curves on top of each other are all seen.
        apart = max(1, values.size // 8)
        turn = place * apart // max(1, len(scene.runs))
        options = {"marker": style.marker(place), "markevery": (turn, apart), "zorder": 3.0}
    axes.plot(scene.places, values, color=style.colour(place), **options)


def _band(
    axes: Axes, scene: _Scene, run: StoredRun, number: int, middle: Array, least: float = -np.inf
) -> None:
    """Draw where chance leaves it 19 times in 20; counts are nowhere less than nothing."""
    half = BAND * scene.noise(run, number)
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


def _share_height(row: Any) -> None:
    limits = [axes.get_ylim() for axes in row]
    low, high = min(low for low, _ in limits), max(high for _, high in limits)
    spare = 0.03 * (high - low)
    for axes in row:
        axes.set_ylim(low - spare, high + spare)
        axes.tick_params(labelleft=axes is row[0])


def _handles(scene: _Scene) -> list[Line2D | Patch]:
    found: list[Line2D | Patch] = []
    for place, run in enumerate(scene.runs):
        marker = "" if shown.by_chance(run) else style.marker(place)
        label = style.plain(run.label, 40)
        found.append(Line2D([], [], color=style.colour(place), marker=marker, label=label))
    if scene.solution is not None:
        found.append(Line2D([], [], **ANALYTIC, label="analytic"))
    for run in scene.compared(statistical=True):
        label = style.plain(f"{run.label}: law ± {BAND:g} standard deviations", 60)
        hue = style.colour(scene.runs.index(run))
        found.append(Patch(color=hue, alpha=0.25, linewidth=0.0, label=label))
    return found
