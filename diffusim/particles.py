"""What particles ask of a segment: may they jump exactly, by which doors do they come and go."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from diffusim.block import Array, Unsupported
from diffusim.jumps import Jumps, jumps
from diffusim.medium.doors import Doors, doors, poisson
from diffusim.medium.planes import Between, between
from diffusim.segment import Segment

# Views of the generator are kept from settling to planning in courses of so many epochs.
EPOCHS_KEPT = 4


def possible(course: Sequence[Segment]) -> Literal["cell-to-cell", "lattice"]:
    """Exact jumps where nothing leaves or comes in and every segment allows them."""
    try:
        for segment in course:
            segment.view("medium")
            if segment.propagator.accounts(segment.grid):
                return "lattice"
    except Unsupported:
        return "lattice"
    return "cell-to-cell"


def arriving(course: Sequence[Segment]) -> tuple[float, float]:
    """What comes in over a course and at most in one segment, in field units times volume."""
    total, most, last = 0.0, 0.0, course[-1].epoch if course else 0
    for number, segment in enumerate(course):
        if segment.propagator.accounts(segment.grid):
            came = float(np.sum(jumps_of(segment).births)) * segment.duration
            total, most = total + came, max(most, came)
        ends = number + 1 == len(course) or course[number + 1].since != segment.since
        if ends and last > EPOCHS_KEPT:
            segment.views.clear()
    return total, most


def jumps_of(segment: Segment) -> Jumps:
    """What can happen to particles, read from the generator once in an epoch.

    Raises
    ------
    Unsupported
        Where something is taken away whether it is there or not.
    """
    if ("jumps",) not in segment.views:
        segment.views["jumps",] = jumps(segment.view("generator"))
    return segment.views["jumps",]  # type: ignore[no-any-return]


def doors_of(segment: Segment) -> Doors:
    """The same as loops over particles take it, made once in an epoch."""
    if ("doors",) not in segment.views:
        segment.views["doors",] = doors(jumps_of(segment))
    return segment.views["doors",]  # type: ignore[no-any-return]


def made_of(whole: float, arriving: float, particles: int, most: float) -> tuple[int, float]:
    """How many particles a start is made of, and what one is worth.

    Parameters
    ----------
    whole, arriving : float
        What there is at the start, and what comes in over the course, in field units times volume.
    particles : int
        How many the start shall be made of; if it is empty, all that comes in.
    most : float
        How many may come in. Where it would be more, the start is made of fewer.
    """
    if whole == 0.0:
        return 0, arriving / particles
    if whole * most >= arriving * particles:
        return particles, whole / particles
    number = max(1, round(whole * most / arriving))
    return number, whole / number


def coming_in(mean: float, segment: Segment) -> int:
    """How many particles come in: a Poisson number of the segment's own."""
    from diffusim.loops import exchange, random

    drawn = np.empty((2, 1))
    random.uniforms(drawn, 0, *segment.key, 0, int(exchange.NUMBER))
    return poisson(mean, float(drawn[0, 0]))


def between_of(segment: Segment) -> Between:
    """What exact jumps meet, made once in an epoch."""
    if ("between",) not in segment.views:
        amid = 0.5 * (segment.start + segment.stop)
        segment.views["between",] = between(segment.propagator, segment.grid, amid)
    return segment.views["between",]  # type: ignore[no-any-return]


def still(followed: Array, stays: Array) -> Array:
    """Where those that are followed are among those that stay, -1 if they do not."""
    after = np.append(np.where(stays, np.cumsum(stays) - 1, -1), -1)
    return np.asarray(after[followed])
