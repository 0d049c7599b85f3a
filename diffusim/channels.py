"""Channels: several fields on one grid, each carried by itself, by one method over shared views.

A method sees one field ``u[x, y]`` at a time. Where a field has a first axis of channels, so have
its states: those of the channels are stacked, element by element. Nothing but the key of its random
numbers tells a channel which one it is, and the first one keeps the key of a field without
channels, so what becomes of a channel does not depend on how many follow it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from diffusim.block import Array, Invalid
from diffusim.grid import Grid
from diffusim.method import Method, Prediction
from diffusim.propagators import Propagator
from diffusim.segment import Segment


def channels_of(u: Array, grid: Grid) -> int:
    """Return how many channels a field has, 0 where it has the shape of the grid itself.

    Parameters
    ----------
    u : array
        Field of shape ``grid.shape`` or ``(channels, *grid.shape)``.

    Raises
    ------
    Invalid
        When its shape is any other.
    """
    if u.shape == grid.shape:
        return 0
    if u.shape[1:] == grid.shape and u.shape[0] >= 1:
        return int(u.shape[0])
    raise Invalid(
        f"the field has shape {u.shape}, the grid has {grid.shape}; a field of several channels "
        f"has them along a first axis, such as {(3, *grid.shape)}"
    )


def each(work: Callable[[Array], Array], u: Array, channels: int) -> Array:
    """Do the same to every channel of a field, or to the field where it has none."""
    return np.stack([work(part) for part in u]) if channels else work(u)


def parts(u: Array, channels: int) -> Sequence[Array]:
    """Return the fields of the channels, or the one field where there are none."""
    return list(u) if channels else [u]


def key_of(key: tuple[int, int], channel: int) -> tuple[int, int]:
    """Two 32-bit words that key the random numbers of a channel; the first keeps its segment's."""
    if channel == 0:
        return key
    low, high = np.random.SeedSequence([*key, channel]).generate_state(2)
    return int(low), int(high)


@dataclass(frozen=True, eq=False)
class Carrier:
    """A method that carries all channels of a field; without channels, the method itself.

    Parameters
    ----------
    method : Method
        What carries each of them.
    propagator, grid
        What it carries them by, where.
    channels : int
        How many there are, 0 for a field without that axis.
    """

    method: Method
    propagator: Propagator
    grid: Grid
    channels: int

    def begin(self, u: Array, origin: Segment) -> Any:
        """Turn an initial field into a state."""
        u = each(lambda part: self.propagator.prepare(part, self.grid), u, self.channels)
        if not self.channels:
            return self.method.begin(u, origin)
        begun = (self.method.begin(u[c], _own(origin, c, 1)) for c in range(self.channels))
        return _stacked(begun, self.channels)

    def advance(self, state: Any, segment: Segment) -> Any:
        """Carry a state over a segment, one channel after the other."""
        # What grows beyond all numbers is told in a sentence when the frame is looked at.
        with np.errstate(over="ignore", invalid="ignore"):
            if not self.channels:
                return self.method.advance(state, segment)
            carried = (
                self.method.advance(_one(state, c), _own(segment, c, self.channels))
                for c in range(self.channels)
            )
            return _stacked(carried, self.channels)

    def observe(self, state: Any) -> Array:
        """Turn a state into a field to look at."""
        if not self.channels:
            return self._seen(state)
        return np.stack([self._seen(_one(state, c)) for c in range(self.channels)])

    def extras(self, state: Any, segment: Segment, key: tuple[int, int]) -> dict[str, Array]:
        """What is stored beside the field, the channels along the first axis.

        Method and propagator tell it at the end of a segment; the key is for what is drawn then.
        """
        if not self.channels:
            return self._told(state, segment, key)
        found = [self._told(_one(state, c), segment, key_of(key, c)) for c in range(self.channels)]
        return {name: np.stack([extras[name] for extras in found]) for name in found[0]}

    def _told(self, state: Any, segment: Segment, key: tuple[int, int]) -> dict[str, Array]:
        beside = self.propagator.tells(self.method.observe(state, self.grid), segment, key)
        return {**beside, **self.method.extras(state)}

    def _seen(self, state: Any) -> Array:
        return self.propagator.observe(self.method.observe(state, self.grid), self.grid)


