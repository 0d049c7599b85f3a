"""An autoregression with moving average by its two polynomials: roots, responses, spectra.

Throughout, with shocks e_t that are independent and of one variance,

    y_t = sum_i a_i y_(t-i) + e_t + sum_j b_j e_(t-j),        ar = (a_1, ..., a_p),
    A(B) y_t = B(B) e_t,                                      ma = (b_1, ..., b_q),

where the first B is the step back in time, A(z) = 1 - sum a_i z^i and B(z) = 1 + sum b_j z^j. Both
sides are convolutions with the polynomials' coefficients, so the whole is the convolution of shocks
with one kernel, the impulse response B(z) / A(z). Times are counted in steps.

*Roots* are those of z^p A(1/z) = z^p - a_1 z^(p-1) - ... - a_p: the impulse response is a sum of
their powers, so it dies out if all lie inside the unit circle, and then the filter is *stable*. In
the same way the filter back, A(z) / B(z), dies out if the roots of z^q B(1/z) lie inside, and then
the process is *invertible*. Many books speak of the reciprocals, the roots of A(z), which then lie
outside.

Differencing is the kernel (1, -1), d times. A series whose d-th difference is such a process
(ARIMA) has an A(z) with d more roots at 1.

References
----------
P. J. Brockwell and R. A. Davis, Time Series: Theory and Methods, 2nd ed. (1991), chapters 3 and 4.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from diffusim.block import Array
from diffusim.series import given

# A root nearer to the unit circle than this is not told from one on it.
ON_THE_CIRCLE = 1e-12


def roots(ar: Any) -> Array:
    """Roots of z^p - a_1 z^(p-1) - ... - a_p, the largest first.

    Those of a moving average are ``roots(-b)``, the roots of the filter back. A root that comes k
    times is found to some (1e-16)^(1/k) only.

    Parameters
    ----------
    ar : (p,) array
        a_1, ..., a_p.

    Returns
    -------
    (p,) array of complex

    Raises
    ------
    ValueError
        When the coefficients are no list of finite numbers.

    Examples
    --------
    >>> roots([1.5, -0.5]).real.round(12).tolist()
    [1.0, 0.5]
    """
    a = given.weights(ar, "coefficients")
    found = np.zeros(a.size, complex)
    some = np.roots(np.append(1.0, -a))
    found[: some.size] = some
    return found[np.argsort(-np.abs(found), kind="stable")]


def stable(ar: Any) -> bool:
    """Return whether all roots lie inside the unit circle, so that the response dies out.

    A root within 1e-12 of the circle counts as on it.

    Raises
    ------
    ValueError
        When the coefficients are no list of finite numbers.
    """
    return bool(np.all(np.abs(roots(ar)) < 1.0 - ON_THE_CIRCLE))


def invertible(ma: Any) -> bool:
    """Return whether shocks can be found from the series, the filter back being stable.

    Raises
    ------
    ValueError
        When the coefficients are no list of finite numbers.
    """
    return stable(-given.weights(ma, "coefficients"))


def check_stable(ar: Any) -> None:
    """Refuse an autoregression whose response does not die out.

    Raises
    ------
    ValueError
        When a root lies on the unit circle or outside, with the roots.
    """
    if not stable(ar):
        raise ValueError(
            f"the autoregression is not stable: its roots are {told(roots(ar))}, and all must lie "
            "inside the unit circle (roots at 1 are what differences are for)"
        )


def check_invertible(ma: Any) -> None:
    """Refuse a moving average whose shocks cannot be found again.

    Raises
    ------
    ValueError
        When a root lies on the unit circle or outside, with the roots.
    """
    if not invertible(ma):
        found = roots(-given.weights(ma, "coefficients"))
        raise ValueError(
            f"the moving average is not invertible: its roots are {told(found)}, and all must lie "
            "inside the unit circle (one outside can be replaced by its reciprocal)"
        )


def told(found: Array) -> str:
    """Return roots as a text, pairs of conjugates as one."""
    texts = []
    for root in found:
        if abs(root.imag) <= 1e-12 * abs(root):
            texts.append(f"{root.real:.4g}")
        elif root.imag > 0.0:
            texts.append(f"{root.real:.4g} ± {root.imag:.4g}i (size {abs(root):.4g})")
    return ", ".join(texts)


# --- kernels ------------------------------------------------------------------------------------


def causal(response: Any) -> Array:
    """Return weights of lags 0, 1, ..., m as a kernel of moves -m, ..., m, which goes one way only.

    With it `diffusim.convolve` sends each value to later times.

    Raises
    ------
    ValueError
        When there are no weights, or they are no list of finite numbers.
    """
    lags = given.weights(response, "weights")
    if not lags.size:
        raise ValueError("expected at least one weight, found none")
    return np.concatenate([np.zeros(lags.size - 1), lags])


def differencing(d: int) -> Array:
    """Return the weights of lags 0, ..., d of differencing d times: (1, -1) * ... * (1, -1).

    Raises
    ------
    ValueError
        When d is no whole number from 0 on.

    Examples
    --------
    >>> differencing(2).tolist()
    [1.0, -2.0, 1.0]
    """
    found = np.ones(1)
    for _ in range(given.whole(d, "the number of differences")):
        found = np.convolve(found, [1.0, -1.0])
    return found


def with_differences(ar: Any, d: int) -> Array:
    """Return the p + d coefficients of A(z) (1 - z)^d, which has d more roots at 1.

    Raises
    ------
    ValueError
        When the coefficients are no list of finite numbers, or d no whole number from 0 on.

    Examples
    --------
    >>> with_differences([], 1).tolist()
    [1.0]
    """
    a = given.weights(ar, "coefficients")
    return -np.convolve(np.append(1.0, -a), differencing(d))[1:]


def impulse_response(ar: Any, ma: Any, n: int, d: int = 0) -> Array:
    """Return psi_0, ..., psi_(n-1) of B(z) / A(z): what a shock of one leaves k steps later.

    y_t = sum_k psi_k e_(t-k); psi_0 = 1. It need not die out. Differences are summed up afterwards,
    B(z) / A(z) / (1 - z)^d, which keeps the digits that a recursion with d roots at 1 loses.

    Parameters
    ----------
    ar, ma : (p,) and (q,) arrays
        a_1, ..., a_p and b_1, ..., b_q.
    n : int
        How many weights.
    d : int
        How often the series is summed up.

    Raises
    ------
    ValueError
        When the coefficients are no lists of finite numbers, n no whole number from 1 on, or d none
        from 0 on.
    """
    from diffusim.loops import recursion

    a, b = given.weights(ar, "coefficients"), given.weights(ma, "coefficients")
    y, shock = np.zeros(a.size + given.whole(n, "n", 1)), np.zeros(b.size + n)
    shock[b.size] = 1.0
    recursion.line(shock, a, b, y)
    response = y[a.size :]
    for _ in range(given.whole(d, "the number of differences")):
        response = np.cumsum(response, dtype=np.longdouble)
    return response.astype(float)


def inverse_response(ar: Any, ma: Any, n: int) -> Array:
    """Return pi_0, ..., pi_(n-1) of A(z) / B(z): e_t = sum_k pi_k y_(t-k), pi_0 = 1.

    The weights of the autoregression without end that the process is, with the sign changed.

    Raises
    ------
    ValueError
        When the coefficients are no lists of finite numbers, or n no whole number from 1 on.
    """
    a, b = given.weights(ar, "coefficients"), given.weights(ma, "coefficients")
    return impulse_response(-b, -a, n)


# --- what is expected ---------------------------------------------------------------------------


def spectral_density(ar: Any, ma: Any, variance: float, frequencies: Any) -> Array:
    """Return S(f) = variance |B(exp(-2 pi i f))|^2 / |A(exp(-2 pi i f))|^2.

    Its integral over f from -1/2 to 1/2 is the variance of the series, and a periodogram of it
    averages to S. It is infinite where a root lies on the circle.

    Parameters
    ----------
    ar, ma : (p,) and (q,) arrays
        a_1, ..., a_p and b_1, ..., b_q.
    variance : float
        Of the shocks.
    frequencies : array
        In cycles per step.

    Raises
    ------
    ValueError
        When the coefficients are no lists of finite numbers, the variance is not above zero, or at
        one of the frequencies both polynomials are zero.
    """
    a, b = given.weights(ar, "coefficients"), given.weights(ma, "coefficients")
    z = np.exp(-2j * np.pi * np.asarray(frequencies, float))
    sides = np.append(1.0, b), np.append(1.0, -a)
    upper, lower = (np.abs(_at(c, z)) ** 2 for c in sides)
    # What is left by round-off of a sum that is zero.
    small, few = ((np.finfo(float).eps * c.size * np.sum(np.abs(c))) ** 2 for c in sides)
    if np.any(wrong := (upper <= small) & (lower <= few)):
        raise ValueError(
            f"at frequency {np.extract(wrong, frequencies)[0]:g} both polynomials have a root, so "
            "the density is nothing over nothing; take the root that they share out of both"
        )
    with np.errstate(divide="ignore"):
        return np.asarray(given.positive(variance, "the variance") * upper / lower)


def autocovariance(ar: Any, ma: Any, variance: float, lags: int) -> Array:
    """Return gamma_0, ..., gamma_lags of the stationary process.

    Those g of the autoregression without its moving average come from its partial autocorrelations
    k_m, to which Levinson's recursion leads backwards: g_0 = variance / prod_m (1 - k_m^2), and
    g_m = sum_i a_i g_(m-i) with the coefficients of order m. Then gamma_k = sum_ij b_i b_j
    g_|k+i-j|. Sums are in the longest numbers that the machine has.

    A root r that comes k times makes even exact sums sensitive to the last digit of coefficients,
    by some 1e-16 / (1 - r)^k: 0.95 five times leaves nine digits.

    Parameters
    ----------
    ar, ma : (p,) and (q,) arrays
        a_1, ..., a_p and b_1, ..., b_q.
    variance : float
        Of the shocks.
    lags : int
        The largest lag.

    Raises
    ------
    ValueError
        When the autoregression is not stable, or so nearly that it cannot be told, or something is
        no number.

    References
    ----------
    Brockwell and Davis, Time Series: Theory and Methods, 2nd ed. (1991), sections 3.3 and 5.2.
    """
    check_stable(ar)
    a, b = given.weights(ar, "coefficients"), np.append(1.0, given.weights(ma, "coefficients"))
    variance, lags = given.positive(variance, "the variance"), given.whole(lags, "lags")
    q = b.size - 1
    alone = _of_autoregression(a.astype(np.longdouble), lags + q)
    both = np.concatenate([alone[q:0:-1], alone])
    pairs = np.convolve(b.astype(np.longdouble), b[::-1])
    return np.asarray(variance * np.convolve(both, pairs)[2 * q :][: lags + 1], float)


def _of_autoregression(a: Array, lags: int) -> Array:
    """Return g_0, ..., g_lags of a stable autoregression with shocks of variance one."""
    orders, whole = [a], 1.0
    for _ in range(a.size):
        *lower, k = orders[-1]
        left = (1.0 - k) * (1.0 + k)
        if not left > 0.0:
            raise ValueError(
                f"the roots {told(roots(a.astype(float)))} lie too near the unit circle, or too "
                "near each other, to tell whether the autoregression is stable"
            )
        whole = whole / left
        orders.append((np.array(lower) + k * np.array(lower[::-1])) / left)
    found = np.empty(max(lags, a.size) + 1, a.dtype)
    found[0] = whole
    for m in range(1, found.size):
        order = orders[max(a.size - m, 0)]
        found[m] = order @ found[m - order.size : m][::-1]
    return found[: lags + 1]


def _at(coefficients: Sequence[float] | Array, z: Array) -> Array:
    """Return sum_i c_i z^i."""
    return np.asarray(np.polynomial.polynomial.polyval(z, coefficients))
