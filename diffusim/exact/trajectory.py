"""An analytic solution as a run: frames that are worked out when they are asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from diffusim.block import Array
from diffusim.exact.matching import Solution, analytic_solution


class Frames:
    """The means of cells at given times, each worked out when it is asked for."""

    def __init__(self, solution: Solution, times: Array) -> None:
        self._solution, self._times = solution, times

    def __len__(self) -> int:
        return len(self._times)

    def __getitem__(self, number: int) -> Array:
        """Return a frame by its number.

        Raises
        ------
        IndexError
            There is no such frame.
        """
        return np.array(self._solution(float(self._times[number])))

    def __iter__(self) -> Iterator[Array]:
        return (self[number] for number in range(len(self)))


@dataclass(frozen=True, eq=False)
class Analytic:
    """An analytic solution, as far as a comparison needs to know a run.

    Parameters
    ----------
    label : str
        Name of the run.
    solution : Solution
        What is worked out.
    times : array
        Frame times in s.
    """

    label: str
    solution: Solution
    times: Array

    @property
    def facts(self) -> Mapping[str, Any]:
        """Kind, limit, role and which solution it is; it has taken no time and no steps."""
        return {
            "kind": "exact", "limit": "analytic", "role": "reference", "statistical": False,
            "order": None, "steps": 0, "seconds": 0.0, "solution": self.solution.name,
            "source": self.solution.source, "prediction": "bound",
            "predicted": [self.solution.tolerance] * len(self.times),
        }  # fmt: skip

    @property
    def frames(self) -> Frames:
        """The means of cells in each frame."""
        return Frames(self.solution, self.times)

    @property
    def counts(self) -> None:
        """Nothing is counted."""
        return

    @property
    def accounts(self) -> None:
        """What comes in and leaves is not kept."""
        return

    @property
    def arrays(self) -> Mapping[str, Frames]:
        """Nothing else is known."""
        return {}


def analytic_run(
    scenario: Mapping[str, Any], times: Array, shape: tuple[int, ...], label: str = "exact"
) -> Analytic | None:
    """Return the analytic solution of a scenario as a run, None where it has none.

    Parameters
    ----------
    scenario : mapping
        A resolved scenario as plain values, as results hold it.
    times : array
        Frame times in s.
    shape : tuple of int
        Shape of the grid that it is compared on; of another one than the scenario's there is none.
    label : str
        Name of the run.
    """
    solution = analytic_solution(scenario)
    if solution is None or solution.grid.shape != tuple(shape):
        return None
    return Analytic(label, solution, np.asarray(times, dtype=float))
