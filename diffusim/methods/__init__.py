"""Methods: *how* a field is carried. One file each; the file's name is the word in YAML.

All that a method must be able to do is ``state = method.advance(state, segment)``. Beside that it
states its facts: which views of a propagator it needs (best first), which traits it handles, which
truth it converges to, and a plan for every segment, which may refuse. Nothing here knows time,
frames or events.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, ClassVar, NamedTuple, Self

import numpy as np
from pydantic import Field, PrivateAttr, model_validator

from diffusim.block import Array, Invalid, Member, Seconds, Unsupported
from diffusim.generator import Generator
from diffusim.grid import Grid
from diffusim.propagators import Limit, Propagator
from diffusim.segment import Segment

Label = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]

# What a method that carries fields can start from: values below zero, or nothing at all.
ANY_START = frozenset({"signed", "empty"})

# What a generator can be: everything but what later propagators may bring.
GENERATOR = frozenset({"walls", "uneven", "flow", "affine", "open", "radial"})

# A compiled call lasts at most about this long, so that a signal or a progress bar need not wait.
SLICE = 0.2
ROUND_OFF = 1e-12
MOST_STEPS = 10**9
# Steps until the first frame after an event where no dt is given; later steps are as long.
STEPS_PER_AGE = 64


class Plan(NamedTuple):
    """What a method will do in a segment: steps, their length and limit in s, seconds of work."""

    steps: int
    dt: float | None
    seconds: float
    longest: float | None = None


class Prediction(NamedTuple):
    """The error that theory expects: a field to be met, or one relative number as a bound.

    ``kept`` is whatever the method wants to see again for the next segment; where theory cannot
    tell the error yet, it is not ``sure``.
    """

    error: Array | float
    kept: Any = None
    sure: bool = True


class Method(Member, family="diffusim.methods"):
    """A way of carrying a field over a segment; see the package's text."""

    needs: ClassVar[tuple[str, ...]]
    handles: ClassVar[frozenset[str]] = frozenset()
    order: ClassVar[int | None] = None
    # A fact of the class, or an option of the instance: subclasses may declare it as a field.
    limit: ClassVar[Limit]
    statistical: ClassVar[bool] = False
    positive: ClassVar[bool] = False
    fields: ClassVar[float] = 4.0

    label: Label | None = None

    @property
    def name(self) -> str:
        """The label, or the word where no label is given."""
        return self.label or self.word

    @property
    def accuracy(self) -> int | None:
        """Order in time with these options; None for an exact method."""
        return self.order

    @property
    def chooses_steps(self) -> bool:
        """Whether the number of steps is decided while they are taken."""
        return False

    @property
    def keeps_sign(self) -> bool:
        """Whether nothing falls below zero with these options, whatever the start."""
        return self.positive

    def finer(self) -> Self | None:
        """The same method with steps half as long, by which the error is told; None if untold."""
        return None

    def settle(self, _course: Sequence[Segment]) -> Self:
        """Return this method with every choice left open decided, having seen the whole course."""
        return self

    def least(self) -> Self:
        """The same method with as little to do as it can have, for loading its loops."""
        return self

    @abstractmethod
    def advance(self, state: Any, segment: Segment) -> Any:
        """Carry a state over a segment; pure, landing exactly on its end."""

    def begin(self, u: Array, _origin: Segment) -> Any:
        """Turn the initial field into a state; what a state is, only the method knows.

        The origin is a segment of no duration before the first, with a key of its own.
        """
        return u

    def observe(self, state: Any, _grid: Grid) -> Array:
        """Turn a state into a field."""
        return np.asarray(state)

    def extras(self, _state: Any) -> dict[str, Array]:
        """Arrays stored beside the field in every frame, such as ``counts``."""
        return {}

    def plan(self, _segment: Segment) -> Plan:
        """Say what a segment will take.

        Raises
        ------
        Unsupported
            When the segment cannot be carried, in words the user can act on.
        """
        return Plan(1, None, 0.0)

    def memory(self, grid: Grid) -> int:
        """Bytes of one state; fields to work in, ``fields`` of them, come on top."""
        return 8 * grid.cells

    def predict(
        self, _before: Prediction | None, _reference: Array, _segment: Segment
    ) -> Prediction | None:
        """Return the error expected at the end of a segment, given the reference there."""
        return None

    def through(self, _state: Any) -> Array | None:
        """What has come in by each account of the medium since time zero, if it is kept."""
        return None

    def facts(self) -> Mapping[str, Any]:
        """Options of this method as they are stored beside its frames."""
        return {"kind": self.word, "limit": self.limit, **self.model_dump(mode="json")}


class Balance(NamedTuple):
    """A field in an open medium, and what has come in by each of its accounts."""

    field: Array
    accounts: Array


class OnLattice(Method):
    """What the methods share that carry a field by the generator of its cells.

    In a closed medium the state is the field. In an open one it is a `Balance`: what goes through
    each side, decays or comes up is counted in accounts of its own, from the integral of the field
    over time as the method itself took it, so the balance closes to round-off.
    """

    needs = ("generator",)
    handles = GENERATOR | ANY_START
    limit = "lattice"

    @abstractmethod
    def carry(self, u: Array, segment: Segment, *, integrate: bool) -> tuple[Array, list[Array]]:
        """Carry a field over a segment.

        Returns
        -------
        tuple
            The field at the end, and if ``integrate`` its integral over the segment for each axis
            such that u(stop) = u(start) + sum over axes of L_k integral_k + duration b.
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

    def observe(self, state: Any, _grid: Grid) -> Array:
        """Return the field."""
        return np.asarray(state.field if isinstance(state, Balance) else state)

    def extras(self, state: Any) -> dict[str, Array]:
        """The accounts of an open medium."""
        return {"accounts": state.accounts} if isinstance(state, Balance) else {}

    def through(self, state: Any) -> Array | None:
        """What has come in by each account."""
        return state.accounts if isinstance(state, Balance) else None


class Stepping(OnLattice):
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
        """Longest step in s: the option ``dt``, or a part of the time since the last event."""
        return self.dt or (segment.stop - segment.since) / STEPS_PER_AGE


class Adaptive(Stepping):
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
            allowed = (self.tolerance or 1.0) * dt / segment.duration
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


def offered(propagator: type[Propagator] | Propagator) -> list[str]:
    """Views that a propagator offers, among all that any method needs."""
    wanted = {
        view for _, m in Method.everyone() if not isinstance(m, Unsupported) for view in m.needs
    }
    return sorted(view for view in wanted if hasattr(propagator, view))


def refusal(method: Method, propagator: Propagator, traits: Mapping[str, str]) -> str | None:
    """Why a method cannot carry this instance of a propagator, or None; plans may refuse further.

    Parameters
    ----------
    traits : mapping
        Traits of the propagator and of the initial field, each with the key that brings it.
    """
    views = offered(propagator)
    if not set(method.needs) & set(views):
        return (
            f"{method.word} needs a {' or a '.join(method.needs)}; "
            f"{propagator.word} offers {', '.join(views)}"
        )
    for trait, key in traits.items():
        if trait not in method.handles:
            able = [w for w, m in Method.everyone() if not isinstance(m, Unsupported)
                    and set(traits) <= m.handles and set(m.needs) & set(views)]  # fmt: skip
            verb = f"start from {key}" if trait in ANY_START else f"carry {trait} ({key})"
            return f"{method.word} cannot {verb}. These can: {', '.join(able) or 'none here'}"
    return None
