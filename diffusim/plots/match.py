"""Template matching: the picture, what the template answers, and the places where it fits best."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from diffusim import match as matching
from diffusim import style
from diffusim.block import Array
from diffusim.comparison import Comparison
from diffusim.grid import Grid
from diffusim.match import Standing
from diffusim.plots import shown
from diffusim.propagators.template import decimal, place_in_words, searched
from diffusim.store import Stored

# What stands out is boxed by a line, the rest is pale and dashed.
MATCH: dict[str, Any] = {"edgecolor": style.COLOURS[1], "linewidth": 1.6}
REST: dict[str, Any] = {"edgecolor": style.COLOURS[5], "linewidth": 1.0, "linestyle": (0, (3, 2))}
RING: dict[str, Any] = {"marker": "o", "markersize": 11.0, "markerfacecolor": "none",
                        "markeredgecolor": "black", "linestyle": "none"}  # fmt: skip
LARGEST = {"markeredgewidth": 1.6}
# A square: the place where a negative of the template lies.
NEGATIVE = {"markeredgewidth": 1.2, "marker": "s"}


class _Scene(NamedTuple):
    """What is drawn: the result, its grid, fields, and the places with the best scores."""

    stored: Stored
    grid: Grid
    u: Array
    answer: Array
    score: Array
    template: Array
    found: list[Standing]

    @property
    def box(self) -> shown.Box:
        """The grid in the unit of its pictures."""
        return shown.box(self.stored)

    @property
    def spacing(self) -> list[float]:
        """How long a cell is along each axis, in that unit."""
        return [h / self.box.metres for h in self.grid.spacing]

    @property
    def size(self) -> list[float]:
        """How long the template is along each axis, in that unit."""
        return [m * h for m, h in zip(self.template.shape, self.spacing, strict=True)]

    def at(self, cells: Sequence[Any]) -> list[float]:
        """A place in cells, in the unit of the axes."""
        return [(float(x) + 0.5) * h for x, h in zip(cells, self.spacing, strict=True)]

    def corners(self, each: Standing) -> Iterator[list[float]]:
        """The lower ends of the template at a place, and of its other part beyond a ring's end."""
        lengths = [n * h for n, h in zip(self.grid.shape, self.spacing, strict=True)]
        lows = [x - 0.5 * m for x, m in zip(self.at(each.match.place), self.size, strict=True)]
        turns = [(0, 1, -1) if ring else (0,) for ring in self.grid.wrap]
        for turn in itertools.product(*turns):
            low = [x + k * n for x, k, n in zip(lows, turn, lengths, strict=True)]
            if all(-m < x < n for x, m, n in zip(low, self.size, lengths, strict=True)):
                yield low


