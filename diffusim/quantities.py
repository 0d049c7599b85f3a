"""Numbers and times as people write them."""

from __future__ import annotations

import math
import re

_YEAR = 31557600.0
# From this many seconds on, the unit, and its seconds: two days are still 48 h.
_TIMES = (
    (2.0 * _YEAR, "yr", _YEAR), (172800.0, "d", 86400.0), (3600.0, "h", 3600.0),
    (60.0, "min", 60.0), (1.0, "s", 1.0), (1e-3, "ms", 1e-3), (1e-6, "µs", 1e-6),
    (1e-9, "ns", 1e-9), (1e-12, "ps", 1e-12), (0.0, "fs", 1e-15),
)  # fmt: skip
_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def number(value: float) -> str:
    """Return two digits of a number, 0.25 or 3.2 × 10⁻⁴."""
    if value == 0.0 or not math.isfinite(value) or 1e-3 <= abs(value) < 1e4:
        return f"{value:.2g}" if abs(value) < 100 else f"{value:.0f}"
    mantissa, exponent = f"{value:.1e}".split("e")
    return f"{mantissa} × {power(int(exponent))}"


def axis_unit(name: str) -> str:
    """Return the SI unit of what is counted along an axis: m, or s along the axis of a series."""
    return "s" if name == "t" else "m"


def power(exponent: int) -> str:
    """Return a power of ten, 10⁻⁴."""
    return "10" + str(exponent).translate(_RAISED)


def unit(text: str) -> str:
    """Return a unit as people write it, g/m² of ``g/m^2``; of 1, which is none, nothing."""
    if text.strip() in ("", "1"):
        return ""
    return re.sub(r"\^(-?[0-9]+)(?![0-9.])", lambda found: found[1].translate(_RAISED), text)


def duration(seconds: float) -> str:
    """Return a time as people say it, 6.2 h or 15 d."""
    factor, unit = time_unit(seconds)
    value = seconds / factor
    return f"{value:.3g} {unit}" if 1e-3 <= value < 999.5 else f"{number(value)} {unit}"


def time_unit(seconds: float) -> tuple[float, str]:
    """Return the unit in which a time is a short number: its seconds and its name."""
    if seconds == 0.0:
        return 1.0, "s"
    # Rounding must not turn an hour into 60 min.
    return next((size, name) for least, name, size in _TIMES if seconds * (1 + 1e-9) >= least)


def moment(time: float, clock: str) -> str:
    """Return the time of a frame in words, in s or in what else the clock counts."""
    if clock == "applications":
        return f"n = {time:.12g}"
    return f"t = {duration(time)}" if time else "t = 0"
