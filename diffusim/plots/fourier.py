"""A field as a sum of waves: its spectrum at the start and at the end, and what is read off it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patheffects import Normal, Stroke
from matplotlib.ticker import FuncFormatter, NullLocator

from diffusim import style
from diffusim.block import Array
from diffusim.comparison import Comparison
from diffusim.grid import Grid
from diffusim.plots import shown
from diffusim.plots.maps import span
from diffusim.spectrum import (
    Angular,
    Orientation,
    Power,
    angular_power,
    centred_power,
    log_power,
    orientation,
)
from diffusim.store import Stored

# What works on waves: of the answer of a template they tell nothing.
WAVES = ("filter", "kernel")
# Of fewer cells along an axis there is no spectrum to see.
FEWEST = 8
# Of the logarithms of powers, which part is darker than the scale, and where it ends at the latest.
DARK, DARKEST = 0.02, -12.0
# Less than that is drawn as nothing.
UNSEEN = 1e-13
# How much less than that of all directions is drawn.
LEAST = 0.02
# A direction of so many times the mean power is told first. Noise had 3.6 at most, smooth noise 6,
# the portrait 5.3, filtered or not; straight edges have 30.
HIGH = 8.0
# Below this sharpness a picture varies along its direction hardly more than along others.
SHARP = 0.2
ARROW = {"arrowstyle": "<->", "color": "white", "linewidth": 1.6, "mutation_scale": 11.0,
         "shrinkA": 0.0, "shrinkB": 0.0}  # fmt: skip
# Half of its length, and where its middle is, as parts of the sides.
HALF, CORNER = 0.1, 0.15
RING = {"marker": "o", "markersize": 11.0, "markerfacecolor": "none", "color": "white",
        "linestyle": "none", "markeredgewidth": 1.0}  # fmt: skip


class _Moment(NamedTuple):
    """A frame and what is read off it."""

    number: int
    u: Array
    power: Power
    angular: Angular
    found: Orientation

    @property
    def foremost(self) -> tuple[float, float]:
        """The direction of most power, all wavelengths alike, and how many times the mean it is."""
        top = int(np.argmax(self.angular.power))
        return float(self.angular.angles[top]), float(self.angular.power[top])

    @property
    def direction(self) -> float:
        """The direction that is told, in degrees."""
        if self.found.wave is None and self.foremost[1] >= HIGH:
            return self.foremost[0]
        return self.found.angle

    def has_waves(self, most: float) -> bool:
        """Whether something is seen on a scale that ends at the largest power of all frames."""
        return bool(np.max(self.power.power) > 10.0**DARKEST * most)

    @property
    def words(self) -> str:
        """What stands out, by one measure: a wave, else a direction of waves, else the gradient."""
        wave = self.found.wave
        if wave is not None:
            metres, unit = style.length_unit(wave.period)
            length = f"{wave.period / metres:.3g} {unit}"
            return f"waves of {length}\nacross the stripes: {_at(wave.angle)}"
        if self.foremost[1] >= HIGH:
            angle, times = self.foremost
            return f"no wave stands out; most power\nat {_at(angle, 0)}: {times:.3g} × the mean"
        weakly = ", weakly" if self.found.sharpness < SHARP else ""
        sharp = f"(sharpness {style.number(self.found.sharpness)})"
        return f"no wave stands out; varies most\nalong {_at(self.found.angle)}{weakly} {sharp}"


def _at(angle: float, digits: int = 1) -> str:
    """A direction in words, below 180 degrees also when it is rounded."""
    return f"{round(angle, digits) % 180.0:.{digits}f}°"


@style.applied()
def fourier(stored: Stored, _comparison: Comparison) -> Figure | None:
    """Draw a field, its spectrum and its power by direction, at the first and at the last moment.

    Of the first run; rings mark the wave that stands out, whose direction and period are told; an
    arrow in the field points along the direction that is told, which is across the crests. None but
    where a filter or a kernel is applied to a picture.
    """
    grid = shown.grid(stored)
    if shown.propagator(stored).get("kind") not in WAVES or grid is None or grid.geometry != "box":
        return None
    if len(grid.shape) != 2 or min(grid.shape) < FEWEST:
        return None
    run, last = shown.runs(stored)[0], len(stored.times) - 1
    moments = [_moment(number, shown.mean(run, number), grid) for number in sorted({0, last})]
    most = max(float(np.max(one.power.power)) for one in moments)
    if most == 0.0:
        return None
    label = style.plain(run.label)
    words = f"Waves of {shown.name(stored)}, {label}; arrows along the direction told"
    height = 2.7 * len(moments) + 0.6
    figure = style.figure(10.6, height, stored.title, subtitle=words)
    panels = figure.subplots(len(moments), 3, squeeze=False)
    _fields(panels[:, 0], stored, moments, most)
    _spectra(panels[:, 1], stored, moments, most)
    _directions(panels[:, 2], moments, most)
    return figure


def _moment(number: int, u: Array, grid: Grid) -> _Moment:
    power = centred_power(u, grid.spacing, "hann")
    angular = angular_power(centred_power(u, grid.spacing, "round"), relative=True)
    return _Moment(number, u, power, angular, orientation(u, grid.spacing))


def _fields(panels: Array, stored: Stored, moments: list[_Moment], most: float) -> None:
    """Frames as they lie in space, on one scale."""
    box, run = shown.box(stored), shown.runs(stored)[0]
    hues = "gray" if shown.pictured(stored) else style.FIELD
    colours = shown.in_colours(stored)
    limits = shown.widened(*span([shown.field(run, 0)] if colours else (m.u for m in moments)))
    for axes, one in zip(panels, moments, strict=True):
        if colours:
            box.in_colours(axes, shown.field(run, one.number), limits)
        else:
            image = box.picture(axes, one.u, limits, hues)
        if one.has_waves(most):
            _arrow(axes, one.direction)
        axes.set_title(shown.moment(stored, one.number))
        box.name_axes(axes, stored.axes)
    if not colours:
        style.colour_bar(image, list(panels), shown.name(stored), stored.unit)


def _arrow(axes: Axes, angle: float) -> None:
    """A short arrow both ways along a direction, in the lower left corner of a field."""
    low, high = np.array([axes.get_xlim(), axes.get_ylim()]).T
    turn = np.radians(angle)
    along = np.array([np.cos(turn), np.sin(turn)])
    along *= HALF / float(np.max(np.abs(along) / (high - low)))
    middle = low + CORNER * (high - low)
    arrow = axes.annotate("", middle + along, middle - along, arrowprops=ARROW)
    assert arrow.arrow_patch is not None
    arrow.arrow_patch.set_path_effects([Stroke(linewidth=3.2, foreground="black"), Normal()])


def _spectra(panels: Array, stored: Stored, moments: list[_Moment], most: float) -> None:
    """Logarithms of the power, the longest waves in the middle."""
    metres, unit = shown.wave_unit(stored)
    logarithms = [log_power(one.power, UNSEEN, most) for one in moments]
    tops = [float(np.max(found)) for found in logarithms]
    low = min(float(np.quantile(logarithms[0], DARK)), *(top - 1.0 for top in tops))
    low = max(DARKEST, low)
    for axes, one, values in zip(panels, moments, logarithms, strict=True):
        image = _spectrum(axes, one.power, values, metres, low)
        wave = one.found.wave
        if wave is not None and one.has_waves(most):
            k, angle = metres / wave.period, np.radians(wave.angle)
            place = k * np.cos(angle), k * np.sin(angle)
            axes.plot(*zip(place, (-place[0], -place[1]), strict=True), **RING)
        axes.set_title("spectrum")
        axes.set_xlabel(f"waves per {unit} along {stored.axes[0]}")
        axes.set_ylabel(f"waves per {unit} along {stored.axes[1]}")
        _outer(axes)
    name = "power beside the largest (power of ten)"
    style.colour_bar(image, list(panels), name, "", "min")


def _spectrum(axes: Axes, power: Power, values: Array, metres: float, low: float) -> AxesImage:
    ends = []
    for numbers in power.numbers:
        half = 0.5 * (numbers[1] - numbers[0])
        ends += [metres * float(numbers[0] - half), metres * float(numbers[-1] + half)]
    ratio = (ends[3] - ends[2]) / (ends[1] - ends[0])
    image = axes.imshow(values.T, origin="lower", extent=(ends[0], ends[1], ends[2], ends[3]),
                        cmap="magma", vmin=low, vmax=0.0,
                        aspect="equal" if 0.25 <= ratio <= 4.0 else "auto")  # fmt: skip
    axes.set(xlim=ends[:2], ylim=ends[2:])
    style.even_ticks(axes.xaxis, 4)
    style.even_ticks(axes.yaxis, 4)
    return image


def _directions(panels: Array, moments: list[_Moment], most: float) -> None:
    """Power by direction, of all wavelengths alike."""
    top = max(float(np.max(one.angular.power)) for one in moments)
    for axes, one in zip(panels, moments, strict=True):
        axes.axhline(1.0, color="0.6", linewidth=0.6)
        axes.set_title(one.words if one.has_waves(most) else "no waves are left")
        if one.has_waves(most):
            axes.plot(one.angular.angles, np.maximum(one.angular.power, 0.1 * LEAST),
                      color=style.colour(0))  # fmt: skip
            if one.found.wave is not None or one.foremost[1] >= HIGH:
                axes.axvline(one.direction, **style.LAW)
        axes.set(yscale="log", xlim=(0.0, 180.0), ylim=(LEAST, 2.0 * max(top, 5.0)))
        axes.yaxis.set_minor_locator(NullLocator())
        axes.set_xticks(range(0, 181, 45))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}°"))
        axes.set_ylabel("power beside all directions")
        axes.grid(visible=True)
        axes.set_xlabel("direction of waves, from x towards y")
        _outer(axes)


def _outer(axes: Axes) -> None:
    """Leave what is written below an axis to the lowest row."""
    place = axes.get_subplotspec()
    if place is not None and not place.is_last_row():
        axes.tick_params(labelbottom=False)
        axes.set_xlabel("")
