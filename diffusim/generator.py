"""The generator of a linear medium: two numbers on each face, a loss and a source in each cell.

The field obeys ``du/dt = turn (L u + b)``, turn = 1 for diffusion and i for waves, with

    (L u + b) = sum over axes of (F_low - F_high) / measure  -  loss u  +  source,
    F = up u_below - down u_above      on every face between cells,
    F = take - give u                  into the grid through an open side.

Without flow ``down is up``. Face arrays keep the smallest shape that broadcasts, (n + 1) along
their own axis and 1 along every axis where all lines are alike, and are divided by the measure of
their own axis only. That one shape decides the compiled loop, whether a symbol exists, and the
memory. What goes through the sides, decays or is made is told by `Generator.ledger`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from diffusim.block import Array
from diffusim.sweep import Sweep, plane

if TYPE_CHECKING:
    from diffusim.loops.tridiagonal import Lines

# Fields of more cells than this do not stay in a processor's cache between sweeps.
CACHED = 2**21


class Faces(NamedTuple):
    """Conductances across one axis, there and back, and the measure of the cells between."""

    up: Array
    down: Array
    measure: Array


class Rim(NamedTuple):
    """An open side: what comes in per area is take - give u, in the cells beside it."""

    name: str
    axis: int
    high: bool
    give: Array
    take: Array


@dataclass(frozen=True, eq=False)
class Generator:
    """Affine generator on a grid; see the module's text for the equation.

    Parameters
    ----------
    shape : tuple of int
        Shape of the fields it acts on.
    faces : sequence of Faces
        One entry per axis; ``up`` and ``down`` in m/s, ``measure`` in m. What stands on the rim of
        an axis that is not joined to itself is zero.
    wrap : tuple of bool
        Whether the first and the last face of an axis are one and the same.
    rims : sequence of Rim
        Open sides.
    loss, source : array or None
        Rate at which a cell loses (1/s), and what it gains (field units per s).
    turn : complex
        1, or i for waves; of modulus one. L itself is real but for the loss of what absorbs.
    """

    shape: tuple[int, ...]
    faces: Sequence[Faces]
    wrap: tuple[bool, ...]
    rims: Sequence[Rim] = ()
    loss: Array | None = None
    source: Array | None = None
    turn: complex = 1.0

    def linear(self, u: Array) -> Array:
        """Return L u, written plainly; the compiled loops are tested against it."""
        out: Array = -self.drains * u
        for axis, (up, down, measure) in enumerate(self.faces):
            n = self.shape[axis]
            below = np.take(u, np.arange(-1, n), axis)
            above = np.take(u, np.arange(0, n + 1) % n, axis)
            flux = up * (below - above) if down is up else up * below - down * above
            out = out - np.diff(flux, axis=axis) / measure
        return out

    def rate(self, u: Array) -> Array:
        """Return du/dt = L u + b."""
        return np.asarray(self.linear(u) + self.gains)

    # --- what the cells lose and gain by themselves and through the sides ---------------------

    def _beside(self, values: Array | None, rims: Sequence[tuple[Rim, Array]]) -> Array:
        """Values of the cells and what sides add beside them, in the smallest shape."""
        total = np.zeros((1,) * len(self.shape)) if values is None else values
        for rim, flux in rims:
            measure = self.faces[rim.axis].measure
            beside = np.zeros(measure.shape)
            end = [-1 if rim.high else 0]
            index: list[Any] = [slice(None)] * beside.ndim
            index[rim.axis] = end
            beside[tuple(index)] = 1.0 / _cells(measure, rim.axis, end)
            total = total + beside * flux
        return total

    def beside(self, rim: Rim) -> tuple[slice, ...]:
        """Where the cells beside a side are."""
        index = [slice(None)] * len(self.shape)
        index[rim.axis] = slice(-1, None) if rim.high else slice(0, 1)
        return tuple(index)

    @cached_property
    def drains(self) -> Array:
        """Rate in 1/s at which each cell loses by decay and through open sides."""
        return self._beside(self.loss, [(rim, rim.give) for rim in self.rims if np.any(rim.give)])

    def drains_along(self, axis: int) -> Array:
        """The part of the drains that belongs to an axis: its own sides, a share of the decay."""
        own = [(rim, rim.give) for rim in self.rims if rim.axis == axis and np.any(rim.give)]
        return self._beside(None if self.loss is None else self.loss / len(self.shape), own)

    @cached_property
    def gains(self) -> Array:
        """What each cell gains from sources and through the sides, in field units per s."""
        return self._beside(self.source, [(rim, rim.take) for rim in self.rims if np.any(rim.take)])

    @cached_property
    def accounts(self) -> tuple[str, ...]:
        """Names of what the ledger counts: the open sides, then decay and source."""
        names = [rim.name for rim in self.rims]
        names += ["decay"] * (self.loss is not None) + ["source"] * (self.source is not None)
        return tuple(names)

    def ledger(self, integrals: Sequence[Array], duration: float) -> Array:
        """Return what came in by each account, in field units times volume, negative if it left.

        Parameters
        ----------
        integrals : sequence of array
            The field integrated over the duration as the method did it, for each axis, and after
            them, where it is not their mean, as it decayed.
        duration : float
            In s.
        """
        volume = self.volume
        found = [self.through(rim, integrals[rim.axis], duration) for rim in self.rims]
        if self.loss is not None:
            axes = len(self.shape)
            content = integrals[axes] if len(integrals) > axes else sum(integrals) / axes
            found.append(-float(np.sum(self.loss * content * volume)))
        if self.source is not None:
            found.append(float(np.sum(self.source * volume)) * duration)
        return np.array(found)

    def through(self, rim: Rim, integral: Array, duration: float) -> float:
        """What came in through a side, of the field integrated over a duration in s."""
        place = self.beside(rim)
        across = self.volume[place] / _cells(self.faces[rim.axis].measure, rim.axis,
                                             place[rim.axis])  # fmt: skip
        inward = rim.take * duration - rim.give * integral[place]
        return float(np.sum(inward * across))

    # --- what is known of it without solving anything ------------------------------------------

    @cached_property
    def volume(self) -> Array:
        """Volume of each cell, the product of its measures."""
        volume = np.ones(self.shape)
        for _, _, measure in self.faces:
            volume = volume * measure
        return volume

    @cached_property
    def leaving(self) -> Array:
        """Rate at which each cell gives away its content, |L_ii| in 1/s, in the smallest shape."""
        leaving: Array = np.zeros((1,) * len(self.shape))
        for axis, (up, down, measure) in enumerate(self.faces):
            low = _cells(down, axis, slice(None, -1))
            high = _cells(up, axis, slice(1, None))
            leaving = leaving + (low + high) / measure
        # The axes first: their order is then no part of the result, as in the compiled sweeps.
        return np.asarray(leaving + self.drains)

    @cached_property
    def fastest(self) -> float:
        """Largest of these rates; explicit steps are probabilities while dt <= 1 / fastest."""
        # What grows, under a potential below zero, counts as fast as what decays.
        drains = self.drains
        return float(np.max(np.abs(self.leaving - drains + np.abs(drains))))

    @cached_property
    def resting(self) -> bool:
        """Whether nothing happens at all."""
        return self.fastest == 0.0 and not np.any(self.gains)

    @cached_property
    def still(self) -> bool:
        """Whether nothing flows: what crosses a face comes back across it as easily."""
        return all(f.down is f.up or np.array_equal(f.up, f.down) for f in self.faces)

    @property
    def closed(self) -> bool:
        """Whether nothing can come in or leave."""
        return not self.accounts

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
        up, down, measure = self.faces[axis]
        if down is not up:
            return None
        inner = _cells(up, axis, slice(1, -1))
        rim = _cells(up, axis, [0, -1])
        if inner.size == 0:
            return 0.0 if not self.wrap[axis] else None
        number = float(inner.flat[0])
        alike = np.all(inner == number) and np.all(rim == (number if self.wrap[axis] else 0.0))
        return number / float(measure.flat[0]) if alike and np.ptp(measure) == 0.0 else None

    @cached_property
    def smallest(self) -> str:
        """The smallest shape of coefficients that tells all: numbers, vectors, fields or pairs."""
        if all(self.conductance(axis) is not None for axis in range(len(self.shape))):
            return "numbers"
        if not self.still:
            return "pairs"
        return "vectors" if self.separable else "fields"

    @property
    def plane_wrap(self) -> tuple[bool, bool]:
        """Periodicity of the two axes of a loop; a one-dimensional field is one row."""
        return (False, *self.wrap)[-2:]  # type: ignore[return-value]

    @property
    def cost(self) -> float:
        """Seconds per cell of one application of L, as measured on one 3.7 GHz core."""
        in_cache = {"numbers": 0.3e-9, "vectors": 0.35e-9, "fields": 0.5e-9, "pairs": 0.8e-9}
        own = in_cache[self.smallest] + 0.2e-9 * (not self.closed)
        cells = math.prod(self.shape)
        return own * (4.0 if cells > CACHED else 1.6 if cells > CACHED // 4 else 1.0)

    def moves(self) -> list[Array]:
        """Rate in 1/s at which each cell gives to its lower and upper neighbour, axis by axis."""
        found = []
        for axis, (up, down, measure) in enumerate(self.faces):
            for faces, part in ((down, slice(None, -1)), (up, slice(1, None))):
                found.append(np.broadcast_to(_cells(faces, axis, part) / measure, self.shape))
        return found

    # --- compiled ------------------------------------------------------------------------------

    def coefficients(self, scale: float) -> tuple[Any, ...]:
        """Return the generator times ``scale`` as compiled sweeps take it.

        Parameters
        ----------
        scale : float
            A time in s.

        Returns
        -------
        tuple
            up0, down0, up1, down1, inverse0, inverse1: numbers, vectors over faces, or fields of
            faces, and the inverse of the cells' measures where these differ.
        """
        numbers = [self.conductance(axis) for axis in range(len(self.shape))]
        if None not in numbers:
            pair = [0.0] * (2 - len(numbers)) + [scale * float(g or 0.0) for g in numbers]
            return pair[0], None, pair[1], None, None, None
        given: list[Any] = []
        inverses: list[Any] = []
        if len(self.shape) == 1:
            # Faces of the one row that a loop sees, which nothing crosses.
            none = np.zeros(2 if self.separable else (2, *self.shape))
            given, inverses = [none, None if self.still else none], [None]
        for axis, (up, down, measure) in enumerate(self.faces):
            even = np.ptp(measure) == 0.0
            # In this order the numbers of an even axis are the same to the last bit.
            own = [scale * (f / float(measure.flat[0]) if even else f) for f in (up, down)]
            shape = tuple(n + (k == axis) for k, n in enumerate(self.shape))
            if self.separable:
                own = [np.ascontiguousarray(f.ravel()) for f in own]
            else:
                own = [np.array(np.broadcast_to(f, shape)).reshape((1, *shape)[-2:]) for f in own]
            given += [own[0], None if self.still else own[1]]
            inverses.append(None if even else np.ascontiguousarray(1.0 / measure.ravel()))
        return (*given, *inverses)

    def sweep(self, scale: float) -> Sweep:
        """Return the compiled loops that apply A = scale L, with their coefficients made."""
        axes = range(len(self.shape))
        return Sweep(
            self.shape, self.plane_wrap, self.coefficients(scale), scale * self.drains,
            scale * self.gains, [scale * self.drains_along(axis) for axis in axes],
        )  # fmt: skip

    def lines(self, axis: int, scale: complex) -> Lines:
        """Return compiled solves of (1 - scale L_k) d = r along one axis.

        L_k holds the faces and sides across the axis, and its share of the decay.
        """
        from diffusim.loops.tridiagonal import Lines

        up, down, measure = self.faces[axis]
        part = scale / measure
        low = -part * _cells(up, axis, slice(None, -1))
        high = -part * _cells(down, axis, slice(1, None))
        diagonal = 1.0 + scale * self.drains_along(axis)
        diagonal = diagonal + part * (
            _cells(down, axis, slice(None, -1)) + _cells(up, axis, slice(1, None))
        )
        alike = all(n == 1 for k, n in enumerate(diagonal.shape) if k != axis)
        arrays = []
        for values in (low, diagonal, high):
            if alike:
                arrays.append(np.array(np.broadcast_to(values, diagonal.shape)).ravel())
            else:
                arrays.append(plane(np.array(np.broadcast_to(values, self.shape))))
        low, diagonal, high = arrays
        return Lines(low, diagonal, high, axis + 2 - len(self.shape), self.wrap[axis])


def _cells(faces: Array, axis: int, part: slice | list[int]) -> Array:
    index: list[slice | list[int]] = [slice(None)] * faces.ndim
    index[axis] = part
    return faces[tuple(index)]
