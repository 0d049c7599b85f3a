"""Comparison of runs: how far they are apart, how far theory says they should be, and a verdict.

Errors are relative to the reference of the run's own limit, never absolute: a small field must not
pass unseen. Deterministic methods are judged by observed over predicted error, statistical ones by
chi-square against the law of their limit.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from diffusim.block import Array, Unsupported
from diffusim.comparison.table import Comparison, Frames, Gap, Rank, Row, Trajectory
from diffusim.counts import ahead_or_behind, chi_square_pair, expected_noise, freedom_of
from diffusim.norms import distance, relative
from diffusim.verdicts import (
    NOT_JUDGED,
    REFERENCE,
    SHAKY,
    UNEXPECTED,
    UNEXPLAINED,
    Series,
    judge_chance,
    judge_noise,
    judge_ratio,
)

__all__ = ["Comparison", "Frames", "Gap", "Rank", "Row", "Trajectory", "compare"]


def compare(
    runs: Sequence[Trajectory],
    times: Sequence[float] | Array,
    *,
    reference: str | None = None,
    title: str = "",
    volume: float | Array = 1.0,
    expect: Mapping[str, Mapping[str, float]] | None = None,
) -> Comparison:
    """Compare runs with the reference of their own limit.

    Parameters
    ----------
    runs : sequence of Trajectory
        Runs on the same grid at the same times.
    reference : str, optional
        Label of the reference; runs of another limit are judged against a run whose facts say
        ``role: reference`` and whose limit is theirs. Default: the first run that is not
        statistical.
    volume : float or array
        Volume of the cells, where it differs among them.
    expect : mapping, optional
        Largest errors a scenario allows, ``{label: {l1, l2, linf, worst_l2, mass_drift: number}}``.

    Raises
    ------
    Unsupported
        When there is no run of that name.
    """
    known = {run.label: run for run in runs}
    if reference is None:
        reference = next((r.label for r in runs if not r.facts.get("statistical")), runs[0].label)
    if reference not in known:
        raise Unsupported(f"there is no run '{reference}'; there are {', '.join(known)}")
    main = known[reference]
    rows = []
    for run in runs:
        partner = _partner(run, main, runs)
        row = _row(run, partner or main, times, volume, judged=partner is not None)
        rows.append(_expected(row, (expect or {}).get(run.label, {})))
    return Comparison(title, [float(t) for t in times], rows, reference)


def _partner(run: Trajectory, main: Trajectory, runs: Sequence[Trajectory]) -> Trajectory | None:
    """The reference of a run's own limit."""
    limit = run.facts.get("limit")
    candidates = [main, *(r for r in runs if r.facts.get("role") == "reference")]
    return next((r for r in candidates if r.facts.get("limit") == limit), None)


def _row(
    run: Trajectory,
    reference: Trajectory,
    times: Sequence[float] | Array,
    volume: float | Array,
    judged: bool,
) -> Row:
    series = Series()
    minimum, maximum, first, size = math.inf, -math.inf, 0.0, 0.0
    last: Array = np.zeros(1)
    channels = int(run.facts.get("channels", 0))
    # Counts are the field itself, or positions drawn from it, which have to follow that one.
    by_chance = bool(run.facts.get("statistical", True))
    for number in range(len(times)):
        u, r = run.frames[number], reference.frames[number]
        for name, order in (("l1", 1), ("l2", 2), ("linf", np.inf)):
            getattr(series, name).append(distance(u, r, order, volume))
        total = float(np.sum(u * volume))
        accounts = np.zeros(1) if run.accounts is None else run.accounts[number]
        accounts = np.sum(accounts, axis=0) if accounts.ndim > 1 else accounts
        if number == 0:
            # Beside the content of either sign: a field of zero mean has no relative change.
            first, size = float(run.facts.get("total", total)), float(np.sum(np.abs(u) * volume))
        handled = size + float(np.sum(np.abs(accounts)))
        series.mass.append((total - first - float(np.sum(accounts))) / (handled or 1.0))
        minimum, maximum = min(minimum, float(np.min(u))), max(maximum, float(np.max(u)))
        if run.counts is not None and (judged or not by_chance):
            law, before = (r, last) if by_chance else (u, np.zeros(1))
            wrong = _wrong(reference, number) if by_chance else 0.0
            _count(series, run, number, (law * volume, before * volume), channels, wrong)
        if run.counts is not None and judged and by_chance:
            particles = int(np.sum(run.counts[number])) // max(1, channels)
            worth = _read(run, "weight", number)
            series.predicted.append(expected_noise(r, particles, channels, volume, worth))
        if (deviation := _read(run, "deviation", number)) is not None:
            series.predicted.append(relative(deviation, r, 2, volume))
            series.freedom.append(freedom_of(deviation))
        last = r
    series.predicted.extend([] if series.predicted else _owed(run, reference))
    worst = int(np.argmax(series.l2))
    expected = series.predicted[-1] if series.predicted else None
    found = _judged(run, reference, series, judged, by_chance)
    return Row(
        label=run.label, limit=str(run.facts.get("limit", "")), reference=reference.label,
        l1=series.l1[-1], l2=series.l2[-1], linf=series.linf[-1], worst_l2=series.l2[worst],
        worst_time=float(times[worst]), expected=expected, ratio=found.ratio,
        p_value=found.p_value, p_last=found.p_last, mass_drift=max(map(abs, series.mass)),
        minimum=minimum, maximum=maximum, seconds=float(run.facts.get("seconds", 0.0)),
        verdict=found.verdict, reason=found.reason, series=series,
        accounts=dict(zip(run.facts.get("accounts", ()), map(float, accounts), strict=False)),
    )  # fmt: skip


