"""Sweeps over cells: explicit steps, three-term recurrences and closings of implicit steps.

The generator arrives as numbers on faces. Along one axis the flow into cell i is that through its
lower face k = i and its upper face k = i + 1,

    without flow (``down`` is None):  up[k] (below - here)  +  up[k+1] (above - here),
    else:  (up[k] below - down[k] here)  +  (down[k+1] above - up[k+1] here),

times ``inverse[i]`` where cells differ in measure, and A u is the sum over both axes minus
``loss`` u. Numbers on faces come in three shapes: one for all faces, a vector over the n + 1 faces
of the axis, or a field, (n0 + 1, n1) across the first axis and (n0, n1 + 1) across the second.
What is None costs nothing: the compiler makes a variant of each loop for what is there.

At the rim of the grid the neighbour outside is the cell itself, or with ``wrap`` the cell opposite.
Numbers on the rim that are not those of a joined axis are zero for vectors and fields; a number
without flow may be anything, its difference being exactly zero. An axis of one cell has no faces. A
problem in one dimension is an array of shape (1, n).

Each axis is summed by itself, lower and upper face first, then both axes, then loss and source.
Addition commutes in floating point, so flipping or transposing the field flips or transposes the
result to the last bit; and the flows through both sides of a face differ in sign alone, so the sum
over cells is kept to round-off. Numbers, vectors and fields of the same values give the same bits.

Arrays are two-dimensional, C-contiguous and of one dtype: float32, float64, or complex128 with
faces in float64. What is written must not overlap any other array, of which the compiler makes use.
Nothing is checked: wrong shapes are the caller's fault.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffusim.loops.compiled import compiled, inlined
from diffusim.loops.faces import (
    across,
    apart,
    gather,
    less,
    neighbours,
    plus,
    times,
)

Array = NDArray[Any]


def step(
    u: Array,
    work: Array,
    total: Array | None,
    count: int,
    up0: Any,
    down0: Any,
    up1: Any,
    down1: Any,
    inverse0: Array | None,
    inverse1: Array | None,
    loss: Array | None,
    source: Array | None,
    wrap0: bool,
    wrap1: bool,
) -> None:
    """Repeat ``count`` times: total <- total + u, then u <- u + (A u + source).

    Parameters
    ----------
    u, work : (n0, n1) arrays
        The field, advanced in place, and room for another of its kind.
    total : (n0, n1) array or None
        To which the field before each step is added.
    count : int
        Number of steps.
    up0, down0, up1, down1 : float or array
        Numbers on the faces of both axes, multiplied by the time step; ``down`` None without flow.
    inverse0, inverse1 : (n0,), (n1,) arrays or None
        One over the measure of the cells along their axis, if that is not in the faces already.
    loss, source : (n0, n1) arrays or None
        What a cell loses, as a part of its content, and gains in a step.
    wrap0, wrap1 : bool
        Whether the axis is periodic.
    """
    medium = _medium(u, up0, down0, up1, down1, inverse0, inverse1, loss, source)
    _step(u, work, total, count, medium, bool(wrap0), bool(wrap1))


def expand(
    older: Array,
    newer: Array,
    result: Array,
    total: Array | None,
    growth: Array,
    memory: Array,
    weights: Array,
    shares: Array,
    up0: Any,
    down0: Any,
    up1: Any,
    down1: Any,
    inverse0: Array | None,
    inverse1: Array | None,
    loss: Array | None,
    source: Array | None,
    wrap0: bool,
    wrap1: bool,
) -> None:
    """Add the weighted changes of a three-term recurrence to ``result``.

    For each k in turn: total <- total + shares[k] newer;
    change = growth[k] (A newer + source) + memory[k] (newer - older);
    result <- result + weights[k] change; (older, newer) <- (newer, newer + change).

    Chebyshev polynomials of 1 + A have growth 1, 2, 2, ... and memory 0, 1, 1, ...; Legendre
    polynomials growth (2 k - 1) / k and memory (k - 1) / k; plain powers growth 1 and memory 0.

    Parameters
    ----------
    older, newer, result : (n0, n1) arrays
        The last two terms and the result so far. All are advanced in place, so that a further call
        goes on where this one stopped, with the same bits as one call for all.
    total : (n0, n1) array or None
        To which the terms are added by their shares.
    growth, memory, weights, shares : (m,) arrays
        Real but for ``weights``, which has the dtype of ``result``; that may be complex while the
        terms are real.
    up0, down0, up1, down1, inverse0, inverse1, loss, source, wrap0, wrap1
        As in `step`.

    References
    ----------
    H. Tal-Ezer, R. Kosloff, J. Chem. Phys. 81 (1984) 3967-3971 (Chebyshev); C. D. Meyer, D. S.
    Balsara, T. D. Aslam, J. Comput. Phys. 257 (2014) 594-626 (Legendre).
    """
    medium = _medium(newer, up0, down0, up1, down1, inverse0, inverse1, loss, source)
    factors = (_factors(growth, newer), _factors(memory, newer),
               _factors(weights, result), _factors(shares, newer))  # fmt: skip
    _expand(older, newer, result, total, factors, medium, bool(wrap0), bool(wrap1))


def rate(
    out: Array,
    u: Array,
    up0: Any,
    down0: Any,
    up1: Any,
    down1: Any,
    inverse0: Array | None,
    inverse1: Array | None,
    loss: Array | None,
    source: Array | None,
    wrap0: bool,
    wrap1: bool,
) -> None:
    """Write A u + source into ``out``; the other arguments are those of `step`."""
    medium = _medium(u, up0, down0, up1, down1, inverse0, inverse1, loss, source)
    _rate(out, u, medium, bool(wrap0), bool(wrap1))


def correct(
    u: Array,
    change: Array,
    first: Array,
    second: Array,
    up0: Any,
    down0: Any,
    up1: Any,
    down1: Any,
    inverse0: Array | None,
    inverse1: Array | None,
    loss0: Array | None,
    loss1: Array | None,
    wrap0: bool,
    wrap1: bool,
) -> None:
    """Close a split implicit step in flux form, u <- u + change + (A0 first + A1 second) / 2.

    A0 and A1 are the parts of A along either axis, with the losses that belong to it.

    Parameters
    ----------
    u : (n0, n1) array
        Advanced in place.
    change, first, second : (n0, n1) arrays
        The explicit part, and what was solved along the first and along both axes.
    loss0, loss1 : (n0, n1) arrays or None
        Losses that belong to either axis.
    up0, down0, up1, down1, inverse0, inverse1, wrap0, wrap1
        As in `step`.

    References
    ----------
    J. Douglas, H. H. Rachford, Trans. Am. Math. Soc. 82 (1956) 421-439 (the step that is closed).
    """
    medium = _medium(u, up0, down0, up1, down1, inverse0, inverse1, loss0, loss1)
    half = u.real.dtype.type(0.5)
    _correct(u, change, first, second, half, medium, bool(wrap0), bool(wrap1))


Medium = tuple[Any, Any, Any, Any]


def _medium(
    u: Array, up0: Any, down0: Any, up1: Any, down1: Any, inverse0: Any, inverse1: Any,
    loss: Any, source: Any,
) -> Medium:  # fmt: skip
    """Return all that is given of a medium, numbers in the precision of the field."""
    real = u.real.dtype.type
    up0, down0, up1, down1 = (
        v if v is None or isinstance(v, np.ndarray) else real(v) for v in (up0, down0, up1, down1)
    )
    return (up0, down0, inverse0), (up1, down1, inverse1), loss, source


def _factors(values: Array, field: Array) -> Array:
    """Return factors in the precision of what they add to; real ones stay real."""
    dtype = field.dtype if np.iscomplexobj(values) else field.real.dtype
    return np.ascontiguousarray(values, dtype)


# --- loops --------------------------------------------------------------------------------------
# Each row's ends are apart from its inner cells, to keep questions out of the inner loop. What is
# computed for a cell takes numbers: handed arrays and places instead, it would be a fifth slower.


@inlined
def gain(
    here: Any, south: Any, north: Any, west: Any, east: Any, i: int, j: int, medium: Medium
) -> Any:  # fmt: skip
    """Return A u + source in cell (i, j), from what it and its neighbours hold."""
    axis0, axis1, loss, source = medium
    first = across(axis0, south, here, north, i, i, j, i + 1, j)
    second = across(axis1, west, here, east, j, i, j, i, j + 1)
    return plus(less(first + second, loss, here, i, j), source, i, j)


@apart
def step_once(old: Array, new: Array, total: Any, medium: Medium, wrap0: bool, wrap1: bool) -> None:
    """Write old + (A old + source) into ``new`` and add ``old`` to ``total``."""
    n0, n1 = old.shape
    for i in range(n0):
        s, n = neighbours(i, n0, wrap0)
        for j in range(0, n1, max(n1 - 1, 1)):
            w, e = neighbours(j, n1, wrap1)
            here = old[i, j]
            gather(total, None, here, i, j)
            own = gain(here, old[s, j], old[n, j], old[i, w], old[i, e], i, j, medium)
            new[i, j] = here + own
        for j in range(1, n1 - 1):
            here = old[i, j]
            gather(total, None, here, i, j)
            own = gain(here, old[s, j], old[n, j], old[i, j - 1], old[i, j + 1], i, j, medium)
            new[i, j] = here + own


@compiled
def _step(
    u: Array, work: Array, total: Any, count: int, medium: Medium, wrap0: bool, wrap1: bool
) -> None:
    n0, n1 = u.shape
    old, new = u, work
    for _ in range(count):
        step_once(old, new, total, medium, wrap0, wrap1)
        old, new = new, old
    if count % 2:  # cell by cell: u[:] = work would take two seconds to compile
        for i in range(n0):
            for j in range(n1):
                u[i, j] = work[i, j]


@apart
def expand_once(
    old: Array, new: Array, result: Array, total: Any, factors: tuple[Any, ...],
    medium: Medium, wrap0: bool, wrap1: bool,
) -> None:  # fmt: skip
    """Add one term's change to ``result`` and write the next term over ``old``."""
    n0, n1 = new.shape
    growth, memory, weight, share = factors
    for i in range(n0):
        s, n = neighbours(i, n0, wrap0)
        for j in range(0, n1, max(n1 - 1, 1)):
            w, e = neighbours(j, n1, wrap1)
            here = new[i, j]
            own = gain(here, new[s, j], new[n, j], new[i, w], new[i, e], i, j, medium)
            change = times(growth, own) + times(memory, here - old[i, j])
            gather(total, share, here, i, j)
            result[i, j] += times(weight, change)
            old[i, j] = here + change
        for j in range(1, n1 - 1):
            here = new[i, j]
            own = gain(here, new[s, j], new[n, j], new[i, j - 1], new[i, j + 1], i, j, medium)
            change = times(growth, own) + times(memory, here - old[i, j])
            gather(total, share, here, i, j)
            result[i, j] += times(weight, change)
            old[i, j] = here + change


