"""Fields and their errors, as maps of the grid."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from diffusim import quantities, style
from diffusim.block import Array
from diffusim.comparison import Comparison, Row
from diffusim.plots import outlines, shown
from diffusim.store import Header, Stored, StoredRun
from diffusim.verdicts import UNSOUND

MOST_ROWS_OF_TIME = 400
ROOTS = {"1/m^2": "1/m", "1/m": "1/m^0.5", "1": "1"}
ROUND_OFF = float(np.finfo(float).eps)
# What is beyond a scale by less than half a step between its colours is not seen to be so.
SLACK = 1.0 / 510.0

Pictures = Sequence[Sequence[Array]]


@style.applied()
def fields(stored: Stored, _comparison: Comparison) -> Figure:
    """Draw methods by times on one colour scale; in one dimension each method in space and time.

    Three channels are shown as red, green and blue, any other number of them by their mean. Of
    waves the size of the amplitude is shown, |psi|: of its square little could be seen.
    """
    runs, colours = shown.runs(stored), shown.in_colours(stored)
    if len(stored.shape) == 1:
        return _space_and_time(stored, runs)
    numbers = shown.moments(stored.times)
    pictures = [[looked_at(stored, run, number) for number in numbers] for run in runs]
    name, unit = what_is_looked_at(stored)
    limits, extend = (
        brightness(runs[0], pictures) if colours else shared_limits(stored, runs, pictures)
    )
    box, scale = shown.box(stored), 2.0 if len(runs) <= 4 else 1.6
    width, height = (scale * part for part in box.size)
    beside, words = (0.9, words_for_colours(stored, limits, extend)) if colours else (1.6, "")
    figure = style.figure(len(numbers) * (width + 0.12) + beside, len(runs) * (height + 0.1) + 0.8,
                          stored.title, "compressed", words)  # fmt: skip
    grid = figure.subplots(len(runs), len(numbers), sharex=True, sharey=True, squeeze=False)
    solid = shown.solid(stored)
    for row, run, fields_of_run in zip(grid, runs, pictures, strict=True):
        for axes, u, number in zip(row, fields_of_run, numbers, strict=True):
            image = (box.in_colours(axes, u, limits) if colours
                     else box.picture(axes, u, limits, style.FIELD))  # fmt: skip
            outlines.draw(axes, stored, number, solid)
            box.name_axes(axes, stored.axes)
        _name_row(row[0], run.label, int(height * 11))
    for axes, number in zip(grid[0], numbers, strict=True):
        axes.set_title(shown.moment(stored, number))
    if not colours:
        style.colour_bar(image, list(grid.flat), name, unit, extend, aspect=30, pad=0.02)
    return figure


def looked_at(stored: Stored, run: StoredRun, number: int) -> Array:
    """Return what is shown of a frame: three channels, their mean, or the root of a density."""
    if shown.in_colours(stored):
        return shown.field(run, number)
    u = shown.mean(run, number)
    return np.sqrt(u) if shown.wave(stored) else u


def what_is_looked_at(stored: Header) -> tuple[str, str]:
    """Return name and unit of what is shown of a frame."""
    name, unit = shown.name(stored), stored.unit
    if shown.wave(stored):
        return f"root of {name}", ROOTS.get(unit, f"root of {unit}" if unit else "")
    return name + shown.becomes(stored), unit


def _name_row(axes: Axes, label: str, width: int) -> None:
    axes.annotate(
        style.plain(label, max(width, 8), 4), (0.0, 0.5), (-4.0, 0.0),
        xycoords=(axes.yaxis.label, "axes fraction"), textcoords="offset points",
        ha="right", va="center", rotation=90, weight="bold", annotation_clip=False,
    )  # fmt: skip


def shared_limits(
    stored: Stored, runs: Sequence[StoredRun], pictures: Iterable[Iterable[Array]], settled: int = 2
) -> tuple[tuple[float, float], str]:
    """Return colour limits for all pictures, a row for each run, and which ends overflow.

    They are those of the reference: the noise of a few particles would take most of the scale. A
    compact start would leave little of it to what becomes of it: where everything from a moment on
    stays below half of the start, that is what the scale reaches up to.

    Parameters
    ----------
    settled : int
        The number of that moment in each row.
    """
    spans: list[tuple[float, float]] = []
    later: list[float] = []
    for row in pictures:
        of_frames = [span([u]) for u in row]
        spans.append((min(a for a, _ in of_frames), max(b for _, b in of_frames)))
        later.append(max((b for _, b in of_frames[settled:]), default=spans[-1][1]))
    low, high = everything = min(a for a, _ in spans), max(b for _, b in spans)
    for run, ends, top in zip(runs, spans, later, strict=True):
        if run.label == stored.reference and not shown.by_chance(run):
            low, high = ends
            positive = low >= -shown.ROUND_OFF_OF_SCALE * high
            high = top if positive and 0.0 < top < 0.5 * high else high
    if shown.flat(low, high):
        low, high = everything
    return _overflow(low, high, everything)


def brightness(run: StoredRun, pictures: Pictures) -> tuple[tuple[float, float], str]:
    """Return limits of brightness, those of the first frame, and which ends overflow later."""
    low, high = span([shown.field(run, 0)])
    return _overflow(low, high, span(u for row in pictures for u in row))


def words_for_colours(stored: Stored, limits: tuple[float, float], extend: str) -> str:
    """Return what the colours of a picture stand for, which has no colour bar."""
    names = ", ".join(stored.channels)
    which = "" if names == "red, green, blue" else f" (channels {names})"
    low, high = (f"{limit:.4g}".replace("-", "\N{MINUS SIGN}") for limit in limits)
    clipped = "" if extend == "neither" else "; what is beyond is clipped"
    unit = f" {quantities.unit(stored.unit)}" if quantities.unit(stored.unit) else ""
    return f"{stored.name} as red, green, blue{which} from {low} to {high}{unit}{clipped}"


def _overflow(
    low: float, high: float, everything: tuple[float, float]
) -> tuple[tuple[float, float], str]:
    """The limits of a scale, widened where they are one, and which ends overflow."""
    if shown.flat(low, high):
        return shown.widened(low, high), "neither"
    slack = SLACK * (high - low)
    under, over = everything[0] < low - slack, everything[1] > high + slack
    extend = {(True, True): "both", (True, False): "min", (False, True): "max"}
    return (low, high), extend.get((under, over), "neither")


def span(pictures: Iterable[Array]) -> tuple[float, float]:
    """Return the least and the largest value of some pictures."""
    ends = [(float(np.min(u)), float(np.max(u))) for u in pictures]
    return min(low for low, _ in ends), max(high for _, high in ends)


def _space_and_time(stored: Stored, runs: Sequence[StoredRun]) -> Figure:
    times, box = stored.times, shown.box(stored)
    count = min(times.size, MOST_ROWS_OF_TIME)
    numbers = np.unique(np.linspace(0, times.size - 1, count).round().astype(int))
    pictures = [[looked_at(stored, run, number) for number in numbers.tolist()] for run in runs]
    name, unit = what_is_looked_at(stored)
    (low, high), extend = shared_limits(stored, runs, pictures)
    later = [u for row in pictures for u in row[1:]]
    if low >= 0.0 and later and 0.0 < span(later)[1] < 0.5 * high:
        # A start in a few cells would leave nothing of the scale to what becomes of it.
        high, extend = span(later)[1], "max"
    columns = style.columns_for(len(runs))
    rows = -(-len(runs) // columns)
    figure = style.figure(2.7 * columns + 1.5, 2.7 * rows + 0.8, stored.title)
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
    seconds, words = shown.time_axis(stored)
    upright = shown.between(times[numbers] / seconds)
    across = np.linspace(*box.ends(0), stored.shape[0] + 1)
    for axes, run, rows_of_time in zip(grid, runs, pictures, strict=False):
        image = axes.pcolormesh(across, upright, np.stack(rows_of_time),
                                cmap=style.FIELD, vmin=low, vmax=high)  # fmt: skip
        axes.set_title(style.plain(run.label, 30))
        outlines.draw_in_time(axes, stored, seconds)
        style.even_ticks(axes.xaxis, 4)
        box.name_axes(axes, stored.axes)
        axes.set_ylabel(words)
        if shown.uneven(times):
            axes.set_yscale("function", functions=(_root, np.square))
            axes.set_yticks(_ticks(upright[-1]))
        elif stored.clock == "applications":
            axes.yaxis.set_major_locator(style.rounded(6, whole=True))
        axes.set_ylim(upright[0], upright[-1])
        axes.label_outer()
    for axes in grid[len(runs) :]:
        axes.remove()
    for axes in grid[max(0, len(runs) - columns) : len(runs)]:
        axes.tick_params(labelbottom=True)
        axes.set_xlabel(f"{stored.axes[0]} ({box.unit})")
    style.colour_bar(
        image,
        list(grid[: len(runs)]),
        name,
        unit,
        extend,
        aspect=30,
        pad=0.02,
    )
    return figure


def _ticks(last: float) -> Array:
    """Round times from zero on, one of them early."""
    even = np.asarray(style.rounded(5).tick_values(0.0, last))
    even = even[even <= last]
    return np.sort(np.append(even, even[1] / 5.0)) if even.size > 1 else even


def _root(times: Array) -> Array:
    return np.asarray(np.sqrt(np.maximum(times, 0.0)))


# --- errors -------------------------------------------------------------------------------------


@style.applied()
def error(stored: Stored, comparison: Comparison) -> Figure | None:
    """Draw each method minus the reference of its own limit, where it is worst and at the end.

    Of several channels the mean size of their differences is drawn, so that none can hide another.

    None where there is nothing but references.
    """
    labels = [run.label for run in shown.runs(stored)]
    rows = [comparison[label] for label in labels if comparison[label].reference != label]
    if not rows:
        return None
    panels = [panel for row in rows for panel in _panels(stored, row)]
    columns = style.columns_for(len(panels))
    lines = -(-len(panels) // columns)
    width, height = (3.0 * part for part in shown.box(stored).size)
    width = max(width + 1.3, 6.0 / columns)
    titles = [_title(stored, *panel, style.letters(width - 0.5)) for panel in panels]
    most = 1 + max(title.count("\n") for title in titles)
    height += style.height_of(most) + 0.6
    figure = style.figure(columns * width, lines * height + 0.2, stored.title, "compressed")
    grid = figure.subplots(lines, columns, squeeze=False).ravel()
    for axes, (row, number, _), title in zip(grid, panels, titles, strict=False):
        _error(axes, stored, row, number)
        bad = row.verdict in UNSOUND
        axes.set_title(title, color=style.ALARM if bad else "black")
    for axes in grid[len(panels) :]:
        axes.remove()
    return figure


def _panels(stored: Stored, row: Row) -> list[tuple[Row, int, str]]:
    """What is shown of a run: the worst frame and the last one."""
    last, worst = len(stored.times) - 1, int(np.argmax(row.series.l2))
    if row.series.l2[worst] == 0.0:
        return [(row, last, "at all times, here")]
    if worst == last:
        return [(row, last, "last frame, the worst,")]
    return [(row, worst, "worst frame,"), (row, last, "last frame,")]


def _title(stored: Stored, row: Row, number: int, which: str, letters: int) -> str:
    error = row.series.l2[number]
    words = f"relative L2 error {style.number(error)}" if error else "no difference"
    lines = [
        f"{row.label} minus {row.reference}",
        f"{which} {shown.moment(stored, number)}",
        f"{words}, {row.verdict}",
    ]
    return "\n".join(style.plain(line, letters) for line in lines)


def _error(axes: Axes, stored: Stored, row: Row, number: int) -> None:
    reference = shown.field(stored.runs[row.reference], number)
    apart = shown.field(stored.runs[row.label], number) - reference
    name, many = "error", len(stored.channels) > 1
    if many:
        name, apart = "error, mean size over channels", np.mean(np.abs(apart), axis=0)
    elif stored.channels:
        apart = apart[0]
    # Where nothing differs, the scale is one rounding of the field.
    size = float(np.max(np.abs(apart))) or ROUND_OFF * float(np.max(np.abs(reference))) or 1.0
    box = shown.box(stored)
    axes.set_xlabel(f"{stored.axes[0]} ({box.unit})")
    if len(stored.shape) == 2:
        axes.set_ylabel(f"{stored.axes[1]} ({box.unit})")
        look = ((0.0, size), style.SIZE) if many else ((-size, size), style.ERROR)
        style.colour_bar(box.picture(axes, apart, *look), axes, name, stored.unit)
        outlines.draw(axes, stored, number, shown.solid(stored))
        return
    exponent = style.exponent_of(size)
    scale = 10.0**exponent
    axes.axhline(0.0, color="0.6", linewidth=0.6)
    # One point alone would be no line.
    axes.plot(stored.centres[0] / box.metres, apart / scale, color=style.colour(0),
              marker="o" if apart.size == 1 else None)  # fmt: skip
    lowest = 0.0 if many else -1.1 * size / scale
    axes.set(xlim=box.ends(0), ylim=(lowest, 1.1 * size / scale),
             ylabel=style.with_unit(name, stored.unit, exponent))  # fmt: skip
    style.even_ticks(axes.xaxis, 5)
