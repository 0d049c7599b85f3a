"""Work and precision: which run reaches an error with the fewest seconds."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from diffusim.comparison.table import Rank, Row
from diffusim.method import ANALYTIC

DECADES = tuple(10.0**-k for k in range(1, 15))


def ranking(
    rows: Sequence[Row], timed: Collection[str], promised: dict[str, float]
) -> tuple[list[Rank], str]:
    """Return the cheapest run for each decade of error, and against which truth, in words.

    Errors are relative L2 distances in the last frame: from the one truth that all runs were held
    against where there is one, else from the reference of each run's own limit. Adjacent decades of
    one winner are one rank, that of the smallest.

    Parameters
    ----------
    rows : sequence of Row
        The runs.
    timed : collection of str
        Labels of the runs that take part, of which the seconds are known.
    promised : dict
        The error that a run promises of itself, which a reference's distance from itself is not; a
        reference that promises none takes no part.
    """
    judged = [row for row in rows if row.label in timed]
    truth = _shared(judged)
    found: list[Rank] = []
    runs = [(row.seconds, row.label, reached) for row in judged
            if (reached := _reached(row, truth, promised)) is not None]  # fmt: skip
    for decade in DECADES:
        able = [run for run in runs if run[2] <= decade]
        if not able:
            break
        seconds, label, reached = min(able)
        if found and found[-1].label == label:
            found.pop()
        found.append(Rank(decade, label, seconds, reached))
    return found, truth or "the reference of its own limit"


def _shared(rows: Sequence[Row]) -> str | None:
    """The truth that all but itself were held against, where there is one."""
    truths = dict.fromkeys(row.gap.reference for row in rows if row.gap is not None)
    # Two runs may be each other's truth; the analytic solution, which no run is held up to, is it.
    names = {row.label for row in rows if row.limit != ANALYTIC}
    for truth in sorted(truths, key=lambda name: name in names):
        others = [row for row in rows if row.label != truth]
        if all(row.gap is not None and row.gap.reference == truth for row in others):
            return truth
    return None


def _reached(row: Row, truth: str | None, promised: dict[str, float]) -> float | None:
    """The error of a run; a truth's own is what it promises, and nothing where it does not."""
    if row.label == (truth or row.reference):
        return promised.get(row.label)
    distance = row.gap.l2 if truth is not None and row.gap is not None else row.l2
    return max(distance, promised.get(row.label, 0.0)) if distance == 0.0 else distance
