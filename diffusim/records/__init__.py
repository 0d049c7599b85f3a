"""Records: a few numbers of the field at finer times than frames.

``Record`` is the key of a scenario, ``Recording`` what a course does about it: it knows the times
at which time is cut for it, and what each probe sees then.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Self

import numpy as np
from pydantic import Field, model_validator

from diffusim.block import Array, Block, Integer, Invalid, Seconds, listed
from diffusim.channels import each
from diffusim.grid import Grid
from diffusim.propagator import WHOLE, Propagator
from diffusim.records.probes import Line, Looking, Plane, Point, Probe, Side, Total
from diffusim.segment import Segment

__all__ = ["Line", "Looking", "Plane", "Point", "Probe", "Record", "Recording", "Side", "Total"]

MOST = 10**6
_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
# Times that differ by less are one and the same.
ROUNDING = 1e-12


def _total_alone() -> dict[str, Any]:
    return {"total": Total()}


class Record(Block):
    """What is recorded, and when: ``every`` so often, so many ``times``, or ``at`` a list of times.

    Parameters
    ----------
    every : float, optional
        From zero on, in s, or in applications where the propagator counts those.
    times : int, optional
        So many, evenly from zero to the last frame.
    at : tuple of float, optional
        These, growing, none later than the last frame.
    probes : dict
        Each with a name of its own; the total alone if not given.
    """

    every: Annotated[Seconds, Field(gt=0, le=1e12)] | None = None
    times: Annotated[Integer, Field(ge=2, le=MOST)] | None = None
    at: Annotated[tuple[Annotated[Seconds, Field(ge=0)], ...], listed] | None = None
    probes: dict[str, Probe] = Field(default_factory=_total_alone)

    @model_validator(mode="after")
    def _whole(self) -> Self:
        given = [key for key in ("every", "times", "at") if getattr(self, key) is not None]
        if len(given) != 1:
            raise ValueError(
                "expected one of 'every', 'times' and 'at' to say when"
                + (f", found {' and '.join(given)}" if given else "")
            )
        if self.at is not None:
            if not self.at or any(b <= a for a, b in zip(self.at, self.at[1:], strict=False)):
                raise Invalid("the times in 'at' must grow", "at")
            if len(self.at) > MOST:
                raise Invalid(_too_many(len(self.at)), "at")
        if not self.probes:
            raise Invalid("expected a probe at least; without 'probes' the total is recorded",
                          "probes")  # fmt: skip
        for name in self.probes:
            if not _NAME.fullmatch(name):
                raise Invalid(
                    f"'{name}' cannot name what is stored; expected a small letter, and then small "
                    "letters, digits and underscores", "probes",
                )  # fmt: skip
        return self

    def problems(
        self, propagator: Propagator, grid: Grid, frames: Array | None
    ) -> Iterator[Invalid]:
        """Yield what is wrong with it here; of times only where those of frames are known."""
        for name, probe in self.probes.items():
            for problem in probe.problems(grid, propagator):
                yield Invalid(problem.message, "probes", name, *problem.path)
        if frames is not None:
            try:
                self.resolved(propagator, frames)
            except Invalid as problem:
                yield problem

    def resolved(self, propagator: Propagator, frames: Array) -> Array:
        """Record times, those that differ from a frame's by round-off only being the frame's.

        Parameters
        ----------
        frames : array
            Frame times in s, or in applications.

        Raises
        ------
        Invalid
            When there are too many, one is later than the last frame, or one should be whole and
            is not.
        """
        times = self._asked(propagator, float(frames[-1]))
        if propagator.clock == "applications":
            times = self._counted(times, propagator)
        after = np.minimum(np.searchsorted(frames, times), frames.size - 1)
        near = np.stack([frames[np.maximum(after - 1, 0)], frames[after]])
        near = np.where(np.abs(near - times) <= ROUNDING * times, near, times)
        return np.unique(np.where(near[1] == times, near[0], near[1]))

    def _asked(self, propagator: Propagator, end: float) -> Array:
        last = propagator.moment(end)
        if self.at is not None:
            if self.at[-1] > end * (1.0 + ROUNDING):
                raise Invalid(
                    f"the record {propagator.moment(self.at[-1])} would be later than the last "
                    f"frame, {last}", "at", len(self.at) - 1,
                )  # fmt: skip
            return np.array(self.at, dtype=float)
        if self.times is not None:
            # Multiplied first, so that times that are whole numbers come out as whole numbers.
            return end * np.arange(float(self.times)) / (self.times - 1.0)
        every = self.every or end
        if every > end * (1.0 + ROUNDING):
            raise Invalid(f"after the start there would be no record until the last frame, {last}",
                          "every")  # fmt: skip
        count = math.floor(end / every * (1.0 + ROUNDING)) + 1
        if count > MOST:
            raise Invalid(_too_many(count), "every")
        return every * np.arange(float(count))

    def _counted(self, times: Array, propagator: Propagator) -> Array:
        """Whole numbers of applications."""
        whole = np.rint(times)
        off = np.flatnonzero(np.abs(times - whole) > WHOLE * np.maximum(1.0, whole))
        if off.size:
            number = int(off[0])
            path = ("at", number) if self.at is not None else (
                "every" if self.every is not None else "times",)  # fmt: skip
            raise Invalid(
                f"record times must be whole: {propagator.called} is applied a whole number of "
                f"times, and record {number + 1} of {times.size} would be at "
                f"{times[number]:.6g}; give a whole 'every', or whole numbers in 'at'", *path,
            )  # fmt: skip
        return np.asarray(whole)


def _too_many(count: int) -> str:
    return f"{count:.6g} record times are more than {MOST:g}; record less often"


@dataclass(frozen=True, eq=False)
class Recording:
    """Probes settled on a grid and on times.

    Parameters
    ----------
    times : array
        Record times in s, or in applications, growing.
    probes : mapping
        What is recorded, by name.
    grid : Grid
        Where.
    channels : int
        How many fields there are along a first axis; 0 where there is no such axis.
    """

    times: Array
    probes: Mapping[str, Looking]
    grid: Grid
    channels: int = 0

    def take(self, u: Array, segment: Segment) -> dict[str, Array]:
        """What each probe sees of the observed field, in the medium of a segment.

        Of several channels these come along a first axis.
        """
        return {
            name: np.asarray(each(partial(probe.value, segment=segment), u, self.channels), float)
            for name, probe in self.probes.items()
        }

    def stacked(self, taken: Sequence[Mapping[str, Array]]) -> dict[str, Array]:
        """Several records as one array for each probe, shape (records, ...), also of none."""
        return {
            name: np.array([one[name] for one in taken]).reshape(len(taken), *shape)
            for name, shape in self.shapes.items()
        }

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of one record of each probe."""
        before = (self.channels,) if self.channels else ()
        return {
            name: before + tuple(self.grid.shape[self.grid.axis(a)] for a in probe.axes(self.grid))
            for name, probe in self.probes.items()
        }

    @property
    def size(self) -> int:
        """Bytes of one record of all probes."""
        return 8 * sum(map(math.prod, self.shapes.values()))

    def described(self, unit: str) -> dict[str, dict[str, Any]]:
        """What the result says of each probe: its kind, axes, unit and meaning.

        Parameters
        ----------
        unit : str
            That of the field.
        """
        return {
            name: {
                "kind": probe.kind,
                "axes": list(probe.axes(self.grid)),
                "units": probe.unit(unit, self.grid),
                "long_name": probe.words(self.grid),
            }
            for name, probe in self.probes.items()
        }
