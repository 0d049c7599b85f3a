"""Movies: all frames of a stored result, one after the other.

Axes, labels and colour bar are drawn once, the pixels of the fields are put between them in every
frame: drawing everything again takes fifty times as long.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from PIL import Image

from diffusim import atomic, pictures, store, style
from diffusim.block import Array, Invalid, Unsupported
from diffusim.phrases import guess
from diffusim.plots import maps, outlines, shown
from diffusim.store import Stored, StoredRun

# By this, written into the file, a movie is known to be replaceable.
TITLE = "A movie drawn by diffusim show"
DPI = 100
# Pictures a second, if nothing else is asked for so many that it takes about this long.
SLOWEST, FASTEST, LASTS, HELD = 2.0, 25.0, 6.0, 1.5
LEAST_RATE, MOST_RATE = 0.1, 50.0
# All pictures of a movie are in memory at once; of more frames than fit some are left out.
MOST_BYTES = 2**29
# Room beside the values of a line.
SPARE = 0.05


class Movie(NamedTuple):
    """A movie that was drawn: its file, how many pictures it has, and of which frames each one."""

    path: Path
    pictures: int
    every: int


def draw_movie(
    path: Path,
    out: Path,
    *,
    method: str | None = None,
    rate: float | None = None,
    seconds: float | None = None,
) -> Movie:
    """Draw all frames of a stored result as a movie.

    Every stored frame is shown equally long, whatever times lie between them: frames are stored
    closer together where more happens. The time is written above. The last frame stays a little
    longer.

    Parameters
    ----------
    path : Path
        The result, ``run.hdf5``.
    out : Path
        The movie, a WebP or GIF file, or MP4 where the program ffmpeg is there.
    method : str, optional
        Label of the one run to show; all, side by side, if not given.
    rate : float, optional
        Frames a second, from 0.1 to 50.
    seconds : float, optional
        How long it lasts instead.

    Raises
    ------
    Invalid
        When the file shall not be replaced or cannot be written, there is no such run, or the rate
        is out of range.
    Unsupported
        When there is one frame only.
    StoreError
        When the result cannot be read, or the movie cannot be written.
    """
    pictures.must_be_free_for_film(out, TITLE)
    with store.load(Path(path)) as stored, style.applied():
        runs = _chosen(stored, method)
        frames = min(len(run.times) for run in runs)
        if frames < 2:
            raise Unsupported(f"{path} has one frame only, and a movie takes two at least")
        stage = (_lines if len(stored.shape) == 1 else _maps)(stored, runs)
        height, width = stage.size
        every = -(-frames // max(2, MOST_BYTES // (3 * height * width)))
        numbers = [*range(0, frames - 1, every), frames - 1]
        lasts = 1.0 / _rate(len(numbers), rate, seconds)
        drawn = [stage.picture(number) for number in numbers]
        data = pictures.film(drawn, lasts, HELD, out.suffix, TITLE)
    atomic.make_folder(out.parent)
    return Movie(store.write_bytes(out.parent, out.name, data), len(numbers), every)


def _chosen(stored: Stored, method: str | None) -> list[StoredRun]:
    runs = shown.runs(stored) or list(stored.runs.values())
    if method is None:
        return runs
    if method not in stored.runs:
        known = [*stored.runs]
        words = f"there is no run '{method}'; there are {', '.join(known)}{guess(method, known)}"
        raise Invalid(words)
    return [stored.runs[method]]


def _rate(frames: int, rate: float | None, seconds: float | None) -> float:
    if rate is not None and seconds is not None:
        raise Invalid("give either frames a second (--fps) or how long it lasts (--seconds)")
    if seconds is not None:
        if not seconds > 0.0:
            raise Invalid("a movie lasts longer than 0 s")
        rate = frames / seconds
    if rate is None:
        return float(np.clip(frames / LASTS, SLOWEST, FASTEST))
    if not LEAST_RATE <= rate <= MOST_RATE:
        raise Invalid(
            f"{rate:.3g} frames a second are out of range, {LEAST_RATE:g} to {MOST_RATE:g}; "
            f"{frames} frames take {frames / MOST_RATE:.3g} to {frames / LEAST_RATE:.3g} s"
        )
    return rate


# --- a stage ------------------------------------------------------------------------------------


@dataclass(eq=False)
class Stage:
    """A figure that is drawn once, what is put on it in every frame, and the pictures of it.

    ``scenery`` is drawn anew where its key changes, and is transparent where ``pixels`` are put
    behind it: at the boxes of the ``slots``, from the left, top, right and bottom of the picture.
    """

    figure: Figure
    words: Callable[[int], str]
    actors: Callable[[int], Sequence[tuple[Axes, Any]]] = lambda _number: ()
    pixels: Callable[[int], Sequence[Array]] = lambda _number: ()
    scenery: Callable[[int], Any] = lambda _number: None
    slots: list[tuple[int, int, int, int]] = field(default_factory=list)
    _drawn: Any = None
    _key: Any = None

    @property
    def canvas(self) -> Any:
        """What it is drawn on, whose pixels can be kept and brought back."""
        return self.figure.canvas

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of a picture, even numbers: some films know no others."""
        width, height = self.canvas.get_width_height()
        return height - height % 2, width - width % 2

    def picture(self, number: int) -> Array:
        """Return the picture of a frame, red, green and blue, from the top down."""
        self._set_scene(number)
        self.canvas.restore_region(self._drawn)
        title = self.figure._suptitle  # type: ignore[attr-defined]
        title.set_text(self.words(number))
        title.set_visible(True)
        self.figure.draw_artist(title)
        for axes, actor in self.actors(number):
            axes.draw_artist(actor)
        height, width = self.size
        front = Image.fromarray(np.array(self.canvas.buffer_rgba()))
        whole = Image.new("RGBA", front.size, "white")
        for (left, top, right, bottom), colours in zip(
            self.slots, self.pixels(number), strict=False
        ):
            size = right - left, bottom - top
            finer = colours.shape[0] > size[1] or colours.shape[1] > size[0]
            how = Image.Resampling.BOX if finer else Image.Resampling.NEAREST
            whole.paste(Image.fromarray(colours).resize(size, how), (left, top))
        whole.alpha_composite(front)
        return np.asarray(whole.convert("RGB"))[:height, :width]

    def _set_scene(self, number: int) -> None:
        key = self.scenery(number)
        if self._drawn is None or key != self._key:
            self.figure._suptitle.set_visible(False)  # type: ignore[attr-defined]
            self.canvas.draw()
            self._drawn, self._key = self.canvas.copy_from_bbox(self.figure.bbox), key


