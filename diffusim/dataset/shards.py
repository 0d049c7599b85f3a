"""Shards on their way to the disk: computed, built in memory, hashed, written, recorded.

A shard follows from the recipe and its own number alone: not from who makes it, when, or how many
others do the same. Its record, a small file beside the data, appears once the shard itself is whole
and on the disk; a shard without one is made again.
"""

from __future__ import annotations

import hashlib
import threading
import time as clock
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import cast

import numpy as np

from diffusim import atomic
from diffusim.atomic import StoreError
from diffusim.block import Array, Unsupported
from diffusim.dataset.making import Made, Maker
from diffusim.dataset.manifest import (
    MOMENTS,
    RECORDS,
    Record,
    extremes,
    is_whole,
    of_all,
    read_record,
)
from diffusim.dataset.planning import Job, Span
from diffusim.medium import diffusivity as diffusivities
from diffusim.store.image import Image
from diffusim.store.layout import ShardHeader, Trajectory
from diffusim.store.shards import Shard

_own = threading.local()


@dataclass(frozen=True, eq=False)
class Done:
    """A shard that lies on the disk: its record, seconds by kind of work, and whether it did."""

    number: int
    record: Record
    seconds: Mapping[str, float]
    kept: bool = False


@dataclass(frozen=True)
class Failed:
    """A shard that could not be made, and why."""

    number: int
    reason: str


def make_shards(job: Job, numbers: Sequence[int], resume: bool) -> list[Done | Failed]:
    """Make some shards and bring them to the disk, writing one while the next is computed.

    Parameters
    ----------
    job : Job
        What they are made of.
    numbers : sequence of int
        Which of them.
    resume : bool
        Keep those that lie there whole already.

    Raises
    ------
    StoreError
        The system refuses; what was written before stays.
    """
    return list(made_shards(job, numbers, resume))


def made_shards(job: Job, numbers: Sequence[int], resume: bool) -> Iterator[Done | Failed]:
    """Do what `make_shards` does, one shard after the other."""
    images = [Image(), Image()]
    writing: list[tuple[int, Future[Done]]] = []
    pen = ThreadPoolExecutor(1, thread_name_prefix="shard")
    try:
        for number in numbers:
            span = job.division[number]
            if resume and (record := kept(job, span)) is not None:
                yield Done(number, record, {}, kept=True)
                continue
            try:
                content, record, seconds = _built(job, span, images[0])
            except StoreError:
                raise
            except Exception as problem:
                yield Failed(number, " ".join(f"{type(problem).__name__}: {problem}".split()))
                continue
            images.reverse()
            writing.append((number, pen.submit(_publish, job, span, content, record, seconds)))
            if len(writing) > 1:  # its image is the one to be used next
                yield writing.pop(0)[1].result()
        while writing:
            yield writing.pop(0)[1].result()
    finally:
        # Not waited for when stopped: what it writes is whole or has no name.
        pen.shutdown(wait=False, cancel_futures=True)


def kept(job: Job, span: Span) -> Record | None:
    """Return the record of a shard that lies there whole and is of this recipe, or None."""
    record = read_record(job.folder / RECORDS / span.record, job.digest)
    if record is None or record.file != span.file:
        return None
    return record if is_whole(job.folder, record) else None


