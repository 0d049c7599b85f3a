"""Any convolution kernel as a propagator: where what is in a cell moves, applied again and again.

A kernel made a density, by softmax or by its sum, is a propagator like diffusion's: a probability
for each move. As it is, it is a mask. See `diffusim.shifts` for what applying it means.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, PrivateAttr, model_validator

from diffusim.block import Array, Invalid
from diffusim.grid import Grid
from diffusim.kernels import How, as_it_moves, collecting, normalise
from diffusim.kernels.keys import Kernel as AnyKernel
from diffusim.shifts import Shifting

# The temperature of softmax where none is given.
ONE = 1.0


class Kernel(Shifting):
    """A kernel, made a density or taken as a mask, applied a whole number of times.

    Parameters
    ----------
    kernel : str, list, mapping or array
        A name (``edge-detector``), a matrix as it is seen on the page, ``{kind: gaussian, sigma:
        2}``, ``{kind: array, path: k.csv}``, or, from Python, an array k[x, y].
    normalise : {"softmax", "sum", "none"}
        How it is made a density: p ~ exp(k / temperature), p = k / sum(k), or not at all.
    temperature : float
        For softmax, in units of the kernel's entries.
    applied : {"convolution", "correlation"}, optional
        Whether cells send their content by the kernel's moves, or collect by them what they see.
        Densities send by default, masks collect.

    References
    ----------
    I. Goodfellow, Y. Bengio, A. Courville, *Deep Learning*, MIT Press 2016, section 9.1.
    """

    given: ClassVar[str] = "kernel"
    weighs: ClassVar[str] = "normalise"
    reads: ClassVar[str] = "applied"

    kernel: AnyKernel
    normalise: How
    temperature: Annotated[float, Field(gt=0)] = ONE
    applied: Literal["convolution", "correlation"] | None = None

    @model_validator(mode="after")
    def _softmax_only(self) -> Self:
        # A resolved scenario tells the default as well.
        if self.temperature != ONE and self.normalise != "softmax":
            raise Invalid("only softmax has a temperature", "temperature")
        return self

    # By the number of axes: what was made of the kernel, which may come from a file.
    _made: dict[int, Array] = PrivateAttr(default_factory=dict)

    def density_or_mask(self, ndim: int) -> Array:
        """The kernel k[x, y], normalised as it says; made once and not to be written to.

        Raises
        ------
        Invalid
            When it has no such form on that many axes, or cannot be normalised so.
        """
        if ndim not in self._made:
            made = normalise(self.kernel.array(ndim), self.normalise, self.temperature)
            made.flags.writeable = False
            self._made[ndim] = made
        return self._made[ndim]

    def collects(self, ndim: int) -> bool:
        """Whether cells collect by the moves, instead of sending."""
        return collecting(self.density_or_mask(ndim), self.applied)

    def kernel_on(self, grid: Grid, _time: float = 0.0) -> Array:
        """The kernel k[x, y], the same on every grid of as many axes."""
        try:
            return self.density_or_mask(len(grid.shape))
        except Invalid as problem:
            own = problem.path[:1] in (("normalise",), ("temperature",))
            path = problem.path if own else ("kernel", *problem.path)
            raise Invalid(problem.message, *path) from None

    def collects_on(self, grid: Grid, _time: float = 0.0) -> bool:
        """Whether cells collect by the moves, instead of sending."""
        return self.collects(len(grid.shape))

    def notes(self, grid: Grid) -> Iterator[str]:
        """Say what the kernel is, in a sentence or two."""
        from diffusim.kernels.character import Character

        ndim = len(grid.shape)
        moves = as_it_moves(self.density_or_mask(ndim), self.collects(ndim))
        yield from Character(moves).reading(Character(self.kernel.array(ndim)))
