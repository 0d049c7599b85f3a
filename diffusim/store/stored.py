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
from diffusim.store import elsewhere
from diffusim.store.hdf5 import (
    RECORD,
    damage_in_words,
    get_attributes,
    inspect,
    number,
    open_file,
    raw,
    reading,
    rows_of,
    text,
    to_json,
)
from diffusim.store.result import FORMAT, RESULT, Header, attributes_digest

TEXTS = ("title", "unit", "scenario", "resolved", "digest")
_OF_RUN = {"frames", "records"}


class Frames:
    """The frames of one array, each read from the file when it is asked for.

    `frames[i]` is one frame, `frames[a:b]` and `numpy.asarray(frames)` are stacks of them. Records
    are such frames too, read in bunches.
    """

    def __init__(self, data: h5py.Dataset, count: int, path: Path, noun: str = "frame") -> None:
        self._data, self._count, self._path, self._noun = data, count, path, noun
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
            rows = rows_of(self.shape, self.dtype) if self._noun == "record" else 1
            rows = rows if chosen.step == 1 else 1
            for place in range(0, len(chosen), rows):
                part = chosen[place : place + rows]
                stack[place : place + len(part)] = self._read(part)
            return stack
        i = operator.index(index)
        if not -self._count <= i < self._count:
            raise IndexError(f"there is no {self._noun} {i}: the run has {self._count}")
        i %= self._count
        return np.asarray(self._read(range(i, i + 1))[0, ...])

    def _read(self, part: range) -> np.ndarray:
        if not self._data:
            raise StoreError(
                f"{self._path} is closed: read its {self._noun}s inside `with load(...)`."
            )
        where = f"{self._noun.capitalize()} {part.start} of {self._data.name[1:]} in "
        with damage_in_words(self._path, where):
            return np.asarray(self._data[part.start : part.start + len(part), ...])

    def bunches(self) -> Iterator[np.ndarray]:
        """Yield all of it in order, frame by frame, or of records a bunch at a time."""
        rows = rows_of(self.shape, self.dtype) if self._noun == "record" else 1
        return (self[first : first + rows] for first in range(0, self._count, rows))

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self[i] for i in range(self._count))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self[:], dtype=dtype)


@dataclass(frozen=True, eq=False)
class StoredRun:
    """What one method left: its frames, times, and facts (kind, limit, options, seconds ...).

    `records` holds by the name of each probe what was recorded, at the times of the result's own
    `record_times`.
    """

    label: str
    name: str
    times: np.ndarray
    facts: Mapping[str, Any]
    arrays: Mapping[str, Frames]
    records: Mapping[str, Frames] = field(default_factory=dict)

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

    def _repr_html_(self) -> str:
        """Return how a notebook shows it."""
        # Late, since the store alone, as child processes have it, comes without models of keys.
        from diffusim.display import result_as_html

        what = f"{self.name} ({self.unit})" if self.unit.strip() not in ("", "1") else self.name
        return result_as_html(self.title, list(self.runs.values()), self.clock, what)

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


def folder_in_words(path: Path) -> str:
    """Return that a path is a folder, and which result is in it."""
    found = (path / RESULT).is_file()
    inside = f"the result in it is {path / RESULT}" if found else f"there is no {RESULT} in it"
    return f"{path} is a folder; {inside}."


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
            raise StoreError(folder_in_words(path))
        file = open_file(path)
    try:
        with damage_in_words(path):
            return _stored(file, path)
    except BaseException:
        file.close()
        raise


def _stored(file: h5py.File, path: Path) -> Stored:
    if "format" not in file.attrs:
        inspect(file)
        if not elsewhere.looks_like_one(file):
            raise StoreError(f"{path} is not a result of diffusim: it has no format number.")
    elif number(file, "format") != FORMAT:
        raise StoreError(
            f"{path} is of format {number(file, 'format')}; this version of diffusim reads "
            f"format {FORMAT}: install a newer one."
        )
    inspect(file)
    header = _header(file, path)
    groups = [file[label] for label in file if isinstance(file[label], h5py.Group)]
    runs = {group.name[1:]: _run(group, header, path) for group in groups}
    values = {entry.name: getattr(header, entry.name) for entry in fields(header)}
    return Stored(**values, path=path, runs=runs, file=file)


def _header(file: h5py.File, path: Path) -> Header:
    entries = get_attributes(file)
    if "format" not in entries:
        entries = elsewhere.completed(entries, file)
    axes = tuple(entries["axes"])
    centres = tuple(file[axis][...] for axis in axes)
    faces = tuple(file[f"{axis}_faces"][...] for axis in axes if f"{axis}_faces" in file)
    texts = {name: elsewhere.as_text(entries, name) for name in TEXTS}
    times = file["time"][...]
    if not np.all(np.isfinite(times)):
        raise StoreError(f"{path} is refused: one of its frame times is no number.")
    return Header(
        name=elsewhere.as_text(entries, "field"),
        shape=tuple(centre.size for centre in centres),
        centres=centres,
        times=times,
        seed=int(entries["seed"]),
        versions=dict(entries["versions"]),
        reference=entries.get("reference"),
        faces=faces or None,
        axes=axes,
        extra=dict(entries["extra"]),
        **texts,
        record_times=file["record"][...] if isinstance(file.get("record"), h5py.Dataset) else None,
    )


def _run(group: h5py.Group, header: Header, path: Path) -> StoredRun:
    # A file from elsewhere has a frame for each time.
    count = number(group, "frames") if "frames" in group.attrs else header.times.size
    label = group.name[1:]
    arrays: dict[str, Frames] = {}
    records = _records(group, header, path)
    for name in sorted(group, key=lambda name: name != header.name):
        data = group[name]
        of_probe = name.startswith(RECORD) and name.removeprefix(RECORD) in records
        if data.is_scale or of_probe:
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
    if "format" not in group.file.attrs and header.channels:
        facts.setdefault("channels", len(header.channels))
    if facts.get("channels", 0) != len(header.channels):
        raise StoreError(f"{path} is refused: {label} has other channels than it says itself.")
    return StoredRun(label, header.name, header.times[:count], facts, arrays, records)


def _records(group: h5py.Group, header: Header, path: Path) -> dict[str, Frames]:
    if header.record_times is None:
        return {}
    count, known = number(group, "records"), header.record_times.size
    found: dict[str, Frames] = {}
    for name in header.probes:
        data = group.get(RECORD + name)
        if data is None:  # of a method that did not come so far
            continue
        if data.shape[0] != known or count > known:
            raise StoreError(
                f"{path} is refused: {group.name[1:]}/{RECORD}{name} has {data.shape[0]} records "
                f"({count} written) for {known} times."
            )
        found[name] = Frames(data, count, path, "record")
    return found


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
                run = stored.runs[name]
                whole = {**run.arrays, **{RECORD + k: record for k, record in run.records.items()}}
                for data in node.values():
                    frames = whole.get(data.name.rpartition("/")[2])
                    parts = [data] if frames is None else frames.bunches()
                    found += _damage_of(data, parts, path)
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
