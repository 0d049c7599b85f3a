"""fourier: a kernel applied by the convolution theorem.

    F(k * u) = F(k) F(u),        u_n = F^-1( F(k)^n F(u_0) )        in a ring,

with F the plain sum over cells, and one over their number in F^-1. In a ring any number of
applications is one multiplication, and between mirrors too if the kernel is even. Otherwise the
field is padded first and cut afterwards, once for every application, because what has left must not
come back. Large fields are then cut into blocks whose overlapping results are added.

Limit: lattice, which is all that a kernel knows.

A. V. Oppenheim, R. W. Schafer, *Discrete-Time Signal Processing*, 3rd ed., section 8.7.
"""

from __future__ import annotations

import math

import numpy as np

from diffusim import convolve
from diffusim.block import Array, Unsupported
from diffusim.method import Plan, Prediction
from diffusim.methods import Applying
from diffusim.segment import Segment
from diffusim.shifts import Applied

# Seconds per cell of a ring, and of a padded field for each application, measured.
RING, PADDED = 25e-9, 30e-9
# Fields of more cells than this leave the cache between transforms, which makes them twice as slow,
# so they are cut into blocks; a whole ring is not.
LARGE = 2**19
# Round-off of a transform and back, beside the largest value.
ROUND_OFF = 4e-15
# An error that is a larger part of what there is makes no result.
LARGEST_ERROR = 1e-6
# The tilt of a kernel's weights is looked for from this on, in so many halvings.
STRONGEST, HALVINGS = -60.0, 60


class Fourier(Applying):
    """Multiplication of Fourier transforms."""

    fields = 12.0

    def plan(self, segment: Segment) -> Plan:
        """As many applications as the segment is long, if their round-off stays small.

        Raises
        ------
        Unsupported
            When it grows faster than the field does, and too far.
        """
        magnified = _magnified(segment)
        if ROUND_OFF * magnified > LARGEST_ERROR:
            raise Unsupported(
                "transforms leave the same round-off in all cells, and this kernel makes it grow "
                f"faster than the field, {magnified:.1g} times in "
                f"{segment.stop - segment.since:g} applications; stencil, by sums, keeps the digits"
            )
        return super().plan(segment)

    def predict(self, before: Prediction | None, reference: Array, segment: Segment) -> Prediction:
        """Round-off, with what kernels that go one way make of it."""
        if before is not None and not segment.opens_epoch:
            before = before._replace(error=before.kept)
        plain = super().predict(before, reference, segment)
        grown = ROUND_OFF * (_magnified(segment) - 1.0)
        return Prediction(plain.error + grown, kept=plain.error)

    def apply(self, u: Array, convolution: Applied, count: int) -> Array:
        """Transform, multiply, transform back."""
        how = {"collects": convolution.collects, "outside": convolution.outside}
        k, sides = convolution.kernel, convolution.sides
        if u.size > LARGE and not convolve.at_once(k, sides):
            for _ in range(count):
                u = convolve.overlap_add(u, k, sides, **how)  # type: ignore[arg-type]
            return u
        return convolve.transformed(u, k, sides, count=count, **how)  # type: ignore[arg-type]

    def cost(self, convolution: Applied, shape: tuple[int, ...], count: int) -> float:
        """Seconds, as measured."""
        cells, far = float(math.prod(shape)), math.prod(shape) > LARGE
        if not convolve.at_once(convolution.kernel, convolution.sides):
            wide = [n + m - 1 for n, m in zip(shape, convolution.kernel.shape, strict=True)]
            return 1e-4 + PADDED * float(math.prod(wide)) * count
        mirrors = sum(low == "reflect" for low, _ in convolution.sides)
        return 1e-4 + RING * cells * 2.0**mirrors * (2.0 if far else 1.0)


def _magnified(segment: Segment) -> float:
    """How much faster than the field round-off may have grown since the last event.

    After m of n applications T there is round-off beside |T^m|, which grows by |T^(n-m)| to the
    end, where the field is as large as |T^n|. Kernels that go one way can have a product many times
    as large, which is largest for m = n / 2: content gathers at the far end, and round-off in all
    cells from the beginning on, from where it goes all the way again. Even kernels have none.
    """
    view, count = segment.view("convolution"), segment.stop - segment.since
    zeros = all(pair == ("zero", "zero") for pair in view.sides)
    if view.kernel.ndim > 1 or not zeros or float(np.sum(np.abs(view.kernel))) <= 1.0 + ROUND_OFF:
        return 1.0
    if ("magnified", count) not in segment.views:
        reach = segment.grid.shape[0] - 1
        half, whole = (_growth(view.kernel, reach, part) for part in (0.5 * count, count))
        segment.views["magnified", count] = math.exp(min(2.0 * half - whole, 700.0))
    return float(segment.views["magnified", count])


def _growth(kernel: Array, reach: int, count: float) -> float:
    """The logarithm of a bound of |T^count| on so many cells beyond one, all weights made positive.

    Moves further than the reach leave the grid. Of the others a power of k(r) = sum_d |k_d| r^d has
    at most min over r of k(r)^count / r^reach, for r up to 1 where the moves go up.
    """
    some = np.flatnonzero(kernel)
    sizes, moves = np.log(np.abs(kernel[some])), some - float(kernel.size // 2)

    def tilted(s: float) -> tuple[float, float]:
        """The logarithm of k(e^s), and the mean move by its parts."""
        parts = sizes + s * moves
        largest = float(np.max(parts))
        parts = np.exp(parts - largest)
        total = float(np.sum(parts))
        return largest + math.log(total), float(parts @ moves) / total

    flat, mean = tilted(0.0)
    if count * abs(mean) <= reach:
        return count * flat
    if mean < 0.0:
        moves = -moves
    low, high = STRONGEST, 0.0
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        low, high = (low, middle) if count * tilted(middle)[1] > reach else (middle, high)
    return count * tilted(high)[0] - reach * high
