"""What is likely wrong with a run that theory does not explain.

A few simple faults are undone one by one; where one of them takes away nearly all of the difference
from the reference, the reason of the verdict names it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from diffusim.block import Array
from diffusim.comparison.space import Space
from diffusim.comparison.table import Row, Trajectory
from diffusim.verdicts import UNEXPLAINED

# An explanation has to take away so much of the squared difference, all but a tenth.
LEFT = 0.1
# Shifts by so many cells are tried.
FARTHEST = 3
# A run that is ahead in time is compared where the reference's last frame is so many times later.
AHEAD = (1.0, 1.6, 2.5, 5.0)
# Where a bound is more than this part of the last frame, nothing can be told from that frame.
BOUND = 1e-3
# Factors nearer to one than the first are none; than the second, they are told to a per mille.
NO_FACTOR, CLOSE = 1e-6, 0.1


class _Explanation(NamedTuple):
    """Which part of the squared difference is left, and what it looks like."""

    left: float
    words: str


def diagnosed(
    row: Row,
    run: Trajectory,
    reference: Trajectory,
    times: Sequence[float] | Array,
    space: Space,
) -> Row:
    """Return the row with what is likely wrong added to its reason, where that can be told.

    Parameters
    ----------
    row : Row
        What was found; only one that is unexplained is looked at.
    run, reference : Trajectory
        The run and what it was compared with, with a frame at each of the times.
    """
    if row.verdict != UNEXPLAINED or row.l2 != row.l2 or _died_out(row, run):
        return row
    weight = np.sqrt(space.volume)
    last = len(times) - 1
    u, r = (one.frames[last] * weight for one in (run, reference))
    found = [*_of_one_frame(u, r, len(space.centres), row)]
    found += _along_in_time(run, reference, np.asarray(times, dtype=float), weight)
    best = min(found, key=lambda one: one.left, default=None)
    if best is None or not best.left <= LEFT:
        return row
    return replace(row, reason=f"{row.reason}; it looks {best.words}")


def _died_out(row: Row, run: Trajectory) -> bool:
    """Whether what is promised of a run is no longer little beside the last frame."""
    promised, told = run.facts.get("predicted"), row.series.predicted
    if not promised or not told or promised[-1] is None:
        return False
    if told[-1] is None:
        return True
    return run.facts.get("prediction") == "bound" and told[-1] > max(BOUND, 10.0 * promised[-1])


def _of_one_frame(u: Array, r: Array, dimensions: int, row: Row) -> Iterator[_Explanation]:
    whole = float(np.sum((u - r) ** 2))
    if not whole > 0.0:
        return
    size = float(np.sum(r**2))
    if size > 0.0 and abs((factor := float(np.sum(u * r)) / size) - 1.0) > NO_FACTOR:
        left = float(np.sum((u - factor * r) ** 2)) / whole
        lost = (row.mass_drift or 0.0) > 0.5 * abs(1.0 - factor) and 0.0 < factor < 1.0
        words = f"as though {100.0 * (1.0 - factor):.3g} % of the content were lost"
        scaled = f"as though it were multiplied by {factor:.4g}"
        yield _Explanation(left, words if lost else scaled)
    axes = range(u.ndim - dimensions, u.ndim)
    for turned, words in _turned(r, axes):
        yield _Explanation(float(np.sum((u - turned) ** 2)) / whole, words)
    reach = [range(-min(FARTHEST, n - 1), min(FARTHEST, n - 1) + 1) for n in u.shape[axes[0] :]]
    for shifts in itertools.product(*reach):
        if any(shifts):
            left = float(np.sum((u - _shifted(r, shifts, axes)) ** 2)) / whole
            yield _Explanation(left, _shift_in_words(shifts))


def _turned(r: Array, axes: range) -> Iterator[tuple[Array, str]]:
    for count in range(1, len(axes) + 1):
        for chosen in itertools.combinations(axes, count):
            names = " and ".join("xyz"[axis - axes[0]] for axis in chosen)
            yield np.flip(r, chosen), f"mirrored along {names}"
    if len(axes) == 2 and r.shape[axes[0]] == r.shape[axes[1]]:
        yield np.swapaxes(r, *axes), "transposed"


def _shifted(r: Array, shifts: Sequence[int], axes: range) -> Array:
    """A field moved by whole cells; what lies at a side comes in from there."""
    for shift, axis in zip(shifts, axes, strict=True):
        places = np.clip(np.arange(r.shape[axis]) - shift, 0, r.shape[axis] - 1)
        r = np.take(r, places, axis)
    return r


def _shift_in_words(shifts: Sequence[int]) -> str:
    parts = [f"{shift:+d} along {'xyz'[axis]}" for axis, shift in enumerate(shifts) if shift]
    return f"shifted by whole cells, {' and '.join(parts)}"


def _along_in_time(
    run: Trajectory, reference: Trajectory, times: Array, weight: float | Array
) -> Iterator[_Explanation]:
    """Try whether the reference's frames at other times fit better, as with another diffusivity."""
    if len(times) < 3:
        return
    numbers = {max(1, int(np.argmin(np.abs(times - times[-1] / ahead)))) for ahead in AHEAD}
    looked_at = {number: run.frames[number] * weight for number in numbers}
    apart = {number: float(np.sum((u - reference.frames[number] * weight) ** 2))
             for number, u in looked_at.items()}  # fmt: skip
    nearest = _nearest(looked_at, reference, times, weight)
    for number, (left, time) in sorted(nearest.items()):
        factor = time / float(times[number])
        if apart[number] > 0.0 and abs(factor - 1.0) > NO_FACTOR:
            # Between frames a time is told to a part of their distance only.
            shown = f"{factor:.3g}" if abs(factor - 1.0) < CLOSE else f"{factor:.2g}"
            words = f"as though the diffusivity were {shown} times as large"
            yield _Explanation(left / apart[number], words)


def _nearest(
    looked_at: Mapping[int, Array], reference: Trajectory, times: Array, weight: float | Array
) -> dict[int, tuple[float, float]]:
    """Least squared distance of each field from the lines between neighbours, and its time.

    Beyond the last frame a line goes on for half as long. Two frames are held at a time.
    """
    best: dict[int, tuple[float, float]] = {}
    here = reference.frames[0] * weight
    for k in range(len(times) - 1):
        start, here = here, reference.frames[k + 1] * weight
        step = here - start
        length = float(np.sum(step**2))
        most = 1.5 if k == len(times) - 2 else 1.0
        for number, u in looked_at.items() if length > 0.0 else ():
            part = min(max(float(np.sum((u - start) * step)) / length, 0.0), most)
            left = float(np.sum((u - start - part * step) ** 2))
            time = float(times[k] + part * (times[k + 1] - times[k]))
            best[number] = min(best.get(number, (left, time)), (left, time))
    return best
