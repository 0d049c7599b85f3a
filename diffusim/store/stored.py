"""The reading side: a result as plain arrays, read when they are asked for."""

from __future__ import annotations

import hashlib
import json
import operator
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from types import TracebackType
from typing import Any, Self, overload

import h5py
import numpy as np

from diffusim import atomic
from diffusim.atomic import StoreError
from diffusim.store.hdf5 import (
    damage_in_words,
    get_attributes,
    inspect,
    number,
    open_file,
    raw,
    reading,
    text,
    to_json,
)
from diffusim.store.result import FORMAT, RESULT, Header, attributes_digest

_OF_RUN = {"frames"}


class Frames:
    """The frames of one array, each read from the file when it is asked for.

    `frames[i]` is one frame, `frames[a:b]` and `numpy.asarray(frames)` are stacks of them.
    """

    def __init__(self, data: h5py.Dataset, count: int, path: Path) -> None:
        self._data, self._count, self._path = data, count, path
        self.shape: tuple[int, ...] = (count, *data.shape[1:])
        self.dtype: np.dtype[Any] = data.dtype

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> np.ndarray: ...
    @overload
    def __getitem__(self, index: slice) -> np.ndarray: ...
    def __getitem__(self, index: int | slice) -> np.ndarray:
        """Read one frame or a stack of frames.

        Raises
        ------
        IndexError
            There is no such frame.
        StoreError
            The file is closed or damaged there.
        """
        if isinstance(index, slice):
            chosen = range(self._count)[index]
            stack = np.empty((len(chosen), *self.shape[1:]), self.dtype)
            for place, i in enumerate(chosen):
                stack[place] = self[i]
            return stack
        i = operator.index(index)
        if not -self._count <= i < self._count:
            raise IndexError(f"there is no frame {i}: the run has {self._count}")
        i %= self._count
        if not self._data:
            raise StoreError(f"{self._path} is closed: read its frames inside `with load(...)`.")
        with damage_in_words(self._path, f"Frame {i} of {self._data.name[1:]} in "):
            return np.asarray(self._data[i, ...])

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self[i] for i in range(self._count))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self[:], dtype=dtype)


@dataclass(frozen=True, eq=False)
class StoredRun:
    """What one method left: its frames, times, and facts (kind, limit, options, seconds ...)."""

    label: str
    name: str
    times: np.ndarray
    facts: Mapping[str, Any]
    arrays: Mapping[str, Frames]

    @property
    def frames(self) -> Frames:
        """The frames of the field."""
        return self._frames_of(self.name)

    @property
    def counts(self) -> Frames | None:
        """Integer counts behind the field, or None for a method that does not count."""
        return self.arrays.get("counts")

    @property
    def accounts(self) -> Frames | None:
        """What has come in by each account of an open medium since time zero, or None."""
        return self.arrays.get("accounts")

    def array(self, name: str) -> np.ndarray:
        """Read all frames of one array, stacked.

        Raises
        ------
        StoreError
            The run holds no such array, or the file is damaged.
        """
        return self._frames_of(name)[:]

    def _frames_of(self, name: str) -> Frames:
        if name not in self.arrays:
            known = ", ".join(self.arrays) or "none"
            raise StoreError(f"The run {self.label!r} holds no {name!r} (its arrays: {known}).")
        return self.arrays[name]


@dataclass(frozen=True, eq=False, kw_only=True)
class Stored(Header):
    """A result: its header, and `runs` by label; a context manager that closes the file."""

    path: Path
    runs: Mapping[str, StoredRun]
    file: h5py.File = field(repr=False)

    def close(self) -> None:
        """Close the file; frames that were not read by then cannot be read any more."""
        self.file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def load(path: Path) -> Stored:
    """Open a result; frames are read when asked for.

    Returns
    -------
    Stored
        Header fields, and `runs[label].frames[i]`. Close it, or use it in a `with` statement.

    Raises
    ------
    StoreError
        There is no such file, it is damaged or of another format, or it holds what no result
        holds (links, data in other files, objects, unknown filters, absurd sizes).
    """
    path = Path(path)
    with damage_in_words(path):
        if path.is_dir():
            raise StoreError(f"{path} is a folder; the result in it is {path / RESULT}.")
        file = open_file(path)
    try:
        with damage_in_words(path):
            return _stored(file, path)
    except BaseException:
        file.close()
        raise


