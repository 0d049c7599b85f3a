"""The method: *how* a field is carried. The members of the family are the files of `methods`.

All that a method must be able to do is ``state = method.advance(state, segment)``. Beside that it
states its facts: which views of a propagator it needs (best first), which traits it handles, which
truth it converges to, and a plan for every segment, which may refuse. Nothing here knows time,
frames or events.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, Self

import numpy as np
from pydantic import Field

from diffusim.block import Array, Member, Unsupported
from diffusim.grid import Grid
from diffusim.propagator import Limit, Propagator
from diffusim.segment import Segment

Label = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]

# The limit of the analytic solution: no limit of any cells, and no view is asked for it.
ANALYTIC = "analytic"

# What a method that carries fields can start from: values below zero, or nothing at all.
ANY_START = frozenset({"signed", "empty"})


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


class Beginning(NamedTuple):
    """What a method may know of the start.

    ``contents`` is what each channel holds at first, in field units times volume, nothing of a
    wave. ``scenario`` holds the ``grid``, ``propagator`` and ``initial`` as the scenario resolved
    them, in plain values; it is None where a field was given as a bare array.
    """

    contents: Sequence[float] = ()
    scenario: Mapping[str, Any] | None = None


class Method(Member, family="diffusim.methods"):
    """A way of carrying a field over a segment; see the package's text."""

    needs: ClassVar[tuple[str, ...]]
    handles: ClassVar[frozenset[str]] = frozenset()
    order: ClassVar[int | None] = None
    # A fact of the class, or an option of the instance: subclasses may declare it as a field.
    limit: ClassVar[Limit | Literal["analytic"]]
    statistical: ClassVar[bool] = False
    positive: ClassVar[bool] = False
    fields: ClassVar[float] = 4.0
    # What a plan counts: steps in time, or jumps of particles.
    pace: ClassVar[str] = "step"

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

    def started(self, _beginning: Beginning) -> Self:
        """Return this method, settled, having seen what it begins with.

        Raises
        ------
        Unsupported
            When it cannot carry this start, in words the user can act on.
        """
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

    def notes(self, _u: Array, _grid: Grid) -> Iterator[str]:
        """Say what a user should know of this method from this start, once it is settled."""
        return iter(())

    def facts(self) -> Mapping[str, Any]:
        """Options of this method as they are stored beside its frames."""
        return {"kind": self.word, "limit": self.limit, **self.model_dump(mode="json")}


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
    if not _meets(propagator, method):
        return (
            f"{method.word} needs a {' or a '.join(method.needs)}; "
            f"{propagator.word} offers {', '.join(offered(propagator))}"
        )
    if method.statistical and propagator.waves:
        return f"{method.word} counts what is there, and {propagator.called} carries amplitudes"
    for trait, key in traits.items():
        if trait not in _handled(method, traits):
            able = [
                word
                for word, kind in Method.everyone()
                if not isinstance(kind, Unsupported)
                # Which scenarios have an analytic solution, traits do not tell.
                and getattr(kind, "limit", None) != ANALYTIC
                and not (kind.statistical and propagator.waves)
                and set(traits) <= _handled(kind, traits)
                and _meets(propagator, kind)
            ]
            verb = f"start from {key}" if trait in ANY_START else f"carry {trait} ({key})"
            refused = f"{method.word} cannot {verb}. These can: {', '.join(able) or 'none here'}"
            remedy = propagator.remedies.get(trait)
            return f"{refused}. It could if {remedy}" if remedy else refused
    return None


def _meets(propagator: Propagator, method: Method | type[Method]) -> bool:
    return any(hasattr(propagator, view) for view in method.needs)


def _handled(method: Method | type[Method], traits: Mapping[str, str]) -> frozenset[str]:
    """Traits that a method handles, where there are these ones.

    Particles can be made of an empty start only if something comes in.
    """
    nothing = method.statistical and "affine" not in traits
    return method.handles - {"empty"} if nothing else method.handles
