"""measurement: each pixel is in many places at once, until a measurement finds it in one.

    u_t(x) = 1/N sum over shots s and pixels y, found by s in x, of u_0(y)

A measurement carries the whole content of each pixel to one place, drawn by the weights of the
kernel, again and again as the kernel is applied. The mean of many shots approaches the convolution,
and every single one keeps the total. The variance of a cell is

    1/N sum over y of u_0(y)^2 P (1 - P),        P the chance that y is found in x.

Summed over the cells it is (1 - s_t) / N times the sum of u_0^2, where s_t is the chance that two
shots find a pixel in the same place after t applications: the sum of the squares of the kernel
applied t times to itself. That holds on rings; beside mirrors, which bring a pixel's places
together, it is nearly so. Each cell is told its share, the kernel applied t times to u_0^2.

Random numbers are counters run through Philox4x32-10, keyed by seed, label and segment and counted
by pixel, shot and application. Limit: lattice, which is all that a kernel knows.

J. Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC11 (2011).
"""

from __future__ import annotations

import math
from typing import Annotated, Any, NamedTuple, Self

import numpy as np
from pydantic import Field

from diffusim import convolve
from diffusim.block import Array, Integer
from diffusim.grid import Grid
from diffusim.methods import SLICE, Method, Plan
from diffusim.segment import Segment
from diffusim.shifts import Applied

# Seconds of a draw, and per halving of the table of moves; per cell and weight of the squares.
DRAW, HALVING, WEIGHT = 8e-9, 0.9e-9, 0.07e-9
# Shots that are added up by themselves before they join the others: sums of sums keep more digits.
TOGETHER, FEW = 2**22, 1024


class Shots(NamedTuple):
    """Many measurements of one field.

    Parameters
    ----------
    place : (shots, cells) array of int32
        Where each shot finds each pixel, -1 outside.
    start : array
        What the pixels hold.
    squares : array
        The kernel applied to the squares of that, as many times.
    together : array of one number
        s_t, the chance that two shots find a pixel at the same place.
    applications : array of one number
        How many there were.
    accounts : array
        What has come in by each account.
    """

    place: Array
    start: Array
    squares: Array
    together: Array
    applications: Array
    accounts: Array


