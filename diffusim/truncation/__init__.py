"""Truncation: how far the limits lie apart on one grid, as theory expects it.

The exact solution on cells is not the smooth one: its error falls with the second power of their
length. How large it is can be told without looking at the smooth truth,

- against `analytic`, means over cells of the smooth solution, or against a run on finer cells: the
  scenario is carried once more with every cell halved along every axis and averaged back. Of an
  error C h^p the difference of the two is all but one part in 2^p (Richardson);
- between two limits on the same cells: both are known in the same modes, so their difference is
  taken from the first frame on. Its leading term, t h^2 / 12 sum_k L_k^2 u / D_k, would hold only
  from where the field is smooth; the difference holds in every frame.

References
----------
L. F. Richardson, Phil. Trans. R. Soc. A 210 (1911) 307; of corners, G. Strang and G. J. Fix, *An
Analysis of the Finite Element Method*, 1973, chapter 8.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydantic import ValidationError

from diffusim import runs
from diffusim.block import Array, Invalid, Unsupported
from diffusim.channels import channels_of
from diffusim.coarsening import Coarsening
from diffusim.exact.trajectory import Analytic
from diffusim.exact.trajectory import analytic_run as analytic_run_of
from diffusim.generator import Generator
from diffusim.methods import ANALYTIC, Method
from diffusim.norms import size
from diffusim.resources import USABLE, in_words, memory_available, memory_needed
from diffusim.runs import Course
from diffusim.scenario import Scenario
from diffusim.store import Header
from diffusim.truncation.halving import EVEN, halved, must_approach, power_of

__all__ = ["Truncation", "analytic_run", "truncation", "truncation_of"]

# A prediction must not take longer than this, in s.
PATIENCE = 10.0
# Cells over which a jump has to have spread before its leading term tells the error.
SPREAD = 0.5
# A field that varies along an axis by no more than this part of its largest value is even there.
EVEN_ALONG = 1e-9
# Exact methods promise so much of the largest field so far; of one that has fallen far below it, a
# difference is told only as long as this is a small part of it.
PROMISED, SMALL_PART, FALLEN = 1e-11, 0.2, 0.1


@dataclass(frozen=True, eq=False)
class Truncation:
    """By how much an exact run of one limit is expected to differ from another truth.

    Parameters
    ----------
    words : str
        How it is told.
    power : float
        The power of the cells' length with which it falls.
    seconds : float
        How long it takes about to work out all frames.
    """

    words: str
    power: float
    seconds: float
    _frames: Callable[[], Iterator[Array | None]]

    def fields(self) -> Iterator[Array | None]:
        """Yield the difference, the run less the other truth, in every frame of the scenario.

        Each is a field of the scenario's own grid, channels along a first axis where it has any;
        none is kept. It is None where it cannot be told: as long as a jump has not spread over half
        a cell along every axis that it lies across, and once the field has fallen so far that what
        exact methods leave out of the start is no small part of the difference.
        """
        return self._frames()


# --- what is expected ---------------------------------------------------------------------------


def truncation(scenario: Scenario, limit: str, other: str, *, finer: int = 1) -> Truncation:
    """Tell by how much the exact solution of one limit differs from that of another.

    Parameters
    ----------
    scenario : Scenario
        What is carried; its methods do not matter.
    limit : {"lattice", "continuum", "cell-to-cell"}
        Limit of the run.
    other : {"lattice", "continuum", "cell-to-cell", "analytic"}
        Limit of what it is compared with.
    finer : int
        How many times as many cells along each axis the other one has, whose means over the cells
        here are compared; then both limits must be the same.

    Raises
    ------
    Unsupported
        When this cannot be told, in words: the start or the medium belongs to the cells, a limit
        does not exist here, it would take too long, or the two are one.
    """
    if finer < 1 or finer != int(finer):
        raise Unsupported(f"a finer grid has a whole number of cells in each, not {finer}")
    if finer > 1 and limit != other:
        raise Unsupported(f"limit {limit} here and limit {other} on finer cells have no one error")
    if finer == 1 and limit == other:
        raise Unsupported(f"both have the limit {limit} on the same cells, so nothing is truncated")
    if limit == ANALYTIC:
        return _turned(truncation(scenario, other, limit))
    if finer > 1 or other == ANALYTIC:
        return _by_halving(scenario, limit, math.inf if other == ANALYTIC else float(finer))
    return _between(scenario, limit, other)


def truncation_of(header: Header, limit: str, other: str, *, finer: int = 1) -> Truncation:
    """Tell the same of a stored result, from the scenario that it holds.

    Raises
    ------
    Unsupported
        As `truncation` does, and when the scenario of the result cannot be read again, as where
        a file that it names is gone.
    """
    return truncation(_scenario_of(json.loads(header.resolved)), limit, other, finer=finer)


def analytic_run(header: Header, label: str = "exact") -> Analytic | None:
    """Return the analytic solution of a result's scenario as a run; None where it has none.

    Its frames are worked out when they are asked for.

    Parameters
    ----------
    header : Header
        Of a stored result.
    label : str
        What the run is called.
    """
    try:
        resolved = json.loads(header.resolved)
    except ValueError:
        return None
    if header.channels or not isinstance(resolved, Mapping):
        return None
    return analytic_run_of(resolved, header.times, header.shape, label)


def _turned(found: Truncation) -> Truncation:
    def frames() -> Iterator[Array | None]:
        return (None if field is None else -field for field in found.fields())

    return Truncation(found.words, found.power, found.seconds, frames)


def _between(scenario: Scenario, limit: str, other: str) -> Truncation:
    """The difference of two limits, as their modes give them."""
    u = _start(scenario)
    first, second = (_course(scenario, u, {"kind": "modes", "limit": name})
                     for name in (limit, other))  # fmt: skip
    seconds = _within_budget(first, second)

    def frames() -> Iterator[Array | None]:
        stands = _Standing(u)
        for one, two in zip(first.frames(u), second.frames(u), strict=True):
            apart = one.field - two.field
            yield apart if stands.out(apart, one.field) else None

    words = f"the modes of limit {limit} less those of limit {other}"
    return Truncation(words, EVEN, seconds, frames)


def _by_halving(scenario: Scenario, limit: str, finer: float) -> Truncation:
    """The difference from cells half as long, and what it leaves out of the whole error."""
    must_approach(scenario)
    finely = halved(scenario)
    power = power_of(scenario.propagator)
    factor = (1.0 - finer**-power) / (1.0 - 2.0**-power)
    options = {"kind": "auto"} if limit == "lattice" else {"kind": "modes", "limit": limit}
    u, v = _start(scenario), _start(finely)
    own, fine = _course(scenario, u, options), _course(finely, v, options)
    seconds = _within_budget(own, fine)
    coarse = Coarsening.of(fine.grid, own.grid)

    def frames() -> Iterator[Array | None]:
        spread, stands = _spreads(own), _Standing(u)
        for one, two in zip(own.frames(u), fine.frames(v), strict=True):
            apart = factor * (one.field - coarse.means(two.field))
            early = _too_early(one.field, spread.get(one.time))
            yield apart if stands.out(apart, one.field) and not early else None

    words = f"cells half as long, {factor:.3g} times their difference (of power {power:.3g})"
    return Truncation(words, power, seconds, frames)


class _Standing:
    """Whether differences stand out of what exact methods leave out, of the largest field so far.

    Parameters
    ----------
    u : array
        The start.
    """

    def __init__(self, u: Array) -> None:
        self._largest = size(u)

    def out(self, apart: Array, u: Array) -> bool:
        """Take in a frame, and say whether the difference in it can be told."""
        self._largest = max(self._largest, here := size(u))
        if here >= FALLEN * self._largest:
            return True
        return PROMISED * self._largest <= SMALL_PART * size(apart)


def _spreads(course: Course) -> dict[float, list[float]]:
    """Time by time, the cells over which each axis has spread since the start or an event, squared.

    That is 2 D t / h^2; what is lost on the way spreads nothing.
    """
    rates: dict[int, list[float]] = {}
    found = {}
    for segment in course.segments:
        if segment.epoch not in rates:
            amid = 0.5 * (segment.start + segment.stop)
            medium: Any = segment.propagator
            rates[segment.epoch] = _fastest_along(medium.generator(course.grid, amid))
        found[segment.stop] = [(segment.stop - segment.since) * r for r in rates[segment.epoch]]
    return found


def _fastest_along(generator: Generator) -> list[float]:
    """The largest rate in 1/s at which cells give to neighbours and sides along each axis."""
    moves = generator.moves()
    pairs = list(zip(moves[::2], moves[1::2], strict=True))
    lost = 0.0 if generator.loss is None else generator.loss / len(pairs)
    return [float(np.max(low + high + generator.drains_along(axis) - lost))
            for axis, (low, high) in enumerate(pairs)]  # fmt: skip


def _too_early(u: Array, spread: Sequence[float] | None) -> bool:
    """Whether a jump is still one of single cells along any axis on which the field varies.

    Along an axis on which nothing spreads, a jump between cells stays one, and the cells err by
    nothing. What a single cell gives to its sides varies within it.
    """
    if spread is None:
        return False
    most = EVEN_ALONG * float(np.max(np.abs(u)))
    first = u.ndim - len(spread)
    varies = [u.shape[first + axis] == 1 or float(np.max(np.ptp(u, axis=first + axis))) > most
              for axis in range(len(spread))]  # fmt: skip
    return any(along and 0.0 < squared < SPREAD**2
               for along, squared in zip(varies, spread, strict=True))  # fmt: skip


# --- what is carried -----------------------------------------------------------------------------


def _scenario_of(values: Any) -> Scenario:
    """A scenario from its plain values; any method will do."""
    try:
        changed = {**values, "methods": [{"kind": "auto"}], "reference": None, "expect": {}}
        return Scenario.model_validate_json(json.dumps(changed))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        reason = first["msg"].removeprefix("Value error, ")
        if first["loc"][-1] == "path":
            reason = "the result keeps what is told of this file, not the file"
        raise Unsupported(f"the scenario cannot be read again: {key}: {reason}") from None
    except TypeError:
        raise Unsupported("the result does not hold the scenario it comes from") from None


def _start(scenario: Scenario) -> Array:
    try:
        return scenario.start()
    except Invalid as problem:
        raise Unsupported(f"the start cannot be made: {problem.message}") from None


def _course(scenario: Scenario, u: Array, method: Mapping[str, str]) -> Course:
    """An exact method on this scenario, all of its frames."""
    channels = channels_of(u, scenario.grid)
    try:
        return runs.plan(Method.read(method), scenario.propagator, scenario.grid,
                         scenario.frame_times, traits=runs.traits_of(u, channels),
                         seed=scenario.seed, channels=channels)  # fmt: skip
    except Invalid as problem:
        raise Unsupported(str(problem)) from None


def _within_budget(*courses: Course) -> float:
    seconds = sum(course.seconds for course in courses)
    if seconds > PATIENCE:
        raise Unsupported(f"it would take about {seconds:.0f} s, more than {PATIENCE:g} s")
    need, available = memory_needed(courses), memory_available()
    if available is not None and need > USABLE * available:
        raise Unsupported(
            f"it would need {in_words(need)} of memory, {in_words(USABLE * available)} can be used"
        )
    return seconds
