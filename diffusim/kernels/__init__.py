"""Kernels: arrays of weights, odd in size, that say where what is in a cell moves.

``k[a + dx, b + dy]`` is the weight of the move by (dx, dy) cells, x to the right and y upwards. A
kernel is a density where no weight is negative and all sum to one: convolved with a field it gives
the expectation, drawn from it gives chance. Any other kernel is a mask.

============  ================================================================================
densities     those of diffusion, parts of densities, and any kernel made a density
named         image kernels by name, as blocks
keys          the type of a YAML key that holds any kernel
character     what a kernel does, in numbers and in sentences
============  ================================================================================
"""

from __future__ import annotations

from diffusim.kernels.densities import (
    REACH,
    How,
    as_it_moves,
    cell_to_cell,
    collecting,
    explicit_step,
    half,
    is_density,
    lattice,
    normalise,
    sampled,
    truncated,
)

__all__ = [
    "REACH", "How", "as_it_moves", "cell_to_cell", "collecting", "explicit_step", "half",
    "is_density", "lattice", "normalise", "sampled", "truncated",
]  # fmt: skip
