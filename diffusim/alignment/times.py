"""Times that several results have in common, and frames chosen by their numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from diffusim.block import Array, Unsupported
from diffusim.comparison import Frames

# Times that differ by less are equal: their units were turned in another order.
EQUAL = 1e-12
SHOWN = 5


def common(times: Mapping[str, Array], clock: str = "seconds") -> list[list[int]]:
    """Return which frames of each are at times that all have.

    Parameters
    ----------
    times : mapping
        Frame times, growing, by the name of what has them.
    clock : str
        What they are counted in, ``seconds`` or ``applications``.

    Raises
    ------
    Unsupported
        When they have no time in common but the start, from which nothing can be told.
    """
    series = list(times.values())
    kept = [float(t) for t in series[0] if all(_at(other, t) is not None for other in series)]
    if all(len(one) == len(kept) for one in series) and kept:
        return [list(range(len(kept)))] * len(series)
    if not any(kept):
        has = "; ".join(f"{name} has {_in_words(each, clock)}" for name, each in times.items())
        raise Unsupported(
            f"these have no frame at the same time but the start: {has}. Run one of them again "
            "with frames at times of the other"
        )
    return [[number for t in kept if (number := _at(one, t)) is not None] for one in series]


def _at(times: Array, time: float) -> int | None:
    number = int(np.argmin(np.abs(times - time)))
    return number if abs(times[number] - time) <= EQUAL * abs(time) else None


def _in_words(times: Array, clock: str) -> str:
    unit = "s" if clock == "seconds" else clock
    more = f", ... ({len(times)} frames)" if len(times) > SHOWN else ""
    return f"{', '.join(f'{t:.10g}' for t in times[:SHOWN].tolist())} {unit}{more}"


class Chosen:
    """Some frames of a run by their new numbers, each read when it is asked for."""

    def __init__(self, frames: Frames, numbers: Sequence[int]) -> None:
        self._frames, self._numbers = frames, list(numbers)

    def __len__(self) -> int:
        return len(self._numbers)

    def __getitem__(self, number: int) -> Array:
        """Return a frame by its number.

        Raises
        ------
        IndexError
            There is no such frame.
        """
        return np.asarray(self._frames[self._numbers[number]])

    def __iter__(self) -> Iterator[Array]:
        return (self[number] for number in range(len(self)))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return np.asarray(np.stack(list(self)), dtype=dtype)
