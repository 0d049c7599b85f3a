"""Truths beside the stored runs: the analytic solution, and what lies between two limits."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from diffusim.alignment.alike import geometry_of
from diffusim.alignment.bringing import Aligned, brought_to
from diffusim.alignment.cells import faces_of
from diffusim.block import Array, Unsupported
from diffusim.coarsening import Coarsening
from diffusim.comparison import ANALYTIC, Trajectory
from diffusim.norms import relative
from diffusim.store import Header
from diffusim.truncation import Truncation, analytic_run, truncation_of

# Frames in which truncation is predicted; it changes slowly from one to the next.
LOOKED_AT = 9
# A comparison is made after every run and must not take much longer than this.
PATIENCE = 3.0
EXACT = "exact"

Told = Sequence[float | None] | str


def exact_run(header: Header, labels: Collection[str]) -> tuple[Trajectory, str] | None:
    """Return the analytic solution of a scenario as a run, and its name in words.

    Parameters
    ----------
    labels : collection of str
        Labels that are taken.
    """
    free = next(name for name in (EXACT, "analytic", "exact-solution") if name not in labels)
    found = analytic_run(header, free)
    if found is None:
        return None
    source = found.facts.get("source")
    return found, f"{free}: {found.facts['solution']}" + (f" ({source})" if source else "")


class Truncations:
    """How far apart theory expects the limits of two runs, worked out once for each pair.

    Parameters
    ----------
    aligned : Aligned
        The runs.
    volume : float or array
        Volume of the cells that they were brought to.
    """

    def __init__(self, aligned: Aligned, volume: float | Array) -> None:
        self._header, self._volume = aligned.header, volume
        self._known: dict[tuple[object, ...], Told] = {}

    def __call__(self, run: Trajectory, truth: Trajectory) -> Told:
        """Return the relative L2 distance in each frame, None where it is not told, or why not."""
        key = (run.facts.get("limit"), str(run.facts.get("cells")), truth.label)
        if key not in self._known:
            try:
                self._known[key] = self._told(run, truth)
            except Unsupported as reason:
                self._known[key] = f"{reason}"
        return self._known[key]

    def _told(self, run: Trajectory, truth: Trajectory) -> Told:
        count = self._header.times.size
        # The start is what both begin from; nothing is truncated there.
        first = int(self._header.times[0] == 0.0)
        if first == count:
            raise Unsupported("nothing has happened at time zero")
        chosen = sorted({*np.linspace(first, count - 1, LOOKED_AT).round().astype(int).tolist()})
        found, work = self._between(run, truth, chosen)
        if found.seconds > PATIENCE:
            raise Unsupported(f"it would take about {found.seconds:.0f} s")
        told: list[float | None] = [None] * count
        for number, apart in zip(chosen, found.fields(), strict=True):
            if apart is not None:
                told[number] = relative(work.means(apart), truth.frames[number], 2, self._volume)
        return told

    def _between(
        self, run: Trajectory, truth: Trajectory, chosen: list[int]
    ) -> tuple[Truncation, Coarsening]:
        """The truncation on the cells that the run's own limit belongs to."""
        limits = [one.facts.get("limit") for one in (run, truth)]
        if None in limits:
            raise Unsupported("which limit it converges to is not told")
        if not all(map(self._whole, (run, truth))):
            raise Unsupported("cells are cut, and what that errs by is not predicted")
        mine, other = (tuple(one.facts.get("cells") or self._header.shape) for one in (run, truth))
        limit, beside = map(str, limits)
        times = self._header.times[chosen]
        finer = 1
        if beside != ANALYTIC and mine != other:
            if limit != beside:
                raise Unsupported(f"limit {limit} and limit {beside} on other cells")
            finer, mine = _ratio(mine, other)
        header = self._on_cells(mine, times)
        work = Coarsening.between(faces_of(header), faces_of(self._header), geometry_of(header))
        return truncation_of(header, limit, beside, finer=finer), work

    def _whole(self, run: Trajectory) -> bool:
        """Whether no cell that a run was computed on lies in two of those it was brought to."""
        faces = self._faces(tuple(run.facts.get("cells") or self._header.shape))
        large, geometry = faces_of(self._header), geometry_of(self._header)
        return Coarsening.between(faces, large, geometry).whole

    def _on_cells(self, shape: tuple[int, ...], times: Array) -> Header:
        return brought_to(self._header, self._faces(shape), times, anew=True)

    def _faces(self, shape: tuple[int, ...]) -> list[Array]:
        return [f if n == f.size - 1 else np.linspace(f[0], f[-1], n + 1)
                for n, f in zip(shape, faces_of(self._header), strict=True)]  # fmt: skip


def _ratio(one: tuple[int, ...], other: tuple[int, ...]) -> tuple[int, tuple[int, ...]]:
    """How many times finer one grid is than the other, and the coarser one."""
    coarse, fine = sorted((one, other))
    ratios = {f / c for f, c in zip(fine, coarse, strict=True)}
    if len(ratios) > 1 or not next(iter(ratios)).is_integer():
        raise Unsupported("one grid is not the same whole number of times as fine along every axis")
    return int(ratios.pop()), coarse
