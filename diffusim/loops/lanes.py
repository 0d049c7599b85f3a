"""Vectors of 32 bytes as values of compiled loops: four float64 or eight float32, side by side.

A loop over many short lines becomes vector instructions only if the compiler finds out that no two
of its addresses overlap, which it gives up on beyond a few. Here the vectors are written out: `get`
reads one, `put` writes one, `spread` repeats a number, and + - * act on each lane. Indices count
numbers from an array's first one, in C order, and nothing is checked. Without a compiler
(``NUMBA_DISABLE_JIT=1``) the same functions work on small NumPy arrays.
"""

from __future__ import annotations

import operator
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import config
from numba.extending import intrinsic, lower_builtin, models, register_model, type_callable
from numpy.typing import NDArray

Array = NDArray[Any]

BYTES = 32


class Lanes(types.Type):
    """The type of a vector of numbers, as the compiler sees it."""

    def __init__(self, dtype: Any) -> None:
        self.dtype, self.count = dtype, BYTES * 8 // dtype.bitwidth
        super().__init__(name=f"Lanes({dtype})")


@register_model(Lanes)
class _Model(models.PrimitiveModel):
    def __init__(self, manager: Any, lanes: Lanes) -> None:
        kind = manager.lookup(lanes.dtype).get_value_type()
        super().__init__(manager, lanes, ir.VectorType(kind, lanes.count))


def _alike(context: Any) -> Any:
    return lambda a, b: a if isinstance(a, Lanes) and a == b else None


for _operation, _instruction in (
    (operator.add, "fadd"),
    (operator.sub, "fsub"),
    (operator.mul, "fmul"),
):
    type_callable(_operation)(_alike)

    def _lower(
        context: Any, builder: Any, signature: Any, values: Any, name: str = _instruction
    ) -> Any:
        return getattr(builder, name)(*values)

    lower_builtin(_operation, Lanes, Lanes)(_lower)


def _pointer(context: Any, builder: Any, kind: Any, array: Any, index: Any, vector: bool) -> Any:
    """Return the address of number ``index`` of an array, as one of a vector if asked."""
    first = context.make_array(kind)(context, builder, array).data
    place = builder.gep(first, [index])
    if vector:
        target = context.get_value_type(Lanes(kind.dtype))
        place = builder.bitcast(place, target.as_pointer())
    return place


def _load(context: Any, builder: Any, kind: Any, array: Any, index: Any) -> Any:
    place = _pointer(context, builder, kind, array, index, True)
    found = builder.load(place)
    found.align = kind.dtype.bitwidth // 8
    return found


def _store(context: Any, builder: Any, kind: Any, array: Any, index: Any, value: Any) -> None:
    place = _pointer(context, builder, kind, array, index, True)
    builder.store(value, place).align = kind.dtype.bitwidth // 8


def _lanes(typing: Any, array: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        count = Lanes(signature.args[0].dtype).count
        return context.get_constant(signature.return_type, count)

    return types.intp(array), generate


def _get(typing: Any, array: Any, index: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return _load(context, builder, signature.args[0], *values)

    return Lanes(array.dtype)(array, types.intp), generate


def _put(typing: Any, array: Any, index: Any, value: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        _store(context, builder, signature.args[0], *values)
        return context.get_dummy_value()

    return types.void(array, types.intp, value), generate


def _spread(typing: Any, source: Any, number: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        array, index = values
        place = _pointer(context, builder, signature.args[0], array, index, False)
        kind = context.get_value_type(signature.return_type)
        empty = ir.Constant(kind, ir.Undefined)
        nought = ir.Constant(ir.IntType(32), 0)
        first = builder.insert_element(empty, builder.load(place), nought)
        return _shuffle(builder, first, empty, [0] * kind.count)

    return Lanes(source.dtype)(source, types.intp), generate


def _flip(
    typing: Any, source: Any, origins: Any, i: Any, a: Any, target: Any, places: Any, k: Any, b: Any
) -> Any:
    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        source, origins, i, a, target, places, k, b = values
        kinds = signature.args

        def index(kind: Any, table: Any, first: Any, t: int, offset: Any) -> Any:
            at = builder.add(first, ir.Constant(first.type, t))
            number = builder.load(_pointer(context, builder, kind, table, at, False))
            return builder.add(number, offset)

        count = Lanes(kinds[0].dtype).count
        rows = [
            _load(context, builder, kinds[0], source, index(kinds[1], origins, i, t, a))
            for t in range(count)
        ]
        for t, row in enumerate(_transpose(builder, rows)):
            _store(context, builder, kinds[4], target, index(kinds[5], places, k, t, b), row)
        return context.get_dummy_value()

    number = types.intp
    return types.void(source, origins, number, number, target, places, number, number), generate


def _shuffle(builder: Any, a: Any, b: Any, mask: list[int]) -> Any:
    kind = ir.VectorType(ir.IntType(32), len(mask))
    return builder.shuffle_vector(a, b, ir.Constant(kind, mask))


def _transpose(builder: Any, rows: list[Any]) -> list[Any]:
    """Transpose a square: pairs, pairs of pairs and so on, each step one instruction of AVX.

    Halves of 16 bytes are kept apart until the last step, since few instructions cross them.
    """
    count = len(rows)
    inner = count // 2
    width = 1
    while width < inner:
        found = list(rows)
        for group in range(0, count, 2 * width):
            for t in range(width):
                a, b = rows[group + t], rows[group + width + t]
                for part in range(2):
                    mask = []
                    for half in (0, inner):
                        for piece in range(inner // (2 * width)):
                            first = half + part * inner // 2 + piece * width
                            mask += [*range(first, first + width)]
                            mask += [*range(count + first, count + first + width)]
                    found[group + 2 * t + part] = _shuffle(builder, a, b, mask)
        rows, width = found, 2 * width
    low, high = [], []
    for t in range(inner):
        a, b = rows[t], rows[inner + t]
        near, far = [*range(inner)], [*range(inner, count)]
        low.append(_shuffle(builder, a, b, near + [count + x for x in near]))
        high.append(_shuffle(builder, a, b, far + [count + x for x in far]))
    return low + high


def lanes(array: Array) -> int:
    """Return how many numbers of an array lie side by side in a vector."""
    return BYTES // array.itemsize


def get(array: Array, index: int) -> Array:
    """Return the vector that begins with number ``index`` of an array."""
    return array.reshape(-1)[index : index + lanes(array)].copy()


def put(array: Array, index: int, value: Array) -> None:
    """Write a vector to an array from number ``index`` on."""
    array.reshape(-1)[index : index + len(value)] = value


def spread(array: Array, index: int) -> Array:
    """Return a vector that repeats number ``index`` of an array."""
    return array.reshape(-1)[[index] * lanes(array)]


def flip(
    source: Array, origins: Array, i: int, a: int, target: Array, places: Array, k: int, b: int
) -> None:
    """Copy a square of as many vectors as each has lanes, transposed.

    The vectors begin at ``origins[i + t] + a`` in the source and are written from
    ``places[k + t] + b`` on, t = 0, 1, 2 and so on.
    """
    count = lanes(source)
    square = [get(source, origins[i + t] + a) for t in range(count)]
    for t in range(count):
        put(target, places[k + t] + b, source.dtype.type([row[t] for row in square]))


if not config.DISABLE_JIT:
    lanes, get, put = intrinsic(_lanes), intrinsic(_get), intrinsic(_put)
    spread, flip = intrinsic(_spread), intrinsic(_flip)
