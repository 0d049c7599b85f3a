"""What is given, checked: series, weights and numbers."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

import numpy as np

from diffusim.block import Array


def weights(values: Any, name: str) -> Array:
    """Return weights as an array of one axis in f64; there may be none.

    Raises
    ------
    ValueError
        When they have another form or are no finite real numbers.
    """
    found = np.asarray(values)
    if found.ndim != 1 or (found.size and found.dtype.kind not in "fiub"):
        raise ValueError(f"expected {name} as a list of real numbers, found {values!r}")
    found = found.astype(float)
    if not np.all(np.isfinite(found)):
        raise ValueError(f"expected {name} as finite numbers, found {found.tolist()}")
    return found


def series(x: Any, least: int = 1, what: str = "a series") -> Array:
    """Return one series (n,) or several as columns (n, m) in f64, time along the first axis.

    Parameters
    ----------
    x : array
        The values.
    least : int
        How many times are needed.
    what : str
        What they are needed for, to be told.

    Raises
    ------
    ValueError
        When it has another form, is too short, or a value is missing or no finite real number.
    """
    found = np.asarray(x)
    if found.ndim not in (1, 2) or found.dtype.kind not in "fiub":
        raise ValueError(
            "expected a series of real numbers, or several as columns, "
            f"found an array of shape {found.shape} and type {found.dtype}"
        )
    if len(found) < least:
        values = "one value" if least == 1 else f"{least} values"
        raise ValueError(f"{what} needs at least {values}, found {len(found)}")
    found = np.ascontiguousarray(found, dtype=float)
    wrong = ~np.isfinite(found)
    if np.any(wrong):
        first = int(np.argwhere(wrong)[0, 0])
        raise ValueError(
            f"value {first} of the series is {found[wrong][0]}; "
            "fill in what is missing, or leave out the stretch, before"
        )
    return found


def one(x: Any, least: int = 1, what: str = "a series") -> Array:
    """Return a single series (n,) in f64, as `series` does.

    Raises
    ------
    ValueError
        When it has another form, is too short, or a value is missing or no finite real number.
    """
    found = series(x, least, what)
    if found.ndim != 1:
        raise ValueError(f"{what} takes one series at a time, found {found.shape[1]} as columns")
    return found


def whole(value: Any, name: str, least: int = 0) -> int:
    """Return a whole number.

    Raises
    ------
    ValueError
        When it is none, or too small.
    """
    if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
        raise ValueError(f"expected {name} as a whole number from {least} on, found {value!r}")
    return int(value)


def positive(value: float, name: str) -> float:
    """Return a finite number above zero.

    Raises
    ------
    ValueError
        When it is none.
    """
    if not isinstance(value, Real) or not 0.0 < value < np.inf:
        raise ValueError(f"expected {name} as a number above zero, found {value!s}")
    return float(value)


def finite(value: float, name: str) -> float:
    """Return a finite number.

    Raises
    ------
    ValueError
        When it is none.
    """
    if not isinstance(value, Real) or not abs(value) < np.inf:
        raise ValueError(f"expected {name} as a finite number, found {value!s}")
    return float(value)


def centred(x: Array, mean: float | None) -> tuple[Array, float]:
    """Return a series less its mean, and that mean: the one given, or the sample mean.

    Raises
    ------
    ValueError
        When nothing but zeros is left, of which nothing can be learnt.
    """
    middle = float(np.mean(x)) if mean is None else finite(mean, "the mean")
    apart = x - middle
    # A constant keeps the round-off of its mean.
    if not np.max(np.abs(apart)) > 1e-15 * abs(middle):
        raise ValueError(f"the series is {middle:g} throughout, so nothing can be learnt from it")
    return apart, middle
