"""Convergence as a picture: errors against what was refined, and how far chance explains them."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

from diffusim import store, style
from diffusim.atomic import make_folder
from diffusim.block import Array
from diffusim.convergence import TITLE, Convergence, Series
from diffusim.convergence.results import local_orders
from diffusim.verdicts import ALPHA

GREY = "0.45"
# The power of p-values that is drawn.
SQUEEZED = 0.25


def draw_convergence(found: Convergence, path: Path) -> Path:
    """Draw a study: errors, fitted powers and what was expected; below, p-values or local orders.

    Parameters
    ----------
    path : Path
        Where the picture goes, a PNG file.

    Raises
    ------
    StoreError
        When the picture cannot be written.
    """
    picture = convergence(found)
    make_folder(path.parent)
    return store.write_bytes(path.parent, path.name, style.png(picture, TITLE, found.digest))


@style.applied()
def convergence(found: Convergence) -> Figure:
    """Return the figure of a study, see `draw_convergence`."""
    tested = found.refine != "particles" or _counted(found)
    figure = style.figure(6.8, 5.6 if tested else 4.4, found.title)
    heights = [3.2, 1.0] if tested else [1.0]
    panels = list(figure.subplots(len(heights), 1, sharex=True, squeeze=False,
                                  height_ratios=heights).ravel())  # fmt: skip
    errors, below = panels[0], panels[-1]
    scale, words = _axis(found)
    for place, series in enumerate(found.series):
        _errors(errors, place, series, scale)
    errors.set_xscale("log")
    errors.set_yscale("log")
    errors.set_ylabel("error in the last frame (relative L2 norm)")
    _room(errors)
    taken = _places(errors)
    for power in sorted({series.theory for series in found.series}) if taken else ():
        _triangle(errors, power, found.refine, taken)
    if found.refine != "particles":
        _orders(below, found, scale)
    elif tested:
        _chances(below, found, scale)
    for axes in panels:
        axes.grid(visible=True)
    below.set_xlabel(words)
    _decades(errors)
    style.legend(figure, _handles(found))
    return figure


def _counted(found: Convergence) -> bool:
    """Whether there are counts that were tested, or else shots of a measurement."""
    return any(point.p_cells is not None for series in found.series for point in series.points)


def _axis(found: Convergence) -> tuple[float, str]:
    """The unit in which what was refined is shown, and the words at the axis."""
    if found.refine == "particles":
        return 1.0, "particles" if _counted(found) else "shots"
    values = [point.value for series in found.series for point in series.points]
    middle = math.sqrt(min(values) * max(values))
    if found.refine == "dt":
        unit, name = style.time_unit(middle)
        return unit, f"longest step ({name})"
    unit, name = style.length_unit(middle)
    return unit, f"length of a cell ({name})"


def _errors(axes: Axes, place: int, series: Series, scale: float) -> None:
    hue, mark = style.colour(place), style.marker(place)
    groups = [g for g in series.groups if g.error > 0.0]
    if not groups:
        return
    if any(len([p for p in series.points if p.value == g.value]) > 1 for g in series.groups):
        shown = [p for p in series.points if p.error > 0.0]
        axes.plot([p.value / scale for p in shown], [p.error for p in shown], mark, color=hue,
                  alpha=0.3, markersize=3.0, markeredgewidth=0.0)  # fmt: skip
    x = np.array([g.value / scale for g in groups])
    axes.plot(x, [g.error for g in groups], color=hue, linewidth=1.4)
    used = {p.value for p in series.points if p.used}
    for group in groups:
        axes.plot(group.value / scale, group.error, mark, color=hue,
                  markerfacecolor=hue if group.value in used else "white")  # fmt: skip
    expected = [(g.value / scale, g.expected) for g in groups if g.expected]
    if expected:
        axes.plot(*zip(*expected, strict=True), color="black", linewidth=0.8,
                  linestyle=(0, (4, 2)), zorder=3)  # fmt: skip


def _room(axes: Axes) -> None:
    """Leave room at the rims, and decades enough to tell a power by."""
    if not axes.lines:
        axes.text(0.5, 0.75, "no error at all", ha="center", transform=axes.transAxes)
        return
    values = np.concatenate([np.asarray(line.get_ydata(), dtype=float) for line in axes.lines])
    low, high = float(np.min(values)), float(np.max(values))
    middle = math.sqrt(low * high)
    axes.set_ylim(min(0.5 * low, 0.2 * middle), max(2.5 * high, 5.0 * middle))


def _triangle(axes: Axes, power: float, refine: str, taken: list[Array]) -> None:
    """A triangle whose long side has the power that theory expects, near the lines but off them.

    ``taken`` are the places of all that is drawn, in parts of the axes; the triangle's is added.
    """
    (left, right), (bottom, top) = np.log10(axes.get_xlim()), np.log10(axes.get_ylim())
    # Wide and high in parts of the axes, of which the longer one is as long as is allowed.
    steep = abs(power) * (right - left) / (top - bottom)
    width = min(0.15, 0.2 / steep)
    height = steep * width
    x, y = _free(taken, width, height)
    falls = power < 0.0
    xs = np.array([x, x + width, x if falls else x + width, x])
    ys = np.array([y + height, y, y, y + height] if falls else [y, y + height, y, y])
    axes.fill(xs, ys, transform=axes.transAxes, facecolor="0.94", edgecolor=GREY, linewidth=0.8)
    taken.append(np.stack([np.linspace(x, x + width, 5), np.linspace(y, y + height, 5)]))
    words, side = _power_of(power, refine), (5, "left") if falls else (-5, "right")
    axes.annotate(words, (x + 0.5 * width, y + 0.5 * height), (side[0], 2), color=GREY,
                  xycoords="axes fraction", textcoords="offset points", ha=side[1],
                  va="bottom")  # fmt: skip


def _power_of(power: float, refine: str) -> str:
    if refine == "particles":
        return r"$\mathrm{N}^{-1/2}$"
    return {"dt": "dt", "grid": "h"}[refine] + {1.0: "", 2.0: "²"}.get(power, f"^{power:g}")


def _free(taken: list[Array], width: float, height: float) -> tuple[float, float]:
    """The lower left corner of a box with nothing in it nor beside it, and not far from things."""
    everything = np.concatenate(taken, axis=1) if taken else np.zeros((2, 0))
    found = []
    for x in np.linspace(0.05, 0.93 - width, 25):
        for y in np.linspace(0.06, 0.92 - height, 25):
            # Words stand beside the long side of it.
            reach = np.array([[0.5 * width + 0.07], [0.5 * height + 0.07]])
            away = np.abs(everything - [[x + 0.5 * width], [y + 0.5 * height]]) / reach
            near = float(np.min(np.max(away, axis=0))) if away.size else 1.0
            found.append((min(near, 1.0), -near, -y, float(x), float(y)))
    *_, x, y = max(found)
    return x, y


def _places(axes: Axes) -> list[Array]:
    """Where the lines of a panel are, in parts of the axes, close enough to leave no gap."""
    (left, right), (bottom, top) = np.log10(axes.get_xlim()), np.log10(axes.get_ylim())
    found = []
    for line in axes.lines:
        points = np.log10(np.asarray(line.get_xydata(), dtype=float))
        x, y = (points[:, 0] - left) / (right - left), (points[:, 1] - bottom) / (top - bottom)
        fine = np.linspace(0.0, x.size - 1.0, 20 * x.size)
        found.append(np.stack([np.interp(fine, np.arange(x.size), v) for v in (x, y)]))
    return found


def _chances(axes: Axes, found: Convergence, scale: float) -> None:
    for place, series in enumerate(found.series):
        for name, fill in (("p_cells", style.colour(place)), ("p_blocks", "white")):
            beside = scale / _beside(place, len(found.series))
            shown = [(p.value / beside, getattr(p, name)) for p in series.points
                     if getattr(p, name) is not None]  # fmt: skip
            if shown:
                x, y = zip(*shown, strict=True)
                axes.plot(x, y, style.marker(place), markersize=3.0,
                          color=style.colour(place), markerfacecolor=fill, markeredgewidth=0.7,
                          alpha=0.8, clip_on=False)  # fmt: skip
    axes.axhline(ALPHA, color=style.ALARM, linewidth=0.9)
    # Between linear, on which alpha could not be seen, and logarithmic, on which nothing else.
    axes.set_yscale("function", functions=(lambda p: p**SQUEEZED, lambda v: v ** (1.0 / SQUEEZED)))
    axes.set_ylim(0.0, 1.0)
    axes.set_yticks([0.0, 1e-4, 1e-2, 0.1, 0.5, 1.0])
    axes.yaxis.set_major_formatter(FuncFormatter(lambda p, _: _few(p)))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.set_ylabel("p-value")


def _orders(axes: Axes, found: Convergence, scale: float) -> None:
    for place, series in enumerate(found.series):
        values, errors = ([getattr(p, n) for p in series.points] for n in ("value", "error"))
        orders = local_orders(values, errors)
        middle = np.sqrt(np.multiply(values[1:], values[:-1])) / scale
        told = np.array([a.used and b.used for a, b in
                         zip(series.points, series.points[1:], strict=False)])  # fmt: skip
        axes.plot(middle, orders, color=style.colour(place), linewidth=0.8, alpha=0.5)
        for part, fill in ((told, style.colour(place)), (~told, "white")):
            axes.plot(middle[part], orders[part], style.marker(place), color=style.colour(place),
                      markerfacecolor=fill)  # fmt: skip
    powers = {series.theory for series in found.series}
    for power in powers:
        axes.axhline(power, color=GREY, linewidth=0.8, linestyle=(0, (1, 1.5)))
    axes.set_ylim(min(powers) - 1.2, max(powers) + 1.2)
    axes.yaxis.set_major_locator(style.rounded(4, whole=True))
    axes.set_ylabel("local order")


def _decades(axes: Axes) -> None:
    """Numbers as people write them at both axes; of less than two decades, in between as well."""
    for axis, limits in ((axes.xaxis, axes.get_xlim()), (axes.yaxis, axes.get_ylim())):
        wide = math.log10(limits[1] / limits[0])
        if wide < 2.0:
            axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
            axis.set_major_formatter(FuncFormatter(lambda v, _: style.number(v)))
        else:
            axis.set_major_locator(LogLocator(numticks=9))
            axis.set_major_formatter(FuncFormatter(_power))
        axis.set_minor_formatter(NullFormatter())


def _beside(place: int, many: int) -> float:
    """A factor by which what several methods found at one number is drawn side by side."""
    return float(10.0 ** (0.05 * (place - 0.5 * (many - 1))))


def _few(p: float) -> str:
    return f"{p:g}" if p == 0.0 or p > 0.05 else _power(p)


def _power(value: float, _place: int | None = None) -> str:
    exponent = math.log10(value) if value > 0.0 else 0.0
    return style.power(round(exponent)) if round(exponent) != 0 else "1"


def _handles(found: Convergence) -> list[Line2D]:
    handles = []
    for place, series in enumerate(found.series):
        kind = "slope" if series.by_chance else "order"
        words = f"{style.plain(series.label, 40)}: {kind} {series.power}"
        shown = words.replace("+-", "±").replace(" -", " \N{MINUS SIGN}")
        handles.append(style.handle(place, series.label, label=shown))
    points = [point for series in found.series for point in series.points]
    if any(point.expected for point in points):
        words = "expected noise" if found.refine == "particles" else "expected from halved steps"
        handles.append(Line2D([], [], color="black", linewidth=0.8, linestyle=(0, (4, 2)),
                              label=words))  # fmt: skip
    if any(not point.used for point in points):
        handles.append(Line2D([], [], color=GREY, marker="o", markerfacecolor="white",
                              linestyle="", label="not used"))  # fmt: skip
    if any(point.p_cells is not None for point in points):
        for words, fill in (("p by cells", GREY), ("p by blocks", "white")):
            handles.append(Line2D([], [], color=GREY, marker="o", markersize=3.0, linestyle="",
                                  markerfacecolor=fill, label=words))  # fmt: skip
        handles.append(Line2D([], [], color=style.ALARM, linewidth=0.9,
                              label=f"alpha = {_power(ALPHA)}"))  # fmt: skip
    return handles
