"""collapse: a field of whole numbers; all particles of a cell move at once, by binomial deviates.

What many independent particles do is known by their numbers alone. Of n in a cell the number that
takes a move of probability p is a binomial deviate, and each further move splits what is left, so
no particle is lost or made, and 10^15 of them cost hardly more than 10^6. Three ways, one law:

- by the transition matrix P = 1 + L / fastest, jump after jump: before jump k + 1 each particle
  stops unless its Poisson number of jumps K is larger, P(K > k | K >= k). The law is exactly
  exp(t L), whatever a generator can express. Particles leave by the sides and by decay; newcomers,
  Poisson-many, arrive at times that are uniform in the segment;
- in even closed media between full walls, at once by the density exp(-v) I_j(v) of each axis;
- by a kernel, application after application.

Random numbers are counted by cell, so no division into chunks or threads changes a bit.

A. Jensen, Skand. Aktuarietidskr. 36 (1953) 87-91; W. Hörmann, J. Stat. Comput. Simul. 46 (1993)
101-110; T. Lindeberg, IEEE PAMI 12 (1990) 234-254.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Annotated, Any, Literal, NamedTuple, Self

import numpy as np
from pydantic import Field, PrivateAttr

from diffusim import convolve, kernels
from diffusim.block import Array, Integer, Unsupported
from diffusim.convolve.sides import checked
from diffusim.grid import Grid
from diffusim.jumps import Jumps
from diffusim.kernels.moves import Moves, along, moves
from diffusim.kernels.stopping import halts
from diffusim.methods import SLICE, Method, Plan
from diffusim.particles import arriving, jumps_of, made_of
from diffusim.segment import Segment
from diffusim.sweep import plane

# Seconds per binomial deviate and per particle that moves by itself, on one 3.7 GHz core.
COST_SPLIT, COST_SINGLE = 16e-9, 12e-9
MOST_JUMPS, MOST_WEIGHTS = 10**6, 10**5
# Particles in a course, at the start and coming in: their numbers have to be exact in f64.
MOST = 4e15
# What of a density is left out: nothing that a deviate could tell.
LEFT_OUT = 1e-17

Rows = tuple[int, int]


class Census(NamedTuple):
    """How many particles are in each cell, and what one is worth, in field units times volume."""

    counts: Array
    weight: Array


class OpenCensus(NamedTuple):
    """The same in an open medium, and how many came in by each account less those that left."""

    counts: Array
    weight: Array
    came: Array


class Way(NamedTuple):
    """How a segment is carried: kernel, density or matrix, in how many moves and seconds."""

    name: str
    steps: int
    seconds: float


class Crew(NamedTuple):
    """Who does a segment's work: a map over rows, the rows of each call, and how many at once."""

    each: Callable[..., Any]
    rows: list[Rows]
    threads: int