def _stored(file: h5py.File, path: Path) -> Stored:
    if "format" not in file.attrs:
        raise StoreError(f"{path} is not a result of diffusim: it has no format number.")
    if number(file, "format") != FORMAT:
        raise StoreError(
            f"{path} is of format {number(file, 'format')}; this version of diffusim reads "
            f"format {FORMAT}: install a newer one."
        )
    inspect(file)
    header = _header(file)
    groups = [file[label] for label in file if isinstance(file[label], h5py.Group)]
    runs = {group.name[1:]: _run(group, header, path) for group in groups}
    values = {entry.name: getattr(header, entry.name) for entry in fields(header)}
    return Stored(**values, path=path, runs=runs, file=file)


def _header(file: h5py.File) -> Header:
    entries = get_attributes(file)
    axes = tuple(entries["axes"])
    centres = tuple(file[axis][...] for axis in axes)
    faces = tuple(file[f"{axis}_faces"][...] for axis in axes if f"{axis}_faces" in file)
    return Header(
        title=text(file, "title"),
        name=text(file, "field"),
        unit=text(file, "unit"),
        shape=tuple(centre.size for centre in centres),
        centres=centres,
        times=file["time"][...],
        scenario=text(file, "scenario"),
        resolved=text(file, "resolved"),
        digest=text(file, "digest"),
        seed=int(entries["seed"]),
        versions=dict(entries["versions"]),
        reference=entries.get("reference"),
        faces=faces or None,
        axes=axes,
        extra=dict(entries["extra"]),
    )


def _run(group: h5py.Group, header: Header, path: Path) -> StoredRun:
    count = number(group, "frames")
    label = group.name[1:]
    arrays: dict[str, Frames] = {}
    for name in sorted(group, key=lambda name: name != header.name):
        data = group[name]
        if data.is_scale:
            continue
        if data.shape[0] != header.times.size or count > header.times.size:
            raise StoreError(
                f"{path} is refused: {label}/{name} has {data.shape[0]} frames ({count} written) "
                f"for {header.times.size} times."
            )
        arrays[name] = Frames(data, count, path)
    wanted = (*((len(header.channels),) if header.channels else ()), *header.shape)
    if header.name in arrays and arrays[header.name].shape[1:][-len(wanted) :] != wanted:
        raise StoreError(f"{path} is refused: {label}/{header.name} does not fit its own axes.")
    facts = {k: v for k, v in get_attributes(group).items() if k not in _OF_RUN}
    if facts.get("channels", 0) != len(header.channels):
        raise StoreError(f"{path} is refused: {label} has other channels than it says itself.")
    return StoredRun(label, header.name, header.times[:count], facts, arrays)


def digest_of(path: Path) -> str:
    """Return the digest of the scenario that a result was computed from.

    Raises
    ------
    StoreError
        There is no such file, or it is no result.
    """
    with reading(Path(path)) as file:
        return text(file, "digest")


def verify(path: Path) -> list[str]:
    """Recompute every checksum of a result, in a child process that HDF5 may crash.

    Returns
    -------
    list of str
        A sentence for each thing that is wrong; empty if the file is as it was written.
    """
    job = to_json({"task": "verify", "path": Path(path).absolute()})
    printed, failure = atomic.in_child("diffusim.store", job)
    if failure:
        return [f"{path} cannot be read ({failure})."]
    return [str(line) for line in json.loads(printed)]


def problems(path: Path) -> list[str]:
    """Do the work of `verify` in this process."""
    found: list[str] = []
    try:
        with damage_in_words(path), load(path) as stored:
            if attributes_digest(stored.file) != text(stored.file, "sha256"):
                found.append(f"The attributes or the shapes in {path} are not what was written.")
            for name, node in stored.file.items():
                if isinstance(node, h5py.Dataset):
                    found += _damage_of(node, [node], path)
                    continue
                for data in node.values():
                    frames = stored.runs[name].arrays.get(data.name.rpartition("/")[2], [data])
                    found += _damage_of(data, frames, path)
    except StoreError as error:
        found.append(str(error))
    return found


def _damage_of(
    data: h5py.Dataset, parts: Iterable[np.ndarray | h5py.Dataset], path: Path
) -> list[str]:
    total = hashlib.sha256()
    try:
        with damage_in_words(path, f"{data.name[1:]} in "):
            for part in parts:
                total.update(raw(part[...]))
            if total.hexdigest() != text(data, "sha256"):
                return [f"{data.name[1:]} in {path} is not what was written."]
    except StoreError as error:
        return [str(error)]
    return []
