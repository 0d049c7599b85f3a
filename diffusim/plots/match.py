"""Template matching: the picture, what the template answers, and the places where it fits best."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from diffusim import match as matching
from diffusim import style
from diffusim.block import Array
from diffusim.comparison import Comparison
from diffusim.grid import Grid
from diffusim.match import Match
from diffusim.plots import shown
from diffusim.store import Header, Stored

# Places that are told, the best first.
MOST = 5
BEST, OTHER = style.COLOURS[1], style.COLOURS[5]
PADS = {"no-flux": "reflect", "periodic": "wrap"}


@style.applied()
def match(stored: Stored, _comparison: Comparison) -> Figure | None:
    """Draw a picture with the places where a template fits best, and how well it fits everywhere.

    The picture with numbered boxes, the template, its linear answer as the first run has it after
    the first frame, the normalised correlation, and the places with their scores. None where the
    propagator is no template, or the picture itself is no frame.
    """
    grid, runs = shown.grid(stored), shown.runs(stored)
    if shown.propagator(stored).get("kind") != "template" or grid is None:
        return None
    run = runs[0]
    if stored.times.size < 2 or stored.times[0] != 0.0 or "template" not in run.arrays:
        return None
    u, answer = shown.mean(run, 0), shown.mean(run, 1)
    t = np.asarray(run.arrays["template"][0], dtype=float)
    t = t[0] if shown.channels(run) else t
    try:
        pad, outside = _beyond(grid)
        score = matching.correlate(u - outside, t, pad=pad)
        found = matching.find(u - outside, t, count=MOST, pad=pad)
    except ValueError:
        return None  # a template without contrast has no normalised score
    if u.ndim == 1:
        return _along_a_line(stored, u, answer, score, t, found)
    return _in_the_plane(stored, u, answer, score, t, found)


def _beyond(grid: Grid) -> tuple[list[Any], float]:
    """What lies beyond the rim along each axis, as the sides of the grid say, and its value."""
    pad = [PADS.get(low.kind if low.kind == high.kind else "value", "zero")
           for low, high in grid.edges]  # fmt: skip
    values = [float(np.ravel(grid.outside(axis, side, 0.0))[0])
              for _, axis, side in grid.named_sides if side.kind == "value"]  # fmt: skip
    return pad, values[0] if values else 0.0


def _in_the_plane(
    stored: Stored, u: Array, answer: Array, score: Array, t: Array, found: list[Match]
) -> Figure:
    box = shown.box(stored)
    width, height = (3.1 * part for part in box.size)
    width = max(width, 2.4) + 0.9
    figure = style.figure(3.0 * width, height + 2.6, stored.title, subtitle=_words(stored, found))
    panels = figure.subplot_mosaic(
        [["picture", "answer", "score"], ["template", "list", "list"]],
        height_ratios=(height + 0.5, 1.7),
    )
    pictures = (
        ("picture", "The picture, with the places found", u, "gray", stored.name, stored.unit),
        (
            "answer",
            "The template's answer, ringed where brightest",
            answer,
            style.FIELD,
            "linear answer",
            "",
        ),
        (
            "score",
            "Normalised by the contrast of each patch",
            score,
            style.FIELD,
            "correlation",
            "",
        ),
    )
    for place, title, values, colours, name, unit in pictures:
        axes, limits = panels[place], (float(np.min(values)), float(np.max(values)))
        image = box.picture(axes, values, shown.widened(*limits), colours)
        style.colour_bar(image, axes, name, unit, shrink=0.9)
        axes.set_title(title)
        axes.set_xlabel(f"{stored.axes[0]} ({box.unit})")
        if place == "picture":
            axes.set_ylabel(f"{stored.axes[1]} ({box.unit})")
        else:
            axes.tick_params(labelleft=False)
            _ring(axes, stored, np.unravel_index(np.argmax(values), values.shape))
    _boxes(panels["picture"], stored, t.shape, found)
    _template(panels["template"], stored, t)
    _list(panels["list"], stored, answer, t.shape, found)
    return figure


def _along_a_line(
    stored: Stored, u: Array, answer: Array, score: Array, t: Array, found: list[Match]
) -> Figure:
    box = shown.box(stored)
    figure = style.figure(9.0, 6.2, stored.title, subtitle=_words(stored, found))
    panels = figure.subplot_mosaic(
        [["picture", "picture"], ["answer", "answer"], ["score", "score"], ["template", "list"]],
        height_ratios=(1.0, 1.0, 1.0, 1.5), width_ratios=(1.0, 2.0),
    )  # fmt: skip
    along = stored.centres[0] / box.metres
    lines = (("picture", u, stored.name, stored.unit), ("answer", answer, "linear answer", ""),
             ("score", score, "correlation", ""))  # fmt: skip
    for place, values, name, unit in lines:
        axes = panels[place]
        axes.plot(along, values, color=style.colour(0), linewidth=0.8)
        axes.set(xlim=box.ends(0), ylabel=style.with_unit(name, unit))
        axes.tick_params(labelbottom=place == "score")
        for number, (cells, _) in enumerate(found):
            middle = _metres(stored, cells)[0] / box.metres
            half = 0.5 * t.size * _spacing(stored)[0] / box.metres
            axes.axvspan(middle - half, middle + half, color=BEST if number == 0 else OTHER,
                         alpha=0.25, linewidth=0.0)  # fmt: skip
    panels["score"].set_xlabel(f"{stored.axes[0]} ({box.unit})")
    offsets = (np.arange(t.size) - 0.5 * (t.size - 1)) * _spacing(stored)[0] / box.metres
    panels["template"].plot(offsets, t, color=style.colour(0), marker=".")
    panels["template"].set(title="Template", ylabel="weight",
                           xlabel=f"from its middle ({box.unit})")  # fmt: skip
    _list(panels["list"], stored, answer, t.shape, found)
    return figure


# --- parts ----------------------------------------------------------------------------------------


def _words(stored: Header, found: list[Match]) -> str:
    """Where it fits best, and how much better than elsewhere."""
    if not found:
        return "there is no best place"
    metres, unit = shown.box(stored).metres, shown.box(stored).unit
    place = ", ".join(f"{x / metres:.{_decimals(h / metres)}f}" for x, h in zip(
        _metres(stored, found[0].place), _spacing(stored), strict=True))  # fmt: skip
    place = f"({place})" if len(stored.shape) > 1 else place
    next_best = f", next best {found[1].score:.2f}" if len(found) > 1 else ""
    return f"fits best at {place} {unit}: correlation {found[0].score:.2f}{next_best}"


def _spacing(stored: Header) -> list[float]:
    return [float(centre[1] - centre[0]) if centre.size > 1 else 2.0 * float(centre[0])
            for centre in stored.centres]  # fmt: skip


def _metres(stored: Header, cells: Sequence[float]) -> list[float]:
    """A place in cells in the unit of the axes."""
    axes = zip(cells, stored.centres, _spacing(stored), strict=True)
    return [float(centre[0]) + x * h for x, centre, h in axes]


def _decimals(spacing: float) -> int:
    """How many decimals tell tenths of a cell."""
    return max(0, 1 - math.floor(math.log10(spacing) + 1e-9))


def _boxes(axes: Axes, stored: Header, size: tuple[int, ...], found: list[Match]) -> None:
    box = shown.box(stored)
    width, height = (m * h / box.metres for m, h in zip(size, _spacing(stored), strict=True))
    ends = axes.get_xlim(), axes.get_ylim()
    for number, (cells, _) in reversed(list(enumerate(found, start=1))):
        x, y = (place / box.metres for place in _metres(stored, cells))
        left, top = x - 0.5 * width, y + 0.5 * height
        colour = BEST if number == 1 else OTHER
        axes.add_patch(Rectangle((left, top - height), width, height, linewidth=1.4, fill=False,
                                 edgecolor=colour))  # fmt: skip
        # What hangs over the rim is numbered within it.
        corner = max(left, ends[0][0]), min(top, ends[1][1])
        behind = {"facecolor": colour, "edgecolor": "none", "pad": 1.0}
        axes.text(*corner, f"{number}", ha="left", va="top", fontsize=8.0, color="white",
                  weight="bold", bbox=behind)  # fmt: skip
    axes.set(xlim=ends[0], ylim=ends[1])


def _ring(axes: Axes, stored: Header, cell: Sequence[Any]) -> None:
    """Mark the brightest cell."""
    metres = shown.box(stored).metres
    x, y = (place / metres for place in _metres(stored, [float(k) for k in cell]))
    axes.plot([x], [y], marker="o", markersize=11.0, markerfacecolor="none", markeredgecolor=BEST,
              markeredgewidth=1.8)  # fmt: skip


def _template(axes: Axes, stored: Header, t: Array) -> None:
    box = shown.box(stored)
    width, height = (m * h / box.metres for m, h in zip(t.shape, _spacing(stored), strict=True))
    axes.imshow(t.T, origin="lower", cmap="gray", extent=(0.0, width, 0.0, height),
                aspect="equal" if box.aspect == "equal" else "auto")  # fmt: skip
    axes.set(title="Template", xlabel=f"{stored.axes[0]} ({box.unit})")
    style.even_ticks(axes.xaxis, 3)
    style.even_ticks(axes.yaxis, 3)


def _list(
    axes: Axes, stored: Header, answer: Array, size: tuple[int, ...], found: list[Match]
) -> None:
    """Places and scores, the best first."""
    box = shown.box(stored)
    axes.set_axis_off()
    axes.set(xticks=[], yticks=[])
    axes.set_title("Places found, by normalised correlation")
    heads = ["", *(f"{name} ({box.unit})" for name in stored.axes), "correlation", "linear answer"]
    rows = [heads]
    for number, (cells, score) in enumerate(found, start=1):
        # Answers stand at the middle cell, places at the middle itself.
        nearest = tuple(round(x - 0.5 * (m - 1) + m // 2) % n
                        for x, m, n in zip(cells, size, answer.shape, strict=True))  # fmt: skip
        places = [
            f"{x / box.metres:.{_decimals(h / box.metres)}f}"
            for x, h in zip(_metres(stored, cells), _spacing(stored), strict=True)
        ]
        rows.append([f"{number}", *places, f"{score:.3f}", f"{answer[nearest]:.3g}"])
    for line, row in enumerate(rows):
        for column, words in enumerate(row):
            axes.text((column + 0.8) / (len(heads) + 0.3), 0.94 - 0.17 * line,
                      words.replace("-", "\N{MINUS SIGN}"), ha="right", va="center",
                      transform=axes.transAxes, color=BEST if line == 1 else "black",
                      weight="bold" if line == 1 else "normal")  # fmt: skip
