"""The look of all figures: one style, line colours, and numbers as people write them.

Colours that everybody can tell apart: M. Okabe and K. Ito, "Color universal design", 2008. Colour
maps that are even, and diverge at zero where signs matter: F. Crameri et al., "The misuse of colour
in science communication", Nature Communications 11 (2020) 5444.
"""

from __future__ import annotations

import io
import math
import textwrap
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, Literal

import matplotlib.style
import numpy as np
from matplotlib import font_manager
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colorbar import Colorbar
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator

from diffusim import quantities
from diffusim.block import Array
from diffusim.display import ALARM as ALARM
from diffusim.quantities import duration as duration
from diffusim.quantities import number as number
from diffusim.quantities import power as power
from diffusim.quantities import time_unit as time_unit

FONT = "DejaVu Sans"
DPI = 160
SETTINGS: dict[str, Any] = {
    "font.family": FONT,
    "font.size": 9.0,
    "axes.titlesize": 9.0,
    "axes.labelsize": 9.0,
    "xtick.labelsize": 8.0,
    "ytick.labelsize": 8.0,
    "legend.fontsize": 9.0,
    "figure.titlesize": 11.0,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 3.0,
    "ytick.major.size": 3.0,
    "lines.linewidth": 1.2,
    "lines.markersize": 4.0,
    "grid.linewidth": 0.4,
    "grid.color": "0.88",
    "axes.axisbelow": True,
    "axes.formatter.use_mathtext": True,
    "axes.formatter.limits": (-3, 5),
    "legend.frameon": False,
    "figure.constrained_layout.w_pad": 0.08,
    "figure.constrained_layout.h_pad": 0.07,
    "figure.dpi": DPI,
    "savefig.dpi": DPI,
}
FIELD, ERROR, SIZE = "viridis", "RdBu_r", "Reds"
# Okabe and Ito's; black is kept for analytic solutions, and yellow is too pale for lines.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#777777")
MARKERS = "osD^vP*Xp"
# What theory says.
LAW: dict[str, Any] = {"color": "black", "linestyle": (0, (4, 3)), "linewidth": 1.0}

_LENGTHS = ((1e3, "km"), (1.0, "m"), (1e-2, "cm"), (1e-3, "mm"), (1e-6, "µm"), (1e-9, "nm"))
_MISSING = "\N{WHITE SQUARE}"


@contextmanager
def applied() -> Iterator[None]:
    """Use this style and nothing of the user's own settings; also a decorator.

    Matplotlib keeps its settings for a whole process, so figures are drawn by one thread at a time.
    """
    with matplotlib.style.context(["default", SETTINGS]):
        yield


@applied()
def png(figure: Figure, title: str | None = None, digest: str = "") -> bytes:
    """Return a figure as PNG; the same bytes every time.

    A title and the digest of the scenario that it is of may be written into it.
    """
    from PIL import Image, PngImagePlugin

    words = PngImagePlugin.PngInfo()
    for key, text in (("Title", title), ("Digest", digest)):
        if text:
            words.add_text(key, text)
    stream = io.BytesIO()
    picture = Image.fromarray(pixels(figure)[..., :3])
    picture.save(stream, "PNG", pnginfo=words, dpi=(DPI, DPI))
    return stream.getvalue()


@applied()
def pixels(figure: Figure) -> Array:
    """Return a figure as colours, shape (height, width, 4), from the top down.

    What a figure's own ``savefig`` does before it draws, to lay everything out once more, takes as
    long as drawing and moves nothing.
    """
    canvas: Any = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())


# --- words --------------------------------------------------------------------------------------


@lru_cache
def _glyphs() -> frozenset[int]:
    font = font_manager.get_font(font_manager.findfont(FONT))
    return frozenset(font.get_charmap())


def plain(text: str, width: int | None = None, most: int = 6) -> str:
    """Return a user's text as it shall be read: no markup, wrapped after so many letters.

    Characters that the font lacks become a white square, control characters vanish, and more than
    so many lines are cut short.
    """
    known = unicodedata.normalize("NFC", " ".join(text.split()))
    shown = "".join(c if ord(c) in _glyphs() else _MISSING for c in known if c.isprintable())
    lines = textwrap.wrap(shown, width, max_lines=most, placeholder=" …") if width else [shown]
    return "\n".join(lines).replace("$", r"\$")


def length_unit(metres: float) -> tuple[float, str]:
    """Return the largest unit of which a length is at least one: its metres and its name."""
    found = ((size, name) for size, name in _LENGTHS if metres * (1 + 1e-9) >= size)
    return next(found, _LENGTHS[-1])


def unit_along(axis: str, size: float) -> tuple[float, str]:
    """Return the unit in which a length along an axis, of a series a time, is a short number."""
    return time_unit(size) if quantities.axis_unit(axis) == "s" else length_unit(size)


