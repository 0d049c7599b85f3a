"""Stored results made alike, so that their runs can be compared: times, cells and labels.

Frames at times that all have are compared, none is interpolated. Where grids cut one box into
different cells, fields are averaged to the larger ones, conservatively and when asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from diffusim import comparison, store
from diffusim.alignment.alike import space_of
from diffusim.alignment.bringing import Aligned, align
from diffusim.alignment.differences import differences
from diffusim.alignment.labels import asked_for
from diffusim.alignment.truths import Truncations, exact_run
from diffusim.comparison import ANALYTIC, Comparison, Row, Trajectory, truth_of
from diffusim.verdicts import NOT_JUDGED, UNEXPLAINED

__all__ = ["Aligned", "align", "compare_aligned", "compare_stored"]


def compare_stored(results: Sequence[store.Stored], reference: str | None = None) -> Comparison:
    """Compare the runs of one or more results.

    A label that an earlier result has already gets the name of its result's folder before it, and
    a number where that is not enough.

    Parameters
    ----------
    results : sequence of Stored
        The results; the scenario of the first one tells the reference and what is expected.
    reference : str, optional
        Label of the run to compare with, or ``exact`` for the analytic solution.

    Raises
    ------
    Unsupported
        When boxes, axes, channels or clocks differ, or no time but the start is common to all; or
        when there is no run of the reference's name.
    """
    return compare_aligned(align(results), reference)


def compare_aligned(aligned: Aligned, reference: str | None = None) -> Comparison:
    """Compare runs that were brought together, with each other and with the analytic solution.

    The solution of the header's scenario is added as a reference where it has one and no run of it
    is stored.

    Parameters
    ----------
    reference : str, optional
        Label of the run to compare with, or ``exact`` for the analytic solution; that of the
        header's own scenario if not given.

    Raises
    ------
    Unsupported
        When there is no run of the reference's name.
    """
    header, runs = aligned.header, list(aligned.runs.values())
    space, notes = space_of(header), [*header.extra.get("found", []), *aligned.notes]
    truths = []
    if not any(run.facts.get("limit") == ANALYTIC for run in runs):
        exact = exact_run(header, aligned.runs)
        if exact is not None:
            truths, notes = [exact[0]], [*notes, exact[1]]
    own = header.reference if header.reference in aligned.runs else None
    found = comparison.compare(
        runs, header.times, reference=reference or own, title=header.title,
        space=space, expect=_expected(header), truths=truths,
        truncation=Truncations(aligned, space.volume), asked=reference is not None,
        ranked=_ranked(aligned),
    )  # fmt: skip
    rows = [_told(row, aligned.origins) for row in found.rows]
    return replace(found, rows=rows, notes=[*notes, *_instead(found, aligned.runs)])


def _instead(found: Comparison, runs: Mapping[str, Trajectory]) -> Iterator[str]:
    """Say which runs are held against another reference than one that was drawn by chance."""
    main = runs.get(found.reference)
    if main is None or not main.facts.get("statistical"):
        return
    others = {row.reference for row in found.rows if row.own} - {main.label}
    for other in sorted(others):
        if truth_of(runs[other]) == truth_of(main):
            yield (
                f"{main.label} is drawn by chance, so runs of its limit are held against {other}, "
                "which is not"
            )


def _expected(header: store.Header) -> dict[str, Mapping[str, float]]:
    told = header.plain.get("expect")
    return {label: {name: most for name, most in limits.items() if most is not None}
            for label, limits in (told if isinstance(told, dict) else {}).items()}  # fmt: skip


def _ranked(aligned: Aligned) -> set[str]:
    """Labels of the runs that their scenarios ask for, and not of references beside them."""
    found: set[str] = set()
    for label, stored in aligned.origins.items():
        bare = label if label in stored.runs else label.rpartition("/")[2]
        if asked_for(stored, [bare]):
            found.add(label)
    return found


def _told(row: Row, origins: Mapping[str, store.Stored]) -> Row:
    """A row that is not as predicted tells in what its scenario differs from the reference's."""
    mine, other = origins.get(row.label), origins.get(row.reference)
    if row.verdict not in (UNEXPLAINED, NOT_JUDGED):
        return row
    if mine is None or other is None or mine is other:
        return row
    told = differences(mine, other)
    if not told:
        return row
    return replace(row, reason=f"{row.reason}; the scenarios differ, this one first: {told}")
