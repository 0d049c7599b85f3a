"""Spreading: how wide a compact start has become, and by which power of time."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from diffusim import style
from diffusim.block import Array, Unsupported
from diffusim.comparison import Comparison
from diffusim.medium.potential import HBAR
from diffusim.plots import shown
from diffusim.plots.paths import directions, displacements, mean_squares, rate
from diffusim.propagators.schroedinger import ELECTRON
from diffusim.store import Stored, StoredRun

# A start is compact up to this part of the box, and free while no more of it is in the outermost
# cells, one part in so many of an axis.
COMPACT, ARRIVED, RIM = 0.1, 1e-3, 32
# What leaves nothing free to spread.
BOUND = ("potential", "absorbing", "walls", "obstacles")
# Growth below this part of the start is round-off.
ROUND_OFF = 1e-9
DECADE = 10.0
# What is drawn beside lines of these powers of time.
GUIDES = {0.5: "√t", 1.0: "t"}
LAWS: tuple[dict[str, Any], ...] = (
    style.LAW,
    {"color": "black", "linestyle": (0, (1, 1.5)), "linewidth": 1.2},
    {"color": "black", "linestyle": (0, (6, 2, 1, 2)), "linewidth": 1.0},
)
GREY = "0.45"

Law = Callable[[Array], Array]


@dataclass(frozen=True, eq=False)
class Spread:
    """The second central moment of a run's field, summed over the axes, in m^2.

    ``paths`` is the variance of the displacements of the particles that were followed, and
    ``doubt`` its standard error; ``law`` gives the growth of the moment by a time in s where it is
    known, and ``words`` says it.
    """

    label: str
    times: Array
    moment: Array
    law: Law | None = None
    words: str = ""
    paths: Array | None = None
    doubt: Array | None = None

    @property
    def growth(self) -> Array:
        """What has been added to the moment of the first frame, NaN where that is nothing."""
        added = self.moment - self.moment[0]
        return np.where(added > ROUND_OFF * self.moment[0], added, np.nan)

    @property
    def power(self) -> float:
        """Power of time by which the root of the growth grows, fitted over the last decade."""
        known = np.isfinite(self.growth) & (self.times >= self.times[-1] / DECADE)
        if int(np.sum(known & (self.times > 0.0))) < 2:
            return math.nan
        t, spread = np.log(self.times[known]), 0.5 * np.log(self.growth[known])
        return float(np.polyfit(t, spread, 1)[0])


@style.applied()
def spread(stored: Stored, _comparison: Comparison) -> Figure | None:
    """Draw how a compact start spreads; None where it is not compact or reaches the sides."""
    found = spreads(stored)
    if not found or not any(np.any(np.isfinite(one.growth)) for one in found):
        return None
    return _draw([stored], found, stored.title)


@style.applied()
def spread_of(files: Sequence[Stored]) -> Figure:
    """Draw the spreading of all runs of several results in one picture.

    Raises
    ------
    Unsupported
        When times are counted differently, or a start is not compact or reaches the sides.
    """
    found = []
    for stored in files:
        if stored.clock != files[0].clock:
            raise Unsupported(f"{stored.path} and {files[0].path} count their times differently")
        name = f"{stored.path.parent.name}/" if len(files) > 1 else ""
        of_file = spreads(stored, name)
        if not of_file or not any(np.any(np.isfinite(one.growth)) for one in of_file):
            raise Unsupported(
                f"{stored.path} shows no free spreading: its start is not compact, or the field "
                "reaches the sides of the box"
            )
        found += of_file
    return _draw(files, found, "; ".join(dict.fromkeys(stored.title for stored in files)))


# --- moments ------------------------------------------------------------------------------------


def spreads(stored: Stored, prefix: str = "") -> list[Spread]:
    """Return the spreading of every run of a result.

    The moment is sum (x - mean)^2 u V / sum u V, x the centres of the cells, V their volumes; of a
    radius it is that of the distance from the axis or the centre.

    Parameters
    ----------
    prefix : str
        What is written before each label.

    Returns
    -------
    list of Spread
        None at all where the start is wider than a tenth of the box along an axis, or where a
        thousandth of the content is at its sides in the end.
    """
    if not is_free(stored):
        return []
    runs, last = shown.runs(stored), len(stored.times) - 1
    law, words = growth_law(stored)
    found = []
    for run in runs:
        of_run = [moments(stored, shown.mean(run, number)) for number in range(last + 1)]
        widths = [np.sum(pair[1]) for pair in of_run if pair is not None]
        # Of one particle there is no width.
        if len(widths) != len(of_run) or not np.any(widths):
            continue
        paths, doubt = _of_paths(stored, run)
        times = np.asarray(stored.times)
        found.append(Spread(prefix + run.label, times, np.array(widths), law, words, paths, doubt))
    return found


def moments(stored: Stored, u: Array) -> tuple[Array, Array] | None:
    """Return mean place and second central moment along each axis, None where there is nothing."""
    content = u * shown.volume(stored)
    total = float(np.sum(content))
    if not total > 0.0:
        return None
    means, squares = [], []
    for axis, x in enumerate(stored.centres):
        other = tuple(k for k in range(content.ndim) if k != axis)
        share = np.sum(content, axis=other) / total
        mean = 0.0 if stored.axes[axis] == "r" else float(np.sum(share * x))
        means.append(mean)
        squares.append(float(np.sum(share * (x - mean) ** 2)))
    return np.array(means), np.array(squares)


def is_free(stored: Stored, arrived: float = ARRIVED) -> bool:
    """Return whether the first run starts compact, and nothing is in its way to the end.

    Parameters
    ----------
    arrived : float
        What part of the content may be at the sides of the box in the end.
    """
    runs, last = shown.runs(stored), len(stored.times) - 1
    medium = shown.propagator(stored)
    bound = any(medium.get(key) for key in BOUND)
    return not bound and bool(runs) and last > 0 and _compact(stored, runs[0], last, arrived)


def _compact(stored: Stored, run: StoredRun, last: int, arrived: float) -> bool:
    """Whether a field starts as a small part of the box, and does not reach its sides."""
    ends = [moments(stored, shown.mean(run, number)) for number in (0, last)]
    if ends[0] is None or ends[1] is None:
        return False
    grid, box = shown.grid(stored), shown.box(stored)
    number = directions(grid) if grid is not None else [1] * len(stored.shape)
    for axis, name in enumerate(stored.axes):
        low, high = (box.metres * end for end in box.ends(axis))
        if name == "r":
            if low > 0.0:
                return False
            low = -high  # rings and shells go on beyond their axis
        start = math.sqrt(max(0.0, ends[0][1][axis]) / number[axis])
        if start > COMPACT * (high - low) or _arrived(stored, run, last, axis) > arrived:
            return False
    return True


def _arrived(stored: Stored, run: StoredRun, number: int, axis: int) -> float:
    """The part of a field's content that is in the outermost cells of an axis."""
    content = shown.mean(run, number) * shown.volume(stored)
    other = tuple(k for k in range(content.ndim) if k != axis)
    along = np.abs(np.sum(content, axis=other))
    rim = max(1, along.size // RIM)
    low = 0.0 if stored.axes[axis] == "r" else float(np.sum(along[:rim]))
    return (low + float(np.sum(along[-rim:]))) / float(np.sum(along))


def _of_paths(stored: Stored, run: StoredRun) -> tuple[Array | None, Array | None]:
    """Variance of the displacements of followed particles, and its standard error."""
    grid = shown.grid(stored)
    followed = "paths" in run.arrays and run.arrays["paths"].shape[1] > 1
    if not followed or (grid is not None and grid.radial):
        return None, None
    displaced = displacements(stored, run)
    there = np.all(np.isfinite(displaced), axis=-1, keepdims=True)
    number = np.maximum(np.sum(there, axis=1, keepdims=True), 1)
    drift = np.sum(np.where(there, displaced, 0.0), axis=1, keepdims=True) / number
    return mean_squares(displaced - drift)


def growth_law(stored: Stored) -> tuple[Law | None, str]:
    """Return how the moment grows, and that in words, where it is known.

    By 2 d D t, or of a free packet of width w by (D t / w)^2 along each axis.
    """
    known = rate(stored)
    if known is not None and stored.clock == "seconds":
        return (lambda t: known * t), "2 d D t"
    medium, start, grid = shown.propagator(stored), stored.plain.get("initial"), shown.grid(stored)
    if not isinstance(start, Mapping) or grid is None:
        return None, ""
    obstructed = any(medium.get(key) for key in ("potential", "walls", "obstacles", "absorbing"))
    real = medium.get("kind") == "schroedinger" and medium.get("time", "real") == "real"
    width = start.get("width")
    if not real or obstructed or grid.radial or start.get("kind") not in ("packet", "blob"):
        return None, ""
    widths = [width] * len(grid.shape) if isinstance(width, int | float) else list(width or ())
    widths = widths * len(grid.shape) if len(widths) == 1 else widths
    dispersion = HBAR / (2.0 * float(medium.get("mass") or ELECTRON))
    pace = sum((dispersion / float(w)) ** 2 for w in widths)
    return (lambda t: pace * t**2), "(ħ t / 2 m w)² along each axis, w the width of the start"


# --- panels -------------------------------------------------------------------------------------


def _draw(files: Sequence[Stored], found: Sequence[Spread], title: str) -> Figure:
    figure = style.figure(9.4, 3.9, title, subtitle="Width of the field")
    left, right = figure.subplots(1, 2)
    farthest = math.sqrt(max(float(np.max(one.moment)) for one in found))
    metres, name = style.unit_along(files[0].axes[0], farthest)
    latest = max(files, key=lambda stored: float(stored.times[-1]))
    unit, words = shown.time_axis(latest)
    for place, one in enumerate(found):
        hue, mark, times = style.colour(place), style.marker(place), one.times / unit
        turn = style.turns(place, times.size, len(found), 12)
        left.plot(times, np.sqrt(one.moment) / metres, color=hue, marker=mark, markevery=turn)
        right.plot(times, np.sqrt(one.growth) / metres, color=hue, marker=mark, markevery=turn)
        if one.paths is not None and one.doubt is not None:
            _followed(right, times, np.sqrt(one.paths) / metres, one, metres, hue)
    for style_of, one in zip(LAWS, _laws(found), strict=False):
        assert one.law is not None
        t = np.linspace(0.0, one.times[-1], 400)
        added = one.law(t)
        left.plot(t / unit, np.sqrt(one.moment[0] + added) / metres, **style_of, zorder=4)
        right.plot(t[1:] / unit, np.sqrt(added[1:]) / metres, **style_of, zorder=4)
    _tidy(left, right, found, unit, metres)
    for axes in (left, right):
        axes.set_xlabel(words)
        axes.grid(visible=True)
    left.set_ylabel(f"root of the mean square distance ({name})")
    right.set_ylabel(f"root of the mean square gained ({name})")
    style.legend(figure, _handles(found))
    return figure


def _followed(axes: Axes, times: Array, root: Array, one: Spread, metres: float, hue: str) -> None:
    known = np.isfinite(root) & (root > 0.0) & (times > 0.0)
    error = np.asarray(one.doubt)[known] / (2.0 * root[known] * metres**2)
    # Down to nothing a logarithmic scale does not reach.
    error = np.minimum(error, 0.9 * root[known])
    axes.errorbar(times[known], root[known], error, color=hue, marker="o", markersize=5.0,
                  markerfacecolor="none", linestyle="", elinewidth=0.8, zorder=5)  # fmt: skip


def _laws(found: Sequence[Spread]) -> list[Spread]:
    """One of those that follow the same law from the same width."""
    different: dict[Any, Spread] = {}
    for one in found:
        if one.law is not None:
            last = float(one.law(one.times[-1:])[0])
            different.setdefault((one.words, f"{last:.9g}", float(one.times[-1])), one)
    return list(different.values())


def _tidy(left: Axes, right: Axes, found: Sequence[Spread], unit: float, metres: float) -> None:
    """Start widths at zero, and leave room for guides where powers are seen."""
    left.set_ylim(0.0, None)
    left.set_xlim(0.0, max(float(one.times[-1]) for one in found) / unit)
    style.even_ticks(left.xaxis, 5)
    style.even_ticks(left.yaxis, 5)
    right.set_xscale("log")
    right.set_yscale("log")
    times = np.concatenate([one.times[np.isfinite(one.growth)] for one in found]) / unit
    grown = np.concatenate([one.growth[np.isfinite(one.growth)] for one in found])
    low, high = (math.sqrt(float(end)) / metres for end in (np.min(grown), np.max(grown)))
    right.set_xlim(0.8 * float(np.min(times)), 1.25 * float(np.max(times)))
    right.set_ylim(min(0.5 * low, high / 25.0), 1.6 * high)
    for axis, limits in ((right.xaxis, right.get_xlim()), (right.yaxis, right.get_ylim())):
        few = math.log10(limits[1] / limits[0]) < 2.5
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if few else (1.0,), numticks=12))
        axis.set_major_formatter(FuncFormatter(lambda value, _: style.number(value)))
        axis.set_minor_formatter(NullFormatter())
    _guides(right)


