"""Correlation of a picture with a template at every place: plain, zero-mean and normalised."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np

from diffusim.block import Array
from diffusim.match.patches import ROUNDINGS, Laid, Pad, pads, rounding

Kind = Literal["plain", "zero-mean", "normalised"]


def correlate(
    image: Array,
    template: Array,
    kind: Kind = "normalised",
    *,
    mask: Array | None = None,
    pad: Pad | Sequence[Pad] = "fit",
    whiten: float | None = None,
) -> Array:
    """Correlate a picture with a template at every place, by transforms.

    Picture, template and mask are scaled by powers of two, so any size of numbers will do. The
    picture's level is taken off and put back by exact counts, so a large one costs no digits. Sums
    over a patch are made by doubling, one axis after the other, and know nothing of what lies
    elsewhere, as cumulative sums would. Products with the template, and under a mask those sums as
    well, are transforms, whose round-off is everywhere: 100 x 100 cells of noise between 0 and 1
    that hold a cell of 1e8 score elsewhere what they would without it but for 1e-9, with 1e10 but
    for 1e-7. Flat patches, whose variance is nothing but round-off, have the normalised score 0.

    Parameters
    ----------
    image : (n,) or (n0, n1) array
        The picture; in f32 it is correlated in f32, else in f64.
    template : array
        The small picture, with as many axes.
    kind : {"plain", "zero-mean", "normalised"}
        See the module.
    mask : array, optional
        In the shape of the template: which of its cells count, or with which weight from 0 on.
    pad : str or sequence of str
        What lies beyond the rim: "fit", "zero", "reflect" or "wrap".
    whiten : float, optional
        Picture and template are first divided by the root of the picture's power spectrum plus this
        part of its mean, see `whitened`.

    Returns
    -------
    array
        In the shape of the picture; of axes with "fit" n - m + 1 long.

    Raises
    ------
    ValueError
        When shapes, mask or numbers do not fit, a template without contrast has no such score, or
        a sum is larger than any number.
    """
    (u, a), (t, b), (w, c) = map(_scaled, _checked(image, template, mask))
    if kind not in get_args(Kind):
        raise ValueError(f"a correlation is {', '.join(get_args(Kind))}, not {kind!r}")
    if whiten is not None:
        u, t = whitened(u, np.where(w > 0.0, t - _mean(t, w), 0.0), whiten)
    laid = Laid(u, t.shape, pads(pad, u.ndim))
    if kind == "plain":
        return _unscaled(laid.correlated(w * t, float(np.sum(w * t))), a + b + c)
    weights = w * (t - _mean(t, w))
    sums = laid.correlated(weights, 0.0)
    if kind == "zero-mean":
        return _unscaled(sums, a + b + c)
    own = float(np.sum(weights * (t - _mean(t, w))))
    if own <= np.sum(w) * (ROUNDINGS * rounding(u) * np.max(np.abs(t))) ** 2:
        raise ValueError(
            "the template is flat, so nothing is like it or unlike it; the kind 'plain' takes it"
        )
    spread, flat = laid.spread(None if mask is None else w)
    np.copyto(spread, np.inf, where=flat)
    spread *= own
    sums /= np.sqrt(spread, out=spread)
    return np.clip(sums, -1.0, 1.0, out=sums)


def whitened(image: Array, template: Array, floor: float) -> tuple[Array, Array]:
    """Return a picture and a template, both divided by the root of the picture's power spectrum.

        u' = F^-1( F(u) / sqrt(P / mean P + floor) ),    P = |F(u)|^2

    and the template likewise, laid into an empty picture and cut out again; the means are taken
    off. Against what the picture holds beside the template as noise with that spectrum, correlation
    is then the matched filter. With a floor of 0 the picture keeps its phases only, and waves that
    it does not hold at all are left out. Both are taken as rings.

    Parameters
    ----------
    image, template : array
        The template in at most the shape of the picture.
    floor : float
        From 0 on: waves with less than this part of the mean power are not raised to it.

    Raises
    ------
    ValueError
        When the floor is below 0.

    References
    ----------
    G. L. Turin, "An introduction to matched filters", IRE Transactions on Information Theory 6
    (1960) 311-329; J. L. Horner and P. D. Gianino, "Phase-only matched filtering", Applied Optics
    23 (1984) 812-816.
    """
    from scipy import fft

    if not (math.isfinite(floor) and floor >= 0.0):
        raise ValueError(f"the floor is a part of the mean power, from 0 on, not {floor:g}")
    (u, a), (t, b), _ = map(_scaled, _checked(image, template, None))
    u = u - np.mean(u)
    waves, small = fft.rfftn(u), fft.rfftn(_laid_into(t, u.shape))
    # The mean over all waves, of which half are kept here, by Parseval's theorem.
    mean = float(np.sum(u * u)) or 1.0
    part = (waves.real**2 + waves.imag**2) / mean + floor
    factor = np.divide(1.0, np.sqrt(part), out=np.zeros_like(part), where=part > 0.0)
    factor.flat[0] = 0.0
    picture, cutting = (fft.irfftn(f * factor, u.shape) for f in (waves, small))
    cutting = cutting[tuple(slice(m) for m in t.shape)]
    return _unscaled(picture.astype(u.dtype), a), _unscaled(np.array(cutting), b)


def _checked(image: Array, template: Array, mask: Array | None) -> tuple[Array, Array, Array]:
    u, t = np.asarray(image), np.asarray(template)
    for what, array in (("picture", u), ("template", t)):
        if array.dtype.kind not in "biuf" or not np.all(np.isfinite(array)):
            raise ValueError(f"a {what} is made of real and finite numbers")
    if u.ndim not in (1, 2) or t.ndim != u.ndim or 0 in (u.size, t.size):
        raise ValueError(
            f"expected a picture with 1 or 2 axes and a template with as many, none of them empty: "
            f"{u.shape} and {t.shape}"
        )
    dtype = np.float32 if u.dtype == np.float32 else np.float64
    w = np.ones(t.shape) if mask is None else np.asarray(mask)
    if w.shape != t.shape or w.dtype.kind not in "biuf":
        raise ValueError(f"a mask has the shape of its template, {t.shape}, not {w.shape}")
    if not (np.all(np.isfinite(w)) and np.min(w) >= 0.0 and np.max(w) > 0.0):
        raise ValueError("a mask holds weights from 0 on, not all of them 0")
    return u.astype(dtype, copy=False), t.astype(float), w.astype(float)


def _scaled(values: Array) -> tuple[Array, int]:
    """Values divided by a power of two, so that the largest is near one, and the power."""
    largest = max(float(np.max(values)), -float(np.min(values)))
    # Beyond these the power itself, or one divided by it, is no number of the kind.
    most = int(np.finfo(values.dtype).maxexp) - 8
    power = min(max(math.frexp(largest)[1] - 1, -most), most) if largest else 0
    return (values * math.ldexp(1.0, -power) if power else values), power


def _unscaled(values: Array, power: int) -> Array:
    """Values times a power of two."""
    if not power:
        return values
    with np.errstate(over="ignore"):
        values = np.ldexp(values, power)
    if not np.all(np.isfinite(values)):
        raise ValueError(
            f"these sums are larger than any number of {values.dtype}; divide the picture or the "
            "template by a number, or take the kind 'normalised'"
        )
    return values


def _laid_into(template: Array, shape: tuple[int, ...]) -> Array:
    if any(m > n for m, n in zip(template.shape, shape, strict=True)):
        raise ValueError(f"a template of {template.shape} cells is larger than {shape}")
    widths = [(0, n - m) for m, n in zip(template.shape, shape, strict=True)]
    return np.pad(template, widths)


def _mean(t: Array, weights: Array) -> float:
    return float(np.sum(weights * t) / np.sum(weights))
