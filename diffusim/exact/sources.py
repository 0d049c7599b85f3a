"""Fields that are made or lost everywhere at once."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from diffusim.block import Array
from diffusim.exact.axis import Ends, mode
from diffusim.exact.ranges import above_zero, check, finite


def parabola(
    x: Any,
    diffusivity: float,
    length: float,
    source: float,
    left: float = 0.0,
    right: float = 0.0,
    *,
    cell: float = 0.0,
) -> Array:
    """Steady profile of an even source q between two ends that are held at values.

    u = left + (right - left) x / L + q x (L - x) / (2 D); the mean of a cell c is q c^2 / (24 D)
    less.

    Parameters
    ----------
    x, diffusivity, length, left, right, cell
        As in `slab`; the diffusivity is above zero.
    source : float
        q in the field's unit per s.

    Raises
    ------
    ValueError
        When a number is out of its range.

    References
    ----------
    Carslaw and Jaeger 1959, section 3.14.
    """
    check(0.0, diffusivity, length, 0.0, cell)
    above_zero(diffusivity=diffusivity)
    x = np.asarray(x, dtype=float)
    bow = 0.5 * source / diffusivity * (x * (length - x) - cell**2 / 12.0)
    return np.asarray(left + (right - left) * (x / length) + bow)


def decaying_mode(
    x: Any,
    t: float,
    diffusivity: float,
    length: float,
    number: int,
    rate: float,
    amplitude: float = 1.0,
    mean: float = 0.0,
    *,
    ends: Ends = "no-flux",
    cell: float = 0.0,
) -> Array:
    """One cosine mode of a field that is lost everywhere: du/dt = D d2u/dx2 - rate u.

    u = [mean + amplitude cos(k x) exp(-D k^2 t)] exp(-rate t), k as in `mode`.

    Parameters
    ----------
    x, t, diffusivity, length, number, amplitude, mean, ends, cell
        As in `mode`.
    rate : float
        Part that is lost per time, in 1/s; below zero the field grows.

    Raises
    ------
    ValueError
        When a number is out of its range.

    References
    ----------
    Crank 1975, chapter 14; Carslaw and Jaeger 1959, section 4.14.
    """
    finite(rate=rate)
    wave = mode(x, t, diffusivity, length, number, amplitude, mean, ends=ends, cell=cell)
    return np.asarray(wave * math.exp(-rate * t))
