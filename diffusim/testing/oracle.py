"""The oracle: answers that share no code with the methods.

A dense generator by a double loop over the cells, with face conductances from plain numbers, and
its matrix exponential; for truths other than the lattice's the same on grids 5, 9 and 15 times
finer along each axis.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from scipy import linalg

from diffusim.block import Array
from diffusim.testing.problems import Barrier, Cage, Problem

FINER = (5, 9, 15)


def _closed(problem: Problem, axis: int, face: int, across: int, time: float) -> bool:
    """Whether a face is closed; on a ring the first face is also the last."""
    rims = {0, problem.shape[axis]}
    names = rims if face in rims else {face}
    for barrier in problem.barriers:
        if not barrier.closed[0] <= time < barrier.closed[1]:
            continue
        if isinstance(barrier, Cage):
            low, high = barrier.region[axis]
            beside = len(problem.shape) == 1 or across in range(*barrier.region[1 - axis])
            if beside and any(low <= name <= high for name in names):
                return True
        elif (
            barrier.axis == axis
            and barrier.face in names
            and across in range(*(barrier.span or (0, across + 1)))
        ):
            return True
    return False


def oracle_matrix(problem: Problem, time: float) -> Array:
    """Return the dense generator at a time, cells in C order, by a double loop over them.

    Two cells exchange content at the rate of their harmonic mean diffusivity over the squared
    spacing.
    """
    nx, ny = (*problem.shape, 1)[:2]
    cells = [problem.cells(axis).reshape(nx, ny) for axis in range(len(problem.shape))]
    matrix = np.zeros((nx * ny, nx * ny))
    for i in range(nx):
        for j in range(ny):
            for axis, d in enumerate(cells):
                n = problem.shape[axis]
                place, across = ((i, j), (j, i))[axis]
                if n == 1 or (place + 1 == n and not problem.periodic[axis]):
                    continue
                a, b = (((i + 1) % nx, j), (i, (j + 1) % ny))[axis]
                if _closed(problem, axis, place + 1, across, time) or d[i, j] * d[a, b] == 0.0:
                    continue
                rate = 2.0 / (1.0 / d[i, j] + 1.0 / d[a, b]) / problem.spacing[axis] ** 2
                here, there = i * ny + j, a * ny + b
                matrix[here, here] -= rate
                matrix[there, there] -= rate
                matrix[here, there] += rate
                matrix[there, here] += rate
    return matrix


def stretches(problem: Problem) -> Iterator[tuple[float, float]]:
    """Yield the times between which nothing happens, from zero to the last frame."""
    last = problem.times[-1]
    marks = sorted({0.0, *problem.times, *(t for t in problem.events if 0.0 < t < last)})
    yield from zip(marks, marks[1:], strict=False)


def lattice_truth(problem: Problem, u: Array) -> list[Array]:
    """Return exp(t L) u of the cells at every frame time."""
    found = {0.0: u}
    for start, stop in stretches(problem):
        matrix = oracle_matrix(problem, 0.5 * (start + stop))
        u = (linalg.expm((stop - start) * matrix) @ u.ravel()).reshape(problem.shape)
        found[stop] = u
    return [found[time] for time in problem.times]


def even(problem: Problem) -> bool:
    """Whether every axis can be carried by itself: full walls only and one diffusivity per axis."""
    full = all(b.span is None if isinstance(b, Barrier)
               else all((0, n) == ends for n, ends in zip(problem.shape, b.region, strict=True))
               for b in problem.barriers)  # fmt: skip
    return full and not problem.uneven


def _finer_axis(problem: Problem, axis: int, finer: int) -> Problem:
    """One axis of an even problem by itself, with each cell divided."""
    n, walls = problem.shape[axis], list[Barrier | Cage]()
    for barrier in problem.barriers:
        if isinstance(barrier, Cage):
            walls += [Barrier(0, finer * face, None, barrier.closed) for face in range(n + 1)]
        elif barrier.axis == axis:
            walls.append(Barrier(0, finer * barrier.face, None, barrier.closed))
    h, d = problem.spacing[axis] / finer, float(problem.cells(axis).flat[0])
    wrap = (problem.periodic[axis],)
    return Problem("", (n * finer,), (h,), problem.times, wrap, d, tuple(walls))


def finer_truth(problem: Problem, limit: str, finer: int) -> list[Array]:
    """Return the lattice's answer on a finer grid, seen on the cells of the problem's own.

    For ``continuum`` the smooth start is sampled at the finer centres, and the answer at those of
    the cells; for ``cell-to-cell`` the rough start is spread evenly in each cell, again at every
    event, and averaged.
    """
    smooth = limit == "continuum"
    axes = [_finer_axis(problem, axis, finer) for axis in range(len(problem.shape))]
    u = problem.smooth(finer) if smooth else _spread(problem.field(), finer)
    found: dict[float, Array] = {}
    solved: list[tuple[Array, Array]] = []
    for start, stop in [(0.0, 0.0), *stretches(problem)]:
        changed = start in problem.events
        if changed and not smooth:
            u = _spread(_averaged(u, problem.shape), finer)
        if changed or not solved:
            solved = [linalg.eigh(oracle_matrix(line, 0.5 * (start + stop))) for line in axes]
        for axis, (rates, modes) in enumerate(solved):
            carry = modes * np.exp((stop - start) * rates) @ modes.T
            u = np.moveaxis(np.tensordot(carry, u, axes=(1, axis)), 0, axis)
        middle = (slice(finer // 2, None, finer),) * u.ndim
        found[stop] = u[middle] if smooth else _averaged(u, problem.shape)
    return [found[time] for time in problem.times]


def _spread(u: Array, finer: int) -> Array:
    for axis in range(u.ndim):
        u = np.repeat(u, finer, axis)
    return u


def _averaged(u: Array, shape: tuple[int, ...]) -> Array:
    for axis, n in enumerate(shape):
        u = np.stack([part.mean(axis) for part in np.split(u, n, axis)], axis)
    return u


def extrapolated(levels: Sequence[Sequence[Array]]) -> list[Array]:
    """Return the limit of answers on finer grids: the polynomial in h^2 through them at h = 0."""
    squares = [float(finer) ** -2 for finer in FINER]
    weights = [
        float(np.prod([other / (other - own) for other in squares if other != own]))
        for own in squares
    ]
    frames = zip(*levels, strict=True)
    return [np.tensordot(weights, np.stack(found), 1) for found in frames]
