"""Verifying a dataset: everything is read again, and some trajectories are made again."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from diffusim.atomic import StoreError
from diffusim.dataset.making import Maker
from diffusim.dataset.manifest import (
    STATS,
    Record,
    Statistics,
    digest_of,
    read_manifest,
    stats_text,
    versions,
)
from diffusim.dataset.planning import Division, Job, planned
from diffusim.dataset.recipe import Recipe
from diffusim.dataset.shards import completed, moments_of
from diffusim.files import sha256
from diffusim.reading import ScenarioError
from diffusim.store.opened import OpenedShard, opened
from diffusim.store.rules import problems as broken_rules

Progress = Callable[[float], None]


def verify(
    folder: Path | str,
    *,
    samples: int = 4,
    seed: int = 0,
    scenario: Path | None = None,
    progress: Progress = lambda _fraction: None,
) -> Iterator[str]:
    """Yield what is wrong with a dataset, in sentences; nothing if all is well.

    Every file is hashed and read, every trajectory is compared with what was found when it was
    made, and some, drawn at random, are made again and compared bit by bit.

    Parameters
    ----------
    folder : path
        Of the dataset.
    samples : int
        How many trajectories are made again.
    seed : int
        Decides which.
    scenario : path, optional
        The scenario it was made of; default what the manifest keeps of it, which will not do where
        that names files.
    progress : callable, optional
        Told the fraction of the work done.

    Raises
    ------
    StoreError
        There is no dataset, or the scenario that it keeps cannot be used.
    ScenarioError
        The scenario cannot be used.
    """
    folder = Path(folder)
    try:
        manifest = read_manifest(folder)
    except StoreError as problem:
        yield str(problem)
        return
    if manifest is None:
        if folder.is_file():
            raise StoreError(f"{folder} is a file; name the folder of a dataset.")
        raise StoreError(f"{folder} holds no finished dataset: there is no manifest.json.")
    job = planned(_recipe(folder, manifest, scenario), folder)
    if job.digest != manifest["digest"]:
        yield "manifest.json: its hash is not that of the scenario; was this another one?"
        return
    records: list[Record] = manifest["shards"]
    yield from _of_files(folder, manifest)
    if len(records) != len(job.division):
        yield f"manifest.json has {len(records)} shards; the scenario makes {len(job.division)}"
        return
    yield from _of_shards(job, records)
    read = []
    for number, record in enumerate(records):
        found = list(_of_shard(job, record))
        yield from found
        read += [] if found else [record]
        progress((number + 1) / (len(records) + samples))
    if len(read) == len(records):
        yield from _of_statistics(folder, manifest)
    maker = Maker(job.recipe)
    for number, (record, row) in enumerate(_drawn(read, samples, seed)):
        yield from _made_again(job, maker, record, row, manifest["versions"])
        progress((len(records) + number + 1) / (len(records) + samples))


def _recipe(folder: Path, manifest: Mapping[str, Any], scenario: Path | None) -> Recipe:
    if scenario is not None:
        return Recipe.read(scenario)
    with tempfile.TemporaryDirectory() as place:
        # JSON is YAML; the name is that of the dataset.
        source = Path(place) / f"{manifest['dataset']}.yaml"
        source.write_text(json.dumps(manifest["scenario"], ensure_ascii=False), encoding="utf-8")
        try:
            return Recipe.read(source)
        except ScenarioError as error:
            reason = "; ".join(problem.message for problem in error.problems[:2])
            raise StoreError(
                f"The scenario that {folder} keeps cannot be used ({reason}); name the one that it "
                "was made of by --scenario."
            ) from None


def _of_files(folder: Path, manifest: Mapping[str, Any]) -> Iterator[str]:
    for name, digest in manifest["files"].items():
        try:
            found = digest_of(folder / name)
        except OSError as problem:
            yield f"{name} cannot be read: {problem.strerror}"
            continue
        if found != digest:
            yield f"{name} is not what was written: its sha256 differs from that in manifest.json"
    known = {record.file for record in manifest["shards"]}
    for path in sorted((folder / "data").rglob("*.h*5")):
        name = path.relative_to(folder).as_posix()
        if name not in known:
            yield f"{name} is not in manifest.json, and loaders would read it"


def _of_shards(job: Job, records: list[Record]) -> Iterator[str]:
    """Whether the records are those of the recipe, and no seed stands twice."""
    division: Division = job.division
    seeds = set[int]()
    for record, span in zip(records, division, strict=True):
        wanted = (span.file, span.split, (span.indices[0], span.indices[-1]))
        if (record.file, record.split, record.trajectories) != wanted:
            yield f"manifest.json has {record.file} where {span.file} belongs"
        if len(record.seeds) != len(span.indices) or seeds & {*record.seeds}:
            yield f"manifest.json: seeds of {record.file} are missing or stand elsewhere too"
        seeds |= {*record.seeds}


def _of_shard(job: Job, record: Record) -> Iterator[str]:
    path = job.folder / record.file
    try:
        digest = sha256(path)
    except OSError as problem:
        yield f"{record.file} cannot be read: {problem.strerror}"
        return
    if digest != record.sha256:
        yield f"{record.file} is damaged: its sha256 differs from that in manifest.json"
        return
    try:
        yield from (f"{record.file}: {rule}" for rule in broken_rules(path))
        with opened(path) as shard:
            yield from _of_trajectories(job, record, shard)
    except StoreError as problem:
        yield str(problem)


def _of_trajectories(job: Job, record: Record, shard: OpenedShard) -> Iterator[str]:
    first, last = record.trajectories
    if shard.samples != [*range(first, last + 1)] or shard.seeds != [*record.seeds]:
        yield f"{record.file} does not hold trajectories {first} to {last} with their seeds"
        return
    if shard.digest != job.digest:
        yield f"{record.file} was made by another recipe"
    maps = [quantity.name for quantity in job.header.maps]
    for row in range(last - first + 1):
        frames = shard.field(job.header.field, row)
        checks = shard.checks(row)
        found = moments_of(job.header, frames, {name: shard.field(name, row) for name in maps})
        found |= {"minimum": float(np.min(frames)), "maximum": float(np.max(frames))}
        wrong = [name for name, value in found.items() if not _same(value, checks.get(name))]
        if wrong:
            yield (
                f"{record.file}: trajectory {first + row} is not the one that was made: "
                f"{', '.join(wrong)} differ from what is stored in /checks"
            )


def _same(one: float, other: float | None) -> bool:
    return other is not None and (one == other or (one != one and other != other))


def _of_statistics(folder: Path, manifest: Mapping[str, Any]) -> Iterator[str]:
    statistics = Statistics()
    for record in manifest["shards"]:
        if record.split == "train":
            statistics.add(record)
    table = statistics.table(manifest["field"], manifest["maps"], manifest["frames"])
    try:
        stored = (folder / STATS).read_text(encoding="utf-8")
    except (OSError, ValueError):
        return  # said already
    if stored != stats_text(table):
        yield f"{STATS} does not follow from the training split"


def _drawn(records: list[Record], samples: int, seed: int) -> list[tuple[Record, int]]:
    """Trajectories drawn without repetition, each as its record and row."""
    ends = np.cumsum([0, *(len(record.seeds) for record in records)])
    total = int(ends[-1])
    chosen = np.random.default_rng(seed).choice(total, min(samples, total), replace=False)
    places = np.searchsorted(ends, chosen, side="right") - 1
    return [(records[k], int(n - ends[k])) for n, k in sorted(zip(chosen, places, strict=True))]


def _made_again(
    job: Job, maker: Maker, record: Record, row: int, made_by: Mapping[str, str]
) -> Iterator[str]:  # fmt: skip
    index = record.trajectories[0] + row
    made = maker.make(index)
    with opened(job.folder / record.file) as shard:
        stored, parameters = shard.field(job.header.field, row), shard.parameters(row)
        maps = {q.name: shard.field(q.name, row) for q in job.header.maps}
    wrong = [] if made.frames.tobytes() == stored.tobytes() else [job.header.field]
    wrong += [name for name, value in parameters.items() if made.parameters.get(name) != value]
    for name, values in completed(job, made).items():
        if not np.array_equal(values.astype(job.header.real), maps[name], equal_nan=True):
            wrong.append(name)
    if wrong:
        here = versions()
        other = [f"{name} {here[name]}" for name in here if made_by.get(name) != here[name]]
        why = f" (it was made with other versions; here is {', '.join(other)})" if other else ""
        yield f"{record.file}: trajectory {index} made again differs in {', '.join(wrong)}{why}"
