"""What figures show of a stored result: which runs, which frames, in which units."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.image import AxesImage
from matplotlib.ticker import FuncFormatter
from pydantic import TypeAdapter

from diffusim import quantities, style
from diffusim.alignment.labels import asked
from diffusim.block import Array
from diffusim.comparison import Comparison, Trajectory
from diffusim.exact.matching import Solution, analytic_solution
from diffusim.grid import Grid
from diffusim.medium.obstacles import Obstacles
from diffusim.propagators import Propagator
from diffusim.store import Header, Stored, StoredRun

# Square roots of times, so that a diffusion front moves evenly from one picture to the next.
MOMENTS = (0.0, 0.1, 0.3, 0.6, 1.0)
# Of them, those of a row of panels that are read closely.
MOST_TIMES = 4
# Chance leaves this band of standard deviations at one place in twenty.
BAND = 2.0
# A scale that spans less than this part of its numbers spans their round-off.
ROUND_OFF_OF_SCALE = 1e-9
# Cells along an axis beyond which a picture shows means of blocks: it has no more pixels than that.
MOST_CELLS = 1024
# What is less than this part of the length of an axis is no place on it but zero.
ROUND_OFF = 1e-9
# A column of cells is a screen if more than this part of it is solid.
SCREEN = 0.5
_OBSTACLES: TypeAdapter[Any] = TypeAdapter(Obstacles)


def propagator(stored: Header) -> dict[str, Any]:
    """Return the propagator of the scenario that a result was computed from, as plain values."""
    medium = stored.plain.get("propagator")
    return medium if isinstance(medium, dict) else {}


def analytic(stored: Header) -> Solution | None:
    """Return the analytic solution of the scenario, a function of time, where it has one."""
    return analytic_solution(stored.plain) if grid(stored) is not None else None


def runs(stored: Stored) -> list[StoredRun]:
    """Return the runs that were asked for, the main reference first, then as in the scenario.

    References that were only added for a limit of their own are left out.
    """
    named = {*asked(stored), stored.reference}
    found = {label: run for label, run in stored.runs.items()
             if label in named or run.facts.get("role") != "reference"}  # fmt: skip
    return [found[label] for label in places(stored, found)]


def places(stored: Header, labels: Iterable[str]) -> dict[str, int]:
    """Return the place of each run among all, by which it has its colour in every picture."""
    rank = asked(stored)
    ordered = sorted(
        labels, key=lambda label: (label != stored.reference, rank.get(label, len(rank)))
    )
    return {label: place for place, label in enumerate(ordered)}


def field(run: StoredRun, number: int) -> Array:
    """Return a frame of a run, of several channels these along the first axis."""
    return np.asarray(run.frames[number], dtype=float)


def channels(run: StoredRun) -> int:
    """Return how many channels a run has, 0 for a field without that axis."""
    return int(run.facts.get("channels", 0))


def mean(run: StoredRun, number: int) -> Array:
    """Return a frame of a run, the mean over its channels where it has any."""
    u = field(run, number)
    return np.asarray(np.mean(u, axis=0)) if channels(run) else u


def in_colours(stored: Header) -> bool:
    """Return whether a field is shown as a picture of red, green and blue."""
    return len(stored.channels) == 3 and len(stored.shape) == 2 and not wave(stored)


def name(stored: Header) -> str:
    """Return what is shown of a field as numbers: itself, or the mean over its channels."""
    return stored.name + mean_in_words(stored)


def becomes(stored: Header) -> str:
    """Return what is added to a field's name where it is another quantity after the start."""
    word = propagator(stored).get("kind")
    kind = Propagator.members.get(word) if isinstance(word, str) else None
    later = getattr(kind, "becomes", "")
    return f", then {later}" if later else ""


def wave(stored: Header) -> bool:
    """Return whether a field is the probability density of a wave."""
    return bool(propagator(stored).get("kind") == "schroedinger")


def pictured(stored: Header) -> bool:
    """Return whether a field is brightness, seen in grey: an image is among what it began with."""
    return _has_image(stored.plain.get("initial"))


def _has_image(start: Any) -> bool:
    if not isinstance(start, dict):
        return False
    parts = start.get("of") if start.get("kind") == "sum" else ()
    return start.get("kind") in ("image", "collage") or any(map(_has_image, parts or ()))


def mean_in_words(stored: Header) -> str:
    """Return what is added to a name where the mean over channels is shown."""
    return ", mean over channels" if len(stored.channels) > 1 else ""


def by_chance(run: Trajectory) -> bool:
    """Return whether chance makes the field of a run; positions drawn beside a field do not."""
    counted = run.counts is not None and bool(run.facts.get("statistical", True))
    return counted or "deviation" in run.arrays