def _own(segment: Segment, channel: int, channels: int) -> Segment:
    """The segment as one channel sees it: its own random numbers, its own part of the work."""
    pulse = segment.pulse
    return replace(
        segment,
        key=key_of(segment.key, channel),
        epoch_key=key_of(segment.epoch_key, channel),
        pulse=lambda fraction: pulse((channel + fraction) / channels),
    )


def _one(state: Any, channel: int) -> Any:
    """The state of one channel, as views of the arrays of all."""
    if isinstance(state, tuple):
        return type(state)(*(np.asarray(array)[channel, ...] for array in state))
    return state[channel, ...]


def _stacked(states: Iterable[Any], channels: int) -> Any:
    """One state of all channels' states, which are made one after the other to save memory.

    Where arrays of one kind differ in length, as those of particles that come and go, the shorter
    ones end in -1.
    """
    whole: list[Array] = []
    like: Any = None
    for channel, like in enumerate(states):
        arrays = [np.asarray(a) for a in (like if isinstance(like, tuple) else (like,))]
        whole = whole or [np.empty((channels, *a.shape), a.dtype) for a in arrays]
        for number, array in enumerate(arrays):
            if array.shape != whole[number].shape[1:]:
                shape = np.maximum(array.shape, whole[number].shape[1:])
                whole[number] = _padded(whole[number], (channels, *shape))
                array = _padded(array, tuple(shape))
            whole[number][channel] = array
    return type(like)(*whole) if isinstance(like, tuple) else whole[0]


def _padded(array: Array, shape: tuple[int, ...]) -> Array:
    """An array in the corner of a larger one of -1."""
    if array.shape == shape:
        return array
    larger = np.full(shape, -1, array.dtype)
    larger[tuple(slice(n) for n in array.shape)] = array
    return larger


def together(predictions: Sequence[Prediction | None]) -> Prediction | None:
    """One prediction of those of all channels; none where one of them has none.

    Fields are stacked. Of relative bounds the largest holds for all channels at once, since their
    errors and their sizes add up alike.
    """
    told = [prediction for prediction in predictions if prediction is not None]
    if len(told) < len(predictions):
        return None
    errors = [np.asarray(prediction.error) for prediction in told]
    sure = all(prediction.sure for prediction in told)
    if any(error.ndim for error in errors):
        return Prediction(np.stack(np.broadcast_arrays(*errors)), sure=sure)
    return Prediction(float(max(errors)), sure=sure)


# --- what a start brings -------------------------------------------------------------------------


def contents_of(u: Array, grid: Grid, channels: int = 0) -> list[float]:
    """What each channel of a field holds, in field units times volume; nothing of a wave."""
    return [] if np.iscomplexobj(u) else [grid.total(part) for part in parts(u, channels)]


def traits_of(u: Array, channels: int = 0) -> dict[str, str]:
    """Traits that an initial field brings, those of any of its channels."""
    lowest = 0.0 if np.iscomplexobj(u) else float(np.min(u))
    if lowest < 0:
        return {"signed": f"initial values below zero, down to {lowest:.6g}"}
    if all(map(np.any, parts(u, channels))):
        return {}
    what = "a channel of the initial field" if channels else "an initial field"
    return {"empty": f"{what} that is zero everywhere"}


# --- states as they are stored ------------------------------------------------------------------


def revived(state: Any, arrays: Mapping[str, Array]) -> Any:
    """Rebuild a state of the same kind as ``state`` from stored arrays."""
    return type(state)(**arrays) if isinstance(state, tuple) else arrays["state"]


def taken_apart(state: Any) -> dict[str, Array]:
    """Return the arrays of a state by name, as they are stored."""
    if isinstance(state, tuple):
        return dict(zip(type(state)._fields, state, strict=True))  # type: ignore[attr-defined]
    return {"state": state}
