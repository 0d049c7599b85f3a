"""The published file: one header, and a group of frames for every method.

CF conventions, dimension scales at the root and attached to every array, so that xarray opens it
through h5netcdf and through netCDF4 without further help.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from diffusim.atomic import StoreError, discard, safe_name
from diffusim.quantities import axis_unit
from diffusim.store.hdf5 import LIBVER, OF_HDF5, RECORD, create, raw, set_attributes, to_json
from diffusim.store.journal import each_entry, segments

RESULT = "run.hdf5"
FORMAT = 1
CONVENTIONS = "CF-1.11"


@dataclass(frozen=True, eq=False)
class Header:
    """What a result says about itself, apart from its runs.

    `centres` (and `faces`, one longer) are one array per axis in m, or in s along t, `times` are in
    seconds or, where `extra` names that `clock`, in applications; `scenario` is the YAML text,
    `resolved` JSON text, `extra` anything that JSON can hold, such as the names of `channels`.
    `axes` names the axes and defaults to x, y, z. `record_times`, counted like `times`, are those
    of `probes`, whose `axes`, `units` and `long_name` are in `extra`.
    """

    title: str
    name: str
    unit: str
    shape: tuple[int, ...]
    centres: tuple[np.ndarray, ...]
    times: np.ndarray
    scenario: str
    resolved: str
    digest: str
    seed: int
    versions: Mapping[str, str]
    reference: str | None = None
    faces: tuple[np.ndarray, ...] | None = None
    axes: tuple[str, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)
    record_times: np.ndarray | None = None

    def __post_init__(self) -> None:
        put = object.__setattr__
        put(self, "shape", tuple(int(n) for n in self.shape))
        put(self, "axes", tuple(self.axes) or ("x", "y", "z")[: len(self.shape)])
        put(self, "times", np.array(self.times, np.float64))
        put(self, "centres", tuple(np.array(centre, np.float64) for centre in self.centres))
        if self.faces is not None:
            put(self, "faces", tuple(np.array(face, np.float64) for face in self.faces))
        if self.record_times is not None:
            put(self, "record_times", np.array(self.record_times, np.float64))
            if self.record_times.ndim != 1:
                raise ValueError("a header needs one time per record")
        if self.times.ndim != 1 or tuple(c.size for c in self.centres) != self.shape:
            raise ValueError("a header needs one time per frame and one centre per cell and axis")
        if len(self.axes) != len(self.shape):
            raise ValueError(f"{len(self.shape)} axes need as many names, not {self.axes}")
        if self.clock not in ("seconds", "applications"):
            raise ValueError(f"there is no clock {self.clock!r}")
        if not all(isinstance(name, str) for name in self.channels):
            raise ValueError("channels have names")

    @property
    def clock(self) -> str:
        """What times are counted in, ``seconds`` or ``applications``."""
        return str(self.extra.get("clock", "seconds"))

    @property
    def plain(self) -> dict[str, Any]:
        """The resolved scenario as plain values; empty where it is not JSON or no mapping."""
        try:
            found = json.loads(self.resolved)
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of the channels along the first axis of every array, none where it has none."""
        return tuple(self.extra.get("channels", ()))

    @property
    def probes(self) -> Mapping[str, Mapping[str, Any]]:
        """What was recorded, by name: the `axes` of each record, its `units` and `long_name`."""
        found: Mapping[str, Mapping[str, Any]] = self.extra.get("probes", {})
        return found


def write_result(job: Mapping[str, Any]) -> None:
    """Write the file that a job describes under its temporary name, down to the disk."""
    path, header = Path(job["path"]), Header(**job["header"])
    _stop_if_orphaned(job)
    try:
        with h5py.File(path, "x", libver=LIBVER) as file:
            scales = _write_header(file, header)
            for label, facts in job["runs"].items():
                if label in file:
                    raise StoreError(f"the label {label!r} is taken: choose another one")
                group = file.create_group(label)
                written = _stream(group, header, scales, job)
                set_attributes(group, {**facts, **written})
            file.attrs["sha256"] = attributes_digest(file)
            file.flush()
        descriptor = os.open(path, os.O_RDWR)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        _stop_if_orphaned(job)
    except BaseException:
        discard(path)
        raise