def law(stored: Stored, comparison: Comparison, run: StoredRun) -> StoredRun:
    """Return the reference of a run's own limit."""
    return stored.runs[comparison[run.label].reference]


def moments(times: Array, count: int = len(MOMENTS)) -> list[int]:
    """Return the numbers of the frames to show, at the last `count` of `MOMENTS`."""
    # The start shows for the moment zero only.
    later = np.where(times > 0.0, times, np.inf)
    chosen = {int(np.argmin(np.abs((later if s else times) - times[-1] * s**2)))
              for s in MOMENTS[len(MOMENTS) - count :]}  # fmt: skip
    # Where several moments fall on one frame, others fill the gaps, early ones first.
    for number in np.argsort(later, stable=True).tolist():
        if len(chosen) < count:
            chosen.add(number)
    return sorted(chosen)


def moment(stored: Header, number: int) -> str:
    """Return the time of a frame in words."""
    return quantities.moment(float(stored.times[number]), stored.clock)


def time_axis(stored: Header) -> tuple[float, str]:
    """Return the unit of an axis of times, in those that are stored, and what the axis says."""
    if stored.clock == "applications":
        return 1.0, "applications"
    seconds, unit = style.time_unit(float(stored.times[-1]))
    return seconds, f"time ({unit})"


def along_time(axes: Axes, stored: Header, times: Array) -> None:
    """Let an axis of times run as they do: evenly, or by decades where they lie unevenly.

    Parameters
    ----------
    times : array
        In the unit of `time_axis`.
    """
    axes.set_xlabel(time_axis(stored)[1])
    if uneven(times) and times[-1] > 0.0:
        axes.set_xscale("log")
        axes.set_xlim(times[times > 0.0].min(), times[-1])
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    elif times.size > 1:
        axes.set_xlim(times[0], times[-1])
        if stored.clock == "applications":
            axes.xaxis.set_major_locator(style.rounded(8, whole=True))


def between(times: Array) -> Array:
    """Return the limits of the rows or columns of a picture taken at these times."""
    if times.size == 1:
        return np.array([times[0] - 0.5, times[0] + 0.5])
    return np.concatenate([times[:1], 0.5 * (times[1:] + times[:-1]), times[-1:]])


def uneven(times: Array) -> bool:
    """Return whether the frames lie closer together at some times than at others."""
    steps = np.diff(times)
    return steps.size > 1 and float(np.max(steps)) > 1.5 * float(np.min(steps))


# --- scales -------------------------------------------------------------------------------------


def flat(low: float, high: float) -> bool:
    """Return whether a scale spans nothing but the round-off of its numbers."""
    return high - low <= ROUND_OFF_OF_SCALE * max(abs(low), abs(high))


def widened(low: float, high: float) -> tuple[float, float]:
    """Return the limits of a scale of colours, apart from each other also where it is flat."""
    if not flat(low, high):
        return low, high
    half = 0.5 * max(abs(low), abs(high)) or 0.5
    return low - half, high + half


# --- space --------------------------------------------------------------------------------------


def grid(stored: Header) -> Grid | None:
    """Return the grid of the scenario, None where it tells of none or of another one."""
    try:
        found = Grid.model_validate(stored.plain.get("grid"))
    except ValueError:
        return None
    return found if found.shape == stored.shape else None


def volume(stored: Header) -> float | Array:
    """Return the volume of the cells, 1 where the scenario does not tell the grid."""
    found = grid(stored)
    return 1.0 if found is None else found.volume


def solid(stored: Header) -> Array | None:
    """Return which cells are solid, where the scenario still tells."""
    medium, cells = propagator(stored), grid(stored)
    if cells is None or not medium.get("obstacles"):
        return None
    try:
        return np.asarray(_OBSTACLES.validate_python(medium["obstacles"]).solid(cells))
    except (ValueError, OSError):
        return None  # a file that is no longer where it was


def behind(solid: Array | None) -> int:
    """Return the first column behind a screen: one that is solid over most of its length.

    Zero where there is no screen, or nothing behind it.
    """
    columns = np.zeros(0) if solid is None else np.flatnonzero(np.mean(solid, axis=1) > SCREEN)
    return int(columns[-1] + 1) % len(solid) if solid is not None and columns.size else 0


