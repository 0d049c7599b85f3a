"""A series before and after: its course, the filter's weights, spectra, and correlations."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullLocator
from scipy import fft

from diffusim import convolve, style
from diffusim.block import Array, Unsupported
from diffusim.comparison import Comparison
from diffusim.grid import Grid
from diffusim.plots import shown
from diffusim.plots.spectrum import ROUND_OFF, by_period
from diffusim.propagators import Propagator
from diffusim.series import whiteness
from diffusim.store import Stored, StoredRun

# The start, one frame between, and the last.
MOST_FRAMES = 3
# Of fewer moments there is nothing to see.
FEWEST = 8
# Bands of frequencies: each so much wider than the one before, and of so many waves at least.
RATIO, FEWEST_WAVES = 1.22, 3
# Weights of less than this part of the largest are not seen; of more than so many, only a line is.
LEAST_SEEN, MOST_STEMS = 2e-3, 60
# Lags of correlations, and of Ljung and Box's test.
FEWEST_LAGS, MOST_LAGS, TESTED = 20, 400, 20
# White noise lies within it at nineteen lags of twenty.
BAND = 1.96
SMALLEST_P = 1e-12
# Periods that span so much have ticks at powers of ten only; powers below such a part of the
# largest are not shown.
WIDE, DEEPEST = 200.0, 1e-14
LOOKS: tuple[dict[str, Any], ...] = (
    {"color": "0.62", "linewidth": 0.9},
    {"color": style.COLOURS[0], "linewidth": 1.1},
    {"color": style.COLOURS[1], "linewidth": 1.1},
)


class _Filter(NamedTuple):
    """What is applied from one event to the next: its weights by lag, and how often by a time."""

    start: float
    stop: float
    weights: Array
    transfer: Array | None

    @property
    def lags(self) -> Array:
        """The lags of the weights in steps."""
        return np.arange(self.weights.size) - self.weights.size // 2

    def times(self, time: float) -> int:
        """How often it has been applied by a time."""
        return round(max(0.0, min(time, self.stop) - self.start))


class _Scene(NamedTuple):
    """What is drawn: a few frames of one run and the filters between them."""

    stored: Stored
    grid: Grid
    run: StoredRun
    numbers: list[int]
    filters: list[_Filter]
    averaged: bool

    def of(self, number: int) -> Array:
        return shown.mean(self.run, number)

    def name(self, number: int) -> str:
        return shown.moment(self.stored, number)

    def labelled(self, place: int, **more: Any) -> dict[str, Any]:
        return {**LOOKS[place], "label": self.name(self.numbers[place]), **more}


@style.applied()
def series(stored: Stored, _comparison: Comparison) -> Figure | None:
    """Draw a series in time before and after, by the first run.

    Its course; the weights of what was applied; its spectrum, beside that of the start times the
    square of the transfer function; and its correlations with its own past, beside the band of
    white noise and the p-values of Ljung and Box. None where the grid is no series.
    """
    grid = shown.grid(stored)
    if grid is None or not grid.in_time or grid.cells <= FEWEST:
        return None
    run = shown.runs(stored)[0]
    numbers = sorted({0, *shown.moments(stored.times, MOST_FRAMES)})
    numbers = [numbers[0], *numbers[1:][-(MOST_FRAMES - 1) :]]
    filters, averaged = _filters(stored, grid)
    scene = _Scene(stored, grid, run, numbers, filters, averaged)
    rows = 1 if averaged else len(numbers)
    heights = [2.7 if averaged else 1.25] * rows + [2.9]
    words = f"By {style.plain(run.label, 40)}{shown.mean_in_words(stored)}"
    figure = style.figure(10.2, sum(heights) + 0.6, stored.title, subtitle=words)
    layout = figure.add_gridspec(rows + 1, 3, height_ratios=heights)
    _courses([figure.add_subplot(layout[row, :]) for row in range(rows)], scene)
    panels = [figure.add_subplot(layout[rows, column]) for column in range(3)]
    for draw, axes in zip((_weights, _spectra, _correlations), panels, strict=True):
        draw(axes, scene)
    style.legend(figure, _handles(scene))
    return figure


# --- what is drawn ------------------------------------------------------------------------------


def _filters(stored: Stored, grid: Grid) -> tuple[list[_Filter], bool]:
    """What was applied, as the scenario still tells, and whether all of it averages."""
    try:
        propagator = Propagator.read(shown.propagator(stored))
        if not hasattr(propagator, "convolution"):
            return [], True
        last = float(stored.times[-1])
        ends = [0.0, *(event for event in propagator.events(grid) if event < last), last]
        spans = zip(ends, ends[1:], strict=False)
        found = [_filter(grid, propagator, start, stop) for start, stop in spans]
        return found, "mask" not in propagator.traits(grid)
    except (ValueError, OSError, Unsupported):
        return [], True  # a kernel that came from Python, or from a file that is no longer there


def _filter(grid: Grid, propagator: Propagator, start: float, stop: float) -> _Filter:
    amid, n = 0.5 * (start + stop), grid.shape[0]
    view = propagator.convolution(grid, amid)  # type: ignore[attr-defined]
    weights = np.flip(view.kernel) if view.collects else view.kernel
    frequencies = _frequencies(grid)
    if hasattr(propagator, "transfer"):
        # A sum has none: what it makes has no spectrum that stays.
        summed = getattr(propagator, "differences", 0) > 0
        transfer = None if summed else propagator.transfer(frequencies, amid)
    elif grid.wrap[0]:
        transfer = fft.rfft(convolve.wrapped(weights, (n,)))[1:]
    else:
        transfer = fft.rfft(convolve.wrapped(weights, (2 * n,)))[1:n]
    return _Filter(start, stop, weights, transfer)


def _frequencies(grid: Grid) -> Array:
    """Frequencies of the waves but the constant one, in cycles per step."""
    n = grid.shape[0]
    return fft.rfftfreq(n)[1:] if grid.wrap[0] else np.arange(1, n) / (2.0 * n)


def _power(u: Array, grid: Grid) -> Array:
    """Mean squares of the same waves: round a ring Fourier's, else cosines between the ends."""
    if grid.wrap[0]:
        return np.asarray(np.abs(fft.rfft(u, norm="ortho")[1:]) ** 2)
    return np.asarray(fft.dct(u, norm="ortho")[1:] ** 2)


