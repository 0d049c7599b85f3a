"""A filter as a propagator: every wave is multiplied by a number, again and again.

    F(u_n+1)(k) = H(k) F(u_n)(k),        u_n+1(x) = sum over moves d of h(d) u_n(x - d),

with h the inverse transform of the mask H: a filter is a kernel. Round a ring the waves are Fourier
modes; between mirrors they are cosines, the even waves of a ring of twice as many cells.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np
from pydantic import PrivateAttr

from diffusim.block import Array, Invalid, Unsupported
from diffusim.filters import Masks, kernel_of, multiplier, of_modes, without_round_off
from diffusim.grid import Grid
from diffusim.kernels import is_density
from diffusim.propagator import Limit
from diffusim.random_fields import modes_of
from diffusim.shifts import Shifting, multiplied
from diffusim.symbol import Symbol

# Kernels of so many grids are kept.
MOST_KEPT = 4
# What is left of a mode, or of the mean, that makes a note worth it.
SLIGHT = 1e-12


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

    mask: Masks

    # By grid: the kernel.
    _made: dict[Any, Array] = PrivateAttr(default_factory=dict)

    def even(self, grid: Grid) -> bool:
        """Whether waves that are mirrored along one axis fare alike."""
        return all(mask.even(grid) for mask in self.mask)

    def multiplier(self, grid: Grid) -> Array:
        """What one application multiplies each wave of the rings of a grid by.

        Raises
        ------
        Invalid
            When there is no such mask on this grid, with the path of its key.
        """
        try:
            return multiplier(self.mask, grid)
        except Invalid as problem:
            # One mask stands at the key itself, several in a list.
            path = problem.path if len(self.mask) > 1 else problem.path[1:]
            raise Invalid(problem.message, "mask", *path) from None

    def kernel_on(self, grid: Grid, _time: float = 0.0) -> Array:
        """The mask as a kernel k[x, y], as large as the grid or, between mirrors, twice that.

        Where no weight is below zero but by round-off, what is round-off is zero in it: it is a
        density.
        """
        key = grid.shape, grid.size, grid.wrap
        if key not in self._made:
            if len(self._made) >= MOST_KEPT:
                self._made.clear()
            kernel = kernel_of(self.multiplier(grid), even=self.even(grid))
            kernel = without_round_off(kernel)
            kernel.flags.writeable = False
            self._made[key] = kernel
        return self._made[key]

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
        if not foreign:
            yield from super().check(grid)

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
        transfer = of_modes(self.multiplier(grid), grid)
        return multiplied(grid, bases, transfer, even=self.even(grid))

    def notes(self, grid: Grid) -> Iterator[str]:
        """Say what is kept, whether the kernel rings, and what applying it again does."""
        factors = of_modes(self.multiplier(grid), grid)
        sharp = all(mask.sharp for mask in self.mask)
        many = int(np.count_nonzero(np.abs(factors) > 0.5))
        part = f"{many} of {grid.cells} modes ({100.0 * many / grid.cells:.3g} %)"
        yield f"keeps {part}" if sharp else f"keeps more than half of the amplitude of {part}"
        if (mean := float(factors.flat[0])) < 1.0 - SLIGHT:
            yield f"multiplies the mean by {mean:.3g}" if mean > SLIGHT else "takes the mean away"
        yield self._below_zero(self.kernel_on(grid), sharp)
        if not sharp:
            yield "applied n times it multiplies by the n-th power of its mask"
        elif np.all((factors == 0.0) | (factors == 1.0)):
            yield "applied again it changes nothing more"
        else:
            yield (
                "applied again it changes nothing more, but for some waves of two cells, which run "
                "both ways and are kept by half"
            )

    def _below_zero(self, kernel: Array, sharp: bool) -> str:
        """Say whether a kernel falls below zero, and how far."""
        if is_density(kernel):
            return (
                "its kernel is a density (weights below 1e-15 of the largest are round-off and "
                "count as none), so chance can carry it too"
            )
        part = 100.0 * float(np.min(kernel)) / float(np.max(kernel))
        does = "rings" if sharp else "falls below zero, so it is no density"
        return f"its kernel {does}: the most negative weight is {part:.3g} % of the largest"
