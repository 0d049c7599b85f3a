"""The contract: what every method keeps, tried on a list of media, shapes and courses of events."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from scipy import special

from diffusim.block import Array, Invalid, Unsupported
from diffusim.methods import Method
from diffusim.runs import Course, Frame, revived, taken_apart
from diffusim.testing.catalogue import problems
from diffusim.testing.oracle import (
    FINER,
    Truth,
    equations,
    even,
    extrapolated,
    finer_truth,
    ledger_truth,
    steady_state,
    stretches,
    volumes,
)
from diffusim.testing.problems import Problem
from diffusim.testing.trial import Scheme, Split, Trial, by_scheme, turned

EXACT, KEPT, ALPHA, DEVIATIONS = 1e-11, 1e-12, 1e-6, 6.0
PARTICLES = 100_000
# How closely the grids up to 15 times finer tell a truth other than the lattice's.
EXTRAPOLATED = {"continuum": 1e-8, "cell-to-cell": 2e-5}
# An order p is told by three halvings, from where the error is the p-th power of one per cent (what
# bends the line falls with the step, so steps have to be as short for any order) and where the
# slope no longer changes: a leading term that happens to be small shows late.
HALVINGS, SMALL, MOST_HALVINGS, SLOPE = 3, 0.01, 16, 0.1
# The same object every time, so that its truth is known already.
_until = lru_cache(512)(lambda problem, last: replace(problem, times=(0.0, last)))


def contract(
    method: Method | type[Method],
    *,
    scheme: Scheme | None = None,
    only: Sequence[Problem] | None = None,
) -> dict[str, str]:
    """Hold a method to what every method keeps, and raise a sentence where it does not.

    On every problem the method either refuses in words before anything is computed, or

    - lands on every frame time, keeps the total to 1e-12, and every cell at or above zero if it
      says ``keeps_sign`` and nothing below zero comes in;
    - in an open medium keeps a ledger: what is inside is the start and what came in by all accounts
      to 1e-12 of what went through, and the accounts have their names in order;
    - agrees with the oracle of its own limit, fields and accounts: to 1e-11 of the largest value;
      or, where it states an order, its ``accuracy``, with errors that fall as that power of its
      option ``dt``; or, where it is ``statistical``, with counts whose chi-square is not beyond one
      in a million, and accounts within six standard deviations;
    - leaves a steady state where it is, to 1e-12, unless its scheme says otherwise;
    - never changes the state it is given, and gives the same bits again when asked again, and when
      its state has been stored and loaded half-way;
    - leaves the start as it is at time zero and where nothing moves;
    - unless it is statistical: is linear but for what comes in, and follows when the grid is
      flipped or, unless its scheme takes one axis after another, transposed.

    Parameters
    ----------
    method : Method or type of Method
        An instance with its options, or a class, which stands for an instance with its defaults. A
        method that works to a tolerance needs one of 1e-12 here.
    scheme : callable or Split, optional
        ``scheme(matrix, b, u, steps, dt)``: what this scheme gives exactly for du/dt = L u + b, to
        be met to 1e-12; see `diffusim.testing.schemes` for some, and for those that split L.
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
            _keeps(trial, course, u, frames)
            _repeats(trial, course, u, frames)
            _rests(trial, u)
            _truth(trial, limit, u, frames)
            if not method.statistical:
                _stays(trial, limit, u)
                _linear(trial, u, frames)
                _follows(trial, u, frames)
        except (Unsupported, Invalid) as reason:
            raise trial.fail(f"planned, and then refused: {reason}") from reason
    return "keeps the contract"


# --- what is kept ---------------------------------------------------------------------------------