class _Bands(NamedTuple):
    """Bands of frequencies, which average the spectrum: where each begins, and how many waves."""

    starts: Array
    sizes: Array

    @classmethod
    def of(cls, count: int) -> _Bands:
        starts, size = [0], float(FEWEST_WAVES)
        while starts[-1] + 2 * size < count:
            starts.append(starts[-1] + round(size))
            size = max(size, (RATIO - 1.0) * starts[-1])
        return cls(np.array(starts), np.diff([*starts, count]))

    def means(self, values: Array) -> Array:
        return np.asarray(np.add.reduceat(values, self.starts) / self.sizes)


# --- panels -------------------------------------------------------------------------------------


def _courses(panels: list[Axes], scene: _Scene) -> None:
    """Lines over time: averages on top of what they are of, other frames below each other."""
    box = shown.box(scene.stored)
    t = scene.stored.centres[0] / box.metres
    for place, number in enumerate(scene.numbers):
        axes = panels[min(place, len(panels) - 1)]
        axes.plot(t, scene.of(number), **scene.labelled(place), zorder=2.0 + place)
        if len(panels) > 1:
            axes.set_title(scene.name(number), loc="left", fontsize=8.0, pad=2.0)
    for axes in panels:
        axes.set_xlim(box.ends(0))
        axes.grid(visible=True)
        style.even_ticks(axes.yaxis, 5 if len(panels) == 1 else 3)
        axes.tick_params(labelbottom=axes is panels[-1])
    low, high = (end(axes.get_ylim()[k] for axes in panels) for k, end in enumerate((min, max)))
    for axes in panels:
        axes.set_ylim(low, high)
    panels[-1].set_xlabel(f"{scene.stored.axes[0]} ({box.unit})")
    middle = panels[len(panels) // 2]
    middle.set_ylabel(style.with_unit(shown.name(scene.stored), scene.stored.unit))


def _weights(axes: Axes, scene: _Scene) -> None:
    axes.set_title("Weights by lag")
    if not scene.filters:
        _nothing(axes, "the scenario does not tell")
        return
    step = scene.grid.spacing[0]
    reaches = []
    for place, applied in enumerate(scene.filters[: len(LOOKS) - 1], 1):
        seen = np.abs(applied.weights) > LEAST_SEEN * np.max(np.abs(applied.weights))
        first, last = int(np.min(applied.lags[seen])), int(np.max(applied.lags[seen]))
        reaches.append((min(first, 0), max(last, 0)))
        there = slice(first + applied.weights.size // 2, last + applied.weights.size // 2 + 1)
        axes.plot(applied.lags[there], applied.weights[there], **LOOKS[place], markersize=3.0,
                  marker=_marker(last - first), label=_applied(scene, applied))  # fmt: skip
    low, high = min(low for low, _ in reaches), max(high for _, high in reaches)
    spare = max(0.5, 0.04 * (high - low))
    unit, name = style.time_unit(step * max(high, -low, 2))
    axes.set_xlim(low - spare, high + spare)
    _in_units(axes, step / unit, f"lag ({name})")
    axes.axhline(0.0, color="0.6", linewidth=0.6, zorder=1)
    axes.set_ylabel("weight")
    if len(scene.filters) > 1:
        axes.legend(fontsize=8.0)


def _in_units(axes: Axes, scale: float, words: str) -> None:
    """Turn an axis of steps into one of times, round numbers at its ticks."""
    for line in axes.lines:
        line.set_xdata(np.asarray(line.get_xdata(), float) * scale)
    axes.set_xlim(*(scale * end for end in axes.get_xlim()))
    style.even_ticks(axes.xaxis, 6)
    axes.set_xlabel(words)
    axes.grid(visible=True)


def _applied(scene: _Scene, applied: _Filter) -> str:
    stop = min(applied.stop, float(scene.stored.times[-1]))
    return f"n = {applied.start:.12g} to {stop:.12g}"


def _marker(steps: int) -> str:
    return "o" if steps <= MOST_STEMS else ""


def _spectra(axes: Axes, scene: _Scene) -> None:
    axes.set_title("Spectrum")
    bands = _Bands.of(_frequencies(scene.grid).size)
    step = scene.grid.spacing[0]
    unit, name = style.time_unit(step * math.sqrt(scene.grid.shape[0]))
    periods = step / unit / bands.means(_frequencies(scene.grid))
    start = _power(scene.of(scene.numbers[0]), scene.grid)
    least = ROUND_OFF * float(np.mean(scene.of(scene.numbers[0]) ** 2))
    for place, number in enumerate(scene.numbers):
        found = bands.means(_power(scene.of(number), scene.grid))
        axes.plot(periods, np.where(found > least, found, np.nan), **scene.labelled(place),
                  marker="o", markersize=2.2, zorder=2.0 + place)  # fmt: skip
        law = _multiplier(scene, number)
        if place and law is not None:
            expected = bands.means(start * law)
            axes.plot(periods, np.where(expected > least, expected, np.nan), **style.LAW, zorder=6)
    by_period(axes, f"period ({name})")
    wide = periods[0] > WIDE * periods[-1]
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0,) if wide else (1.0, 2.0, 5.0)))
    axes.xaxis.set_minor_locator(NullLocator())
    low, high = axes.get_ylim()
    axes.set_ylim(max(low, high * DEEPEST), high)
    unit_of_power = f"({scene.stored.unit})²" if scene.stored.unit.strip() not in ("", "1") else ""
    axes.set_ylabel(style.with_unit("mean square of a wave", unit_of_power))


