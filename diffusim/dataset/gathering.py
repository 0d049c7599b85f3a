"""The end of a dataset: statistics, card and manifest, gathered from the records of its shards."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import ExitStack

from diffusim import atomic
from diffusim.atomic import Lock, Occupied, StoreError
from diffusim.dataset.card import card_text
from diffusim.dataset.folder import LOCK, RECIPE
from diffusim.dataset.manifest import (
    CARD,
    FORMAT,
    MANIFEST,
    RECORDS,
    STATS,
    Record,
    Statistics,
    manifest_text,
    read_record,
    stats_text,
    versions,
)
from diffusim.dataset.planning import Job


def all_there(job: Job) -> bool:
    """Whether every shard has its record."""
    folder = job.folder / RECORDS
    return all((folder / span.record).exists() for span in job.division)


def _records(job: Job) -> Iterator[Record]:
    for span in job.division:
        record = read_record(job.folder / RECORDS / span.record, job.digest)
        if record is None or record.file != span.file:
            raise StoreError(f"The record of {span.file} is gone; go on with --resume.")
        yield record


def gather(job: Job, parts: bool) -> None:
    """Write statistics, card and manifest from the records of all shards, then drop these."""
    with ExitStack() as stack:
        if parts:
            lock = Lock(job.folder / LOCK)
            try:
                lock.take()
            except Occupied:
                return  # another part, the last one too, gathers already
            stack.callback(lock.release)
            if (job.folder / MANIFEST).exists():
                return
        write_summary(job, list(_records(job)))
        atomic.retire(job.folder / RECORDS)


def write_summary(job: Job, records: list[Record]) -> None:
    """Write `stats.yaml`, the card, and last the manifest, by which a dataset is finished."""
    scenario = json.loads((job.folder / RECORDS / RECIPE).read_text(encoding="utf-8"))["scenario"]
    statistics = Statistics(job.recipe.grid.cells, job.header.times.size)
    for record in records:
        if record.split == "train":
            statistics.add(record)
    fields = list(job.header.fields)
    known = {name.removesuffix("_sum") for name in records[0].sums if name.endswith("_sum")}
    maps = sorted(known - {*fields})
    table = statistics.table(fields, maps)
    files = {STATS: stats_text(table), CARD: card_text(job, records, table)}
    digests = {}
    for name, text in files.items():
        atomic.write_text(job.folder, name, text)
        digests[name] = hashlib.sha256(text.encode()).hexdigest()
    head = {
        "format": FORMAT, "dataset": job.recipe.name, "title": job.header.title,
        "digest": job.digest, "seed": job.recipe.scenario.seed,
        "splits": {split: len(indices) for split, indices in job.division.splits.items()},
        "trajectories_per_shard": job.division.size, "fields": fields, "maps": maps,
        "cells": job.recipe.grid.cells, "frames": int(job.header.times.size),
        "precision": job.recipe.dataset.precision, "compression": job.recipe.dataset.compression,
        "versions": versions(), "files": digests, "scenario": scenario,
    }  # fmt: skip
    atomic.write_text(job.folder, MANIFEST, manifest_text(head, records))
