"""A filter as a propagator: every wave is multiplied by a number, again and again.

    F(u_n+1)(k) = H(k) F(u_n)(k),        u_n+1(x) = sum over moves d of h(d) u_n(x - d),

with h the inverse transform of the mask H: a filter is a kernel. Round a ring the waves are Fourier
modes; between mirrors they are cosines, the even waves of a ring of twice as many cells.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any, ClassVar, NamedTuple

import numpy as np
from pydantic import PrivateAttr

from diffusim import filters
from diffusim.block import Array, Invalid, Unsupported
from diffusim.grid import Grid
from diffusim.propagator import Limit
from diffusim.random_fields import modes_of
from diffusim.shifts import SUM, Shifting, multiplied
from diffusim.spectrum import rings
from diffusim.symbol import Symbol

# Of so many grids is kept what is known of their kernels, and so are kernels; of more weights than
# this only the last one.
MOST_KEPT, LARGE = 4, 2**20
# What is left of a mode, or of the mean, that makes a note worth it.
SLIGHT = 1e-12


class _Told(NamedTuple):
    """What is known of a kernel without making it: its least and largest weight, and their sum."""

    least: float
    most: float
    total: float

    @property
    def density(self) -> bool:
        return filters.nearly_density(*self)


class Filter(Shifting):
    """A mask over the waves of a field, applied a whole number of times.

    Parameters
    ----------
    mask : mapping or list of mappings
        ``{kind: disc, wavelength: 16 mm}``, ``{kind: ring, wavelengths: [8 mm, 32 mm]}``, ``{kind:
        gaussian, sigma: 5 mm}``, ``{kind: butterworth, wavelength:, order:}``, ``{kind: direction,
        angle:, width:}``, each with ``passes: low | high`` or ``band | stop``; ``{kind: diffusion,
        diffusivity:, time:}``; ``{kind: largest, keep:, path:}``. Several are multiplied.

    References
    ----------
    R. C. Gonzalez, R. E. Woods, *Digital Image Processing*, 4th ed. (2018), chapter 4; R. N.
    Bracewell, *The Fourier Transform and Its Applications*, 3rd ed. (2000), chapters 6 and 9.
    """

    given: ClassVar[str] = "mask"
    weighs: ClassVar[str] = "mask"
    reads: ClassVar[str] = "mask"

    mask: filters.Masks

    # By grid: the kernel, and what is known of it.
    _made: dict[Any, Array] = PrivateAttr(default_factory=dict)
    _known: dict[Any, _Told] = PrivateAttr(default_factory=dict)

    def even(self, grid: Grid) -> bool:
        """Whether waves that are mirrored along one axis fare alike."""
        return filters.even(self.mask, grid)

    def multiplier(self, grid: Grid) -> Array:
        """What one application multiplies each wave of the rings of a grid by.

        Raises
        ------
        Invalid
            When there is no such mask on this grid, with the path of its key.
        """
        return self._read(filters.multiplier, grid)

    def factors(self, grid: Grid) -> Array:
        """What one application multiplies each mode of a grid by.

        In the order of `diffusim.spectrum.coefficients`; errors are those of `multiplier`.
        """
        return self._read(filters.factors, grid)

    def _read(self, how: Callable[[filters.Masks, Grid], Array], grid: Grid) -> Array:
        try:
            return how(self.mask, grid)
        except Invalid as problem:
            # One mask stands at the key itself, several in a list.
            path = problem.path if len(self.mask) > 1 else problem.path[1:]
            raise Invalid(problem.message, "mask", *path) from None

    @property
    def compresses(self) -> bool:
        """Whether what it leaves is the field told by a part of its modes, long or large ones."""
        return all(mask.compresses for mask in self.mask)

    def kernel_on(self, grid: Grid, _time: float = 0.0) -> Array:
        """The mask as a kernel k[x, y], as large as the grid or, between mirrors, twice that.

        Where no weight is below zero but by round-off, what is round-off is zero in it: it is a
        density.
        """
        key = grid.shape, grid.size, grid.wrap
        if key in self._made:
            return self._made[key]
        kernel, total = self._weights(grid)
        density = filters.nearly_density(float(np.min(kernel)), float(np.max(kernel)), total)
        # Before it is unfolded, since it may be four times as large as the field.
        kernel = filters.without_small(kernel) if density else kernel
        kernel = filters.kernel_of_corner(kernel) if self.even(grid) else kernel
        kernel = filters.summing_to_one(kernel) if density else kernel
        kernel.flags.writeable = False
        if len(self._made) >= (1 if kernel.size > LARGE else MOST_KEPT):
            self._made.clear()
        self._made[key] = kernel
        return kernel

    def _weights(self, grid: Grid) -> tuple[Array, float]:
        """The kernel, of an even one the corner that tells all of it, and its sum."""
        if self.even(grid):
            corner = self._read(filters.corner, grid)
            return filters.corner_of_kernel(corner, rings(grid)), float(corner.flat[0])
        multiplier = self.multiplier(grid)
        return filters.kernel_of(multiplier, even=False), float(multiplier.flat[0])

    def _told(self, grid: Grid) -> _Told:
        """What is known of the kernel, which may be four times as large as the field."""
        key = grid.shape, grid.size, grid.wrap
        if key not in self._known:
            if len(self._known) >= MOST_KEPT:
                self._known.clear()
            weights, total = self._weights(grid)
            self._known[key] = _Told(float(np.min(weights)), float(np.max(weights)), total)
        return self._known[key]

    def traits(self, grid: Grid) -> dict[str, str]:
        """That the kernel is a mask, where it is no density."""
        return {} if self._told(grid).density else {"mask": f"propagator.{self.weighs}"}

    def _keeps_at(self, grid: Grid, _time: float) -> bool:
        """Whether the mean is kept."""
        return abs(self._told(grid).total - 1.0) <= SUM

    def check(self, grid: Grid) -> Iterator[Invalid]:
        """Yield what is wrong with the sides of a grid for waves, or with the mask on it."""
        foreign = [(name, side.kind) for name, _, side in grid.named_sides
                   if side.kind not in ("no-flux", "periodic")]  # fmt: skip
        for name, kind in foreign:
            yield Invalid(
                f"a filter multiplies the waves of the whole grid, and a side with a {kind} "
                f"(grid.edges.{name}) is no mirror for them; make it no-flux (cosines) or periodic "
                "(waves of a ring)", "mask",
            )  # fmt: skip
        if foreign:
            return
        if grid.radial:
            yield from super().check(grid)
            return
        try:
            self._told(grid)
        except Invalid as problem:
            yield problem

    def symbol(self, grid: Grid, _time: float, limit: Limit) -> Symbol:
        """The mask itself, in cosines between mirrors and Fourier modes round rings.

        Raises
        ------
        Unsupported
            When the limit is not that of the cells.
        """
        if limit != "lattice":
            raise Unsupported(
                f"a filter multiplies the waves of the cells; it has no limit {limit}"
            )
        bases, _ = modes_of(grid)
        return multiplied(grid, bases, self.factors(grid), even=self.even(grid))

    def facts(self, u: Array, grid: Grid) -> dict[str, Any]:
        """Of compression, the part of the numbers that is kept, the relative error and the PSNR.

        Of a start of several channels those of their mean. The error of what is only filtered says
        nothing of how good it is.
        """
        if not self.compresses:
            return {}
        kept = self.factors(grid) > 0.5
        told = filters.price(u if u.ndim == len(grid.shape) else np.mean(u, axis=0), kept, grid)
        found = {"compressed_to": told.ratio, "compression_error": told.error, "psnr": told.psnr}
        return {name: value for name, value in found.items() if math.isfinite(value)}

    def notes(self, grid: Grid) -> Iterator[str]:
        """Say what is kept, whether the kernel rings, and what applying it again does."""
        factors = self.factors(grid)
        sharp = all(mask.sharp for mask in self.mask)
        many = int(np.count_nonzero(np.abs(factors) > 0.5))
        part = f"{many} of {grid.cells} modes ({100.0 * many / grid.cells:.3g} %)"
        if self.compresses and many:
            part += f", a compression to one number in {grid.cells / many:.3g}"
        yield f"keeps {part}" if sharp else f"keeps more than half of the amplitude of {part}"
        if (mean := float(factors.flat[0])) < 1.0 - SLIGHT:
            yield f"multiplies the mean by {mean:.3g}" if mean > SLIGHT else "takes the mean away"
        yield self._below_zero(grid, sharp)
        if not sharp:
            yield "applied n times it multiplies by the n-th power of its mask"
        elif np.all((factors == 0.0) | (factors == 1.0)):
            yield "applied again it changes nothing more"
        else:
            yield (
                "applied again it changes nothing more, but for some waves of two cells, which run "
                "both ways and are kept by half"
            )

    def _below_zero(self, grid: Grid, sharp: bool) -> str:
        """Say whether the kernel falls below zero, and how far."""
        told = self._told(grid)
        if told.density:
            return (
                "its kernel is a density (weights below 1e-15 of the largest are round-off and "
                "count as none), so chance can carry it too"
            )
        if told.most == 0.0:
            return "its kernel is nothing, since no wave of this grid passes"
        part = 100.0 * told.least / told.most
        does = "rings" if sharp else "falls below zero, so it is no density"
        return f"its kernel {does}: the most negative weight is {part:.3g} % of the largest"
