"""What a study of convergence found: points, the power that fits them, and a verdict."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import Any, Literal, NamedTuple

import numpy as np
from scipy import special

from diffusim.block import Array
from diffusim.verdicts import ALPHA, FLOOR

Refinement = Literal["particles", "dt", "grid"]

CONFIDENCE = 0.95
# Local orders that differ by no more than this belong to one and the same power.
STEADY = 0.1
# Smaller p-values than this are as good as zero, whose logarithm is none.
LEAST_P = 1e-300
COLUMNS = ("label", "value", "resolution", "error", "expected", "p_cells", "p_blocks", "seed",
           "used")  # fmt: skip


@dataclass(frozen=True)
class Point:
    """One run and how far it came out from the exact result.

    Parameters
    ----------
    value : float
        Number of particles, longest step in s, or length of a cell in m.
    resolution : str
        The same in words: ``1000``, ``12.5 s`` or ``64 x 64``.
    error, expected : float
        Relative L2 error in the last frame, and what theory says of it where it says something.
    p_cells, p_blocks : float, optional
        p-values of chi-square, see `diffusim.counts.chi_square_pair`.
    seed : int, optional
        What was random in it.
    used : bool
        Whether the power was fitted to this point.
    """

    value: float
    resolution: str
    error: float
    expected: float | None = None
    p_cells: float | None = None
    p_blocks: float | None = None
    seed: int | None = None
    used: bool = True


class Group(NamedTuple):
    """All points of one resolution: errors by root mean square, p-values pooled."""

    value: float
    resolution: str
    error: float
    expected: float | None
    ratio: float | None
    p: float | None


class Fit(NamedTuple):
    """A power fitted to errors, its confidence interval and the p-value of the theory's power."""

    slope: float
    low: float | None
    high: float | None
    p: float | None


@dataclass(frozen=True)
class Series:
    """One method, refined.

    Parameters
    ----------
    label, limit, reference : str
        The method, its limit, and the exact method that gave the truth of that limit.
    theory : float
        The power that theory expects: -1/2 of particles, the order of steps, 2 of cells.
    slope, low, high : float, optional
        The fitted power and its confidence interval.
    p_slope, p_pooled : float, optional
        p-values of the theory's power, and of all chi-squares together.
    even : bool
        Whether draws are evener than chance, so that the power may be steeper.
    """

    label: str
    limit: str
    reference: str
    theory: float
    points: list[Point]
    slope: float | None = None
    low: float | None = None
    high: float | None = None
    p_slope: float | None = None
    p_pooled: float | None = None
    remark: str = ""
    even: bool = False

    @property
    def by_chance(self) -> bool:
        """Whether it was refined by the number of particles."""
        return self.theory < 0.0

    @property
    def groups(self) -> list[Group]:
        """The points of each resolution together."""
        return [_group(list(points)) for _, points in groupby(self.points, lambda p: p.value)]

    @property
    def ratio(self) -> float | None:
        """Observed over expected error, by the mean of its square."""
        squares = [(p.error / p.expected) ** 2 for p in self.points if p.expected and p.used]
        return math.sqrt(sum(squares) / len(squares)) if squares else None

    @property
    def sound(self) -> bool:
        """Whether chance explains all that differs from theory; steps and cells are not judged."""
        steeper = self.even and self.slope is not None and self.slope <= self.theory
        tests = [p for p in (None if steeper else self.p_slope, self.p_pooled) if p is not None]
        return not self.by_chance or all(p >= ALPHA for p in tests)

    @property
    def power(self) -> str:
        """The fitted power with its interval."""
        if self.slope is None:
            return "none"
        if self.low is None or self.high is None:
            return f"{self.slope:.3f}"
        half = 0.5 * (self.high - self.low)
        # Two digits of the interval, and as many places of the slope.
        places = (
            min(6, max(2, 1 - math.floor(math.log10(float(f"{half:.1e}"))))) if half > 0.0 else 6
        )
        return f"{self.slope:.{places}f} +- {half:.{places}f}"

    @property
    def verdict(self) -> str:
        """What was found, in one line."""
        return f"{self.label}: {'; '.join(self._verdicts())}"

    def _verdicts(self) -> Iterator[str]:
        if self.slope is None:
            yield self.remark
            return
        interval = f" ({100 * CONFIDENCE:g} %)" if self.low is not None else ""
        if self.by_chance:
            told = "" if self.p_slope is None else f" (p = {self.p_slope:.2g})"
            agreed = self.p_slope is None or self.p_slope >= ALPHA
            steeper = self.even and self.slope <= self.theory
            word = "steeper" if steeper else "compatible" if agreed else "NOT compatible"
            theory = "N^-1/2 or steeper" if self.even else "N^-1/2"
            yield f"slope {self.power}{interval}, {theory} expected: {word}{told}"
        else:
            used, many = sum(p.used for p in self.points), len(self.points)
            yield (
                f"order {self.power}{interval}, {self.theory:g} expected, "
                f"fitted to {used} of {many} points"
            )
        if self.ratio is not None:
            yield f"error is {self.ratio:.4g} x expected"
        if self.p_pooled is not None:
            yield f"all chi-squares together p = {self.p_pooled:.2g}"
        if self.remark:
            yield self.remark


