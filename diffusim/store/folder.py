"""One folder of results, held by one writer at a time."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from diffusim import atomic
from diffusim.atomic import Occupied, StoreError, safe_name
from diffusim.store.hdf5 import number, reading, text, to_json
from diffusim.store.journal import Journal, segments
from diffusim.store.result import RESULT, Header


class Folder:
    """One folder of results, `outputs/NAME`, held by one writer at a time; a context manager.

    Leaving it flushes the journals and gives the lock back. `discarded` counts leftover frames
    that were dropped, `finished` tells whether a result of the same scenario is there.
    """

    def __init__(self, path: Path, digest: str, compress: bool, clock: Callable[[], float]) -> None:
        self.path, self.digest, self.compress = Path(path), digest, compress
        self.discarded, self.finished = 0, False
        self._segments = self.path / "segments"
        self._journals: dict[str, Journal] = {}
        self._lock = atomic.Lock(self.path / "run.lock")
        self._clock = clock

    @classmethod
    def open(
        cls,
        path: Path,
        digest: str,
        overwrite: bool = False,
        resume: bool = False,
        *,
        compress: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> Self:
        """Create the folder if need be, lock it and clear it of what died in it.

        Raises
        ------
        Occupied
            Somebody else writes there; it holds a result of another scenario and not `overwrite`;
            or `resume` and its leftover frames are of another scenario.
        StoreError
            The system refuses.
        """
        folder = cls(path, digest, compress, clock)
        atomic.make_folder(folder.path)
        folder._lock.take()
        try:
            atomic.sweep(folder.path)
            folder._look_at_result(overwrite)
            folder._look_at_segments(resume)
        except BaseException:
            folder._lock.release()
            raise
        return folder

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        second = () if error is None else (StoreError,)  # must not hide the first
        try:
            for journal in self._journals.values():
                with contextlib.suppress(*second):
                    journal.flush()
        finally:
            self._lock.release()

    def _look_at_result(self, overwrite: bool) -> None:
        result = self.path / RESULT
        if not result.exists():
            return
        try:
            with reading(result) as file:
                digest, title = text(file, "digest"), text(file, "title")
        except StoreError as error:
            if not overwrite:
                raise Occupied(
                    f"{error} Use --overwrite to replace it or --out to choose another folder."
                ) from error
            return
        self.finished = digest == self.digest
        if not self.finished and not overwrite:
            raise Occupied(
                f"{result} holds the result of another scenario or another version of this one "
                f"({title!r}; --only and --set make another version); use --overwrite to replace "
                "it or --out to choose another folder."
            )

    def _look_at_segments(self, resume: bool) -> None:
        if not self._segments.exists():
            return
        foreign = False
        atomic.sweep(self._segments)
        for part in self._segments.glob("*/"):
            atomic.sweep(part)
            for path in segments(part):
                with contextlib.suppress(StoreError), reading(path) as file:
                    stop, digest = number(file, "stop"), text(file, "digest")
                    if not resume:
                        self.discarded += stop - number(file, "first")
                    foreign |= digest != self.digest
        if resume and foreign:
            raise Occupied(
                f"The frames in {self._segments} belong to another version of this scenario; run "
                "without --resume to drop them, or choose another folder with --out."
            )
        if not resume:
            atomic.retire(self._segments)
        elif self.finished:  # what is published was not cleared up: it was killed in between
            with reading(self.path / RESULT) as file:
                published = [part for part in self._segments.glob("*/") if part.name in file]
            for part in published:
                atomic.retire(part)
            with contextlib.suppress(OSError):
                self._segments.rmdir()

    def journal(self, label: str) -> Journal:
        """Return the journal of one method, which knows what was kept of it.

        Raises
        ------
        StoreError
            The label cannot name a folder or differs from another one only in case.
        """
        safe_name(label, "The method label")
        if label not in self._journals:
            if label.casefold() in {known.casefold() for known in self._journals}:
                raise StoreError(f"The label {label!r} differs from another one only in case.")
            self._journals[label] = Journal(self._segments / label, self.digest, self._clock)
            self.discarded += self._journals[label].discarded
        return self._journals[label]

    def publish(self, header: Header, runs: Mapping[str, Mapping[str, Any]]) -> Path:
        """Stream the frames of all `runs` (label: attributes) into `run.hdf5`, drop the segments.

        A method with fewer frames than `header.times` is padded with NaN. A child process does the
        writing: a crash of HDF5 is one sentence here.

        Returns
        -------
        Path
            The finished file.

        Raises
        ------
        StoreError
            Too little space, or the writing failed: frames and an older result are untouched.
        """
        if header.digest != self.digest:
            raise ValueError("the header and the folder are of different scenarios")
        for journal in self._journals.values():
            journal.flush()
        for label in runs:
            safe_name(label, "The method label")
        target = self.path / RESULT
        sizes = [p.stat().st_size for label in runs for p in segments(self._segments / label)]
        atomic.require_space(self.path, sum(sizes) + 2**20)
        temporary = atomic.temporary_beside(target)
        job = {
            "task": "publish",
            "parent": os.getpid(),
            "path": temporary.absolute(),
            "segments": self._segments.absolute(),
            "compress": self.compress,
            "header": {entry.name: getattr(header, entry.name) for entry in fields(header)},
            "runs": runs,
        }
        try:
            _, failure = atomic.in_child("diffusim.store", to_json(job))
            if failure:
                raise StoreError(
                    f"Writing {target} failed: {_reason(failure)}; the frames are kept: go on with "
                    "--resume."
                )
            with atomic.in_words("Writing", target):
                atomic.rename_into_place(temporary, target)
        finally:
            atomic.discard(temporary)
        for label in runs:
            self._journals.pop(label, None)
            atomic.retire(self._segments / label)
        with contextlib.suppress(OSError):
            self._segments.rmdir()
        self.finished = True
        return target


def _reason(failure: str) -> str:
    if "No space left" in failure or "quota exceeded" in failure:
        return "the disk (or your quota on it) is full"
    if "File too large" in failure:
        return "the file is larger than this file system or `ulimit -f` allows"
    if failure.startswith("it was ended by"):
        return f"the process that wrote it died ({failure}), perhaps of a full disk"
    return failure[:300].rstrip(".")
