"""A method at work on a problem, and what it must give exactly as the scheme it says it is."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from diffusim.block import Array
from diffusim.methods import Method
from diffusim.propagators import Propagator
from diffusim.runs import Course, Frame, plan
from diffusim.testing.oracle import oracle, stretches
from diffusim.testing.problems import Problem

# What a scheme must give exactly: from the generator's matrix L and vector b of du/dt = L u + b, a
# field as a vector, the number of steps and their length.
Plain = Callable[[Array, Array, Array, int, float], Array]


class Split(NamedTuple):
    """A scheme that takes one axis after another, so that it may tell them apart.

    Parameters
    ----------
    steps : callable
        ``steps(parts, b, u, steps, dt, fresh, still)``: like a plain scheme, but with L in a part
        for each axis (its faces and sides, and an equal part of the decay), and whether the medium
        has just changed and whether its water is at rest.
    steady : bool
        Whether it leaves every field at rest whose rate is zero.
    """

    steps: Callable[[Sequence[Array], Array, Array, int, float, bool, bool], Array]
    steady: bool = True


Scheme = Plain | Split


@dataclass(frozen=True, eq=False)
class Trial:
    """A method at work on a problem."""

    method: Method
    problem: Problem
    propagator: Propagator
    scheme: Scheme | None = None

    def course(self, times: Sequence[float] | None = None, **options: Any) -> Course:
        """Plan the method, perhaps with other frame times or options."""
        method = self.method.model_copy(update=options)
        return plan(method, self.propagator, self.problem.grid, times or self.problem.times, seed=7)

    def frames(self, u: Array) -> list[Frame]:
        """Carry a start through all frames."""
        return list(self.course().frames(u))

    def fail(self, what: str) -> AssertionError:
        """The sentence for a broken word."""
        return AssertionError(f"{self.method.name} on '{self.problem.name}': {what}")

    def meet(
        self, found: Array, wanted: Array, tolerance: float, what: str, scale: float | None = None
    ) -> None:
        """Refuse an array that is further from another than a part of that one's largest value."""
        largest = float(np.max(np.abs(wanted))) if scale is None else scale
        apart = float(np.max(np.abs(found - wanted), initial=0.0))
        # Nothing at all is met by nothing at all.
        if not apart <= tolerance * largest:
            part = apart / largest if largest else np.inf
            raise self.fail(f"{what}: {part:.3g} of the largest value apart, allowed {tolerance:g}")

    def same(self, found: Array, wanted: Array, what: str) -> None:
        """Refuse an array that is not another to the last bit."""
        if not np.array_equal(found, wanted):
            raise self.fail(f"{what}: not the same bits")


def by_scheme(trial: Trial, scheme: Scheme, u: Array) -> Iterator[Array]:
    """Yield the frames that a scheme must give exactly, step by step as the method planned them."""
    course, problem = trial.course(), trial.problem
    vector = problem.wet(u).ravel()
    if problem.times[0] == 0.0:
        yield vector.reshape(u.shape)
    changed = {0.0, *problem.events}
    for (start, stop), plan_ in zip(stretches(problem), course.plans, strict=True):
        if plan_.dt is not None:
            middle = 0.5 * (start + stop)
            dense = oracle(problem, middle)
            if isinstance(scheme, Split):
                vector = scheme.steps(dense.split, dense.b, vector, plan_.steps, plan_.dt,
                                      start in changed, not problem.flowing(middle))  # fmt: skip
            else:
                vector = scheme(dense.matrix, dense.b, vector, plan_.steps, plan_.dt)
        if stop in problem.times:
            yield vector.reshape(u.shape)


def turned(trial: Trial, problem: Problem, u: Array) -> list[Array]:
    """Carry a start through a problem that is the trial's own, flipped or transposed."""
    with tempfile.TemporaryDirectory() as folder:
        other = Trial(trial.method, problem, problem.propagator(Path(folder)))
        return [frame.field for frame in other.frames(np.ascontiguousarray(u))]