class Measurement(Method):
    """The mean of measurements, each of which finds every pixel in one place.

    Parameters
    ----------
    shots : int
        How many, each with a history of its own.
    """

    needs = ("convolution",)
    handles = frozenset({"open"})
    limit = "lattice"
    statistical = True
    positive = True
    fields = 8.0

    shots: Annotated[Integer, Field(ge=1, le=10**6)] = 1

    def least(self) -> Self:
        """The same with one shot."""
        return self.model_copy(update={"shots": 1})

    def memory(self, grid: Grid) -> int:
        """Places of all pixels in all shots, the start and its squares."""
        return self.shots * grid.cells * 4 + 2 * super().memory(grid)

    def begin(self, u: Array, origin: Segment) -> Shots:
        """Every pixel is where it is."""
        place = np.tile(np.arange(u.size, dtype=np.int32), (self.shots, 1))
        accounts = np.zeros(len(origin.propagator.accounts(origin.grid)))
        return Shots(place, u, u**2, np.array(1.0), np.array(0), accounts)

    def plan(self, segment: Segment) -> Plan:
        """A draw for every pixel, shot and application."""
        count, view = round(segment.duration), segment.view("convolution")
        each = self.shots * self._cost(view) + WEIGHT * view.kernel.size
        return Plan(count, None, count * segment.grid.cells * each)

    @staticmethod
    def _cost(view: Applied) -> float:
        """Seconds of a draw."""
        return DRAW + HALVING * math.log2(view.kernel.size)

    def advance(self, state: Any, segment: Segment) -> Shots:
        """Draw moves, as often as the kernel is applied."""
        view: Applied = segment.view("convolution")
        count, shape = round(segment.duration), segment.grid.shape
        place = self._scattered(state.place, segment, view, count)
        squares = convolve.direct(state.squares, view.kernel, view.sides, count=count)
        applications = int(state.applications) + count
        together = np.array(coincidence(view.kernel, shape, applications))
        accounts = state.accounts
        if accounts.size:
            lost = np.sum(place < 0, axis=0).reshape(shape)
            mean = float(np.sum(state.start * lost)) / self.shots
            accounts = np.array([-mean * float(np.mean(segment.grid.volume))])
        return Shots(place, state.start, squares, together, np.array(applications), accounts)

    def _scattered(self, place: Array, segment: Segment, view: Applied, count: int) -> Array:
        """The places after all applications, in stretches short enough to be interrupted."""
        from diffusim.loops import scatter

        cumulative, moves = _moves(view)
        two = (1, *segment.grid.shape)[-2:]
        # A field of one axis is a single row, along which nothing moves across.
        sides: convolve.Sides = [("wrap", "wrap"), *view.sides][-2:]
        places0, places1 = (
            convolve.places(n, m // 2, *pair) for n, m, pair in zip(two, moves, sides, strict=True)
        )
        found = np.array(place)
        flat, cells = found.reshape(-1), place.shape[1]
        size = max(1, int(SLICE / self._cost(view)))
        for number in range(count):
            for first in range(0, flat.size, size):
                scatter.scatter(flat[first : first + size], first, cells, *segment.key, number,
                                cumulative, (moves[1], two[1]), places0, places1)  # fmt: skip
                done = min(1.0, (first + size) / flat.size)
                segment.pulse((number + done) / count)
        return found

    def observe(self, state: Any, _grid: Grid) -> Array:
        """The mean of what all shots find."""
        if int(state.applications) == 0:
            return np.asarray(state.start)
        from diffusim.loops import scatter

        cells, start = state.start.size, np.ascontiguousarray(state.start).reshape(-1)
        total = np.zeros(cells)
        size = cells * min(max(1, TOGETHER // cells), FEW)
        flat = np.ascontiguousarray(state.place).reshape(-1)
        for first in range(0, flat.size, size):
            part = np.zeros(cells)
            scatter.gather(flat[first : first + size], first, start, part)
            total += part
        return np.asarray((total / self.shots).reshape(state.start.shape))

    def extras(self, state: Any) -> dict[str, Array]:
        """The deviation that chance brings to each cell, and the accounts of an open medium."""
        apart = max(0.0, 1.0 - float(state.together))
        # What is zero may come out of a sum a little below.
        spread = np.sqrt(np.maximum(state.squares, 0.0) * (apart / self.shots))
        accounts = {"accounts": state.accounts} if state.accounts.size else {}
        return {"deviation": spread, **accounts}

    def through(self, state: Any) -> Array | None:
        """What has come in by each account."""
        return state.accounts if state.accounts.size else None


def coincidence(kernel: Array, shape: tuple[int, ...], count: int) -> float:
    """Return the chance that two histories from one cell are in the same one.

    The sum of the squares of the weights of the kernel applied ``count`` times to itself, by
    Parseval's theorem the mean of |K|^(2 count) over the waves of a ring that holds it. Where it is
    wider than the grid it is wrapped around that.

    Examples
    --------
    >>> coincidence(np.array([0.5, 0.0, 0.5]), (9,), 2)
    0.375
    """
    from scipy import fft

    lengths = [min(n, count * (m - 1) + 1) for n, m in zip(shape, kernel.shape, strict=True)]
    waves = np.abs(fft.fftn(convolve.wrapped(kernel, lengths)))
    return float(np.mean(waves ** (2.0 * count)))


def _moves(view: Applied) -> tuple[Array, tuple[int, int]]:
    """Cumulative chances of the moves in C order, and how many there are along two axes."""
    rows, columns = (1, *view.kernel.shape)[-2:]
    cumulative = np.cumsum(view.kernel.ravel())
    cumulative /= cumulative[-1]
    cumulative[np.flatnonzero(view.kernel.ravel())[-1] :] = 1.0
    return cumulative, (rows, columns)
