"""Slow and obvious twins of the compiled loops, and what their tests share.

Statistical tests have fixed seeds and reject at p < `ALPHA`: with fresh seeds each would raise one
false alarm in a million runs.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special

Array = NDArray[Any]

ALPHA = 1e-6
KEY = (0x12345678, 0x9ABCDEF0)
WRAPS = list(itertools.product((False, True), repeat=2))
PLACE, JUMP, SCATTER, COUNT, HOP, TIME = 0, 1, 2, 3, 4, 10


def shifted(u: Array, by: int, axis: int, wrap: bool) -> Array:
    """Return each cell's neighbour below (by = 1) or above (-1): at the rim itself or opposite."""
    if wrap:
        return np.roll(u, by, axis)
    n = u.shape[axis]
    return np.take(u, np.clip(np.arange(n) - by, 0, n - 1), axis)


class Medium(NamedTuple):
    """What all sweeps take of a medium, in their order."""

    up0: Any
    down0: Any
    up1: Any
    down1: Any
    inverse0: Array | None
    inverse1: Array | None
    loss: Array | None
    source: Array | None
    wrap0: bool
    wrap1: bool


def along(u: Array, axis: int, m: Medium) -> Array:
    """Return what enters the cells through their faces across one axis, by their measure."""

    def low_and_high(face: Any) -> tuple[Any, Any]:
        if np.ndim(face) == 0:
            return face, face
        face = np.expand_dims(face, 1 - axis) if face.ndim == 1 else face
        return np.delete(face, -1, axis), np.delete(face, 0, axis)

    up, down, inverse, wrap = m[2 * axis], m[2 * axis + 1], m[4 + axis], m[8 + axis]
    below, above = shifted(u, 1, axis, wrap), shifted(u, -1, axis, wrap)
    (up_low, up_high), (down_low, down_high) = low_and_high(up), low_and_high(down)
    if down is None:
        flow = up_low * (below - u) + up_high * (above - u)
    else:
        flow = (up_low * below - down_low * u) + (down_high * above - up_high * u)
    return flow if inverse is None else flow * np.expand_dims(inverse, 1 - axis)


def rate(u: Array, m: Medium) -> Array:
    result = along(u, 0, m) + along(u, 1, m)
    if m.loss is not None:
        result = result - m.loss * u
    return result if m.source is None else result + m.source


def step(u: Array, total: Array, count: int, m: Medium) -> tuple[Array, Array]:
    for _ in range(count):
        total = total + u
        u = u + rate(u, m)
    return u, total


def expand(
    older: Array, newer: Array, result: Array, total: Array, factors: Sequence[Array], m: Medium
) -> tuple[Array, Array, Array, Array]:
    for growth, memory, weight, share in zip(*factors, strict=True):
        total = total + share * newer
        change = growth * rate(newer, m) + memory * (newer - older)
        result = result + weight * change
        older, newer = newer, newer + change
    return older, newer, result, total


def correct(u: Array, change: Array, first: Array, second: Array, m: Medium) -> Array:
    """The places of loss and source hold the losses that belong to the two axes."""
    one, two = along(first, 0, m), along(second, 1, m)
    if m.loss is not None:
        one, two = one - m.loss * first, two - m.source * second
    return u + (change + 0.5 * (one + two))


