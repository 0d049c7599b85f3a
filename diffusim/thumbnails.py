"""Small pictures of fields, made without a library of figures."""

from __future__ import annotations

import io

import numpy as np

from diffusim.block import Array

# Viridis, as the figures have it, to two parts in 255: S. van der Walt and N. Smith, 2015.
_VIRIDIS = (
    "440154 470d60 48186a 482374 472d7b 453781 424086 3e4989 3b528b 375b8d 33638d 2f6b8e 2c728e "
    "297a8e 26828e 23898e 21908c 1f978b 1f9f88 21a685 27ad81 31b57b 3ebc74 4dc26c 5cc863 6ece58 "
    "82d34d 95d840 aadc32 c0df25 d5e21a eae51a fde725"
)
ANCHORS = np.array([list(bytes.fromhex(one)) for one in _VIRIDIS.split()], dtype=float)
# Of what is no number.
MISSING = (160, 160, 160)
# Pixels along the longer side, and of a curve its height.
LONGEST, CURVE = 192, 96


def limits(u: Array) -> tuple[float, float]:
    """Return the least and the largest finite value of a field; of none of them 0 and 1."""
    finite = u[np.isfinite(u)]
    return (float(np.min(finite)), float(np.max(finite))) if finite.size else (0.0, 1.0)


def parts(u: Array, ends: tuple[float, float]) -> Array:
    """Return how far each value is between two ends, from 0 to 1; the middle where they are one."""
    low, high = ends
    if not high > low:
        return np.where(np.isfinite(u), 0.5, np.nan)
    # Halves, or the difference of the ends might be too large for a number.
    share = (0.5 * u - 0.5 * low) / (0.5 * high - 0.5 * low)
    return np.asarray(np.clip(share, 0.0, 1.0))


def coloured(share: Array) -> Array:
    """Return the colours of values from 0 to 1, red, green and blue along a last axis of bytes."""
    place = np.nan_to_num(share) * (len(ANCHORS) - 1)
    steps = np.arange(len(ANCHORS))
    bands = [np.interp(place, steps, ANCHORS[:, band]) for band in range(3)]
    found: Array = np.rint(np.stack(bands, axis=-1)).astype(np.uint8)
    found[np.isnan(share)] = MISSING
    return found


def resized(u: Array, shape: tuple[int, ...]) -> Array:
    """Return a field on other cells along its last axes: means of blocks, or the cells repeated."""
    for axis, wanted in zip(range(-len(shape), 0), shape, strict=True):
        n = u.shape[axis]
        if wanted < n:
            ends = np.arange(wanted + 1) * n // wanted
            along = [1] * u.ndim
            along[axis] = -1
            sums = np.add.reduceat(u, ends[:-1], axis)
            u = sums / np.diff(ends).reshape(along)
        elif wanted > n:
            u = np.take(u, np.arange(wanted) * n // wanted, axis)
    return u


def fitted(shape: tuple[int, ...], longest: int) -> tuple[int, ...]:
    """Return a shape scaled down so that no side is longer than so much, and none vanishes."""
    scale = min(1.0, longest / max(shape))
    return tuple(max(1, round(n * scale)) for n in shape)


def picture(u: Array, ends: tuple[float, float], channels: int = 0) -> Array:
    """Return a field as a small picture from the top down: x to the right, y upwards.

    Three channels are red, green and blue, any other number is shown by the mean. A field of one
    axis is the area below its curve.

    Parameters
    ----------
    u : array
        The field, with channels along a first axis where it has any.
    ends : tuple of float
        The values of the darkest and the brightest colour.

    Returns
    -------
    array
        Shape (height, width, 3), bytes.
    """
    u = np.asarray(u, dtype=float)
    flat = u.ndim - bool(channels) == 1
    if channels and (channels != 3 or flat):
        u, channels = np.mean(u, axis=0), 0
    shape = u.shape[1:] if channels else u.shape
    share = parts(resized(u, fitted(shape, LONGEST)), ends)
    if flat:
        return _curve(share)
    if channels:
        bright = np.rint(255.0 * np.nan_to_num(share)).astype(np.uint8)
        return np.ascontiguousarray(bright.transpose(2, 1, 0)[::-1])
    return np.ascontiguousarray(coloured(share.T[::-1]))


def _curve(share: Array) -> Array:
    """The area below a curve in its colours, on white."""
    high = (np.arange(CURVE)[::-1, None] + 0.5) / CURVE
    below = high <= np.maximum(share, 1.0 / CURVE)[None, :]
    found = np.where(below[..., None], coloured(share)[None], np.uint8(255))
    return np.ascontiguousarray(found)


def png(pixels: Array) -> bytes:
    """Return a picture as the bytes of a PNG file."""
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()
