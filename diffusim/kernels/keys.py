"""The type of a YAML key that holds a kernel, and kernels that are given in full.

A name (``edge-detector``), a mapping (``{kind: gaussian, sigma: 2}``), a matrix as nested lists as
it is seen on the page, top row first, a list on one axis, a file (``{kind: array, path: k.csv}``),
or from Python an array ``k[x, y]``.
"""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self, get_args

import numpy as np
from pydantic import (
    BeforeValidator,
    GetJsonSchemaHandler,
    PlainSerializer,
    ValidationInfo,
    WithJsonSchema,
    model_validator,
)
from pydantic.json_schema import SkipJsonSchema
from pydantic_core import CoreSchema

from diffusim.block import Array, Invalid
from diffusim.files import TEXT, InputFile, read_numbers
from diffusim.kernels.named import (
    MOST,
    BoxMean,
    Differences,
    Fixed,
    Gaussian,
    MotionBlur,
    Shift,
    Weights,
    from_page,
)


def checked(kernel: Array, *path: str) -> Array:
    """Return an array as a kernel in float64.

    Raises
    ------
    Invalid
        Unless it has one or two axes of odd sizes up to 1023, and real and finite numbers.
    """
    shape = " x ".join(map(str, kernel.shape))
    if kernel.dtype.kind not in "biuf":
        raise Invalid("a kernel is made of real numbers", *path)
    if kernel.ndim not in (1, 2):
        raise Invalid(f"a kernel has one or two axes, not {kernel.ndim}", *path)
    if kernel.size == 0:
        raise Invalid("this kernel is empty", *path)
    if any(n % 2 == 0 for n in kernel.shape):
        raise Invalid(f"a kernel needs a cell in its middle: odd sizes, not {shape}", *path)
    if any(n > MOST for n in kernel.shape):
        raise Invalid(f"a kernel has at most {MOST} cells along an axis; here are {shape}", *path)
    values = np.ascontiguousarray(kernel, dtype=float)
    if not np.all(np.isfinite(values)):
        raise Invalid("this kernel holds NaN or infinite numbers", *path)
    return values


