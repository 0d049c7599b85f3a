"""A series before and after: its course, the filter's weights, spectra, and correlations."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import LogLocator, NullLocator

from diffusim import style
from diffusim.block import Array
from diffusim.comparison import Comparison
from diffusim.grid import Grid
from diffusim.plots import ahead, shown
from diffusim.plots.applied import Filter, filters_of, shifting
from diffusim.plots.spectrum import ROUND_OFF, by_period
from diffusim.propagators.autoregression import Autoregression
from diffusim.series import Forecast, whiteness
from diffusim.spectrum import Shells, coefficients, mode_numbers
from diffusim.store import Stored, StoredRun

# The start, one frame between, and the last.
MOST_FRAMES = 3
# Of fewer moments there is nothing to see.
FEWEST = 8
# Weights of less than this part of the largest are not seen; of more than so many, only a line is.
LEAST_SEEN, MOST_STEMS = 2e-3, 60
# Lags of correlations, and of Ljung and Box's test.
FEWEST_LAGS, MOST_LAGS, TESTED = 20, 400, 20
# White noise lies within it at nineteen lags of twenty.
BAND = 1.96
SMALLEST_P = 1e-12
# Frames that differ by less than such a part are the same; scales by such a factor are not shared.
ALIKE, FLAT = 1e-9, 4.0
DASHES, UNDER = (0, (4, 3)), 2.6
SPREAD: dict[str, Any] = {"color": style.COLOURS[5], "alpha": 0.2, "linewidth": 0.0}
FAN: dict[str, Any] = {"color": style.COLOURS[2], "alpha": 0.3, "linewidth": 0.0}
# Periods that span so much have ticks at powers of ten only; powers below such a part of the
# largest are not shown.
WIDE, DEEPEST = 200.0, 1e-14
LOOKS: tuple[dict[str, Any], ...] = (
    {"color": "0.62", "linewidth": 0.9},
    {"color": style.COLOURS[0], "linewidth": 1.1},
    {"color": style.COLOURS[1], "linewidth": 1.1},
)


class _Scene(NamedTuple):
    """What is drawn: a few frames of one run and the filters between them."""

    stored: Stored
    grid: Grid
    run: StoredRun
    numbers: list[int]
    filters: list[Filter]
    averaged: bool
    # Where the last frame is the first again, its line is dashed so that both are seen.
    returned: bool
    process: Autoregression | None

    def of(self, number: int) -> Array:
        return shown.mean(self.run, number)

    def name(self, number: int) -> str:
        return shown.moment(self.stored, number)

    def labelled(self, place: int, **more: Any) -> dict[str, Any]:
        look = {**LOOKS[place], "label": self.name(self.numbers[place])}
        if self.returned and place == len(self.numbers) - 1:
            look["linestyle"] = DASHES
        elif self.returned and place == 0:
            look["linewidth"] = UNDER
        return {**look, **more}

    def applied(self, number: int) -> list[int]:
        """How often each filter has been applied by a frame."""
        return [each.times(float(self.stored.times[number])) for each in self.filters]

    def spread(self, number: int) -> ahead.Spread | None:
        """Where an autoregression of white noise may be at each time."""
        if self.process is None:
            return None
        initial = self.stored.plain.get("initial", {})
        weights = [each.weights for each in self.filters]
        return ahead.spread(
            initial, self.grid, list(zip(weights, self.applied(number), strict=True))
        )

    def outlook(self) -> ahead.Outlook | None:
        """How an autoregression may go on after its end."""
        if self.process is None:
            return None
        last = self.numbers[-1]
        return ahead.outlook(self.of(last), self.sums(last))

    def sums(self, number: int) -> int:
        """How often the series has been summed up by a frame."""
        if self.process is None:
            return 0
        there, *back = self.applied(number)
        return self.process.differences * (there - sum(back))


@style.applied()
def series(stored: Stored, _comparison: Comparison) -> Figure | None:
    """Draw a series in time before and after, by the first run.

    Its course, of an autoregression with where it may be and how it may go on; the weights of what
    was applied; its spectrum, beside that of the start times the square of the transfer function;
    and its correlations with its own past, beside the band of white noise and the p-values of Ljung
    and Box. None where the grid is no series.
    """
    grid = shown.grid(stored)
    if grid is None or not grid.in_time or grid.cells <= FEWEST:
        return None
    run = shown.runs(stored)[0]
    numbers = sorted({0, *shown.moments(stored.times, MOST_FRAMES)})
    numbers = [numbers[0], *numbers[1:][-(MOST_FRAMES - 1) :]]
    scene = _seen(stored, grid, run, numbers)
    rows = 1 if scene.averaged else len(numbers)
    heights = [max(1.25, 3.4 / rows) if rows > 1 else 2.7] * rows + [2.9]
    words = f"By {style.plain(run.label, 40)}{shown.mean_in_words(stored)}"
    figure = style.figure(10.2, sum(heights) + 0.6, stored.title, subtitle=words)
    layout = figure.add_gridspec(rows + 1, 3, height_ratios=heights)
    outlook = _courses([figure.add_subplot(layout[row, :]) for row in range(rows)], scene)
    panels = [figure.add_subplot(layout[rows, column]) for column in range(3)]
    for draw, axes in zip((_weights, _spectra, _correlations), panels, strict=True):
        draw(axes, scene)
    style.legend(figure, _handles(scene, outlook))
    return figure


# --- what is drawn ------------------------------------------------------------------------------


def _seen(stored: Stored, grid: Grid, run: StoredRun, numbers: list[int]) -> _Scene:
    first, last = (shown.mean(run, numbers[k]) for k in (0, -1))
    apart = float(np.max(np.abs(last - first)))
    returned = len(numbers) > 1 and apart <= ALIKE * float(np.max(np.abs(first)))
    propagator = shifting(stored)
    if propagator is None:
        return _Scene(stored, grid, run, numbers, [], True, returned, None)
    process = propagator if isinstance(propagator, Autoregression) else None
    averaged = "mask" not in propagator.traits(grid)
    filters = filters_of(stored, grid, propagator, _frequencies(grid))
    return _Scene(stored, grid, run, numbers, filters, averaged, returned, process)


def _frequencies(grid: Grid) -> Array:
    """Frequencies of the waves but the constant one, in cycles per step."""
    return mode_numbers(grid)[0][1:] * grid.spacing[0]


# --- panels -------------------------------------------------------------------------------------


def _courses(panels: list[Axes], scene: _Scene) -> ahead.Outlook | None:
    """Lines over time: averages on top of what they are of, other frames below each other.

    Returned is the forecast that goes on from the last of them, if there is one.
    """
    box = shown.box(scene.stored)
    t, step = scene.stored.centres[0] / box.metres, scene.grid.spacing[0] / box.metres
    for place, number in enumerate(scene.numbers):
        axes = panels[min(place, len(panels) - 1)]
        # Below each other no line hides another.
        look = LOOKS[place] if len(panels) > 1 else scene.labelled(place)
        axes.plot(t, scene.of(number), **look, zorder=2.0 + place)
        if len(panels) > 1:
            axes.set_title(scene.name(number), loc="left", fontsize=8.0, pad=2.0)
        if spread := scene.spread(number):
            half = BAND * spread.deviation
            axes.fill_between(t, spread.mean - half, spread.mean + half, **SPREAD)
    outlook = scene.outlook()
    first, last = box.ends(0)
    if outlook is not None:
        last += step * outlook.forecast.mean.size
        _forecast(
            panels[-1],
            outlook.forecast,
            t[-1] + step * np.arange(outlook.forecast.mean.size + 1),
            float(scene.of(scene.numbers[-1])[-1]),
        )
    for axes in panels:
        axes.set_xlim(first, last)
        axes.grid(visible=True)
        style.even_ticks(axes.yaxis, 5 if len(panels) == 1 else 3)
        axes.tick_params(labelbottom=axes is panels[-1])
    _on_one_scale(panels)
    panels[-1].set_xlabel(f"{scene.stored.axes[0]} ({box.unit})")
    middle = panels[len(panels) // 2]
    middle.set_ylabel(style.with_unit(shown.name(scene.stored), scene.stored.unit))
    return outlook


def _forecast(axes: Axes, forecast: Forecast, t: Array, last: float) -> None:
    """The expected values and their interval, from the last value on."""
    mean, low, high = (np.append(last, part) for part in forecast[:3])
    axes.fill_between(t, low, high, **FAN, zorder=1.5)
    axes.plot(t, mean, color=FAN["color"], linewidth=1.2, zorder=5)


def _on_one_scale(panels: list[Axes]) -> None:
    """Give panels one scale, unless one of them would show a flat line."""
    ends = [axes.get_ylim() for axes in panels]
    heights = [high - low for low, high in ends]
    if max(heights) < FLAT * min(heights):
        for axes in panels:
            axes.set_ylim(min(low for low, _ in ends), max(high for _, high in ends))


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


def _applied(scene: _Scene, applied: Filter) -> str:
    stop = min(applied.stop, float(scene.stored.times[-1]))
    return f"n = {applied.start:.12g} to {stop:.12g}"


def _marker(steps: int) -> str:
    return "o" if steps <= MOST_STEMS else ""


def _spectra(axes: Axes, scene: _Scene) -> None:
    axes.set_title("Spectrum")
    shells = Shells(scene.grid)
    seconds, name = shown.wave_unit(scene.stored)
    periods = shells.lengths / seconds
    start = np.abs(coefficients(scene.of(scene.numbers[0]), scene.grid)) ** 2
    least = ROUND_OFF * float(np.mean(scene.of(scene.numbers[0]) ** 2))
    for place, number in enumerate(scene.numbers):
        found = shells.means(np.abs(coefficients(scene.of(number), scene.grid)) ** 2)
        axes.plot(periods, np.where(found > least, found, np.nan), **scene.labelled(place),
                  marker="o", markersize=2.2, zorder=2.0 + place)  # fmt: skip
        law = _multiplier(scene, number)
        if place and law is not None:
            expected = shells.means(np.append(0.0, start[1:] * law))
            axes.plot(periods, np.where(expected > least, expected, np.nan), **style.LAW, zorder=6)
    by_period(axes, f"period ({name})")
    wide = periods[0] > WIDE * periods[-1]
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0,) if wide else (1.0, 2.0, 5.0)))
    axes.xaxis.set_minor_locator(NullLocator())
    low, high = axes.get_ylim()
    axes.set_ylim(max(low, high * DEEPEST), high)
    unit_of_power = f"({scene.stored.unit})²" if scene.stored.unit.strip() not in ("", "1") else ""
    axes.set_ylabel(style.with_unit("mean square of a mode", unit_of_power))


def _multiplier(scene: _Scene, number: int) -> Array | None:
    """The square of what waves were multiplied with since the first frame, None if unknown."""
    if scene.sums(number) > 1:
        return None  # ends tell more of it than waves do
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
    whitest = 0.0
    for place, number in enumerate(scene.numbers):
        try:
            r = whiteness.autocorrelation(scene.of(number), lags)
            p = whiteness.ljung_box(scene.of(number), tested).p
        except ValueError:
            continue  # a series that does not vary
        whitest = max(whitest, p)
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
    # Where none is near to white, as of a trend, the test tells nothing that is not seen.
    if whitest >= SMALLEST_P:
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


def _handles(scene: _Scene, outlook: ahead.Outlook | None) -> list[Artist]:
    found: list[Artist] = [
        Line2D([], [], **scene.labelled(place)) for place in range(len(scene.numbers))
    ]
    if len(scene.numbers) > 1 and _multiplier(scene, scene.numbers[-1]) is not None:
        exact = scene.grid.wrap[0] or all(applied.even for applied in scene.filters)
        words = f"spectrum of the first × |transfer|²{'' if exact else ' (exact on a ring)'}"
        found.append(Line2D([], [], **style.LAW, label=words))
    if scene.spread(scene.numbers[0]) is not None:
        found.append(Patch(**SPREAD, label="95 % of such series, at each time"))
    if outlook is not None:
        words = f"forecast, 95 %: {outlook.process.name} fitted by diffusim.series"
        found.append(Patch(**FAN, label=words))
    found.append(Patch(color="0.5", alpha=0.18, linewidth=0.0, label="95 % of white noise"))
    return found