def _stop_if_orphaned(job: Mapping[str, Any]) -> None:
    """Stop if the run that wanted the file was killed: nobody would give it its name."""
    if os.getppid() != job["parent"]:
        raise StoreError("the run that asked for this file is gone")


def _write_header(file: h5py.File, header: Header) -> dict[str, h5py.Dataset]:
    entries = {
        "format": FORMAT,
        "Conventions": CONVENTIONS,
        "title": header.title,
        "field": header.name,
        "unit": header.unit,
        "scenario": header.scenario,
        "resolved": header.resolved,
        "digest": header.digest,
        "seed": header.seed,
        "axes": list(header.axes),
        "versions": dict(header.versions),
        "extra": dict(header.extra),
    }
    if header.reference is not None:
        entries["reference"] = header.reference
    set_attributes(file, entries)
    units, words = ("s", "time") if header.clock == "seconds" else ("1", header.clock)
    scales = {"time": _scale(file, "time", header.times, units, words)}
    if header.record_times is not None:
        when = header.record_times
        scales["record"] = _scale(file, "record", when, units, f"{words} of records")
    if header.channels:
        numbers = np.arange(1, len(header.channels) + 1)
        scales["channel"] = _scale(file, "channel", numbers, "1", "channel")
        # The words of the CF conventions for numbers that stand for something.
        meanings = ["_".join(name.split()) for name in header.channels]
        scales["channel"].attrs.update(
            {"flag_values": numbers, "flag_meanings": " ".join(meanings)}
        )
    for axis, centre in zip(header.axes, header.centres, strict=True):
        scales[axis] = _scale(file, axis, centre, axis_unit(axis), f"cell centres along {axis}")
    for axis, face in zip(header.axes, header.faces or (), strict=False):
        _scale(file, f"{axis}_faces", face, axis_unit(axis), f"cell faces along {axis}")
    return scales


def _scale(
    node: h5py.Group, name: str, values: np.ndarray, units: str, long_name: str
) -> h5py.Dataset:
    data = node.create_dataset(
        safe_name(name, "The axis"),
        data=values,
        chunks=values.shape if values.size else None,
        fletcher32=bool(values.size),
    )
    data.make_scale(name)
    data.attrs.update({"units": units, "long_name": long_name})
    data.attrs["sha256"] = hashlib.sha256(raw(values)).hexdigest()
    return data


def _stream(
    group: h5py.Group, header: Header, scales: Mapping[str, h5py.Dataset], job: Mapping[str, Any]
) -> dict[str, int]:
    """Copy one frame after the other from the segments; return how many and how many records."""
    sums: dict[str, Any] = {}
    records = _Records(group, header, scales, bool(job["compress"]))
    stop = 0
    for path in segments(Path(job["segments"]) / group.name[1:]):
        for index, arrays, beside in each_entry(path):
            _stop_if_orphaned(job)
            records.add(beside)
            if index != stop or index >= header.times.size:
                raise StoreError(
                    f"frame {index} of {group.name[1:]} follows {stop} frames, and the scenario "
                    f"has {header.times.size}"
                )
            if index and arrays.keys() != sums.keys():
                raise StoreError(f"frame {index} holds {set(arrays)}, frame 0 {set(sums)}")
            stop += 1
            for name, array in arrays.items():
                if index == 0:
                    _create_array(group, name, array, header, scales, bool(job["compress"]))
                    sums[name] = hashlib.sha256()
                data = group[name]
                if (data.dtype, data.shape[1:]) != (array.dtype, array.shape):
                    raise StoreError(f"frame {index} ({name}) is not like the ones before it")
                data[index, ...] = array
                sums[name].update(raw(array))
    for name, total in sums.items():
        group[name].attrs["sha256"] = total.hexdigest()
    return {"frames": stop, **records.closed()}


