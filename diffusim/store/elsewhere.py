"""Files of the same layout that other programs wrote, which tell less about themselves.

What has to be there: frame times `time` and cell centres `x` (and `y`), or `r` (and `z`), at the
root, and a group for each run with its field, an array (time, x, y).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py

from diffusim.atomic import StoreError

AXES = (("x", "y"), ("x",), ("r", "z"), ("r",))


def looks_like_one(file: h5py.File) -> bool:
    """Return whether a file has times, axes and a group, though no format number.

    One that carries our own checksum has lost it.
    """
    if "sha256" in file.attrs:
        return False
    return _is_array(file, "time") and _axes(file) is not None and bool(_groups(file))


def completed(entries: Mapping[str, Any], file: h5py.File) -> dict[str, Any]:
    """Return the attributes of a file with what they leave out.

    Raises
    ------
    StoreError
        When no array can be the field.
    """
    axes = tuple(entries.get("axes") or _axes(file) or ())
    extra = dict(entries.get("extra") or {})
    if _is_array(file, "channel"):
        extra.setdefault("channels", [str(k + 1) for k in range(file["channel"].size)])
    if file["time"].attrs.get("units") == "1":
        extra.setdefault("clock", "applications")
    told = {key: value for key, value in entries.items() if value is not None}
    plain = {"title": Path(file.filename).stem, "unit": "", "scenario": "", "resolved": "{}",
             "digest": "", "seed": 0, "versions": {}}  # fmt: skip
    name = told.get("field") or _field(file, axes, len(extra.get("channels", ())))
    return {**plain, **told, "axes": axes, "extra": extra, "field": name}


def as_text(entries: Mapping[str, Any], name: str) -> str:
    """Return an attribute that is text; anything else is a `TypeError`."""
    value = entries[name]
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if not isinstance(value, str):
        raise TypeError(f"{name} is no text")
    return value


def _field(file: h5py.File, axes: tuple[str, ...], channels: int) -> str:
    """The name of the first array that has the shape of a field."""
    shape = tuple(file[axis].size for axis in axes)
    wanted = (file["time"].size, *((channels,) if channels else ()), *shape)
    for group in _groups(file):
        for name, data in group.items():
            if isinstance(data, h5py.Dataset) and data.shape == wanted and data.dtype.kind == "f":
                return str(name)
    raise StoreError(
        f"{file.filename} holds no field: a group needs an array of the shape {wanted}, which is "
        f"(time, {', '.join(axes)})."
    )


def _axes(file: h5py.File) -> tuple[str, ...] | None:
    found = (axes for axes in AXES if all(_is_array(file, axis) for axis in axes))
    return next(found, None)


def _groups(file: h5py.File) -> list[h5py.Group]:
    return [file[name] for name in file if file.get(name, getclass=True) is h5py.Group]


def _is_array(file: h5py.File, name: str) -> bool:
    return file.get(name, getclass=True) is h5py.Dataset
