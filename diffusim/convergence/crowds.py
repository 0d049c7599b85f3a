"""More and more particles: the error of independent ones falls as N^-1/2, and by a known factor.

A shot of a measurement, which finds every pixel in one place, counts as a particle.
"""

from __future__ import annotations

import contextlib
import itertools
import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from diffusim.block import Array, Invalid
from diffusim.convergence import courses
from diffusim.convergence.courses import PATIENCE, Stage
from diffusim.convergence.results import Point, Series, fit, together
from diffusim.counts import BLOCK, chi_square_pair, expected_noise
from diffusim.experiment import Experiment
from diffusim.methods import Method
from diffusim.norms import relative
from diffusim.runs import Course
from diffusim.segment import random_key

THEORY = -0.5
REPEATS = 4
# In media that particles enter and leave, so many at least are left where a power is fitted.
FEW = 100
# The options that say how many there are, and how few to start with.
FEWEST = {"particles": 100.0, "shots": 1.0}
# Where every particle is carried by itself, and where only their numbers are.
MOST_CARRIED, MOST_COUNTED = 1e7, 1e15
# Up to so many decades a point is taken every half decade, beyond that every decade.
CLOSE_DECADES = 6.0


def counted_by(method: Method) -> str | None:
    """The option that says how many particles, or shots, there are; None for other methods."""
    known = [name for name in FEWEST if name in type(method).model_fields]
    return known[0] if method.statistical and known else None


def refined(
    ready: Experiment, chosen: Course, low: float | None, high: float | None,
    repeats: int | None, stage: Stage,
) -> Series:  # fmt: skip
    """Refine a method by its number of particles, each number with several seeds."""
    name = counted_by(chosen.method) or "particles"

    def course(number: int, seed: int | None = None) -> Course:
        return courses.course(ready, courses.option(chosen.method, **{name: number}), seed)

    top, remark = (high, "") if high is not None else _top(chosen, name, course, repeats)
    numbers = _numbers(FEWEST[name] if low is None else low, top)
    if problem := courses.too_large(course(numbers[-1])):
        raise Invalid(f"{chosen.name}: {numbers[-1]:.3g} {name} {problem}; take a lower --to")
    seconds = [course(number).seconds for number in numbers]
    if repeats is None:
        repeats = max(1, min(REPEATS, int(PATIENCE / max(sum(seconds), 1e-9))))
        if repeats < REPEATS:
            remark = "; ".join(
                filter(None, [remark, f"{repeats} of each; --repeats asks for more"])
            )
    exact = courses.truth(ready, chosen.method.limit)
    tells = courses.shares(stage(chosen.name), [exact.seconds, *np.repeat(seconds, repeats)])
    law = courses.last(exact, ready.initial, tells[0]).field
    points: list[Point] = []
    for number, repeat in itertools.product(numbers, range(repeats)):
        seed = _seed(ready.scenario.seed, chosen.name, number, repeat)
        tell = tells[1 + len(points)]
        points.append(_point(course(number, seed), ready.initial, law, number, seed, tell))
    even = getattr(chosen.method, "draws", "independent") != "independent"
    series = Series(chosen.name, chosen.method.limit, exact.name, THEORY, points, even=even)
    return _fitted(series, remark)


def _fitted(series: Series, remark: str) -> Series:
    points, found = series.points, [p for p in series.points if p.error > 0.0 and p.used]
    pool = together(points)
    if len({p.value for p in found}) < 2:
        words = "there is no error at all, so no power of it"
        if any(p.error > 0.0 for p in points):
            words = f"so few particles are left in the end that no power shows; {FEW} would do"
        return replace(series, p_pooled=pool, remark=words)
    if left := len({p.value for p in points if not p.used}):
        words = f"not fitted to {left} numbers of which fewer than {FEW} are left in the end"
        remark = "; ".join(filter(None, [words, remark]))
    slope, low, high, p = fit([p.value for p in found], [p.error for p in found], THEORY)
    return replace(series, slope=slope, low=low, high=high, p_slope=p, p_pooled=pool, remark=remark)


def _point(
    course: Course, u: Array, law: Array, number: int, seed: int, tell: courses.Tell
) -> Point:
    frame, volume, channels = courses.last(course, u, tell), course.grid.volume, course.channels
    error = courses.error_of(frame.field, law, volume)
    worth, counts = frame.extras.get("weight"), frame.counts
    alike: tuple[float | None, float | None] = (None, None)
    count = number
    if counts is not None:
        p_cells, p_blocks = chi_square_pair(counts, law * volume, channels, worth)
        # A single block holds all there is, whatever the method does.
        alike = p_cells, p_blocks if max(course.grid.shape) > BLOCK else None
        count = int(counts.sum()) // max(1, channels)
    deviation = frame.extras.get("deviation")
    if deviation is None:
        expected = expected_noise(law, max(1, count), channels, volume, worth)
    else:
        expected = relative(deviation, law, 2, volume)
    # Where few are left, the mean of the error's square is that of rare large ones.
    left = number if worth is None else float(np.sum(law * volume) / np.sum(worth))
    used = left >= min(FEW, number)
    return Point(float(number), f"{number:.7g}", error, expected, *alike, seed, used)


def _numbers(low: float, high: float) -> list[int]:
    """Whole numbers, two or one a decade."""
    if low < 1.0:
        raise Invalid(f"--from: expected one particle at least, found {low:g}")
    decades = math.log10(high / low)
    step = 0.5 if decades <= CLOSE_DECADES else 1.0
    count = math.floor(decades / step + 1e-9) + 1
    found = sorted({round(low * 10.0 ** (step * k)) for k in range(count)})
    if len(found) < 3:
        raise Invalid(
            f"from {low:g} to {high:g} particles there is no power to be seen; "
            "take bounds a decade or more apart"
        )
    return found


def _seed(seed: int, label: str, number: int, repeat: int) -> int:
    """A seed for every run: with one and the same, few particles would be the first of many."""
    low, high = random_key(seed, f"{label} {number}", repeat)
    return low | (high >> 1) << 32


def _top(
    chosen: Course, name: str, course: Callable[[int], Course], repeats: int | None
) -> tuple[float, str]:
    """How many particles patience and memory allow, and a word where that is fewer than usual.

    Where only their numbers are carried, more of them hardly take longer.
    """
    few, more = (courses.option(chosen.method, **{name: n}).memory(chosen.grid)
                 for n in (10**3, 10**4))  # fmt: skip
    if more == few:
        return MOST_COUNTED, ""
    top = MOST_CARRIED
    while top > 100.0 * FEWEST[name]:
        with contextlib.suppress(Invalid):
            tried = course(round(top))
            # Those of all smaller numbers together take half as long again.
            seconds = 1.5 * (repeats or REPEATS) * tried.seconds
            if seconds <= PATIENCE and not courses.too_large(tried):
                break
        top /= 10.0
    words = f"more than {top:.0e} {name} would take long; --to asks for them"
    return top, words if top < MOST_CARRIED else ""
