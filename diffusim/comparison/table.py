"""What is compared and what comes of it: trajectories, rows and the table of all of them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

from diffusim.block import Array
from diffusim.display import comparison_as_html
from diffusim.verdicts import UNSOUND, Series


class Frames(Protocol):
    """Arrays by number, in memory or read from a file when asked for."""

    def __getitem__(self, number: int, /) -> Array:
        """Return the array of a frame."""


class Trajectory(Protocol):
    """What a comparison needs to know of a run, stored or in memory.

    Where its facts tell of ``channels``, every array has them along its first axis.
    """

    @property
    def label(self) -> str:
        """Name of the run."""

    @property
    def facts(self) -> Mapping[str, Any]:
        """Kind, limit, steps, seconds, options and predicted errors."""

    @property
    def frames(self) -> Frames:
        """Fields."""

    @property
    def counts(self) -> Frames | None:
        """Integer counts behind the fields, where there are any."""

    @property
    def accounts(self) -> Frames | None:
        """What has come in by each account since time zero, where the medium is open."""

    @property
    def arrays(self) -> Mapping[str, Frames]:
        """What else is known in every frame, by name.

        ``weight`` is what a particle is worth in field units times volume, where their number
        varies, ``deviation`` a standard deviation of each cell that chance alone brings.
        """


@dataclass(frozen=True)
class Row:
    """One run in the table.

    ``l1``, ``l2``, ``linf`` and ``expected`` belong to the last frame, ``worst_l2`` to the frame
    where it is largest; ``mass_drift`` is the largest change of the total since time zero that the
    accounts do not explain, relative to all that was there and went through, and None where no
    balance is kept, as by a mask; so is ``negative``. ``accounts`` is what has come in by the last
    frame, by name, in field units times volume.

    Of the last frame, too: ``h1`` is the relative error of field and slope together; ``bands`` the
    part of the relative L2 error in each band of wavelengths; ``variation`` half the sum of
    differences of both as distributions; ``transport`` how far content has to be moved along each
    axis, in m, to make one of the other, and ``displacement`` how far its centre is off.
    ``negative`` is the largest part of the content that was below zero in any frame.

    ``own`` tells whether the reference is of the run's own limit; ``gap`` is the distance from a
    truth of another limit.
    """

    label: str
    limit: str
    reference: str
    l1: float
    l2: float
    linf: float
    worst_l2: float
    worst_time: float
    expected: float | None
    ratio: float | None
    p_value: float | None
    p_last: float | None
    mass_drift: float | None
    minimum: float
    maximum: float
    seconds: float
    verdict: str
    reason: str
    series: Series
    accounts: dict[str, float] = field(default_factory=dict)
    h1: float | None = None
    bands: dict[str, float] = field(default_factory=dict)
    variation: float | None = None
    transport: dict[str, float] = field(default_factory=dict)
    displacement: dict[str, float] = field(default_factory=dict)
    negative: float | None = 0.0
    steps: int | None = None
    gap: Gap | None = None
    own: bool = True

    def within(self, tolerance: float) -> bool:
        """Return whether no relative L2 error is beyond a tolerance; what is no number is.

        It is that from the reference of the run's own limit, which itself is no way from it, or
        from a truth of another limit where there is no such reference.
        """
        if self.gap is not None and not self.own:
            return self.gap.worst_l2 <= tolerance
        return self.worst_l2 <= tolerance


@dataclass(frozen=True)
class Gap:
    """How far a run is from a reference of another limit than its own.

    ``expected`` is the truncation that theory expects between the two limits and the run's own
    error, relative as the errors are; None where it cannot be told.
    """

    reference: str
    l1: float
    l2: float
    linf: float
    worst_l2: float
    expected: float | None
    ratio: float | None
    verdict: str
    reason: str
    series: Series


@dataclass(frozen=True)
class Rank:
    """Which run reaches an error most cheaply: its seconds, and the error it really has."""

    error: float
    label: str
    seconds: float
    reached: float


@dataclass(frozen=True)
class Comparison:
    """All runs against the reference of their limit.

    ``notes`` tell how results were brought together and which truths there are, ``ranked_against``
    which truth the errors of the ranking are distances from.
    """

    title: str
    times: list[float]
    rows: list[Row]
    reference: str = ""
    notes: list[str] = field(default_factory=list)
    ranking: list[Rank] = field(default_factory=list)
    ranked_against: str = ""

    @property
    def sound(self) -> bool:
        """Whether nothing is unexplained or outside what the scenario expects."""
        found = [row.verdict for row in self.rows]
        found += [row.gap.verdict for row in self.rows if row.gap is not None]
        return not set(found) & set(UNSOUND)

    def __getitem__(self, label: str) -> Row:
        """Return the row of a run."""
        return next(row for row in self.rows if row.label == label)

    def _repr_html_(self) -> str:
        """Return how a notebook shows it."""
        return comparison_as_html(self.title, self.rows, UNSOUND, self.notes)

    def __str__(self) -> str:
        """Return a line per run: its last relative L2 error and the verdict."""
        rows = [f"{r.label}: l2 {r.l2:.3g} against {r.reference}, {r.verdict} {r.reason}".rstrip()
                for r in self.rows]  # fmt: skip
        gaps = [f"{r.label}: l2 {r.gap.l2:.3g} against {r.gap.reference}, {r.gap.verdict} "
                f"{r.gap.reason}".rstrip() for r in self.rows if r.gap is not None]  # fmt: skip
        return "\n".join([self.title, *rows, *gaps, *[self.cheapest] * bool(self.ranking)])

    @property
    def cheapest(self) -> str:
        """The ranking in words, such as ``cheapest to 1e-02: walkers 0.1 s; below: modes 0.03 s``.

        It is empty where nothing was ranked.
        """
        if not self.ranking:
            return ""
        parts = [f"to {rank.error:.0e}: {rank.label} {rank.seconds:.2g} s" for rank in self.ranking]
        if len(parts) > 1:
            last = self.ranking[-1]
            parts[-1] = f"below, to {last.error:.0e}: {last.label} {last.seconds:.2g} s"
        return f"cheapest {'; '.join(parts)} (against {self.ranked_against})"

    def as_dict(self) -> dict[str, Any]:
        """Return numbers and lists only, as JSON can hold them: what is not finite is None."""
        return _finite(asdict(self))  # type: ignore[no-any-return]


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