def _built(
    job: Job, span: Span, image: Image
) -> tuple[memoryview, Record, dict[str, float]]:  # fmt: skip
    """Compute the trajectories of a shard; return its bytes, its record without hash, seconds."""
    began, building = clock.perf_counter(), 0.0
    maker = maker_of(job)
    shard: Shard | None = None
    seeds: list[int] = []
    checks: list[Mapping[str, float]] = []
    statistics: list[Mapping[str, float]] = []
    try:
        for index in span.indices:
            made = maker.make(index)
            started = clock.perf_counter()
            if shard is None:
                facts: dict[str, str | int] = {
                    "split": span.split,
                    "shard": span.number,
                    "digest": job.digest,
                }
                shard = Shard(image, job.header, len(span.indices), facts)
            maps = completed(job, made)
            own = moments_of(job.header, made.frames, maps)
            shard.add(Trajectory(made.index, made.seed, made.parameters, made.frames, maps,
                                 {**made.checks, **own}))  # fmt: skip
            seeds.append(made.seed)
            checks.append(made.checks)
            statistics.append(own)
            building += clock.perf_counter() - started
        assert shard is not None
        started = clock.perf_counter()
        content = shard.close()
    finally:
        if shard is not None:
            shard.abandon()
    building += clock.perf_counter() - started
    record = Record(span.file, span.split, (span.indices[0], span.indices[-1]), tuple(seeds), "",
                    content.nbytes, extremes(checks), of_all(statistics), job.digest)  # fmt: skip
    making = clock.perf_counter() - began - building
    return content, record, {"making": making, "building": building}


def maker_of(job: Job) -> Maker:
    """Return what makes the trajectories of a job, the same for all of a thread's tasks."""
    if getattr(_own, "digest", None) != job.digest:
        _own.digest, _own.maker = job.digest, Maker(job.recipe)
    maker: Maker = _own.maker
    return maker


def completed(job: Job, made: Made) -> dict[str, Array]:
    """Return the maps of a trajectory, those too that are the same everywhere in it.

    Raises
    ------
    Unsupported
        When it has one that the others do not.
    """
    wanted = [quantity.name for quantity in job.header.maps]
    if unknown := [name for name in made.constants if name not in wanted]:
        raise Unsupported(
            f"trajectory {made.index} has a map {unknown[0]}, which the others do not have; let "
            "its key vary in a way that all have it"
        )
    found = {}
    for name in wanted:
        if name in made.constants:
            found[name] = made.constants[name]
        elif name.startswith("diffusivity"):
            law = job.recipe.trajectory(made.index).scenario.propagator.diffusivity  # type: ignore[attr-defined]
            cells = diffusivities.in_cells(diffusivities.steady(law, 0.0), job.recipe.grid)
            axis = job.recipe.grid.names.find(name[-1]) if name[-2] == "_" else 0
            found[name] = np.broadcast_to(cells[axis], job.recipe.grid.shape)
        else:
            found[name] = np.full(job.recipe.grid.shape, float(name.startswith("open")))
    return found


def _publish(
    job: Job, span: Span, content: memoryview, record: Record, seconds: Mapping[str, float]
) -> Done:
    began = clock.perf_counter()
    record = replace(record, sha256=hashlib.sha256(content).hexdigest())
    hashed = clock.perf_counter()
    path = job.folder / span.file
    # Datasets outgrow the memory. Where pages that served before are taken again, not ever new
    # ones, writing took a third of the time on a virtual machine.
    atomic.write_bytes(path.parent, path.name, cast(bytes, content), cached=False)
    atomic.write_text(job.folder / RECORDS, span.record, record.as_json() + "\n")
    spent = {"hashing": hashed - began, "writing": clock.perf_counter() - hashed}
    return Done(span.number, record, {**seconds, **spent})


def moments_of(
    header: ShardHeader, frames: Array, constants: Mapping[str, Array]
) -> dict[str, float]:  # fmt: skip
    """Return what statistics are made of: of each field of a trajectory the moments `MOMENTS`.

    Parameters
    ----------
    header : ShardHeader
        Names the field.
    frames : array
        Shape (T, *shape), as they are stored.
    constants : mapping
        Fields that do not change in time.
    """
    from diffusim.loops.moments import moments

    fields = [(header.field, frames), *((name, values[None]) for name, values in constants.items())]
    told: dict[str, float] = {}
    for name, part in fields:
        flat = np.ascontiguousarray(part, header.real).reshape(len(part), -1)
        found = np.empty(len(MOMENTS))
        moments(flat, found)
        told |= {f"{name}_{word}": float(v) for word, v in zip(MOMENTS, found, strict=True)}
    return told