@style.applied()
def match(stored: Stored, _comparison: Comparison) -> Figure | None:
    """Draw a picture with the places where a template fits best, and how well it fits everywhere.

    The picture with numbered boxes, by a line where a place stands out of the scatter of all and
    dashed where it does not, the template, its linear answer as the first run has it after the
    first frame, the normalised correlation, and the places with their scores. None where the
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
        score, found = searched(u, t, grid)
    except ValueError:
        return None  # a template without contrast has no normalised score
    scene = _Scene(stored, grid, u, answer, score, t, found)
    return _along_a_line(scene) if u.ndim == 1 else _in_the_plane(scene)


def _in_the_plane(scene: _Scene) -> Figure:
    box = scene.box
    width, height = (3.1 * part for part in box.size)
    width = max(width, 2.4) + 0.9
    words = style.plain(_words(scene), style.letters(3.0 * width, 11.0))
    figure = style.figure(3.0 * width, height + 2.9, scene.stored.title, subtitle=words)
    panels = figure.subplot_mosaic(
        [["picture", "answer", "score"], ["template", "list", "list"]],
        height_ratios=(height + 0.5, 1.7),
    )
    _picture(panels["picture"], scene)
    _map(panels["answer"], scene, scene.answer, "linear answer")
    panels["answer"].set_title("The template's linear answer,\nringed where it is largest")
    _map(panels["score"], scene, scene.score, "correlation")
    title = "Divided by the contrast of each patch,\nringed where it is largest"
    lowest = np.unravel_index(np.argmin(scene.score), scene.score.shape)
    if matching.heights(scene.score, [float(scene.score[lowest])])[0] <= -matching.CLEAR:
        x, y = scene.at(lowest)
        panels["score"].plot([x], [y], **{**RING, **NEGATIVE})
        title += "; in the square a negative"
    panels["score"].set_title(title)
    _template(panels["template"], scene)
    _list(panels["list"], scene)
    return figure


def _picture(axes: Axes, scene: _Scene) -> None:
    """The picture, with the boxes of the best places."""
    stored, box = scene.stored, scene.box
    limits = shown.widened(float(np.min(scene.u)), float(np.max(scene.u)))
    image = box.picture(axes, scene.u, limits, "gray")
    style.colour_bar(image, axes, shown.name(stored), stored.unit, shrink=0.9)
    found = any(each.clear for each in scene.found)
    axes.set_title("The picture, and what is found in it" if found else
                   "The picture; nothing in it stands out")  # fmt: skip
    axes.set_xlabel(f"{stored.axes[0]} ({box.unit})")
    axes.set_ylabel(f"{stored.axes[1]} ({box.unit})")
    _boxes(axes, scene)


def _boxes(axes: Axes, scene: _Scene) -> None:
    """The frame of the template at the best places, numbered, the best one on top."""
    ends = axes.get_xlim(), axes.get_ylim()
    for number, each in reversed(list(enumerate(scene.found, start=1))):
        look = MATCH if each.clear else REST
        corners = list(scene.corners(each))
        for corner in corners:
            axes.add_patch(Rectangle((corner[0], corner[1]), *scene.size, fill=False, **look))
        # What hangs over the rim is numbered within it.
        left, top = max(corners[0][0], ends[0][0]), min(corners[0][1] + scene.size[1], ends[1][1])
        behind = {"facecolor": look["edgecolor"], "edgecolor": "none", "pad": 1.0}
        axes.text(left, top, f"{number}", ha="left", va="top", color="white", weight="bold",
                  fontsize=8.0, bbox=behind)  # fmt: skip
    axes.set(xlim=ends[0], ylim=ends[1])


def _map(axes: Axes, scene: _Scene, values: Array, name: str) -> None:
    """A signed map about zero, ringed where it is largest."""
    most = float(np.max(np.abs(values))) or 1.0
    image = scene.box.picture(axes, values, (-most, most), style.ERROR)
    style.colour_bar(image, axes, name, "", shrink=0.9)
    axes.set_xlabel(f"{scene.stored.axes[0]} ({scene.box.unit})")
    axes.tick_params(labelleft=False)
    x, y = scene.at(np.unravel_index(np.argmax(values), values.shape))
    axes.plot([x], [y], **{**RING, **LARGEST})


def _along_a_line(scene: _Scene) -> Figure:
    stored, box, t = scene.stored, scene.box, scene.template
    words = style.plain(_words(scene), style.letters(9.0, 11.0))
    figure = style.figure(9.0, 6.6, stored.title, subtitle=words)
    panels = figure.subplot_mosaic(
        [["picture", "picture"], ["answer", "answer"], ["score", "score"], ["template", "list"]],
        height_ratios=(1.0, 1.0, 1.0, 1.5), width_ratios=(1.0, 2.4),
    )  # fmt: skip
    along = stored.centres[0] / box.metres
    lines = (("picture", scene.u, stored.name, stored.unit),
             ("answer", scene.answer, "linear answer", ""),
             ("score", scene.score, "correlation", ""))  # fmt: skip
    for place, values, name, unit in lines:
        axes = panels[place]
        axes.plot(along, values, color=style.colour(0), linewidth=0.8)
        axes.set(xlim=box.ends(0), ylabel=style.with_unit(name, unit))
        axes.tick_params(labelbottom=place == "score")
        for each in scene.found:
            look = MATCH if each.clear else REST
            for (low,) in scene.corners(each):
                axes.axvspan(low, low + scene.size[0], linewidth=0.0, facecolor=look["edgecolor"],
                             alpha=0.35 if each.clear else 0.12)  # fmt: skip
    panels["score"].set_xlabel(f"{stored.axes[0]} ({box.unit})")
    offsets = (np.arange(t.size) - 0.5 * (t.size - 1)) * scene.spacing[0]
    panels["template"].plot(offsets, t, color=style.colour(0), marker=".")
    panels["template"].set(title="Template", ylabel="weight",
                           xlabel=f"from its middle ({box.unit})")  # fmt: skip
    _list(panels["list"], scene)
    return figure


# --- parts ----------------------------------------------------------------------------------------


def _words(scene: _Scene) -> str:
    """Whether it is found, where, and how much better it fits there than elsewhere."""
    unit = scene.box.unit
    return matching.in_words(scene.found, [place_in_words(each.match.place, scene.spacing, unit)
                                           for each in scene.found])  # fmt: skip


def _template(axes: Axes, scene: _Scene) -> None:
    stored, box = scene.stored, scene.box
    axes.imshow(scene.template.T, origin="lower", cmap="gray",
                extent=(0.0, scene.size[0], 0.0, scene.size[1]),
                aspect="equal" if box.aspect == "equal" else "auto")  # fmt: skip
    axes.set(title="Template", xlabel=f"{stored.axes[0]} ({box.unit})",
             ylabel=f"{stored.axes[1]} ({box.unit})")  # fmt: skip
    style.even_ticks(axes.xaxis, 3)
    style.even_ticks(axes.yaxis, 3)


def _list(axes: Axes, scene: _Scene) -> None:
    """Places and scores, the best first."""
    box, answer = scene.box, scene.answer
    axes.set_axis_off()
    axes.set(xticks=[], yticks=[])
    axes.set_title(f"The best places; from {matching.CLEAR:g} times the scatter of all on, a match")
    heads = ["", *(f"{name} ({box.unit})" for name in scene.stored.axes), "correlation",
             "times scatter", "linear answer", ""]  # fmt: skip
    rows = [heads]
    for number, each in enumerate(scene.found, start=1):
        # Answers stand at the middle cell, places at the middle itself.
        sizes = zip(each.match.place, scene.template.shape, answer.shape, strict=True)
        nearest = tuple(round(x - 0.5 * (m - 1) + matching.middle(m)) % n for x, m, n in sizes)
        places = map(decimal, scene.at(each.match.place), scene.spacing)
        rows.append([f"{number}", *places, f"{each.match.score:.3f}", f"{each.height:.1f}",
                     f"{answer[nearest]:.3g}", "match" if each.clear else "no match"])  # fmt: skip
    for line, row in enumerate(rows):
        clear = line > 0 and scene.found[line - 1].clear
        for column, words in enumerate(row):
            axes.text((column + 0.6) / (len(heads) - 0.2), 0.94 - 0.17 * line,
                      words.replace("-", "\N{MINUS SIGN}"), ha="right", va="center",
                      transform=axes.transAxes, weight="bold" if clear else "normal",
                      color=MATCH["edgecolor"] if clear else "black")  # fmt: skip
