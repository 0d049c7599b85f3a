"""Modes of a medium in which each axis has an operator of its own: bases and multipliers."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from diffusim import spectrum
from diffusim.block import Array, Unsupported
from diffusim.generator import Generator
from diffusim.grid import Grid

# A dense basis takes the cube of this in work and the square in memory, per axis.
LARGEST_BASIS = 1024


class Medium(NamedTuple):
    """What particles between planes need to know: per axis the diffusivity and the closed faces."""

    diffusivity: tuple[float, ...]
    closed: tuple[Array, ...]


def symbol(grid: Grid, generator: Generator, medium: Medium | None, limit: str) -> spectrum.Symbol:
    """Return bases and multiplier: those of even axes where ``medium`` is given, else their own."""
    if medium is None:
        axes = [_own_axis(grid, generator, axis) for axis in grid.axes]
    else:
        axes = [_even_axis(grid, medium, axis, limit) for axis in grid.axes]

    def multiplier(duration: float) -> Array:
        product = np.ones((1,) * len(grid.shape))
        for axis, (_, factor) in enumerate(axes):
            product = product * grid.along(axis, factor(duration))
        return product

    return spectrum.Symbol([basis for basis, _ in axes], multiplier, generator.fastest)


Factor = Callable[[float], Array]


def _even_axis(grid: Grid, medium: Medium, axis: int, limit: str) -> tuple[spectrum.Basis, Factor]:
    n, closed = grid.shape[axis], medium.closed[axis]
    speed = medium.diffusivity[axis] / grid.spacing[axis] ** 2
    parts = spectrum.compartments(closed)
    if len(parts) == n or speed == 0.0:
        return spectrum.Rest(), lambda _duration: np.ones(1)
    if not closed[0]:
        basis: spectrum.Basis = spectrum.Fourier()
        theta = spectrum.fourier_angles(n)
    elif len(parts) == 1:
        basis, theta = spectrum.Cosine(), spectrum.cosine_angles(n)
    else:
        _must_be_short(grid, axis)
        theta, basis = spectrum.cosine_modes(parts)
    if limit == "cell-to-cell":
        return basis, lambda duration: spectrum.cell_factor(theta, 2.0 * speed * duration)
    rate = spectrum.lattice_rate(theta) if limit == "lattice" else theta**2
    return basis, lambda duration: np.exp(-duration * speed * rate)


def _own_axis(grid: Grid, generator: Generator, axis: int) -> tuple[spectrum.Basis, Factor]:
    faces = generator.faces[axis]
    if not np.any(faces.up):
        return spectrum.Rest(), lambda _duration: np.ones(1)
    _must_be_short(grid, axis)
    rates, basis = spectrum.own_modes(faces.up.ravel(), faces.measure.ravel(), grid.wrap[axis])
    return basis, lambda duration: np.exp(-duration * rates)


def _must_be_short(grid: Grid, axis: int) -> None:
    if grid.shape[axis] > LARGEST_BASIS:
        raise Unsupported(
            f"axis {grid.names[axis]} is not even and has {grid.shape[axis]} cells; "
            f"its modes are found for {LARGEST_BASIS} at most"
        )
