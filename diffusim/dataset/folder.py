"""The folder of a dataset: who holds it, what lies there from before, its log."""

from __future__ import annotations

import json
import time as clock
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from diffusim import atomic
from diffusim.atomic import Lock, Occupied
from diffusim.dataset.manifest import (
    CARD,
    MANIFEST,
    RECORDS,
    STATS,
    Record,
    digest_of,
    is_whole,
    read_manifest,
)
from diffusim.dataset.planning import Job

RECIPE, LOCK, LOG = "recipe.json", "dataset.lock", "dataset.log"


@contextmanager
def locked(folder: Path, shard: tuple[int, int] | None) -> Iterator[None]:
    """Hold the folder, or a part of its shards, against everybody else."""
    whole = Lock(folder / LOCK)
    lock = whole if shard is None else Lock(folder / f"dataset-{shard[0]}-of-{shard[1]}.lock")
    # Taken before the others are looked at: of two that come at once, one sees the other.
    lock.take()
    try:
        others = [whole] if shard is not None else map(Lock, folder.glob("dataset-*-of-*.lock"))
        for other in others:
            other.must_be_free()
        yield
    finally:
        lock.release()


def finished(job: Job, *, resume: bool, overwrite: bool) -> bool:
    """Whether the dataset is there already, whole; refuse if it is another one, or none at all."""
    folder = job.folder
    manifest = read_manifest(folder)
    if manifest is None and (found := _foreign(folder)):
        manifest = read_manifest(folder)  # another part may have gathered in between
        if manifest is None:
            raise Occupied(
                f"{folder} holds {found}, which belongs to no dataset of diffusim and is left "
                "alone; use --out to choose another folder."
            )
    if manifest is None:
        return False
    same = manifest["digest"] == job.digest
    if not overwrite and not (resume and same):
        what = "this dataset" if same else "another dataset or another version of this one"
        raise Occupied(
            f"{folder} holds {what}; use --overwrite to replace it or --out to choose another "
            "folder."
        )
    if not (resume and same):
        _clear(folder)
        return False
    whole = [record for record in manifest["shards"] if is_whole(folder, record)]
    wanted = [span.file for span in job.division]
    if [record.file for record in whole] == wanted and _as_written(folder, manifest["files"]):
        if _recipe_in(folder) is not None:  # left by a command that was killed at its very end
            atomic.retire(folder / RECORDS)
        return True
    _restore_records(job, whole)
    return False


def _foreign(folder: Path) -> str:
    """The name of something that a dataset would replace and that is of none; empty if all is well.

    The recipe is the first thing that a dataset writes and the last that it removes.
    """
    records = folder / RECORDS
    inside = records.is_dir() and any(not path.name.startswith(".") for path in records.iterdir())
    there = [name for name in (CARD, STATS, "data") if (folder / name).exists()]
    there += [RECORDS] if inside or records.is_file() else []
    return there[0] if there and _recipe_in(folder) is None else ""


def _recipe_in(folder: Path) -> str | None:
    """The hash of the recipe by which an unfinished dataset is made; None if there is none."""
    try:
        digest = json.loads((folder / RECORDS / RECIPE).read_text(encoding="utf-8"))["digest"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return digest if isinstance(digest, str) else None


def _as_written(folder: Path, files: Mapping[str, str]) -> bool:
    """Whether statistics and card are there as they were written."""
    try:
        return all(files.get(name) == digest_of(folder / name) for name in (STATS, CARD))
    except OSError:
        return False


def _restore_records(job: Job, records: list[Record]) -> None:
    """Make a dataset that lost something an unfinished one, which keeps what is whole."""
    folder = job.folder / RECORDS
    _write_recipe(folder, job.digest)
    for record in records:
        atomic.write_text(folder, f"{Path(record.file).stem}.json", record.as_json() + "\n")
    with atomic.in_words("Removing", job.folder / MANIFEST):
        (job.folder / MANIFEST).unlink(missing_ok=True)


def _write_recipe(folder: Path, digest: str, **more: object) -> None:
    atomic.make_folder(folder)
    atomic.write_text(folder, RECIPE, json.dumps({"digest": digest, **more}) + "\n")


def _clear(folder: Path) -> None:
    # The recipe tells, if this is interrupted, that what is left is of a dataset, of none any more.
    _write_recipe(folder / RECORDS, "")
    # The manifest goes first: a dataset without it is none.
    for name in (MANIFEST, STATS, CARD):
        with atomic.in_words("Removing", folder / name):
            (folder / name).unlink(missing_ok=True)
    for name in ("data", RECORDS):
        if (folder / name).exists():
            atomic.retire(folder / name)


def begun(job: Job, *, resume: bool, overwrite: bool) -> bool:
    """Whether shards of this recipe may lie there; refuse those of others."""
    digest = _recipe_in(job.folder)
    if digest is None:
        return False
    if resume and digest == job.digest:
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


def make_room(job: Job, numbers: range, known: bool) -> None:
    """Make the folders, and see that the disk has room for what is to come."""
    _write_recipe(job.folder / RECORDS, job.digest, scenario=job.recipe.values)
    for split in job.division.splits:
        atomic.make_folder(job.folder / "data" / split)
    if not job.header.compress:
        frame = job.recipe.grid.cells * job.header.real.itemsize
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
