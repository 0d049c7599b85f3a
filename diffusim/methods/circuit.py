"""circuit: a kernel applied by a quantum circuit, simulated by its whole state vector.

    sum over x, d of sqrt(p(x) k(d)) |x>|d>  ->  sum over x, d of sqrt(p(x) k(d)) |x + d>|d>,
    P(x) = sum over d of k(d) p(x - d)

A register of positions holds the field, a register of moves the kernel, each as the square roots of
its shares. One controlled shift moves everything at once; whoever measures the position then finds
x with the chance P(x), which is the convolution. Moves that differ leave the second register in
states that differ, so nothing interferes and squares add up. Further applications take fresh moves
and the field as it was found.

The shift has to be unitary. On a ring it counts positions modulo n. Between mirrors one more qubit
tells a cell from its image: 2 n positions in a ring, of which x and 2 n - 1 - x are one cell. Where
content can leave, the register is wide enough for all that does.

The shift is cheap and loading is not: it takes as many rotations as there are cells, and reading
the answer as many shots as it has digits to be told. Limit: lattice, which is all a kernel knows.

M. Möttönen et al., "Transformation of quantum states using uniformly controlled rotations", Quantum
Inf. Comput. 5 (2005) 467-473; S. A. Cuccaro et al., "A new quantum ripple-carry addition circuit",
arXiv quant-ph/0410184 (2004); V. Vedral et al., "Quantum networks for elementary arithmetic
operations", Phys. Rev. A 54 (1996) 147-153.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, NamedTuple, Self

import numpy as np
from pydantic import Field, PrivateAttr

from diffusim import convolve
from diffusim.block import Array, Integer, Unsupported
from diffusim.grid import Grid
from diffusim.methods import ROUND_OFF, Method, Plan, Prediction
from diffusim.segment import Segment
from diffusim.shifts import Applied
from diffusim.sweep import plane

# Amplitudes that are held in all, and at a time.
MOST_AMPLITUDES, TOGETHER = 2**26, 2**18
# Positions that are drawn one by one.
MOST_SHOTS = 10**7
# Seconds per move, amplitude and shot, measured.
MOVE, AMPLITUDE, SHOT = 1e-5, 2.5e-9, 15e-9
# A sum modulo a number that is no power of two takes five plain ones (Vedral et al.).
MODULAR = 5


class Resources(NamedTuple):
    """What a circuit takes for one application.

    Parameters
    ----------
    positions, mirrors, moves : tuple of int
        Qubits along each axis: for the cells, for telling them from their images, for the moves.
    rotations, cnots, toffolis : int
        Gates, to load both registers and to shift; the adders' share is theirs to a few.
    """

    positions: tuple[int, ...]
    mirrors: tuple[int, ...]
    moves: tuple[int, ...]
    rotations: int
    cnots: int
    toffolis: int

    @property
    def qubits(self) -> int:
        """All of them, but for the one that an adder borrows."""
        return sum(self.positions) + sum(self.mirrors) + sum(self.moves)

    @property
    def words(self) -> str:
        """The same in words."""
        parts = [f"{_added(self.positions)} for the position"]
        if any(self.mirrors):
            parts.append(f"{sum(self.mirrors)} for mirrors")
        parts.append(f"{_added(self.moves)} for the move")
        return (
            f"{self.qubits} qubits ({', '.join(parts)}) and about {self.rotations:.4g} rotations, "
            f"{self.cnots:.4g} CNOT and {self.toffolis:.4g} Toffoli gates an application"
        )


def resources(
    shape: Sequence[int], kernel_shape: Sequence[int], sides: convolve.Sides
) -> Resources:
    """Count qubits and gates of one application, for a field of any size.

    Loading q qubits takes 2^q - 1 rotations and 2^q - 2 CNOT gates; an in-place ripple-carry adder
    of b bits, one for each axis, about 2 b - 1 Toffoli and 5 b - 3 CNOT gates, and five of them
    where positions are counted modulo what is no power of two.

    Parameters
    ----------
    shape, kernel_shape : sequence of int
        Cells of the field and of the kernel along each axis.
    sides : sequence of (low, high)
        "reflect", "wrap" or "zero" for both sides of each axis.

    Examples
    --------
    >>> resources((8, 8), (3, 3), [("wrap", "wrap"), ("wrap", "wrap")])
    Resources(positions=(3, 3), mirrors=(0, 0), moves=(2, 2), rotations=78, cnots=100, toffolis=10)
    """
    positions, mirrors, toffolis, cnots = [], [], 0, 0
    for n, m, pair in zip(shape, kernel_shape, sides, strict=True):
        ring = pair in (("wrap", "wrap"), ("reflect", "reflect"))
        cells = n if ring else n + 2 * (m // 2)
        positions.append(_bits(cells))
        mirrors.append(1 if pair == ("reflect", "reflect") else 0)
        # Along a single cell of a ring, or with a single move, there is nothing to be added.
        if m > 1 and (b := positions[-1] + mirrors[-1]) > 0:
            adders = MODULAR if ring and cells & (cells - 1) else 1
            b = max(b, _bits(m))
            toffolis += adders * (2 * b - 1)
            cnots += adders * (5 * b - 3)
    moves = tuple(map(_bits, kernel_shape))
    # Images and what lies outside start empty, so only the cells themselves are loaded.
    loaded = [sum(map(_bits, shape)), sum(moves)]
    rotations = sum(2**q - 1 for q in loaded)
    cnots += sum(max(0, 2**q - 2) for q in loaded)
    return Resources(tuple(positions), tuple(mirrors), moves, rotations, cnots, toffolis)


class Measured(NamedTuple):
    """A field, what has come in by its accounts, and positions that were drawn from it."""

    field: Array
    accounts: Array
    counts: Array


class Circuit(Method):
    """A quantum circuit, by its state vector.

    Parameters
    ----------
    shots : int, optional
        Positions drawn by Born's rule from the last application, as ``counts`` beside the field.
    """

    needs = ("convolution",)
    handles = frozenset({"open"})
    limit = "lattice"
    positive = True
    # A register may have twice as many positions as cells along each axis, four times as many.
    fields = 20.0

    shots: Annotated[Integer, Field(ge=1, le=10**15)] | None = None

    _resources: Resources | None = PrivateAttr(default=None)

    def settle(self, course: Sequence[Segment]) -> Self:
        """Count qubits and gates."""
        if self.shots is not None and self.shots > MOST_SHOTS:
            raise Unsupported(
                f"circuit draws {MOST_SHOTS:g} positions at most, one by one, not {self.shots:g}; "
                "the method collapse draws any number"
            )
        settled = self.model_copy()
        if course:
            view: Applied = course[0].view("convolution")
            settled._resources = resources(course[0].grid.shape, view.kernel.shape, view.sides)
        return settled

    def least(self) -> Self:
        """The same with a handful of shots."""
        return self.model_copy(update={"shots": self.shots and min(self.shots, 1000)})

    def facts(self) -> dict[str, Any]:
        """Options, qubits and gates."""
        known = self._resources
        if known is None:
            return {**super().facts()}
        return {**super().facts(), "qubits": known.qubits, "rotations": known.rotations,
                "cnots": known.cnots, "toffolis": known.toffolis}  # fmt: skip

    def notes(self, _u: Array, _grid: Grid) -> Iterator[str]:
        """Say what it would take."""
        if self._resources is not None:
            yield f"{self.name}: {self._resources.words}"

    def plan(self, segment: Segment) -> Plan:
        """As many circuits as there are applications; refuses more than 2^26 amplitudes."""
        view: Applied = segment.view("convolution")
        sizes = [len(places) for places in registers(segment.grid.shape, view)]
        amplitudes = math.prod(sizes) * view.kernel.size
        if amplitudes > MOST_AMPLITUDES:
            needed = resources(segment.grid.shape, view.kernel.shape, view.sides)
            raise Unsupported(
                f"circuit would carry {amplitudes:.3g} amplitudes, {view.kernel.size} moves at "
                f"{' x '.join(map(str, sizes))} positions, more than 2^26; it takes "
                f"{needed.words}. Take fewer cells or a smaller kernel, or the method stencil"
            )
        count = round(segment.duration)
        each = view.kernel.size * MOVE + amplitudes * AMPLITUDE
        return Plan(count, None, count * each + (self.shots or 0) * SHOT)

    def memory(self, grid: Grid) -> int:
        """The field, and counts beside it."""
        return (2 if self.shots else 1) * super().memory(grid)

    def begin(self, u: Array, origin: Segment) -> Measured:
        """The field, and positions drawn from it as it is."""
        accounts = np.zeros(len(origin.propagator.accounts(origin.grid)))
        return Measured(u, accounts, self._drawn(u, 0.0, origin))

    def advance(self, state: Any, segment: Segment) -> Measured:
        """Load, shift and measure, as many times as the kernel is applied."""
        view: Applied = segment.view("convolution")
        u, left, lost = state.field, 0.0, 0.0
        for number in range(count := round(segment.duration)):
            u, lost = applied(u, view)
            left += lost
            segment.pulse((number + 1) / count)
        accounts = state.accounts - left * float(np.mean(segment.grid.volume))
        return Measured(u, accounts, self._drawn(u, lost, segment))

    def _drawn(self, u: Array, lost: float, segment: Segment) -> Array:
        """Count in which cells positions are found; those outside are not counted."""
        if self.shots is None:
            return np.zeros(0, np.int64)
        from diffusim.loops import particles

        cumulative = np.cumsum([*u.ravel(), lost])
        counts = np.zeros((1, cumulative.size), np.int64)
        if cumulative[-1] > 0.0:
            cumulative /= cumulative[-1]
            # Cells that hold nothing at the end must not be drawn for a number just below one.
            cumulative[np.argmax(cumulative == cumulative[-1]) :] = 1.0
            cell = np.empty(min(self.shots, TOGETHER), np.int32)
            for first in range(0, self.shots, TOGETHER):
                few = cell[: self.shots - first]
                particles.draw_cells(few, first, *segment.key, cumulative, counts)
        return counts[0, :-1].reshape(u.shape)

    def observe(self, state: Any, _grid: Grid) -> Array:
        """Return the field."""
        return np.asarray(state.field)

    def extras(self, state: Any) -> dict[str, Array]:
        """The accounts of an open medium, and the counts of shots."""
        named = {"accounts": state.accounts, "counts": state.counts}
        return {name: array for name, array in named.items() if array.size}

    def through(self, state: Any) -> Array | None:
        """What has come in by each account."""
        return state.accounts if state.accounts.size else None

    def predict(self, before: Prediction | None, _reference: Array, segment: Segment) -> Prediction:
        """Round-off of as many applications."""
        own = 1e-14 * math.sqrt(segment.duration) + 3e-16 * segment.duration
        return Prediction((float(before.error) if before else ROUND_OFF) + own)


# --- the state vector ---------------------------------------------------------------------------


def registers(shape: Sequence[int], view: Applied) -> list[Array]:
    """Return for each axis the cells for which the positions of its register stand.

    Positions count modulo the length; those of the cells come first. -1 stands for outside.
    """
    found = []
    for n, m, sides in zip(shape, view.kernel.shape, view.sides, strict=True):
        cells, reach = np.arange(n), m // 2
        if sides == ("wrap", "wrap"):
            found.append(cells)
        elif sides == ("reflect", "reflect"):
            found.append(np.append(cells, cells[::-1]))
        else:
            # Positions below zero are those at the end.
            found.append(np.roll(convolve.places(n, reach, *sides), -reach))
    return found


def shifted(state: Array, moves: Array) -> Array:
    """Carry |x>|d> to |x + d>|d>: every amplitude to another place, none to the same.

    Parameters
    ----------
    state : (moves, positions, ...) array
        Amplitudes.
    moves : (moves, axes) array of int
        What is added to the positions, modulo the size of their register.
    """
    carried = np.empty_like(state)
    axes = tuple(range(state.ndim - 1))
    for before, after, move in zip(state, carried, moves.tolist(), strict=True):
        after[...] = np.roll(before, move, axes)
    return carried


def states(u: Array, view: Applied) -> Iterator[tuple[Array, Array]]:
    """Yield the state before and after the shift, some moves at a time, as (moves, positions).

    Parameters
    ----------
    u : array
        A field nowhere negative and not zero everywhere.
    view : Applied
        The kernel and the sides.

    Yields
    ------
    before, after : array
        Amplitudes; all squares together sum to one in each of them.
    """
    position = np.zeros([len(places) for places in registers(u.shape, view)])
    position[tuple(map(slice, u.shape))] = np.sqrt(u / np.sum(u))
    possible = view.kernel > 0.0
    weights = view.kernel[possible]
    amplitudes = np.sqrt(weights / np.sum(weights))
    moves = np.argwhere(possible) - [m // 2 for m in view.kernel.shape]
    step = max(1, TOGETHER // position.size)
    for first in range(0, len(moves), step):
        part = slice(first, first + step)
        before = np.multiply.outer(amplitudes[part], position)
        yield before, shifted(before, moves[part])


def applied(u: Array, view: Applied) -> tuple[Array, float]:
    """Apply a kernel once: load, shift, and measure the position.

    Returns
    -------
    array
        The field, its total times the chance of each cell.
    float
        What is found outside.
    """
    from diffusim.loops import convolution

    total, places = float(np.sum(u)), registers(u.shape, view)
    if total == 0.0:
        return u, 0.0
    found = np.zeros([len(cells) for cells in places])
    for _, after in states(u, view):
        found += np.einsum("d...,d...->...", after, after)
    # They sum to one but for round-off, which no content shall be lost to.
    found *= total / np.sum(found)
    field = np.zeros(u.shape)
    rows, columns = [np.zeros(1, int), *places][-2:]
    convolution.fold(plane(found), plane(field), rows, columns)
    outside = np.logical_or.outer(rows < 0, columns < 0)
    return field, float(np.sum(plane(found)[outside]))


def _bits(values: int) -> int:
    """Qubits that tell so many values apart."""
    return (values - 1).bit_length()


def _added(numbers: Sequence[int]) -> str:
    return " + ".join(map(str, numbers))
