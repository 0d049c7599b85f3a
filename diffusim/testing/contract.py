"""The contract: what every method keeps, tried on a list of media, shapes and courses of events."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy import special

from diffusim.block import Array, Invalid, Unsupported
from diffusim.methods import Method
from diffusim.propagators import Propagator
from diffusim.runs import Course, Frame, plan, revived, taken_apart
from diffusim.testing.oracle import (
    FINER,
    even,
    extrapolated,
    finer_truth,
    lattice_truth,
    oracle_matrix,
    stretches,
)
from diffusim.testing.problems import Problem, problems

EXACT, KEPT, ALPHA = 1e-11, 1e-12, 1e-6
PARTICLES = 100_000
# How closely the grids up to 15 times finer tell a truth other than the lattice's.
EXTRAPOLATED = {"continuum": 1e-8, "cell-to-cell": 2e-5}

# What a scheme must give exactly: from the generator's matrix, a field as a vector, the number of
# steps and their length.
Scheme = Callable[[Array, Array, int, float], Array]


def contract(
    method: Method | type[Method],
    *,
    scheme: Scheme | None = None,
    only: Sequence[Problem] | None = None,
) -> dict[str, str]:
    """Hold a method to what every method keeps, and raise a sentence where it does not.

    On every problem the method either refuses in words before anything is computed, or

    - lands on every frame time, keeps the total to 1e-12, and every cell at or above zero if it
      says ``positive``;
    - agrees with the oracle of its own limit: to 1e-11 of the largest value; or, where it states an
      ``order``, with errors that fall as that power of its option ``dt``; or, where it is
      ``statistical``, with counts whose chi-square is not beyond one in a million;
    - never changes the state it is given, and gives the same bits again when asked again, and when
      its state has been stored and loaded half-way;
    - leaves the start as it is at time zero and where nothing moves;
    - unless it is statistical: is linear, and follows when the grid is flipped or transposed.

    Parameters
    ----------
    method : Method or type of Method
        An instance with its options, or a class, which stands for an instance with its defaults. A
        method that works to a tolerance needs one of 1e-12 here.
    scheme : callable, optional
        ``scheme(matrix, u, steps, dt)``: what this scheme gives exactly, to be met to 1e-12; for
        explicit steps ``np.linalg.matrix_power(np.eye(u.size) + dt * matrix, steps) @ u``.
    only : sequence of Problem, optional
        Default: all of `problems`.

    Returns
    -------
    dict
        What happened, by the name of the problem.

    Raises
    ------
    AssertionError
        When the method breaks its word, or refuses every problem.

    Examples
    --------
    >>> from diffusim.methods.modes import Modes
    >>> contract(Modes, only=problems()[:1])
    {'even': 'keeps the contract'}
    """
    chosen = method if isinstance(method, Method) else method()
    if chosen.statistical and "particles" in type(chosen).model_fields:
        chosen = chosen.model_copy(update={"particles": PARTICLES})
    found = {problem.name: _tried(chosen, problem, scheme)
             for problem in (problems() if only is None else only)}  # fmt: skip
    carried = [name for name, what in found.items() if not what.startswith("refuses")]
    assert carried, f"{chosen.name} carries nothing here: {next(iter(found.values()))}"
    return found


@dataclass(frozen=True, eq=False)
class Trial:
    """A method at work on a problem; what it must keep is said in the tests below."""

    method: Method
    problem: Problem
    propagator: Propagator
    scheme: Scheme | None

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

    def meet(self, found: Array, wanted: Array, tolerance: float, what: str) -> None:
        """Refuse a field that is further from another than a part of that one's largest value."""
        apart = float(np.max(np.abs(found - wanted)) / np.max(np.abs(wanted)))
        if not apart <= tolerance:
            raise self.fail(
                f"{what}: {apart:.3g} of the largest value apart, allowed {tolerance:g}"
            )

    def same(self, found: Array, wanted: Array, what: str) -> None:
        """Refuse a field that is not another to the last bit."""
        if not np.array_equal(found, wanted):
            raise self.fail(f"{what}: not the same bits")


def _tried(method: Method, problem: Problem, scheme: Scheme | None) -> str:
    with tempfile.TemporaryDirectory() as folder:
        trial = Trial(method, problem, problem.propagator(Path(folder)), scheme)
        try:
            course = trial.course()
        except (Unsupported, Invalid) as reason:
            if len(str(reason).split()) < 3:
                raise trial.fail(f"refuses without a sentence: '{reason}'") from None
            return f"refuses: {reason}"
        limit = course.method.limit
        u = problem.smooth() if limit == "continuum" else problem.field()
        try:
            frames = list(course.frames(u))
            _keeps(trial, u, frames)
            _repeats(trial, course, u, frames)
            _rests(trial, u)
            _truth(trial, limit, u, frames)
            if not method.statistical:
                _linear(trial, u, frames)
                _follows(trial, u, frames)
        except (Unsupported, Invalid) as reason:
            raise trial.fail(f"planned, and then refused: {reason}") from reason
    return "keeps the contract"


