"""How much a sheet, a cylinder or a ball has taken up when its surface is held at a value."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np

from diffusim.block import Array
from diffusim.exact.discs import zeros
from diffusim.exact.slabs import ierfc

Body = Literal["sheet", "cylinder", "sphere"]

# D t / l^2 below which the expansion for short times is taken; both are good to round-off there.
_SHORT = {"sheet": 0.1, "cylinder": 1e-3, "sphere": 0.1}


def uptake(fo: Any, body: Body = "sheet") -> Array:
    """Part M_t / M_inf of the final uptake, at F = D t / l^2.

    Sheet of half thickness l: 1 - 8 / pi^2 sum exp(-(2n + 1)^2 pi^2 F / 4) / (2n + 1)^2.
    Cylinder of radius l: 1 - 4 sum exp(-j_n^2 F) / j_n^2, J0(j_n) = 0.
    Ball of radius l: 1 - 6 / pi^2 sum exp(-n^2 pi^2 F) / n^2.
    Their expansions for short times begin 2 sqrt(F / pi), 4 sqrt(F / pi) - F and
    6 sqrt(F / pi) - 3 F.

    Parameters
    ----------
    fo : array
        F, zero or above.
    body : {"sheet", "cylinder", "sphere"}
        What takes up.

    Raises
    ------
    ValueError
        When F is below zero or no number, or the body is none of these.

    References
    ----------
    Crank 1975, sections 4.3.2 (sheet), 5.3.2 (cylinder) and 6.3.1 (ball).
    """
    if body not in _SHORT:
        raise ValueError(f"a body is 'sheet', 'cylinder' or 'sphere', not '{body}'")
    fo = np.asarray(fo, dtype=float)
    if not np.all(fo >= 0.0):
        raise ValueError("D t / l^2 must be zero or above")
    bound = _SHORT[body]
    soon = uptake_soon(np.minimum(fo, bound), body)
    return np.where(fo < bound, soon, uptake_late(np.maximum(fo, bound), body))


def uptake_late(fo: Array, body: Body) -> Array:
    """The series in exponentials, of as many terms as the smallest F needs."""
    count = math.ceil(6.5 / (math.pi * math.sqrt(float(np.min(fo))))) * 2 + 2
    n = np.arange(count, 0, -1)
    if body == "cylinder":
        numbers, factor = zeros(0, count)[::-1], 4.0
    elif body == "sphere":
        numbers, factor = math.pi * n, 6.0
    else:
        numbers, factor = math.pi * (n - 0.5), 2.0
    left = factor * np.exp(-(numbers**2) * fo[..., None]) / numbers**2
    return np.asarray(1.0 - np.sum(left, axis=-1))


def uptake_soon(fo: Array, body: Body) -> Array:
    """The expansion for short times, whose first term is that of a half space."""
    root = np.sqrt(fo)
    if body == "cylinder":
        # 2 I1(q) / (I0(q) q^3) in powers of 1 / q = s^(-1/2), each of which has a known inverse.
        total = np.zeros(fo.shape)
        for k, c in reversed(list(enumerate(_quotient(16)))):
            total = total + 2.0 * c / math.gamma(0.5 * (k + 3)) * root ** (k + 1)
        return total
    images = np.zeros(fo.shape)
    safe = np.maximum(root, 1e-150)
    for n in range(4, 0, -1):
        sign = 1.0 if body == "sphere" or n % 2 == 0 else -1.0
        images = images + 2.0 * sign * ierfc(n / safe)
    whole = root * (1.0 / math.sqrt(math.pi) + images)
    return np.asarray(6.0 * whole - 3.0 * fo if body == "sphere" else 2.0 * whole)


def _quotient(count: int) -> list[float]:
    """Return c_k of I1(q) / I0(q) = sum c_k q^-k, from its equation y' = 1 - y / q - y^2."""
    c = [1.0]
    for m in range(1, count):
        crossed = sum(c[i] * c[m - i] for i in range(1, m))
        c.append(0.5 * ((m - 2) * c[m - 1] - crossed))
    return c
