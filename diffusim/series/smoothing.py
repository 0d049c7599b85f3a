"""Smoothing: weighted moving averages and exponential smoothing, both of them convolutions."""

from __future__ import annotations

import math
from numbers import Real
from typing import Any, Literal

import numpy as np

from diffusim import convolve
from diffusim.block import Array
from diffusim.convolve import Side
from diffusim.series import given
from diffusim.series.filters import FEW, filtered
from diffusim.series.polynomials import causal

# Exponential weights end where less than this is left.
LEFT_OUT = 1e-16
# More weights than this are not made.
MOST = 10**7


def moving_average(
    x: Any,
    weights: Any,
    *,
    side: Literal["trailing", "centred"] = "centred",
    ends: tuple[Side, Side] = ("reflect", "reflect"),
) -> Array:
    """Average over moving windows, y_t = sum_k w_k x_(t-k) / sum_k w_k.

    It is the convolution with the normalised weights. Beyond the ends it sees what they say, and
    looks there rather than being sent from there, so what is constant stays constant. Any density
    will do for weights: with a Gaussian one the average is a diffusion for the time t with 2 D t =
    its variance. The propagator ``moving-average`` does the same with the same words.

    Parameters
    ----------
    x : (n,) array
        One series.
    weights : (m,) array
        In the order of their lags: if centred of -a, ..., a with m = 2 a + 1, the latest first; if
        trailing of 0, ..., m - 1.
    side : {"trailing", "centred"}
        Whether the window ends at each time, or lies about it.
    ends : (first, last)
        "reflect" for a mirror beyond the end, "wrap" for a ring, "zero" for zeros.

    Returns
    -------
    (n,) array

    Raises
    ------
    ValueError
        When a value is missing, the weights sum to nothing, side or ends are no such words, or a
        centred window has an even number of weights.

    Examples
    --------
    >>> moving_average([0.0, 0.0, 6.0, 0.0, 0.0], [3, 2, 1], side="trailing").tolist()
    [0.0, 0.0, 3.0, 2.0, 1.0]
    """
    x, w = given.one(x, what="a moving average"), given.weights(weights, "weights")
    if side not in ("trailing", "centred"):
        raise ValueError(f"a side is 'trailing' or 'centred', not {side!r}")
    total = math.fsum(w)
    if not abs(total) > 1e-12 * float(np.sum(np.abs(w))):
        raise ValueError(f"the weights of a moving average sum to {total:g}; it divides by the sum")
    if side == "centred" and w.size % 2 == 0:
        raise ValueError(
            f"a centred window has an odd number of weights, not {w.size}; repeat the ends at half "
            "their weight, (1/2, 1, ..., 1, 1/2), or let the window trail (side='trailing')"
        )
    kernel = w / total if side == "centred" else causal(w / total)
    way = convolve.direct if w.size <= FEW else convolve.transformed
    # Looking back by a lag is collecting by the opposite move.
    return way(x, convolve.flipped(kernel), [ends], collects=True)


def exponential_smoothing(x: Any, alpha: float, start: Any = None) -> Array:
    """Smooth exponentially, s_t = alpha x_t + (1 - alpha) s_(t-1).

    The convolution with `exponential_weights`, where before the first time the series stood at the
    start. The propagator ``moving-average`` with ``{kind: exponential}`` sees there what the sides
    of its grid say: a mirror, or with ``{first: {value: v}}`` what ``start=v`` gives here.

    Parameters
    ----------
    x : (n,) or (n, m) array
        One series, or several as columns.
    alpha : float
        Weight of the newest value, above 0 and at most 1.
    start : float or (m,) array, optional
        s before the first time; by default the first value, so that it stays.

    Raises
    ------
    ValueError
        When alpha or the start do not fit, or a value is missing.
    """
    x, alpha = given.series(x), _share(alpha)
    before = x[:1] if start is None else np.asarray(start, float)[np.newaxis]
    if before.ndim < x.ndim:
        before = np.repeat(before[:, np.newaxis], x.shape[1], axis=1)
    return filtered(alpha * x, [1.0 - alpha], start=(before, x[:0]))


def exponential_weights(alpha: float) -> Array:
    """Return alpha (1 - alpha)^k for lags k = 0, 1, ..., until less than 1e-16 is left.

    Raises
    ------
    ValueError
        When alpha is not above 0 and at most 1, or there would be more than 10^7 weights.
    """
    keeps = 1.0 - _share(alpha)
    lasts = math.log(LEFT_OUT) / math.log1p(-alpha) if keeps > LEFT_OUT else 1.0
    if lasts > MOST:
        raise ValueError(
            f"weights of alpha = {alpha:g} last for {lasts:.2g} steps, more than {MOST}; "
            "exponential_smoothing does without them"
        )
    count = math.ceil(lasts)
    return np.asarray(alpha * keeps ** np.arange(count))


def alpha_of(*, time_constant: float | None = None, half_life: float | None = None) -> float:
    """Return the weight of the newest value, 1 - exp(-1 / time_constant) = 1 - 2^(-1 / half_life).

    Parameters
    ----------
    time_constant : float, optional
        Steps after which 1/e of a weight is left, above zero.
    half_life : float, optional
        Steps after which a half is left, above zero; one of the two is given.

    Raises
    ------
    ValueError
        When both are given or none, or the one is not above zero.
    """
    if (time_constant is None) == (half_life is None):
        raise ValueError("expected either time_constant or half_life")
    if time_constant is None:
        assert half_life is not None
        time_constant = given.positive(half_life, "half_life") / math.log(2.0)
    return -math.expm1(-1.0 / given.positive(time_constant, "time_constant"))


def time_constant_of(alpha: float) -> float:
    """Return the steps after which 1/e of a weight is left, -1 / log(1 - alpha).

    Raises
    ------
    ValueError
        When alpha is not above 0 and at most 1; of 1 it is 0.
    """
    return -1.0 / math.log1p(-alpha) if _share(alpha) < 1.0 else 0.0


def half_life_of(alpha: float) -> float:
    """Return the steps after which half of a weight is left, -log 2 / log(1 - alpha).

    Raises
    ------
    ValueError
        When alpha is not above 0 and at most 1; of 1 it is 0.
    """
    return math.log(2.0) * time_constant_of(alpha)


def _share(alpha: float) -> float:
    """Return the weight of the newest value, checked."""
    if not isinstance(alpha, Real) or not 0.0 < alpha <= 1.0:
        raise ValueError(f"expected alpha above 0 and at most 1, found {alpha!s}")
    return float(alpha)
