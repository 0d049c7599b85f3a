"""Comparison of runs: how far they are apart, how far theory says they should be, and a verdict.

Errors are relative to the reference of the run's own limit, never absolute: a small field must not
pass unseen. Deterministic methods are judged by observed over predicted error, statistical ones by
chi-square against the law of their limit. Against a truth of another limit a run stands apart by
the truncation between the two, which is predicted as well.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import numpy as np

from diffusim.block import Array, Unsupported
from diffusim.comparison.diagnosis import diagnosed
from diffusim.comparison.gaps import GapObserver, Truncation, other_truth, truth_of
from diffusim.comparison.judging import expected_at_most
from diffusim.comparison.observing import Observer
from diffusim.comparison.ranking import ranking
from diffusim.comparison.space import Space
from diffusim.comparison.table import Comparison, Frames, Gap, Rank, Row, Trajectory
from diffusim.method import ANALYTIC
from diffusim.verdicts import NOT_JUDGED, UNEXPLAINED

__all__ = [
    "ANALYTIC",
    "Comparison",
    "Frames",
    "Gap",
    "Rank",
    "Row",
    "Space",
    "Trajectory",
    "Truncation",
    "compare",
    "truth_of",
]


# What is no number is found and told, and needs no warning beside.
@np.errstate(invalid="ignore")
def compare(
    runs: Sequence[Trajectory],
    times: Sequence[float] | Array,
    *,
    reference: str | None = None,
    title: str = "",
    volume: float | Array = 1.0,
    expect: Mapping[str, Mapping[str, float]] | None = None,
    space: Space | None = None,
    truths: Sequence[Trajectory] = (),
    truncation: Truncation | None = None,
    asked: bool = False,
    ranked: Collection[str] | None = None,
) -> Comparison:
    """Compare runs with the reference of their own limit, and with a truth of another one.

    Parameters
    ----------
    runs : sequence of Trajectory
        Runs on the same grid at the same times.
    reference : str, optional
        Label of the reference; runs of another limit are judged against a run whose facts say
        ``role: reference`` and whose limit is theirs. Default: the first run that is not
        statistical.
    volume : float or array
        Volume of the cells, where it differs among them; `space` goes before it.
    expect : mapping, optional
        Largest errors a scenario allows, ``{label: {l1, l2, linf, worst_l2, mass_drift: number}}``.
    space : Space, optional
        The cells; closed ones of unit length if not given.
    truths : sequence of Trajectory
        References that get no row, such as an analytic solution that nobody stored.
    truncation : callable, optional
        Tells how far apart theory expects the limits of a run and of a truth.
    asked : bool
        Whether the reference was asked for, and goes before an analytic solution.
    ranked : collection of str, optional
        Labels of the runs that are ranked by their cost; all if not given.

    Raises
    ------
    Unsupported
        When there is no run of that name.
    """
    known = {run.label: run for run in (*runs, *truths)}
    if reference is None:
        reference = next((r.label for r in runs if not r.facts.get("statistical")), runs[0].label)
    if reference not in known:
        raise Unsupported(f"there is no run '{reference}'; there are {', '.join(known)}")
    main = known[reference]
    space = space or _cells_of(runs[0], volume)
    observers, gaps = [], dict[str, GapObserver]()
    for run in runs:
        partner = _partner(run, main, runs)
        observers.append(Observer(run, partner or main, partner is not None, space))
        if (truth := other_truth(run, main, [*runs, *truths], asked)) is not None:
            gaps[run.label] = GapObserver(run, truth, space.volume)
    _watch(observers, gaps, len(times))
    rows = []
    for observer in observers:
        row = observer.row(times)
        if (gap := gaps.get(row.label)) is not None:
            told = _told(gap, truncation)
            row = _with_gap(row, gap.gap(row, told), observer.judged)
        row = diagnosed(row, observer.run, observer.reference, times, space)
        rows.append(expected_at_most(row, (expect or {}).get(row.label, {})))
    ranks, truth_in_words = ranking(rows, *_ranked(runs, ranked))
    return Comparison(title, [float(t) for t in times], rows, reference, ranking=ranks,
                      ranked_against=truth_in_words)  # fmt: skip


def _cells_of(run: Trajectory, volume: float | Array) -> Space:
    shape = np.shape(run.frames[0])
    return Space.of_cells(shape[1:] if run.facts.get("channels") else shape, volume)


def _partner(run: Trajectory, main: Trajectory, runs: Sequence[Trajectory]) -> Trajectory | None:
    """The reference of a run's own limit; one that is drawn by chance only for want of another."""
    candidates = [main, *(r for r in runs if r.facts.get("role") == "reference")]
    own = [r for r in candidates if truth_of(r) == truth_of(run)]
    return next((r for r in own if not r.facts.get("statistical")), next(iter(own), None))


def _watch(observers: Sequence[Observer], gaps: Mapping[str, GapObserver], count: int) -> None:
    """Show every frame to all who look at it, reading it once."""
    for number in range(count):
        seen: dict[int, Array] = {}

        def frame(run: Trajectory, number: int = number, seen: dict[int, Array] = seen) -> Array:
            if id(run) not in seen:
                seen[id(run)] = run.frames[number]
            return seen[id(run)]

        for observer in observers:
            u = frame(observer.run)
            observer.see(number, u, frame(observer.reference))
            if (gap := gaps.get(observer.run.label)) is not None:
                gap.see(u, frame(gap.truth))


def _told(gap: GapObserver, truncation: Truncation | None) -> Sequence[float | None] | str:
    if truncation is None:
        return f"what lies between its limit and that of {gap.truth.label} is not predicted"
    return truncation(gap.run, gap.truth)


def _with_gap(row: Row, gap: Gap, judged: bool) -> Row:
    """A row with its gap, which judges a run that has no reference of its own limit."""
    if judged or gap.verdict == NOT_JUDGED or row.verdict == UNEXPLAINED:
        return replace(row, gap=gap)
    reason = f"{gap.reason}, against {gap.reference}"
    return replace(row, gap=gap, verdict=gap.verdict, reason=reason, ratio=gap.ratio,
                   expected=gap.expected)  # fmt: skip


def _ranked(
    runs: Sequence[Trajectory], ranked: Collection[str] | None
) -> tuple[list[str], dict[str, float]]:
    """Who takes part in the ranking, and what they promise of themselves in the last frame."""
    timed = [run for run in runs if "seconds" in run.facts
             and (ranked is None or run.label in ranked)]  # fmt: skip
    promised = {run.label: float(told[-1]) for run in timed
                if (told := run.facts.get("predicted")) and told[-1] is not None}  # fmt: skip
    return [run.label for run in timed], promised