def _guides(axes: Axes) -> None:
    """Lines of both powers from one point, in the corner that what grows leaves free."""
    (left, right), (bottom, top) = np.log10(axes.get_xlim()), np.log10(axes.get_ylim())
    start, wide = (0.62, 0.07), 0.22
    for power, words in GUIDES.items():
        high = power * wide * (right - left) / (top - bottom)
        ends = np.array([start[0], start[0] + wide]), np.array([start[1], start[1] + high])
        axes.plot(*ends, color=GREY, linewidth=0.8, transform=axes.transAxes)
        axes.annotate(words, (ends[0][1], ends[1][1]), (3, 0), xycoords="axes fraction",
                      textcoords="offset points", color=GREY, va="center")  # fmt: skip


def _handles(found: Sequence[Spread]) -> list[Line2D]:
    handles = []
    for place, one in enumerate(found):
        power = one.power
        fitted = "" if math.isnan(power) else f": grows as $t^{{{power:.2f}}}$"
        label = style.plain(one.label, 50) + fitted
        handles.append(style.handle(place, one.label, label=label))
    if any(one.paths is not None for one in found):
        handles.append(Line2D([], [], color=GREY, marker="o", markersize=5.0, linestyle="",
                              markerfacecolor="none",
                              label="followed particles ± standard error"))  # fmt: skip
    for style_of, one in zip(LAWS, _laws(found), strict=False):
        handles.append(Line2D([], [], **style_of, label=f"grows by {one.words}"))
    return handles