class Box(NamedTuple):
    """The grid in the unit of its pictures.

    ``metres`` is what that unit is in m, along a series in s, ``extent`` holds both ends of each
    axis, ``ratio`` is height over width as drawn, and ``aspect`` what matplotlib calls so.
    """

    unit: str
    metres: float
    extent: tuple[float, ...]
    ratio: float
    aspect: str

    @property
    def size(self) -> tuple[float, float]:
        """Width and height of a picture, the longer one 1."""
        return min(1.0, 1.0 / self.ratio), min(1.0, self.ratio)

    def ends(self, axis: int) -> tuple[float, float]:
        """Return both ends of an axis."""
        low, high = self.extent[2 * axis : 2 * axis + 2]
        return low, high

    def name_axes(self, axes: Axes, names: tuple[str, ...]) -> None:
        """Write names and units on the outer sides of a figure only."""
        axes.set_xlabel(f"{names[0]} ({self.unit})")
        if len(names) > 1:
            axes.set_ylabel(f"{names[1]} ({self.unit})")
        axes.label_outer()

    def picture(self, axes: Axes, u: Array, limits: tuple[float, float], colours: str) -> AxesImage:
        """Draw a field u[x, y] as it lies in space: x to the right, y upwards."""
        style.even_ticks(axes.xaxis, 4 if self.size[0] > 0.6 else 2)
        style.even_ticks(axes.yaxis, 3)
        return axes.imshow(
            coarse(u).T, origin="lower", extent=(*self.ends(0), *self.ends(1)), cmap=colours,
            aspect="equal" if self.aspect == "equal" else "auto", vmin=limits[0], vmax=limits[1],
        )  # fmt: skip

    def fill(self, axes: Axes, cells: Array, colour: str) -> None:
        """Fill some cells of a map with one colour."""
        one = ListedColormap([colour])
        axes.imshow(
            np.ma.masked_equal(cells.T.astype(float), 0.0), origin="lower", cmap=one, zorder=2,
            extent=(*self.ends(0), *self.ends(1)), interpolation="nearest",
            aspect="equal" if self.aspect == "equal" else "auto",
        )  # fmt: skip

    def in_colours(self, axes: Axes, u: Array, limits: tuple[float, float]) -> AxesImage:
        """Draw a field u[channel, x, y] as red, green and blue, each dark at the lower limit."""
        low, high = limits
        bright = np.clip((u - low) / (high - low), 0.0, 1.0)
        return self.picture(axes, bright, (0.0, 1.0), style.FIELD)


def wave_unit(stored: Header) -> tuple[float, str]:
    """Return the unit of lengths of waves, or of periods: its m or s, and its name.

    That of a length halfway, by ratios, between two cells and the longest axis, which a scale from
    the shortest wave to the longest is read in.
    """
    lengths = [high - low for low, high in (_ends(stored, k) for k in range(len(stored.shape)))]
    cells = [length / n for length, n in zip(lengths, stored.shape, strict=True)]
    return style.unit_along(stored.axes[0], math.sqrt(2.0 * min(cells) * max(lengths)))


def box(stored: Header) -> Box:
    """Return how the grid of a result is drawn."""
    ends = [_ends(stored, axis) for axis in range(len(stored.shape))]
    lengths = [high - low for low, high in ends]
    metres, unit = style.unit_along(stored.axes[0], max(lengths))
    extent = tuple(end / metres for pair in ends for end in pair)
    ratio = lengths[1] / lengths[0] if len(lengths) > 1 else 1.0
    if 0.25 <= ratio <= 4.0:
        return Box(unit, metres, extent, ratio, "equal")
    # Long and narrow grids are not drawn to scale: one could not see across.
    return Box(unit, metres, extent, 0.4 if ratio < 1.0 else 2.5, "auto")


def _ends(stored: Header, axis: int) -> tuple[float, float]:
    """Both ends of an axis in SI units, one that is zero but for round-off being zero."""
    if stored.faces is not None:
        low, high = float(stored.faces[axis][0]), float(stored.faces[axis][-1])
    else:
        centres = stored.centres[axis]
        half = 0.5 * (centres[1] - centres[0]) if centres.size > 1 else abs(centres[0]) or 0.5
        low, high = float(centres[0] - half), float(centres[-1] + half)
    nothing = ROUND_OFF * (high - low)
    return 0.0 if abs(low) < nothing else low, 0.0 if abs(high) < nothing else high


def coarse(u: Array, most: int = MOST_CELLS, first: int = 0) -> Array:
    """Return means of blocks where a field has more cells than a picture has pixels.

    Parameters
    ----------
    most : int
        Cells along an axis beyond which there are blocks.
    first : int
        The first of the axes that are looked at.
    """
    for axis, n in enumerate(u.shape):
        starts = np.arange(0, n, -(-n // most))
        if axis >= first and starts.size < n:
            sizes = np.diff(np.append(starts, n))
            along = [-1 if k == axis else 1 for k in range(u.ndim)]
            u = np.add.reduceat(u, starts, axis) / sizes.reshape(along)
    return u