def _keeps(trial: Trial, course: Course, u: Array, frames: list[Frame]) -> None:
    problem = trial.problem
    times = tuple(frame.time for frame in frames)
    if times != problem.times:
        raise trial.fail(f"frames at {times}, wanted {problem.times}")
    names = tuple(course.facts().get("accounts", ()))
    if names != problem.accounts:
        raise trial.fail(f"accounts {names} among its facts, wanted {problem.accounts}")
    volume = volumes(problem)
    start = float(np.sum(volume * problem.wet(u)))
    for frame in frames:
        if frame.field.shape != u.shape:
            raise trial.fail(f"a field of shape {frame.field.shape}, wanted {u.shape}")
        came = _accounts(trial, frame)
        through = abs(start) + float(np.sum(np.abs(came)))
        drift = (float(np.sum(volume * frame.field)) - start - float(np.sum(came))) / through
        if not abs(drift) <= KEPT:
            what = "the ledger is out of balance" if names else "the total changes"
            raise trial.fail(f"{what} by {drift:.3g} of itself until {frame.time:g} s")
        lowest = float(np.min(frame.field))
        if trial.method.keeps_sign and problem.gives and not lowest >= 0.0:
            raise trial.fail(f"is positive by its own word, yet reaches {lowest:.3g}")


def _accounts(trial: Trial, frame: Frame) -> Array:
    """What a frame says has come in by each account; nothing where the medium is closed."""
    wanted = (len(trial.problem.accounts),)
    if wanted == (0,):
        return np.zeros(0)
    found = frame.extras.get("accounts")
    if found is None or found.shape != wanted or not np.all(np.isfinite(found)):
        raise trial.fail(f"the medium is open, and accounts of it are {found}")
    return found


def _repeats(trial: Trial, course: Course, u: Array, frames: list[Frame]) -> None:
    kept = u.copy()
    for number, (first, again) in enumerate(zip(frames, course.frames(u), strict=True)):
        _alike(trial, again, first, f"frame {number}, asked for again")
    trial.same(u, kept, "the start it was given")
    middle = len(frames) // 2
    stored = {
        name: np.array(array) for name, array in taken_apart(frames[middle - 1].state).items()
    }
    state = revived(course.begin(u), {name: array.copy() for name, array in stored.items()})
    for later, frame in zip(frames[middle:], course.frames(u, middle, state), strict=True):
        _alike(trial, frame, later, f"at {later.time:g} s, gone on from a stored state")
    for name, array in taken_apart(state).items():
        trial.same(np.asarray(array), stored[name], f"'{name}' of a state that was carried on")


def _alike(trial: Trial, found: Frame, wanted: Frame, what: str) -> None:
    trial.same(found.field, wanted.field, what)
    for name, array in wanted.extras.items():
        trial.same(found.extras[name], array, f"'{name}', {what}")


def _rests(trial: Trial, u: Array) -> None:
    start = trial.course((0.0,))
    frame = next(iter(start.frames(u)))
    first, came = frame.field, _accounts(trial, frame)
    trial.same(came, np.zeros(came.shape), "the accounts at time zero")
    if not trial.method.statistical:
        trial.same(first, trial.problem.wet(u), "the frame at time zero")
    if not any(np.any(dense.matrix) or np.any(dense.b) for dense in equations(trial.problem)):
        for frame in trial.course((0.0, *trial.problem.times[1:])).frames(u):
            trial.same(frame.field, first, f"nothing moves, yet at {frame.time:g} s")


def _stays(trial: Trial, limit: str, u: Array) -> None:
    """A field whose rate is zero is left where it is."""
    if limit != "lattice" or (isinstance(trial.scheme, Split) and not trial.scheme.steady):
        return
    steady = steady_state(trial.problem, u)
    if steady is None:
        return
    for frame in trial.frames(steady):
        trial.meet(frame.field, steady, KEPT, f"a steady state, at {frame.time:g} s")


# --- the truth ------------------------------------------------------------------------------------


