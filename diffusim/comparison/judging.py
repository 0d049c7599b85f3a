"""Which verdict a run gets against the reference of its own limit, by what its error is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

from diffusim.comparison.table import Row, Trajectory
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


class Found(NamedTuple):
    """A verdict with its reason, and the numbers it rests on."""

    verdict: str
    reason: str
    ratio: float | None = None
    p_value: float | None = None
    p_last: float | None = None


def judged_by(
    run: Trajectory,
    reference: Trajectory,
    series: Series,
    judged: bool,
    by_chance: bool,
    finite: bool = True,
) -> Found:
    """Judge a run by what kind of error it has.

    Parameters
    ----------
    judged : bool
        Whether the reference is of the run's own limit.
    by_chance : bool
        Whether counts are the field itself, and not positions drawn from it.
    finite : bool
        Whether all values of the run are numbers.
    """
    if not finite:
        return Found(UNEXPLAINED, "it has values that are no numbers")
    found = _without_positions(run, reference, series, judged, by_chance)
    if series.p_cells and not by_chance:
        # Positions drawn from a field that is no count itself have to follow that one.
        drawn, why, p_value, p_last = judge_chance(series)
        found = found._replace(p_value=p_value, p_last=p_last)
        if drawn == UNEXPLAINED:
            found = found._replace(verdict=drawn, reason=f"positions drawn: {why}")
    return found


def _without_positions(
    run: Trajectory, reference: Trajectory, series: Series, judged: bool, by_chance: bool
) -> Found:
    if run.label == reference.label:
        return Found(REFERENCE, "")
    if not judged:
        limit = run.facts.get("limit")
        missing = f"no reference of limit {limit}" if limit else "it does not tell its limit"
        return Found(NOT_JUDGED, missing)
    if reference.facts.get("statistical"):
        return Found(NOT_JUDGED, f"its reference {reference.label} is drawn by chance itself")
    if by_chance and (worse := _worse(series, reference)):
        return Found(NOT_JUDGED, worse)
    if series.p_cells and by_chance:
        verdict, reason, p_value, p_last = judge_chance(series)
        noise = series.predicted[-1]
        ratio = series.l2[-1] / noise if noise else None
        return Found(verdict, reason, ratio, p_value, p_last)
    if series.freedom:
        return Found(*judge_noise(series))
    if series.predicted:
        return Found(*judge_ratio(series, run.facts.get("prediction")))
    return Found(NOT_JUDGED, "this method predicts no error")


def _worse(series: Series, reference: Trajectory) -> str:
    """Say so where a reference errs by more than a part of what chance brings."""
    for number, noise in enumerate(series.predicted):
        if noise and (error := wrong_by(reference, number)) > SHAKY * noise:
            return (
                f"its reference {reference.label} errs by {error:.2g}, which is not little beside "
                f"the noise of {noise:.2g}"
            )
    return ""


def wrong_by(reference: Trajectory, number: int) -> float:
    """By how much a reference may be wrong itself in a frame, and round-off."""
    told = reference.facts.get("predicted", ())
    own = told[number] if number < len(told) else None
    return 1e-15 + float(own or 0.0)


def expected_at_most(row: Row, limits: Mapping[str, float]) -> Row:
    """Turn a verdict where a number is beyond what the scenario expects."""
    beyond = [words for name, most in limits.items()
              if (words := _beyond(name, getattr(row, name), most))]  # fmt: skip
    if not beyond or row.verdict == UNEXPLAINED:
        return row
    return replace(row, verdict=UNEXPECTED, reason=", ".join(beyond))


def _beyond(name: str, value: float | None, most: float) -> str:
    """Say that a number is beyond what is expected, or not told at all; nothing if it is within."""
    if value is None:
        return f"{name} is not told, for no balance is kept"
    return "" if value <= most else f"{name} {value:.3g} > {most:g}"
