"""The frames of one method on their way to disk: segments of frames, and states to go on from.

A folder `segments/LABEL` holds `000000.hdf5`, `000040.hdf5`, ... (named by their first frame) and
`checkpoint-000080.hdf5` (named by the number of frames before it). Nothing else is needed to go on.
A frame brings the records taken since the one before, so the two are never out of step.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np

from diffusim import atomic
from diffusim.atomic import StoreError, safe_name, write_bytes
from diffusim.store.hdf5 import (
    PLAIN,
    crc32,
    create,
    image,
    number,
    reading,
    text,
    to_json,
)

SEGMENT_BYTES = 64 * 2**20
SEGMENT_SECONDS = 2.0

Arrays = Mapping[str, np.ndarray]


class Entry(NamedTuple):
    """What a segment holds of one frame: its number, its arrays, and the records up to it."""

    frame: int
    arrays: dict[str, np.ndarray]
    records: dict[str, np.ndarray]


class _Frame(NamedTuple):
    arrays: dict[str, np.ndarray]
    records: dict[str, np.ndarray]
    state: dict[str, np.ndarray]
    facts: dict[str, Any]
    size: int  # bytes gathered up to this frame


class _Held(NamedTuple):
    """All that a journal knows, replaced in one step so that no interrupt can split it."""

    acknowledged: int
    state: dict[str, np.ndarray] | None
    facts: dict[str, Any]
    gathered: list[_Frame]


class Journal:
    """The frames of one method on their way to disk, with the state after the last of them.

    `discarded` counts the frames that were found but cannot be used (damage, a lost state).
    """

    def __init__(
        self, folder: Path, digest: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.folder, self.label, self.digest, self._clock = folder, folder.name, digest, clock
        atomic.make_folder(folder)
        reached, self._held = _longest_sound(folder, digest)
        self.discarded = reached - self.frames
        for path in segments(folder):
            if int(path.stem) >= self.frames:
                atomic.discard(path)
        self._flushed = clock()

    @property
    def frames(self) -> int:
        """How many frames are acknowledged: on the disk, with a state to go on from."""
        return self._held.acknowledged

    @property
    def state(self) -> dict[str, np.ndarray] | None:
        """The arrays to go on from after the last acknowledged frame; None afresh."""
        return self._held.state

    @property
    def facts(self) -> dict[str, Any]:
        """The numbers that were saved with `state`."""
        return self._held.facts

    @property
    def pending(self) -> int:
        """How many frames are gathered but not on the disk yet."""
        return len(self._held.gathered)

    def read(self) -> Iterator[dict[str, np.ndarray]]:
        """Yield the acknowledged frames, in order."""
        for path in segments(self.folder):
            for _, arrays in each_frame(path):
                yield arrays

    def append(
        self,
        arrays: Arrays,
        state: Arrays,
        facts: Mapping[str, Any],
        records: Arrays | None = None,
    ) -> None:
        """Take one frame and the state right after it; both are copied.

        Flushes when 64 MiB are gathered or 2 s have passed since the last flush.

        Parameters
        ----------
        records : mapping of array, optional
            What was recorded since the frame before, each of shape (records, ...), where the number
            of records may differ from frame to frame.

        Raises
        ------
        StoreError
            The disk refuses; the frame is kept, and a later `flush` may succeed.
        ValueError
            An array holds no numbers, frames differ in names, shapes or dtypes, or the records of a
            frame in their number.
        """
        gathered = self._held.gathered
        own, beside = _copies(arrays), _copies(records or {})
        size = sum(array.nbytes for array in (*own.values(), *beside.values()))
        size += gathered[-1].size if gathered else 0
        frame = _Frame(own, beside, _copies(state), json.loads(to_json(facts)), size)
        if gathered and _signature(frame) != _signature(gathered[0]):
            raise ValueError(
                f"frame {self.frames + len(gathered)} of {self.label} holds "
                f"{_signature(frame)}, the ones before it {_signature(gathered[0])}"
            )
        if len({len(array) for array in frame.records.values()}) > 1:
            raise ValueError("every probe is recorded as often as the others")
        gathered.append(frame)
        if len(gathered) > 1:  # only the newest state is ever written
            gathered[-2] = gathered[-2]._replace(state={})
        if size >= SEGMENT_BYTES or self._clock() - self._flushed > SEGMENT_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Bring the gathered frames to the disk and acknowledge them.

        The state goes first, the frames after it, and only then older states: a kill in between
        leaves frames with a state that fits. Interrupted, it can simply be called again.

        Raises
        ------
        StoreError
            The disk refuses; all that was acknowledged before stays.
        """
        first, _, _, gathered = self._held
        if not gathered:
            return
        stop, last = first + len(gathered), gathered[-1]
        marks = {"digest": self.digest, "label": self.label, "first": first, "stop": stop}
        write_bytes(self.folder, _state_name(stop), _state_image(last.state, last.facts, marks))
        write_bytes(self.folder, f"{first:06d}.hdf5", _frames_image(gathered, marks))
        self._held = _Held(stop, last.state, last.facts, [])
        self._flushed = self._clock()
        keep = {_state_name(stop), _state_name(first)}
        for path in self.folder.glob("checkpoint-*.hdf5"):
            if path.name not in keep:
                atomic.discard(path)


def segments(folder: Path) -> list[Path]:
    """Return the segments of one method in the order of their frames."""
    found = [path for path in folder.glob("*.hdf5") if path.stem.isdecimal()]
    return sorted(found, key=lambda path: int(path.stem))


