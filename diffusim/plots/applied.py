"""What was applied to a series between its frames, as the stored scenario still tells."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from diffusim.block import Array, Unsupported
from diffusim.grid import Grid
from diffusim.plots import shown
from diffusim.propagators import Propagator
from diffusim.shifts import Shifting
from diffusim.store import Stored


class Filter(NamedTuple):
    """What is applied from one event to the next: its weights by lag, and how often by a time.

    The transfer function is given at the frequencies that were asked for, where it is known.
    """

    start: float
    stop: float
    weights: Array
    transfer: Array | None

    @property
    def lags(self) -> Array:
        """The lags of the weights in steps."""
        return np.arange(self.weights.size) - self.weights.size // 2

    @property
    def even(self) -> bool:
        """Whether it weighs alike both ways."""
        return np.array_equal(self.weights, self.weights[::-1])

    def times(self, time: float) -> int:
        """How often it has been applied by a time."""
        return round(max(0.0, min(time, self.stop) - self.start))


def shifting(stored: Stored) -> Shifting | None:
    """Return what was applied, None where the scenario does not tell any more."""
    try:
        found = Propagator.read(shown.propagator(stored))
    except (ValueError, OSError, Unsupported):
        return None  # a kernel that came from Python, or from a file that is no longer there
    return found if isinstance(found, Shifting) else None


def filters_of(
    stored: Stored, grid: Grid, propagator: Shifting, frequencies: Array
) -> list[Filter]:
    """Return the filters of a run, one for each stretch between events.

    Parameters
    ----------
    stored : Stored
        Of which the times are looked at.
    grid : Grid
        A series.
    propagator : Shifting
        What was applied.
    frequencies : array
        In cycles per step, at which transfer functions are wanted.
    """
    last = float(stored.times[-1])
    ends = [0.0, *(event for event in propagator.events(grid) if event < last), last]
    found = []
    for start, stop in zip(ends, ends[1:], strict=False):
        amid = 0.5 * (start + stop)
        view = propagator.convolution(grid, amid)
        weights = np.flip(view.kernel) if view.collects else view.kernel
        transfer = propagator.transfer(grid, frequencies, amid)
        found.append(Filter(start, stop, weights, transfer))
    return found
