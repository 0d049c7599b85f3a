"""A shard of a dataset, opened for reading: its trajectories and what is told of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np

from diffusim.store.hdf5 import reading
from diffusim.store.rules import guard


class OpenedShard:
    """What a shard holds, a trajectory at a time."""

    def __init__(self, file: h5py.File) -> None:
        self._file = file

    @property
    def samples(self) -> list[int]:
        """Numbers of its trajectories."""
        return [int(number) for number in self._file["sample"][...]]

    @property
    def digest(self) -> str:
        """Hash of the recipe it was made by."""
        return str(self._file.attrs["digest"])

    @property
    def seeds(self) -> list[int]:
        """Seeds of its trajectories."""
        return [int(seed) for seed in self._file["checks/seed"][...]]

    def checks(self, row: int) -> dict[str, float]:
        """Numbers that were found when a trajectory was made."""
        group = self._file["checks"]
        return {name: float(group[name][row]) for name in group if name != "seed"}

    def parameters(self, row: int) -> dict[str, float]:
        """Parameters of a trajectory, in double precision."""
        group, mark = self._file["provenance/exact"], "exact_"
        return {
            name.removeprefix(mark): float(group[name][row])
            for name in group
            if name != f"{mark}time"
        }

    def field(self, name: str, row: int) -> np.ndarray:
        """Values of a field in a trajectory, along time as well unless it does not change."""
        data = self._file[name]
        own = bool(data.attrs["sample_varying"])
        return np.asarray(data[row] if own else data[...])


@contextmanager
def opened(path: Path) -> Iterator[OpenedShard]:
    """Open a shard; all that goes wrong inside is a `StoreError`."""
    with reading(path) as file:
        guard(file)
        yield OpenedShard(file)
