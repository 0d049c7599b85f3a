"""What propagators share that do the same at every place: a sum over moves, again and again.

    u_n+1(x) = sum over moves d of k(d) u_n(x - d)        (each cell sends its content), or
    u_n+1(x) = sum over moves d of k(d) u_n(x + d)        (each cell collects what it sees).

The second is the transpose of the first, and the correlation that image processing calls a
convolution. Time is counted in applications.

What the grid's edges mean for what would leave: ``no-flux`` mirrors it back in, ``periodic`` lets
it come round (a kernel larger than the ring wraps around itself), ``{value: v}`` is an outside held
at v, where it is lost.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import ClassVar, Literal, NamedTuple

import numpy as np
from scipy import fft

from diffusim import convolve
from diffusim.block import Array, Invalid, Unsupported
from diffusim.grid import Grid
from diffusim.kernels import is_density
from diffusim.propagator import Limit, Propagator
from diffusim.spectrum import Basis, Fourier, waves_between
from diffusim.symbol import Symbol

# A sum of weights is one but for so much, beside their size.
SUM = 1e-12
# What a side of a grid is to a kernel.
BEYOND: dict[str, convolve.Side] = {"no-flux": "reflect", "periodic": "wrap", "value": "zero"}


class Applied(NamedTuple):
    """What a method needs to know to apply a kernel once.

    Parameters
    ----------
    kernel : array
        k[x, y], odd in size.
    sides : sequence of tuple
        "reflect", "wrap" or "zero", low and high of each axis.
    collects : bool
        Whether cells collect what they see, instead of sending what they have.
    outside : float
        What the outside holds where it is not mirrored or joined.
    kept : array or None
        What of a cell's content stays on the grid, where some can leave, else None.
    """

    kernel: Array
    sides: tuple[tuple[convolve.Side, convolve.Side], ...]
    collects: bool
    outside: float
    kept: Array | None

    @property
    def closed(self) -> bool:
        """Whether nothing can leave."""
        return self.kept is None


class Shifting(Propagator):
    """A propagator that does the same at every place: a kernel applied a whole number of times."""

    clock: ClassVar[Literal["seconds", "applications"]] = "applications"
    # The keys that give the kernel, make it a density or a mask, and say which way it is read.
    given: ClassVar[str]
    weighs: ClassVar[str]
    reads: ClassVar[str]

    @abstractmethod
    def kernel_on(self, grid: Grid, time: float) -> Array:
        """The kernel k[x, y] on a grid, odd in size and not to be written to.

        Parameters
        ----------
        grid : Grid
            A box, of which only what the kernel needs is looked at.
        time : float
            In applications; it changes at events only.

        Raises
        ------
        Invalid
            When there is none on this grid, with the path of its key.
        """

    def collects_on(self, _grid: Grid, _time: float) -> bool:
        """Whether cells collect by the moves, instead of sending."""
        return False

    def check(self, grid: Grid) -> Iterator[Invalid]:
        """Yield what is wrong with the sides of a grid for a kernel, or with the kernel on it."""
        if grid.radial:
            yield Invalid(f"{self.called} is for boxes; this grid is radial", self.given)
            return
        values = set()
        for name, axis, side in grid.named_sides:
            if side.kind in ("flux", "transfer"):
                yield Invalid(
                    f"the side {name} has a {side.kind} (grid.edges.{name}), which says nothing "
                    f"about {self.called}; make it no-flux, periodic or a value", self.given,
                )  # fmt: skip
            elif side.kind == "value":
                values |= {float(v) for v in np.ravel(grid.outside(axis, side, 0.0))}
                if side.events():
                    yield Invalid(
                        f"the value of the side {name} changes in time (grid.edges.{name}), which "
                        f"the outside of {self.called} does not; give one number", self.given,
                    )  # fmt: skip
        if len(values) > 1:
            yield Invalid(
                f"the outside of {self.called} holds one number; give all values of grid.edges "
                "alike", self.given,
            )  # fmt: skip
        try:
            for time in (0.0, *self.events(grid)):
                self.kernel_on(grid, time)
        except Invalid as problem:
            yield problem

    def traits(self, grid: Grid) -> dict[str, str]:
        """What makes this kernel more than a density that keeps all it moves."""
        found = {}
        for time in (0.0, *self.events(grid)):
            if not is_density(self.kernel_on(grid, time)):
                found["mask"] = f"propagator.{self.weighs}"
            if self.collects_on(grid, time):
                found["collects"] = f"propagator.{self.reads}"
        for name, axis, side in grid.named_sides:
            if side.kind == "value":
                found["open"] = f"grid.edges.{name}"
                if np.any(grid.outside(axis, side, 0.0)):
                    found["affine"] = f"grid.edges.{name}"
        return found

    def accounts(self, grid: Grid) -> tuple[str, ...]:
        """What the ledger counts: the outside, where a density can leave; masks keep no balance."""
        traits = self.traits(grid)
        return ("outside",) if "open" in traits and not {"mask", "collects"} & set(traits) else ()

    def keeps(self, grid: Grid) -> bool:
        """Whether nothing gets lost, or the ledger counts it: masks may change the total."""
        traits = self.traits(grid)
        if "open" in traits:
            return bool(self.accounts(grid))
        return all(self._keeps_at(grid, time) for time in (0.0, *self.events(grid)))

    def _keeps_at(self, grid: Grid, time: float) -> bool:
        """Whether a closed grid keeps its total in an application: the weights sum up to one.

        What collects counts what is near a mirror by other weights, unless it is even.
        """
        kernel = self.kernel_on(grid, time)
        if abs(float(np.sum(kernel)) - 1.0) > SUM * float(np.sum(np.abs(kernel))):
            return False
        sides = enumerate(zip(grid.wrap, grid.shape, strict=True))
        even = all(ring or n == 1 or np.array_equal(kernel, np.flip(kernel, axis))
                   for axis, (ring, n) in sides)  # fmt: skip
        return even or not self.collects_on(grid, time)

    # --- views ------------------------------------------------------------------------------------

    def convolution(self, grid: Grid, time: float = 0.0) -> Applied:
        """The kernel, what the edges do to it, and what stays on the grid."""
        sides, outside = beyond(grid)
        kernel = self.kernel_on(grid, time)
        open_ = any("zero" in pair for pair in sides)
        kept = convolve.kept(kernel, grid.shape, sides) if open_ else None
        return Applied(kernel, sides, self.collects_on(grid, time), outside, kept)

    def transfer(self, grid: Grid, frequencies: Array, time: float = 0.0) -> Array | None:
        """What waves along one axis are multiplied with, sum over moves d of k(d) exp(-2 pi i f d).

        Exact round a ring; where there are ends, waves that come near them fare otherwise.

        Parameters
        ----------
        grid : Grid
            Where.
        frequencies : array
            f in cycles per cell, or per step of a series.
        time : float
            In applications.

        Returns
        -------
        complex array or None
            One number for each frequency; None where the grid has two axes.
        """
        if len(grid.shape) != 1:
            return None
        view = self.convolution(grid, time)
        k = np.flip(view.kernel) if view.collects else view.kernel
        z = np.exp(-2j * np.pi * np.asarray(frequencies, dtype=float))
        return np.asarray(np.polynomial.polynomial.polyval(z, k) * z ** -(k.size // 2))

    def symbol(self, grid: Grid, time: float, limit: Limit) -> Symbol:
        """Per axis a transform in which an application is a multiplication.

        Cosines between mirrors, where the kernel has to be symmetric, and Fourier modes of a ring.

        Raises
        ------
        Unsupported
            When something can leave, the kernel is not symmetric across a mirror, or the limit is
            not that of the cells.
        """
        if limit != "lattice":
            raise Unsupported(f"{self.called} moves from cell to cell; it has no limit {limit}")
        view = self.convolution(grid, time)
        if not view.closed:
            raise Unsupported("something can leave the grid (grid.edges), so there is no symbol")
        k = np.flip(view.kernel) if view.collects else view.kernel
        bases: list[Basis] = []
        # Along a single cell every move ends where it began.
        symmetric = [n == 1 or np.array_equal(k, np.flip(k, axis))
                     for axis, n in enumerate(grid.shape)]  # fmt: skip
        for axis, ring in enumerate(grid.wrap):
            if not (ring or symmetric[axis]):
                raise Unsupported(
                    f"the kernel is not symmetric along {grid.names[axis]}, whose sides are mirrors"
                    f" (propagator.{self.given}), so it has no symbol; with periodic sides "
                    "(grid.edges) it has one"
                )
            bases.append(Fourier() if ring else waves_between(False, False))
        transfer = _transfer(k, grid, symmetric)
        if is_density(k):
            transfer.flat[0] = 1.0  # to the last bit, so that any number of applications keeps all
        return multiplied(grid, bases, transfer, even=all(symmetric))


def beyond(grid: Grid) -> tuple[tuple[tuple[convolve.Side, convolve.Side], ...], float]:
    """Return what lies beyond both sides of each axis of a grid, and what an outside holds."""
    sides = tuple((BEYOND[low.kind], BEYOND[high.kind]) for low, high in grid.edges)
    held = [float(np.ravel(grid.outside(axis, side, 0.0))[0])
            for _, axis, side in grid.named_sides if side.kind == "value"]  # fmt: skip
    return sides, held[-1] if held else 0.0


def _transfer(kernel: Array, grid: Grid, symmetric: Sequence[bool]) -> Array:
    """What a kernel multiplies the modes of a grid by: its transform on the ring of each axis.

    Between mirrors the ring is that of the field and its image, of which the cosines are the even
    waves. There may be as many weights as cells, so no matrix is made of waves and moves.
    """
    rings = [n if ring else 2 * n for n, ring in zip(grid.shape, grid.wrap, strict=True)]
    transfer = fft.fftn(convolve.wrapped(kernel, rings))[tuple(slice(n) for n in grid.shape)]
    return np.ascontiguousarray(np.real(transfer) if all(symmetric) else transfer)


def multiplied(grid: Grid, bases: list[Basis], transfer: Array, *, even: bool) -> Symbol:
    """Return the symbol of which an application multiplies each mode by its transfer function.

    Parameters
    ----------
    grid : Grid
        Where.
    bases : list of Basis
        One per axis.
    transfer : array
        Of the shape of the grid, in the order of the modes of the bases.
    even : bool
        Whether a mode of a ring and its mirror image fare alike.
    """

    def factors(duration: float) -> Array:
        return np.asarray(transfer ** round(duration))

    return Symbol(grid.shape, bases, factors, even=even)
