"""Filters along time: forward, back, by convolution; differences and their sums."""

from __future__ import annotations

from typing import Any

import numpy as np

from diffusim import convolve
from diffusim.block import Array
from diffusim.series import given
from diffusim.series.polynomials import causal, check_invertible

# Up to this many weights sums are quicker than transforms.
FEW = 64


def filtered(x: Any, ar: Any = (), ma: Any = (), start: tuple[Any, Any] | None = None) -> Array:
    """Filter a series, y_t = sum_i a_i y_(t-i) + x_t + sum_j b_j x_(t-j), by recursion.

    It is the convolution of x with the impulse response, in p + q products for each value. An
    unstable filter is carried out as it stands.

    Parameters
    ----------
    x : (n,) or (n, m) array
        One series, or several as columns.
    ar, ma : (p,) and (q,) arrays
        a_1, ..., a_p and b_1, ..., b_q.
    start : (y, x), optional
        The last p values and the last q shocks before the first, in the order of time, with columns
        where x has them; zeros if not given.

    Returns
    -------
    array
        In the shape of x.

    Raises
    ------
    ValueError
        When series, coefficients or start do not fit, or a value is missing.
    """
    from diffusim.loops import recursion

    a, b = given.weights(ar, "coefficients"), given.weights(ma, "coefficients")
    x = given.series(x)
    past_y, past_x = (None, None) if start is None else start
    before = _past(past_x, b.size, x, "shocks")
    shocks = np.concatenate([before, x]) if b.size else x
    y = np.empty((a.size + len(x), *x.shape[1:]))
    y[: a.size] = _past(past_y, a.size, x, "values")
    if x.ndim == 1:
        recursion.line(shocks, a, b, y)
    else:
        recursion.columns(shocks, a, b, y)
    return y[a.size :]


def innovations(y: Any, ar: Any = (), ma: Any = (), start: tuple[Any, Any] | None = None) -> Array:
    """Filter back, e_t = y_t - sum_i a_i y_(t-i) - sum_j b_j e_(t-j): the shocks of a series.

    What `filtered` made of white noise comes back white. Where the past is not known its zeros are
    felt for as long as the roots of the moving average last.

    Parameters
    ----------
    y : (n,) or (n, m) array
        One series, or several as columns; its mean is left as it is.
    ar, ma : (p,) and (q,) arrays
        a_1, ..., a_p and b_1, ..., b_q.
    start : (y, e), optional
        The last p values and the last q shocks before the first, in the order of time; zeros if not
        given.

    Raises
    ------
    ValueError
        When the moving average is not invertible, series, coefficients or start do not fit, or a
        value is missing.
    """
    check_invertible(ma)
    a, b = given.weights(ar, "coefficients"), given.weights(ma, "coefficients")
    return filtered(y, -b, -a, None if start is None else (start[1], start[0]))


def convolved(x: Any, response: Any) -> Array:
    """Convolve a series with weights of lags 0, 1, ..., y_t = sum_k w_k x_(t-k); before it is zero.

    By sums where the weights are few, else by transforms, padded so that nothing comes round.

    Parameters
    ----------
    x : (n,) array
        One series.
    response : (m,) array
        w_0, ..., w_(m-1), such as an impulse response.

    Raises
    ------
    ValueError
        When series or weights are no list of finite numbers, or a value is missing.
    """
    x = given.one(x, what="a convolution")
    kernel = causal(given.weights(response, "weights")[: len(x)])
    way = convolve.direct if kernel.size < 2 * FEW else convolve.transformed
    return way(x, kernel, [("zero", "zero")])


def differenced(x: Any, d: int = 1) -> Array:
    """Difference a series d times, w = (1, -1) * ... * (1, -1) * x without the first d values.

    Parameters
    ----------
    x : (n,) or (n, m) array
        One series, or several as columns.
    d : int
        How often.

    Returns
    -------
    array
        n - d values.

    Raises
    ------
    ValueError
        When there are no more than d values, or one is missing.
    """
    d = given.whole(d, "the number of differences")
    return np.asarray(np.diff(given.series(x, d + 1, f"differencing {d} times"), d, axis=0))


def integrated(w: Any, d: int = 1, before: Any = None) -> Array:
    """Sum a series d times, the inverse of `differenced`.

    Parameters
    ----------
    w : (n,) or (n, m) array
        The d-th differences.
    d : int
        How often.
    before : (d,) or (d, m) array, optional
        The d values before the first, in the order of time; zeros if not given.

    Returns
    -------
    array
        n values, which follow those before.

    Raises
    ------
    ValueError
        When series or values before do not fit, or one is missing.
    """
    w, d = given.series(w), given.whole(d, "the number of differences")
    past = _past(before, d, w, "values")
    for left in range(d - 1, -1, -1):
        w = np.cumsum(w, axis=0) + np.diff(past, left, axis=0)[-1]
    return np.asarray(w)


def _past(before: Any, count: int, x: Array, what: str) -> Array:
    """Return what was before the first value, zeros if nothing is given."""
    shape = (count, *x.shape[1:])
    if before is None:
        return np.zeros(shape)
    found = np.asarray(before, float)
    if found.shape != shape or not np.all(np.isfinite(found)):
        raise ValueError(
            f"expected the last {count} {what} before the first as finite numbers of shape "
            f"{shape}, found {before!r}"
        )
    return found
