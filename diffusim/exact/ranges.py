"""What numbers the analytic solutions accept, and the words in which they refuse others."""

from __future__ import annotations

import math


def check(t: float, diffusivity: float, length: float, place: float, cell: float) -> None:
    """Refuse a time, a diffusivity, an axis, a place on it or a cell that has no meaning."""
    if not 0.0 < length < math.inf:
        raise ValueError(f"the length must be above zero, not {length} m")
    for name, number in (("time", t), ("diffusivity", diffusivity), ("cell", cell)):
        if not 0.0 <= number < math.inf:
            raise ValueError(f"the {name} must be zero or above, not {number}")
    if not 0.0 <= place <= length:
        raise ValueError(f"{place} m lies outside the axis, 0 to {length} m")


def above_zero(**numbers: float) -> None:
    """Refuse numbers that are not above zero and finite; their names are read in the message."""
    for name, number in numbers.items():
        if not 0.0 < number < math.inf:
            raise ValueError(f"the {name.replace('_', ' ')} must be above zero, not {number}")


def finite(**numbers: float) -> None:
    """Refuse numbers that are infinite or none; their names are read in the message."""
    for name, number in numbers.items():
        if not math.isfinite(number):
            raise ValueError(f"the {name.replace('_', ' ')} must be finite, not {number}")


def counted(number: int, first: int) -> None:
    """Refuse the number of a mode that is no whole number or below that of the first one."""
    if number != int(number) or number < first:
        raise ValueError(f"modes are counted {first}, {first + 1}, ..., not {number}")