def _keeps(trial: Trial, u: Array, frames: list[Frame]) -> None:
    times = tuple(frame.time for frame in frames)
    if times != trial.problem.times:
        raise trial.fail(f"frames at {times}, wanted {trial.problem.times}")
    for frame in frames:
        if frame.field.shape != u.shape:
            raise trial.fail(f"a field of shape {frame.field.shape}, wanted {u.shape}")
        drift = float(np.sum(frame.field) / np.sum(u)) - 1.0
        if not abs(drift) <= KEPT:
            raise trial.fail(f"the total changes by {drift:.3g} of itself until {frame.time:g} s")
        if trial.method.positive and not np.min(frame.field) >= 0.0:
            raise trial.fail(f"is positive by its own word, yet reaches {np.min(frame.field):.3g}")


def _repeats(trial: Trial, course: Course, u: Array, frames: list[Frame]) -> None:
    kept = u.copy()
    for number, (first, again) in enumerate(zip(frames, course.frames(u), strict=True)):
        trial.same(again.field, first.field, f"frame {number}, asked for again")
    trial.same(u, kept, "the start it was given")
    middle = len(frames) // 2
    stored = {
        name: np.array(array) for name, array in taken_apart(frames[middle - 1].state).items()
    }
    state = revived(course.begin(u), {name: array.copy() for name, array in stored.items()})
    for later, frame in zip(frames[middle:], course.frames(u, middle, state), strict=True):
        trial.same(frame.field, later.field, f"at {later.time:g} s, gone on from a stored state")
    for name, array in taken_apart(state).items():
        trial.same(np.asarray(array), stored[name], f"'{name}' of a state that was carried on")


def _rests(trial: Trial, u: Array) -> None:
    start = trial.course((0.0,))
    first = next(iter(start.frames(u))).field
    if not trial.method.statistical:
        trial.same(first, u, "the frame at time zero")
    generators = (oracle_matrix(trial.problem, 0.5 * (a + b)) for a, b in stretches(trial.problem))
    if not any(map(np.any, generators)):
        for frame in trial.course((0.0, *trial.problem.times[1:])).frames(u):
            trial.same(frame.field, first, f"nothing moves, yet at {frame.time:g} s")


def _truth(trial: Trial, limit: str, u: Array, frames: list[Frame]) -> None:
    """Hold the frames to the oracle of the method's own limit."""
    method, problem = trial.method, trial.problem
    if limit != "lattice" and not even(problem):
        return
    # A wall would cut the smooth start, and fewer than five cells cannot hold it.
    if limit == "continuum" and (problem.barriers or any(1 < n < 5 for n in problem.shape)):
        return
    levels = [] if limit == "lattice" else [finer_truth(problem, limit, finer) for finer in FINER]
    truth = extrapolated(levels) if levels else lattice_truth(problem, u)
    if method.statistical:
        _lawful(trial, frames, truth)
        return
    if trial.scheme is not None:
        wanted = by_scheme(trial, trial.scheme, u)
        for frame, field in zip(frames, wanted, strict=True):
            trial.meet(
                frame.field, field, KEPT, f"what the scheme gives exactly at {frame.time:g} s"
            )
    if method.order is not None:
        _converges(trial, method.order, u)
        return
    tolerance = EXACT if limit == "lattice" else EXTRAPOLATED[limit]
    for frame, field in zip(frames, truth, strict=True):
        trial.meet(frame.field, field, tolerance, f"{limit} truth at {frame.time:g} s")
    if levels:
        _approached(trial, [level[-1] for level in levels], frames[-1].field)


def _approached(trial: Trial, levels: Sequence[Array], found: Array) -> None:
    """Finer grids approach it with the second power of their spacing, and nothing near by."""
    apart = [float(np.max(np.abs(level - found))) for level in levels]
    if apart[-1] <= EXACT:
        return
    slope = float(np.log(apart[-2] / apart[-1]) / np.log(FINER[-1] / FINER[-2]))
    if not abs(slope - 2.0) <= 0.05:
        raise trial.fail(f"finer grids approach it with order {slope:.3f}, not 2: another limit")


