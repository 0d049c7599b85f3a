"""Verdicts: whether what was measured in every frame is what theory or chance explains."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from diffusim.counts import p_of_noise

# A ratio of observed to predicted error within these bounds is as predicted.
LOW, HIGH = 0.5, 2.0
# Errors below this are round-off and tolerances; no leading term can be told from them.
FLOOR = 1e-11
# A reference that errs by more than this part of the noise can judge no chance.
SHAKY = 0.2
# The error of a measurement is judged where so many cells or more share its noise.
FEW_CELLS = 16
ALPHA = 1e-6

AS_PREDICTED, UNEXPLAINED, REFERENCE = "as predicted", "unexplained", "reference"
NOT_JUDGED, UNEXPECTED = "not judged", "outside expect"


@dataclass(frozen=True)
class Series:
    """What was measured in every frame of a run."""

    l1: list[float] = field(default_factory=list)
    l2: list[float] = field(default_factory=list)
    linf: list[float] = field(default_factory=list)
    mass: list[float] = field(default_factory=list)
    predicted: list[float | None] = field(default_factory=list)
    p_cells: list[float] = field(default_factory=list)
    p_blocks: list[float] = field(default_factory=list)
    p_time: list[float] = field(default_factory=list)
    freedom: list[float] = field(default_factory=list)


# --- deterministic methods: observed over predicted ---------------------------------------------


def judge_ratio(series: Series, kind: str | None) -> tuple[str, str, float | None]:
    """Judge the worst and the last frame by the ratio of observed to predicted error."""
    pairs = [(o, p) for o, p in zip(series.l2, series.predicted, strict=True) if p is not None]
    if not pairs or (None in series.predicted and not any(map(any, pairs))):
        if max(series.l2) <= FLOOR:
            return AS_PREDICTED, "round-off", None
        return NOT_JUDGED, "too few steps in all frames for theory to tell the error", None
    judged = {max(pairs), pairs[-1]}
    if kind != "bound":
        judged = {pair for pair in judged if max(pair) > FLOOR}
    if not judged:
        return AS_PREDICTED, "round-off", None
    ratios = [observed / predicted if predicted else math.inf for observed, predicted in judged]
    least = 0.0 if kind == "bound" else LOW
    far = max(ratios, key=lambda ratio: abs(math.log(max(ratio, 1e-300))))
    shown = max(ratios) if kind == "bound" else far
    if all(least <= ratio <= HIGH for ratio in ratios):
        return AS_PREDICTED, f"error is {shown:.2g} x predicted", shown
    return UNEXPLAINED, f"error is {shown:.3g} x predicted, allowed {least:g} to {HIGH:g}", shown


# --- statistical methods ------------------------------------------------------------------------


def judge_chance(series: Series) -> tuple[str, str, float, float]:
    """Judge the last and the worst frame; the worst of m tests counts m-fold (Bonferroni)."""
    kinds = [kind for kind in (series.p_cells, series.p_blocks, series.p_time) if kind]
    tests = sum(map(len, kinds))
    p_last = min(1.0, len(kinds) * min(kind[-1] for kind in kinds))
    p_worst = min(1.0, tests * min(map(min, kinds)))
    verdict = AS_PREDICTED if min(p_last, p_worst) >= ALPHA else UNEXPLAINED
    reason = f"p = {p_last:.2g} last, {p_worst:.2g} worst of {tests} tests, alpha {ALPHA:g}"
    return verdict, reason, p_worst, p_last


def judge_noise(series: Series) -> tuple[str, str, float | None]:
    """Judge errors of which the standard deviation of each cell is known, the worst m-fold."""
    told = [(error / noise, freedom) for error, noise, freedom in
            zip(series.l2, series.predicted, series.freedom, strict=True)
            if noise and noise > FLOOR and freedom >= FEW_CELLS]  # fmt: skip
    if not told:
        return NOT_JUDGED, "too few cells for the mean of their errors to tell", None
    p = min(1.0, len(told) * min(p_of_noise(*pair) for pair in told))
    ratio = told[-1][0]
    verdict = AS_PREDICTED if p >= ALPHA else UNEXPLAINED
    return verdict, f"error is {ratio:.3g} x the noise expected, p = {p:.2g} worst", ratio
