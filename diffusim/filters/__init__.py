"""Filters: what becomes of each wave of a field, as a mask of wave numbers and as a kernel.

============  ================================================================================
masks         blocks that say what a wave is multiplied by, and the type of a key that holds them
waves         the waves of a grid, and a multiplier of them as a kernel
compression   a field told by a part of its modes: how far it is off, and what it takes to store
============  ================================================================================
"""

from __future__ import annotations

from diffusim.filters.compression import Compressed, Course, Curve, compress, curve
from diffusim.filters.masks import Mask, Masks, multiplier
from diffusim.filters.waves import kernel_of, of_modes, without_round_off

__all__ = [
    "Compressed", "Course", "Curve", "Mask", "Masks", "compress", "curve", "kernel_of",
    "multiplier", "of_modes", "without_round_off",
]  # fmt: skip