def _truth(trial: Trial, limit: str, u: Array, frames: list[Frame]) -> None:
    """Hold the frames to the oracle of the method's own limit."""
    method, problem = trial.method, trial.problem
    if limit != "lattice" and not even(problem):
        return
    # A wall would cut the smooth start, and fewer than five cells cannot hold it.
    if limit == "continuum" and (problem.barriers or any(1 < n < 5 for n in problem.shape)):
        return
    levels = [] if limit == "lattice" else [finer_truth(problem, limit, finer) for finer in FINER]
    if levels:
        truth = [Truth(field, np.zeros(0)) for field in extrapolated(levels)]
    else:
        truth = ledger_truth(problem, u)
    if method.statistical:
        _lawful(trial, frames, truth)
        return
    if trial.scheme is not None:
        wanted = by_scheme(trial, trial.scheme, u)
        for frame, field in zip(frames, wanted, strict=True):
            trial.meet(
                frame.field, field, KEPT, f"what the scheme gives exactly at {frame.time:g} s"
            )
    if method.accuracy is not None:
        _converges(trial, method.accuracy, u)
        return
    tolerance = EXACT if limit == "lattice" else EXTRAPOLATED[limit]
    start = float(np.sum(volumes(problem) * problem.wet(u)))
    for frame, told in zip(frames, truth, strict=True):
        trial.meet(frame.field, told.field, tolerance, f"{limit} truth at {frame.time:g} s")
        through = start + float(np.sum(np.abs(told.accounts)))
        trial.meet(_accounts(trial, frame), told.accounts, tolerance,
                   f"accounts at {frame.time:g} s", through)  # fmt: skip
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


def _lawful(trial: Trial, frames: list[Frame], truth: list[Truth]) -> None:
    """Counts follow the law by chi-square, accounts theirs within six standard deviations."""
    problem = trial.problem
    for frame, told in zip(frames, truth, strict=True):
        if frame.counts is None:
            raise trial.fail("is statistical, yet counts nothing")
        worth = _worth(trial, frame)
        p = counts_p_value(frame.counts, told.field * volumes(problem), worth)
        if not p > ALPHA:
            raise trial.fail(
                f"{int(np.sum(frame.counts))} counts at {frame.time:g} s do not follow the law: "
                f"p = {p:.2g}"
            )
        if worth is None:
            continue
        found, gross = _accounts(trial, frame), _gross(problem, frame.time, told)
        allowed = DEVIATIONS * np.sqrt(gross * worth) + KEPT * float(np.sum(gross))
        for name, came, wanted, most in zip(problem.accounts, found, told.accounts, allowed,
                                            strict=True):  # fmt: skip
            if not abs(came - wanted) <= most:
                raise trial.fail(f"the account {name} at {frame.time:g} s is {came:.6g}, its law "
                                 f"{wanted:.6g}, chance at most {most:.2g} of it")  # fmt: skip


def _worth(trial: Trial, frame: Frame) -> float | None:
    """What a particle is worth where their number varies, None in a closed medium."""
    if not trial.problem.accounts:
        return None
    worth = frame.extras.get("weight")
    if worth is None or worth.shape != () or not worth > 0.0:
        raise trial.fail(f"the medium is open, and a particle is worth {worth}")
    return float(worth)


def _gross(problem: Problem, time: float, told: Truth) -> Array:
    """What went through each account either way; particles that come and go are independent.

    What comes in does not depend on what is inside, so it is known, and what left is the rest. The
    number of either is no more varied than Poisson's, and more in means more out.
    """
    came = np.zeros(told.accounts.size)
    for (start, stop), dense in zip(stretches(problem), equations(problem), strict=True):
        came += dense.gains * (min(stop, time) - min(start, time))
    return np.asarray(np.clip(2.0 * came - told.accounts, 0.0, None))


def counts_p_value(counts: Array, law: Array, worth: float | None = None) -> float:
    """Return the p-value of Pearson's chi-square, cells that expect under five taken together.

    Parameters
    ----------
    counts, law : array
        Of the same shape; the law is the content of the cells.
    worth : float, optional
        The content that a particle stands for, where their number varies by chance as well.
    """
    share = float(np.sum(counts)) / float(np.sum(law)) if worth is None else 1.0 / worth
    expected = np.ravel(law) * share
    # What extrapolation leaves in a cell that nothing can reach is no chance to be there.
    expected[expected < 1e-6] = 0.0
    if np.any(np.ravel(counts)[expected == 0.0]):
        return 0.0
    few = expected < 5.0
    wanted = np.array([*expected[~few], np.sum(expected[few])])
    seen = np.array([*np.ravel(counts)[~few], np.sum(np.ravel(counts)[few])], dtype=float)
    wanted, seen = wanted[wanted > 0.0], seen[wanted > 0.0]
    statistic = float(np.sum((seen - wanted) ** 2 / wanted))
    freedom = wanted.size - (worth is None)
    return float(special.gammaincc(0.5 * freedom, 0.5 * statistic)) if freedom > 0 else 1.0


