"""What every HDF5 file of the store shares: images, datasets, attributes, and guarded reading."""

from __future__ import annotations

import contextlib
import json
import math
import os
import secrets
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from diffusim.atomic import StoreError

LIBVER = "v110"  # checksummed metadata: of 600 flipped bits none went unnoticed
LARGEST_FRAME = 2 * 2**30
RECORD = "record_"  # what precedes the name of a probe in the group of a method
BUNCH = 2**16  # bytes of records that are read and checked together
PLAIN = "biufc"
JSON_ATTRIBUTES = "json_attributes"
OF_HDF5 = {"CLASS", "NAME", "DIMENSION_LIST", "REFERENCE_LIST", "_Netcdf4Dimid"}
_DEFLATE_AT_BEST = 1100  # 1032 is what deflate can reach
_FILTERS = {h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_FLETCHER32}
_DAMAGE = (
    OSError,
    RuntimeError,
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
    ArithmeticError,
    MemoryError,
)


def to_json(value: object) -> str:
    """Return `value` as JSON text; arrays and numpy numbers become plain ones."""
    return json.dumps(value, default=_plain)


def _plain(thing: Any) -> Any:
    if isinstance(thing, Mapping):
        return dict(thing)
    if isinstance(thing, np.ndarray | np.generic):
        return thing.tolist()
    if isinstance(thing, os.PathLike):
        return os.fspath(thing)
    raise TypeError(f"{type(thing).__name__} has no place in JSON")


def raw(array: np.ndarray) -> memoryview:
    """Return the bytes of an array in C order."""
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data


def crc32(array: np.ndarray) -> int:
    """Return the CRC-32 of the bytes of an array."""
    return zlib.crc32(raw(array))


def create(
    node: h5py.Group,
    name: str,
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    bunched: bool = False,
    **options: Any,
) -> h5py.Dataset:
    """Create a checksummed dataset with a chunk per frame (of single numbers: one for all).

    Records are `bunched`: as many to a chunk as go into 64 KiB.
    """
    if 0 not in shape:
        chunks = (1, *shape[1:]) if shape[1:] else shape
        if bunched:
            chunks = (min(shape[0], rows_of(shape, dtype)), *shape[1:])
        options = {"chunks": chunks, "fletcher32": True, **options}
    return node.create_dataset(name, shape, dtype, **options)


