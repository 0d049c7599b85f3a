"""What particles ask of a segment: may they jump exactly, by which doors do they come and go."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from diffusim.block import Array, Unsupported
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
            came = doors_of(segment).births * segment.duration
            total, most = total + came, max(most, came)
        ends = number + 1 == len(course) or course[number + 1].since != segment.since
        if ends and last > EPOCHS_KEPT:
            segment.views.clear()
    return total, most


def doors_of(segment: Segment) -> Doors:
    """The doors of an open medium, made once in an epoch."""
    if ("doors",) not in segment.views:
        segment.views["doors",] = doors(segment.view("generator"))
    return segment.views["doors",]  # type: ignore[no-any-return]


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