def _converges(trial: Trial, order: int, u: Array) -> None:
    """Errors at halved steps fall as the stated power, of the field and of the accounts."""
    problem = trial.problem
    if "dt" not in type(trial.method).model_fields:
        raise trial.fail(f"states an order of {order}, yet has no option 'dt'")
    fastest = max(float(-np.min(np.diag(dense.matrix))) for dense in equations(problem))
    last = 600.0
    truth = ledger_truth(_until(problem, last), u)[-1]
    through = float(np.sum(volumes(problem) * problem.wet(u))) + np.sum(np.abs(truth.accounts))
    # The longest step that is a power of two of them, and that explicit steps can take.
    dt = last / 2 ** int(np.ceil(np.log2(max(1.0, last * fastest))))
    errors: list[tuple[float, float]] = []
    while len(errors) < MOST_HALVINGS:
        *_, frame = trial.course((0.0, last), dt=dt).frames(u)
        away = float(np.linalg.norm(frame.field - truth.field) / np.linalg.norm(truth.field))
        astray = float(np.linalg.norm(_accounts(trial, frame) - truth.accounts) / through)
        errors.append((away, astray))
        dt *= 0.5
        if len(errors) > HALVINGS and all(
            _settled([error[told] for error in errors[-1 - HALVINGS :]], order) for told in (0, 1)
        ):
            break
    for told, name in enumerate(("errors", "errors of the accounts")):
        series = [error[told] for error in errors[-1 - HALVINGS :]]
        if series[-1] <= EXACT:
            continue
        slope = -float(np.polyfit(range(len(series)), np.log2(series), 1)[0])
        if not abs(slope - order) <= SLOPE:
            listed = ", ".join(f"{error:.3g}" for error in series)
            raise trial.fail(f"{name} {listed} of halved steps: order {slope:.3f}, stated {order}")


def _settled(errors: list[float], order: int) -> bool:
    """Whether errors are small and fall in even steps, or are round-off."""
    if errors[-1] <= EXACT:
        return True
    slopes = -np.diff(np.log2(errors))
    return errors[0] < SMALL**order and float(np.ptp(slopes)) <= SLOPE


# --- symmetries -----------------------------------------------------------------------------------


def _linear(trial: Trial, u: Array, frames: list[Frame]) -> None:
    """What becomes of 2 u + 3 v is 2 of u and 3 of v, but for what comes in: -4 of nothing."""
    other = trial.problem.field(seed=2)
    parts = [(2.0, frames), (3.0, trial.frames(other))]
    if trial.problem.affine:
        parts.append((-4.0, trial.frames(np.zeros(u.shape))))
    for number, both in enumerate(trial.frames(2.0 * u + 3.0 * other)):
        wanted = np.asarray(sum(share * carried[number].field for share, carried in parts))
        trial.meet(both.field, wanted, EXACT, "is not linear")


def _follows(trial: Trial, u: Array, frames: list[Frame]) -> None:
    problem = trial.problem
    for axis in problem.mirrors:
        found = turned(trial, problem.flipped(axis), np.flip(u, axis))
        for frame, field in zip(frames, found, strict=True):
            what = f"flipped along {problem.axes[axis]}"
            trial.meet(np.flip(field, axis), frame.field, EXACT, what)
    if problem.transposes and not isinstance(trial.scheme, Split):
        found = turned(trial, problem.transposed(), u.T)
        for frame, field in zip(frames, found, strict=True):
            trial.meet(field.T, frame.field, EXACT, "transposed")
