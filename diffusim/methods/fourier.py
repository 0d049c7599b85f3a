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

from diffusim import convolve
from diffusim.block import Array
from diffusim.methods import Applying
from diffusim.shifts import Applied

# Seconds per cell of a ring, and of a padded field for each application, measured.
RING, PADDED = 25e-9, 30e-9
# Fields of more cells than this leave the cache between transforms, which makes them twice as slow,
# so they are cut into blocks; a whole ring is not.
LARGE = 2**19


class Fourier(Applying):
    """Multiplication of Fourier transforms."""

    fields = 12.0

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