class Collapse(Method):
    """Counts of independent particles, moved cell by cell.

    Parameters
    ----------
    particles : int
        How many make up the initial field; where that is empty, how many come in over the course.
        Fewer if more than 4 10^15 would come in otherwise.
    jumps : {"auto", "matrix", "density"}
        Jumps of the transition matrix, one move by the density of the whole segment, which takes an
        even closed medium between full walls, or whichever is planned to be faster.
    threads, chunks : int
        Threads that share the rows, and parts they are divided into; neither changes a result.
    """

    needs = ("convolution", "medium", "generator")
    handles = frozenset({"walls", "uneven", "flow", "open", "affine", "radial", "empty"})
    limit = "lattice"
    statistical = True
    positive = True
    fields = 20.0
    pace = "jump"

    particles: Annotated[Integer, Field(ge=1, le=10**15)] = 10**9
    jumps: Literal["auto", "matrix", "density"] = "auto"
    threads: Annotated[Integer, Field(ge=1, le=256)] = 1
    chunks: Annotated[Integer, Field(ge=1, le=10**6)] = 1

    # All that comes in over the course, in field units times volume.
    _inflow: float = PrivateAttr(default=0.0)

    def settle(self, course: Sequence[Segment]) -> Self:
        """Find out how much comes in over the whole course."""
        settled = self.model_copy()
        applied = not course or _applies(course[0])
        settled._inflow = 0.0 if applied else arriving(course)[0]
        return settled

    def least(self) -> Self:
        """The same with a handful of particles."""
        return self.model_copy(update={"particles": min(self.particles, 1000)})

    def begin(self, u: Array, origin: Segment) -> Census | OpenCensus:
        """Throw the particles into the cells by the initial field: a multinomial start."""
        from diffusim.loops import counts

        content = u * origin.grid.volume
        number, worth = made_of(float(np.sum(content)), self._inflow, self.particles, MOST)
        found = np.zeros(u.size, dtype=np.int64)
        counts.throw(number, np.ravel(content), *origin.key, found)
        census = Census(found.reshape(u.shape), np.array(worth))
        accounts = origin.propagator.accounts(origin.grid)
        return OpenCensus(*census, np.zeros(len(accounts), np.int64)) if accounts else census

    def plan(self, segment: Segment) -> Plan:
        """Applications, one move, or jumps until all have stopped; refuses more than 10^6."""
        _, steps, seconds = self._way(segment)
        begin = segment.grid.cells * 4 * COST_SPLIT if segment.index == 0 else 0.0
        return Plan(steps, None, begin + seconds)

    def _way(self, segment: Segment) -> Way:
        if _applies(segment):
            count = round(segment.duration)
            return Way("kernel", count, count * self._seconds(_kernel(segment), segment))
        found, refusals = list[Way](), list[Unsupported]()
        for name, way in (("density", self._by_density), ("matrix", self._by_matrix)):
            if self.jumps in ("auto", name):
                try:
                    found.append(way(segment))
                except Unsupported as reason:
                    refusals.append(reason)
        if not found:
            raise refusals[-1]
        return min(found, key=lambda one: one.seconds)

    def _seconds(self, density: Moves, segment: Segment) -> float:
        """Seconds of one move of all particles."""
        cells, ways = segment.grid.cells, density.shares.size
        if self.particles < cells * (1 + ways // 4):
            return self.particles * COST_SINGLE
        return cells * ways * COST_SPLIT

    def _by_density(self, segment: Segment) -> Way:
        return Way("density", 1, sum(self._seconds(one, segment) for one in _densities(segment)))

    def _by_matrix(self, segment: Segment) -> Way:
        read, _ = _matrix(segment)
        mean = read.fastest * segment.duration
        if mean > MOST_JUMPS:
            raise Unsupported(
                f"collapse would make {mean:.2g} jumps between two frames, more than "
                f"{MOST_JUMPS:.0e}; take more frames or fewer cells"
            )
        reach = math.sqrt(2.0 * math.log(10.0 * self.particles))
        steps = math.ceil(mean + reach * math.sqrt(mean) + reach) if mean > 0.0 else 0
        deviates = min(segment.grid.cells, self.particles) * (read.rates.shape[1] + 1)
        return Way("matrix", steps, steps * deviates * COST_SPLIT)

    def advance(self, state: Any, segment: Segment) -> Any:
        """Let all particles move."""
        way = self._way(segment)
        carry = {"kernel": _apply, "density": _move, "matrix": _jump}[way.name]
        with self._crew(plane(state.counts).shape[0], way) as crew:
            return carry(state, segment, crew)

    @contextmanager
    def _crew(self, rows: int, way: Way) -> Iterator[Crew]:
        """Threads, where there are several, and rows so few that no call lasts long."""
        short = int(rows * SLICE * max(1, way.steps) / max(way.seconds, 1e-9))
        size = max(1, min(-(-rows // self.chunks), short))
        parts = [(a, min(a + size, rows)) for a in range(0, rows, size)]
        if self.threads == 1:
            yield Crew(map, parts, 1)
        else:
            with ThreadPoolExecutor(self.threads) as pool:
                yield Crew(pool.map, parts, self.threads)

    def observe(self, state: Any, grid: Grid) -> Array:
        """Counts times what one particle is worth, by volume."""
        return np.asarray(state.counts * (state.weight / grid.volume))

    def extras(self, state: Any) -> dict[str, Array]:
        """How many particles are in each cell; in an open medium accounts and worth of one too."""
        found = {"counts": state.counts}
        if isinstance(state, OpenCensus):
            found |= {"accounts": state.came * state.weight, "weight": state.weight}
        return found

    def through(self, state: Any) -> Array | None:
        """What has come in by each account."""
        return np.asarray(state.came * state.weight) if isinstance(state, OpenCensus) else None


def _applies(segment: Segment) -> bool:
    """Whether the propagator is a kernel that is applied."""
    return hasattr(segment.propagator, "convolution")


# --- by a density ---------------------------------------------------------------------------------


def _kernel(segment: Segment) -> Moves:
    """The moves of a kernel, made once in an epoch; refuses an outside that holds something."""
    view = segment.view("convolution")
    if view.outside != 0.0:
        raise Unsupported(
            f"the outside of this kernel holds {view.outside:g} (grid.edges), and collapse moves "
            "what is inside only; give it the value 0"
        )
    if ("collapse",) not in segment.views:
        shape = plane(np.empty(segment.grid.shape, np.int8)).shape
        weights = view.kernel.reshape((1, *view.kernel.shape)[-2:])
        sides = checked(view.sides, len(segment.grid.shape))
        places = [convolve.places(n, k // 2, *pair)
                  for n, k, pair in zip(shape, weights.shape, sides, strict=True)]  # fmt: skip
        segment.views["collapse",] = moves(weights, places, [np.arange(n) for n in shape])
    return segment.views["collapse",]  # type: ignore[no-any-return]


def _densities(segment: Segment) -> list[Moves]:
    """The moves along each axis in which something moves, for the whole segment."""
    medium, grid = segment.view("medium"), segment.grid
    if segment.propagator.accounts(grid):
        raise Unsupported("something can come in or leave (grid.edges, propagator.decay or "
                          "propagator.source), so collapse has no density there")  # fmt: skip
    if (key := ("collapse", "densities", segment.duration)) not in segment.views:
        shape = plane(np.empty(grid.shape, np.int8)).shape
        found = []
        for axis, closed in enumerate(medium.closed):
            v = 2.0 * medium.diffusivity[axis] * segment.duration / grid.spacing[axis] ** 2
            if v > 0.0 and not np.all(closed) and closed.size > 2:
                density = kernels.truncated(_lattice(v), LEFT_OUT)[0]
                found.append(along(density, closed, axis + 2 - len(grid.shape), shape))
        segment.views[key] = found
    return segment.views[key]  # type: ignore[no-any-return]


def _lattice(variance: float) -> Array:
    if (reach := kernels.REACH * math.sqrt(variance)) > MOST_WEIGHTS:
        raise Unsupported(f"collapse would split each cell {2 * reach:.2g} ways; take more frames")
    return kernels.lattice(variance)


def _scattered(
    here: Array, density: Moves, segment: Segment, step: int, crew: Crew
) -> tuple[Array, int]:
    """Counts after one move, and how many left."""
    from diffusim.loops import counts

    # No more parts are at work at once than there are arrays to add to.
    outs = [np.zeros_like(here) for _ in range(crew.threads)]

    def part(rows: Rows) -> int:
        out = outs.pop()
        lost = counts.scatter(here, rows, *density, step, segment.key, out)
        outs.append(out)
        return lost

    lost = sum(crew.each(part, crew.rows))
    return sum(outs[1:], start=outs[0]), lost


def _move(state: Any, segment: Segment, crew: Crew) -> Any:
    """Move once along each axis."""
    here, steps = plane(state.counts), _densities(segment)
    for number, density in enumerate(steps):
        here, _ = _scattered(here, density, segment, number, crew)
        segment.pulse((number + 1) / len(steps))
    return state._replace(counts=here.reshape(segment.grid.shape))


def _apply(state: Any, segment: Segment, crew: Crew) -> Any:
    """Move by a kernel, as often as the segment is long."""
    here, gone, count = plane(state.counts), 0, round(segment.duration)
    for number in range(count):
        here, lost = _scattered(here, _kernel(segment), segment, number, crew)
        gone += lost
        segment.pulse((number + 1) / count)
    after = state._replace(counts=here.reshape(segment.grid.shape))
    return after._replace(came=state.came - gone) if isinstance(state, OpenCensus) else after


# --- by the transition matrix ---------------------------------------------------------------------


def _matrix(segment: Segment) -> tuple[Jumps, Array]:
    """What can happen to a particle, and each chance among what is left after those before it."""
    if ("collapse",) not in segment.views:
        read = jumps_of(segment)
        chances = read.chances
        stay = np.maximum(1.0 - np.sum(chances, axis=1), 0.0)
        # What round-off leaves of cells that give all away.
        stay[stay < 1e-15] = 0.0
        left = np.cumsum(np.column_stack([chances, stay])[:, ::-1], axis=1)[:, :0:-1]
        shares = np.divide(chances, left, out=np.zeros_like(chances), where=left > 0.0)
        segment.views["collapse",] = read, np.ascontiguousarray(shares)
    return segment.views["collapse",]  # type: ignore[no-any-return]


def _jump(state: Any, segment: Segment, crew: Crew) -> Any:
    """Let those who are there jump, and then those who come in."""
    read, _ = _matrix(segment)
    mean = read.fastest * segment.duration
    stopped = np.zeros(plane(state.counts).shape, np.int64)
    left = np.zeros(read.accounts, np.int64)
    born, entered = _newcomers(read, segment, state.weight, stopped.shape)
    for newborn, active in ((False, plane(state.counts)), (True, born)):
        if mean > 0.0 and np.any(active):
            _until_all_stop(active, newborn, segment, crew, stopped, left)
        else:
            stopped += active
    after = state._replace(counts=stopped.reshape(segment.grid.shape))
    gained = entered - left
    return after._replace(came=state.came + gained) if isinstance(state, OpenCensus) else after


def _newcomers(
    read: Jumps, segment: Segment, weight: Array, shape: tuple[int, ...]
) -> tuple[Array, Array]:
    """How many come in during a segment, by cell and by account."""
    from diffusim.loops import counts

    born = np.zeros(read.births.size, np.int64)
    means = read.births * (segment.duration / float(weight))
    counts.arrive(means, read.cells, read.doors, *segment.key, born)
    where, entered = np.zeros(math.prod(shape), np.int64), np.zeros(read.accounts, np.int64)
    np.add.at(where, read.cells, born)
    np.add.at(entered, read.doors, born)
    return where.reshape(shape), entered


def _until_all_stop(
    active: Array, newborn: bool, segment: Segment, crew: Crew, stopped: Array, left: Array
) -> None:
    """Jump on, adding to those who have stopped and those who have left."""
    from diffusim.loops import counts

    read, shares = _matrix(segment)
    mean = read.fastest * segment.duration
    if (key := ("collapse", "halts", mean, newborn)) not in segment.views:
        segment.views[key] = halts(mean, newborn=newborn)
    stops, goes = segment.views[key]
    n0, n1 = active.shape

    def part(rows: Rows, here: Array, number: int) -> tuple[Rows, Array, Array]:
        arrived = np.zeros((rows[1] - rows[0] + 2, n1), np.int64)
        out = np.zeros(read.accounts, np.int64)
        counts.jump(here, rows, stops[number], goes[number], shares, int(newborn), number,
                    segment.key, arrived, stopped, out)  # fmt: skip
        return rows, arrived, out

    for number in range(stops.size):
        after = np.zeros_like(active)
        work = partial(part, here=active, number=number)
        for (first, last), arrived, out in crew.each(work, crew.rows):
            after[first:last] += arrived[1:-1]
            after[first - 1] += arrived[0]
            after[last % n0] += arrived[-1]
            left += out
        active = after
        segment.pulse((number + 1) / stops.size)
        if not np.any(active):
            return
