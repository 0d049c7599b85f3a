"""Positions drawn: the points at which a wave is found, and the pattern they make together."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from diffusim import style
from diffusim.block import Array
from diffusim.comparison import Comparison
from diffusim.plots import outlines, shown
from diffusim.store import Stored

# Points of a picture, as many as eyes tell apart; of more a part is shown.
MOST_POINTS = 6000
FEWEST_BINS, MOST_BINS = 40, 160


@style.applied()
def positions(stored: Stored, _comparison: Comparison) -> Figure | None:
    """Draw where a wave was found at the last frame, beside the law that Born's rule says.

    Of the first run that is no count itself but had positions drawn; None where there is none. On
    the left the points, on the right how many lie along each axis. Where solid cells stand like a
    screen, only what was found behind them is counted.
    """
    run = next((r for r in shown.runs(stored) if r.counts is not None
                and not shown.by_chance(r)), None)  # fmt: skip
    if run is None or run.counts is None or shown.channels(run):
        return None
    number = len(stored.times) - 1
    counts, law = np.asarray(run.counts[number]), shown.field(run, number)
    total = int(np.sum(counts))
    moment = shown.moment(stored, number)
    words = f"{run.label}: {total:.6g} positions drawn by Born's rule, {moment}"
    if len(stored.shape) == 1:
        figure = style.figure(6.0, 3.6, stored.title, subtitle=words)
        axes = figure.subplots()
        _pattern(axes, stored, counts, law, 0, 0)
        style.legend(figure, axes.get_legend_handles_labels()[0])
        return figure
    solid = shown.solid(stored)
    behind = shown.behind(solid)
    figure = style.figure(10.0, 4.6, stored.title, subtitle=words)
    left, right = figure.subplots(1, 2, width_ratios=(1.25, 1.0))
    _points(left, stored, counts, law, solid)
    _pattern(right, stored, counts, law, 1, behind)
    which = "found behind the screen" if behind else "found"
    right.set_title(f"{int(np.sum(counts[behind:])):.6g} {which}")
    left.set_title("each point one measurement" if total <= MOST_POINTS
                   else f"{MOST_POINTS} of the points")  # fmt: skip
    style.legend(figure, right.get_legend_handles_labels()[0])
    return figure


def _points(axes: Axes, stored: Stored, counts: Array, law: Array, solid: Array | None) -> None:
    box = shown.box(stored)
    image = box.picture(axes, np.sqrt(law), (0.0, float(np.sqrt(np.max(law)))), "Greys")
    image.set_alpha(0.5)
    outlines.draw(axes, stored, len(stored.times) - 1, solid)
    # Of many a part, as many as are drawn by chance; and places anywhere within the cells.
    random, total = np.random.default_rng(0), int(np.sum(counts))
    shown_counts = counts
    if total > MOST_POINTS:
        shares = counts / total
        shown_counts = random.multinomial(MOST_POINTS, shares.ravel()).reshape(counts.shape)
    chosen = np.repeat(np.argwhere(shown_counts), shown_counts[shown_counts > 0], axis=0)
    within = random.random(chosen.shape)
    places = []
    for axis in (0, 1):
        low, high = box.ends(axis)
        spacing = (high - low) / stored.shape[axis]
        places.append(low + (chosen[:, axis] + within[:, axis]) * spacing)
    axes.plot(*places, linestyle="", marker=".", markersize=1.6, markeredgewidth=0.0,
              color=style.colour(0))  # fmt: skip
    axes.set_xlabel(f"{stored.axes[0]} ({box.unit})")
    axes.set_ylabel(f"{stored.axes[1]} ({box.unit})")


def _group(cells: int) -> int:
    """How many cells go together: all groups are alike, so that what is symmetric stays so."""
    sizes = [size for size in range(1, cells + 1)
             if cells % size == 0 and FEWEST_BINS <= cells // size <= MOST_BINS]  # fmt: skip
    return sizes[0] if sizes else 1


def _pattern(axes: Axes, stored: Stored, counts: Array, law: Array, axis: int, behind: int) -> None:
    """How many were found along an axis, against the law and the noise that chance alone brings."""
    other = tuple(k for k in range(counts.ndim) if k != axis)
    content = law * shown.volume(stored)
    share = float(np.sum(counts)) / (float(np.sum(content)) or 1.0)
    found, wanted = (values[behind:].sum(axis=other) for values in (counts, content * share))
    starts = np.arange(0, len(found), _group(len(found)))
    found, wanted = np.add.reduceat(found, starts), np.add.reduceat(wanted, starts)
    box = shown.box(stored)
    low, high = box.ends(axis)
    ends = low + np.append(starts, counts.shape[axis]) * (high - low) / counts.shape[axis]
    middle, half = 0.5 * (ends[1:] + ends[:-1]), shown.BAND * np.sqrt(wanted)
    axes.stairs(found, ends, fill=True, color=style.colour(0), alpha=0.45, label="found")
    axes.fill_between(middle, np.maximum(wanted - half, 0.0), wanted + half, color="0.5", alpha=0.3,
                      linewidth=0.0, label=f"law ± {shown.BAND:g} standard deviations")  # fmt: skip
    axes.plot(middle, wanted, color="black", linewidth=1.0, label="law")
    axes.set(xlim=(low, high), ylim=(0.0, None))
    axes.set_xlabel(f"{stored.axes[axis]} ({box.unit})")
    axes.set_ylabel("number found")
    axes.grid(visible=True)