def dense(shape: tuple[int, int], m: Medium) -> Array:
    """Return A as a matrix, built face by face from what leaves one cell and enters the next."""
    cells = np.arange(math.prod(shape)).reshape(shape)
    total = np.zeros((cells.size, cells.size))
    for axis, n in enumerate(shape):
        up, down, inverse, wrap = m[2 * axis], m[2 * axis + 1], m[4 + axis], m[8 + axis]
        faces = tuple(size + (k == axis) for k, size in enumerate(shape))
        up, down = (
            np.broadcast_to(v if np.ndim(v) != 1 else np.expand_dims(v, 1 - axis), faces)
            for v in (up, up if down is None else down)
        )
        a = np.zeros_like(total)
        for k, line in itertools.product(range(n if wrap else n + 1), range(shape[1 - axis])):
            upward, downward = (float(np.take(np.take(v, k, axis), line)) for v in (up, down))
            lower, upper = (
                int(np.take(np.take(cells, place % n, axis), line))
                if wrap or 0 <= place < n
                else None
                for place in (k - 1, k)
            )
            for source, target, amount in ((lower, upper, upward), (upper, lower, downward)):
                if source is not None:
                    a[source, source] -= amount
                if target is not None:  # what comes from outside is as much as is here
                    a[target, target if source is None else source] += amount
        if inverse is not None:
            a *= np.broadcast_to(np.expand_dims(inverse, 1 - axis), shape).reshape(-1, 1)
        total += a
    return total if m.loss is None else total - np.diag(m.loss.ravel())


def medium(
    shape: tuple[int, int],
    kind: str,
    wraps: Sequence[bool] = (False, False),
    dtype: Any = np.float64,
    seed: int = 3,
) -> Medium:
    """Return a random medium: numbers, vectors or fields, with flow or not, closed or open.

    Open ones have cells of unequal measures, losses and sources.
    """
    rng = np.random.default_rng(seed)
    faces: list[Any] = []
    for axis, n in enumerate(shape):
        size = tuple(m + (k == axis) for k, m in enumerate(shape))
        for way in ("up", "down"):
            face = rng.random(size if "fields" in kind else n + 1).astype(dtype) / 8
            ends = np.moveaxis(face, axis if face.ndim == 2 else 0, 0)
            if "flow" in kind:
                ends[[0, -1]] = ends[0] if wraps[axis] else 0.0
            elif wraps[axis]:
                ends[-1] = ends[0]
            if n == 1:
                ends[:] = 0.0
            faces.append(None if way == "down" and "flow" not in kind else face)
    if "numbers" in kind:
        faces = [v if v is None else 0.1 + 0.07 * k for k, v in enumerate(faces)]
    inverses, rates = [None, None], [None, None]
    if "open" in kind:
        inverses = [0.5 + rng.random(n).astype(dtype) for n in shape]
        rates = [rng.random(shape).astype(dtype) / 9 for _ in range(2)]
    return Medium(*faces, *inverses, *rates, *map(bool, wraps))


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


def single_pair(particle: int, key: Sequence[int], sub_step: int, draw: int) -> tuple[float, float]:
    """Two deviates of two words; a neighbour of an odd number has the other two of the counter."""
    w = words(particle // 2, key, sub_step, draw)[2 * (particle % 2) :][:2]
    radius = math.sqrt(-2.0 * math.log((w[0] + 0.5) / 2.0**32))
    angle = math.pi / 2 * (w[1] / 2.0**30 - 0.5)
    return radius * math.cos(angle), radius * math.sin(angle)


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
        deviates = single_pair(first + k, key, 0, JUMP)
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
    begin: float,
    end: float,
    tail: Array,
    thresholds: Array,
    shape: tuple[int, int],
    wraps: Sequence[bool],
) -> Array:
    """One particle after the other, block after block of 16 mean hops, hop after hop."""
    cell = cell.copy()
    for k in range(len(cell)):
        at = list(divmod(int(cell[k]), shape[1]))
        for block in range(int(begin // 16), int(end // 16) + 1):
            a, b, _, _ = words(first + k, key, block, COUNT)
            many = int(np.searchsorted(tail, unit(a, b), side="right"))
            times = [words(first + k, key, block * 32 + m // 4, TIME)[m % 4] / 2.0**32
                     for m in range(many)]  # fmt: skip
            early = sum(time < np.floor((begin / 16 - block) * 2**32) / 2**32 for time in times)
            late = sum(time < np.floor((end / 16 - block) * 2**32) / 2**32 for time in times)
            for m in range(early, late):
                word = words(first + k, key, block * 32 + m // 4, HOP)[m % 4]
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
