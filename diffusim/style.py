"""The look of all figures: one style, line colours that everybody can tell apart, numbers as people write them.

M. Okabe and K. Ito, "Color universal design", 2008 (colours); F. Crameri et al., "The misuse of colour in
science communication", Nature Communications 11 (2020) 5444 (even colour maps, diverging ones about zero).
"""

from __future__ import annotations

import io
import math
import textwrap
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import matplotlib.style
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colorbar import Colorbar
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

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
    "axes.formatter.limits": (-2, 4),
    "legend.frameon": False,
    "figure.dpi": DPI,
    "savefig.dpi": DPI,
}
FIELD, ERROR = "viridis", "RdBu_r"
# The colours of Okabe and Ito; their black is kept for analytic solutions, their yellow is too pale for lines.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#777777")
MARKERS = "osD^vP*Xp"
ALARM = "#B03A00"

_LENGTHS = ((1e3, "km"), (1.0, "m"), (1e-2, "cm"), (1e-3, "mm"), (1e-6, "µm"), (1e-9, "nm"))
_YEAR = 31557600.0
# From this many seconds on, the unit, and its seconds: two days are still 48 h.
_TIMES = (
    (2.0 * _YEAR, "yr", _YEAR), (172800.0, "d", 86400.0), (7200.0, "h", 3600.0), (120.0, "min", 60.0),
    (1.0, "s", 1.0), (1e-3, "ms", 1e-3), (1e-6, "µs", 1e-6), (0.0, "ns", 1e-9),
)  # fmt: skip
_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_MISSING = "\N{WHITE SQUARE}"


@contextmanager
def applied() -> Iterator[None]:
    """Use this style and nothing of the user's own settings; also a decorator.

    Matplotlib keeps its settings for a whole process, so figures are drawn by one thread at a time.
    """
    with matplotlib.style.context(["default", SETTINGS]):
        yield


@applied()
def png(figure: Figure) -> bytes:
    """Return a figure as PNG; the same figure gives the same bytes."""
    stream = io.BytesIO()
    figure.savefig(stream, format="png", facecolor="white")
    return stream.getvalue()


# --- words --------------------------------------------------------------------------------------


@lru_cache
def _glyphs() -> frozenset[int]:
    font = font_manager.get_font(font_manager.findfont(FONT))
    return frozenset(font.get_charmap())


def plain(text: str, width: int | None = None) -> str:
    """Return a user's text as it shall be read: no markup, no control characters, wrapped.

    Characters that the font lacks become a white square.
    """
    known = unicodedata.normalize("NFC", " ".join(text.split()))
    shown = "".join(c if ord(c) in _glyphs() else _MISSING for c in known if c.isprintable())
    lines = textwrap.wrap(shown, width) if width else [shown]
    return "\n".join(lines).replace("$", r"\$")


def number(value: float) -> str:
    """Return two digits of a number, 0.25 or 3.2 × 10⁻⁴."""
    if value == 0.0 or not math.isfinite(value) or 1e-3 <= abs(value) < 1e4:
        return f"{value:.2g}" if abs(value) < 100 else f"{value:.0f}"
    mantissa, exponent = f"{value:.1e}".split("e")
    return f"{mantissa} × {power(int(exponent))}"


def power(exponent: int) -> str:
    """Return a power of ten, 10⁻⁴."""
    return "10" + str(exponent).translate(_RAISED)


def duration(seconds: float) -> str:
    """Return a time as people say it, 6.2 h or 15 d."""
    factor, unit = time_unit(seconds)
    value = seconds / factor
    return f"{value:.3g} {unit}" if 1e-3 <= value < 999.5 else f"{number(value)} {unit}"


def time_unit(seconds: float) -> tuple[float, str]:
    """Return the unit in which a time is a number of two or three digits: its seconds and its name."""
    if seconds == 0.0:
        return 1.0, "s"
    # Rounding must not turn 2 h - 1e-12 s into 120 min.
    return next((size, name) for least, name, size in _TIMES if seconds * (1 + 1e-9) >= least)


def length_unit(metres: float) -> tuple[float, str]:
    """Return the largest unit of which a length is at least one: its metres and its name."""
    found = ((size, name) for size, name in _LENGTHS if metres * (1 + 1e-9) >= size)
    return next(found, _LENGTHS[-1])


def with_unit(name: str, unit: str, exponent: int = 0) -> str:
    """Return the label of a scale, such as ``error (10⁻⁴ g/L)``."""
    parts = [power(exponent)] if exponent else []
    parts += [unit] if unit.strip() not in ("", "1") else []
    words = plain(
        f"{name.replace('_', ' ')} ({' '.join(parts)})" if parts else name.replace("_", " ")
    )
    return words


# --- parts of figures ---------------------------------------------------------------------------


def figure(columns: float, rows: float, title: str, layout: str = "constrained") -> Figure:
    """Return an empty figure of a size in inches, with a title on top."""
    size = max(columns, 6.0), rows
    made = Figure(figsize=size, layout=layout)  # type: ignore[arg-type]
    # A letter is about 0.6 of its size wide, and an inch has 72 points.
    words = plain(title, int(size[0] * 72.0 / (0.6 * float(SETTINGS["figure.titlesize"]))))
    if words:
        made.suptitle(words)
    return made


def colour(place: int) -> str:
    """Return the line colour of a run by its place among the runs."""
    return COLOURS[place % len(COLOURS)]


def marker(place: int) -> str:
    """Return the marker of a run by its place among the runs."""
    return MARKERS[place % len(MARKERS)]


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
    largest = max(abs(low or 0.0), abs(high or 0.0))
    exponent = math.floor(math.log10(largest)) if largest > 0.0 else 0
    exponent = 0 if -2 < exponent < 4 else exponent
    owner = axes if isinstance(axes, Axes) else axes[0]
    whole: Any = owner.get_figure(root=True)
    label = with_unit(name, unit, exponent)
    bar: Colorbar = whole.colorbar(image, ax=axes, label=label, extend=extend, **options)
    bar.locator = MaxNLocator(5)
    scale = 10.0**exponent
    bar.formatter = FuncFormatter(lambda v, _: f"{v / scale:.4g}".replace("-", "\N{MINUS SIGN}"))
    bar.update_ticks()
    bar.outline.set_linewidth(0.6)  # type: ignore[operator]
    return bar
