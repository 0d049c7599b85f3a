"""An autoregression: each value of a series is made of those before it and of a new shock.

    y(t) = sum_i a_i y(t - i) + x(t) + sum_j b_j x(t - j)

One application turns the field x, of shocks, into the series y. It does the same at every time, so
it is a convolution with one kernel, the impulse response: what a shock leaves so many steps later.
White noise comes out coloured; the filter back, x(t) = y(t) - sum_i a_i y(t - i) - ..., makes it
white again.

The recursion needs to know what came before the first moment: nothing, ``{first: {value: 0}}``, or
the series' own end, ``periodic``. What lies behind the last moment it never asks.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Self

import numpy as np
from pydantic import AfterValidator, Field, PrivateAttr, WithJsonSchema, model_validator
from scipy import fft

from diffusim.block import Array, Integer, Invalid, listed
from diffusim.grid import Grid
from diffusim.propagator import Limit, applications
from diffusim.series import Fit, Process, polynomials
from diffusim.shifts import Applied, Shifting, multiplied
from diffusim.spectrum import Fourier
from diffusim.symbol import Symbol

# Weights that are less would be numbers with fewer digits, and slow.
NOTHING = float(np.finfo(float).tiny)
MOST_LAGS = 64
# Power of ten of the error of what comes back above which it is told.
WORTH_TELLING = -9.0


def _not_too_many(weights: tuple[float, ...]) -> tuple[float, ...]:
    if len(weights) > MOST_LAGS:
        raise Invalid(f"expected at most {MOST_LAGS} numbers, found {len(weights)}")
    return weights


Weights = Annotated[
    tuple[float, ...],
    listed,
    AfterValidator(_not_too_many),
    WithJsonSchema({"type": "array", "items": {"type": "number"}, "maxItems": MOST_LAGS}),
]


class Autoregression(Shifting):
    """An autoregression, with a moving average of shocks and sums where wanted: AR, ARMA, ARIMA.

    With B the step back in time, (1 - sum_i a_i B^i) (1 - B)^d y = (1 + sum_j b_j B^j) x.

    Parameters
    ----------
    coefficients : tuple of float
        a_1, a_2, ...; all roots of z^p - a_1 z^(p-1) - ... - a_p must lie inside the unit circle,
        so that a shock dies out.
    shocks : tuple of float
        b_1, b_2, ..., the weights of earlier shocks (the moving average of an ARMA).
    differences : int
        d: how often the series is summed up in the end. Once makes of white noise a random walk,
        the autoregression at its limit, root 1.
    back : int, optional
        After so many applications the filter back is applied instead, which makes the series white
        again; the shocks' own roots must lie inside the unit circle too.

    References
    ----------
    G. E. P. Box, G. M. Jenkins, G. C. Reinsel, G. M. Ljung, *Time Series Analysis*, 5th ed., Wiley
    2016, chapters 3 and 4.
    """

    given: ClassVar[str] = "coefficients"
    weighs: ClassVar[str] = "coefficients"
    reads: ClassVar[str] = "coefficients"

    coefficients: Weights
    shocks: Weights = ()
    differences: Annotated[Integer, Field(ge=0, le=4)] = 0
    back: Annotated[Integer, Field(ge=1, le=10**9)] | None = None

    # By the number of moments, whether they are a ring, and whether it is the filter back.
    _made: dict[tuple[int, bool, bool], Array] = PrivateAttr(default_factory=dict)

    @classmethod
    def of(cls, process: Process | Fit, back: int | None = None) -> Self:
        """Return the propagator that makes such series of shocks.

        A process' variance is that of the field of shocks, and its mean is that of the shocks times
        the sum of the impulse response: neither is the propagator's.

        Parameters
        ----------
        process : Process or Fit
            Known, or what was fitted.
        back : int, optional
            After how many applications the filter back is applied instead.

        Raises
        ------
        pydantic.ValidationError
            When the process is not stable, or not invertible and there is to be a way back.
        """
        known = process.process if isinstance(process, Fit) else process
        return cls(coefficients=known.ar, shocks=known.ma, differences=known.d, back=back)

    @model_validator(mode="after")
    def _sound(self) -> Self:
        try:
            polynomials.check_stable(self.coefficients)
        except ValueError as problem:
            raise Invalid(str(problem), "coefficients") from None
        if self.back is not None:
            try:
                polynomials.check_invertible(self.shocks)
            except ValueError as problem:
                raise Invalid(f"there is no way back: {problem}", "shocks") from None
        return self

    def events(self, _grid: Grid) -> tuple[float, ...]:
        """After how many applications the filter back begins."""
        return () if self.back is None else (float(self.back),)

    def check(self, grid: Grid) -> Iterator[Invalid]:
        """Yield what is wrong with the sides of a grid for a recursion in time."""
        yield from super().check(grid)
        if len(grid.shape) != 1 or grid.radial:
            return
        first = grid.edges[0][0]
        if first.kind == "no-flux":
            yield Invalid(
                "an autoregression has to know what came before the first moment, and a mirror "
                "does not tell; give grid.edges {first: {value: 0}} for nothing, or periodic",
                "coefficients",
            )
        elif first.kind == "value" and np.any(grid.outside(0, first, 0.0)):
            yield Invalid(
                "before the first moment there is nothing; give grid.edges {first: {value: 0}}",
                "coefficients",
            )

    # --- views ----------------------------------------------------------------------------------

    def kernel_on(self, grid: Grid, time: float = 0.0) -> Array:
        """The impulse response as a kernel k[a + d], of no moves d below 0.

        As long as the series where it does not end before, so that it leaves nothing out; round a
        ring it holds all that comes round.

        Raises
        ------
        Invalid
            When the grid has two axes, or a sum would go round a ring.
        """
        if len(grid.shape) != 1:
            raise Invalid(
                f"{self.called} runs along one axis, and this grid has {len(grid.shape)}", "kind"
            )
        n, ring, back = grid.shape[0], grid.wrap[0], self._goes_back(time)
        if ring and self.differences:
            raise Invalid(
                "a sum that goes round a ring has no beginning and no end: differences put roots "
                "on the unit circle, which a periodic series cannot have; give grid.edges {first: "
                "{value: 0}}", "differences",
            )  # fmt: skip
        if (n, ring, back) not in self._made:
            response = self._around(n, back) if ring else self._along(n, back)
            kernel = polynomials.causal(response)
            kernel.flags.writeable = False
            self._made[n, ring, back] = kernel
        return self._made[n, ring, back]

    def _goes_back(self, time: float) -> bool:
        return self.back is not None and time >= self.back

    def _along(self, n: int, back: bool) -> Array:
        """Weights of lags 0, 1, ... until they end, n at most."""
        if back:
            a = polynomials.with_differences(self.coefficients, self.differences)
            found = polynomials.inverse_response(a, self.shocks, n)
        else:
            found = polynomials.impulse_response(
                self.coefficients, self.shocks, n, self.differences
            )
        found[np.abs(found) < NOTHING] = 0.0
        return found[: int(np.flatnonzero(found)[-1]) + 1]

    def _around(self, n: int, back: bool) -> Array:
        """Weights of lags 0 to n - 1 with all that comes round, from what becomes of the waves."""
        return np.asarray(fft.irfft(self._transfer(fft.rfftfreq(n), back), n))

    def transfer(self, _grid: Grid, frequencies: Array, time: float = 0.0) -> Array:
        """What waves are multiplied with, B(z) / A(z) at z = exp(-2 pi i f), or its inverse.

        Not the transform of the kernel, which ends with the series. With ``differences`` a
        constant, f = 0, grows without end; else see `Shifting.transfer`.
        """
        return self._transfer(np.asarray(frequencies, dtype=float), self._goes_back(time))

    def _transfer(self, frequencies: Array, back: bool) -> Array:
        z = np.exp(-2j * np.pi * frequencies)
        a = -polynomials.with_differences(self.coefficients, self.differences)
        b = np.array(self.shocks, dtype=float)
        upper, lower = (np.polynomial.polynomial.polyval(z, np.append(1.0, c)) for c in (b, a))
        return np.asarray(lower / upper if back else upper / lower)

    def convolution(self, grid: Grid, time: float = 0.0) -> Applied:
        """The impulse response; what it sends beyond the last moment is gone, whatever is there."""
        view = super().convolution(grid, time)
        ((low, _),) = view.sides
        return view._replace(sides=((low, "wrap" if low == "wrap" else "zero"),))

    def symbol(self, grid: Grid, time: float, limit: Limit) -> Symbol:
        """Round a ring: the waves, each multiplied with B(exp(-i theta)) / A(exp(-i theta)).

        Raises
        ------
        Unsupported
            In a series with a beginning, which has no waves of its own.
        """
        if limit != "lattice" or grid.wrap != (True,):
            return super().symbol(grid, time, limit)
        waves = Fourier()
        transfer = self.transfer(grid, waves.angles(grid.shape[0]) / (2.0 * np.pi), time)
        return multiplied(grid, [waves], transfer, even=False)

    def notes(self, grid: Grid) -> Iterator[str]:
        """Say how long a shock lasts and what becomes of white noise."""
        roots: Any = np.abs(polynomials.roots(self.coefficients))
        largest = float(roots[0]) if roots.size else 0.0
        if self.differences:
            yield "the series is summed up, so a shock never dies out and the variance grows"
        elif largest > 0.0:
            told = polynomials.told(polynomials.roots(self.coefficients))
            variance = float(np.sum(self.kernel_on(grid) ** 2))
            yield (
                f"roots {told}: a shock falls to 1/e in {-1.0 / np.log(largest):.3g} steps, and "
                f"white noise comes out with {variance:.3g} times its variance"
            )
        if self.back is not None:
            yield f"beyond {applications(self.back)} the filter back is applied"
            yield from self._lost(self.back, grid)

    def _lost(self, times: int, grid: Grid) -> Iterator[str]:
        """Say what of a series that goes there and back may be round-off, where that is much.

        Each application multiplies it at most by the sum of the sizes of the weights, here.
        """
        sums = (np.sum(np.abs(self.kernel_on(grid, time))) for time in (0.0, float(times)))
        condition = times * sum(math.log10(float(each)) for each in sums)
        error = condition + math.log10(np.finfo(float).eps)
        if error > WORTH_TELLING:
            part = f"up to 1e{error:.0f} of what" if error < 0.0 else "all that"
            yield (
                f"there and back magnifies round-off up to 1e{condition:.0f} times, so {part} "
                "comes back may be round-off"
            )
