"""The end of a dataset: statistics, card and manifest, gathered from the records of its shards."""

from __future__ import annotations

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
    LICENCE,
    MANIFEST,
    RECORDS,
    STATS,
    Record,
    Statistics,
    digest_of,
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


def _write_card(job: Job, text: str) -> None:
    """Write the card, unless it is there with a licence that somebody gave the dataset."""
    try:
        there = (job.folder / CARD).read_text(encoding="utf-8")
    except (OSError, ValueError):
        there = ""
    head, mark, _ = text.partition(f"\n{LICENCE}")
    if not there.startswith(head + mark):
        atomic.write_text(job.folder, CARD, text)


def write_summary(job: Job, records: list[Record]) -> None:
    """Write `stats.yaml`, the card, and last the manifest, by which a dataset is finished."""
    scenario = json.loads((job.folder / RECORDS / RECIPE).read_text(encoding="utf-8"))["scenario"]
    statistics = Statistics()
    for record in records:
        if record.split == "train":
            statistics.add(record)
    field, maps = job.header.field, sorted(quantity.name for quantity in job.header.maps)
    table = statistics.table(field, maps, job.header.times.size)
    atomic.write_text(job.folder, STATS, stats_text(table))
    _write_card(job, card_text(job, records, table))
    digests = {name: digest_of(job.folder / name) for name in (STATS, CARD)}
    head = {
        "format": FORMAT, "dataset": job.recipe.name, "title": job.header.title,
        "digest": job.digest, "seed": job.recipe.scenario.seed,
        "splits": {split: len(indices) for split, indices in job.division.splits.items()},
        "trajectories_per_shard": job.division.size, "field": field, "maps": maps,
        "cells": job.recipe.grid.cells, "frames": int(job.header.times.size),
        "precision": job.recipe.dataset.precision, "compression": job.recipe.dataset.compression,
        "versions": versions(), "files": digests, "scenario": scenario,
    }  # fmt: skip
    atomic.write_text(job.folder, MANIFEST, manifest_text(head, records))