def _opened(width: float, height: float, stored: Stored, numbers: int) -> Figure:
    """A figure with room for its title and for the longest time in words."""
    longest = max((shown.moment(stored, k) for k in range(numbers)), key=len)
    figure = style.figure(width, height, stored.title, "compressed", longest)
    figure.set_dpi(DPI)
    FigureCanvasAgg(figure)
    return figure


def _words(figure: Figure, stored: Stored) -> Callable[[int], str]:
    """What stands above each frame: the title, as it was broken into lines, and the time."""
    above = figure.get_suptitle().rpartition("\n")[0]
    return lambda number: "\n".join(filter(None, (above, shown.moment(stored, number))))


def _maps(stored: Stored, runs: Sequence[StoredRun]) -> Stage:
    """A stage of maps, one for each run."""
    box, colours, frames = shown.box(stored), shown.in_colours(stored), len(runs[0].times)

    def of(run: StoredRun) -> Iterator[Array]:
        return (maps.looked_at(stored, run, number) for number in range(len(run.times)))

    if colours:
        limits, extend = maps.brightness(runs[0], [list(of(runs[0]))[:1]])
    else:
        settled = shown.moments(stored.times)[2:3]
        limits, extend = maps.shared_limits(
            stored, runs, (of(run) for run in runs), settled[0] if settled else frames
        )
    columns = style.columns_for(len(runs))
    rows = -(-len(runs) // columns)
    width, height = ((4.6 if len(runs) == 1 else 2.9) * part for part in box.size)
    figure = _opened(columns * (width + 0.3) + (0.9 if colours else 1.7),
                     rows * (height + 0.35) + 0.8, stored, frames)  # fmt: skip
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
    for axes in grid[len(runs) :]:
        axes.remove()
    for axes, run in zip(grid, runs, strict=False):
        box.picture(axes, np.zeros(stored.shape), (0.0, 1.0), style.FIELD)
        axes.set_title(style.plain(run.label, style.letters(width)))
        box.name_axes(axes, stored.axes)
    if not colours:
        scale = ScalarMappable(Normalize(*limits), style.FIELD)
        name, unit = maps.what_is_looked_at(stored)
        style.colour_bar(scale, list(grid[: len(runs)]), name, unit, extend, aspect=30, pad=0.02)
    stage = Stage(figure, _words(figure, stored))
    _cut_out(stage, list(grid[: len(runs)]))
    stage.scenery = _Scenery(stored, list(grid[: len(runs)]))
    stage.pixels = lambda number: [
        _coloured(maps.looked_at(stored, run, number), limits, colours) for run in runs
    ]
    return stage


def _cut_out(stage: Stage, panels: Sequence[Axes]) -> None:
    """Lay the figure out, then make it transparent where fields are put behind it."""
    stage.canvas.draw()
    stage.figure.set_layout_engine("none")
    high = stage.canvas.get_width_height()[1]
    for axes in panels:
        axes.images[0].remove()
        frame = axes.get_window_extent()
        left, right = round(frame.x0), round(frame.x1)
        stage.slots.append((left, high - round(frame.y1), right, high - round(frame.y0)))
        axes.patch.set_alpha(0.0)
    stage.figure.patch.set_alpha(0.0)


class _Scenery:
    """Draws what is solid once, and walls anew where one has opened or closed."""

    def __init__(self, stored: Stored, panels: Sequence[Axes]) -> None:
        self._stored, self._panels = stored, panels
        self._solid, self._shut = shown.solid(stored), None

    def __call__(self, number: int) -> Any:
        shut: Any = outlines.closed(self._stored, float(self._stored.times[number]))
        if shut != self._shut:
            for axes in self._panels:
                for drawn in [*axes.collections, *axes.images]:
                    drawn.remove()
                outlines.draw(axes, self._stored, number, self._solid)
            self._shut = shut
        return shut


def _coloured(u: Array, limits: tuple[float, float], colours: bool) -> Array:
    """A field as a picture, from the top down: x to the right, y upwards."""
    low, high = limits
    part = np.clip((shown.coarse(u) - low) / (high - low), 0.0, 1.0)
    bytes_of = np.rint(255.0 * part).astype(np.uint8).T[::-1] if colours else (
        mpl.colormaps[style.FIELD](part.T[::-1], bytes=True)[..., :3]
    )  # fmt: skip
    return np.ascontiguousarray(bytes_of)


def _lines(stored: Stored, runs: Sequence[StoredRun]) -> Stage:
    """A stage of one axis: a line for each run."""
    box, frames = shown.box(stored), len(runs[0].times)
    limits, _ = maps.shared_limits(stored, runs, (
        (maps.looked_at(stored, run, k) for k in range(len(run.times))) for run in runs
    ))  # fmt: skip
    figure = _opened(6.4, 3.8, stored, frames)
    figure.set_layout_engine("constrained")
    axes = figure.subplots()
    name, unit = maps.what_is_looked_at(stored)
    spare = SPARE * (limits[1] - limits[0])
    axes.set(xlim=box.ends(0), ylim=(limits[0] - spare, limits[1] + spare))
    axes.set_xlabel(f"{stored.axes[0]} ({box.unit})")
    axes.set_ylabel(style.with_unit(name, unit, width=style.letters(3.0)))
    axes.grid(visible=True)
    x = stored.centres[0] / box.metres
    known, drawn, handles = shown.runs(stored), [], []
    for run in runs:
        place = known.index(run) if run in known else 0
        turn = style.turns(place, x.size, len(runs))
        drawn += axes.plot(x, np.zeros(x.size), color=style.colour(place), animated=True,
                           marker=style.marker(place), markevery=turn)  # fmt: skip
        handles.append(style.handle(place, run.label))
    style.legend(figure, handles)
    stage = Stage(figure, _words(figure, stored))
    stage.canvas.draw()
    figure.set_layout_engine("none")

    def actors(number: int) -> list[tuple[Axes, Any]]:
        for line, run in zip(drawn, runs, strict=True):
            line.set_ydata(maps.looked_at(stored, run, number))
        walls = outlines.crossed(stored, number, 0, None)
        upright = [axes.axvline(x / box.metres, **outlines.UPRIGHT) for x in walls]
        for wall in upright:
            wall.remove()
        return [*((axes, wall) for wall in upright), *((axes, line) for line in drawn)]

    stage.actors = actors
    return stage
