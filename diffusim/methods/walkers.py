"""walkers: particles that jump at random, each by itself; many of them follow the propagator.

In an even medium between full walls a particle jumps exactly, however long the time: a Gaussian
step of variance 2 D t per axis, folded at the planes round its cell (limit: cell-to-cell; at an
event every particle is placed anew, uniformly within its cell, which is what that limit means). In
every other medium it makes Poisson-many jumps of the transition matrix P = 1 + L / fastest, whose
law is exp(t L) without any step (limit: lattice).

Random numbers are counters run through Philox4x32-10, keyed by seed, label and segment and counted
by particle, so no division into chunks or threads changes a bit.

J. Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC11 (2011); A. Jensen, "Markoff
chains as an aid in the study of Markoff processes", Skand. Aktuarietidskr. 36 (1953) 87-91.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, Any, Literal, NamedTuple, Self

import numpy as np
from pydantic import Field
from scipy import special

from diffusim.block import Array, Integer, Unsupported
from diffusim.generator import Generator
from diffusim.grid import Grid
from diffusim.methods import SLICE, Method, Plan
from diffusim.segment import Segment
from diffusim.sweep import plane

# Seconds per particle, measured on one 3.7 GHz core: drawing its start, an exact jump, a lattice
# jump.
COST_DRAW, COST_JUMP, COST_HOP = 30e-9, 9e-9, 3e-9
# Jumps in a segment: their distribution is a table, and a few particles a call.
MOST_HOPS = 4e6


class Cloud(NamedTuple):
    """Particles: where they are, how many are in each cell, and what one is worth in the field."""

    place: Array
    counts: Array
    weight: Array


class Walkers(Method):
    """Independent random walkers.

    Parameters
    ----------
    particles : int
        How many; starts are drawn independently from the initial field.
    limit : {"auto", "cell-to-cell", "lattice"}
        Exact jumps, lattice jumps, or exact ones wherever the medium allows them throughout.
    threads, chunks : int
        Threads that share the particles, and parts they are divided into; neither changes a result.
    """

    needs = ("medium", "generator")
    handles = frozenset({"walls", "uneven", "flow"})
    statistical = True
    positive = True
    fields = 5.0

    particles: Annotated[Integer, Field(ge=1, le=10**10)] = 10**6
    limit: Literal["auto", "cell-to-cell", "lattice"] = "auto"  # type: ignore[assignment, misc]
    threads: Annotated[Integer, Field(ge=1, le=256)] = 1
    chunks: Annotated[Integer, Field(ge=1, le=10**6)] = 1

    def settle(self, course: Sequence[Segment]) -> Self:
        """Choose exact jumps if every segment allows them, else lattice jumps throughout."""
        if self.limit != "auto":
            return self
        try:
            for segment in course:
                segment.view("medium")
        except Unsupported:
            return self.model_copy(update={"limit": "lattice"})
        return self.model_copy(update={"limit": "cell-to-cell"})

    def least(self) -> Self:
        """The same with a handful of particles."""
        return self.model_copy(update={"particles": min(self.particles, 1000)})

    def memory(self, grid: Grid) -> int:
        """Positions, two numbers or the number of a cell, and the counts."""
        return self.particles * (16 if self.limit == "cell-to-cell" else 4) + super().memory(grid)

    def begin(self, u: Array, origin: Segment) -> Cloud:
        """Draw every particle's cell from the initial field, and its place within the cell."""
        from diffusim.loops import particles

        key, total = origin.key, float(np.sum(u))
        shape = plane(u).shape
        cumulative = np.cumsum(u.ravel()) / total
        # Cells that hold nothing at the end must not be drawn for a number just below one.
        cumulative[np.flatnonzero(u.ravel())[-1] :] = 1.0
        exact = self.limit == "cell-to-cell"
        place = np.empty((2, self.particles) if exact else self.particles,
                         dtype=float if exact else np.int32)  # fmt: skip

        def draw(part: slice, counts: Array) -> None:
            if exact:
                particles.place(place[:, part], part.start, *key, cumulative, counts)
            else:
                particles.draw_cells(place[part], part.start, *key, cumulative, counts)

        counts = self._share(draw, shape, COST_DRAW)
        return Cloud(place, counts.reshape(u.shape), np.array(total / self.particles))

    def plan(self, segment: Segment) -> Plan:
        """One exact jump, or the mean number of lattice jumps; refuses more than 10^13 of them."""
        begin = self.particles * COST_DRAW if segment.index == 0 else 0.0
        if self.limit == "cell-to-cell":
            segment.view("medium")
            return Plan(1, None, begin + self.particles * COST_JUMP)
        generator: Generator = segment.view("generator")
        jumps = generator.fastest * segment.duration
        if jumps > MOST_HOPS:
            raise Unsupported(
                f"walkers would make {jumps:.2g} lattice jumps each between two frames, more than "
                f"{MOST_HOPS:.2g}; take more frames or fewer cells"
            )
        return Plan(math.ceil(jumps), None, begin + self.particles * jumps * COST_HOP)

    def advance(self, cloud: Cloud, segment: Segment) -> Cloud:
        """Let every particle jump."""
        carry = self._jump if self.limit == "cell-to-cell" else self._hop
        return carry(cloud, segment)

    def _jump(self, cloud: Cloud, segment: Segment) -> Cloud:
        from diffusim.loops import particles

        medium, grid = segment.view("medium"), segment.grid
        sigma = [math.sqrt(2.0 * d * segment.duration) / h
                 for d, h in zip(medium.diffusivity, grid.spacing, strict=True)]  # fmt: skip
        bounds = [_bounds(closed) for closed in medium.closed]
        wraps = [not closed[0] for closed in medium.closed]
        if len(grid.shape) == 1:
            sigma, wraps = [0.0, *sigma], [False, *wraps]
            bounds = [(np.zeros(1), np.ones(1)), *bounds]
        place = cloud.place.copy()

        def jump(part: slice, counts: Array) -> None:
            here = place[:, part]
            if segment.opens_epoch:
                particles.scatter_within(here, part.start, *segment.key, 1)
            particles.jump(
                here, part.start, *segment.key, sigma[0], sigma[1], *bounds[0], *bounds[1],
                wraps[0], wraps[1], counts,
            )  # fmt: skip

        counts = self._share(jump, plane(cloud.counts).shape, 2 * COST_JUMP, segment.pulse)
        return Cloud(place, counts.reshape(grid.shape), cloud.weight)

    def _hop(self, cloud: Cloud, segment: Segment) -> Cloud:
        from diffusim.loops import particles

        generator: Generator = segment.view("generator")
        jumps = generator.fastest * segment.duration
        if jumps == 0.0:
            return cloud
        if ("thresholds",) not in segment.views:
            segment.views["thresholds",] = _thresholds(generator)
        thresholds = segment.views["thresholds",]
        tail = poisson_tail(jumps)
        shape = plane(cloud.counts).shape
        place = cloud.place.copy()

        def hop(part: slice, counts: Array) -> None:
            particles.hop(place[part], part.start, *segment.key, tail, thresholds,
                          *generator.plane_wrap, counts)  # fmt: skip

        counts = self._share(hop, shape, COST_HOP * (jumps + 10), segment.pulse)
        return Cloud(place, counts.reshape(segment.grid.shape), cloud.weight)

    def observe(self, state: Any, _grid: Grid) -> Array:
        """Counts times what one particle is worth."""
        return np.asarray(state.counts * state.weight)

    def extras(self, state: Any) -> dict[str, Array]:
        """How many particles are in each cell."""
        return {"counts": state.counts}

    def _share(
        self,
        work: Callable[[slice, Array], None],
        shape: tuple[int, ...],
        cost: float,
        pulse: Callable[[float], None] = lambda _fraction: None,
    ) -> Array:
        """Do the work on parts of the particles, in threads, and add up the counts."""
        size = min(-(-self.particles // self.chunks), max(64, int(SLICE / cost)))
        parts = [slice(a, min(a + size, self.particles)) for a in range(0, self.particles, size)]

        def one(part: slice) -> Array:
            counts = np.zeros(shape, dtype=np.int64)
            work(part, counts)
            return counts

        total = np.zeros(shape, dtype=np.int64)
        if self.threads == 1:
            for number, part in enumerate(parts):
                total += one(part)
                pulse((number + 1) / len(parts))
            return total
        with ThreadPoolExecutor(self.threads) as pool:
            for number, counts in enumerate(pool.map(one, parts)):
                total += counts
                pulse((number + 1) / len(parts))
        return total


def _bounds(closed: Array) -> tuple[Array, Array]:
    """Planes below and above each cell, in cells; on a ring without planes they are not used."""
    planes = np.flatnonzero(closed) if closed[0] else np.array([0, closed.size - 1])
    cells = np.arange(closed.size - 1)
    above = np.searchsorted(planes, cells, side="right")
    return planes[above - 1].astype(float), planes[above].astype(float)


def _thresholds(generator: Generator) -> Array:
    """Cumulative chances of the four moves from each cell, times 2^32."""
    moves = generator.moves()
    moves = [np.zeros(generator.shape)] * (4 - len(moves)) + moves
    chances = np.cumsum(np.stack([m.ravel() / generator.fastest for m in moves], axis=1), axis=1)
    return np.minimum(np.rint(chances * 2.0**32), 2.0**32).astype(np.uint64)


def poisson_tail(mean: float) -> Array:
    """Cumulative Poisson distribution up to where less than 1e-16 is left; it ends in one."""
    last = math.ceil(mean + 9.0 * math.sqrt(mean) + 30.0)
    tail = special.pdtr(np.arange(last + 1), mean)
    tail[-1] = 1.0
    return np.asarray(tail)
