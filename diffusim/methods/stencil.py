"""stencil: a kernel applied by direct summation, weight by weight, again and again.

    u_n+1(x) = sum over moves d of k(d) u_n(x - d)

It costs as much as the kernel has weights that are not zero, for every cell and application.
Limit: lattice, which is all that a kernel knows.
"""

from __future__ import annotations

import math

import numpy as np

from diffusim import convolve
from diffusim.block import Array
from diffusim.methods import Applying
from diffusim.shifts import Applied

# Seconds per weight and cell, and per cell beside that, measured.
WEIGHT, PASS = 0.07e-9, 5e-9


class Stencil(Applying):
    """Direct summation over the moves of a kernel."""

    def apply(self, u: Array, convolution: Applied, count: int) -> Array:
        """Sum over the moves, so many times."""
        return convolve.direct(
            u, convolution.kernel, convolution.sides, collects=convolution.collects,
            outside=convolution.outside, count=count,
        )  # fmt: skip

    def cost(self, convolution: Applied, shape: tuple[int, ...], count: int) -> float:
        """Seconds, as measured."""
        weights = int(np.count_nonzero(convolution.kernel))
        return 2e-5 + count * math.prod(shape) * (PASS + WEIGHT * weights)
