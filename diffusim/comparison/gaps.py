"""Distances from a truth of another limit than a run's own, beside the truncation between them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from diffusim import norms
from diffusim.block import Array
from diffusim.comparison.table import Gap, Row, Trajectory
from diffusim.counts import freedom_of
from diffusim.method import ANALYTIC
from diffusim.verdicts import FEW_CELLS, HIGH, LOW, NOT_JUDGED, Series, judge_gap

# Of a run and a truth: the relative L2 distance of their limits in each frame, or why none is told.
Truncation = Callable[[Trajectory, Trajectory], Sequence[float | None] | str]
# Noise above this part of the field is that of cells with next to nothing in them, whose counts are
# so far from normal that no factor bounds it.
LARGEST_NOISE = 0.5


def truth_of(run: Trajectory) -> tuple[object, object]:
    """Return what a run converges to: a limit, on its own cells where these were others.

    The analytic solution is the same on all cells.
    """
    limit = run.facts.get("limit")
    return limit, None if limit == ANALYTIC else run.facts.get("cells")


def other_truth(
    run: Trajectory, main: Trajectory, known: Sequence[Trajectory], asked: bool
) -> Trajectory | None:
    """Return the truth of another limit that a run is held against beside its own, if there is one.

    Parameters
    ----------
    main : Trajectory
        The main reference.
    known : sequence of Trajectory
        Everything there is; an analytic solution among them goes before a main reference that
        nobody asked for.
    asked : bool
        Whether the main reference was asked for.
    """
    exact = [one for one in known if one.facts.get("limit") == ANALYTIC][:1]
    candidates = [main, *exact] if asked else [*exact, main]
    own = truth_of(run)
    for one in candidates:
        if truth_of(one) != own and not one.facts.get("statistical"):
            return one
    return None


class GapObserver:
    """A run beside a truth of another limit; it is shown every frame of both once, in order."""

    def __init__(self, run: Trajectory, truth: Trajectory, volume: float | Array) -> None:
        self.run, self.truth = run, truth
        self.series = Series()
        self._volume = volume
        self._by_chance = bool(run.facts.get("statistical", run.counts is not None))

    def see(self, u: Array, r: Array) -> None:
        """Take in a frame of the run and of the truth."""
        self.series.append_distances(norms.distances(u, r, self._volume))
        if self._by_chance:
            # The variance of a count is what is expected of it, and a cell counts by its volume.
            self.series.freedom.append(freedom_of(np.sqrt(np.maximum(r, 0.0))))

    def gap(self, row: Row, told: Sequence[float | None] | str) -> Gap:
        """Return what was seen, judged by what is told of the truncation and the run's own error.

        Parameters
        ----------
        row : Row
            The run beside the reference of its own limit.
        told : sequence or str
            What is expected between the two limits in each frame, or why nothing is.
        """
        series = self.series
        # A reference answers for itself by what it promises.
        own = row.series.predicted or self.run.facts.get("predicted")
        if isinstance(told, str) or not own:
            told = told if isinstance(told, str) else "this method predicts no error of its own"
            found: tuple[str, str, float | None] = NOT_JUDGED, told, None
        else:
            if row.series.freedom:
                series.freedom[:] = row.series.freedom
            pairs = self._expected(own, told)
            series.predicted.extend(most for most, _ in pairs)
            found = judge_gap(series, [least for _, least in pairs])
        verdict, reason, ratio = found
        return Gap(
            reference=self.truth.label, l1=series.l1[-1], l2=series.l2[-1], linf=series.linf[-1],
            worst_l2=float(np.max(series.l2)), ratio=ratio,
            expected=series.predicted[-1] if series.predicted else None,
            verdict=verdict, reason=reason, series=series,
        )  # fmt: skip

    def _expected(
        self, own: Sequence[float | None], told: Sequence[float | None]
    ) -> list[tuple[float | None, float | None]]:
        """What both errors together are expected to be, and at least, in each frame."""
        if self._by_chance:
            return [_with_noise(*three)
                    for three in zip(told, own, self.series.freedom, strict=True)]  # fmt: skip
        bound = self.run.facts.get("prediction") == "bound"
        return [_together(a, b, bound) for a, b in zip(told, own, strict=True)]


def _together(
    truncation: float | None, own: float | None, bound: bool
) -> tuple[float | None, float | None]:
    if truncation is None or own is None:
        return None, None
    # Each may be off by a factor itself, and two errors of known size may cancel; a bound may be
    # far above the error itself.
    left = LOW * truncation - HIGH * own
    if not bound:
        left = max(left, LOW * own - HIGH * truncation)
    return truncation + own, max(0.0, left)


def _with_noise(
    truncation: float | None, own: float | None, freedom: float
) -> tuple[float | None, float | None]:
    """As squares; that noise is not too little is for its own law to say."""
    if truncation is None or own is None:
        return None, None
    told = own <= LARGEST_NOISE and freedom >= FEW_CELLS
    return math.hypot(truncation, own), 0.0 if told else None
