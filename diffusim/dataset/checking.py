"""What every trajectory tells of itself: extremes, its balance, and one interval done once more.

The interval is chosen by the trajectory's own seed. What is stored at its beginning is carried to
its end by another method, of another kind but with the same limit, and compared with what is stored
there. What a frame alone does not tell, a wave's phase or where within cells particles are, is
carried from the start instead, and counts are judged against that law.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydantic import ValidationError

from diffusim.block import Array, Invalid, Unsupported
from diffusim.channels import Carrier
from diffusim.counts import chi_square_pair
from diffusim.grid import Grid
from diffusim.loops.survey import CHANGED, LARGEST, SMALLEST, TOTAL, survey
from diffusim.methods import Method, refusal
from diffusim.propagators import Propagator
from diffusim.segment import Segment, random_key

# What a check of frames of single precision needs to leave no more than they do.
TOLERANCE = 1e-9


# --- what there is ------------------------------------------------------------------------------


def surveyed(
    frames: Array, grid: Grid, first: float, size: float, accounts: Array | None = None
) -> dict[str, float]:
    """Return what a look at all values of a trajectory tells.

    Parameters
    ----------
    frames : (frames, *shape) array
        Float32 or float64, C-contiguous.
    first, size : float
        What there was at first and how much of either sign, in field units times volume.
    accounts : (frames, ...) array, optional
        What has come in by the accounts of the medium.

    Returns
    -------
    dict
        ``finite``, 1 or 0; ``minimum`` and ``maximum``; ``mass_drift``, the largest part of the
        content in any frame that the accounts leave unexplained; ``constant_frames``, how many are
        equal to the one before.
    """
    lines = frames.reshape(len(frames), -1)
    found = np.empty((len(frames), 4))
    survey(lines, found)
    totals = found[:, TOTAL]
    finite = bool(np.all(np.isfinite(totals)))
    volume = grid.volume
    if np.ndim(volume) == 0:
        totals = totals * volume
    else:
        totals = np.array([grid.total(frame) for frame in frames])
    came = np.zeros((len(frames), 1)) if accounts is None else accounts.reshape(len(frames), -1)
    handled = size + np.sum(np.abs(came), axis=1)
    drift = np.abs(totals - first - np.sum(came, axis=1)) / np.where(handled > 0.0, handled, 1.0)
    return {
        "finite": float(finite),
        "minimum": float(np.min(found[:, SMALLEST])),
        "maximum": float(np.max(found[:, LARGEST])),
        "mass_drift": float(np.max(drift)) if finite else math.nan,
        "constant_frames": float(np.count_nonzero(found[1:, CHANGED] == 0.0)),
    }


# --- once more ----------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Course:
    """What a trajectory was carried through: where, by what, and everything between its frames.

    Parameters
    ----------
    grid, propagator
        Where, and what carries it.
    times : array
        Times of its frames.
    traits : dict
        Traits of the medium and of the start.
    segments : list of Segment
        From zero to the last frame.
    """

    grid: Grid
    propagator: Propagator
    times: Array
    traits: dict[str, str]
    segments: Sequence[Segment]

    def between(self, start: float, stop: float) -> list[Segment]:
        """Segments from one time to another, each of them a frame's or zero."""
        return [s for s in self.segments if s.start >= start and s.stop <= stop]


