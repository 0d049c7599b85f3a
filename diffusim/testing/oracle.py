"""The oracle: answers that share no code with the package.

A dense generator by a plain double loop over cells and faces, with its own areas, resistances and
Bernoulli function, and its matrix exponential; for truths other than the lattice's the same on
grids 5, 9 and 15 times finer along each axis.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from scipy import linalg

from diffusim.block import Array
from diffusim.testing.problems import Barrier, Cage, Problem, Scheduled

FINER = (5, 9, 15)
# Singular values below this part of the largest are zeros.
RANK = 1e-12


class Dense(NamedTuple):
    """The equation du/dt = L u + b on all cells in C order, and what its ledger counts.

    Parameters
    ----------
    parts : list of array
        L by axis, (N, N) each: the faces and sides across it.
    loss, b : array
        Decay in 1/s, and what comes in, (N,) each.
    rows, gains : array
        What each account takes in is rows u + gains, in field units times volume per s.
    """

    parts: list[Array]
    loss: Array
    b: Array
    rows: Array
    gains: Array

    @property
    def matrix(self) -> Array:
        """L itself."""
        return np.asarray(sum(self.parts) - np.diag(self.loss))

    @property
    def split(self) -> list[Array]:
        """L by axis, decay in equal parts."""
        share = np.diag(self.loss) / len(self.parts)
        return [part - share for part in self.parts]


class Truth(NamedTuple):
    """A field, and what has come in by each account since time zero."""

    field: Array
    accounts: Array


# --- geometry -----------------------------------------------------------------------------------


def _area(problem: Problem, axis: int, face: int) -> float:
    """Area of a face per unit of the other axis."""
    r = problem.inner + face * problem.spacing[0]
    if axis == 1 or problem.geometry == "box":
        return 1.0
    return 2.0 * math.pi * r if problem.geometry == "cylindrical" else 4.0 * math.pi * r * r


def _measure(problem: Problem, axis: int, place: int) -> float:
    """Measure of a cell along an axis: the product of both is its volume."""
    h = problem.spacing[axis]
    if axis == 1 or problem.geometry == "box":
        return h
    low = problem.inner + place * h
    high = low + h
    if problem.geometry == "cylindrical":
        return math.pi * (high - low) * (high + low)
    return 4.0 / 3.0 * math.pi * (high - low) * (high * high + high * low + low * low)


def volumes(problem: Problem) -> Array:
    """Return the volume of every cell."""
    volume = np.ones(problem.shape)
    for index in np.ndindex(*problem.shape):
        for axis, place in enumerate(index):
            volume[index] *= _measure(problem, axis, place)
    return volume


# --- faces --------------------------------------------------------------------------------------


def _resistance(problem: Problem, axis: int, face: int, across: int, time: float) -> float:
    """What walls add to a face, in s/m; on a ring the first face is also the last."""
    rims = {0, problem.shape[axis]}
    names = rims if problem.periodic[axis] and face in rims else {face}
    total = 0.0
    for barrier in problem.barriers:
        if not barrier.closed[0] <= time < barrier.closed[1]:
            continue
        if isinstance(barrier, Cage):
            low, high = barrier.region[axis]
            beside = len(problem.shape) == 1 or across in range(*barrier.region[1 - axis])
            stands = beside and any(low <= name <= high for name in names)
        else:
            span = barrier.span or (0, across + 1)
            stands = barrier.axis == axis and barrier.face in names and across in range(*span)
        if stands:
            total += 1.0 / barrier.permeability if barrier.permeability else math.inf
    return total


def _velocity(problem: Problem, axis: int, face: int, across: int, time: float) -> float:
    """Velocity through a face."""
    if not problem.flowing(time):
        return 0.0
    found = 0.0 if problem.drift is None else problem.drift[axis]
    psi = problem.stream
    if psi is not None and axis == 0:
        found += (psi[face, across + 1] - psi[face, across]) / problem.spacing[1]
    elif psi is not None:
        found -= (psi[across + 1, face] - psi[across, face]) / problem.spacing[0]
    return float(found)


def bernoulli(x: float) -> float:
    """B(x) = x / (exp(x) - 1), as x exp(-x/2) / (2 sinh(x/2))."""
    if abs(x) < 1e-4:
        return 1.0 - x / 2.0 + x * x / 12.0
    if abs(x) > 700.0:
        return max(-x, 0.0)
    return x * math.exp(-0.5 * x) / (2.0 * math.sinh(0.5 * x))


def pair(conductance: float, flow: float) -> tuple[float, float]:
    """What a face lets up and down; upwind where nothing diffuses."""
    if conductance == 0.0:
        return max(flow, 0.0), max(-flow, 0.0)
    if flow == 0.0:
        return conductance, conductance
    p = flow / conductance
    return conductance * bernoulli(-p), conductance * bernoulli(p)


def _half(spacing: float, diffusivity: float) -> float:
    return 0.5 * spacing / diffusivity if diffusivity > 0.0 else math.inf


# Every method is held to the same answers, so they are kept; nobody writes into them.
@lru_cache(maxsize=512)
def oracle(problem: Problem, time: float) -> Dense:
    """Return the dense equation at a time, by a double loop over cells and their faces."""
    axes = range(len(problem.shape))
    cells = list(np.ndindex(*problem.shape))
    number = {cell: k for k, cell in enumerate(cells)}
    size, names = len(cells), problem.accounts
    dense = Dense([np.zeros((size, size)) for _ in axes], np.zeros(size), np.zeros(size),
                  np.zeros((len(names), size)), np.zeros(len(names)))  # fmt: skip
    for axis in axes:
        diffusivity = problem.cells(axis, time)
        for cell in cells:
            _upper_face(problem, time, axis, cell, diffusivity, number, dense)
            for end in (0, 1):
                if cell[axis] == end * (problem.shape[axis] - 1):
                    _side(problem, time, axis, end, cell, diffusivity, number[cell], dense)
    volume = volumes(problem).ravel()
    if problem.decay is not None:
        dense.loss[:] = np.broadcast_to(problem.decay, problem.shape).ravel()
        dense.rows[names.index("decay")] = -dense.loss * volume
    if problem.source is not None:
        given = problem.wet(np.array(np.broadcast_to(problem.source, problem.shape))).ravel()
        dense.b[:] += given
        dense.gains[names.index("source")] = np.sum(given * volume)
    return dense


def _solid(problem: Problem, cell: tuple[int, ...]) -> bool:
    return problem.solid is not None and bool(problem.solid[cell])


def _upper_face(
    problem: Problem,
    time: float,
    axis: int,
    cell: tuple[int, ...],
    diffusivity: Array,
    number: dict[tuple[int, ...], int],
    dense: Dense,
) -> None:
    """Join a cell to the next one along an axis."""
    n, place, h = problem.shape[axis], cell[axis], problem.spacing[axis]
    if n == 1 or (place + 1 == n and not problem.periodic[axis]):
        return
    after = (place + 1) % n
    other = tuple(after if k == axis else p for k, p in enumerate(cell))
    across = cell[1 - axis] if len(cell) == 2 else 0
    wall = _resistance(problem, axis, place + 1, across, time)
    if math.isinf(wall) or _solid(problem, cell) or _solid(problem, other):
        return
    area = _area(problem, axis, place + 1)
    conductance = area / (_half(h, diffusivity[cell]) + _half(h, diffusivity[other]) + wall)
    up, down = pair(conductance, area * _velocity(problem, axis, place + 1, across, time))
    here, there, matrix = number[cell], number[other], dense.parts[axis]
    matrix[here, here] -= up / _measure(problem, axis, place)
    matrix[here, there] += down / _measure(problem, axis, place)
    matrix[there, here] += up / _measure(problem, axis, after)
    matrix[there, there] -= down / _measure(problem, axis, after)


def _side(
    problem: Problem,
    time: float,
    axis: int,
    end: int,
    cell: tuple[int, ...],
    diffusivity: Array,
    here: int,
    dense: Dense,
) -> None:
    """Join a cell to what is outside."""
    side = problem.sides.get((axis, end))
    across = cell[1 - axis] if len(cell) == 2 else 0
    face = end * problem.shape[axis]
    wall = _resistance(problem, axis, face, across, time)
    if side is None or math.isinf(wall) or _solid(problem, cell):
        return
    told = side.at(time)
    outside = told[across] if isinstance(told, tuple) else told
    area = _area(problem, axis, face)
    if side.kind == "flux":
        give, take = 0.0, area * outside
    else:
        resistance = _half(problem.spacing[axis], diffusivity[cell]) + wall + 1.0 / side.transfer
        up, down = pair(area / resistance, area * _velocity(problem, axis, face, across, time))
        give, take = (up, down * outside) if end else (down, up * outside)
    own = _measure(problem, axis, cell[axis])
    beside = _measure(problem, 1 - axis, across) if len(cell) == 2 else 1.0
    dense.parts[axis][here, here] -= give / own
    dense.b[here] += take / own
    before = sum((k, e) in problem.sides for k in range(axis + 1) for e in (0, 1)
                 if (k, e) < (axis, end))  # fmt: skip
    dense.rows[before, here] -= give * beside
    dense.gains[before] += take * beside


def oracle_matrix(problem: Problem, time: float) -> Array:
    """Return the dense generator at a time, cells in C order."""
    return oracle(problem, time).matrix


# --- in the course of time ------------------------------------------------------------------------


def stretches(problem: Problem) -> Iterator[tuple[float, float]]:
    """Yield the times between which nothing happens, from zero to the last frame."""
    last = problem.times[-1]
    marks = sorted({0.0, *problem.times, *(t for t in problem.events if 0.0 < t < last)})
    yield from zip(marks, marks[1:], strict=False)


def equations(problem: Problem) -> list[Dense]:
    """Return the equation of each stretch of time."""
    return [oracle(problem, 0.5 * (start + stop)) for start, stop in stretches(problem)]


def ledger_truth(problem: Problem, u: Array) -> list[Truth]:
    """Return the exact fields of the cells and their accounts at every frame time.

    Field, accounts and the number one obey a linear equation together, whose exponential is taken:
    d/dt (u, a, 1) = ((L, 0, b), (rows, 0, gains), (0, 0, 0)) (u, a, 1).
    """
    size, accounts = u.size, len(problem.accounts)
    volume = float(np.mean(volumes(problem)))
    state = np.concatenate([problem.wet(u).ravel(), np.zeros(accounts), [1.0]])
    found = {0.0: state}
    for start, stop in stretches(problem):
        state = _exponential(problem, start, stop) @ state
        found[stop] = state
    return [Truth(found[time][:size].reshape(u.shape), volume * found[time][size:-1])
            for time in problem.times]  # fmt: skip


@lru_cache(maxsize=512)
def _exponential(problem: Problem, start: float, stop: float) -> Array:
    dense = oracle(problem, 0.5 * (start + stop))
    # In volumes of a cell, the rows of the accounts are as large as those of L.
    volume, size = float(np.mean(volumes(problem))), dense.b.size
    whole = np.zeros((size + dense.gains.size + 1,) * 2)
    whole[:size, :size], whole[:size, -1] = dense.matrix, dense.b
    whole[size:-1, :size], whole[size:-1, -1] = dense.rows / volume, dense.gains / volume
    return np.asarray(linalg.expm((stop - start) * whole))


def lattice_truth(problem: Problem, u: Array) -> list[Array]:
    """Return the exact fields of the cells at every frame time."""
    return [truth.field for truth in ledger_truth(problem, u)]


def steady_state(problem: Problem, u: Array) -> Array | None:
    """Return a field with L u + b = 0, or None where events or what comes in leave none.

    Of those that differ by what nothing changes, it is the one nearest to a start.
    """
    if problem.events:
        return None
    dense = oracle(problem, 0.0)
    left, sizes, right = linalg.svd(dense.matrix)
    moves = sizes > RANK * max(float(sizes[0]), 1e-300)
    held = (left.T @ -dense.b)[moves] / sizes[moves]
    rest = right[~moves]
    found = right[moves].T @ held + rest.T @ (rest @ problem.wet(u).ravel())
    left_over = np.max(np.abs(dense.matrix @ found + dense.b))
    scale = float(sizes[0]) * float(np.max(np.abs(found)))
    return found.reshape(u.shape) if left_over <= 1e-13 * scale else None


# --- truths other than the lattice's --------------------------------------------------------------


def even(problem: Problem) -> bool:
    """Whether every axis can be carried by itself: full walls only, in even water at rest."""
    full = all(b.span is None if isinstance(b, Barrier)
               else all((0, n) == ends for n, ends in zip(problem.shape, b.region, strict=True))
               for b in problem.barriers if not b.permeability)  # fmt: skip
    let_through = any(barrier.permeability for barrier in problem.barriers)
    more = problem.accounts or problem.flows or problem.solid is not None
    plain = not (problem.uneven or let_through or more)
    return full and plain and problem.geometry == "box"


def _finer_axis(problem: Problem, axis: int, finer: int) -> Problem:
    """One axis of an even problem by itself, with each cell divided."""
    n, walls = problem.shape[axis], list[Barrier | Cage]()
    for barrier in problem.barriers:
        if isinstance(barrier, Cage):
            walls += [Barrier(0, finer * face, None, barrier.closed) for face in range(n + 1)]
        elif barrier.axis == axis:
            walls.append(Barrier(0, finer * barrier.face, None, barrier.closed))
    h, given = problem.spacing[axis] / finer, problem.diffusivity
    times = given.times if isinstance(given, Scheduled) else (0.0,)
    d = Scheduled(times, tuple(float(problem.cells(axis, time).flat[0]) for time in times))
    wrap = (problem.periodic[axis],)
    return Problem("", (n * finer,), (h,), problem.times, wrap, d, tuple(walls))


@lru_cache(maxsize=512)
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
