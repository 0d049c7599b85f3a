"""The rules of a shard, one by one: what every loader needs, and what diffusim itself promises."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from diffusim.atomic import StoreError
from diffusim.store.hdf5 import LARGEST_FRAME, reading
from diffusim.store.layout import WELL_SIDES

_GROUPS = ("dimensions", "t0_fields", "t1_fields", "t2_fields", "scalars", "boundary_conditions")
_FLAGS = ("sample_varying", "time_varying")
_FILTERS = {h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE}


def problems(path: Path) -> list[str]:
    """Return, in sentences, which rules of the layout a shard breaks; none if it keeps all.

    Raises
    ------
    StoreError
        It cannot be read, or it holds what no shard has and a hostile file might.
    """
    with reading(path) as file:
        guard(file)
        return [*_of_root(file), *_of_groups(file)]


def guard(file: h5py.File) -> None:
    """Refuse links and data that lead out of the file or fill the memory.

    Raises
    ------
    StoreError
        Something but plain arrays, at most two levels of groups, and soft links to arrays at the
        root.
    """
    _guard_group(file, file, 3)


def _guard_group(file: h5py.File, group: h5py.Group, depth: int) -> None:
    for name in group:
        where = f"{file.filename} is refused: {name[:100]!r}"
        link = group.get(name, getlink=True)
        if isinstance(link, h5py.SoftLink):
            target = link.path.removeprefix("/")
            own = "/" not in target and target in file
            if not own or not isinstance(file.get(target, getlink=True), h5py.HardLink):
                raise StoreError(f"{where} is a link to somewhere else.")
        elif type(link) is not h5py.HardLink:
            raise StoreError(f"{where} is a link to somewhere else.")
        elif group.get(name, getclass=True) is h5py.Dataset:
            _guard_dataset(group[name], where)
        elif group.get(name, getclass=True) is not h5py.Group or depth <= 1:
            raise StoreError(f"{where} is neither an array nor a group where a shard has one.")
        else:
            _guard_group(file, group[name], depth - 1)


def _guard_dataset(data: h5py.Dataset, where: str) -> None:
    plan = data.id.get_create_plist()
    if plan.get_external_count() or data.is_virtual:
        raise StoreError(f"{where} takes its numbers from other files.")
    if any(plan.get_filter(k)[0] not in _FILTERS for k in range(plan.get_nfilters())):
        raise StoreError(f"{where} is packed by a filter other than gzip and shuffle.")
    text = h5py.check_string_dtype(data.dtype) is not None
    if data.dtype.kind not in "biuf" and not text:
        raise StoreError(f"{where} holds {data.dtype}, not numbers.")
    frame = int(np.prod(data.shape[2:], dtype=float)) * data.dtype.itemsize
    if max(frame, np.prod(data.chunks or (1,), dtype=float) * data.dtype.itemsize) > LARGEST_FRAME:
        raise StoreError(f"{where} declares frames above 2 GiB.")


def _of_root(file: h5py.File) -> Iterator[str]:
    wanted: dict[str, Any] = {
        "Conventions": str, "dataset_name": str, "grid_type": str, "n_spatial_dims": np.integer,
        "n_trajectories": np.integer,
    }  # fmt: skip
    for name, kind in wanted.items():
        if not isinstance(file.attrs.get(name), kind):
            yield f"the root attribute {name} is missing or of another type"
    listed = _names(file, "simulation_parameters")
    if listed is None:
        yield "simulation_parameters at the root is no list of texts of any length"
    for name in listed or ():
        if name not in file.attrs or f"scalars/{name}" not in file:
            yield f"the parameter {name} is not both a root attribute and a dataset in /scalars"
    if "sample" not in file or not file["sample"].is_scale:
        yield "/sample is no dimension scale"
    elif file["sample"].shape != (file.attrs.get("n_trajectories"),):
        yield "/sample does not have a number for each trajectory"


def _of_groups(file: h5py.File) -> Iterator[str]:
    if missing := [name for name in _GROUPS if not isinstance(file.get(name), h5py.Group)]:
        yield f"the groups {', '.join(missing)} are missing"
        return
    axes = _names(file["dimensions"], "spatial_dims")
    if axes is None or len(axes) != file.attrs.get("n_spatial_dims"):
        yield "spatial_dims of /dimensions does not name every axis"
        return
    for name in ("time", *axes):
        yield from _of_scale(file, name)
    if any(name not in file or not file[name].is_scale for name in ("time", *axes, "sample")):
        return
    names: set[str] = set()
    for group in ("t0_fields", "t1_fields", "t2_fields", "scalars"):
        members = _names(file[group], "field_names")
        if members is None:
            yield f"field_names of /{group} is no list of texts of any length"
            continue
        for member in members:
            yield from _of_member(file, f"{group}/{member}", axes if group[0] == "t" else None)
        if names & {*members}:
            yield f"/{group} has names that stand elsewhere too"
        names |= {*members}
    for side in file["boundary_conditions"]:
        yield from _of_side(file, f"boundary_conditions/{side}", axes)


def _of_scale(file: h5py.File, name: str) -> Iterator[str]:
    data = file.get(name)
    if not isinstance(data, h5py.Dataset) or not data.is_scale:
        yield f"/{name} is no dimension scale"
        return
    if not isinstance(file["dimensions"].get(name, getlink=True), h5py.SoftLink):
        yield f"/dimensions/{name} is no soft link to /{name}"
    if not isinstance(data.attrs.get("units"), str):
        yield f"/{name} has no units"
    if not all(isinstance(data.attrs.get(flag), np.bool_) for flag in _FLAGS):
        yield f"/{name} lacks the flags {' and '.join(_FLAGS)}"
    elif bool(data.attrs["time_varying"]) != (name == "time") or data.attrs["sample_varying"]:
        yield f"/{name} has a wrong flag"
    if data.ndim != 1 or not np.all(np.isfinite(data[...])) or not np.all(np.diff(data[...]) >= 0):
        yield f"/{name} does not grow along one dimension"


def _of_member(file: h5py.File, place: str, axes: list[str] | None) -> Iterator[str]:
    """Rules of a field (with axes) or of a number."""
    data = file.get(place)
    name = place.rpartition("/")[2]
    if not isinstance(data, h5py.Dataset):
        yield f"/{place} is missing"
        return
    if not isinstance(file.get(place, getlink=True), h5py.SoftLink):
        yield f"/{place} is no soft link to /{name}"
    if not all(isinstance(data.attrs.get(flag), np.bool_) for flag in _FLAGS):
        yield f"/{name} lacks the flags {' and '.join(_FLAGS)}"
        return
    if not isinstance(data.attrs.get("units"), str):
        yield f"/{name} has no units"
    sample, time = (bool(data.attrs[flag]) for flag in _FLAGS)
    if sample and name in file.attrs:
        yield f"/{name} differs between trajectories and is a root attribute as well"
    names = [*(["sample"] if sample else []), *(["time"] if time else []), *(axes or ())]
    if data.shape != tuple(file[each].size for each in names):
        yield f"/{name} has shape {data.shape}, which is not that of {', '.join(names) or 'one'}"
        return
    attached = [[scale.name for scale in dimension.values()] for dimension in data.dims]
    if attached != [[f"/{each}"] for each in names]:
        yield f"/{name} does not have one scale for each of {', '.join(names)}"
    if axes is not None:
        yield from _of_field(data, name, len(names) - len(axes), axes)


def _of_field(data: h5py.Dataset, name: str, before: int, axes: list[str]) -> Iterator[str]:
    varying = data.attrs.get("dim_varying")
    if not (
        isinstance(varying, np.ndarray) and varying.dtype == bool and len(varying) == len(axes)
    ):
        yield f"/{name} lacks a flag dim_varying for every axis"
    if data.dtype.kind != "f":
        yield f"/{name} holds {data.dtype}, not real numbers"
    elif not np.isnan(data.fillvalue):
        yield f"/{name} has the fill value {data.fillvalue}, which is not NaN"
    if data.chunks != (*[1] * before, *data.shape[before:]):
        yield f"/{name} does not have one chunk per frame"


def _of_side(file: h5py.File, place: str, axes: list[str]) -> Iterator[str]:
    side = file[place]
    if not isinstance(side, h5py.Group) or "mask" not in side:
        yield f"/{place} is no group with a mask"
        return
    if side.attrs.get("bc_type") not in {*WELL_SIDES.values()}:
        yield f"/{place} has a bc_type other than WALL, OPEN and PERIODIC"
    if not all(isinstance(side.attrs.get(flag), np.bool_) for flag in _FLAGS):
        yield f"/{place} lacks the flags {' and '.join(_FLAGS)}"
    if _names(side, "associated_fields") is None:
        yield f"associated_fields of /{place} is no list of texts of any length"
    own = _names(side, "associated_dims") or []
    if len(own) != 1 or own[0] not in axes:
        yield f"/{place} does not belong to one axis"
    elif side["mask"].dtype != bool or side["mask"].shape != file[own[0]].shape:
        yield f"the mask of /{place} is not true or false for each cell along {own[0]}"


def _names(node: h5py.Group, name: str) -> list[str] | None:
    """Return a list of texts, or None where it is none of variable length."""
    if name not in node.attrs:
        return None
    kind = h5py.check_string_dtype(node.attrs.get_id(name).dtype)
    value = node.attrs[name]
    if kind is None or kind.length is not None or not isinstance(value, np.ndarray):
        return None
    return [str(word) for word in value]
