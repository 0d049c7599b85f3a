"""The patches of a picture that a template covers: sums of weights times them, and their spread."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any, Literal, get_args

import numpy as np

from diffusim import convolve
from diffusim.block import Array

Pad = Literal["fit", "zero", "reflect", "wrap"]

# A patch that differs from its mean by less than so many roundings of its size is flat.
ROUNDINGS = 64.0
# Fields of more cells than this leave the cache, and are worked on in pieces.
LARGE = 2**19
# Lines of so many cells together stay in the nearest caches while their windows are summed.
NEAR = 2**13
# The level of a picture is the median of so many of its cells, at least.
SAMPLED = 2**16
# A level whose square is less than so many variances is small.
SMALL = 100.0


class Laid:
    """A picture less its level, extended as far as a template reaches beyond it.

    The level is a median, which a few hot cells do not move as they do the mean. Before a rim of
    zeros a small one is left, which costs two digits at most.
    """

    def __init__(self, u: Array, size: tuple[int, ...], pads: Sequence[Pad]) -> None:
        self.shape, self.size, self.pads = u.shape, size, pads
        for n, m, word in zip(u.shape, size, pads, strict=True):
            if word == "fit" and m > n:
                raise ValueError(f"a template of {m} cells does not fit into {n}; give another pad")
        self.level = u.dtype.type(np.median(np.ravel(u, "K")[:: max(1, u.size // SAMPLED)]))
        v = u - self.level
        if "zero" in pads and self.level**2 * v.size <= SMALL * np.vdot(v, v):
            self.level, v = u.dtype.type(0.0), u
        self.values = v
        for axis, (m, word) in enumerate(zip(size, pads, strict=True)):
            if word != "fit":
                self._extend(axis, middle(m), m - 1 - middle(m), word)

    def _extend(self, axis: int, below: int, above: int, word: Pad) -> None:
        """Lay out what is beyond both sides of an axis."""
        modes: dict[str, Any] = {"reflect": "symmetric", "wrap": "wrap"}
        v, width = self.values, [(0, 0)] * len(self.shape)
        width[axis] = (below, above)
        if word in modes:
            self.values = np.pad(v, width, mode=modes[word])
            return
        self.values = np.zeros(
            [n + sum(pair) for n, pair in zip(v.shape, width, strict=True)], v.dtype
        )
        np.moveaxis(self.values, axis, 0)[below : below + v.shape[axis]] = np.moveaxis(v, axis, 0)

    def correlated(self, weights: Array, total: float) -> Array:
        """Sum of weights times the picture at each place; their own sum is told, as it is meant."""
        inside = float(self.level) * (total - self.beyond(weights))
        found = self._by_transforms(self.values, weights)
        found += inside.astype(found.dtype)
        return found

    def _by_transforms(self, v: Array, weights: Array) -> Array:
        from scipy import fft

        size = v.shape
        if v.size > LARGE:
            size = tuple(min(n, _block(m, v.ndim) + m - 1)
                         for n, m in zip(v.shape, self.size, strict=True))  # fmt: skip
        lengths = [fft.next_fast_len(n, real=True) for n in size]
        flipped = np.conj(fft.rfftn(weights.astype(v.dtype, copy=False), lengths))

        def correlated(part: Array) -> Array:
            kept = tuple(slice(n - m + 1) for n, m in zip(part.shape, self.size, strict=True))
            product = fft.rfftn(part, lengths) * flipped
            return np.asarray(fft.irfftn(product, lengths, overwrite_x=True)[kept])

        return _in_pieces(correlated, v, self.size)

    def beyond(self, weights: Array) -> Array:
        """Sum of the weights that lie beyond a rim of zeros, at each place or once for all."""
        if "zero" not in self.pads or self.level == 0.0:
            return np.zeros(())
        odd = as_odd(weights.astype(float))
        sides: list[Any] = [("zero" if word == "zero" else "reflect",) * 2 for word in self.pads]
        cut = [slice(middle(m), middle(m) + n - m + 1) if word == "fit" else slice(None)
               for n, m, word in zip(self.shape, self.size, self.pads, strict=True)]  # fmt: skip
        found = np.sum(odd) - convolve.kept(odd, self.shape, sides)[tuple(cut)]
        # What is but round-off stands for none; a high level would make it seen.
        least = ROUNDINGS * np.finfo(float).eps * float(np.sum(np.abs(odd)))
        return np.where(np.abs(found) > least, found, 0.0)

    def spread(self, weights: Array | None) -> tuple[Array, Array]:
        """Sum of the squared deviations of each patch from its mean, and whether it is flat."""
        v, level, least = self.values, float(self.level), ROUNDINGS * rounding(self.values)
        ones = np.ones(self.size) if weights is None else weights
        total, beyond = float(np.sum(ones)), self.beyond(ones)
        if weights is None:
            first = _in_pieces(lambda part: _window_sums(part, self.size), v, self.size)
            spread = _in_pieces(lambda part: _window_sums(part * part, self.size), v, self.size)
        else:
            first, spread = (self._by_transforms(f, weights) for f in (v, v * v))
        part = beyond / total
        # Of zeros beyond the rim the level is taken off as well.
        rim = level * part * (level * (total - beyond) + 2.0 * first) if np.any(part) else 0.0
        first *= first
        first /= total
        spread -= first
        spread += rim
        # Transforms carry round-off from everywhere to everywhere.
        afar = 0.0 if weights is None else np.linalg.norm(v * v) * np.linalg.norm(weights)
        first += np.abs(rim) + afar
        first *= least
        # Nor is there a score where the products with the template are but round-off.
        first += least**2 * np.vdot(v, v) / v.size
        return spread, spread <= first


def as_odd(template: Array) -> Array:
    """Return a template with an odd number of cells along each axis, its middle in the middle.

    Where the number is even, cells of nothing are added at the upper end.

    Examples
    --------
    >>> as_odd(np.array([1.0, 2.0])).tolist()
    [1.0, 2.0, 0.0]
    """
    return np.pad(template, [(0, (m + 1) % 2) for m in template.shape])


def _in_pieces(work: Callable[[Array], Array], v: Array, size: tuple[int, ...]) -> Array:
    """What is worked out of all windows of a size; of large fields piece by piece, in the cache."""
    if v.size <= LARGE:
        return np.ascontiguousarray(work(v))
    found = np.empty([n - m + 1 for n, m in zip(v.shape, size, strict=True)], v.dtype)
    steps = [_block(m, v.ndim) for m in size]
    for start in itertools.product(
        *(range(0, n, step) for n, step in zip(found.shape, steps, strict=True))
    ):
        there = tuple(slice(k, k + step) for k, step in zip(start, steps, strict=True))
        seen = tuple(slice(k, k + step + m - 1)
                     for k, step, m in zip(start, steps, size, strict=True))  # fmt: skip
        found[there] = work(v[seen])
    return found


def _block(m: int, ndim: int) -> int:
    """Places along an axis that are worked out at a time, and with m - 1 transform well."""
    from scipy import fft

    return int(fft.next_fast_len(max(2**15 if ndim == 1 else 384, 4 * m), real=True)) - m + 1


def _window_sums(u: Array, size: tuple[int, ...]) -> Array:
    """Sums over all windows of a size, axis after axis, of some lines at a time."""
    for axis, m in enumerate(size):
        lines = np.moveaxis(u, axis, 0)
        shape = [n - m + 1 if a == axis else n for a, n in enumerate(u.shape)]
        u = np.empty(shape, u.dtype)
        sums, step = np.moveaxis(u, axis, 0), max(8, NEAR // len(lines))
        for k in range(0, lines.shape[-1] if lines.ndim > 1 else 1, step):
            there = np.s_[:, k : k + step] if lines.ndim > 1 else np.s_[:]
            sums[there] = _line_sums(lines[there], m)
    return u


def _line_sums(part: Array, m: int) -> Array:
    """Sums over all windows along the first axis, of twice as many cells from two sums each."""
    count, width, begun = len(part) - m + 1, 1, 0
    total: Array | None = None
    while True:
        if m & width:
            own = part[begun : begun + count]
            total = own if total is None else total + own
            begun += width
        if 2 * width > m:
            return part if total is None else total
        part = part[:-width] + part[width:]
        width *= 2


# --- what is given --------------------------------------------------------------------------------


def pads(pad: Pad | Sequence[Pad], ndim: int) -> list[Pad]:
    """Return what lies beyond the rim of each axis.

    Raises
    ------
    ValueError
        For another word, or another number of them.
    """
    found: list[Any] = [pad] * ndim if isinstance(pad, str) else list(pad)
    if len(found) != ndim or any(word not in get_args(Pad) for word in found):
        raise ValueError(
            f"a pad is {', '.join(get_args(Pad))}, or one of them per axis, not {pad!r}"
        )
    return found


def middle(m: int) -> int:
    """Return the middle one of some cells; of an even number the upper of the two."""
    return m // 2


def rounding(u: Array) -> float:
    """Return the relative rounding of an array's numbers."""
    return float(np.finfo(u.dtype).eps)
