"""Shards of a dataset: some trajectories in one HDF5 file, laid out for several loaders at once.

Real variables stand at the root with dimension scales, which is how xarray reads them; the groups
that The Well's loader wants hold soft links to them, and so have the names that PDEBench's loaders
want. A shard is built in memory, its bytes follow from its contents alone, and whoever asked for it
brings them to the disk by the rule of `diffusim.atomic`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import h5py
import numpy as np

from diffusim.atomic import StoreError
from diffusim.quantities import axis_unit
from diffusim.store.image import Image
from diffusim.store.layout import WELL_SIDES, Quantity, ShardHeader, Trajectory
from diffusim.store.result import CONVENTIONS

FORMAT = 1
_TEXT = h5py.string_dtype()
_GZIP = {"compression": "gzip", "compression_opts": 1, "shuffle": True}


class Shard:
    """A shard being built in an `Image`: trajectories are added one by one, then it is closed.

    Parameters
    ----------
    image : Image
        Where; whatever it held is gone.
    header : ShardHeader
        What all shards share.
    count : int
        How many trajectories will come.
    facts : mapping
        Texts and numbers for attributes of the file, such as the split.
    """

    def __init__(
        self, image: Image, header: ShardHeader, count: int, facts: Mapping[str, str | int]
    ) -> None:
        image.clear()
        self._image, self._header, self._count = image, header, count
        self._added: list[Trajectory] = []
        self._file = h5py.File(image, "w")
        self._write_root(facts)
        self._scales = self._write_scales()
        self._frames = self._create_frames(header.field)
        self._maps = {q.name: self._create_map(q, own) for q, own in header.maps.items()}

    def add(self, trajectory: Trajectory) -> None:
        """Write the frames of the next trajectory; its arrays may change afterwards.

        Raises
        ------
        StoreError
            A number of it does not fit into the type that datasets have.
        """
        row = len(self._added)
        frames = trajectory.frames.astype(self._header.real, copy=False)
        _write_frames(self._frames, row, frames, self._header.compress)
        for name, data in self._maps.items():
            if self._header.maps[self._map(name)]:
                data[row] = trajectory.maps[name]
            elif row == 0:
                data[...] = trajectory.maps[name]
        self._added.append(Trajectory(trajectory.index, trajectory.seed, trajectory.parameters,
                                      np.empty(0), {}, trajectory.checks))  # fmt: skip

    def close(self) -> memoryview:
        """Write all else and return the bytes of the file, valid until the image is used again."""
        if len(self._added) != self._count:
            raise ValueError(f"{self._count} trajectories were announced, {len(self._added)} came")
        self._write_samples()
        self._write_parameters()
        self._write_sides()
        self._write_groups()
        self._write_checks()
        self._write_provenance()
        self._write_pdebench()
        self._file.close()
        return self._image.content()

    def abandon(self) -> None:
        """Let go of the file without making it whole."""
        self._file.close()

    # --- pieces ---------------------------------------------------------------------------------

    def _map(self, name: str) -> Quantity:
        return next(quantity for quantity in self._header.maps if quantity.name == name)

    def _write_root(self, facts: Mapping[str, str | int]) -> None:
        header, root = self._header, self._file.attrs
        root["Conventions"] = CONVENTIONS
        root["title"] = header.title
        root["dataset_name"] = header.dataset
        root["grid_type"] = header.geometry
        root["n_spatial_dims"] = np.int64(len(header.axes))
        root["n_trajectories"] = np.int64(self._count)
        root["format"] = np.int64(FORMAT)
        _set_names(self._file, "simulation_parameters", [q.name for q in header.constants])
        for quantity, value in header.constants.items():
            root[quantity.name] = np.float64(value)
        for name, fact in facts.items():
            root[name] = fact if isinstance(fact, str) else np.int64(fact)

    def _write_scales(self) -> dict[str, h5py.Dataset]:
        header = self._header
        units = "s" if header.clock == "seconds" else "1"
        words = "time" if header.clock == "seconds" else header.clock
        scales = {"time": self._scale("time", header.times, units, words, in_time=True)}
        for axis, centre in zip(header.axes, header.centres, strict=True):
            scales[axis] = self._scale(axis, centre, axis_unit(axis), f"cell centres along {axis}")
        sample = self._file.create_dataset("sample", (self._count,), np.int32)
        sample.make_scale("sample")
        sample.attrs["long_name"] = "number of the trajectory in the dataset"
        return {**scales, "sample": sample}

    def _scale(
        self, name: str, values: np.ndarray, units: str, words: str, in_time: bool = False
    ) -> h5py.Dataset:
        data = self._file.create_dataset(name, data=values.astype(self._header.real))
        data.make_scale(name)
        data.attrs["units"] = units
        data.attrs["long_name"] = words
        _set_varying(data, sample=False, time=in_time)
        return data

    def _attached(self, data: h5py.Dataset, *names: str) -> h5py.Dataset:
        for dimension, name in zip(data.dims, names, strict=True):
            dimension.attach_scale(self._scales[name])
        return data

    def _create_frames(self, name: str) -> h5py.Dataset:
        header = self._header
        packing = _GZIP if header.compress else {}
        data = self._file.create_dataset(
            name, (self._count, header.times.size, *header.shape), header.real,
            chunks=(1, 1, *header.shape), fillvalue=np.nan, **packing,
        )  # fmt: skip
        self._attached(data, "sample", "time", *header.axes)
        data.attrs["units"] = header.unit
        data.attrs["long_name"] = name.replace("_", " ")
        data.attrs["dim_varying"] = np.ones(len(header.axes), bool)
        _set_varying(data, sample=True, time=True)
        return data

    def _create_map(self, quantity: Quantity, own: bool) -> h5py.Dataset:
        header = self._header
        shape = (self._count, *header.shape) if own else header.shape
        data = self._file.create_dataset(
            quantity.name, shape, header.real, fillvalue=np.nan,
            chunks=(1, *header.shape) if own else header.shape,
            **(_GZIP if header.compress else {}),
        )  # fmt: skip
        self._attached(data, *(["sample"] if own else []), *header.axes)
        _describe(data, quantity)
        data.attrs["dim_varying"] = np.ones(len(header.axes), bool)
        _set_varying(data, sample=own, time=False)
        return data

    def _write_samples(self) -> None:
        self._scales["sample"][...] = [each.index for each in self._added]

    def _write_parameters(self) -> None:
        header = self._header
        for quantity in header.parameters:
            exact = np.array([each.parameters[quantity.name] for each in self._added], np.float64)
            data = self._file.create_dataset(quantity.name, data=_fitting(exact, header, quantity))
            self._attached(data, "sample")
            _describe(data, quantity)
            _set_varying(data, sample=True, time=False)
        for quantity, value in header.constants.items():
            number = _fitting(np.array(value, np.float64), header, quantity)
            data = self._file.create_dataset(quantity.name, data=number)
            _describe(data, quantity)
            _set_varying(data, sample=False, time=False)

    def _write_sides(self) -> None:
        group = self._file.create_group("boundary_conditions")
        for axis, pair in zip(self._header.axes, self._header.sides, strict=True):
            kinds = [WELL_SIDES[side.kind] for side in pair]
            for kind in dict.fromkeys(kinds):
                one = group.create_group(f"{axis}_{kind.lower()}")
                one.attrs["bc_type"] = kind
                _set_names(one, "associated_dims", [axis])
                _set_names(one, "associated_fields", [])
                _set_varying(one, sample=False, time=False)
                mask = np.zeros(self._scales[axis].size, bool)
                # An axis of a single cell has both sides there.
                for place, side, own in zip((0, -1), pair, kinds, strict=True):
                    if own == kind:
                        mask[place] = True
                        one.attrs["low" if place == 0 else "high"] = side.words
                self._attached(one.create_dataset("mask", data=mask), axis)

    def _write_groups(self) -> None:
        header = self._header
        dimensions = self._file.create_group("dimensions")
        _set_names(dimensions, "spatial_dims", header.axes)
        _link(dimensions, ["time", *header.axes])
        fields = [header.field, *(quantity.name for quantity in header.maps)]
        scalars = [quantity.name for quantity in (*header.parameters, *header.constants)]
        for name, members in (("t0_fields", fields), ("t1_fields", []), ("t2_fields", []),
                              ("scalars", scalars)):  # fmt: skip
            group = self._file.create_group(name)
            _set_names(group, "field_names", members)
            _link(group, members)

    def _write_checks(self) -> None:
        group = self._file.create_group("checks")
        seeds = np.array([each.seed for each in self._added], np.uint64)
        self._attached(group.create_dataset("seed", data=seeds), "sample")
        for name in self._added[0].checks:
            values = np.array([each.checks[name] for each in self._added], np.float64)
            self._attached(group.create_dataset(name, data=values), "sample")

    def _write_provenance(self) -> None:
        header, group = self._header, self._file.create_group("provenance")
        for name, text in header.provenance.items():
            group.create_dataset(name, data=text, dtype=_TEXT)
        exact = group.create_group("exact")
        times = exact.create_dataset("exact_time", data=header.times.astype(np.float64))
        self._attached(times, "time")
        for quantity in header.parameters:
            values = [each.parameters[quantity.name] for each in self._added]
            data = exact.create_dataset(f"exact_{quantity.name}", data=np.array(values, np.float64))
            self._attached(data, "sample")

    def _write_pdebench(self) -> None:
        header, file = self._header, self._file
        if header.geometry != "cartesian":
            return
        file["tensor"] = h5py.SoftLink(f"/{header.field}")
        for name in ("time", *header.axes):
            short = "t" if name == "time" else name
            copy = file.create_dataset(f"{short}-coordinate", data=self._scales[name][...])
            self._attached(copy, name)
        if header.nu in self._maps and header.maps[self._map(header.nu)]:
            file["nu"] = h5py.SoftLink(f"/{header.nu}")
            return
        # The same number over and over: packed, it takes no room.
        nu = file.create_dataset("nu", (self._count, *header.shape), header.real,
                                 chunks=(1, *header.shape), **_GZIP)  # fmt: skip
        self._attached(nu, "sample", *header.axes)
        if header.nu is not None:
            value = file[header.nu][...]
            own = header.nu in [quantity.name for quantity in header.parameters]
            for row in range(self._count):  # h5py takes very long to broadcast by itself
                nu[row] = np.broadcast_to(value[row] if own else value, header.shape)
        nu.attrs["long_name"] = f"{header.nu}, as one loader wants it" if header.nu else "nothing"


def _write_frames(data: h5py.Dataset, row: int, frames: np.ndarray, compress: bool) -> None:
    if compress:
        data[row] = frames
        return
    # Past HDF5's own buffers, which cost more than writing the frame.
    for t, frame in enumerate(np.ascontiguousarray(frames)):
        data.id.write_direct_chunk((row, t, *[0] * frame.ndim), frame)


def _fitting(exact: np.ndarray, header: ShardHeader, quantity: Quantity) -> np.ndarray:
    with np.errstate(over="ignore", under="ignore"):
        found = exact.astype(header.real)
    if not np.array_equal(found == 0, exact == 0) or not np.all(np.isfinite(found)):
        raise StoreError(
            f"{quantity.name} has values that single precision cannot hold; store the dataset with "
            "precision: double."
        )
    return found


def _describe(data: h5py.Dataset, quantity: Quantity) -> None:
    data.attrs["units"] = quantity.unit
    data.attrs["long_name"] = quantity.long_name or quantity.name.replace("_", " ")
    if quantity.meanings:
        # The words of the CF conventions for numbers that stand for something.
        data.attrs["flag_values"] = np.arange(len(quantity.meanings), dtype=data.dtype)
        words = ["_".join(word.split()) for word in quantity.meanings]
        data.attrs["flag_meanings"] = " ".join(words)
        data.attrs["meanings"] = json.dumps(quantity.meanings)


def _set_varying(node: h5py.Group | h5py.Dataset, *, sample: bool, time: bool) -> None:
    node.attrs["sample_varying"] = np.bool_(sample)
    node.attrs["time_varying"] = np.bool_(time)


def _set_names(node: h5py.Group | h5py.Dataset, name: str, words: Sequence[str]) -> None:
    """Store a list of texts, also an empty one, which h5py would take for numbers."""
    node.attrs.create(name, np.array(list(words), dtype=object), dtype=_TEXT)


def _link(group: h5py.Group, names: Sequence[str]) -> None:
    for name in names:
        group[name] = h5py.SoftLink(f"/{name}")
