"""A process: the numbers that an autoregression with moving average and differences has."""

from __future__ import annotations

from dataclasses import dataclass

from diffusim.block import Array
from diffusim.series import given, polynomials


@dataclass(frozen=True)
class Process:
    """ARIMA(p, d, q): the d-th difference w of a series is about its mean an ARMA process.

    w_t - mean = sum_i a_i (w_(t-i) - mean) + e_t + sum_j b_j e_(t-j), e_t of the given variance.
    In the other way of writing, w_t = c + sum_i a_i w_(t-i) + ..., c = mean (1 - sum_i a_i).

    Parameters
    ----------
    ar, ma : sequence of float
        a_1, ..., a_p and b_1, ..., b_q; there may be none.
    d : int
        How often the series is differenced.
    variance : float
        Of the shocks e, in the square of the series' unit.
    mean : float
        Of w; for d = 1 it is a drift, in the series' unit per step.

    Raises
    ------
    ValueError
        When one of these is no such number.
    """

    ar: tuple[float, ...] = ()
    ma: tuple[float, ...] = ()
    d: int = 0
    variance: float = 1.0
    mean: float = 0.0

    def __post_init__(self) -> None:
        for name in ("ar", "ma"):
            found = given.weights(getattr(self, name), "coefficients")
            object.__setattr__(self, name, tuple(found.tolist()))
        object.__setattr__(self, "d", given.whole(self.d, "the number of differences"))
        object.__setattr__(self, "variance", given.positive(self.variance, "the variance"))
        object.__setattr__(self, "mean", given.finite(self.mean, "the mean"))

    @property
    def stable(self) -> bool:
        """Whether the d-th difference settles to a stationary law."""
        return polynomials.stable(self.ar)

    @property
    def invertible(self) -> bool:
        """Whether shocks can be found from the series."""
        return polynomials.invertible(self.ma)

    @property
    def name(self) -> str:
        """The usual short name, ARIMA(2, 1, 0) or AR(2)."""
        p, q = len(self.ar), len(self.ma)
        if self.d:
            return f"ARIMA({p}, {self.d}, {q})"
        return f"ARMA({p}, {q})" if p and q else f"MA({q})" if q else f"AR({p})"

    def impulse_response(self, n: int) -> Array:
        """Return psi_0, ..., psi_(n-1) of the series itself, its d sums included."""
        return polynomials.impulse_response(self.ar, self.ma, n, self.d)
