"""The generator L of a linear medium: two numbers on each face, a loss and a source in each cell.

The field obeys ``du/dt = L u + b`` with

    (L u + b) = sum over axes of (F_low - F_high) / measure  -  loss u  +  source,
    F = up u_below - down u_above      on every face.

Without flow ``down is up``. Face arrays keep the smallest shape that broadcasts, (n + 1) along
their own axis and 1 along every axis where all lines are alike, and are divided by the measure of
their own axis only. That one shape decides the compiled loop, whether a symbol exists, and the
memory.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from diffusim.block import Array, Unsupported

# Fields of more cells than this do not stay in a processor's cache between sweeps.
CACHED = 2**21


class Faces(NamedTuple):
    """Conductances across one axis, there and back, and the measure of the cells between."""

    up: Array
    down: Array
    measure: Array


class Coefficients(NamedTuple):
    """What a compiled loop needs: the name of its shape and the numbers, one pair per axis."""

    shape: str
    values: tuple[Array | float, ...]


@dataclass(frozen=True, eq=False)
class Generator:
    """Linear generator on a grid; see the module's text for the equation.

    Parameters
    ----------
    shape : tuple of int
        Shape of the fields it acts on.
    faces : sequence of Faces
        One entry per axis; ``up`` and ``down`` in m/s, ``measure`` in m.
    wrap : tuple of bool
        Whether the first and the last face of an axis are one and the same.
    loss, source : float or array
        Rate at which a cell loses (1/s), and what it gains (field units per s).
    """

    shape: tuple[int, ...]
    faces: Sequence[Faces]
    wrap: tuple[bool, ...]
    loss: float | Array = 0.0
    source: float | Array = 0.0

    def linear(self, u: Array) -> Array:
        """Return L u, written plainly; the compiled loops are tested against it."""
        out = -self.loss * u
        for axis, (up, down, measure) in enumerate(self.faces):
            n = self.shape[axis]
            below = np.take(u, np.arange(-1, n), axis)
            above = np.take(u, np.arange(0, n + 1) % n, axis)
            flux = up * (below - above) if down is up else up * below - down * above
            out = out - np.diff(flux, axis=axis) / measure
        return out

    def rate(self, u: Array) -> Array:
        """Return du/dt = L u + b."""
        return self.linear(u) + self.source

    @cached_property
    def leaving(self) -> Array:
        """Rate at which each cell gives away its content, |L_ii| in 1/s, in the smallest shape."""
        leaving = np.asarray(self.loss, dtype=float)
        for axis, (up, down, measure) in enumerate(self.faces):
            low = _cells(down, axis, slice(None, -1))
            high = _cells(up, axis, slice(1, None))
            leaving = leaving + (low + high) / measure
        return leaving

    @cached_property
    def fastest(self) -> float:
        """Largest of these rates; explicit steps are probabilities while dt <= 1 / fastest."""
        return float(np.max(self.leaving))

    @cached_property
    def symmetric(self) -> bool:
        """Whether what flows there flows back as easily: no flow, loss or source."""
        still = all(np.array_equal(f.up, f.down) for f in self.faces)
        return still and not np.any(self.loss) and not np.any(self.source)

    @cached_property
    def separable(self) -> bool:
        """Whether every axis has its own one-dimensional operator, the same on all lines."""
        return all(
            f.up.shape[other] == 1
            for axis, f in enumerate(self.faces)
            for other in range(len(self.shape))
            if other != axis
        )

    def conductance(self, axis: int) -> float | None:
        """The one number of an axis whose inner faces are all alike, else None."""
        up, _, measure = self.faces[axis]
        inner = _cells(up, axis, slice(1, -1))
        rim = _cells(up, axis, [0, -1])
        if inner.size == 0:
            return 0.0 if not self.wrap[axis] else None
        number = float(inner.flat[0])
        alike = np.all(inner == number) and np.all(rim == (number if self.wrap[axis] else 0.0))
        return number / float(measure.flat[0]) if alike and np.ptp(measure) == 0.0 else None

    def coefficients(self, scale: float, at_least: str = "numbers") -> Coefficients:
        """Return the generator times ``scale`` as the smallest set of numbers a loop can take.

        Parameters
        ----------
        scale : float
            A time in s.
        at_least : {"numbers", "vectors", "fields"}
            The smallest shape wanted.

        Raises
        ------
        Unsupported
            When there is flow, a loss or a source, which the loops do not carry yet.
        """
        if not self.symmetric:
            raise Unsupported("the loops carry closed media at rest only")
        numbers = [self.conductance(axis) for axis in range(len(self.shape))]
        if at_least == "numbers" and None not in numbers:
            pair = [0.0] * (2 - len(numbers)) + [scale * float(g or 0.0) for g in numbers]
            return Coefficients("numbers", tuple(pair))
        full = at_least == "fields" or not self.separable
        values: list[Array] = [] if len(self.shape) == 2 else [np.zeros((1, 1))] * 2
        for axis, (up, _, measure) in enumerate(self.faces):
            for part in (slice(None, -1), slice(1, None)):
                # In this order the numbers of an even axis are the same to the last bit.
                values.append(scale * (_cells(up, axis, part) / measure))
        if full:
            plane = (1, *self.shape)[-2:]
            return Coefficients(
                "fields", tuple(np.array(np.broadcast_to(v, plane), order="C") for v in values)
            )
        return Coefficients("vectors", tuple(np.ascontiguousarray(v.ravel()) for v in values))

    @cached_property
    def smallest(self) -> str:
        """The smallest shape of coefficients that tells all: numbers, vectors or fields."""
        if all(self.conductance(axis) is not None for axis in range(len(self.shape))):
            return "numbers"
        return "vectors" if self.separable else "fields"

    @property
    def plane_wrap(self) -> tuple[bool, bool]:
        """Periodicity of the two axes of a loop; a one-dimensional field is one row."""
        return (False, *self.wrap)[-2:]  # type: ignore[return-value]

    @property
    def cost(self) -> float:
        """Seconds per cell of one application of L, as measured on one 3.7 GHz core."""
        in_cache = {"numbers": 0.3e-9, "vectors": 0.35e-9, "fields": 0.6e-9}[self.smallest]
        return in_cache if math.prod(self.shape) <= CACHED else 4.0 * in_cache

    def sweep(self, scale: float) -> Sweep:
        """Return the compiled loops that apply A = scale L, with their coefficients made."""
        return Sweep(self, scale)


class Sweep:
    """Compiled sweeps over all cells of A = scale L; whoever uses it never sees a shape.

    Parameters
    ----------
    generator : Generator
        A closed medium at rest.
    scale : float
        A time in s.
    """

    def __init__(self, generator: Generator, scale: float) -> None:
        from diffusim.loops import sweeps

        shape, self._values = generator.coefficients(scale)
        self._step = getattr(sweeps, f"step_{shape}")
        self._expand = getattr(sweeps, f"expand_{shape}")
        self._wrap = generator.plane_wrap

    def step(self, u: Array, work: Array, count: int) -> None:
        """Advance ``u`` in place by ``count`` times u <- u + A u; ``work`` is room for one more."""
        self._step(plane(u), plane(work), count, *self._values, *self._wrap)

    def expand(
        self, older: Array, newer: Array, total: Array, weights: Array, b: float, c: float
    ) -> None:
        """Add weighted terms next = A newer + b newer + c older, advancing all three in place."""
        three = (plane(v) for v in (older, newer, total))
        self._expand(*three, weights, *self._values, b, c, *self._wrap)


def plane(u: Array) -> Array:
    """View a field as the two-dimensional array that loops take; one dimension becomes one row."""
    return u.reshape((1, *u.shape)[-2:])


def _cells(faces: Array, axis: int, part: slice | list[int]) -> Array:
    index: list[slice | list[int]] = [slice(None)] * faces.ndim
    index[axis] = part
    return faces[tuple(index)]
