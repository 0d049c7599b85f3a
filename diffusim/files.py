"""Files that a scenario names: arrays and images, read within limits."""

from __future__ import annotations

import hashlib
import importlib.util
import warnings
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import BeforeValidator, PlainSerializer, ValidationInfo, WithJsonSchema

from diffusim.block import Array

LARGEST_FILE = 2**31
LARGEST_IMAGE = 2**24
# A text of the largest kernel with all digits of its numbers.
LARGEST_TEXT = 2**25
TEXT = (".csv", ".txt")
PORTRAIT = "portrait"
# Kinds of pixels without colour that PNG and JPEG files hold, and those of them with 16 bits.
DEEP_MODES = {"I", "I;16", "I;16B"}
GREY_MODES = {"1", "L", "LA", "F"} | DEEP_MODES


def named_file(value: str | Path, folder: Path = Path()) -> Path:
    """Return the file that a name means, relative to a folder; ``portrait`` is one that is here.

    Raises
    ------
    ValueError
        When there is none, or it is larger than 2 GiB.
    """
    path = _portrait() if value == PORTRAIT else folder / Path(value).expanduser()
    if not path.is_file():
        raise ValueError(f"there is no file '{path}'")
    if path.stat().st_size > LARGEST_FILE:
        raise ValueError(f"'{path}' is larger than {LARGEST_FILE >> 30} GiB")
    return path


def _resolved(value: Any, info: ValidationInfo) -> Any:
    """Read a path relative to the scenario it is written in."""
    if isinstance(value, str | Path):
        return named_file(value, (info.context or {}).get("folder", Path()))
    return value


def sha256(path: Path) -> str:
    """Return the sha256 of a file's bytes, in hexadecimal digits.

    Raises
    ------
    OSError
        It cannot be read.
    """
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _fingerprint(path: Path) -> dict[str, str]:
    return {"name": path.name, "sha256": sha256(path)}


InputFile = Annotated[
    Path,
    BeforeValidator(_resolved),
    PlainSerializer(_fingerprint, when_used="json"),
    WithJsonSchema({"type": "string"}),
]


# An array given from Python, which a scenario is told by its content only.
Digested = Annotated[
    Array,
    PlainSerializer(lambda values: hashlib.sha256(values.tobytes()).hexdigest()),
    WithJsonSchema({"type": "array"}),
]


def _portrait() -> Path:
    """The public-domain portrait of Grace Hopper that ships inside matplotlib."""
    spec = importlib.util.find_spec("matplotlib")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "mpl-data" / "sample_data" / "grace_hopper.jpg"


def read_numbers(path: Path, ndim: int | None = None) -> Array:
    """Return the numbers of a ``.npy`` or a text file as an array u[x, y] or u[x].

    A text file holds them as they are seen on the page, the top row first; a single row is a line,
    and so is a single column where one axis is asked for.

    Parameters
    ----------
    path : Path
        The file; ``.csv`` and ``.txt`` are texts.
    ndim : int, optional
        On how many axes, as far as a text leaves that open.

    Raises
    ------
    ValueError
        When it is no such file, or holds something else than real numbers.
    """
    if path.suffix.lower() not in TEXT:
        return _binary(path)
    rows = _rows(path)
    if (len(rows) == 1 and ndim != 2) or (1 in rows.shape and ndim == 1):
        return rows.ravel()
    return rows[::-1].T


def _binary(path: Path) -> Array:
    """The array of a ``.npy`` file, of which nothing is in memory yet."""
    try:
        found = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        raise ValueError(f"'{path.name}' is not a .npy array of numbers") from None
    if not isinstance(found, np.ndarray) or found.dtype.kind not in "biuf":
        raise ValueError(f"'{path.name}' does not hold one array of real numbers")
    return found


def _rows(path: Path) -> Array:
    """Rows of numbers, parted by commas or blanks; what follows a ``#`` is left out."""
    if path.stat().st_size > LARGEST_TEXT:
        raise ValueError(f"'{path.name}' is larger than {LARGEST_TEXT >> 20} MiB")
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
        words = [line.partition("#")[0].replace(",", " ").split() for line in lines]
        rows = [[float(word) for word in row] for row in words if row]
    except ValueError as problem:
        raise ValueError(f"'{path.name}' cannot be read as numbers: {problem}") from None
    if len({len(row) for row in rows}) > 1:
        raise ValueError(f"the rows of '{path.name}' are not equally long")
    return np.array(rows, dtype=float, ndmin=2)