class _Found(NamedTuple):
    """A verdict with its reason, and the numbers it rests on."""

    verdict: str
    reason: str
    ratio: float | None = None
    p_value: float | None = None
    p_last: float | None = None


def _judged(
    run: Trajectory, reference: Trajectory, series: Series, judged: bool, by_chance: bool
) -> _Found:
    """Judge a run by what kind of error it has, against a reference of its limit if there is."""
    found = _Found(NOT_JUDGED, f"no reference of limit {run.facts.get('limit')}")
    if run.label == reference.label:
        found = _Found(REFERENCE, "")
    elif judged and reference.facts.get("statistical"):
        found = _Found(NOT_JUDGED, f"its reference {reference.label} is drawn by chance itself")
    elif judged and by_chance and (worse := _worse(series, reference)):
        found = _Found(NOT_JUDGED, worse)
    elif series.p_cells and by_chance:
        verdict, reason, p_value, p_last = judge_chance(series)
        noise = series.predicted[-1]
        ratio = series.l2[-1] / noise if noise else None
        found = _Found(verdict, reason, ratio, p_value, p_last)
    elif judged and series.freedom:
        found = _Found(*judge_noise(series))
    elif judged and series.predicted:
        found = _Found(*judge_ratio(series, run.facts.get("prediction")))
    elif judged:
        found = _Found(NOT_JUDGED, "this method predicts no error")
    if series.p_cells and not by_chance:
        # Positions drawn from a field that is no count itself have to follow that one.
        drawn, why, p_value, p_last = judge_chance(series)
        found = found._replace(p_value=p_value, p_last=p_last)
        if drawn == UNEXPLAINED:
            found = found._replace(verdict=drawn, reason=f"positions drawn: {why}")
    return found


def _worse(series: Series, reference: Trajectory) -> str:
    """Say so where a reference errs by more than a part of what chance brings."""
    for number, noise in enumerate(series.predicted):
        if noise and (error := _wrong(reference, number)) > SHAKY * noise:
            return (
                f"its reference {reference.label} errs by {error:.2g}, which is not little beside "
                f"the noise of {noise:.2g}"
            )
    return ""


def _wrong(reference: Trajectory, number: int) -> float:
    """By how much a reference may be wrong itself, and round-off."""
    told = reference.facts.get("predicted", ())
    own = told[number] if number < len(told) else None
    return 1e-15 + float(own or 0.0)


def _count(
    series: Series,
    run: Trajectory,
    number: int,
    laws: tuple[Array, Array],
    channels: int,
    wrong: float,
) -> None:
    """Test the counts of a frame against their law, and against the law of the frame before."""
    if run.counts is None:
        return
    counts, worth = run.counts[number], _read(run, "weight", number)
    p_cells, p_blocks = chi_square_pair(counts, laws[0], channels, worth, wrong)
    series.p_cells.append(p_cells)
    series.p_blocks.append(p_blocks)
    if run.facts.get("statistical", True):
        moved = ahead_or_behind(counts, *laws, channels, worth) if number else 1.0
        series.p_time.append(moved)


def _read(run: Trajectory, name: str, number: int) -> Array | None:
    """A frame of one of the arrays beside a run's field, if it has it."""
    frames = run.arrays.get(name)
    return None if frames is None else np.asarray(frames[number])


def _owed(run: Trajectory, reference: Trajectory) -> list[float | None]:
    """The error expected of a run: its own, and where that is a bound the reference's beside it."""
    if run.label == reference.label:
        return []
    own = list(run.facts.get("predicted", ()))
    if run.facts.get("prediction") != "bound" or reference.facts.get("prediction") != "bound":
        return own
    other = reference.facts["predicted"]
    return [None if None in pair else sum(pair) for pair in zip(own, other, strict=True)]


def _expected(row: Row, limits: Mapping[str, float]) -> Row:
    """Turn a verdict where a number is beyond what the scenario expects."""
    beyond = [f"{name} {getattr(row, name):.3g} > {most:g}"
              for name, most in limits.items() if not getattr(row, name) <= most]  # fmt: skip
    if not beyond or row.verdict == UNEXPLAINED:
        return row
    return Row(**{**row.__dict__, "verdict": UNEXPECTED, "reason": ", ".join(beyond)})
