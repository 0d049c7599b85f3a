"""Segments: stretches of time in which nothing about the medium changes.

Time is cut at every event (a wall is lifted), at every frame and at every record. ``cut`` is the
only place that knows events; no method ever sees one, and every method lands exactly on every frame
and record.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from zlib import crc32

import numpy as np

from diffusim.block import Unsupported
from diffusim.grid import Grid
from diffusim.propagator import Propagator


def _nothing(_fraction: float) -> None:
    return None


@dataclass(frozen=True, eq=False)
class Segment:
    """A stretch of time with a fixed medium.

    Parameters
    ----------
    grid, propagator
        Where and what.
    start, stop : float
        Its ends in s.
    since : float
        Time of the last event, the beginning of the epoch this segment belongs to.
    duration : float
        ``stop - start``, with durations that differ by round-off only made one and the same.
    index : int
        Number of the segment in the course.
    key : tuple of int
        Two 32-bit words that key this segment's random numbers.
    epoch : int
        How many events there were before.
    epoch_key : tuple of int
        Two words that key what does not depend on how the epoch is cut into segments.
    views : dict
        Views of the propagator, shared by all segments of an epoch.
    pulse : callable
        To be called with the fraction done between compiled slices of at most a quarter of a
        second.
    """

    grid: Grid
    propagator: Propagator
    start: float
    stop: float
    since: float
    duration: float
    index: int
    key: tuple[int, int]
    epoch: int = 0
    epoch_key: tuple[int, int] = (0, 0)
    views: dict[tuple[Any, ...], Any] = field(default_factory=dict, repr=False)
    pulse: Callable[[float], None] = field(default=_nothing, repr=False)

    @property
    def opens_epoch(self) -> bool:
        """Whether the medium has just changed."""
        return self.start == self.since and self.index > 0

    def view(self, name: str, *options: Any) -> Any:
        """Return a view of the propagator in this epoch, made once.

        Raises
        ------
        Unsupported
            When this instance of the propagator has no such view, with the reason.
        """
        if (name, *options) not in self.views:
            # Asked amid the segment: an event that was moved onto a frame by round-off has
            # happened.
            amid = 0.5 * (self.start + self.stop)
            offer = getattr(self.propagator, name, None)
            if offer is None:
                raise Unsupported(f"{self.propagator.word} offers no {name}")
            self.views[name, *options] = offer(self.grid, amid, *options)
        return self.views[name, *options]


def random_key(seed: int, label: str, index: int) -> tuple[int, int]:
    """Two 32-bit words from the seed, a label and a number (0: the start, i + 1: segment i)."""
    sequence = np.random.SeedSequence(seed, spawn_key=(crc32(label.encode()), index))
    low, high = sequence.generate_state(2)
    return int(low), int(high)


def cut(
    grid: Grid, propagator: Propagator, times: Sequence[float], seed: int = 0, label: str = ""
) -> list[Segment]:
    """Cut the time from zero to the last frame at every frame, every record and every event.

    Parameters
    ----------
    times : sequence of float
        Times of frames and records in s, increasing, none before zero.
    seed, label
        What the random numbers of the segments are keyed by.
    """
    events = [_nearest(event, times) for event in propagator.events(grid)]
    events = [event for event in events if 0.0 < event < times[-1]]
    marks = sorted({0.0, *map(float, times), *events})
    durations: list[float] = []
    segments: list[Segment] = []
    since, epoch, views = 0.0, 0, dict[tuple[Any, ...], Any]()
    throughout = random_key(seed, f"{label} epoch", 0)
    for index, (start, stop) in enumerate(zip(marks, marks[1:], strict=False)):
        if start in events:
            since, epoch, views = start, epoch + 1, {}
            throughout = random_key(seed, f"{label} epoch", epoch)
        duration = _snapped(stop - start, durations)
        key = random_key(seed, label, index + 1)
        segments.append(
            Segment(
                grid, propagator, start, stop, since, duration, index, key, epoch, throughout, views
            )  # fmt: skip
        )
    return segments


def _nearest(event: float, times: Sequence[float]) -> float:
    """Return the frame or record time that an event means when they differ by round-off only."""
    known = np.asarray(times, dtype=float)
    closest = float(known[np.argmin(np.abs(known - event))])
    return closest if abs(closest - event) <= 1e-12 * abs(event) else event


def _snapped(duration: float, known: list[float]) -> float:
    """Return an earlier duration that differs by round-off only, else this one, remembered."""
    for other in known[-64:]:
        if abs(duration - other) <= 1e-12 * other:
            return other
    known.append(duration)
    return duration