def _lawful(trial: Trial, frames: list[Frame], laws: list[Array]) -> None:
    for frame, law in zip(frames, laws, strict=True):
        if frame.counts is None:
            raise trial.fail("is statistical, yet counts nothing")
        total = int(np.sum(frame.counts))
        p = counts_p_value(frame.counts, law)
        if not p > ALPHA:
            raise trial.fail(
                f"{total} counts at {frame.time:g} s do not follow the law: p = {p:.2g}"
            )


def counts_p_value(counts: Array, law: Array) -> float:
    """Return the p-value of Pearson's chi-square, cells that expect under five taken together."""
    expected = np.ravel(law) * (np.sum(counts) / np.sum(law))
    # What extrapolation leaves in a cell that nothing can reach is no chance to be there.
    expected[expected < 1e-6] = 0.0
    if np.any(np.ravel(counts)[expected == 0.0]):
        return 0.0
    few = expected < 5.0
    wanted = np.array([*expected[~few], np.sum(expected[few])])
    seen = np.array([*np.ravel(counts)[~few], np.sum(np.ravel(counts)[few])], dtype=float)
    wanted, seen = wanted[wanted > 0.0], seen[wanted > 0.0]
    statistic = float(np.sum((seen - wanted) ** 2 / wanted))
    return (
        float(special.gammaincc(0.5 * (wanted.size - 1), 0.5 * statistic))
        if wanted.size > 1
        else 1.0
    )


def by_scheme(trial: Trial, scheme: Scheme, u: Array) -> Iterator[Array]:
    """Yield the frames that a scheme must give exactly, step by step as the method planned them."""
    course, vector = trial.course(), u.ravel()
    if trial.problem.times[0] == 0.0:
        yield u
    for (start, stop), plan_ in zip(stretches(trial.problem), course.plans, strict=True):
        if plan_.dt is not None:
            matrix = oracle_matrix(trial.problem, 0.5 * (start + stop))
            vector = scheme(matrix, vector, plan_.steps, plan_.dt)
        if stop in trial.problem.times:
            yield vector.reshape(u.shape)


def _converges(trial: Trial, order: int, u: Array) -> None:
    """Errors at three steps, each half the one before, fall as the stated power."""
    if "dt" not in type(trial.method).model_fields:
        raise trial.fail(f"states an order of {order}, yet has no option 'dt'")
    ends = [0.5 * (a + b) for a, b in stretches(trial.problem)]
    fastest = max(float(-np.min(np.diag(oracle_matrix(trial.problem, end)))) for end in ends)
    if fastest == 0.0:
        return
    last = 600.0
    truth = lattice_truth(replace(trial.problem, times=(0.0, last)), u)[-1]
    dt = last / 2 ** int(np.ceil(np.log2(last * fastest / 0.02)))
    errors = []
    for step in (dt, dt / 2, dt / 4):
        *_, frame = trial.course((0.0, last), dt=step).frames(u)
        errors.append(float(np.linalg.norm(frame.field - truth) / np.linalg.norm(truth)))
    if errors[0] <= EXACT:
        return
    slope = float(np.log2(errors[-2] / errors[-1]))
    if not abs(slope - order) <= 0.05:
        raise trial.fail(f"errors {errors} of halved steps: order {slope:.3f}, stated {order}")


def _linear(trial: Trial, u: Array, frames: list[Frame]) -> None:
    other = trial.problem.field(seed=2)
    mixed = zip(frames, trial.frames(other), trial.frames(2.0 * u + 3.0 * other), strict=True)
    for one, two, both in mixed:
        trial.meet(both.field, 2.0 * one.field + 3.0 * two.field, EXACT, "is not linear")


def _follows(trial: Trial, u: Array, frames: list[Frame]) -> None:
    for number, what in enumerate(("flipped along x", "flipped along y")[: u.ndim]):
        found = turned(trial, trial.problem.flipped(number), np.flip(u, number))
        for frame, field in zip(frames, found, strict=True):
            trial.meet(np.flip(field, number), frame.field, EXACT, what)
    if u.ndim == 2:
        found = turned(trial, trial.problem.transposed(), u.T)
        for frame, field in zip(frames, found, strict=True):
            trial.meet(field.T, frame.field, EXACT, "transposed")


def turned(trial: Trial, problem: Problem, u: Array) -> list[Array]:
    """Carry a start through a problem that is the trial's own, flipped or transposed."""
    with tempfile.TemporaryDirectory() as folder:
        other = Trial(trial.method, problem, problem.propagator(Path(folder)), None)
        return [frame.field for frame in other.frames(np.ascontiguousarray(u))]