def each_frame(path: Path) -> Iterator[tuple[int, dict[str, np.ndarray]]]:
    """Read a segment frame by frame, with the number of each, against its checksums.

    Raises
    ------
    StoreError
        It cannot be read, or a frame or a record is not what was written.
    """
    return ((entry.frame, entry.arrays) for entry in each_entry(path))


def each_entry(path: Path) -> Iterator[Entry]:
    """Read a segment frame by frame, with the records up to each, against its checksums.

    Raises
    ------
    StoreError
        It cannot be read, or a frame or a record is not what was written.
    """
    with reading(path) as file:
        first, stop = number(file, "first"), number(file, "stop")
        ends = np.cumsum(file["records_up_to"][...]) if "records" in file else None
        for index in range(stop - first):
            arrays = {name: data[index, ...] for name, data in file["frames"].items()}
            _against(file["crc32"], arrays, index, f"Frame {first + index}", path)
            records = {}
            if ends is not None:
                part = slice(ends[index - 1] if index else 0, ends[index])
                records = {name: data[part] for name, data in file["records"].items()}
                what = f"A record before frame {first + index}"
                _against(file["crc32_of_records"], records, index, what, path)
            yield Entry(first + index, arrays, records)


def _against(sums: h5py.Group, arrays: Arrays, index: int, what: str, path: Path) -> None:
    for name, array in arrays.items():
        if crc32(array) != sums[name][index]:
            raise StoreError(f"{what} ({name}) in {path} is damaged.")


def _copies(arrays: Arrays) -> dict[str, np.ndarray]:
    copies = {safe_name(name, "The array"): np.array(array) for name, array in arrays.items()}
    for name, array in copies.items():
        if array.dtype.kind not in PLAIN:
            raise ValueError(f"{name} holds {array.dtype}, the store only takes numbers")
    return copies


def _signature(frame: _Frame) -> dict[str, tuple[str, tuple[int, ...]]]:
    found = {name: (array.dtype.str, array.shape) for name, array in frame.arrays.items()}
    for name, array in frame.records.items():
        found[f"record of {name}"] = (array.dtype.str, array.shape[1:])
    return found


def _state_name(frames: int) -> str:
    return f"checkpoint-{frames:06d}.hdf5"


def _frames_image(frames: Sequence[_Frame], marks: Mapping[str, Any]) -> bytes:
    def fill(file: h5py.File) -> None:
        file.create_group("frames")
        for name, sample in frames[0].arrays.items():
            shape = (len(frames), *sample.shape)
            data = create(file, f"frames/{name}", shape, sample.dtype)
            for index, frame in enumerate(frames):
                data[index, ...] = frame.arrays[name]
            file[f"crc32/{name}"] = np.array([crc32(f.arrays[name]) for f in frames], np.uint32)
        if frames[0].records:
            _add_records(file, [frame.records for frame in frames])

    return image(marks, fill)


def _add_records(file: h5py.File, records: Sequence[Arrays]) -> None:
    """Write the records of all frames one after the other, and how many belong to each frame."""
    counts = [len(next(iter(one.values()))) for one in records]
    create(file, "records_up_to", (len(counts),), np.dtype(np.int64))[...] = counts
    for name in records[0]:
        whole = np.concatenate([one[name] for one in records])
        create(file, f"records/{name}", whole.shape, whole.dtype, bunched=True)[...] = whole
        sums = np.array([crc32(one[name]) for one in records], np.uint32)
        file[f"crc32_of_records/{name}"] = sums


def _state_image(state: Arrays, facts: Mapping[str, Any], marks: Mapping[str, Any]) -> bytes:
    def fill(file: h5py.File) -> None:
        file.create_group("state")
        file["facts"] = np.frombuffer(to_json(facts).encode(), np.uint8)
        for name, array in state.items():
            file[f"state/{name}"] = array
            file[f"state/{name}"].attrs["crc32"] = crc32(array)
        file["facts"].attrs["crc32"] = crc32(file["facts"][...])

    return image(marks, fill)


def _check_marks(file: h5py.File, label: str, digest: str) -> None:
    if (text(file, "label"), text(file, "digest"), number(file, "complete")) != (label, digest, 1):
        raise StoreError(f"{file.filename} is of another run.")


def _read_state(path: Path, label: str, digest: str) -> tuple[dict[str, np.ndarray], Any]:
    with reading(path) as file:
        _check_marks(file, label, digest)
        named = {name: data[()] for name, data in file["state"].items()}
        state = {name: np.asarray(array) for name, array in named.items()}
        facts = np.asarray(file["facts"][...])
        sums = {name: number(file["state"][name], "crc32") for name in state}
        if number(file["facts"], "crc32") != crc32(facts) or any(
            crc32(array) != sums[name] for name, array in state.items()
        ):
            raise StoreError(f"{path} is damaged.")
        return state, json.loads(facts.tobytes())


def _longest_sound(folder: Path, digest: str) -> tuple[int, _Held]:
    """How many frames follow each other without a gap, and all up to the last fitting state."""
    ends: list[int] = []
    with contextlib.suppress(StoreError):
        for path in segments(folder):
            reached = ends[-1] if ends else 0
            with reading(path) as file:
                _check_marks(file, folder.name, digest)
                stop = number(file, "stop")
            numbers = [entry.frame for entry in each_entry(path)]
            if numbers != list(range(reached, stop)):
                break
            ends.append(stop)
    for end in reversed(ends):
        with contextlib.suppress(StoreError):
            state, facts = _read_state(folder / _state_name(end), folder.name, digest)
            return ends[-1], _Held(end, state, facts, [])
    return (ends[-1] if ends else 0), _Held(0, None, {}, [])
