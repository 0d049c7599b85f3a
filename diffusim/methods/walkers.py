"""walkers: particles that jump at random, each by itself; many of them follow the propagator.

In an even medium between full walls a particle jumps exactly, however long the time: a Gaussian
step of variance 2 D t per axis, folded at the planes round its cell (limit: cell-to-cell; at an
event every particle is placed anew, uniformly within its cell, which is what that limit means).
Between membranes that jump is made in parts so short that one plane at most is in reach, each of
them exact. In every other medium a particle makes Poisson-many jumps of the transition matrix
P = 1 + L / fastest, whose law is exp(t L) without any step (limit: lattice). There it may also
leave, by a side or by decay, and what comes in is a stream of new particles.

Random numbers are counters run through Philox4x32-10, keyed by seed, label and segment and counted
by particle, so no division into chunks or threads changes a bit. Lattice jumps in closed media come
at times of their own, keyed by the epoch: there not even the frames change a path.

J. Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC11 (2011); A. Jensen, "Markoff
chains as an aid in the study of Markoff processes", Skand. Aktuarietidskr. 36 (1953) 87-91.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from typing import Annotated, Any, Literal, NamedTuple, Self, TypeVar

import numpy as np
from pydantic import Field, PrivateAttr

from diffusim.block import Array, Integer, Unsupported
from diffusim.generator import Generator
from diffusim.grid import Grid
from diffusim.medium.doors import late_tail, poisson_tail
from diffusim.methods import SLICE, Beginning, Method, Plan
from diffusim.particles import arriving, between_of, coming_in, doors_of, made_of, possible, still
from diffusim.segment import Segment
from diffusim.sweep import plane

# Seconds per particle, measured on one 3.7 GHz core: drawing its start, an exact jump, a short one
# between membranes, a lattice jump, and one in an open medium.
COST_DRAW, COST_JUMP, COST_CROSS, COST_HOP, COST_LEAVE = 30e-9, 9e-9, 60e-9, 4e-9, 4.5e-9
# What else a particle costs in a segment, in hops.
SETTING_OUT = 16.0
# Jumps in a segment: their distribution is a table, and a few particles a call.
MOST_HOPS = 4e6
# And jumps since an event, which are counted by numbers of 32 bits.
MOST_SINCE = 2e9
# So many times as many as there are at the start may come in.
MOST_COMING = 1e3

Found = TypeVar("Found")


class Cloud(NamedTuple):
    """Particles: where they are, how many are in each cell, and what one is worth.

    The worth is in field units times volume; ``paths`` holds the places in m of those followed.
    """

    place: Array
    counts: Array
    weight: Array
    paths: Array


class OpenCloud(NamedTuple):
    """The same in an open medium, with the accounts.

    Entries of ``place`` below zero are none; ``followed`` tells where in it the particles are whose
    paths are kept, -1 once they have left.
    """

    place: Array
    counts: Array
    weight: Array
    paths: Array
    accounts: Array
    followed: Array


class Walkers(Method):
    """Independent random walkers.

    Parameters
    ----------
    particles : int
        How many there are at the start; in an open medium that starts empty, how many come in over
        the whole course.
    limit : {"auto", "cell-to-cell", "lattice"}
        Exact jumps, lattice jumps, or exact ones wherever the medium allows them throughout.
    draws : {"independent", "stratified", "sobol"}
        How starts are drawn from the initial field: each by itself, one in each of as many equal
        parts, or by scrambled points of Sobol's sequence, which exact jumps then follow as well.
    paths : int
        How many particles of the start are followed: their places are stored with every frame.
    threads, chunks : int
        Threads that share the particles, and parts they are divided into; neither changes a result.
    """

    needs = ("medium", "generator")
    handles = frozenset({"walls", "uneven", "flow", "open", "affine", "radial", "empty"})
    statistical = True
    positive = True
    fields = 5.0

    particles: Annotated[Integer, Field(ge=1, le=10**10)] = 10**6
    limit: Literal["auto", "cell-to-cell", "lattice"] = "auto"  # type: ignore[assignment, misc]
    draws: Literal["independent", "stratified", "sobol"] = "independent"
    paths: Annotated[Integer, Field(ge=0, le=1000)] = 0
    threads: Annotated[Integer, Field(ge=1, le=256)] = 1
    chunks: Annotated[Integer, Field(ge=1, le=10**6)] = 1

    # What comes in over the whole course, in field units times volume.
    _arriving: float = PrivateAttr(0.0)
    # The most of it in one segment, and what the lightest particle is worth.
    _burst: float = PrivateAttr(0.0)
    _lightest: float = PrivateAttr(0.0)

    def settle(self, course: Sequence[Segment]) -> Self:
        """Choose exact jumps if every segment allows them, else lattice jumps throughout."""
        chosen = self.limit if self.limit != "auto" else possible(course)
        settled = self.model_copy(update={"limit": chosen})
        if chosen == "lattice":
            settled._arriving, settled._burst = arriving(course)
        return settled

    def started(self, beginning: Beginning) -> Self:
        """The same, knowing how many will come in beside those that are there at first."""
        known = self.model_copy()
        known._lightest = min((self._made(whole)[1] for whole in beginning.contents), default=0.0)
        return known

    def least(self) -> Self:
        """The same with a handful of particles."""
        return self.model_copy(update={"particles": min(self.particles, 1000)})

    def memory(self, grid: Grid) -> int:
        """Positions, two numbers or the number of a cell, and the counts."""
        each = 16 if self.limit == "cell-to-cell" else 4
        coming = self._burst / self._lightest if self._lightest else 0.0
        return int((self.particles + coming) * each) + super().memory(grid)

    def plan(self, segment: Segment) -> Plan:
        """One exact jump, or the mean number of lattice jumps; refuses more than 4e6 of them."""
        begin = self.particles * COST_DRAW if segment.index == 0 else 0.0
        if self.limit == "cell-to-cell":
            found = between_of(segment)
            parts = found.parts(segment.grid, segment.duration)
            each = parts * COST_CROSS if found.permeability else COST_JUMP
            return Plan(parts, None, begin + self.particles * each)
        generator: Generator = segment.view("generator")
        if not generator.closed:
            doors_of(segment)
        hops = generator.fastest * segment.duration
        if hops > MOST_HOPS:
            raise Unsupported(
                f"walkers would make {hops:.2g} lattice jumps each between two frames, more than "
                f"{MOST_HOPS:.2g}; take more frames or fewer cells"
            )
        since = generator.fastest * (segment.stop - segment.since)
        if since > MOST_SINCE:
            raise Unsupported(
                f"walkers would make {since:.2g} lattice jumps each since the last event, more "
                f"than {MOST_SINCE:.2g}; take fewer cells"
            )
        seconds = self._seconds(segment, hops) if hops else 0.0
        return Plan(math.ceil(hops), None, begin + seconds)

    def _seconds(self, segment: Segment, hops: float) -> float:
        """Seconds of a segment's hops, also of those who come in, and of none who have left."""
        generator: Generator = segment.view("generator")
        if generator.closed:
            return self.particles * (hops + SETTING_OUT) * COST_HOP
        lost = float(np.mean(np.broadcast_to(generator.drains, generator.shape)))
        life = generator.fastest / lost if lost else math.inf
        coming = doors_of(segment).births * segment.duration
        coming = coming / self._lightest if self._lightest else 0.0
        # Most of those who come in through a side leave by it again soon.
        stay = min(0.5 * hops, 2.0 * max(generator.shape), life)
        stays = self.particles * (min(hops, life) + SETTING_OUT)
        return (stays + coming * (stay + SETTING_OUT)) * COST_LEAVE

    def begin(self, u: Array, origin: Segment) -> Cloud | OpenCloud:
        """Draw every particle's cell from the initial field, and its place within the cell."""
        grid = origin.grid
        content = u * grid.volume if grid.radial else u
        total = float(np.sum(content))
        worth = total if grid.radial else total * float(grid.volume)
        number, one = self._made(worth)
        weight = np.array(one)
        place, counts = self._drawn(content, number, origin.key)
        counts = counts.reshape(u.shape)
        followed = np.full(self.paths, -1)
        followed[:number] = np.arange(min(number, self.paths))
        paths = self._places(place, followed, grid)
        if accounts := origin.propagator.accounts(grid):
            return OpenCloud(place, counts, weight, paths, np.zeros(len(accounts)), followed)
        return Cloud(place, counts, weight, paths)

    def _made(self, whole: float) -> tuple[int, float]:
        """How many particles a start is made of, and what one is worth."""
        return made_of(whole, self._arriving, self.particles, MOST_COMING * self.particles)

    def _drawn(self, content: Array, number: int, key: tuple[int, int]) -> tuple[Array, Array]:
        """Places of particles in proportion to the content of the cells, and the counts."""
        from diffusim.loops import particles, sobol, strata

        exact = self.limit == "cell-to-cell"
        place = np.empty((2, number) if exact else number, dtype=float if exact else np.int32)
        shape = plane(content).shape
        if number == 0:
            return place, np.zeros(shape, dtype=np.int64)
        cumulative = np.cumsum(content.ravel()) / float(np.sum(content))
        # Cells that hold nothing at the end must not be drawn for a number just below one.
        cumulative[np.flatnonzero(content.ravel())[-1] :] = 1.0
        loops: Any = {"independent": particles, "stratified": strata, "sobol": sobol}[self.draws]
        loop = loops.place if exact else loops.draw_cells
        total = (number,) if self.draws == "stratified" else ()

        def draw(part: slice, counts: Array) -> None:
            loop(place[..., part], part.start, *key, cumulative, counts, *total)

        return place, self._share(draw, number, shape, COST_DRAW)

    def advance(self, cloud: Any, segment: Segment) -> Any:
        """Let every particle jump."""
        if isinstance(cloud, OpenCloud):
            return self._exchange(cloud, segment)
        carry = self._jump if self.limit == "cell-to-cell" else self._hop
        place = cloud.place.copy()
        counts = carry(place, plane(cloud.counts).shape, segment)
        if counts is None:
            return cloud
        paths = self._places(place, np.arange(min(self.paths, place.shape[-1])), segment.grid)
        return Cloud(place, counts.reshape(cloud.counts.shape), cloud.weight, paths)

    def _jump(self, place: Array, shape: tuple[int, ...], segment: Segment) -> Array:
        """Jump exactly: at once, or in parts where membranes stand."""
        from diffusim.loops import membranes, particles, sobol

        found, mixed = between_of(segment), segment.index > 0
        where = segment.grid, segment.duration
        crossing = (*segment.key, *found.crossing(*where)) if found.permeability else None
        free = (*segment.key, *found.free(*where))
        cost = crossing[2] * COST_CROSS if crossing else COST_JUMP

        def jump(part: slice, counts: Array) -> None:
            here, first = place[:, part], part.start
            if segment.opens_epoch:
                particles.scatter_within(here, first, *segment.key, 1)
            if crossing:
                membranes.cross(here, first, *crossing, counts)
            elif self.draws == "sobol":
                sobol.jump(here, first, *free, counts, mixed)
            else:
                particles.jump(here, first, *free, counts)

        return self._share(jump, place.shape[1], shape, 2 * cost, segment.pulse)

    def _hop(self, place: Array, shape: tuple[int, ...], segment: Segment) -> Array | None:
        from diffusim.loops import hops

        generator: Generator = segment.view("generator")
        if generator.fastest == 0.0:
            return None
        thresholds, tail = doors_of(segment).thresholds, poisson_tail(hops.BLOCK)
        # The end of one segment is the start of the next to the last bit, and so are these.
        begin, end = (generator.fastest * (t - segment.since)
                      for t in (segment.start, segment.stop))  # fmt: skip

        def hop(part: slice, counts: Array) -> None:
            hops.hop(place[part], part.start, *segment.epoch_key, begin, end, tail, thresholds,
                     *generator.plane_wrap, counts)  # fmt: skip

        cost = COST_HOP * (end - begin + 16)
        return self._share(hop, place.size, shape, cost, segment.pulse)

    def _exchange(self, cloud: OpenCloud, segment: Segment) -> OpenCloud:
        """Let particles hop and leave; those that come in are numbered after them."""
        from diffusim.loops import exchange

        ways = doors_of(segment)
        place = cloud.place[cloud.place >= 0]
        weight, hops = float(cloud.weight), ways.fastest * segment.duration
        coming = coming_in(ways.births * segment.duration / weight, segment) if weight else 0
        generator: Generator = segment.view("generator")
        tail, late = poisson_tail(hops), late_tail(hops)
        shape, accounts = plane(cloud.counts).shape, cloud.accounts.size

        def carry(here: Array, first: int, tail: Array) -> tuple[Array, Array]:
            counts, left = np.zeros(shape, np.int64), np.zeros(accounts, np.int64)
            exchange.hop_or_leave(here, first, *segment.key, tail, ways.thresholds,
                                  *generator.plane_wrap, counts, left)  # fmt: skip
            return counts, -left

        def old(part: slice) -> tuple[Array, Array, Array]:
            return (*carry(place[part], part.start, tail), place[:0])

        def new(part: slice) -> tuple[Array, Array, Array]:
            here, first = np.empty(part.stop - part.start, np.int32), place.size + part.start
            entered = np.zeros(ways.cells.size, np.int64)
            exchange.enter(here, first, *segment.key, ways.entries, ways.cells, entered)
            counts, came = carry(here, first, late)
            np.add.at(came, ways.accounts, entered)
            return counts, came, here[here >= 0]

        cost, share = COST_LEAVE * (hops + 10), place.size / ((place.size + coming) or 1)
        counts, came = np.zeros(shape, np.int64), np.zeros(accounts, np.int64)
        stayed = []
        for here, there, survivors in chain(
            self._each(old, place.size, cost, lambda done: segment.pulse(share * done)),
            self._each(new, coming, cost, lambda done: segment.pulse(share + (1 - share) * done)),
        ):
            counts += here
            came += there
            stayed.append(survivors)
        stays = place >= 0
        followed = still(cloud.followed, stays) if self.paths else cloud.followed
        place = np.concatenate([place[stays], *stayed])
        return OpenCloud(
            place, counts.reshape(cloud.counts.shape), cloud.weight,
            self._places(place, followed, segment.grid), cloud.accounts + weight * came, followed,
        )  # fmt: skip

    def observe(self, state: Any, grid: Grid) -> Array:
        """Counts times what one particle is worth."""
        return np.asarray(state.counts * (state.weight / grid.volume))

    def extras(self, state: Any) -> dict[str, Array]:
        """How many particles are in each cell, accounts, and the paths of some."""
        found = {"counts": state.counts}
        if isinstance(state, OpenCloud):
            found |= {"accounts": state.accounts, "weight": state.weight}
        return {**found, "paths": state.paths} if self.paths else found

    def through(self, state: Any) -> Array | None:
        """The accounts, in an open medium."""
        return state.accounts if isinstance(state, OpenCloud) else None

    def _places(self, place: Array, followed: Array, grid: Grid) -> Array:
        """Places in m of the particles that are followed; of those that have left, none."""
        found = np.full((self.paths, len(grid.shape)), np.nan)
        there = np.flatnonzero(followed >= 0)
        own = place[..., followed[there]]
        cells = np.unravel_index(own, grid.shape) if own.ndim == 1 else own[-len(grid.shape) :]
        for axis, along in enumerate(cells):
            middle = 0.5 if own.ndim == 1 else 0.0
            found[there, axis] = grid.origin(axis) + grid.spacing[axis] * (along + middle)
        return found

    def _share(
        self,
        work: Callable[[slice, Array], None],
        number: int,
        shape: tuple[int, ...],
        cost: float,
        pulse: Callable[[float], None] = lambda _fraction: None,
    ) -> Array:
        """Do the work on parts of the particles, in threads, and add up the counts."""

        def one(part: slice) -> Array:
            counts = np.zeros(shape, dtype=np.int64)
            work(part, counts)
            return counts

        total = np.zeros(shape, dtype=np.int64)
        for counts in self._each(one, number, cost, pulse):
            total += counts
        return total

    def _each(
        self,
        work: Callable[[slice], Found],
        number: int,
        cost: float,
        pulse: Callable[[float], None],
    ) -> Iterator[Found]:
        """Yield what the work finds in each part of the particles, in order."""
        size = max(1, min(-(-number // self.chunks), max(64, int(SLICE / cost))))
        parts = [slice(a, min(a + size, number)) for a in range(0, number, size)]
        with ThreadPoolExecutor(self.threads) as pool:
            found = map(work, parts) if self.threads == 1 else pool.map(work, parts)
            for done, result in enumerate(found, 1):
                yield result
                pulse(done / len(parts))
