"""A template as a propagator: at every place, how like it the picture is there.

    u_1(x) = sum over d of t(d) u_0(x + d)

A correlation is a convolution with the flipped template, so it is carried like any kernel. It is
linear, plain or with the template's mean taken off; the normalised one divides by the picture
itself and is in `diffusim.match`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
from pydantic import (
    BeforeValidator,
    Field,
    PrivateAttr,
    SerializerFunctionWrapHandler,
    ValidationInfo,
    model_serializer,
    model_validator,
)
from pydantic.json_schema import SkipJsonSchema

from diffusim.block import Array, Block, Invalid, by_kind
from diffusim.files import Digested, InputFile, read_numbers
from diffusim.grid import Grid
from diffusim.initial.cuttings import Cutting
from diffusim.kernels.keys import AsWritten
from diffusim.kernels.named import MOST, from_page
from diffusim.match import (
    Standing,
    as_odd,
    correlate,
    find,
    in_words,
    standing,
)
from diffusim.shifts import Shifting, beyond

# Keys of a cutting that is turned or flipped, and what is a whole cell but for round-off.
TURNS, COVERED = ("turn", "flipped"), 1.0 - 1e-6
# Places that are looked for, the best first.
PLACES = 5
# A template whose contrast is less than this part of its size is flat but for round-off.
FLAT = 1e-13
# Templates are as large as fields may be.
SMALLEST = 1e-100


class Cutout(Cutting):
    """A part of an image, as it would be in the cells of the grid: all cells that it covers.

    Parameters
    ----------
    path, cut, width
        Which part of which image, and how wide; see `Cutting`.
    turn : float
        Degrees by which it is turned, anticlockwise as it is seen.
    flipped : bool
        Whether left and right are exchanged before that.
    """

    kind: Literal["image"] = "image"
    turn: Annotated[float, Field(ge=-360, le=360)] = 0.0
    flipped: bool = False

    @model_serializer(mode="wrap")
    def _unsaid(self, written: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # What is not turned is the template that it was before templates could be turned.
        found: dict[str, Any] = written(self)
        return {key: value for key, value in found.items() if value or key not in TURNS}

    def cells(self, grid: Grid) -> Array:
        """Return its mean values over cells; its middle is amid a cell or between two.

        Of one that is turned, cells of its frame that it does not cover wholly are no numbers.
        """
        if len(grid.shape) != 2:
            raise Invalid("an image needs a grid of two dimensions", "path")
        pixels = self.pixels()
        counts = [
            int(length / h + 1e-9)
            for length, h in zip(self.frame(pixels, self.turn), grid.spacing, strict=True)
        ]
        if 0 in counts:
            raise Invalid("is narrower or lower than a cell", "width")
        if max(counts) > MOST:
            raise Invalid(f"covers more than {MOST} cells along an axis", "width")
        x, y = (
            (np.arange(n) - 0.5 * (n - 1)) * h for n, h in zip(counts, grid.spacing, strict=True)
        )
        t, part = self.means(pixels, (x, y), grid.spacing, self.turn, flipped=self.flipped)
        return np.where(part > COVERED, t, np.nan)


class Rows(Block):
    """A template of two axes as it is seen on the page, the top row first, or of one axis."""

    kind: Literal["rows"] = "rows"
    rows: tuple[tuple[float, ...], ...]

    @model_validator(mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        rows = value.get("rows") if isinstance(value, Mapping) else None
        if not isinstance(rows, list | tuple):
            return value
        nested = [tuple(row) if isinstance(row, list | tuple) else row for row in rows]
        flat = not any(isinstance(row, tuple) for row in nested)
        return {**value, "rows": (tuple(nested),) if flat and nested else tuple(nested)}

    @model_validator(mode="after")
    def _even(self) -> Self:
        if len({len(row) for row in self.rows}) != 1 or not self.rows[0]:
            # Told of the template itself: who writes a bare list knows no key 'rows'.
            raise Invalid("all rows of a template are equally long, and not empty")
        return self

    def cells(self, grid: Grid) -> Array:
        """Return the numbers as t[x, y], of a single row on one axis t[x]."""
        if len(grid.shape) == 2:
            return from_page(self.rows)
        return of_axes(np.array(self.rows[0]) if len(self.rows) == 1 else from_page(self.rows), 1)


class Stored(Block):
    """A template from a ``.npy`` file, an array t[x, y] or t[x] of cells, or from a text."""

    kind: Literal["array"] = "array"
    path: InputFile

    def cells(self, grid: Grid) -> Array:
        """Return the numbers of the file."""
        try:
            return of_axes(read_numbers(self.path, len(grid.shape)), len(grid.shape))
        except (OSError, ValueError) as problem:
            raise Invalid(str(problem), "path") from None


class Given(Block):
    """A template given from Python as an array t[x, y] or t[x] of cells."""

    kind: Literal["given"] = "given"
    values: Digested

    def __eq__(self, other: object) -> bool:
        """Whether the other one holds the same numbers in the same shape."""
        return isinstance(other, Given) and np.array_equal(self.values, other.values)

    def cells(self, grid: Grid) -> Array:
        """Return the array itself."""
        return of_axes(self.values, len(grid.shape))


def of_axes(found: Array, ndim: int) -> Array:
    """Return an array as a template on grids of so many axes.

    Raises
    ------
    Invalid
        When it has other axes, is empty or too large, or holds what is no finite real number.
    """
    if found.dtype.kind not in "biuf":
        raise Invalid("a template is made of real numbers")
    if found.ndim != ndim or found.size == 0 or max(found.shape) > MOST:
        raise Invalid(
            f"expected a template with {ndim} {'axes' if ndim > 1 else 'axis'} and from 1 to "
            f"{MOST} cells along each, found {found.shape}"
        )
    values = np.array(found, dtype=float)
    if not np.all(np.isfinite(values)):
        raise Invalid("this template holds NaN or infinite numbers")
    return values


_ANY = Cutout | Rows | Stored | SkipJsonSchema[Given]
_BY_KIND: Any = by_kind(Cutout | Rows | Stored)


def _chosen(value: Any, info: ValidationInfo) -> Any:
    if isinstance(value, Cutout | Rows | Stored | Given):
        return value
    if isinstance(value, np.ndarray):
        return Given(values=of_axes(value, value.ndim).copy())
    if isinstance(value, list | tuple):
        return Rows.model_validate({"rows": value}, context=info.context)
    return _BY_KIND.func(value, info)


def _linear(value: Any) -> Any:
    if value == "normalised":
        raise ValueError(
            "the normalised correlation divides by the picture itself, so it is not linear and no "
            "propagator; take zero-mean here, and diffusim.match.correlate for the other one, "
            "which the figure 'match' of a run shows as well"
        )
    return value


class Template(Shifting):
    """A small picture that every place of a field is compared with.

    Parameters
    ----------
    template : list, mapping or array
        ``{kind: image, path: portrait, cut: {x: [0.3, 0.6], y: [0.5, 0.9]}, width: 2 cm}``, a part
        of an image as it would be in the cells of the grid; ``{kind: array, path: t.npy}``; rows of
        numbers as they are seen on the page; or, from Python, an array t[x, y].
    correlation : {"zero-mean", "plain"}
        Whether the template's mean is taken off, so that brightness alone is no likeness.
    scale : {"energy", "none"}
        Whether it is divided by its sum of squares, so that a perfect fit answers 1.

    References
    ----------
    G. L. Turin, "An introduction to matched filters", IRE Transactions on Information Theory 6
    (1960) 311-329.
    """

    given: ClassVar[str] = "template"
    weighs: ClassVar[str] = "template"
    reads: ClassVar[str] = "template"
    becomes: ClassVar[str] = "answer"

    template: Annotated[_ANY, BeforeValidator(_chosen), AsWritten()]
    correlation: Annotated[Literal["zero-mean", "plain"], BeforeValidator(_linear)] = "zero-mean"
    scale: Literal["energy", "none"] = "energy"

    # By the size of cells along each axis: an image differs with it, and may come from a file.
    _made: dict[tuple[float, ...], Array] = PrivateAttr(default_factory=dict)

    @property
    def beside(self) -> int:
        """The template itself is stored with every frame, so that a picture of it can be drawn."""
        return 1

    def weights(self, grid: Grid) -> Array:
        """The template in the cells of a grid, as it is summed with; not to be written to.

        Cells of its frame that it does not cover are no numbers.

        Raises
        ------
        Invalid
            When there is none on this grid, or nothing is left of it.
        """
        if grid.spacing not in self._made:
            try:
                t = self.template.cells(grid)
            except Invalid as problem:
                raise Invalid(problem.message, "template", *problem.path) from None
            if np.all(np.isnan(t)):
                raise Invalid("covers no cell wholly", "template", "width")
            size = float(np.nanmax(np.abs(t)))
            if size and not SMALLEST <= size <= 1.0 / SMALLEST:
                raise Invalid(
                    f"the largest value of this template is {size:.3g}; expected {SMALLEST:g} to "
                    f"{1.0 / SMALLEST:g}, which can be squared and added up", "template",
                )  # fmt: skip
            if self.correlation == "zero-mean":
                t = t - np.nanmean(t)
            if np.nanmax(np.abs(t)) <= FLAT * size:
                plain = "; 'correlation: plain' takes it" if size else ""
                raise Invalid(
                    f"this template is flat, so nothing is like it or unlike it{plain}", "template"
                )
            made = t / np.nansum(t * t) if self.scale == "energy" else np.array(t)
            made.flags.writeable = False
            self._made[grid.spacing] = made
        return self._made[grid.spacing]

    def kernel_on(self, grid: Grid, _time: float = 0.0) -> Array:
        """The template, with cells of nothing at the upper end of axes with an even number."""
        return as_odd(np.nan_to_num(self.weights(grid)))

    def collects_on(self, _grid: Grid, _time: float) -> bool:
        """Every cell looks at what lies around it."""
        return True

    def tells(self, _u: Array, segment: Any, _key: tuple[int, int]) -> dict[str, Array]:
        """The template, as it is in the cells of this grid."""
        return {"template": np.array(self.weights(segment.grid))}

    def finds(self, u: Array, grid: Grid) -> Iterator[str]:
        """Say where in a start the template is found, by normalised correlation."""
        picture = np.mean(u, axis=0) if u.ndim > len(grid.shape) else u
        try:
            _, found = searched(picture, self.weights(grid), grid)
        except ValueError:
            return  # a template without contrast has no normalised score
        where = [place_in_words(each.match.place, grid.spacing, grid.unit) for each in found]
        yield in_words(found, where)

    def notes(self, grid: Grid) -> Iterator[str]:
        """Say how large it is, what a perfect fit answers, and that once is enough."""
        t = self.weights(grid)
        size = " x ".join(map(str, t.shape))
        names = [name for name, n in zip(grid.names, t.shape, strict=True) if n % 2 == 0]
        yield f"compares every place with a template of {size} cells" + (
            f", whose middle is the upper of two cells along {' and '.join(names)}" if names else ""
        )
        yield from _beyond_itself(t.shape, grid)
        fit = "1" if self.scale == "energy" else f"{np.nansum(t * t):.6g}"
        more = "of twice the contrast" if self.correlation == "zero-mean" else "twice as bright"
        yield f"a perfect fit answers {fit}, one {more} answers twice as much"
        yield (
            "one application is the answer; a second would compare the answer with the template, "
            "which means nothing"
        )


def _beyond_itself(size: tuple[int, ...], grid: Grid) -> Iterator[str]:
    """Say along which axes a template is longer than the grid, and what that means."""
    for name, m, n, ring in zip(grid.names, size, grid.shape, grid.wrap, strict=True):
        if m > n:
            means = (
                "goes round the ring and meets cells twice" if ring else "fits in nowhere wholly"
            )
            yield f"along {name} it is longer than the grid, {m} cells on {n}, so it {means}"


def searched(u: Array, template: Array, grid: Grid) -> tuple[Array, list[Standing]]:
    """Return the normalised correlation at all places of a field, and the best of them.

    Beyond the rim lies what the sides of the grid say; an axis with two unlike ones ends in cells
    of the outside.

    Parameters
    ----------
    u : array
        The field.
    template : array
        In the cells of the grid; what is no number in it does not count.

    Raises
    ------
    ValueError
        When the template has no contrast.
    """
    sides, outside = beyond(grid)
    pad = [low if low == high else "zero" for low, high in sides]
    covered = np.isfinite(template)
    asked: Any = {"pad": pad, "mask": None if np.all(covered) else covered}
    picture, t = u - outside, np.where(covered, template, 0.0)
    score = correlate(picture, t, **asked)
    return score, standing(score, find(picture, t, count=PLACES, **asked))


def place_in_words(place: Sequence[float], spacing: Sequence[float], unit: str) -> str:
    """Return a place in cells as people write it, to a tenth of a cell: (171.4, 84.5) m.

    Parameters
    ----------
    place : sequence of float
        In cells: cell i has its middle at i.
    spacing : sequence of float
        How long a cell is along each axis, in the unit.
    """
    parts = [decimal((x + 0.5) * h, h) for x, h in zip(place, spacing, strict=True)]
    return f"({', '.join(parts)}) {unit}" if len(parts) > 1 else f"{parts[0]} {unit}"


def decimal(length: float, spacing: float) -> str:
    """Return a length to a tenth of a cell."""
    return f"{length:.{max(0, 1 - math.floor(math.log10(spacing) + 1e-9))}f}"
