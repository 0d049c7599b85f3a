"""How a dataset is divided into shards, and what all of these have in common."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from diffusim.block import Array
from diffusim.dataset.manifest import versions
from diffusim.dataset.media import maps
from diffusim.dataset.recipe import Recipe
from diffusim.store.layout import Quantity, ShardHeader, Side

LARGEST = 96 * 2**20
# Trajectories that are looked at beforehand to learn which maps there are.
PROBES = 9
# From a key of the propagator to the maps that it changes.
CHANGED = {"walls": "open", "obstacles": "obstacle", "diffusivity": "diffusivity_map"}


@dataclass(frozen=True)
class Span:
    """One shard: its number, its file below the dataset's folder, and its trajectories."""

    number: int
    split: str
    file: str
    indices: range

    @property
    def record(self) -> str:
        """Name of its record."""
        return f"{Path(self.file).stem}.json"


@dataclass(frozen=True)
class Division:
    """How the trajectories of each split are divided into shards; there is no list of them.

    Parameters
    ----------
    splits : dict
        Indices of the trajectories of each split.
    size : int
        Trajectories of a shard; the last of a split may have fewer.
    """

    splits: Mapping[str, range]
    size: int

    def __len__(self) -> int:
        return sum(-(-len(indices) // self.size) for indices in self.splits.values())

    def __getitem__(self, number: int) -> Span:
        within = number
        for split, indices in self.splits.items():
            count = -(-len(indices) // self.size)
            if 0 <= within < count:
                own = indices[within * self.size : (within + 1) * self.size]
                return Span(number, split, f"data/{split}/{split}-{within:05d}.hdf5", own)
            within -= count
        raise IndexError(number)

    def __iter__(self) -> Iterator[Span]:
        return (self[number] for number in range(len(self)))


@dataclass(frozen=True, eq=False)
class Job:
    """All that a worker must know: the recipe, what its shards share, and where they go."""

    recipe: Recipe
    header: ShardHeader
    division: Division
    folder: Path
    digest: str


def planned(recipe: Recipe, folder: Path) -> Job:
    """Return what workers must know to make the shards of a recipe in a folder.

    Raises
    ------
    StoreError
        Two things would have the same name in the files.
    """
    digest = recipe.digest
    header = _header(recipe, digest)
    trajectory = header.times.size * recipe.grid.cells * header.real.itemsize
    size = max(1, min(recipe.dataset.shard, LARGEST // trajectory))
    return Job(recipe, header, Division(recipe.splits, size), Path(folder), digest)


def _header(recipe: Recipe, digest: str) -> ShardHeader:
    scenario, grid = recipe.scenario, recipe.grid
    parameters = tuple(
        Quantity(p.name, p.unit or "1", f"{p.path} of the scenario", p.meanings)
        for p in recipe.parameters
    )
    constants = {Quantity(key, unit or "1"): value
                 for key, (value, unit) in recipe.constants.items()}  # fmt: skip
    fixed = _maps(recipe)
    # One number in all cells, or a map of them.
    numbers = [q.name for q in (*fixed, *parameters, *constants) if not q.meanings]
    nu = next((n for n in ("diffusivity_map", "diffusivity") if n in numbers), None)
    return ShardHeader(
        dataset=recipe.name, title=scenario.title, unit=scenario.field.unit,
        field=scenario.field.name,
        axes=tuple(grid.names), centres=tuple(grid.centres(axis) for axis in grid.axes),
        times=recipe.times, clock=scenario.propagator.clock,
        sides=tuple((_side(low), _side(high)) for low, high in grid.edges),
        geometry=grid.geometry if grid.radial else "cartesian",
        double=recipe.dataset.precision == "double",
        compress=recipe.dataset.compression == "gzip",
        parameters=parameters, constants=constants, maps=fixed, nu=nu,
        provenance={"scenario": recipe.text, "digest": digest, **versions()},
    )  # fmt: skip


def _side(edge: Any) -> Side:
    written = edge.written()
    return Side(edge.kind, written if isinstance(written, str) else json.dumps(written))


# --- fields that do not change in time ----------------------------------------------------------


def _maps(recipe: Recipe) -> dict[Quantity, bool]:
    """The maps of all trajectories, and whether each trajectory has its own."""
    count = recipe.count
    probes = [recipe.trajectory(number * (count - 1) // (PROBES - 1)) for number in range(PROBES)]
    found: dict[str, list[Array]] = {}
    for probe in {probe.index: probe for probe in probes}.values():
        for name, values in maps(probe.scenario.propagator, probe.scenario.grid).items():
            found.setdefault(name, []).append(values)
    varied = _varied(recipe)
    for name in [f"open_{axis}" for axis in recipe.grid.names] if "open" in varied else []:
        found.setdefault(name, [])
    if "obstacle" in varied:
        found.setdefault("obstacle", [])
    seen = len({probe.index for probe in probes})
    own = {
        name: any(name.startswith(word) for word in varied)
        or len(values) < seen
        or not all(np.array_equal(values[0], one) for one in values)
        for name, values in found.items()
    }
    return {Quantity(name, _unit(name)): own[name] for name in sorted(found)}


def _varied(recipe: Recipe) -> set[str]:
    """Which maps a key changes that varies, by how their names begin."""
    steps = [key.split(".") for key in recipe.dataset.keys]
    if ["propagator"] in steps:
        return {*CHANGED.values()}
    inside = [path[1] for path in steps if path[0] == "propagator"]
    return {CHANGED[key] for key in inside if key in CHANGED}


def _unit(name: str) -> str:
    return "m^2/s" if name.startswith("diffusivity") else "1"
