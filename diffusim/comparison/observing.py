"""What is gathered of a run, frame by frame, beside the reference of its limit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from diffusim import norms
from diffusim.block import Array
from diffusim.comparison.judging import judged_by, wrong_by
from diffusim.comparison.space import Space
from diffusim.comparison.table import Row, Trajectory
from diffusim.counts import ahead_or_behind, chi_square_pair, expected_noise, freedom_of
from diffusim.verdicts import Series

# Of a field that has fallen below this part of its largest, a bound of more than so much of what is
# left tells nothing any more, nor does an estimate that is no larger than so many such bounds.
FALLEN, UNTOLD, BOUNDS = 1e-2, 1e-2, 5.0


def read(run: Trajectory, name: str, number: int) -> Array | None:
    """Return a frame of one of the arrays beside a run's field, None where it has none."""
    frames = run.arrays.get(name)
    return None if frames is None else np.asarray(frames[number])


class Observer:
    """A run beside the reference of its limit; it is shown every frame of both once, in order.

    Parameters
    ----------
    run, reference : Trajectory
        What is compared with what.
    judged : bool
        Whether the reference is of the run's own limit.
    space : Space
        The cells.
    """

    def __init__(self, run: Trajectory, reference: Trajectory, judged: bool, space: Space) -> None:
        self.run, self.reference, self.judged, self.space = run, reference, judged, space
        self.series = Series()
        self.channels = int(run.facts.get("channels", 0))
        # A mask weighs the content anew, so what it makes of the total is no error.
        self._keeps = bool(run.facts.get("keeps", True))
        # Counts are the field itself, or positions drawn from it, which have to follow that one.
        self.by_chance = bool(run.facts.get("statistical", run.counts is not None))
        self._minimum, self._maximum, self._negative = math.inf, -math.inf, 0.0
        self._finite = True
        self._first, self._size = 0.0, 0.0
        # The largest size of the reference so far, and how many times smaller each frame is.
        self._largest, self._fallen = 0.0, list[float]()
        self._u: Array = np.zeros(1)
        self._r: Array = np.zeros(1)
        self._accounts: Array = np.zeros(1)

    def see(self, number: int, u: Array, r: Array) -> None:
        """Take in a frame of the run and of its reference."""
        volume, series = self.space.volume, self.series
        series.append_distances(norms.distances(u, r, volume))
        self._largest = max(self._largest, size := norms.size(r, volume))
        self._fallen.append(self._largest / size if size else 1.0)
        if self._keeps:
            self._weigh(number, u)
        least, most = float(np.min(u)), float(np.max(u))
        self._finite = self._finite and math.isfinite(least) and math.isfinite(most)
        self._minimum, self._maximum = min(self._minimum, least), max(self._maximum, most)
        self._negative = max(self._negative, norms.negative(u, volume))
        if self.run.counts is not None:
            self._count(number, u, r, self.run.counts[number])
        if (deviation := read(self.run, "deviation", number)) is not None:
            series.predicted.append(norms.relative(deviation, r, 2, volume))
            series.freedom.append(freedom_of(deviation))
        self._u, self._r = u, r

    def _weigh(self, number: int, u: Array) -> None:
        """Balance the content of a frame with what came in by the accounts."""
        content = u * self.space.volume
        total, run = float(np.sum(content)), self.run
        accounts = np.zeros(1) if run.accounts is None else run.accounts[number]
        self._accounts = np.sum(accounts, axis=0) if accounts.ndim > 1 else accounts
        if number == 0:
            # Beside the content of either sign: a field of zero mean has no relative change.
            self._first = float(run.facts.get("total", total))
            self._size = float(np.sum(np.abs(content)))
        handled = self._size + float(np.sum(np.abs(self._accounts)))
        lost = total - self._first - float(np.sum(self._accounts))
        self.series.mass.append(lost / (handled or 1.0))

    def _count(self, number: int, u: Array, r: Array, counts: Array) -> None:
        """Test counts against their law, and against the law of the frame before."""
        volume, channels = self.space.volume, self.channels
        worth = read(self.run, "weight", number)
        if self.by_chance:
            particles = int(np.sum(counts)) // max(1, channels)
            noise = expected_noise(r, particles, channels, volume, worth)
            self.series.predicted.append(noise)
        if self.by_chance and not self.judged:
            return
        before = self._r if self.by_chance else np.zeros(1)
        law, wrong = (r, wrong_by(self.reference, number)) if self.by_chance else (u, 0.0)
        p_cells, p_blocks = chi_square_pair(counts, law * volume, channels, worth, wrong)
        self.series.p_cells.append(p_cells)
        self.series.p_blocks.append(p_blocks)
        if self.by_chance:
            laws = law * volume, before * volume
            moved = ahead_or_behind(counts, *laws, channels, worth) if number else 1.0
            self.series.p_time.append(moved)

    def row(self, times: Sequence[float] | Array) -> Row:
        """Return the row of what was seen."""
        series, facts = self.series, self.run.facts
        owed = [] if series.predicted else self._owed()
        series.predicted.extend(owed)
        worst = int(np.argmax(series.l2))
        found = judged_by(
            self.run, self.reference, series, self.judged, self.by_chance, self._finite
        )
        steps = facts.get("steps")
        return Row(
            label=self.run.label, limit=str(facts.get("limit", "")),
            reference=self.reference.label, l1=series.l1[-1], l2=series.l2[-1],
            linf=series.linf[-1], worst_l2=series.l2[worst], worst_time=float(times[worst]),
            expected=series.predicted[-1] if series.predicted else None, ratio=found.ratio,
            p_value=found.p_value, p_last=found.p_last,
            mass_drift=float(np.max(np.abs(series.mass))) if self._keeps else None,
            minimum=self._minimum, maximum=self._maximum,
            seconds=float(facts.get("seconds", 0.0)), verdict=found.verdict, reason=found.reason,
            series=series, accounts=dict(zip(facts.get("accounts", ()),
                                             map(float, self._accounts), strict=False)),
            negative=self._negative if self._keeps else None, own=self.judged,
            steps=None if steps is None else int(steps),
            **self._last_frame(),
        )  # fmt: skip

    def _last_frame(self) -> dict[str, Any]:
        """Distances that are told of the last frame only, because they cost more."""
        u, r, space = self._u, self._r, self.space
        where = (space.centres, space.volume, space.wrap)
        moved = norms.transport(u, r, *where, self.channels)
        off = norms.displacement(u, r, *where, self.channels)
        return {
            "h1": norms.h1(u, r, *where),
            "bands": norms.bands(u, r, space.wrap, self.channels) if space.even else {},
            "variation": norms.variation(u, r, space.volume, self.channels),
            "transport": dict(zip(space.names, moved or (), strict=False)),
            "displacement": {name: value
                             for name, value in zip(space.names, off or (), strict=False)
                             if value is not None},
        }  # fmt: skip

    def _owed(self) -> list[float | None]:
        """The error expected of a run: its own, and of bounds the reference's beside it.

        What an exact method leaves out is a part of the largest field so far, and as much larger a
        part of what is left in a frame. Where that tells nothing any more, nor is anything told by
        such a reference, it is None.
        """
        if self.run.label == self.reference.label:
            return []
        mine, other = self.run.facts, self.reference.facts
        own = list(mine.get("predicted", ()))
        bounds = list(other["predicted"]) if other.get("prediction") == "bound" else []
        if not bounds or not own:
            return own
        fallen = zip(own, bounds, self._fallen, strict=True)
        if mine.get("prediction") != "bound":
            return [_stands_out(*frame) for frame in fallen]
        return [_of_what_is_left(*frame) for frame in fallen]


def _of_what_is_left(own: float | None, other: float | None, fallen: float) -> float | None:
    """Two bounds together, beside a frame that is so many times smaller than the largest one."""
    if own is None or other is None:
        return None
    both = (own + other) * fallen
    return both if both <= UNTOLD or fallen <= 1.0 / FALLEN else None


def _stands_out(own: float | None, other: float | None, fallen: float) -> float | None:
    """An estimate, formed on frames of a reference that is good for so much of the largest one."""
    if own is None or other is None or fallen <= 1.0 / FALLEN:
        return own
    return own if own > BOUNDS * other * fallen else None
