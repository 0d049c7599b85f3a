"""The noise that chance alone brings to a field, and to means of its cells."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from diffusim.block import Array
from diffusim.channels import parts
from diffusim.counts import worths
from diffusim.plots import shown
from diffusim.store import Stored, StoredRun


class Noise(NamedTuple):
    """What chance brings to one channel of a field.

    ``cells`` is the variance of each cell as though it were independent of the others. Of a fixed
    number of particles it is not: where one is, it is nowhere else. ``law`` is then what each cell
    expects and ``number`` how many there are; else ``number`` is None.
    """

    cells: Array
    law: Array
    number: int | None

    def less(self, independent: Array, expected: Array) -> Array:
        """Variances of sums, from those of independent cells and from what the sums expect.

        That of a sum of a u is sum a^2 v - (sum a m)^2 / N.
        """
        if self.number is None:
            return independent
        return np.asarray(np.maximum(independent - expected**2 / self.number, 0.0))


def noises(stored: Stored, run: StoredRun, number: int, law: Array) -> Iterator[Noise]:
    """Yield what chance brings to each channel of a frame; nothing where chance makes nothing.

    The variance of a cell is told, or it is that of N particles, (w / V)^2 m (1 - m / N): m of them
    are expected in it, V is its volume and w what a particle is worth. Where their number varies it
    is Poisson's, (w / V)^2 m.

    Parameters
    ----------
    law : array
        What every cell expects, with channels where the run has any.
    """
    channels = shown.channels(run)
    expected = parts(np.broadcast_to(law, run.frames.shape[1:]), channels)
    if "deviation" in run.arrays:
        for deviation, of_law in zip(
            parts(run.arrays["deviation"][number], channels), expected, strict=True
        ):
            yield Noise(deviation**2, of_law, None)
    elif run.counts is not None:
        fields = parts(shown.field(run, number), channels)
        weight = run.arrays["weight"][number] if "weight" in run.arrays else None
        counts = parts(run.counts[number], channels)
        for of_channel in zip(fields, counts, expected, worths(weight, channels), strict=True):
            yield _of_particles(stored, *of_channel)


def _of_particles(
    stored: Stored, u: Array, counts: Array, law: Array, worth: float | None
) -> Noise:
    volume = np.broadcast_to(shown.volume(stored), u.shape)
    number, total = int(np.sum(counts)), float(np.sum(u * volume))
    one = (total / number if number else 0.0) if worth is None else worth
    if one <= 0.0:
        return Noise(np.zeros(u.shape), law, None)
    variances = one / volume * np.maximum(law, 0.0)
    return Noise(variances, np.asarray(law), number if worth is None else None)