class _Records:
    """The records of a method on their way into its group, in arrays `record_NAME`."""

    def __init__(
        self,
        group: h5py.Group,
        header: Header,
        scales: Mapping[str, h5py.Dataset],
        compress: bool,
    ) -> None:
        self.group, self.header, self.scales, self.compress = group, header, scales, compress
        self.count = 0
        self.sums: dict[str, Any] = {}

    def add(self, records: Mapping[str, np.ndarray]) -> None:
        """Write what was recorded up to a frame."""
        more = max((len(array) for array in records.values()), default=0)
        times = self.header.record_times
        known = 0 if times is None else times.size
        if self.count + more > known:
            raise StoreError(
                f"{self.group.name[1:]} has {self.count + more} records for {known} record times"
            )
        for name, array in records.items():
            if name not in self.sums:
                self._create(name, array)
                self.sums[name] = hashlib.sha256()
            data = self.group[RECORD + name]
            if (data.dtype, data.shape[1:]) != (array.dtype, array.shape[1:]):
                raise StoreError(f"a record ({name}) is not like the ones before it")
            if len(array):
                data[self.count : self.count + len(array)] = array
                self.sums[name].update(raw(array))
        self.count += more

    def _create(self, name: str, sample: np.ndarray) -> None:
        header, stored = self.header, RECORD + name
        told = header.probes.get(name, {})
        shape = (len(header.record_times), *sample.shape[1:])  # type: ignore[arg-type]
        packing = _packing(self.compress)
        data = create(self.group, stored, shape, sample.dtype, True,
                      fillvalue=_fill(sample.dtype), **packing)  # fmt: skip
        axes = ["record", *["channel"] * bool(header.channels), *told.get("axes", ())]
        for place, size in enumerate(data.shape):
            scale = self.scales.get(axes[place]) if place < len(axes) else None
            if scale is None or scale.size != size:
                index = f"index of {stored}"
                scale = _scale(self.group, f"{stored}_{place}", np.arange(size), "1", index)
            data.dims[place].attach_scale(scale)
        data.attrs["long_name"] = str(told.get("long_name", name.replace("_", " ")))
        data.attrs["units"] = str(told.get("units", "1"))

    def closed(self) -> dict[str, int]:
        """Write the checksums; return how many records there are, where anything was recorded."""
        for name, total in self.sums.items():
            self.group[RECORD + name].attrs["sha256"] = total.hexdigest()
        return {"records": self.count} if self.header.record_times is not None else {}


def _packing(compress: bool) -> dict[str, Any]:
    return {"compression": "gzip", "compression_opts": 1, "shuffle": True} if compress else {}


def _create_array(
    group: h5py.Group,
    name: str,
    sample: np.ndarray,
    header: Header,
    scales: Mapping[str, h5py.Dataset],
    compress: bool,
) -> None:
    shape = (header.times.size, *sample.shape)
    options = {"fillvalue": _fill(sample.dtype), **_packing(compress)}
    data = create(group, name, shape, sample.dtype, **options)
    data.dims[0].attach_scale(scales["time"])
    inner, first = sample.shape, 1
    if header.channels:
        data.dims[1].attach_scale(scales["channel"])
        inner, first = inner[1:], 2
    own = len(inner) - len(header.shape)
    matches = own >= 0 and inner[own:] == header.shape
    for k, size in enumerate(inner):
        if matches and k >= own:
            scale = scales[header.axes[k - own]]
        else:
            scale = _scale(group, f"{name}_{k}", np.arange(size), "1", f"index of {name}")
        data.dims[k + first].attach_scale(scale)
    data.attrs["long_name"] = name.replace("_", " ")
    if name == header.name or sample.dtype.kind in "iu":
        data.attrs["units"] = header.unit if name == header.name else "1"


def _fill(dtype: np.dtype[Any]) -> np.ndarray | None:
    missing = {"f": np.nan, "c": complex(np.nan, np.nan), "i": -1}
    return np.array(missing[dtype.kind], dtype) if dtype.kind in missing else None


def attributes_digest(file: h5py.File) -> str:
    """Return the SHA-256 of all attributes: HDF5 itself does not checksum texts."""
    total = hashlib.sha256()

    def add(name: str, node: h5py.Group | h5py.Dataset) -> None:
        for key in sorted(set(node.attrs) - OF_HDF5):
            if (name, key) != ("", "sha256"):
                total.update(to_json([name, key, node.attrs[key]]).encode())
        if isinstance(node, h5py.Dataset):
            scales = [[scale.name for scale in dim.values()] for dim in node.dims]
            total.update(to_json([name, node.shape, node.dtype.str, scales]).encode())

    add("", file)
    for name in sorted(file):
        add(name, file[name])
        if isinstance(file[name], h5py.Group):
            for inner in sorted(file[name]):
                add(f"{name}/{inner}", file[name][inner])
    return total.hexdigest()