def read_array(
    path: Path, shape: tuple[int, ...], whose: str = "the grid has", *, channels: bool = False
) -> Array:
    """Read a real array of a given shape from a ``.npy`` or a text file, as float64.

    Parameters
    ----------
    path : Path
        The file.
    shape : tuple of int
        What its shape must be.
    whose : str
        What has that shape, in words.
    channels : bool
        Whether an axis of channels may stand before it.

    Raises
    ------
    ValueError
        When it is no such file, or its numbers are not real, finite and of that shape.
    """
    array = read_numbers(path, len(shape))
    if array.shape != shape and not (channels and array.shape[1:] == shape and len(array)):
        raise ValueError(f"'{path.name}' has shape {array.shape}, {whose} {shape}")
    values = np.array(array, dtype=float)
    if not np.all(np.isfinite(values)):
        raise ValueError(f"'{path.name}' holds NaN or infinite numbers")
    return values


def image_size(path: Path) -> tuple[int, int]:
    """Return how many pixels a PNG or JPEG has along x and y.

    Raises
    ------
    ValueError
        When it is no such image.
    """
    from PIL import Image

    try:
        with Image.open(path, formats=["PNG", "JPEG"]) as image:
            return image.size
    except (OSError, Image.DecompressionBombError) as problem:
        raise ValueError(f"'{path.name}' is not a PNG or JPEG image: {problem}") from None


def read_image(
    path: Path, shape: tuple[int, int], *, colours: bool = False, part: float = 1.0,
    place: tuple[float, float] = (0.5, 0.5),
) -> Array:  # fmt: skip
    """Read a PNG or JPEG as grey values from 0 to 1, one per cell, or as three such fields.

    The image is cropped to the grid's proportions and averaged over cells. The result is
    ``u[x, y]`` with y upwards, so that what was up in the image is up in a figure.

    Parameters
    ----------
    path : Path
        The file.
    shape : tuple of int
        Cells along x and y.
    colours : bool
        Whether red, green and blue are read, along a first axis, instead of grey; they are alike
        where the image has no colour. All are the stored values of 8 or 16 bits, divided by the
        largest that there can be.
    part : float
        Of the largest box of the grid's proportions in the image, how large a one is taken.
    place : tuple of float
        Where it is taken from, from 0 (left, bottom) to 1 (right, top).

    Raises
    ------
    ValueError
        When it is no such image, or has more than 2^24 pixels.
    """
    from PIL import Image

    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            with Image.open(path, formats=["PNG", "JPEG"]) as image:
                if image.width * image.height > LARGEST_IMAGE:
                    raise ValueError(
                        f"'{path.name}' has {image.width} x {image.height} pixels, "
                        f"more than {LARGEST_IMAGE}"
                    )
                # Float pixels: 8-bit averages would round the field to 256 steps.
                if colours and image.mode not in GREY_MODES:
                    bands = image.convert("RGB").split()
                elif image.mode in DEEP_MODES:
                    bands = (image.convert("F").point(lambda value: value * (1.0 / 257.0) + 0.0),)
                else:
                    bands = (image.convert("L"),)
                fields = [_by_cells(band.convert("F"), shape, part, place) for band in bands]
        except (OSError, Image.DecompressionBombError, Image.DecompressionBombWarning) as problem:
            raise ValueError(f"'{path.name}' is not a PNG or JPEG image: {problem}") from None
    return np.stack(fields * (3 // len(fields))) if colours else fields[0]


def _by_cells(band: Any, shape: tuple[int, int], part: float, place: tuple[float, float]) -> Array:
    """Means of an image's values over the cells of a grid, of a part of it at a place."""
    from PIL import Image

    width, height = band.size
    scale = part * min(width / shape[0], height / shape[1])
    left = (width - scale * shape[0]) * place[0]
    top = (height - scale * shape[1]) * (1.0 - place[1])
    frame = (left, top, left + scale * shape[0], top + scale * shape[1])
    small = band.resize(shape, Image.Resampling.BOX, box=frame)
    return np.ascontiguousarray(np.asarray(small, dtype=float).T[:, ::-1] / 255.0)