def with_unit(name: str, unit: str, exponent: int = 0, width: int | None = None) -> str:
    """Return the label of a scale, such as ``error (10⁻⁴ g/L)``, wrapped to a width in letters.

    A line does not end inside the unit unless that is longer than the width.
    """
    parts = [power(exponent)] if exponent else []
    parts += [quantities.unit(unit)] if quantities.unit(unit) else []
    words = plain(name.replace("_", " "), width)
    if not parts:
        return words
    inside = plain(f"({' '.join(parts)})", width)
    line = len(words.rpartition("\n")[2]) + 1 + len(inside.partition("\n")[0])
    return f"{words}{' ' if width is None or line <= width else chr(10)}{inside}"


def exponent_of(largest: float) -> int:
    """Return the power of ten that goes to the label of a scale, zero where numbers are short."""
    exponent = math.floor(math.log10(largest)) if largest > 0.0 else 0
    return 0 if -2 <= exponent < 4 else exponent


def letters(width: float, size: float = 9.0) -> int:
    """Return how many letters of a size in points go into a width in inches."""
    # On average a letter is 0.6 of its size wide.
    return max(8, int(width * 72.0 / (0.6 * size)))


def height_of(lines: int, size: float = 9.0) -> float:
    """Return the height in inches of lines of text of a size in points."""
    return lines * 1.25 * size / 72.0


# --- parts of figures ---------------------------------------------------------------------------


def figure(
    width: float,
    height: float,
    title: str,
    layout: Literal["constrained", "compressed"] = "constrained",
    subtitle: str = "",
) -> Figure:
    """Return an empty figure of a size in inches; a title on top adds to the height."""
    width, size = max(width, 6.0), float(SETTINGS["figure.titlesize"])
    texts = (plain(text, letters(width, size)) for text in (title, subtitle))
    words = "\n".join(filter(None, texts))
    lines = words.count("\n") + 1 if words else 0
    made = Figure(figsize=(width, height + height_of(lines, size)), layout=layout)
    if words:
        made.suptitle(words)
    return made


def legend(made: Figure, handles: Sequence[Artist]) -> None:
    """Put a legend below everything else; it adds to the height of a figure."""
    words = [str(handle.get_label()) for handle in handles]
    lengths = [max(map(len, text.split("\n"))) + 10 for text in words]
    space = letters(made.get_figwidth())
    for columns in range(len(words), 0, -1):
        if sum(max(column) for column in np.array_split(lengths, columns)) <= space:
            break
    lines = -(-len(words) // columns) * (1 + max(text.count("\n") for text in words))
    made.set_figheight(made.get_figheight() + height_of(lines) + 0.15)
    made.legend(handles=handles, loc="outside lower center", ncols=columns)


def columns_for(panels: int) -> int:
    """Return into how many columns so many panels go."""
    return 2 if panels in (2, 4) else min(panels, 3)


def even_ticks(axis: Axis, most: int) -> None:
    """Put ticks at round numbers that people count in."""
    axis.set_major_locator(rounded(most))


def rounded(most: int, whole: bool = False) -> MaxNLocator:
    """Return a locator of round numbers, with so many intervals at most; whole ones on demand."""
    return MaxNLocator(most, steps=[1, 2, 5, 10] if whole else [1, 2, 2.5, 5, 10], integer=whole)


def colour(place: int) -> str:
    """Return the line colour of a run by its place among the runs."""
    return COLOURS[place % len(COLOURS)]


def marker(place: int) -> str:
    """Return the marker of a run by its place among the runs."""
    return MARKERS[place % len(MARKERS)]


def turns(place: int, size: int, runs: int, most: int = 8) -> tuple[int, int]:
    """Return the first point of a line with a marker, and how many points lie from one to the next.

    Markers take turns, so that lines on top of each other are all seen.

    Parameters
    ----------
    place : int
        That of the run among all.
    size : int
        Points of the line.
    runs : int
        How many there are.
    most : int
        About how many markers a line has.
    """
    apart = max(1, size // most)
    return place * apart // max(1, runs) % apart, apart


def handle(place: int, run: str, **more: Any) -> Line2D:
    """Return what a legend shows of a run by its place among the runs; ``more`` goes before."""
    look = {"color": colour(place), "marker": marker(place), "label": plain(run, 40)}
    return Line2D([], [], **(look | more))


def colour_bar(
    image: ScalarMappable,
    axes: Axes | Sequence[Axes],
    name: str,
    unit: str,
    extend: str = "neither",
    **options: Any,
) -> Colorbar:
    """Add a colour bar whose numbers are short: a power of ten goes to the label."""
    low, high = image.get_clim()
    exponent = exponent_of(max(abs(low or 0.0), abs(high or 0.0)))
    owner = axes if isinstance(axes, Axes) else axes[0]
    whole: Any = owner.get_figure(root=True)
    label = with_unit(name, unit, exponent)
    bar: Colorbar = whole.colorbar(image, ax=axes, label=label, extend=extend,
                                   extendfrac=0.03, **options)  # fmt: skip
    bar.locator = rounded(8)
    scale = 10.0**exponent
    bar.formatter = FuncFormatter(lambda v, _: f"{v / scale:.4g}".replace("-", "\N{MINUS SIGN}"))
    bar.update_ticks()
    bar.outline.set_linewidth(0.6)
    return bar
