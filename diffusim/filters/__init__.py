"""Filters: what becomes of each wave of a field, as a mask of wave numbers and as a kernel.

============  ================================================================================
masks         blocks that say what a wave is multiplied by
several       masks one after the other: the type of a key that holds them, and their product
waves         a multiplier of the waves of a grid as a kernel
compression   a field told by a part of its modes: how far it is off, and what it takes to store
============  ================================================================================
"""

from __future__ import annotations

from diffusim.filters.compression import (
    Compressed,
    Course,
    Curve,
    Price,
    compress,
    curve,
    price,
)
from diffusim.filters.masks import (
    Butterworth,
    DiffusionMask,
    Direction,
    Disc,
    GaussianMask,
    Largest,
    Mask,
    Ring,
)
from diffusim.filters.several import Masks, corner, even, factors, multiplier
from diffusim.filters.waves import (
    corner_of_kernel,
    kernel_of,
    kernel_of_corner,
    nearly_density,
    summing_to_one,
    without_round_off,
    without_small,
)

__all__ = [
    "Butterworth", "Compressed", "Course", "Curve", "DiffusionMask", "Direction", "Disc",
    "GaussianMask", "Largest", "Mask", "Masks", "Price", "Ring", "compress", "corner",
    "corner_of_kernel", "curve", "even", "factors", "kernel_of", "kernel_of_corner", "multiplier",
    "nearly_density", "price", "summing_to_one", "without_round_off", "without_small",
]  # fmt: skip
