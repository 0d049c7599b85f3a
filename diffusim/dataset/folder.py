"""The folder of a dataset: who holds it, what lies there from before, its log."""

from __future__ import annotations

import json
import time as clock
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from diffusim import atomic, reading
from diffusim.atomic import Lock, Occupied, StoreError
from diffusim.dataset.manifest import CARD, MANIFEST, RECORDS, STATS, Record, read_manifest
from diffusim.dataset.planning import Job

RECIPE, LOCK, LOG = "recipe.json", "dataset.lock", "dataset.log"


@contextmanager
def locked(folder: Path, shard: tuple[int, int] | None) -> Iterator[None]:
    """Hold the folder, or a part of its shards, against everybody else."""
    whole = Lock(folder / LOCK)
    lock = whole if shard is None else Lock(folder / f"dataset-{shard[0]}-of-{shard[1]}.lock")
    if shard is not None:
        whole.must_be_free()
    lock.take()
    try:
        if shard is None:
            for part in folder.glob("dataset-*-of-*.lock"):
                Lock(part).must_be_free()
        yield
    finally:
        lock.release()


def finished(job: Job, *, resume: bool, overwrite: bool) -> bool:
    """Whether the dataset is there already; refuse if it is another one."""
    try:
        manifest = read_manifest(job.folder)
    except StoreError:
        if not overwrite:
            raise
        manifest = {"digest": ""}
    if manifest is None:
        if not overwrite and not (job.folder / RECORDS).exists() and (job.folder / "data").exists():
            raise Occupied(
                f"{job.folder / 'data'} holds something else; use --out to choose another folder."
            )
        return False
    same = manifest["digest"] == job.digest
    if not overwrite and not (resume and same):
        what = "this dataset" if same else "another dataset or another version of this one"
        raise Occupied(
            f"{job.folder} holds {what}; use --overwrite to replace it or --out to choose another "
            "folder."
        )
    if resume and same:
        gone = [record for record in manifest["shards"] if not _has_size(job.folder, record)]
        if not gone:
            return True
        _restore_records(job, manifest["shards"])
    else:
        _clear(job.folder)
    return False


def _has_size(folder: Path, record: Record) -> bool:
    try:
        return (folder / record.file).stat().st_size == record.size
    except OSError:
        return False


def _restore_records(job: Job, records: list[Record]) -> None:
    """Make a dataset that lost a shard an unfinished one."""
    folder = job.folder / RECORDS
    atomic.make_folder(folder)
    for record in records:
        atomic.write_text(folder, f"{Path(record.file).stem}.json", record.as_json() + "\n")
    atomic.write_text(folder, RECIPE, json.dumps({"digest": job.digest}) + "\n")
    (job.folder / MANIFEST).unlink()


def _clear(folder: Path) -> None:
    # The manifest goes first: a dataset without it is none.
    for name in (MANIFEST, STATS, CARD):
        with atomic.in_words("Removing", folder / name):
            (folder / name).unlink(missing_ok=True)
    for name in (RECORDS, "data"):
        if (folder / name).exists():
            atomic.retire(folder / name)


def begun(job: Job, *, resume: bool, overwrite: bool) -> bool:
    """Whether shards of this recipe may lie there; refuse those of others."""
    folder = job.folder / RECORDS
    if not folder.exists():
        return False
    try:
        digest = json.loads((folder / RECIPE).read_text(encoding="utf-8"))["digest"]
    except (OSError, ValueError, KeyError, TypeError):
        digest = ""
    if resume and digest in (job.digest, ""):
        return True
    if not overwrite:
        what = "of another version of this scenario" if resume else "unfinished"
        wish = "" if resume else "use --resume to go on with it, "
        raise Occupied(
            f"{job.folder} holds a dataset that is {what}; {wish}use --overwrite to replace it or "
            "--out to choose another folder."
        )
    _clear(job.folder)
    return False


def make_room(job: Job, numbers: range, values: Mapping[str, Any] | None, known: bool) -> None:
    """Make the folders, and see that the disk has room for what is to come."""
    for part in (RECORDS, *(f"data/{split}" for split in job.division.splits)):
        atomic.make_folder(job.folder / part)
    plain = reading.value(job.recipe.text, job.recipe.name) if values is None else dict(values)
    atomic.write_text(job.folder / RECORDS, RECIPE,
                      json.dumps({"digest": job.digest, "scenario": plain}) + "\n")  # fmt: skip
    if not job.header.compress:
        frame = job.recipe.grid.cells * job.header.real.itemsize * len(job.header.fields)
        there = sum(1 for _ in (job.folder / RECORDS).iterdir()) - 1 if known else 0
        trajectories = max(0, len(numbers) - there) * job.division.size
        most = sum(len(indices) for indices in job.division.splits.values())
        atomic.require_space(job.folder, min(trajectories, most) * frame * job.header.times.size)


def sweep(job: Job) -> None:
    """Remove what processes of this host that died left, in every folder."""
    for part in (".", RECORDS, *(f"data/{split}" for split in job.division.splits)):
        atomic.sweep(job.folder / part)


def log(folder: Path, text: str) -> None:
    """Write to the log, the one file that knows the time."""
    now = clock.strftime("%Y-%m-%dT%H:%M:%SZ", clock.gmtime())
    with atomic.in_words("Writing", folder / LOG), (folder / LOG).open("a") as stream:
        stream.write(f"{now} {text}\n")
