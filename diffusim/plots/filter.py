"""A filter as a picture: its mask, its kernel, what it does to the field, and at what price."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator
from scipy import fft

from diffusim import style
from diffusim.block import Array
from diffusim.comparison import Comparison
from diffusim.files import PORTRAIT, named_file, sha256
from diffusim.filters import compression, kernel_of, without_round_off
from diffusim.grid import Grid
from diffusim.plots import shown
from diffusim.propagators.filter import Filter
from diffusim.spectrum import coefficients, of_modes, on_rings, ring_numbers
from diffusim.store import Stored, StoredRun

# What of the span of a mask, and of the squares of a kernel beside its middle, is worth being seen,
# or how large a weight, and how much farther a picture reaches; a kernel's at least so many cells.
SEEN_OF_MASK, SEEN_OF_KERNEL, PALE = 0.02, 0.97, 0.05
MARGIN, FEWEST = 1.6, 8
# Where the middle stands out that much from all other weights, a cut is drawn without it, and the
# picture is of where most of these are, and of those that are such a part of the largest of them.
LONELY, MOST_OF_OTHERS, PALE_OTHER = 5.0, 0.75, 0.25
# Colours of a kernel reach so many times as far as its most negative weight, or up to such a part
# of the largest beside the middle.
BEYOND, PART = 3.0, 0.4
RATIOS = np.geomspace(1e-3, 1.0, 46)
# A mode of less than this part of the largest does not tell what it was multiplied by.
TELLING = 1e-9
EXACT = 300.0


class _Scene(NamedTuple):
    """What is drawn: the multiplier, on rings, the kernel, and the frames before and after."""

    stored: Stored
    grid: Grid
    run: StoredRun
    multiplier: Array
    kernel: Array
    words: str
    compresses: bool
    before: int
    after: int


@style.applied()
def filter(stored: Stored, _comparison: Comparison) -> Figure | None:
    """Draw a filter: mask, kernel, a cut through it, before, after, and PSNR against ratio.

    From the first frame to the next, by the first run. The kernel's colours are clipped where its
    middle would outshine its ringing. None where the propagator is no filter.
    """
    scene = _scene(stored)
    if scene is None:
        return None
    flat = len(stored.shape) == 1
    columns, height = (2, 5.4) if flat else (3, 6.2)
    figure = style.figure(
        10.4 if not flat else 8.0, height, stored.title, subtitle=_minus(scene.words)
    )
    panels = figure.subplots(2, columns).ravel()
    if flat:
        _mask_line(panels[0], scene)
        _rows(panels[2], scene)
    else:
        _mask(panels[0], scene)
        _kernel(panels[1], scene)
        _fields((panels[3], panels[4]), scene)
    _cut(panels[columns - 1], scene)
    _price(panels[-1], scene)
    return figure


# --- what is drawn ------------------------------------------------------------------------------


def _scene(stored: Stored) -> _Scene | None:
    told, grid = shown.propagator(stored), shown.grid(stored)
    if told.get("kind") != "filter" or grid is None or grid.radial or len(stored.times) < 2:
        return None
    run = shown.runs(stored)[0]
    known = _known(told)
    if known is not None:
        multiplier, kernel = known.multiplier(grid), known.kernel_on(grid)
        words = "; ".join(known.notes(grid))
    else:
        seen = _seen(run, stored.times, grid)
        if seen is None:
            return None
        multiplier = seen
        kernel = without_round_off(kernel_of(seen, even=not all(grid.wrap)))
        words = "the image that the mask was made of is not here; it is read off the frames"
    compresses = _compresses(told)
    return _Scene(stored, grid, run, multiplier, kernel, words, compresses, 0, 1)


def _known(told: dict[str, Any]) -> Filter | None:
    """The filter of a scenario, None where it is made of an image that is not here."""
    masks = told.get("mask")
    try:
        return Filter.model_validate({"mask": [_with_image(m) for m in masks or ()]})
    except ValueError:
        return None


def _with_image(mask: dict[str, Any]) -> dict[str, Any]:
    """A mask whose image, told by its fingerprint, is named again if it is the portrait."""
    path = mask.get("path")
    if isinstance(path, dict) and path.get("sha256") == sha256(named_file(PORTRAIT)):
        return {**mask, "path": PORTRAIT}
    return mask


def _compresses(told: dict[str, Any]) -> bool:
    """Whether a filter compresses, which does not hang on the image that it is made of."""
    masks = [{**m, "path": PORTRAIT} if "path" in m else m for m in told.get("mask") or ()]
    try:
        return Filter.model_validate({"mask": masks}).compresses
    except ValueError:
        return False


def _seen(run: StoredRun, times: Array, grid: Grid) -> Array | None:
    """What the modes of the start were multiplied by at the first application, on rings."""
    if float(times[1] - times[0]) != 1.0:
        return None
    c, d = (coefficients(shown.mean(run, number), grid) for number in (0, 1))
    size = np.abs(c) ** 2
    there = size > TELLING**2 * float(np.max(size))
    factors = np.where(there, np.real(d * np.conj(c)) / np.where(there, size, 1.0), 0.0)
    return on_rings(factors, grid)


# --- the mask -----------------------------------------------------------------------------------


def _minus(text: str) -> str:
    """A text whose negative numbers have signs as long as a plus."""
    return re.sub(r"(?<![\w.])-(?=\d)", "\N{MINUS SIGN}", text)


def _numbers(scene: _Scene) -> tuple[list[Array], str]:
    """Wave numbers of each axis from the lowest up, and the length they are counted in."""
    metres, unit = shown.wave_unit(scene.stored)
    return [fft.fftshift(k.ravel()) * metres for k in ring_numbers(scene.grid)], unit


def _mask_reach(values: Array, numbers: list[Array]) -> float:
    """Up to which wave number a mask is shown: beyond it is the same everywhere."""
    apart = np.abs(values - values.flat[0]) > SEEN_OF_MASK * float(np.ptp(values))
    most = max(float(np.max(np.abs(k))) for k in numbers)
    far = [float(np.max(np.abs(k[np.any(apart, axis=_others(apart, axis))]), initial=0.0))
           for axis, k in enumerate(numbers)]  # fmt: skip
    return min(most, MARGIN * max(far)) or most


def _others(values: Array, axis: int) -> tuple[int, ...]:
    return tuple(k for k in range(values.ndim) if k != axis)


def _mask(axes: Axes, scene: _Scene) -> None:
    numbers, unit = _numbers(scene)
    values = fft.fftshift(scene.multiplier)
    reach = _mask_reach(values, numbers)
    inside = [np.abs(k) <= reach for k in numbers]
    axes.imshow(
        values[np.ix_(*inside)].T, origin="lower", cmap="gray", vmin=0.0, vmax=1.0,
        extent=_extent([k[there] for k, there in zip(numbers, inside, strict=True)]),
    )  # fmt: skip
    axes.set_title("Mask, from 0 (black) to 1 (white)")
    axes.set_xlabel(f"waves per {unit} along {scene.stored.axes[0]}")
    axes.set_ylabel(f"waves per {unit} along {scene.stored.axes[1]}")
    for axis in (axes.xaxis, axes.yaxis):
        style.even_ticks(axis, 5)


def _extent(places: list[Array]) -> tuple[float, float, float, float]:
    """The ends of a picture whose pixels lie at some places."""
    ends = []
    for place in places:
        half = 0.5 * float(place[1] - place[0]) if place.size > 1 else 0.5
        ends += [float(place[0]) - half, float(place[-1]) + half]
    return ends[0], ends[1], ends[2], ends[3]


def _mask_line(axes: Axes, scene: _Scene) -> None:
    (numbers,), unit = _numbers(scene)
    values = fft.fftshift(scene.multiplier)
    reach = _mask_reach(values, [numbers])
    there = (numbers >= 0.0) & (numbers <= reach)
    axes.plot(numbers[there], values[there], ".-", color=style.colour(0))
    axes.set_title("Mask: what waves are multiplied by")
    axes.set_xlabel(f"waves per {unit}")
    axes.set_ylabel("factor")
    axes.grid(visible=True)


# --- the kernel ---------------------------------------------------------------------------------


def _moves(scene: _Scene) -> tuple[list[Array], str]:
    """Moves of the kernel along each axis, in a unit of length."""
    metres, unit = shown.box(scene.stored).metres, shown.box(scene.stored).unit
    return [(np.arange(m) - m // 2) * h / metres
            for m, h in zip(scene.kernel.shape, scene.grid.spacing, strict=True)], unit  # fmt: skip


def _parts(scene: _Scene) -> tuple[Array, Array, float]:
    """The weights as parts of the largest, those beside the middle, and how far to show them."""
    moves, _ = _moves(scene)
    parts = scene.kernel / (float(np.max(np.abs(scene.kernel))) or 1.0)
    beside = parts.copy()
    beside[tuple(n // 2 for n in parts.shape)] = 0.0
    pale, seen = (PALE_OTHER, MOST_OF_OTHERS) if _lonely(beside) else (PALE, SEEN_OF_KERNEL)
    reach, most = 0.0, max(float(move[-1]) for move in moves)
    for axis, move in enumerate(moves):
        squares = np.sum(beside**2, axis=_others(beside, axis))
        outwards = np.argsort(np.abs(move), kind="stable")
        held = np.cumsum(squares[outwards])
        enough = int(np.searchsorted(held, seen * held[-1]))
        cells = FEWEST * float(move[1] - move[0]) if move.size > 1 else 0.0
        far = abs(float(move[outwards[min(enough, move.size - 1)]]))
        most_along = np.max(np.abs(beside), axis=_others(beside, axis))
        large = np.abs(move[most_along > pale * np.max(most_along)])
        reach = max(reach, MARGIN * max(far, float(np.max(large, initial=0.0))), cells)
    return parts, beside, min(reach, most) or 1.0


def _lonely(beside: Array) -> bool:
    """Whether the middle outshines all other weights, given as parts of it."""
    return 0.0 < float(np.max(np.abs(beside))) < 1.0 / LONELY


def _kernel(axes: Axes, scene: _Scene) -> None:
    moves, unit = _moves(scene)
    parts, beside, reach = _parts(scene)
    inside = [np.abs(move) <= reach for move in moves]
    lowest = float(np.min(parts))
    strong = PART * float(np.max(np.abs(beside)))
    strong = strong if _lonely(beside) else max(BEYOND * -lowest, strong)
    most = 100.0 * (min(1.0, strong) if lowest < 0.0 else 1.0)
    image = axes.imshow(
        100.0 * parts[np.ix_(*inside)].T, origin="lower",
        extent=_extent([move[there] for move, there in zip(moves, inside, strict=True)]),
        cmap=style.ERROR if lowest < 0.0 else style.FIELD, vmin=min(0.0, -most * (lowest < 0.0)),
        vmax=most,
    )  # fmt: skip
    axes.set_title("The same mask as a kernel")
    axes.set_xlabel(f"move along {scene.stored.axes[0]} ({unit})")
    axes.set_ylabel(f"move along {scene.stored.axes[1]} ({unit})")
    for axis in (axes.xaxis, axes.yaxis):
        style.even_ticks(axis, 5)
    extend = "neither" if most >= 100.0 else "both" if -100.0 * lowest > most else "max"
    style.colour_bar(image, axes, "weight", "% of the largest", extend)


def _cut(axes: Axes, scene: _Scene) -> None:
    """The weights through the middle, along each axis where they differ."""
    moves, unit = _moves(scene)
    parts, beside, reach = _parts(scene)
    axes.axhline(0.0, color="0.4", linewidth=0.8)
    lines = []
    for axis, move in enumerate(moves):
        place: list[Any] = [n // 2 for n in parts.shape]
        place[axis] = slice(None)
        there = np.abs(move) <= reach
        lines.append((move[there], 100.0 * parts[tuple(place)][there]))
    alike = all(a.shape == b.shape and np.allclose(a, b, rtol=0.0, atol=1e-9)
                for a, b in zip(lines[0], lines[-1], strict=True))  # fmt: skip
    for number, (name, line) in enumerate(
        zip(scene.stored.axes, lines[:1] if alike else lines, strict=False)
    ):
        axes.plot(*line, color=style.colour(number), linestyle=(0, (4, 2)) if number else "-",
                  label=f"along {name}")  # fmt: skip
    lowest = 100.0 * float(np.min(parts))
    words = f"lowest weight {lowest:.3g} %" if lowest < 0.0 else "no weight below 0"
    axes.set_title(_minus(f"A cut, {words}"))
    if _lonely(beside):
        highest = 100.0 * float(np.max(np.abs(beside)))
        axes.set_ylim(-1.3 * highest, 1.3 * highest)
        axes.annotate("middle: 100 %,\nnot shown", (0.03, 0.03), fontsize=8,
                      xycoords="axes fraction")  # fmt: skip
    axes.set_xlabel(f"move along {' or '.join(scene.stored.axes)} ({unit})" if alike
                    else f"move ({unit})")  # fmt: skip
    axes.set_ylabel("weight (% of the largest)")
    style.even_ticks(axes.xaxis, 5)
    axes.grid(visible=True)
    if not alike:
        axes.legend(loc="upper right", fontsize=8)


# --- the field ----------------------------------------------------------------------------------


def _fields(panels: tuple[Axes, Axes], scene: _Scene) -> None:
    stored, box = scene.stored, shown.box(scene.stored)
    in_colours = shown.in_colours(stored)
    look = shown.field if in_colours else shown.mean
    before, after = (look(scene.run, number) for number in (scene.before, scene.after))
    limits = shown.widened(float(np.min(before)), float(np.max(before)))
    # Without its mean a field lies on both sides of zero.
    shared = float(scene.multiplier.flat[0]) >= 0.5
    for axes, u, number in zip(panels, (before, after), (scene.before, scene.after), strict=True):
        cmap = "gray" if shown.pictured(stored) else style.FIELD
        own = limits
        if number == scene.after and not shared:
            most = float(np.max(np.abs(u))) or 1.0
            own, cmap, u = (-most, most), style.ERROR, shown.mean(scene.run, number)
        if u.ndim > 2:
            box.in_colours(axes, u, own)
        else:
            image = box.picture(axes, u, own, cmap)
            beyond = "both" if shared else "neither"
            if number == scene.after or not shared:
                style.colour_bar(image, axes, shown.name(stored), stored.unit, beyond)
        axes.set_xlabel(f"{stored.axes[0]} ({box.unit})")
        axes.set_ylabel(f"{stored.axes[1]} ({box.unit})")
        which = "Before" if number == scene.before else "After"
        axes.set_title(f"{which}, {shown.moment(stored, number)}")


def _rows(axes: Axes, scene: _Scene) -> None:
    stored, box = scene.stored, shown.box(scene.stored)
    places = stored.centres[0] / box.metres
    for place, number in enumerate((scene.before, scene.after)):
        axes.plot(places, shown.mean(scene.run, number), color=("0.7", style.colour(0))[place],
                  label=shown.moment(stored, number))  # fmt: skip
    axes.set_title("Before and after")
    axes.set_xlabel(f"{stored.axes[0]} ({box.unit})")
    axes.set_ylabel(style.with_unit(shown.name(stored), stored.unit))
    axes.grid(visible=True)
    axes.legend(fontsize=8)


# --- the price ----------------------------------------------------------------------------------


def _price(axes: Axes, scene: _Scene) -> None:
    before, after = (shown.mean(scene.run, number) for number in (scene.before, scene.after))
    mean = ",\nmean over channels" if shown.channels(scene.run) > 1 else ""
    found = compression.curve(before, RATIOS, scene.grid)
    for place, (course, words) in enumerate(((found.disc, "longest waves (a disc)"),
                                             (found.largest, "largest coefficients"))):  # fmt: skip
        there = (course.psnr < EXACT) & (course.ratio > 0.5 * RATIOS[0])
        axes.plot(100.0 * course.ratio[there], course.psnr[there], color=style.colour(place),
                  linestyle="-" if place else (0, (4, 2)), label=words)  # fmt: skip
    ratio = np.count_nonzero(of_modes(scene.multiplier, scene.grid) > 0.5) / scene.grid.cells
    noise = float(compression.psnr(np.mean((after - before) ** 2), found.peak))
    # How far another filter takes the field from its start is not its price.
    if scene.compresses and ratio > 0.0 and noise < EXACT:
        axes.plot(100.0 * ratio, noise, "*", markersize=11, color=style.colour(3),
                  markeredgecolor="black", markeredgewidth=0.6, linestyle="", zorder=3,
                  label=f"this filter: {noise:.3g} dB, {100.0 * ratio:.3g} %")  # fmt: skip
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_title(f"The start told by a part of its waves{mean}")
    axes.set_xlabel("numbers kept (% of the cells)")
    axes.set_ylabel(f"PSNR (dB, peak {style.number(found.peak)})")
    axes.grid(visible=True)
    axes.legend(loc="upper left", fontsize=8)
