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
# With these a comparison is not sound.
UNSOUND = (UNEXPLAINED, UNEXPECTED)


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

    def append_distances(self, distances: tuple[float, float, float]) -> None:
        """Add the relative distances of a frame in L1, L2 and Linf."""
        for series, value in zip((self.l1, self.l2, self.linf), distances, strict=True):
            series.append(value)


# --- deterministic methods: observed over predicted ---------------------------------------------


def judge_ratio(series: Series, kind: str | None) -> tuple[str, str, float | None]:
    """Judge the worst and the last frame by the ratio of observed to predicted error."""
    if any(map(math.isnan, series.l2)):
        # No comparison with what is no number holds, so the largest would not be found.
        return UNEXPLAINED, "its error is no number", None
    pairs = [(o, p) for o, p in zip(series.l2, series.predicted, strict=True) if p is not None]
    if not pairs or (None in series.predicted and not any(map(any, pairs))):
        if max(series.l2) <= FLOOR:
            return AS_PREDICTED, "round-off", None
        return NOT_JUDGED, "theory tells the error in no frame", None
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


def judge_gap(series: Series, least: list[float | None]) -> tuple[str, str, float | None]:
    """Judge the distance from a reference of another limit, in the worst and the last frame.

    Two errors may add up or cancel, so a distance may lie anywhere from what is left where they
    cancel to twice the sum of what is expected.

    Parameters
    ----------
    series : Series
        The distances, the sums that are expected of them, and where chance is part of them its
        degrees of freedom.
    least : list
        The least distance that is as predicted, a number for each frame.
    """
    if any(map(math.isnan, series.l2)):
        return UNEXPLAINED, "its distance is no number", None
    freedom = series.freedom or [math.inf] * len(series.l2)
    told = [(observed, most, few, free) for observed, most, few, free in
            zip(series.l2, series.predicted, least, freedom, strict=True)
            if most is not None and few is not None]  # fmt: skip
    if not told:
        why = "its noise is too large, or of too few cells, to tell" if series.freedom else (
            "theory tells the distance in no frame")  # fmt: skip
        return NOT_JUDGED, why, None
    judged = [one for one in {max(told), told[-1]} if max(one[:3]) > FLOOR]
    if not judged:
        return AS_PREDICTED, "round-off", None
    shares = [(observed / most if most else math.inf, few / most if most else 0.0, free)
              for observed, most, few, free in judged]  # fmt: skip
    far, low, _ = max(shares, key=lambda share: abs(math.log(max(share[0], 1e-300))))
    if all(least <= share and (share <= HIGH or _by_chance(share, free, len(told)))
           for share, least, free in shares):  # fmt: skip
        return AS_PREDICTED, f"distance is {far:.2g} x predicted", far
    return UNEXPLAINED, f"distance is {far:.3g} x predicted, allowed {low:.2g} to {HIGH:g}", far


def _by_chance(ratio: float, freedom: float, tests: int) -> bool:
    """Whether noise that few cells share brings so many times what is expected of it."""
    return freedom < math.inf and tests * p_of_noise(ratio, freedom) >= ALPHA


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