@dataclass(frozen=True, eq=False)
class Second:
    """Another method for one interval of each trajectory of a method.

    Parameters
    ----------
    method : Method
        By which trajectories are computed.
    given : Method or None
        By which they are to be checked; None leaves it open.
    single : bool
        Whether frames are stored in single precision.
    usual : Method or None
        Which was chosen for the scenario as it is written, so that all trajectories are checked by
        the same where they can be.
    """

    method: Method
    given: Method | None
    single: bool
    usual: Method | None = None

    def chosen(self, course: Course) -> Method | None:
        """Return the method by which a course is checked, by the plans; None if there is none.

        Exact methods come first, then any other that is not drawn by chance; the one with the least
        seconds of work for the whole course is taken.

        Raises
        ------
        Unsupported
            When the method that is given cannot check this.
        """
        if self.given is not None:
            self._seconds(self.given, course)
            return self.given
        candidates = list(self._candidates(self._limit(course)))
        for exact in (True, False):
            costs = {}
            for number, method in enumerate(candidates):
                if (method.order is None) != exact:
                    continue
                try:
                    costs[number] = self._seconds(method, course)
                except (Unsupported, Invalid):
                    continue
            if costs:
                return candidates[min(costs, key=costs.__getitem__)]
        return None

    def _limit(self, course: Course) -> str:
        """The limit of the method, which particles choose by their medium."""
        method = self.method
        return (method.settle(course.segments) if method.statistical else method).limit

    def _candidates(self, limit: str) -> Iterator[Method]:
        for word, kind in Method.everyone():
            if isinstance(kind, Unsupported) or kind.statistical:
                continue
            # auto may well choose the method itself.
            if word in (self.method.word, "auto"):
                continue
            options: dict[str, Any] = {}
            if "limit" in kind.model_fields:
                options["limit"] = limit
            if self.single and kind.order is None and "tolerance" in kind.model_fields:
                options["tolerance"] = TOLERANCE
            try:
                method = kind.model_validate(options)
            except ValidationError:
                continue
            if method.limit == limit:
                yield method

    @staticmethod
    def _seconds(method: Method, course: Course) -> float:
        if not able(method, course.propagator, course.traits):
            raise Unsupported(refusal(method, course.propagator, course.traits) or "")
        settled = method.settle(course.segments)
        return sum(settled.plan(segment).seconds for segment in course.segments)

    @property
    def restarts(self) -> bool:
        """Whether a frame of the method tells all that is needed to go on from it."""
        return not self.method.statistical and self.method.limit != "cell-to-cell"

    def checked(
        self, course: Course, seed: int, u: Array, frames: Array, beside: dict[str, Array]
    ) -> dict[str, float]:
        """Carry one interval of a trajectory once more.

        Parameters
        ----------
        course : Course
            What the trajectory was carried through.
        seed : int
            The trajectory's own, by which the interval is chosen.
        u : array
            The initial field.
        frames : (frames, *shape) array
            What is stored.
        beside : dict
            ``counts`` and ``weight`` in each frame, where there are any.

        Returns
        -------
        dict
            ``checked_frame``, the number of the frame at the end of the interval; ``residual``, the
            relative L2 distance of the two fields there, NaN where no other method can tell; and of
            counts ``p_value``, that of their chi-square.
        """
        whole = course.propagator.waves or not self.restarts or len(course.times) == 1
        choices = np.flatnonzero(course.times > 0.0) if whole else np.arange(1, len(frames))
        number = int(choices[random_key(seed, "check", 0)[0] % len(choices)])
        found = {"checked_frame": float(number), "residual": math.nan}
        if self.method.statistical:
            found["p_value"] = math.nan
        start = 0.0 if whole else float(course.times[number - 1])
        begin = u if whole else np.asarray(frames[number - 1], float)
        segments = course.between(start, float(course.times[number]))
        if not segments or not np.all(np.isfinite(begin)):
            return found
        law = self._carried(course, segments, begin)
        if law is None:
            return found
        stored = np.asarray(frames[number], float)
        volume = course.grid.volume
        found["residual"] = _apart(law, stored, volume)
        if self.method.statistical and "counts" in beside:
            worth = beside["weight"][number] if "weight" in beside else None
            pair = chi_square_pair(beside["counts"][number], law * volume, worth=worth)
            found["p_value"] = min(1.0, 2.0 * min(pair))
        return found

    def _carried(self, course: Course, segments: list[Segment], u: Array) -> Array | None:
        usual = self.given or self.usual
        fits = usual is not None and (usual is self.given or usual.limit == self._limit(course))
        if usual is not None and fits and able(usual, course.propagator, course.traits):
            try:
                return _along(usual, course, segments, u)
            except Unsupported:
                if self.given is not None:
                    raise
        other = self.chosen(course)
        return None if other is None else _along(other, course, segments, u)


def _apart(u: Array, stored: Array, volume: float | Array) -> float:
    """Relative L2 distance; by plain sums, whose bits do not depend on the number of threads."""
    error = u - stored
    # Scaled first, so that no square of a small number is lost.
    scale = max(float(np.max(stored)), -float(np.min(stored))) or 1.0
    error *= 1.0 / scale
    apart, size = _square(error, volume), _square(stored * (1.0 / scale), volume)
    if size == 0.0:
        return math.inf if apart else 0.0
    return math.sqrt(apart / size)


def _square(u: Array, volume: float | Array) -> float:
    other = u if np.ndim(volume) == 0 else u * volume
    return float(np.einsum("i,i->", u.ravel(), other.ravel()))


# Method, propagator and traits that go together, so that it is found out once only.
_ABLE: dict[tuple[type[Method], type[Propagator], frozenset[str]], bool] = {}


def able(method: Method, propagator: Propagator, traits: dict[str, str]) -> bool:
    """Tell whether a method can carry such a propagator from such a start, as far as traits tell.

    Looking for methods of other packages takes longer than many a trajectory.
    """
    key = type(method), type(propagator), frozenset(traits)
    if key not in _ABLE:
        _ABLE[key] = refusal(method, propagator, traits) is None
    return _ABLE[key]


def _along(method: Method, course: Course, segments: list[Segment], u: Array) -> Array:
    settled = method.settle(segments)
    carrier = Carrier(settled, course.propagator, course.grid, 0)
    start, since = segments[0].start, segments[0].since
    origin = Segment(course.grid, course.propagator, start, start, since, 0.0, -1, (0, 0),
                     views=segments[0].views)  # fmt: skip
    state = carrier.begin(u, origin)
    for segment in segments:
        state = carrier.advance(state, segment)
    return carrier.observe(state)