def _multiplier(scene: _Scene, number: int) -> Array | None:
    """The square of what waves were multiplied with since the first frame, None if unknown."""
    first, last = (float(scene.stored.times[k]) for k in (scene.numbers[0], number))
    total: Any = 1.0
    for applied in scene.filters:
        count = applied.times(last) - applied.times(first)
        if count:
            if applied.transfer is None:
                return None
            total = total * np.abs(applied.transfer) ** (2 * count)
    return total if scene.filters else None


def _correlations(axes: Axes, scene: _Scene) -> None:
    axes.set_title("Correlation with its own past")
    n, step = scene.grid.shape[0], scene.grid.spacing[0]
    lags = min(n // 2, MOST_LAGS, max(FEWEST_LAGS, 3 * _memory(scene)))
    tested = max(1, min(TESTED, n // 5))
    for place, number in enumerate(scene.numbers):
        try:
            r = whiteness.autocorrelation(scene.of(number), lags)
            p = whiteness.ljung_box(scene.of(number), tested).p
        except ValueError:
            continue  # a series that does not vary
        label = f"{scene.name(number)}: p {_p(p)}"
        axes.plot(np.arange(1, lags + 1), r[1:], **scene.labelled(place, label=label),
                  marker=_marker(lags), markersize=2.2, zorder=2.0 + place)  # fmt: skip
    half = BAND / math.sqrt(n)
    axes.axhspan(-half, half, color="0.5", alpha=0.18, linewidth=0.0, zorder=1)
    axes.axhline(0.0, color="0.6", linewidth=0.6, zorder=1)
    unit, name = style.time_unit(step * lags)
    axes.set_xlim(0.0, lags + 0.5)
    _in_units(axes, step / unit, f"lag ({name})")
    axes.set_ylabel("correlation")
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize=8.0, title=f"Ljung-Box test of {tested} lags", title_fontsize=8.0)


def _memory(scene: _Scene) -> int:
    """The farthest lag that is seen among the weights."""
    seen = [np.abs(each.lags[np.abs(each.weights) > LEAST_SEEN * np.max(np.abs(each.weights))])
            for each in scene.filters]  # fmt: skip
    return max((int(np.max(lags)) for lags in seen), default=0)


def _p(p: float) -> str:
    return f"= {style.number(p)}" if p >= SMALLEST_P else f"< {style.power(-12)}"


def _nothing(axes: Axes, words: str) -> None:
    axes.text(0.5, 0.5, words, ha="center", va="center", transform=axes.transAxes)
    axes.set_xticks([])
    axes.set_yticks([])


def _handles(scene: _Scene) -> list[Line2D]:
    found = [Line2D([], [], **scene.labelled(place)) for place in range(len(scene.numbers))]
    if len(scene.numbers) > 1 and _multiplier(scene, scene.numbers[-1]) is not None:
        words = "spectrum of the first × |transfer|²"
        found.append(Line2D([], [], **style.LAW, label=words))
    band = "95 % of white noise"
    found.append(Line2D([], [], color="0.5", alpha=0.18, linewidth=7.0, label=band))
    return found
