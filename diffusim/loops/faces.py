"""What loops over cells are put together from: neighbours, what passes the faces, what is optional.

Each piece is compiled into the loop that calls it, and what is None there vanishes from it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numba
import numpy as np
from numba import types
from numba.core.compiler import Compiler
from numba.extending import overload
from numpy.typing import NDArray

from diffusim.loops.compiled import inlined

Array = NDArray[Any]
Loop = TypeVar("Loop", bound=Callable[..., Any])


class _Apart(Compiler):
    """Numba's compiler, with its own promise that no two arguments overlap."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.state.flags.noalias = True


def apart(function: Loop) -> Loop:
    """Compile as `inlined` does, for arrays of which none that is written overlaps another one.

    Without that promise the compiler has to compare the addresses of all arrays before it uses
    vector instructions, and beyond eight comparisons it gives them up (two to three times slower).
    """
    return numba.njit(  # type: ignore[no-any-return]
        forceinline=True, nogil=True, error_model="numpy", pipeline_class=_Apart
    )(function)


def at(value: Any, k: int, i: int, j: int) -> Any:
    """Return a number of all, number ``k`` of a vector or number (i, j) of a field; None stays."""
    if value is None or np.ndim(value) == 0:
        return value
    return value[k] if np.ndim(value) == 1 else value[i, j]


@overload(at, inline="always")
def _at(value, k, i, j):  # type: ignore[no-untyped-def]  # numba compares signatures, annotations too
    if isinstance(value, types.NoneType):
        return lambda value, k, i, j: None
    if not isinstance(value, types.Array):
        return lambda value, k, i, j: value
    if value.ndim == 1:
        return lambda value, k, i, j: value[k]
    return lambda value, k, i, j: value[i, j]


def times(factor: Any, value: Any) -> Any:
    """Return factor * value, a real factor of a complex value costing two products and not four."""
    return factor * value


@overload(times, inline="always")
def _times(factor, value):  # type: ignore[no-untyped-def]
    if isinstance(value, types.Complex) and not isinstance(factor, types.Complex):
        return lambda factor, value: complex(factor * value.real, factor * value.imag)
    return lambda factor, value: factor * value


def through(inward: Any, outward: Any, outer: Any, here: Any) -> Any:
    """Return what enters a cell through a face that is given both ways; None means alike."""
    if outward is None:
        return times(inward, outer - here)
    return times(inward, outer) - times(outward, here)


@overload(through, inline="always")
def _through(inward, outward, outer, here):  # type: ignore[no-untyped-def]
    if isinstance(outward, types.NoneType):
        return lambda inward, outward, outer, here: times(inward, outer - here)
    return lambda inward, outward, outer, here: times(inward, outer) - times(outward, here)


def through_upper(up: Any, down: Any, outer: Any, here: Any) -> Any:
    """Return what enters a cell through its upper face, where ``down`` leads in and ``up`` out."""
    return through(up, None, outer, here) if down is None else through(down, up, outer, here)


@overload(through_upper, inline="always")
def _through_upper(up, down, outer, here):  # type: ignore[no-untyped-def]
    if isinstance(down, types.NoneType):
        return lambda up, down, outer, here: through(up, None, outer, here)
    return lambda up, down, outer, here: through(down, up, outer, here)


def scaled(value: Any, inverse: Any, k: int) -> Any:
    """Return a value times one over the measure of cell ``k``, if measures differ."""
    return value if inverse is None else times(inverse[k], value)


@overload(scaled, inline="always")
def _scaled(value, inverse, k):  # type: ignore[no-untyped-def]
    if isinstance(inverse, types.NoneType):
        return lambda value, inverse, k: value
    return lambda value, inverse, k: times(inverse[k], value)


def less(value: Any, loss: Any, here: Any, i: int, j: int) -> Any:
    """Return a value minus what the cell loses, if it does."""
    return value if loss is None else value - times(loss[i, j], here)


@overload(less, inline="always")
def _less(value, loss, here, i, j):  # type: ignore[no-untyped-def]
    if isinstance(loss, types.NoneType):
        return lambda value, loss, here, i, j: value
    return lambda value, loss, here, i, j: value - times(loss[i, j], here)


def plus(value: Any, source: Any, i: int, j: int) -> Any:
    """Return a value plus what the cell gains, if it does."""
    return value if source is None else value + source[i, j]


@overload(plus, inline="always")
def _plus(value, source, i, j):  # type: ignore[no-untyped-def]
    if isinstance(source, types.NoneType):
        return lambda value, source, i, j: value
    return lambda value, source, i, j: value + source[i, j]


def gather(total: Any, share: Any, value: Any, i: int, j: int) -> None:
    """Add the share of a value to a total, if there is one; without a share the whole of it."""
    if total is not None:
        total[i, j] += value if share is None else times(share, value)


@overload(gather, inline="always")
def _gather(total, share, value, i, j):  # type: ignore[no-untyped-def]
    if isinstance(total, types.NoneType):
        return lambda total, share, value, i, j: None
    if isinstance(share, types.NoneType):

        def add(total, share, value, i, j):  # type: ignore[no-untyped-def]
            total[i, j] += value

        return add

    def add_share(total, share, value, i, j):  # type: ignore[no-untyped-def]
        total[i, j] += times(share, value)

    return add_share


@inlined
def neighbours(i: int, n: int, wrap: bool) -> tuple[int, int]:
    """Return the cells beside cell ``i`` of ``n``: at the rim the opposite one, or itself."""
    below = i - 1 if i > 0 else (n - 1 if wrap else 0)
    above = i + 1 if i < n - 1 else (0 if wrap else n - 1)
    return below, above


@inlined
def across(
    axis: tuple[Any, ...], below: Any, here: Any, above: Any, k: int, i: int, j: int, p: int, q: int
) -> Any:
    """Return what enters cell ``k`` of an axis (up, down, inverse) from its neighbours along it.

    In a field of faces its lower face is at (i, j), its upper one at (p, q).
    """
    up, down, inverse = axis
    low = through(at(up, k, i, j), at(down, k, i, j), below, here)
    high = through_upper(at(up, k + 1, p, q), at(down, k + 1, p, q), above, here)
    return scaled(low + high, inverse, k)
