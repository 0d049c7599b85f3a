"""Records: what each probe of a scenario saw in the course of time, by all methods."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from diffusim import style
from diffusim.block import Array
from diffusim.comparison import Comparison
from diffusim.plots import shown
from diffusim.store import Stored, StoredRun

# Points of a line, and columns of a picture of space and time: a panel has no more pixels.
MOST_POINTS, MOST_COLUMNS = 2000, 400


@style.applied()
def records(stored: Stored, _comparison: Comparison) -> Figure | None:
    """Draw what was recorded against time, a panel for each probe; None where nothing was.

    Numbers are lines, one for each method. A line of cells is a picture of space and time, that of
    the reference. Of several channels the mean is shown.
    """
    runs = [run for run in shown.runs(stored) if run.records]
    names = [name for name in stored.probes if any(name in run.records for run in runs)]
    if stored.record_times is None or not names:
        return None
    columns = style.columns_for(len(names))
    rows = -(-len(names) // columns)
    figure = style.figure(4.2 * columns, 3.1 * rows, stored.title)
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, name in zip(panels, names, strict=False):
        told = stored.probes[name]
        axes.set_title(f"{name}\n{style.plain(str(told['long_name']), 60)}")
        if told.get("axes"):
            _space_and_time(axes, stored, runs[0], name)
        else:
            _numbers(axes, stored, runs, name)
        shown.along_time(axes, stored, _times(stored))
    for axes in panels[len(names) :]:
        axes.remove()
    if any(not stored.probes[name].get("axes") for name in names):
        style.legend(figure, [style.handle(place, run.label) for place, run in enumerate(runs)])
    return figure


def _numbers(axes: Axes, stored: Stored, runs: list[StoredRun], name: str) -> None:
    """Draw a number in time, one line for each run, what chance made below all others."""
    told, every = stored.probes[name], _chosen(stored, MOST_POINTS)
    lines = {place: _mean(run.records[name][:], run)[every]
             for place, run in enumerate(runs) if name in run.records}  # fmt: skip
    low = min(float(np.min(values)) for values in lines.values())
    high = max(float(np.max(values)) for values in lines.values())
    size = max(abs(low), abs(high))
    exponent = style.exponent_of(size)
    times = _times(stored)[every]
    for place, values in lines.items():
        chance = shown.by_chance(runs[place])
        look = {"linewidth": 0.8, "alpha": 0.7, "zorder": 2} if chance else {"zorder": 3}
        axes.plot(times, values / 10.0**exponent, color=style.colour(place),
                  marker=style.marker(place), markersize=3.0,
                  markevery=style.turns(place, every.size, len(lines), 6), **look)  # fmt: skip
    if shown.flat(low, high):
        half = (0.05 * size or 1.0) / 10.0**exponent
        axes.set_ylim(low / 10.0**exponent - half, high / 10.0**exponent + half)
    words = {"side": "rate", "plane": "rate", "total": f"total of {stored.name}"}
    quantity = words.get(str(told.get("kind")), stored.name) + shown.mean_in_words(stored)
    axes.set_ylabel(style.with_unit(quantity, str(told["units"]), exponent, 34))
    axes.grid(visible=True)


def _space_and_time(axes: Axes, stored: Stored, run: StoredRun, name: str) -> None:
    """Draw a line of cells, space upwards and time to the right."""
    told, every = stored.probes[name], _chosen(stored, MOST_COLUMNS)
    axis = stored.axes.index(str(told["axes"][0]))
    found = run.records[name]
    columns = np.stack([shown.coarse(_mean(found[i : i + 1], run)[0]) for i in every.tolist()])
    box = shown.box(stored)
    low, high = box.ends(axis)
    least, largest = shown.widened(float(np.min(columns)), float(np.max(columns)))
    times = shown.between(_times(stored)[every])
    upright = np.linspace(low, high, columns.shape[1] + 1)
    image = axes.pcolormesh(times, upright, columns.T, cmap=style.FIELD, vmin=least, vmax=largest,
                            rasterized=True)  # fmt: skip
    axes.set_ylabel(f"{stored.axes[axis]} ({box.unit})")
    axes.set_title(f"{axes.get_title()} ({style.plain(run.label, 24)})")
    quantity = f"{stored.name}{shown.mean_in_words(stored)}"
    style.colour_bar(image, axes, quantity, str(told["units"]), pad=0.02)


def _mean(values: Array, run: StoredRun) -> Array:
    """The mean over the channels of records, where there are any."""
    return np.asarray(np.mean(values, axis=1)) if shown.channels(run) else values


def _times(stored: Stored) -> Array:
    """Record times in the unit of the time axis."""
    return np.asarray(stored.record_times) / shown.time_axis(stored)[0]


def _chosen(stored: Stored, most: int) -> Array:
    """Numbers of the records to show, the first and the last among them."""
    count = len(_times(stored))
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(int))
