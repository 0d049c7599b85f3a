"""Slow and obvious twins of the compiled loops, and what their tests share.

Statistical tests have fixed seeds and reject at p < `ALPHA`: with fresh seeds each would raise one
false alarm in a million runs.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

Array = NDArray[Any]

ALPHA = 1e-6
KEY = (0x12345678, 0x9ABCDEF0)
WRAPS = list(itertools.product((False, True), repeat=2))
PLACE, JUMP, SCATTER, COUNT, HOP = range(5)


def shifted(u: Array, by: int, axis: int, wrap: bool) -> Array:
    """Return each cell's neighbour below (by = 1) or above (-1): at the rim itself or opposite."""
    if wrap:
        return np.roll(u, by, axis)
    n = u.shape[axis]
    return np.take(u, np.clip(np.arange(n) - by, 0, n - 1), axis)


def gain(u: Array, faces: Sequence[Any], wraps: Sequence[bool]) -> Array:
    """Return A u; ``faces`` are low0, high0, low1, high1 in shapes that broadcast with u."""
    low0, high0, low1, high1 = faces
    first = low0 * (shifted(u, 1, 0, wraps[0]) - u) + high0 * (shifted(u, -1, 0, wraps[0]) - u)
    second = low1 * (shifted(u, 1, 1, wraps[1]) - u) + high1 * (shifted(u, -1, 1, wraps[1]) - u)
    return first + second


def step(u: Array, count: int, faces: Sequence[Any], wraps: Sequence[bool]) -> Array:
    for _ in range(count):
        u = u + gain(u, faces, wraps)
    return u


def expand(
    older: Array,
    newer: Array,
    total: Array,
    weights: Array,
    faces: Sequence[Any],
    b: float,
    c: float,
    wraps: Sequence[bool],
) -> tuple[Array, Array, Array]:
    for w in weights:
        older, newer = newer, gain(newer, faces, wraps) + (b * newer + c * older)
        total = total + w * newer
    return older, newer, total


def matrix(shape: tuple[int, int], faces: Sequence[Array], wraps: Sequence[bool]) -> Array:
    """Return A as a dense matrix, built cell by cell from the fluxes; ``faces`` are fields."""
    n0, n1 = shape
    a = np.zeros((n0 * n1, n0 * n1))
    for i in range(n0):
        for j in range(n1):
            sides = ((i - 1, j), (i + 1, j), (i, j - 1), (i, j + 1))
            for (p, q), face in zip(sides, faces, strict=True):
                if (wraps[0] or 0 <= p < n0) and (wraps[1] or 0 <= q < n1):
                    a[i * n1 + j, (p % n0) * n1 + q % n1] += face[i, j]
                    a[i * n1 + j, i * n1 + j] -= face[i, j]
    return a


def philox(counter: Sequence[int], key: Sequence[int]) -> tuple[int, int, int, int]:
    """Philox4x32-10 after the paper, in whole numbers of any size."""
    mask = 2**32 - 1
    (a, b, c, d), (k0, k1) = counter, key
    for _ in range(10):
        left, right = 0xD2511F53 * a, 0xCD9E8D57 * c
        a, b, c, d = (right >> 32) ^ b ^ k0, right & mask, (left >> 32) ^ d ^ k1, left & mask
        k0, k1 = (k0 + 0x9E3779B9) & mask, (k1 + 0xBB67AE85) & mask
    return a, b, c, d


def words(particle: int, key: Sequence[int], sub_step: int, draw: int) -> tuple[int, ...]:
    return philox((particle & (2**32 - 1), particle >> 32, sub_step, draw), key)


def unit(high: int, low: int) -> float:
    return ((high << 20) | (low >> 12)) / 2**52


def normal_pair(a: int, b: int, c: int, d: int) -> tuple[float, float]:
    radius = math.sqrt(-2.0 * math.log(1.0 - unit(a, b)))
    quarters, rest = c >> 30, (((c << 22) & (2**52 - 1)) | (d >> 10)) / 2**52 - 0.5
    angle = math.pi / 2 * (quarters + rest)
    return radius * math.cos(angle), radius * math.sin(angle)


def place(n: int, first: int, key: Sequence[int], cumulative: Array, n1: int) -> Array:
    position = np.empty((2, n))
    for k in range(n):
        a, b, c, d = words(first + k, key, 0, PLACE)
        i, j = divmod(int(np.searchsorted(cumulative, unit(a, b), side="right")), n1)
        position[:, k] = i + c / 2**32, j + d / 2**32
    return position


def reflect(x: float, floor: float, ceiling: float) -> float:
    """Return ``x`` after its reflections, one at a time."""
    while not floor <= x <= ceiling:
        x = 2 * floor - x if x < floor else 2 * ceiling - x
    return x


def jump(
    position: Array,
    first: int,
    key: Sequence[int],
    sigmas: Sequence[float],
    planes: Sequence[tuple[Array, Array]],
    wraps: Sequence[bool],
) -> Array:
    position = position.copy()
    for k in range(position.shape[1]):
        deviates = normal_pair(*words(first + k, key, 0, JUMP))
        for axis, (floor, ceiling) in enumerate(planes):
            i = int(position[axis, k])
            x = position[axis, k] + sigmas[axis] * deviates[axis]
            wrapped = x % len(floor) if wraps[axis] else reflect(x, floor[i], ceiling[i])
            position[axis, k] = wrapped
    return position


def hop(
    cell: Array,
    first: int,
    key: Sequence[int],
    tail: Array,
    thresholds: Array,
    shape: tuple[int, int],
    wraps: Sequence[bool],
) -> Array:
    cell = cell.copy()
    for k in range(len(cell)):
        a, b, _, _ = words(first + k, key, 0, COUNT)
        at = list(divmod(int(cell[k]), shape[1]))
        for m in range(int(np.searchsorted(tail, unit(a, b), side="right"))):
            word = words(first + k, key, m // 4, HOP)[m % 4]
            side = int(np.sum(word >= thresholds[at[0] * shape[1] + at[1]]))
            if side < 4:
                axis, change = side // 2, 2 * (side % 2) - 1
                moved, n = at[axis] + change, shape[axis]
                at[axis] = moved % n if wraps[axis] else min(max(moved, 0), n - 1)
        cell[k] = at[0] * shape[1] + at[1]
    return cell


def in_chunks(
    carry: Callable[[int, int, Array], None],
    n: int,
    chunks: int,
    threads: int,
    shape: Sequence[int],
) -> Array:
    """Call ``carry(start, stop, counts)`` for each chunk; return the sum of the counts."""
    edges = [n * k // chunks for k in range(chunks + 1)]
    counts = np.zeros((chunks, *shape), np.int64)
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(carry, edges[:-1], edges[1:], counts))
    return counts.sum(0)


def closed_faces(shape: tuple[int, int], seed: int = 5) -> tuple[Array, Array, Array, Array]:
    """Return random faces of a closed medium: both sides of a face let the same through."""
    rng = np.random.default_rng(seed)
    low0, low1 = rng.random(shape) / 4, rng.random(shape) / 4
    return low0, np.roll(low0, -1, 0), low1, np.roll(low1, -1, 1)


def p_of_chi_square(counts: Array, expected: Array) -> float:
    """Return the p-value of counts against expected ones, all of them at least five."""
    counts, expected = np.ravel(counts), np.ravel(expected)
    assert expected.min() >= 5
    statistic = float(np.sum((counts - expected) ** 2 / expected))
    return float(special.gammaincc((len(counts) - 1) / 2, statistic / 2))
