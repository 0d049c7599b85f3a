"""A field in a terminal while it is computed: half blocks in colours, or letters without any."""

from __future__ import annotations

import os
import shutil
import sys
import time as clock
from collections.abc import Callable
from typing import Any, Literal

import numpy as np

from diffusim.block import Array
from diffusim.quantities import moment
from diffusim.thumbnails import coloured, limits, parts, resized

Colours = Literal["true", "256", "none"]

# Seconds between two pictures, and how large they are at most, in letters.
PAUSE = 0.2
MOST_ROWS, MOST_COLUMNS, CURVE_ROWS = 30, 96, 12
# A cell is enlarged at most so many times.
LARGEST_CELL = 4
# How bright the steps of the 256 colours are.
CUBE = (0, 95, 135, 175, 215, 255)
SHADES = " .:-=+*#%@"
BLOCKS = " ▁▂▃▄▅▆▇█"
UPPER, MISSING = "▀", "?"
HIDE, SHOW, PLAIN, ERASE_BELOW = "\x1b[?25l", "\x1b[?25h", "\x1b[0m", "\x1b[J"


def lines(
    u: Array,
    columns: int = MOST_COLUMNS,
    rows: int = MOST_ROWS,
    colours: Colours = "true",
    channels: int = 0,
) -> list[str]:
    """Return a field as lines of text, from the top down: x to the right, y upwards.

    A letter is twice as high as wide; in colours it shows two cells, one above the other. A field
    of one axis is a curve of bars. What is no number is grey, or a question mark. Three channels
    are red, green and blue where there are colours; any other number is shown by the mean.

    Parameters
    ----------
    u : array
        The field, with channels along a first axis where it has any.
    columns, rows : int
        How many letters and lines there is room for.
    colours : {"true", "256", "none"}
        What the terminal can show.
    """
    u = np.abs(u) if np.iscomplexobj(u) else np.asarray(u, dtype=float)
    if channels and (channels != 3 or u.ndim != 3 or colours == "none"):
        u, channels = np.mean(u, axis=0), 0
    columns, rows = max(1, min(columns, MOST_COLUMNS)), max(1, min(rows, MOST_ROWS))
    share = parts(u, limits(u))
    if u.ndim == 1:
        return _bars(share, columns, min(rows, CURVE_ROWS))
    width, height = _fitted(u.shape[-2:], columns, 2 * rows)
    if colours == "none":
        return _letters(resized(share, (width, max(1, height // 2))))
    # Two rows of them go into a line.
    pixels = resized(share, (width, height + height % 2))
    if channels:
        return _half_blocks(np.rint(255.0 * np.nan_to_num(pixels)).transpose(2, 1, 0), colours)
    return _half_blocks(coloured(pixels.T), colours)


def _fitted(shape: tuple[int, ...], columns: int, rows: int) -> tuple[int, int]:
    """Size of a picture of square cells that fits into so many."""
    scale = min(columns / shape[0], rows / shape[1])
    if scale > 1.0:
        scale = min(int(scale), LARGEST_CELL)
    return max(1, round(scale * shape[0])), max(1, round(scale * shape[1]))


def _half_blocks(pixels: Array, colours: Colours) -> list[str]:
    """Pixels [row, column, band], from the bottom up, two rows of them in a line of text."""
    found = []
    for row in range(len(pixels) - 2, -1, -2):
        codes, before = [], ""
        for upper, lower in zip(pixels[row + 1], pixels[row], strict=True):
            code = f"\x1b[38;{_code(upper, colours)};48;{_code(lower, colours)}m"
            # What goes on in the same colours needs no new ones.
            codes.append(UPPER if code == before else code + UPPER)
            before = code
        found.append("".join(codes) + PLAIN)
    return found


def _code(colour: Array, colours: Colours) -> str:
    red, green, blue = (int(band) for band in colour)
    if colours == "true":
        return f"2;{red};{green};{blue}"
    cube = [int(np.argmin([abs(band - level) for level in CUBE])) for band in (red, green, blue)]
    return f"5;{16 + 36 * cube[0] + 6 * cube[1] + cube[2]}"


def _letters(share: Array) -> list[str]:
    return ["".join(_letter(value) for value in row) for row in share.T[::-1]]


def _letter(value: float) -> str:
    if np.isnan(value):
        return MISSING
    return SHADES[min(len(SHADES) - 1, int(value * len(SHADES)))]


def _bars(share: Array, columns: int, rows: int) -> list[str]:
    """A bar for each cell, or for the mean of some of them."""
    width = min(columns, LARGEST_CELL * share.size)
    heights = resized(share, (width,)) * rows * 8
    return [
        "".join(MISSING if np.isnan(h) else BLOCKS[int(np.clip(round(h) - 8 * row, 0, 8))]
                for h in heights)
        for row in range(rows - 1, -1, -1)
    ]  # fmt: skip


# --- on a terminal ------------------------------------------------------------------------------


def colours_of(environment: Any) -> Colours:
    """Return what colours a terminal shows, by the variables that say so."""
    if environment.get("NO_COLOR") or environment.get("TERM") == "dumb":
        return "none"
    true = environment.get("COLORTERM", "") in ("truecolor", "24bit")
    return "true" if true else "256"


def can_be_shown() -> bool:
    """Return whether standard error is a terminal that pictures can be drawn anew on."""
    there = sys.stderr is not None and sys.stderr.isatty()
    return there and os.environ.get("TERM") != "dumb"


class View:
    """Shows each frame as it is taken, in place of the one before; a reporter of a run.

    Parameters
    ----------
    unit : str
        Unit of the field.
    counted : {"seconds", "applications"}
        What times are counted in.
    channels : int
        How many channels the field has, 0 for a field without that axis.
    stream : text file, optional
        Where it is shown; standard error if not given.
    """

    def __init__(self, unit: str, counted: str, channels: int = 0, stream: Any = None) -> None:
        self._unit = unit if unit.strip() not in ("", "1") else ""
        self._counted, self._channels = counted, channels
        self._stream = sys.stderr if stream is None else stream
        self._height, self._next, self._fraction = 0, 0.0, 0.0
        self._name, self._frame = "", ("", 0.0, np.zeros(1))

    def __enter__(self) -> View:
        self._write(HIDE)
        return self

    def __exit__(self, *_what: object) -> None:
        self._erase()
        self._write(PLAIN + SHOW)

    def note(self, text: str) -> None:
        """Say something on a line of its own."""
        self._erase()
        self._write(text + "\n")

    def stage(self, name: str) -> Callable[[float], None]:
        """Begin a part of the work; the fraction done goes to what is returned."""
        self._name, self._fraction = name, 0.0
        self._show()

        def tell(fraction: float) -> None:
            self._fraction = fraction
            self._show()

        return tell

    def frame(self, name: str, time: float, field: Array) -> None:
        """Take a frame of a run that is being computed."""
        self._frame = name, time, field
        self._show()

    def _show(self) -> None:
        """Draw the last frame, unless one was drawn just now."""
        now = clock.perf_counter()
        if now < self._next:
            return
        size = shutil.get_terminal_size()
        text = [self._heading()[: size.columns - 1]]
        if self._frame[0]:
            room = size.columns - 1, size.lines - 3
            text += lines(self._frame[2], *room, colours_of(os.environ), self._channels)
        self._erase()
        self._write("\n".join(text) + "\n")
        self._height = len(text)
        self._next = clock.perf_counter() + PAUSE

    def _heading(self) -> str:
        name, time, field = self._frame
        done = f"{self._name} {100.0 * self._fraction:.0f} %"
        if not name:
            return done
        low, high = limits(np.abs(field) if np.iscomplexobj(field) else field)
        unit = f" {self._unit}" if self._unit else ""
        return f"{done}   {name}, {moment(time, self._counted)}, from {low:.4g} to {high:.4g}{unit}"

    def _erase(self) -> None:
        # Forgotten first: whoever interrupts this must not have the lines above erased as well.
        height, self._height = self._height, 0
        if height:
            self._write(f"\x1b[{height}A\r{ERASE_BELOW}")

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()