@dataclass(frozen=True)
class Convergence:
    """Every method that was refined, each against the exact result of its own limit.

    ``digest`` is that of the scenario, where there is one.
    """

    title: str
    refine: Refinement
    series: list[Series]
    digest: str = ""

    @property
    def sound(self) -> bool:
        """Whether chance explains all that differs from theory."""
        return all(series.sound for series in self.series)

    def __str__(self) -> str:
        """Return the title and a line per method."""
        return "\n".join([self.title, *(series.verdict for series in self.series)])

    def as_dict(self) -> dict[str, Any]:
        """Return numbers, texts and lists only, as JSON can hold them."""
        found = asdict(self)
        for one, series in zip(found["series"], self.series, strict=True):
            one |= {"ratio": series.ratio, "sound": series.sound}
        return found

    def rows(self) -> list[list[Any]]:
        """Return every point as a row, the names of the columns first."""
        return [list(COLUMNS), *([s.label, *(getattr(p, name) for name in COLUMNS[1:])]
                                 for s in self.series for p in s.points)]  # fmt: skip


def _group(points: list[Point]) -> Group:
    error = math.sqrt(sum(p.error**2 for p in points) / len(points))
    known = [p.expected for p in points if p.expected is not None]
    expected = math.sqrt(sum(e**2 for e in known) / len(known)) if known else None
    ratio = error / expected if expected else None
    return Group(points[0].value, points[0].resolution, error, expected, ratio, together(points))


# --- statistics ---------------------------------------------------------------------------------


def fit(values: Sequence[float], errors: Sequence[float], theory: float) -> Fit:
    """Fit log error = slope log value + constant by least squares, all points counting alike.

    The interval is Student's, of as many degrees of freedom as there are points beyond two; with
    two points alone there is none.
    """
    x, y = np.log10(values), np.log10(errors)
    x = x - np.mean(x)
    wide = float(np.sum(x**2))
    slope = float(np.sum(x * y)) / wide
    freedom = x.size - 2
    if freedom < 1:
        return Fit(slope, None, None, None)
    rest = y - np.mean(y) - slope * x
    spread = math.sqrt(float(np.sum(rest**2)) / freedom / wide)
    half = float(special.stdtrit(freedom, 0.5 * (1.0 + CONFIDENCE))) * spread
    apart = abs(slope - theory)
    p = 2.0 * float(special.stdtr(freedom, -apart / spread)) if spread else float(apart == 0.0)
    return Fit(slope, slope - half, slope + half, p)


def pooled(p_values: Sequence[float]) -> float:
    """One p-value of several independent ones: -2 sum log p has 2 m degrees of freedom.

    References
    ----------
    R. A. Fisher, *Statistical Methods for Research Workers*, 4th ed., Edinburgh 1932, section 21.1.
    """
    logs = -math.fsum(math.log(max(p, LEAST_P)) for p in p_values)
    return float(special.gammaincc(len(p_values), logs))


def together(points: Sequence[Point]) -> float | None:
    """One p-value of all points: that the smaller of cells and blocks is no larger, by chance."""
    tests = ([p.p_cells for p in points if p.p_cells is not None],
             [p.p_blocks for p in points if p.p_blocks is not None])  # fmt: skip
    found = [pooled(values) for values in tests if values]
    if not found or (least := min(found)) == 1.0:
        return 1.0 if found else None
    return -math.expm1(len(found) * math.log1p(-least))


def local_orders(values: Sequence[float], errors: Sequence[float]) -> Array:
    """The power between each point and the next, NaN where an error is zero."""
    with np.errstate(divide="ignore", invalid="ignore"):
        steps = np.diff(np.log(np.asarray(errors, dtype=float)))
        return np.where(np.isfinite(steps), steps / np.diff(np.log(values)), np.nan)


def asymptotic(values: Sequence[float], errors: Sequence[float]) -> tuple[slice, bool]:
    """The points where one power holds, and whether it does.

    Errors count down to where round-off is met. Among them it is the longest stretch in which each
    local order is that of the next within 0.1, the finest of several; where no two agree, all.

    Parameters
    ----------
    values, errors : sequence of float
        From coarse to fine.
    """
    above = next((k for k, e in enumerate(errors) if e <= FLOOR), len(errors))
    orders = local_orders(values[:above], errors[:above])
    best, first = (0, 0), 0
    for last in range(len(orders)):
        if last and abs(orders[last] - orders[last - 1]) > STEADY:
            first = last
        if last - first >= best[1] - best[0] - 1:
            best = first, last + 1
    if best[1] - best[0] < 2:
        return slice(0, above), False
    return slice(best[0], best[1] + 1), True
