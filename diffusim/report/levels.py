"""Levels: the frames of all runs in steps of a byte, and how far each is from its reference."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from diffusim import store
from diffusim.block import Array
from diffusim.comparison import Comparison, Trajectory
from diffusim.plots import shown
from diffusim.plots.maps import SLACK, what_is_looked_at
from diffusim.report.packing import Packed, Packer

Span = tuple[float, float]
# Level 0 says that there is no number. Those of a field go from 1 to 255, and so do those of a
# difference, of a signed one with zero at 128.
NONE, STEPS, SIGNED, ZERO = 0, 254, 127, 128
# Chance reaches far beyond the scale of colours, so that its steps would be seen there: a second
# byte goes from half a step below a level to half a step above it.
FINE = 255
# Bytes that a browser can well hold at once, unpacked.
MOST_BYTES = 256 * 2**20


class Look(NamedTuple):
    """What is shown of a field: its name and unit, in how many planes, and whether its root."""

    name: str
    unit: str
    planes: int
    root: bool
    channels: bool

    def of(self, u: Array, most: int) -> Array:
        """Return what is shown of a frame, planes first, of at most so many cells an axis.

        What is no finite number is nan, and so is every mean that it would be part of.
        """
        u = np.asarray(u, dtype=float)
        if not math.isfinite(float(np.sum(u))):
            u = np.where(np.isfinite(u), u, np.nan)
        if self.channels and self.planes == 1:
            u = np.mean(u, axis=0)
        u = shown.coarse(u if self.planes > 1 else u[np.newaxis], most, first=1)
        return np.sqrt(np.maximum(u, 0.0)) if self.root else u


def look(header: store.Header) -> Look:
    """Return what is shown of the fields of a result, as its figures do."""
    name, unit = what_is_looked_at(header)
    planes, root = 3 if shown.in_colours(header) else 1, shown.wave(header)
    return Look(name if planes == 1 else header.name, unit, planes, root, bool(header.channels))


@dataclass(frozen=True)
class RunLevels:
    """One run: its frames, its extremes in each, and how far each is from the reference.

    The levels of a frame lie between its ``spans``, nan where it holds no number; ``fine`` says
    where between two levels, for what chance made. ``apart`` is None for a reference, and where
    nothing differs; ``scales`` holds the largest difference of each frame.
    """

    label: str
    reference: str
    frames: Packed
    fine: Packed | None
    spans: list[Span]
    apart: Packed | None
    scales: list[float]


@dataclass(frozen=True)
class Levels:
    """All runs, at the frames that are kept.

    ``limits`` are those of the scale of colours that all share, ``beyond`` tells whether anything
    is below or above them, and ``own`` holds the limits of each moment alone. ``holes`` tells
    whether something is no number.
    """

    look: Look
    numbers: list[int]
    shape: tuple[int, ...]
    limits: Span
    beyond: tuple[bool, bool]
    own: list[Span]
    holes: bool
    runs: list[RunLevels]

    @property
    def letters(self) -> int:
        """Letters of text that the frames take."""
        packed = [part for run in self.runs for part in (run.frames, run.fine, run.apart) if part]
        return sum(len(part.text) for part in packed)


def levels(
    header: store.Header,
    runs: Mapping[str, Trajectory],
    comparison: Comparison,
    budget: int,
    most: int = shown.MOST_CELLS,
) -> Levels:
    """Pack the frames of all runs into so many letters at most.

    Where that is too little for all of them every k-th is kept, the last one always; where it is
    too little for two, cells are put together. One frame of each run is in memory at a time.

    Parameters
    ----------
    budget : int
        Letters of text.
    most : int
        Cells along an axis beyond which means of blocks are kept.
    """
    shows, count, every = look(header), len(comparison.times), 1
    limits = _limits(shows, runs, comparison, most)
    while True:
        shape = shows.of(np.zeros((*_planes(header), *header.shape)), most).shape[1:]
        chance = sum(map(shown.by_chance, runs.values()))
        bytes_each = (2 * len(runs) + chance) * shows.planes * math.prod(shape)
        every = max(every, -(-count * bytes_each // MOST_BYTES))
        kept = sorted({*range(0, count, every), count - 1})
        packing = _Packing(shows, runs, comparison, limits, most)
        for number in kept:
            packing.add(number)
            if packing.size > budget:
                break
        done, found = packing.done, packing.levels(kept, shape)
        if (done == len(kept) and found.letters <= budget) or (len(kept) <= 2 and max(shape) <= 8):
            return found
        if len(kept) > 2:
            # What they take tells how many would have fitted.
            more = 1.1 * found.letters * len(kept) / (done * budget)
            every = min(count - 1, max(every + 1, math.ceil(every * more)))
        else:
            most = -(-max(shape) // 2)


def _planes(header: store.Header) -> tuple[int, ...]:
    return (len(header.channels),) if header.channels else ()


def _limits(shows: Look, runs: Mapping[str, Trajectory], comparison: Comparison, most: int) -> Span:
    """Limits of the common scale: those of the reference, as chance would take most of it."""
    first = runs.get(comparison.reference) or next(iter(runs.values()))
    chosen = list(runs.values()) if shown.by_chance(first) else [first]
    spans = [
        _span([shows.of(run.frames[n], most) for run in chosen])
        for n in range(1 if shows.planes > 1 else len(comparison.times))
    ]
    low, high = _around(spans)
    if math.isnan(low) and len(chosen) < len(runs):
        return _limits(shows, {k: run for k, run in runs.items() if run is not first}, comparison,
                       most)  # fmt: skip
    if len(spans) > 1 and low >= 0.0 and shows.of(first.frames[0], most).ndim == 2:
        later = _around(spans[1:])[1]
        # In one dimension a start in a few cells would leave nothing of the scale to the rest.
        high = later if 0.0 < later < 0.5 * high else high
    return _scale((low, high))


def _scale(ends: Span) -> Span:
    """Limits of a scale of colours, round-off left out of them."""
    size = max(map(abs, ends))
    if not math.isfinite(size):
        return 0.0, 1.0
    low, high = (0.0 if abs(end) <= shown.ROUND_OFF_OF_SCALE * size else end for end in ends)
    return shown.widened(low, high)


def _span(frames: Sequence[Array]) -> Span:
    """Extremes of all numbers in frames, nan where there are none."""
    return _around([(float(np.fmin.reduce(u, None)), float(np.fmax.reduce(u, None)))
                    for u in frames])  # fmt: skip


def _around(spans: Sequence[Span]) -> Span:
    known = [span for span in spans if not math.isnan(span[0])]
    if not known:
        return math.nan, math.nan
    return min(low for low, _ in known), max(high for _, high in known)


@dataclass
class _Packing:
    """Frames on their way into text."""

    look: Look
    runs: Mapping[str, Trajectory]
    comparison: Comparison
    limits: Span
    most: int
    spans: dict[str, list[Span]] = field(default_factory=dict)
    scales: dict[str, list[float]] = field(default_factory=dict)
    holed: set[str] = field(default_factory=set)
    packers: dict[tuple[str, str], Packer] = field(default_factory=dict)

    def add(self, number: int) -> None:
        """Take a frame of every run."""
        frames = {
            label: self.look.of(run.frames[number], self.most) for label, run in self.runs.items()
        }
        for label, u in frames.items():
            low, high = _span([u])
            self.spans.setdefault(label, []).append((low, high))
            part = (u - low) / (high - low) if high > low else np.where(u == low, 0.0, u)
            level = _levels(part)
            if not np.all(level):
                self.holed.add(label)
            self._pack(label, "frames", level)
            if shown.by_chance(self.runs[label]):
                rest = np.where(level == NONE, 0.0, part * STEPS - (level - 1.0))
                self._pack(label, "fine", np.rint((rest + 0.5) * FINE).astype(np.uint8))
            reference = frames.get(self.reference(label))
            if reference is not None and self.reference(label) != label:
                self._compare(label, u - reference)

    def _compare(self, label: str, apart: Array) -> None:
        signed = self.look.planes == 1
        if not signed:
            # Differences of either sign in two channels must not cancel.
            apart = np.mean(np.abs(apart), axis=0, keepdims=True)
        least, largest = _span([apart])
        scale = 0.0 if math.isnan(largest) else max(abs(least), abs(largest))
        self.scales.setdefault(label, []).append(scale)
        part = apart / scale if scale else apart
        self._pack(label, "apart", _levels(part, signed))

    def _pack(self, label: str, kind: str, level: Array) -> None:
        self.packers.setdefault((label, kind), Packer()).add(level)

    def reference(self, label: str) -> str:
        """Return the label of the run that a run is compared with."""
        return self.comparison[label].reference

    @property
    def done(self) -> int:
        """How many frames were taken."""
        return len(next(iter(self.spans.values())))

    @property
    def size(self) -> int:
        """Letters of text up to now."""
        return sum(packer.size for packer in self.packers.values())

    def levels(self, numbers: list[int], shape: tuple[int, ...]) -> Levels:
        """Return everything."""
        low, high = _around([_around(of_run) for of_run in self.spans.values()])
        slack = SLACK * (self.limits[1] - self.limits[0])
        beyond = low < self.limits[0] - slack, high > self.limits[1] + slack
        runs = [self._run(label) for label in self.runs]
        # Chance would take most of a scale; where there is nothing else, it is what is shown.
        calm = [label for label, run in self.runs.items() if not shown.by_chance(run)]
        own = [_scale(_around([self.spans[label][place] for label in calm or self.runs]))
               for place in range(self.done)]  # fmt: skip
        return Levels(self.look, numbers, shape, self.limits, beyond, own, bool(self.holed), runs)

    def _run(self, label: str) -> RunLevels:
        scales, reference = self.scales.get(label, []), self.reference(label)
        differs = any(scales) or bool(scales and self.holed & {label, reference})
        apart = self.packers[label, "apart"].packed() if differs else None
        frames = self.packers[label, "frames"].packed()
        fine = self.packers[label, "fine"].packed() if (label, "fine") in self.packers else None
        return RunLevels(label, reference, frames, fine, self.spans[label], apart, scales)


def _levels(part: Array, signed: bool = False) -> Array:
    """Parts of a scale in steps of a byte, of a signed one from -1 to 1; `NONE` for nan."""
    steps, first = (SIGNED, ZERO) if signed else (STEPS, 1)
    return np.where(np.isnan(part), NONE, np.rint(part * steps) + first).astype(np.uint8)


def as_plain(found: Levels) -> dict[str, Any]:
    """Return all but the frames themselves as JSON can hold it."""
    return {
        "limits": found.limits,
        "own": found.own,
        "shape": found.shape,
        "planes": found.look.planes,
        "runs": [
            {
                "label": run.label,
                "reference": run.reference,
                "way": run.frames.way,
                "fine": run.fine.way if run.fine else None,
                "spans": [None if math.isnan(span[0]) else span for span in run.spans],
                "apart": run.apart.way if run.apart else None,
                "scales": run.scales,
            }
            for run in found.runs
        ],
    }
