"""What methods share that carry a field by the generator of its cells, at once or in steps."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, NamedTuple, Self

import numpy as np
from pydantic import Field, PrivateAttr, model_validator

from diffusim.block import Array, Invalid, Seconds, Unsupported
from diffusim.generator import Generator
from diffusim.grid import Grid
from diffusim.method import ANY_START, Method, Plan, Prediction
from diffusim.propagator import Limit
from diffusim.segment import Segment

# What a generator can be: everything but what later propagators may bring.
GENERATOR = frozenset({"walls", "uneven", "flow", "affine", "open", "radial"})

# What a kernel that is applied can be.
KERNEL = frozenset({"mask", "collects", "open", "affine"})

# A compiled call lasts at most about this long, so that a signal or a progress bar need not wait.
SLICE = 0.2
ROUND_OFF = 1e-12
MOST_STEPS = 10**9
# Radians of the fastest wave on the cells in a step, where no dt is given.
PERIOD = 0.25
# Part of the time in which the fastest of what grows does so by e, likewise.
GROWTH = 0.05
ROUNDING = 4e-15
# Steps until the first frame after an event where no dt is given; later steps are as long.
STEPS_PER_AGE = 64


class Balance(NamedTuple):
    """A field in an open medium, and what has come in by each of its accounts."""

    field: Array
    accounts: Array


class Accounted(Method):
    """What the methods share whose state is the field, or in an open medium a `Balance`."""

    def observe(self, state: Any, _grid: Grid) -> Array:
        """Return the field."""
        return np.asarray(state.field if isinstance(state, Balance) else state)

    def extras(self, state: Any) -> dict[str, Array]:
        """The accounts of an open medium."""
        return {"accounts": state.accounts} if isinstance(state, Balance) else {}

    def through(self, state: Any) -> Array | None:
        """What has come in by each account."""
        return state.accounts if isinstance(state, Balance) else None


class Balanced(Accounted):
    """What the methods share that carry a field, and keep a balance of what comes in and leaves.

    In a closed medium the state is the field. In an open one it is a `Balance`: what goes through
    each side, decays or comes up is counted in accounts of its own, from the integral of the field
    over time as the method itself took it, so the balance closes to round-off.
    """

    @abstractmethod
    def carry(self, u: Array, segment: Segment, *, integrate: bool) -> tuple[Array, list[Array]]:
        """Carry a field over a segment.

        Returns
        -------
        tuple
            The field at the end, and if ``integrate`` its integral over the segment for each axis
            such that u(stop) = u(start) + sum over axes of L_k integral_k + duration b; after them,
            where it is not their mean, the integral by which things decay.
        """

    def begin(self, u: Array, origin: Segment) -> Any:
        """The field, and empty accounts where the medium is open."""
        accounts = origin.propagator.accounts(origin.grid)
        return Balance(u, np.zeros(len(accounts))) if accounts else u

    def advance(self, state: Any, segment: Segment) -> Any:
        """Carry the field, and add to the accounts what went through them."""
        if not isinstance(state, Balance):
            return self.carry(state, segment, integrate=False)[0]
        u, integrals = self.carry(state.field, segment, integrate=True)
        generator: Generator = segment.view("generator")
        came = generator.ledger(integrals, segment.duration)
        return Balance(u, state.accounts + came)


class OnLattice(Balanced):
    """What the methods share that carry a field by the generator of its cells."""

    needs = ("generator",)
    handles = GENERATOR | ANY_START
    limit = "lattice"


class Applying(Balanced):
    """What the methods share that apply a kernel a whole number of times."""

    needs = ("convolution",)
    handles = KERNEL | ANY_START
    limit = "lattice"
    fields = 5.0

    @abstractmethod
    def apply(self, u: Array, convolution: Any, count: int) -> Array:
        """Apply a kernel to a field so many times."""

    @abstractmethod
    def cost(self, convolution: Any, shape: tuple[int, ...], count: int) -> float:
        """Seconds of that many applications."""

    def plan(self, segment: Segment) -> Plan:
        """As many applications as the segment is long."""
        count = round(segment.duration)
        convolution = segment.view("convolution")
        return Plan(count, None, self.cost(convolution, segment.grid.shape, count))

    def carry(self, u: Array, segment: Segment, *, integrate: bool) -> tuple[Array, list[Array]]:
        """Apply the kernel; nothing is integrated, see `advance`."""
        count, _, seconds, _ = self.plan(segment)
        convolution = segment.view("convolution")
        for first, last in slices(count, seconds):
            u = self.apply(u, convolution, last - first)
            segment.pulse(last / count)
        return u, []

    def advance(self, state: Any, segment: Segment) -> Any:
        """Apply the kernel, and where content can leave count before each time what will."""
        if not isinstance(state, Balance):
            return self.carry(state, segment, integrate=False)[0]
        convolution = segment.view("convolution")
        inflow = self._inflow(segment)
        volume = float(np.mean(segment.grid.volume))
        u, came = state.field, 0.0
        for number in range(round(segment.duration)):
            came += (float(np.sum((convolution.kept - 1.0) * u)) + inflow) * volume
            u = self.apply(u, convolution, 1)
            segment.pulse((number + 1) / segment.duration)
        return Balance(u, state.accounts + came)

    def _inflow(self, segment: Segment) -> float:
        """What one application brings in from outside."""
        convolution = segment.view("convolution")
        if convolution.outside == 0.0:
            return 0.0
        if ("inflow",) not in segment.views:
            nothing = np.zeros(segment.grid.shape)
            segment.views["inflow",] = float(np.sum(self.apply(nothing, convolution, 1)))
        return float(segment.views["inflow",])

    def predict(self, before: Prediction | None, _reference: Array, segment: Segment) -> Prediction:
        """Round-off of as many applications."""
        own = 1e-14 * math.sqrt(segment.duration) + 3e-16 * segment.duration
        return Prediction((float(before.error) if before else ROUND_OFF) + own)


class Spread(NamedTuple):
    """A field now, and as it was at the last event."""

    now: Array
    start: Array


class Jumping(Balanced):
    """What the methods share that carry a field at once, in a limit that is an option of theirs.

    Parameters
    ----------
    limit : {"lattice", "continuum", "cell-to-cell"}
        Which truth to give. ``cell-to-cell`` is no semigroup: it is always one jump from the last
        event, at which particles are taken to be spread uniformly in their cells again.
    """

    limit: Limit = "lattice"  # type: ignore[misc]

    @abstractmethod
    def jump(self, u: Array, segment: Segment, duration: float) -> Array:
        """Carry a field over a duration by the law of particles."""

    def begin(self, u: Array, origin: Segment) -> Any:
        """The field itself, and where the limit asks for it the field at the last event."""
        return Spread(u, u) if self.limit == "cell-to-cell" else super().begin(u, origin)

    def advance(self, state: Any, segment: Segment) -> Any:
        """Jump from the last event where the limit asks for it, else from the last frame."""
        if not isinstance(state, Spread):
            return super().advance(state, segment)
        start = state.now if segment.start == segment.since else state.start
        return Spread(self.jump(start, segment, segment.stop - segment.since), start)

    def observe(self, state: Any, grid: Grid) -> Array:
        """Return the field now."""
        return state.now if isinstance(state, Spread) else super().observe(state, grid)

    def memory(self, grid: Grid) -> int:
        """The field now and, where the limit asks for it, as it was at the last event."""
        return (2 if self.limit == "cell-to-cell" else 1) * super().memory(grid)


class Stepping(Balanced):
    """What the methods share that take equal steps in time.

    Parameters
    ----------
    dt : float, optional
        Longest step in s; each segment is divided into equal steps no longer than this.
    """

    dt: Annotated[Seconds, Field(gt=0)] | None = None

    _division: int = PrivateAttr(default=1)

    def finer(self) -> Self | None:
        """The same with every step divided into two."""
        other = self.model_copy()
        other._division = 2 * self._division
        return other

    def steps(self, segment: Segment, longest: float) -> int:
        """Number of equal steps of a segment, none longer than ``longest``.

        Raises
        ------
        Unsupported
            When there would be more than 10^9.
        """
        wanted = segment.duration / longest
        if wanted > MOST_STEPS:
            raise Unsupported(
                f"{self.word} would take {wanted:.2g} steps, more than {MOST_STEPS:g}"
            )
        return max(1, math.ceil(wanted * (1 - 1e-12))) * self._division

    def longest(self, segment: Segment) -> float:
        """Longest step in s: the option ``dt``, or a part of the time since the last event.

        Waves do not calm down with age: they need a part of the shortest period.
        """
        if self.dt is not None:
            return self.dt
        age = (segment.stop - segment.since) / STEPS_PER_AGE
        generator: Generator = segment.view("generator")
        if generator.turn != 1.0:
            return min(age, PERIOD / generator.fastest) if generator.fastest else age
        grows = 0.0 if generator.loss is None else -float(np.min(generator.loss))
        return min(age, GROWTH / grows) if grows > 0.0 else age


class Adaptive(OnLattice, Stepping):
    """What implicit and super steps share: all are alike, or as long as an error allows.

    Parameters
    ----------
    tolerance : float, optional
        Choose steps so that a segment adds at most this relative error, as estimated by taking
        each step again as two halves.
    """

    tolerance: Annotated[float, Field(ge=1e-13, lt=1)] | None = None

    @property
    def chooses_steps(self) -> bool:
        """Whether a tolerance decides the number of steps."""
        return self.tolerance is not None

    @abstractmethod
    def prepared(self, generator: Generator, dt: float) -> Any:
        """What steps of one length need, made once."""

    @abstractmethod
    def take(
        self,
        u: Array,
        generator: Generator,
        work: Any,
        dt: float,
        count: int,
        totals: Sequence[Array],
        *,
        fresh: bool,
    ) -> None:
        """Advance ``u`` in place by equal steps, adding up what integrates it over time."""

    def weight(self, dt: float) -> float:
        """What the totals have to be multiplied with to be integrals over time."""
        return dt

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.dt is not None and self.tolerance is not None:
            raise ValueError("give either 'dt' or a 'tolerance' by which steps are chosen")
        return self

    def finer(self) -> Self | None:
        """The same with every step divided into two; none where a tolerance tells the error."""
        return None if self.tolerance is not None else super().finer()

    def predict(
        self, before: Prediction | None, _reference: Array, segment: Segment
    ) -> Prediction | None:
        """The tolerances of the segments so far."""
        if self.tolerance is None:
            return None
        return Prediction((float(before.error) if before else ROUND_OFF) + self.tolerance)

    def carry(self, u: Array, segment: Segment, *, integrate: bool) -> tuple[Array, list[Array]]:
        """Take the planned steps, or as many as the tolerance asks for."""
        steps, dt, seconds, _ = self.plan(segment)
        generator: Generator = segment.view("generator")
        if dt is None:
            return u, [segment.duration * u] * u.ndim if integrate else []
        u = np.array(u, order="C")
        fresh = segment.start == segment.since
        if self.tolerance is not None:
            return self._chosen(u, segment, dt, fresh, integrate)
        totals = [np.zeros(u.shape) for _ in range(u.ndim)] if integrate else []
        work = self.prepared(generator, dt)
        for first, last in slices(steps, seconds):
            self.take(u, generator, work, dt, last - first, totals, fresh=fresh and first == 0)
            segment.pulse(last / steps)
        return u, [self.weight(dt) * total for total in totals]

    def _chosen(
        self, u: Array, segment: Segment, dt: float, fresh: bool, integrate: bool
    ) -> tuple[Array, list[Array]]:
        """Each step once and again as two halves, which are kept if they are near enough."""
        generator: Generator = segment.view("generator")
        integrals = [np.zeros(u.shape) for _ in range(u.ndim)] if integrate else []
        done, order = 0.0, self.accuracy or 1
        works: dict[float, tuple[Any, Any]] = {}
        while done < segment.duration * (1.0 - 1e-12):
            dt = min(dt, segment.duration - done)
            if dt not in works:
                try:
                    pair = self.prepared(generator, dt), self.prepared(generator, 0.5 * dt)
                except (Invalid, Unsupported):  # longer than this medium allows
                    dt *= 0.5
                    continue
                works = {dt: pair}
            whole, halves = works[dt]
            once, twice = u.copy(), u.copy()
            totals = [np.zeros(u.shape) for _ in integrals]
            self.take(once, generator, whole, dt, 1, [], fresh=fresh)
            self.take(twice, generator, halves, 0.5 * dt, 2, totals, fresh=fresh)
            weight = np.sqrt(generator.volume)
            size = float(np.linalg.norm(weight * twice)) or 1.0
            apart = float(np.linalg.norm(weight * (once - twice))) / size / (2**order - 1)
            # Nothing can be told below round-off.
            allowed = max((self.tolerance or 1.0) * dt / segment.duration, ROUNDING)
            change = 0.9 * (allowed / max(apart, 1e-300)) ** (1.0 / order)
            if apart <= allowed or dt <= 1e-9 * segment.duration:
                u, done, fresh = twice, done + dt, False
                for integral, total in zip(integrals, totals, strict=True):
                    integral += self.weight(0.5 * dt) * total
                segment.pulse(done / segment.duration)
                # A new length costs new factors, so it has to be worth it.
                dt *= min(change, 4.0) if change > 1.5 else 1.0
            else:
                dt *= max(min(change, 0.7), 0.1)
        return u, integrals


def slices(count: int, seconds: float) -> Iterator[tuple[int, int]]:
    """Divide a number of equal pieces of work into parts short enough to be interrupted."""
    batch = max(1, int(count * SLICE / max(seconds, SLICE)))
    for first in range(0, count, batch):
        yield first, min(first + batch, count)