def rows_of(shape: tuple[int, ...], dtype: np.dtype[Any]) -> int:
    """Return how many records of arrays of this shape, (records, ...), go into a bunch."""
    return max(1, BUNCH // max(1, math.prod(shape[1:]) * dtype.itemsize))


def image(marks: Mapping[str, Any], fill: Callable[[h5py.File], None]) -> bytes:
    """Return a complete HDF5 file, built in memory by `fill`, with `marks` as attributes."""
    name = f"image-{secrets.token_hex(8)}"
    options = {"driver": "core", "backing_store": False, "block_size": 2**22}
    with h5py.File(name, "w", libver=LIBVER, **options) as file:
        fill(file)
        file.attrs.update(marks)
        file.attrs["complete"] = 1
        file.flush()
        return bytes(file.id.get_file_image())


def set_attributes(node: h5py.Group | h5py.Dataset, values: Mapping[str, Any]) -> None:
    """Store numbers and strings as they are and all else as JSON text, listed in an attribute.

    Booleans go as JSON too: xarray cannot save a file again that has boolean attributes.
    """
    as_json = []
    for name, value in values.items():
        plain = value.item() if isinstance(value, np.generic) else value
        if isinstance(plain, float):
            node.attrs[name] = np.float64(plain)
        elif type(plain) is int and -(2**63) <= plain < 2**63:
            node.attrs[name] = np.int64(plain)
        elif isinstance(plain, str) and "\0" not in plain:
            node.attrs[name] = plain
        else:
            node.attrs[name] = to_json(plain)
            as_json.append(name)
    if as_json:
        node.attrs[JSON_ATTRIBUTES] = to_json(as_json)


def get_attributes(node: h5py.Group | h5py.Dataset) -> dict[str, Any]:
    """Return what `set_attributes` stored."""
    as_json = json.loads(text(node, JSON_ATTRIBUTES)) if JSON_ATTRIBUTES in node.attrs else []
    values: dict[str, Any] = {}
    for name in node.attrs:
        if name in OF_HDF5 or name == JSON_ATTRIBUTES:
            continue
        value = node.attrs[name]
        value = json.loads(value) if name in as_json else value
        values[name] = value.item() if isinstance(value, np.generic) else value
    return values


def text(node: h5py.Group | h5py.Dataset, name: str) -> str:
    """Return a text attribute; anything else is a `TypeError`."""
    value = node.attrs[name]
    if not isinstance(value, str):
        raise TypeError(f"{name} is no text")
    return value


def number(node: h5py.Group | h5py.Dataset, name: str) -> int:
    """Return an attribute that counts something; anything else is a `TypeError`."""
    value = node.attrs[name]
    if not isinstance(value, np.integer | int) or value < 0:
        raise TypeError(f"{name} is no count")
    return int(value)


@contextlib.contextmanager
def damage_in_words(path: Path, what: str = "") -> Iterator[None]:
    """Turn whatever HDF5 and h5py raise on damaged files into one sentence."""
    try:
        yield
    except StoreError:
        raise
    except FileNotFoundError as error:
        raise StoreError(f"There is no file {path}.") from error
    except PermissionError as error:
        raise StoreError(f"{path} may not be read; change its permissions.") from error
    except _DAMAGE as error:
        reason = " ".join(str(error).split())[:200]
        raise StoreError(
            f"{what}{path} cannot be read: it is damaged, cut short or no file of diffusim "
            f"({reason})."
        ) from error


@contextlib.contextmanager
def reading(path: Path) -> Iterator[h5py.File]:
    """Open a file for reading; all that goes wrong inside is a `StoreError`."""
    with damage_in_words(path):
        if path.is_dir():
            raise StoreError(f"{path} is a folder, not a file.")
        with open_file(path) as file:
            yield file


def open_file(path: Path) -> h5py.File:
    """Open a file for reading, also where the file system knows no locks."""
    return h5py.File(path, "r", locking="best-effort")


def inspect(file: h5py.File, depth: int = 2) -> None:
    """Refuse what a result never holds and a hostile file might.

    External and virtual data can return the bytes of other files of the reader (the class of
    CVE-2026-1669), soft and external links lead anywhere, declared sizes fill the memory.

    Raises
    ------
    StoreError
        Something but plain checksummed arrays, hard links and at most one level of groups.
    """
    _inspect_group(file, file.filename, depth)


def _inspect_group(group: h5py.Group, path: str, depth: int) -> None:
    for name in group:
        where = f"{path} is refused: {name[:100]!r}"
        if type(group.get(name, getlink=True)) is not h5py.HardLink:
            raise StoreError(f"{where} is a link to somewhere else.")
        kind = group.get(name, getclass=True)
        if kind is h5py.Dataset:
            _inspect_dataset(group[name], where)
        elif kind is not h5py.Group:
            raise StoreError(f"{where} is neither an array nor a group.")
        elif depth <= 1:
            raise StoreError(f"{where} is a group deeper than a result has them.")
        else:
            _inspect_group(group[name], path, depth - 1)


def _inspect_dataset(data: h5py.Dataset, where: str) -> None:
    plan = data.id.get_create_plist()
    if plan.get_external_count() or data.is_virtual:
        raise StoreError(f"{where} takes its numbers from other files.")
    if any(plan.get_filter(k)[0] not in _FILTERS for k in range(plan.get_nfilters())):
        raise StoreError(f"{where} is packed by a filter other than gzip, shuffle and fletcher32.")
    if data.dtype.kind not in PLAIN or data.dtype.subdtype is not None or not data.shape:
        raise StoreError(f"{where} holds {data.dtype}, not numbers.")
    item = data.dtype.itemsize
    largest = max(math.prod(data.shape[1:]), math.prod(data.chunks or (1,))) * item
    if largest > LARGEST_FRAME:
        raise StoreError(f"{where} declares {largest / 1e9:.1f} GB per frame, above 2 GiB.")
    frames = data.shape[0]
    with contextlib.suppress(KeyError):
        of_records = data.name.rpartition("/")[2].startswith(RECORD) and "records" in (
            data.parent.attrs
        )
        frames = min(frames, number(data.parent, "records" if of_records else "frames"))
    declared = frames * math.prod(data.shape[1:]) * item
    stored = data.id.get_storage_size()
    if declared > _DEFLATE_AT_BEST * stored + 2**20:
        raise StoreError(f"{where} declares {declared / 1e9:.3g} GB but stores {stored} bytes.")
