"""Chance against its law: how far cells are from what they expect, and how often they should be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator

from diffusim import style
from diffusim.block import Array
from diffusim.channels import parts
from diffusim.comparison import Comparison, Row
from diffusim.counts import LEAST_EXPECTED, NEXT_TO_NOTHING, expected, worths
from diffusim.plots import outlines, shown
from diffusim.store import Stored, StoredRun
from diffusim.verdicts import UNSOUND

MOST_RUNS = 4
# Colours and histograms reach so many standard deviations to either side.
REACH = 4.0
SCORE = "z-score"
# A particle in a cell that expects fewer than these is where it cannot be.
IMPOSSIBLE = 1e-9
LEFT_OUT = "0.8"
# Deviations smaller than this part of the largest value are round-off.
TINY = 1e-12


class Scores(NamedTuple):
    """How far a run is from its law, in standard deviations.

    ``cells`` holds the score of each cell or of the cells it is pooled with, NaN where too little
    is expected, and ``pools`` the number of that pool or -1; ``values`` has one score for each
    pool, and ``steps`` by how much one particle more changes it.
    """

    cells: Array
    pools: Array
    values: Array
    steps: Array


@style.applied()
def chance(stored: Stored, comparison: Comparison) -> Figure | None:
    """Draw scores z = (found - expected) / standard deviation as a map, and how they are spread.

    Of the last frame of up to four runs that chance makes; None where there is none that is judged.
    """
    panels = _panels(stored, comparison)
    if not panels:
        return None
    box, line, many = shown.box(stored), len(stored.shape) == 1, len(panels)
    width, height = (2.5, 1.9) if line else (max(2.5 * part, 1.9) for part in box.size)
    titles = [_title(comparison[run.label], run, style.letters(width)) for run, _ in panels]
    above = style.height_of(1 + max(title.count("\n") for title in titles)) + 0.7
    # One map has its histogram beside it, several have theirs below them.
    size = (many * (width + 0.2) + 1.4, height + above + 2.6) if many > 1 else (7.4, height + above)
    last = shown.moment(stored, len(stored.times) - 1)
    words = f"{SCORE} = (found \N{MINUS SIGN} expected) / standard deviation, {last}"
    figure = style.figure(*size, stored.title, subtitle=words)
    grid = (figure.subplots(2, many, squeeze=False, sharey="row", height_ratios=[height, 1.5])
            if many > 1 else figure.subplots(1, 2, squeeze=False).T)  # fmt: skip
    for column, (run, found), title in zip(grid.T, panels, titles, strict=True):
        hue, row = style.colour(shown.runs(stored).index(run)), comparison[run.label]
        (_along if line else _map)(column[0], stored, box, found, hue)
        bad = row.verdict in UNSOUND
        column[0].set_title(title, color=style.ALARM if bad else "black")
        _histogram(column[1], found, hue)
    grid[0, 0].set_ylabel(SCORE if line else f"{stored.axes[1]} ({box.unit})")
    grid[1, 0].set_ylabel("density")
    if not line:
        _bar(list(grid[0]))
    style.legend(figure, _handles(line, [found for _, found in panels]))
    return figure


def _bar(maps: list[Axes]) -> None:
    scale = ScalarMappable(Normalize(-REACH, REACH), style.ERROR)
    bar = style.colour_bar(scale, maps, SCORE, "", "both", aspect=20, pad=0.02)
    bar.locator = FixedLocator([-4.0, -2.0, 0.0, 2.0, 4.0])
    bar.update_ticks()


def _panels(stored: Stored, comparison: Comparison) -> list[tuple[StoredRun, Scores]]:
    """The first runs that chance makes and that have a law of their own to be held against."""
    found: list[tuple[StoredRun, Scores]] = []
    for run in shown.runs(stored):
        row = comparison[run.label]
        judged = row.reference != run.label and (
            row.p_value is not None or "deviation" in run.arrays
        )
        if shown.by_chance(run) and judged and len(found) < MOST_RUNS:
            of_run = scores(stored, shown.law(stored, comparison, run), run)
            found += [(run, of_run)] if np.any(np.isfinite(of_run.values)) else []
    return found


# --- scores -------------------------------------------------------------------------------------


def scores(stored: Stored, law: StoredRun, run: StoredRun, number: int = -1) -> Scores:
    """Return how far a frame is from its law, in standard deviations of chance.

    Of N particles a pool of cells that expects m holds m +- sqrt(m (1 - m / N)); where their number
    varies, m +- sqrt(m). Elsewhere each cell has a deviation of its own. Scores of independent
    channels are added and divided by the root of their number.

    Parameters
    ----------
    law : StoredRun
        The run that the expected number in each cell is proportional to.
    number : int
        Which frame, the last one if not given.
    """
    channels = shown.channels(run)
    wanted = parts(shown.field(law, number), channels)
    if "deviation" in run.arrays:
        spreads = parts(run.arrays["deviation"][number], channels)
        fields = parts(shown.field(run, number), channels)
        apart = [_apart(*of_channel) for of_channel in zip(fields, wanted, spreads, strict=True)]
        z = np.asarray(sum(apart) / np.sqrt(len(apart)))
        there = ~np.isnan(z)
        labels = np.where(there, np.cumsum(there).reshape(z.shape) - 1, -1)
        return Scores(z, labels, z[there], np.zeros(int(np.sum(there))))
    if run.counts is None:
        raise ValueError(f"{run.label} holds neither counts nor a deviation")
    worth = run.arrays["weight"][number] if "weight" in run.arrays else None
    volume = shown.volume(stored)
    counts = parts(run.counts[number], channels)
    hoped = [expected(found, u * volume, one) for found, u, one in
             zip(counts, wanted, worths(worth, channels), strict=True)]  # fmt: skip
    return _of_counts(counts, hoped, fixed=worth is None)


def _apart(u: Array, law: Array, spread: Array) -> Array:
    """Scores of cells that have a deviation; what has none must not be off at all."""
    tiny = TINY * float(np.max(np.abs(law)))
    z = np.divide(u - law, spread, out=np.full(u.shape, np.nan), where=spread > tiny)
    return np.where((spread <= tiny) & (np.abs(u - law) > 1e3 * tiny), np.inf, z)


def _of_counts(counts: Sequence[Array], hoped: Sequence[Array], fixed: bool) -> Scores:
    """Scores of pools, the same ones in all channels."""
    labels = pools(np.min(hoped, axis=0))
    inside, size = labels >= 0, int(np.max(labels, initial=-1)) + 1
    total, steps = np.zeros(size), np.full(size, np.inf)
    cells = np.zeros(labels.shape)
    for found, wanted in zip(counts, hoped, strict=True):
        sums = [np.bincount(labels[inside], values[inside], size) for values in (found, wanted)]
        share = sums[1] / (float(np.sum(wanted)) or 1.0) if fixed else np.zeros(size)
        spread = np.sqrt(sums[1] * np.maximum(1.0 - share, 0.0))
        # One pool that holds everything cannot be off.
        told = spread > 1e-6
        z = np.divide(sums[0] - sums[1], spread, out=np.full(size, np.nan), where=told)
        total, steps = total + z, np.minimum(steps, 1.0 / np.where(told, spread, 1.0))
        cells[(wanted < IMPOSSIBLE) & (found > 0)] = np.inf
    root = np.sqrt(len(counts))
    of_pools = np.append(total / root, np.nan)
    shown_there = np.where(np.isinf(cells), np.inf, of_pools[labels])
    return Scores(shown_there, labels, total / root, steps / root)


def pools(expected: Array) -> Array:
    """Return the number of each cell's pool, -1 where too little is expected.

    A cell that expects five particles is a pool of its own. Those that expect fewer are pooled in
    blocks of 2, 4, 8 ... cells along every axis, in the smallest that expects five without those
    pooled before. Cells that expect next to nothing are left out.
    """
    labels, free = np.full(expected.shape, -1), expected >= NEXT_TO_NOTHING
    count, size = 0, 1
    while np.any(free):
        block = np.zeros((1,) * expected.ndim, dtype=np.int64)
        for axis, n in enumerate(expected.shape):
            along = [-1 if k == axis else 1 for k in range(expected.ndim)]
            block = block * (-(-n // size)) + (np.arange(n) // size).reshape(along)
        sums = np.bincount(block.ravel(), np.where(free, expected, 0.0).ravel())
        enough = sums >= LEAST_EXPECTED
        taken = free & enough[block]
        labels[taken] = count + (np.cumsum(enough) - 1)[block[taken]]
        count, free = count + int(np.sum(enough)), free & ~taken
        if size >= max(expected.shape):
            break
        size *= 2
    return labels


# --- panels -------------------------------------------------------------------------------------


def _map(axes: Axes, stored: Stored, box: shown.Box, found: Scores, _hue: str) -> None:
    z = np.clip(found.cells, -2.0 * REACH, 2.0 * REACH)
    axes.set_facecolor(LEFT_OUT)
    image = box.picture(axes, np.ma.masked_invalid(z), (-REACH, REACH), style.ERROR)
    # Nothing is mixed between cells: what is shown is what was found.
    image.set_interpolation("nearest")
    outlines.draw(axes, stored, len(stored.times) - 1, shown.solid(stored))
    axes.set_xlabel(f"{stored.axes[0]} ({box.unit})")


def _along(axes: Axes, stored: Stored, box: shown.Box, found: Scores, hue: str) -> None:
    """Scores of pools against the middle of each."""
    x, inside = stored.centres[0] / box.metres, found.pools >= 0
    labels = found.pools[inside]
    middles = np.bincount(labels, x[inside]) / np.bincount(labels)
    axes.axhspan(-shown.BAND, shown.BAND, color=hue, alpha=0.15, linewidth=0.0)
    axes.axhline(0.0, color="0.6", linewidth=0.6)
    axes.plot(middles, np.clip(found.values, -2.0 * REACH, 2.0 * REACH), linestyle="", marker="o",
              markersize=2.5, markeredgewidth=0.0, color=hue)  # fmt: skip
    axes.set(xlim=box.ends(0), xlabel=f"{stored.axes[0]} ({box.unit})")
    style.even_ticks(axes.xaxis, 4)
    axes.grid(visible=True)


def _histogram(axes: Axes, found: Scores, hue: str) -> None:
    finite = np.isfinite(found.values)
    z, steps = found.values[finite], found.steps[finite]
    ends = np.linspace(-REACH, REACH, 17 if z.size < 1000 else 33)
    axes.stairs(density(z, steps, ends), ends, fill=True, color=hue, alpha=0.45)
    x = np.linspace(-REACH, REACH, 161)
    axes.plot(x, np.exp(-0.5 * x**2) / np.sqrt(2.0 * np.pi), **style.LAW)
    # Rounded first, so that nothing reads as minus zero.
    mean = f"{round(float(np.mean(z)), 3) + 0.0:.3f}".replace("-", "\N{MINUS SIGN}")
    pooled = "cells" if z.size == found.cells.size else "cells and pools of cells"
    axes.set_title(f"{z.size} {pooled}\nmean {mean}, deviation {np.std(z):.2f}")
    axes.set(xlim=(-REACH, REACH), xlabel=SCORE, ylim=(0.0, None))
    axes.set_xticks([-4, -2, 0, 2, 4])
    axes.grid(visible=True)


def density(z: Array, steps: Array, ends: Array) -> Array:
    """Return the density of scores between ends; what is beyond them counts in the outermost bins.

    Counts are whole numbers. Each is spread evenly over its own step, or bins would beat with them.
    """
    offsets = (np.arange(8) - 3.5) / 8.0
    spread = np.clip(z[:, None] + steps[:, None] * offsets, ends[0], ends[-1])
    numbers, _ = np.histogram(spread, ends)
    return np.asarray(numbers / (np.sum(numbers) * np.diff(ends)))


def _title(row: Row, run: StoredRun, letters: int) -> str:
    if row.p_last is not None:
        words = f"p = {style.number(row.p_last)}"
    elif row.expected:
        words = f"error {row.l2 / row.expected:.2f} × expected"
    else:
        words = row.verdict
    return "\n".join(style.plain(line, letters, 3) for line in (run.label, words))


def _handles(line: bool, found: Sequence[Scores]) -> list[Line2D | Patch]:
    handles: list[Line2D | Patch] = [Line2D([], [], **style.LAW, label="standard normal")]
    if line:
        words = f"± {shown.BAND:g} standard deviations"
        handles.append(Patch(color="0.7", linewidth=0.0, label=words))
    elif any(np.any(np.isnan(scores.cells)) for scores in found):
        handles.append(Patch(color=LEFT_OUT, linewidth=0.0, label="too little expected"))
    return handles