class Matrix(Weights):
    """A kernel of two axes, its rows as they are seen on the page, the top one first."""

    kind: Literal["matrix"] = "matrix"
    rows: tuple[tuple[float, ...], ...]

    @property
    def dimensions(self) -> tuple[int, ...]:
        """Two."""
        return (2,)

    @model_validator(mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        rows = value.get("rows") if isinstance(value, Mapping) else None
        if not isinstance(rows, list | tuple) or not all(isinstance(r, list | tuple) for r in rows):
            return value
        return {**value, "rows": tuple(map(tuple, rows))}

    @model_validator(mode="after")
    def _sound(self) -> Self:
        lengths = [len(row) for row in self.rows]
        if len(set(lengths)) > 1:
            odd = next(n for n, length in enumerate(lengths) if length != lengths[0])
            raise Invalid(
                f"row {odd + 1} has {lengths[odd]} numbers and the first one {lengths[0]}; "
                "all rows of a kernel are equally long", "rows", odd,
            )  # fmt: skip
        checked(np.array(self.rows, dtype=float), "rows")
        return self

    def _weights(self, _ndim: int) -> Array:
        return from_page(self.rows)


class Row(Weights):
    """A kernel of one axis, from left to right."""

    kind: Literal["row"] = "row"
    values: tuple[float, ...]

    @property
    def dimensions(self) -> tuple[int, ...]:
        """One."""
        return (1,)

    @model_validator(mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        given = value.get("values") if isinstance(value, Mapping) else None
        return {**value, "values": tuple(given)} if isinstance(given, list) else value

    @model_validator(mode="after")
    def _sound(self) -> Self:
        checked(np.array(self.values, dtype=float), "values")
        return self

    def _weights(self, _ndim: int) -> Array:
        return np.array(self.values, dtype=float)


class Stored(Weights):
    """A kernel from a file.

    Parameters
    ----------
    path : Path
        ``.npy``: an array k[x, y], as fields are; ``.csv`` and ``.txt``: numbers with commas or
        blanks between, in rows as they are seen on the page; a single row is a kernel of one axis.
    """

    kind: Literal["array"] = "array"
    path: InputFile

    @property
    def dimensions(self) -> tuple[int, ...]:
        """As many as the file has."""
        return (self._read().ndim,)

    @model_validator(mode="after")
    def _sound(self) -> Self:
        self._read()
        return self

    def _weights(self, _ndim: int) -> Array:
        return self._read()

    def _read(self) -> Array:
        known = (".npy", *TEXT)
        if self.path.suffix.lower() not in known:
            raise Invalid(f"expected a file {', '.join(known)}, not '{self.path.name}'", "path")
        try:
            return checked(read_numbers(self.path), "path")
        except (OSError, ValueError) as problem:
            raise Invalid(str(problem), "path") from None


def _fingerprint(values: Array) -> dict[str, Any]:
    # The bytes alone would not tell a row from a column.
    return {"shape": list(values.shape), "sha256": hashlib.sha256(values.tobytes()).hexdigest()}


class Given(Weights):
    """A kernel given from Python as an array k[x, y], or k[x]."""

    kind: Literal["given"] = "given"
    values: Annotated[Array, PlainSerializer(_fingerprint), WithJsonSchema({"type": "array"})]

    def __eq__(self, other: object) -> bool:
        """Whether the other one holds the same numbers in the same shape."""
        return isinstance(other, Given) and np.array_equal(self.values, other.values)

    @property
    def dimensions(self) -> tuple[int, ...]:
        """As many as the array has."""
        return (self.values.ndim,)

    def _weights(self, _ndim: int) -> Array:
        return self.values.copy()


_ANY = (
    Fixed | BoxMean | Gaussian | MotionBlur | Shift | Differences
    | Matrix | Row | Stored | SkipJsonSchema[Given]
)  # fmt: skip
_CLASSES: tuple[type[Weights], ...] = (
    Fixed, BoxMean, Gaussian, MotionBlur, Shift, Differences, Matrix, Row, Stored
)  # fmt: skip
KINDS: dict[str, type[Weights]] = {
    word: kind for kind in _CLASSES for word in get_args(kind.model_fields["kind"].annotation)
}
NAMES: tuple[str, ...] = tuple(
    word for word, kind in KINDS.items() if kind not in (Matrix, Row, Stored)
)


def _chosen(value: Any, info: ValidationInfo) -> Any:
    """Choose the class by the form and the ``kind``, so that errors speak of one class only."""
    if isinstance(value, Weights):
        return value
    if isinstance(value, np.ndarray):
        return Given(values=checked(value).copy())
    if isinstance(value, list | tuple):
        return _in_full(value, info)
    if isinstance(value, str):
        value = {"kind": value}
    word = value.get("kind") if isinstance(value, Mapping) else None
    known = ", ".join(NAMES)
    if word is None:
        raise Invalid(
            "expected a kernel's name, a matrix such as [[0, 1, 0], [1, 4, 1], [0, 1, 0]], or a "
            f"mapping with its 'kind'; known: {known}, array"
        )
    if not isinstance(word, str) or word not in KINDS:
        near = difflib.get_close_matches(str(word), NAMES, 1)
        hint = f"did you mean '{near[0]}'? " if near else ""
        raise Invalid(f"there is no kernel '{word}'; {hint}known: {known}, array", "kind")
    return KINDS[word].model_validate(dict(value), context=info.context)


def _in_full(value: list[Any] | tuple[Any, ...], info: ValidationInfo) -> Weights:
    nested = [isinstance(row, list | tuple) for row in value]
    if any(nested) and not all(nested):
        raise Invalid("a matrix is a list of rows; here some entries are rows and some are not",
                      nested.index(False))  # fmt: skip
    kind, key = (Matrix, "rows") if any(nested) else (Row, "values")
    return kind.model_validate({key: tuple(value)}, context=info.context)


class AsWritten:
    """Adds to the schema what stands for a block: names, and numbers in rows or in one row."""

    def __init__(self, *names: str) -> None:
        self.names = list(names)

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        row = {"type": "array", "items": {"type": "number"}, "minItems": 1}
        matrix = {"type": "array", "items": row, "minItems": 1}
        found = handler(schema)
        named = [{"enum": self.names}] if self.names else []
        return {"anyOf": [*named, matrix, row, *found.get("anyOf", [found])]}


Kernel = Annotated[_ANY, BeforeValidator(_chosen), AsWritten(*NAMES)]