@compiled
def _expand(
    older: Array, newer: Array, result: Array, total: Any, factors: tuple[Array, ...],
    medium: Medium, wrap0: bool, wrap1: bool,
) -> None:  # fmt: skip
    n0, n1 = newer.shape
    growth, memory, weights, shares = factors
    old, new = older, newer
    for k in range(len(weights)):
        own = growth[k], memory[k], weights[k], shares[k]
        expand_once(old, new, result, total, own, medium, wrap0, wrap1)
        old, new = new, old
    if len(weights) % 2:
        for i in range(n0):
            for j in range(n1):
                older[i, j], newer[i, j] = newer[i, j], older[i, j]


@apart
def rate_once(out: Array, u: Array, medium: Medium, wrap0: bool, wrap1: bool) -> None:
    """Write A u + source into ``out``."""
    n0, n1 = u.shape
    for i in range(n0):
        s, n = neighbours(i, n0, wrap0)
        for j in range(0, n1, max(n1 - 1, 1)):
            w, e = neighbours(j, n1, wrap1)
            out[i, j] = gain(u[i, j], u[s, j], u[n, j], u[i, w], u[i, e], i, j, medium)
        for j in range(1, n1 - 1):
            out[i, j] = gain(u[i, j], u[s, j], u[n, j], u[i, j - 1], u[i, j + 1], i, j, medium)


