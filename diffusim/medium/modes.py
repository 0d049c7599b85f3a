"""Modes of a medium in which each axis has an operator of its own: bases and multipliers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from diffusim import spectrum
from diffusim.block import Array, Unsupported
from diffusim.generator import Generator
from diffusim.grid import Grid
from diffusim.symbol import Symbol

# A dense basis takes the cube of this in work and the square in memory, per axis.
LARGEST_BASIS = 1024
# What is alike but for round-off.
ALIKE = 1e-13


class Medium(NamedTuple):
    """What particles between planes need to know: per axis the diffusivity and the closed faces."""

    diffusivity: tuple[float, ...]
    closed: tuple[Array, ...]


class Uneven(Unsupported):
    """A medium that has modes, but no law beside that of its cells."""


class Axis(NamedTuple):
    """Modes of one axis: their basis, angles where they have some, and rates of decay in 1/s."""

    basis: spectrum.Basis
    speed: float
    angles: Array | None
    rates: Array
    held: bool


def symbol(grid: Grid, generator: Generator, limit: str) -> Symbol:
    """Return bases and multiplier of a medium, for one of the three limits.

    Raises
    ------
    Uneven
        When a limit other than the lattice is asked of an axis that is not even.
    Unsupported
        When the medium differs along both axes, or what comes in has no law in this limit.
    """
    constant, along = _losses(grid, generator)
    axes = [_axis(grid, generator, axis, along[axis]) for axis in grid.axes]
    if limit == "lattice":
        return _exponential(grid, axes, [a.rates for a in axes], constant, generator)
    for name, axis in zip(grid.names, axes, strict=True):
        if axis.angles is None and not isinstance(axis.basis, spectrum.Rest):
            raise Uneven(f"the axis {name} is not even (grid.edges or propagator.decay)")
    if np.any(generator.gains):
        raise Unsupported(f"limit {limit} is not for what comes in from outside or from a source")
    if limit == "continuum":
        smooth = [a.rates if a.angles is None else a.speed * a.angles**2 for a in axes]
        ratios = [
            _beside(a, rates) if a.held else None for a, rates in zip(axes, smooth, strict=True)
        ]
        return _exponential(grid, axes, smooth, constant, generator, ratios)
    if generator.turn != 1.0:
        raise Unsupported("limit cell-to-cell is for particles, not for waves")
    if not generator.closed:
        raise Unsupported(
            f"limit {limit} is for closed media without decay; take the limit lattice"
        )

    def factors(duration: float) -> list[Array]:
        return [
            np.ones(1) if a.angles is None
            else spectrum.cell_factor(a.angles, 2.0 * a.speed * duration) for a in axes
        ]  # fmt: skip

    return Symbol(grid.shape, [a.basis for a in axes], factors)


def _beside(axis: Axis, rates: Array) -> Array:
    """What flows through the sides beside what cells of the same content would let through."""
    return np.asarray(rates / np.where(axis.rates == 0.0, 1.0, axis.rates))


def _exponential(
    grid: Grid,
    axes: Sequence[Axis],
    rates: Sequence[Array],
    loss: float,
    generator: Generator,
    ratios: Sequence[Array | None] = (),
) -> Symbol:
    turn = generator.turn

    def factors(duration: float) -> list[Array]:
        # What grows beyond all numbers is told where the frame is looked at.
        with np.errstate(over="ignore", invalid="ignore"):
            found = [np.exp(-turn * duration * rate) for rate in rates]
            return [found[0] * np.exp(-turn * duration * loss), *found[1:]]

    affine = bool(np.any(generator.gains))
    return Symbol(grid.shape, [a.basis for a in axes], factors, rates, loss, affine, ratios,
                  turn=turn)  # fmt: skip


def _losses(grid: Grid, generator: Generator) -> tuple[float, list[Array | None]]:
    """What decays everywhere alike, and what decays along one axis."""
    along: list[Array | None] = [None] * len(grid.shape)
    loss = generator.loss
    if loss is None:
        return 0.0, along
    # What is the same everywhere is taken out first: the rest is at or above zero, as modes need.
    lowest = float(np.min(loss))
    if np.ptp(loss) == 0.0 or lowest < 0.0:
        rest = loss - lowest
        return lowest, _along_axes(grid, rest) if np.any(rest) else along
    return 0.0, _along_axes(grid, loss)


def _along_axes(grid: Grid, loss: Array) -> list[Array | None]:
    """What decays along each axis, where that adds up to all that does."""
    along: list[Array | None] = [None] * len(grid.shape)
    if len(grid.shape) == 1:
        along[0] = np.broadcast_to(loss, grid.shape)
        return along
    whole = np.broadcast_to(loss, grid.shape)
    rows = whole[:, :1] - np.min(whole[:, 0])
    columns = whole[:1, :] - np.min(whole[0, :])
    rest = whole - rows - columns
    if np.ptp(rest) > ALIKE * np.max(whole):
        raise Unsupported("the rate of decay differs along both axes (propagator.decay or "
                          "propagator.potential), so it has no symbol")  # fmt: skip
    least = max(0.0, float(rest[0, 0]))
    if np.any(columns):
        columns = columns + least
    else:
        rows = rows + least
    for axis, part in enumerate((rows, columns)):
        along[axis] = part.ravel() if np.any(part) else None
    return along


def _axis(grid: Grid, generator: Generator, axis: int, loss: Array | None) -> Axis:
    up, _, measure = (np.ravel(values) for values in generator.faces[axis])
    gives = _gives(grid, generator, axis)
    n, ring = grid.shape[axis], grid.wrap[axis]
    if not np.any(up) and not any(gives) and loss is None:
        return Axis(spectrum.Rest(), 0.0, None, np.zeros(1), False)
    inner = up[:-1] if ring else up[1:-1]
    moving = inner[inner > 0.0]
    even = loss is None and moving.size > 0 and np.ptp(moving) == 0.0 and np.ptp(measure) == 0.0
    if even:
        speed = float(moving[0] / measure[0])
        closed = up == 0.0
        whole = ring and not np.any(closed)
        # A ring that is cut inside is a line that begins elsewhere.
        cut = ring and bool(np.any(closed[1:-1])) and not closed[0]
        held = [give > 0.0 for give in gives]
        alike = all(give == 0.0 or abs(give - 2.0 * moving[0]) <= ALIKE * give for give in gives)
        if whole:
            waves: spectrum.Fourier | spectrum.Waves = spectrum.Fourier()
            return _even(waves, speed, waves.angles(n), False)
        if alike and not cut:
            parts = spectrum.compartments(closed)
            if len(parts) == 1:
                waves = spectrum.waves_between(held[0], held[1])
                return _even(waves, speed, waves.angles(n), any(held))
            if n <= LARGEST_BASIS:
                theta, basis = spectrum.waves_of_each(parts, held[0], held[1])
                return _even(basis, speed, theta, any(held))
    if n > LARGEST_BASIS:
        raise Unsupported(
            f"axis {grid.names[axis]} is not even and has {n} cells; "
            f"its modes are found for {LARGEST_BASIS} at most"
        )
    rates, basis = spectrum.own_modes(up, measure, ring, gives, loss)
    return Axis(basis, 0.0, None, rates, any(gives))


def _even(basis: spectrum.Basis, speed: float, angles: Array, held: bool) -> Axis:
    return Axis(basis, speed, angles, speed * spectrum.lattice_rate(angles), held)


def _gives(grid: Grid, generator: Generator, axis: int) -> tuple[float, float]:
    """What the outermost cells of an axis give through its sides, in m/s."""
    found = [0.0, 0.0]
    for rim in generator.rims:
        if rim.axis == axis:
            if np.ptp(rim.give) > ALIKE * np.max(np.abs(rim.give), initial=0.0):
                raise Unsupported(
                    f"the side {rim.name} differs along itself (grid.edges.{rim.name}), "
                    "so it has no symbol"
                )
            found[rim.high] = float(np.ravel(rim.give)[0])
    return found[0], found[1]
