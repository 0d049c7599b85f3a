"""Any convolution kernel as a propagator: where what is in a cell moves, applied again and again.

    u_n+1(x) = sum over moves d of k(d) u_n(x - d)        (each cell sends its content), or
    u_n+1(x) = sum over moves d of k(d) u_n(x + d)        (each cell collects what it sees).

The second is the transpose of the first, and the correlation that image processing calls a
convolution. A kernel made a density, by softmax or by its sum, is a propagator like diffusion's: a
probability for each move. As it is, it is a mask. Time is counted in applications.

What the grid's edges mean for what would leave: ``no-flux`` mirrors it back in, ``periodic`` lets
it come round (a kernel larger than the ring wraps around itself), ``{value: v}`` is an outside held
at v, where it is lost.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, Self

import numpy as np
from pydantic import Field, PrivateAttr, model_validator

from diffusim import convolve
from diffusim.block import Array, Invalid, Unsupported
from diffusim.grid import Grid
from diffusim.kernels import How, as_it_moves, collecting, is_density, normalise
from diffusim.kernels.keys import Kernel as AnyKernel
from diffusim.propagators import Limit, Propagator
from diffusim.spectrum import Basis, Fourier, waves_between
from diffusim.symbol import Symbol

# The temperature of softmax where none is given.
ONE = 1.0


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


class Kernel(Propagator):
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

    clock: ClassVar[Literal["seconds", "applications"]] = "applications"

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

    def check(self, grid: Grid) -> Iterator[Invalid]:
        """Yield what is wrong with the kernel on this grid, or with the grid for a kernel."""
        if grid.radial:
            yield Invalid("a kernel is for boxes; this grid is radial", "kernel")
            return
        values = set()
        for name, axis, side in grid.named_sides:
            if side.kind in ("flux", "transfer"):
                yield Invalid(
                    f"the side {name} has a {side.kind} (grid.edges.{name}), which says nothing "
                    "about a kernel; make it no-flux, periodic or a value", "kernel",
                )  # fmt: skip
            elif side.kind == "value":
                values |= {float(v) for v in np.ravel(grid.outside(axis, side, 0.0))}
                if side.events():
                    yield Invalid(
                        f"the value of the side {name} changes in time (grid.edges.{name}), which "
                        "the outside of a kernel does not; give one number", "kernel",
                    )  # fmt: skip
        if len(values) > 1:
            yield Invalid(
                "the outside of a kernel holds one number; give all values of grid.edges alike",
                "kernel",
            )
        try:
            self.density_or_mask(len(grid.shape))
        except Invalid as problem:
            own = problem.path[:1] in (("normalise",), ("temperature",))
            yield Invalid(problem.message, *(problem.path if own else ("kernel", *problem.path)))

    def traits(self, grid: Grid) -> dict[str, str]:
        """What makes this kernel more than a density that keeps all it moves."""
        found = {}
        ndim = len(grid.shape)
        if not is_density(self.density_or_mask(ndim)):
            found["mask"] = "propagator.normalise"
        if self.collects(ndim):
            found["collects"] = "propagator.applied"
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

    def notes(self, grid: Grid) -> Iterator[str]:
        """Say what the kernel is, in a sentence or two."""
        from diffusim.kernels.character import Character

        ndim = len(grid.shape)
        moves = as_it_moves(self.density_or_mask(ndim), self.collects(ndim))
        yield from Character(moves).reading(Character(self.kernel.array(ndim)))

    # --- views ------------------------------------------------------------------------------------

    def convolution(self, grid: Grid, _time: float = 0.0) -> Applied:
        """The kernel, what the edges do to it, and what stays on the grid."""
        words: dict[str, convolve.Side] = {
            "no-flux": "reflect",
            "periodic": "wrap",
            "value": "zero",
        }
        sides = tuple((words[low.kind], words[high.kind]) for low, high in grid.edges)
        outside = 0.0
        for _, axis, side in grid.named_sides:
            if side.kind == "value":
                outside = float(np.ravel(grid.outside(axis, side, 0.0))[0])
        kernel = self.density_or_mask(len(grid.shape))
        open_ = any("zero" in pair for pair in sides)
        kept = convolve.kept(kernel, grid.shape, sides) if open_ else None
        return Applied(kernel, sides, self.collects(len(grid.shape)), outside, kept)

    def symbol(self, grid: Grid, _time: float, limit: Limit) -> Symbol:
        """Per axis a transform in which an application is a multiplication.

        Cosines between mirrors, where the kernel has to be symmetric, and Fourier modes of a ring.

        Raises
        ------
        Unsupported
            When something can leave, the kernel is not symmetric across a mirror, or the limit is
            not that of the cells.
        """
        if limit != "lattice":
            raise Unsupported(f"a kernel moves from cell to cell; it has no limit {limit}")
        view = self.convolution(grid)
        if not view.closed:
            raise Unsupported("something can leave the grid (grid.edges), so there is no symbol")
        k = np.flip(view.kernel) if view.collects else view.kernel
        bases: list[Basis] = []
        transfer: Array = k
        alike = True
        for axis, n in enumerate(grid.shape):
            ring = grid.wrap[axis]
            # Along a single cell every move ends where it began.
            symmetric = n == 1 or np.array_equal(k, np.flip(k, axis))
            if not (ring or symmetric):
                raise Unsupported(
                    f"the kernel is not symmetric along {grid.names[axis]}, whose sides are mirrors"
                    " (propagator.kernel), so it has no symbol"
                )
            waves = Fourier() if ring else waves_between(False, False)
            bases.append(waves)
            alike = alike and symmetric
            moves = np.arange(k.shape[axis]) - k.shape[axis] // 2
            turns = np.outer(waves.angles(n), moves)
            wave: Any = np.cos(turns) if symmetric else np.exp(-1j * turns)
            transfer = np.moveaxis(np.tensordot(wave, transfer, axes=(1, axis)), 0, axis)

        if is_density(k):
            transfer.flat[0] = 1.0  # to the last bit, so that any number of applications keeps all

        def factors(duration: float) -> Array:
            return np.asarray(transfer ** round(duration))

        return Symbol(grid.shape, bases, factors, even=alike)