@compiled
def _rate(out: Array, u: Array, medium: Medium, wrap0: bool, wrap1: bool) -> None:
    rate_once(out, u, medium, wrap0, wrap1)


@inlined
def closing(
    one: Any, south: Any, north: Any, two: Any, west: Any, east: Any, i: int, j: int,
    medium: Medium,
) -> Any:  # fmt: skip
    """Return A0 first + A1 second in cell (i, j), from what the two hold there and beside it."""
    axis0, axis1, loss0, loss1 = medium
    a = across(axis0, south, one, north, i, i, j, i + 1, j)
    b = across(axis1, west, two, east, j, i, j, i, j + 1)
    return less(a, loss0, one, i, j) + less(b, loss1, two, i, j)


@apart
def correct_once(
    u: Array, change: Array, first: Array, second: Array, half: float,
    medium: Medium, wrap0: bool, wrap1: bool,
) -> None:  # fmt: skip
    """Add change + (A0 first + A1 second) / 2 to ``u``."""
    n0, n1 = u.shape
    for i in range(n0):
        s, n = neighbours(i, n0, wrap0)
        for j in range(0, n1, max(n1 - 1, 1)):
            w, e = neighbours(j, n1, wrap1)
            both = closing(first[i, j], first[s, j], first[n, j],
                           second[i, j], second[i, w], second[i, e], i, j, medium)  # fmt: skip
            u[i, j] += change[i, j] + times(half, both)
        for j in range(1, n1 - 1):
            both = closing(first[i, j], first[s, j], first[n, j],
                           second[i, j], second[i, j - 1], second[i, j + 1],
                           i, j, medium)  # fmt: skip
            u[i, j] += change[i, j] + times(half, both)


@compiled
def _correct(
    u: Array, change: Array, first: Array, second: Array, half: float,
    medium: Medium, wrap0: bool, wrap1: bool,
) -> None:  # fmt: skip
    correct_once(u, change, first, second, half, medium, wrap0, wrap1)
