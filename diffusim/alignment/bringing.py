"""Runs of several results brought to the same times and cells."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np

from diffusim import store
from diffusim.alignment.alike import geometry_of, must_be_alike
from diffusim.alignment.cells import Coarsened, faces_of
from diffusim.alignment.differences import differences
from diffusim.alignment.labels import labelled, names_of
from diffusim.alignment.times import Chosen, common
from diffusim.block import Array, Unsupported
from diffusim.coarsening import Coarsening
from diffusim.comparison import Frames, Trajectory

# Arrays that are no fields, whatever their shape.
OF_NO_CELLS = ("accounts", "energy", "paths", "weight")
Named = tuple[str, store.Stored, store.StoredRun]


@dataclass(frozen=True, eq=False)
class Aligned:
    """Runs that can be compared.

    Parameters
    ----------
    header : Header
        What all of them were brought to: cells, times, and the scenario of the first result; of one
        result alone its own header.
    runs : dict
        The runs by label, in the order of the results and their scenarios.
    notes : list of str
        What was done to them, and in what their scenarios differ.
    origins : dict
        The result that each of them is from.
    """

    header: store.Header
    runs: dict[str, Trajectory]
    notes: list[str] = field(default_factory=list)
    origins: Mapping[str, store.Stored] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Brought:
    """A run at some of its times, on larger cells than its own or on its own."""

    label: str
    times: Array
    facts: Mapping[str, Any]
    frames: Frames
    arrays: Mapping[str, Frames]

    @property
    def counts(self) -> Frames | None:
        """Integer counts behind the fields, where they could be summed."""
        return self.arrays.get("counts")

    @property
    def accounts(self) -> Frames | None:
        """What has come in by each account since time zero."""
        return self.arrays.get("accounts")


def align(results: Sequence[store.Stored]) -> Aligned:
    """Bring the runs of one or more results to the same times and cells.

    Frames at times that all have are kept, none is interpolated. Where grids cut one box into
    different cells, fields are averaged to the larger ones when they are asked for.

    Raises
    ------
    Unsupported
        When boxes, axes, channels or clocks differ, no time but the start is common to all, or
        there are no frames at all.
    """
    first = results[0]
    for stored in results[1:]:
        must_be_alike(stored, first)
    named = [one for one in labelled(results) if one[2].arrays and len(one[2].times)]
    if not named:
        raise Unsupported(f"{first.path} holds no frames, so there is nothing to compare")
    numbers = common({f"{label} ({stored.path})": run.times for label, stored, run in named},
                     first.clock)  # fmt: skip
    faces = _coarsest(results)
    work = {id(stored): Coarsening.between(faces_of(stored), faces, geometry_of(stored))
            for stored in results}  # fmt: skip
    runs = {one[0]: _brought(one, chosen, work[id(one[1])])
            for one, chosen in zip(named, numbers, strict=True)}  # fmt: skip
    header = brought_to(first, faces, named[0][2].times[numbers[0]])
    notes = [*_of_runs(results, named), *_of_times(header, named)]
    notes += [*_of_cells(results, header, work), *_of_scenarios(results)]
    return Aligned(header, runs, notes, {label: stored for label, stored, _ in named})


def _coarsest(results: Sequence[store.Stored]) -> tuple[Array, ...]:
    """The faces along each axis of whichever result has the fewest cells there."""
    every = [faces_of(stored) for stored in results]
    return tuple(min(of_axis, key=len) for of_axis in zip(*every, strict=True))


def _brought(one: Named, chosen: list[int], work: Coarsening) -> Trajectory:
    label, stored, run = one
    told = run.facts.get("predicted", chosen)
    if chosen == list(range(len(told))) and len(told) == len(run.times) and not work.changes:
        return run if run.label == label else replace(run, label=label)
    facts = dict(run.facts)
    if facts.get("predicted"):
        facts["predicted"] = [facts["predicted"][number] for number in chosen]
    if work.changes:
        facts["cells"] = list(stored.shape)
    arrays: dict[str, Frames] = {}
    for name, frames in run.arrays.items():
        kept = Chosen(frames, chosen)
        of_cells = name not in OF_NO_CELLS and frames.shape[-len(stored.shape) :] == stored.shape
        if not (work.changes and of_cells):
            arrays[name] = kept
        elif (how := _how(name, run.name, work)) is not None:
            arrays[name] = Coarsened(kept, how)
    return Brought(label, run.times[chosen], facts, arrays[run.name], arrays)


def _how(name: str, field_name: str, work: Coarsening) -> Callable[[Array], Array] | None:
    """How an array of cells comes to larger ones; None where it cannot."""
    if name == field_name:
        return work.means
    if name == "deviation":
        return work.deviations
    return work.sums if name == "counts" and work.whole else None


def brought_to(
    header: store.Header, faces: Sequence[Array], times: Array, anew: bool = False
) -> store.Header:
    """Return a header with other cells and times; its scenario has them as well.

    Where nothing changes it is the header itself, unless it is wanted ``anew``, with its times as a
    list.
    """
    shape = tuple(f.size - 1 for f in faces)
    if shape == header.shape and np.array_equal(times, header.times) and not anew:
        return header
    values = {entry.name: getattr(header, entry.name) for entry in fields(store.Header)}
    values |= {"times": times, "resolved": _resolved(header, shape, times)}
    if shape != header.shape:
        centres = tuple(0.5 * (f[1:] + f[:-1]) for f in faces)
        values |= {"shape": shape, "centres": centres, "faces": tuple(faces)}
    return store.Header(**values)


def _resolved(header: store.Header, shape: tuple[int, ...], times: Array) -> str:
    scenario = header.plain
    if not isinstance(scenario.get("grid"), dict):
        return header.resolved
    grid = {**scenario["grid"], "shape": list(shape)}
    return json.dumps({**scenario, "grid": grid, "times": {"at": times.tolist()}})


# --- what is told of it -------------------------------------------------------------------------


def _of_runs(results: Sequence[store.Stored], named: Sequence[Named]) -> Iterator[str]:
    """Say which runs hold no frames."""
    names = names_of(results)
    for stored in results:
        kept = {run.label for _, origin, run in named if origin is stored}
        for label in sorted(set(stored.runs) - kept):
            yield f"{label} of {names[id(stored)]} holds no frames and is left out"


def _of_times(header: store.Header, named: Sequence[Named]) -> Iterator[str]:
    """Say how many times are left of how many."""
    had = list(dict.fromkeys(len(run.times) for _, _, run in named))
    if had != [header.times.size]:
        yield (
            f"compared at {header.times.size} common time{'s' * (header.times.size > 1)} of "
            f"{' and '.join(map(str, had))}"
        )


def _of_cells(
    results: Sequence[store.Stored], header: store.Header, work: Mapping[int, Coarsening]
) -> Iterator[str]:
    """Say what was averaged, and how."""
    cells, names = " x ".join(map(str, header.shape)), names_of(results)
    for stored in results:
        how = work[id(stored)]
        if not how.changes:
            continue
        cut = (
            "; the mean inside a small cell was taken as even, and counts are left out, "
            "because cells are cut"
        )
        had = " x ".join(map(str, stored.shape))
        yield f"{names[id(stored)]}: {had} cells averaged to {cells}{cut * (not how.whole)}"


def _of_scenarios(results: Sequence[store.Stored]) -> Iterator[str]:
    """Say in what the scenarios of other results differ from the first one."""
    names = names_of(results)
    for stored in results[1:]:
        if told := differences(results[0], stored):
            yield f"{names[id(results[0])]} and {names[id(stored)]} differ: {told}"
