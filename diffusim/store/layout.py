"""What a shard of a dataset holds, apart from how HDF5 is told of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from diffusim.atomic import StoreError

# Each would be taken for something else, or for another layout, by one of the loaders.
TAKEN = (
    *("time", "sample", "dimensions", "scalars", "boundary_conditions", "provenance", "checks"),
    *("t0_fields", "t1_fields", "t2_fields", "tensor", "nu"),
)
# What The Well's loader knows of sides; what exactly they do stands beside it.
WELL_SIDES = {"no-flux": "WALL", "value": "WALL", "flux": "OPEN", "transfer": "OPEN",
              "periodic": "PERIODIC"}  # fmt: skip


@dataclass(frozen=True)
class Quantity:
    """A number that belongs to a trajectory or to all of them; codes have `meanings`, in order."""

    name: str
    unit: str = "1"
    long_name: str = ""
    meanings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Side:
    """What one side of an axis does: its kind, and all that is said of it, as text."""

    kind: str
    words: str


@dataclass(frozen=True, eq=False)
class ShardHeader:
    """What all shards of a dataset have in common.

    `field` names the field; `centres` are one array per axis in metres; `times` are in seconds or
    in what `clock` says; `parameters` differ between trajectories, while `constants` are numbers of
    them all. `maps` are fields that do not change in time: a quantity, and whether each trajectory
    has its own. `nu` names the map or the number that PDEBench's loaders take for the viscosity.
    `provenance` holds texts.
    """

    dataset: str
    title: str
    field: str
    unit: str
    axes: tuple[str, ...]
    centres: tuple[np.ndarray, ...]
    times: np.ndarray
    sides: tuple[tuple[Side, Side], ...]
    clock: str = "seconds"
    geometry: str = "cartesian"
    double: bool = False
    compress: bool = False
    parameters: tuple[Quantity, ...] = ()
    constants: Mapping[Quantity, float] = dataclasses.field(default_factory=dict)
    maps: Mapping[Quantity, bool] = dataclasses.field(default_factory=dict)
    nu: str | None = None
    provenance: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        quantities = (*self.parameters, *self.constants, *self.maps)
        names = [*self.axes, self.field, *(quantity.name for quantity in quantities)]
        taken = {*TAKEN, *(f"{axis}-coordinate" for axis in (*self.axes, "t"))}
        for name in names:
            if names.count(name) > 1 or name in taken:
                raise StoreError(
                    f"A dataset cannot call two things {name!r}; give the field another name."
                )

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of a field."""
        return tuple(centre.size for centre in self.centres)

    @property
    def real(self) -> np.dtype[Any]:
        """Type of all numbers but the exact ones."""
        return np.dtype(np.float64 if self.double else np.float32)


@dataclass(frozen=True, eq=False)
class Trajectory:
    """One trajectory on its way into a shard; `frames` has shape (T, *shape)."""

    index: int
    seed: int
    parameters: Mapping[str, float]
    frames: np.ndarray
    maps: Mapping[str, np.ndarray]
    checks: Mapping[str, float]
