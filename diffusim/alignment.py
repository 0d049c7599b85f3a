"""Alignment of stored results, so that their runs can be compared."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from diffusim import comparison, store
from diffusim.block import Array, Unsupported
from diffusim.comparison import Comparison, Trajectory
from diffusim.grid import Grid


def compare_stored(results: Sequence[store.Stored], reference: str | None = None) -> Comparison:
    """Compare the runs of one or more results on the same grid at the same times.

    A label that an earlier result has already gets the name of its result's folder before it, and
    a number where that is not enough.

    Raises
    ------
    Unsupported
        When grids or times differ.
    """
    first = results[0]
    found: list[Trajectory] = []
    for stored in results:
        if not _alike(stored, first):
            raise Unsupported(
                f"{stored.path} and {first.path} differ in grid, channels or frame times"
            )
        # Groups of a file come by the alphabet; the header knows the order of the scenario.
        order = stored.extra.get("order", [])
        for label in sorted(
            stored.runs, key=lambda k: order.index(k) if k in order else len(order)
        ):
            one = stored.runs[label]
            known = {run.label for run in found}
            names = [label, *(f"{stored.path.parent.name}{n}/{label}" for n in ("", *range(2, 99)))]
            free = next(name for name in names if name not in known)
            found.append(one if free == label else replace(one, label=free))
    return comparison.compare(
        found, first.times, reference=reference or first.reference, title=first.title,
        volume=_volume_of(first),
        expect={k: {n: v for n, v in e.items() if v is not None}
                for k, e in json.loads(first.resolved).get("expect", {}).items()},
    )  # fmt: skip


def _volume_of(stored: store.Stored) -> float | Array:
    try:
        return Grid.model_validate(json.loads(stored.resolved)["grid"]).volume
    except (ValueError, KeyError, TypeError):
        return 1.0  # results from elsewhere need not say what grid they are on


def _alike(a: store.Stored, b: store.Stored) -> bool:
    if (a.shape, len(a.channels), a.clock) != (b.shape, len(b.channels), b.clock):
        return False
    if not np.array_equal(a.times, b.times):
        return False
    return all(map(partial(np.allclose, rtol=1e-12, atol=0), a.centres, b.centres))
