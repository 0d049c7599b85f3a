"""Packing of frames of bytes: what changes least is kept, deflated, as text."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from diffusim.block import Array


class Packed(NamedTuple):
    """Frames as text: how they were made easy to deflate, and the deflated bytes in base 64."""

    way: str
    text: str


def _plain(frame: Array, _before: Array) -> Array:
    return frame


def _in_time(frame: Array, before: Array) -> Array:
    return np.asarray(frame - before)


def _along(frame: Array, _before: Array) -> Array:
    # Along the last axis, the neighbours in memory; bytes wrap round, so nothing is lost.
    return np.asarray(np.diff(frame, axis=-1, prepend=np.uint8(0)))


WAYS: Mapping[str, Callable[[Array, Array], Array]] = {
    "plain": _plain,
    "in time": _in_time,
    "along": _along,
}
# Differences come in runs and hold no words that repeat; looking for such takes five times as long.
# The highest levels look thrice as long and find a tenth at most.
_STRATEGIES = {"plain": zlib.Z_DEFAULT_STRATEGY, "in time": zlib.Z_RLE, "along": zlib.Z_RLE}
_LEVEL = 1


class Packer:
    """Frames of one shape, taken one at a time in every way; the way that packs best is kept.

    Smooth fields pack best as differences in time, waves along a line, and noise as it is.
    """

    def __init__(self) -> None:
        self._streams = {way: zlib.compressobj(_LEVEL, zlib.DEFLATED, 15, 9, strategy)
                         for way, strategy in _STRATEGIES.items()}  # fmt: skip
        self._parts: dict[str, list[bytes]] = {way: [] for way in WAYS}
        self._sizes = dict.fromkeys(WAYS, 0)
        self._before: Array | None = None

    def add(self, frame: Array) -> None:
        """Take the next frame, of dtype uint8."""
        before = np.zeros_like(frame) if self._before is None else self._before
        for way, simplified in WAYS.items():
            self._put(way, self._streams[way].compress(simplified(frame, before).tobytes()))
        self._before = frame

    def _put(self, way: str, part: bytes) -> None:
        self._parts[way].append(part)
        self._sizes[way] += len(part)

    @property
    def size(self) -> int:
        """Letters of text up to now, but for what is still gathered."""
        return -(-4 * min(self._sizes.values()) // 3)

    def packed(self) -> Packed:
        """Return all frames; none can be added after that."""
        for way, stream in self._streams.items():
            self._put(way, stream.flush())
        best = min(self._sizes, key=lambda way: self._sizes[way])
        return Packed(best, base64.b64encode(b"".join(self._parts[best])).decode("ascii"))


def unpacked(packed: Packed, shape: tuple[int, ...]) -> Array:
    """Return frames as they were, as the page does it itself.

    Parameters
    ----------
    shape : tuple of int
        Of one frame.

    Returns
    -------
    array
        Shape (frames, ...), dtype uint8.
    """
    data = zlib.decompress(base64.b64decode(packed.text))
    frames = np.frombuffer(data, np.uint8).reshape(-1, *shape)
    axis = {"in time": 0, "along": -1}.get(packed.way)
    return frames if axis is None else np.cumsum(frames, axis=axis, dtype=np.uint8)
