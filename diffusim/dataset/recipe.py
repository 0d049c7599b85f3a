"""The recipe of a dataset: which trajectories there are, and what each of them is made of.

A trajectory is a function of the recipe and of its index alone, so it can be made anywhere, in any
order, and again. Nothing here is as large as the number of trajectories.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from diffusim.block import Array, Invalid
from diffusim.dataset.draws import Draw, Parameter, seed_of, with_values
from diffusim.dataset.leaves import rewritten, type_of
from diffusim.grid import Grid
from diffusim.methods import Method
from diffusim.scenario import Scenario
from diffusim.variation.keys import Dataset


@dataclass(frozen=True)
class Trajectory:
    """One trajectory before it is computed.

    Parameters
    ----------
    index : int
        Its number in the dataset, from 0 on.
    split : str
        ``train``, ``valid`` or ``test``.
    seed : int
        What is random in it is keyed by; no two trajectories have the same one.
    parameters : dict
        Numbers that tell it from others, by name, in SI units.
    scenario : Scenario
        The scenario it follows.
    """

    index: int
    split: str
    seed: int
    parameters: dict[str, float]
    scenario: Scenario


@dataclass(frozen=True)
class Recipe:
    """A scenario with its variations, checked; `read` makes one from a file.

    Parameters
    ----------
    name : str
        Name of the scenario's file, and of the dataset.
    text : str
        The file's text; where bases or overrides changed what it says, that in JSON.
    values : dict
        What the text says, as plain values.
    scenario : Scenario
        The scenario as it is written.
    dataset : Dataset
        Its key ``dataset``.
    method : Method
        By what all trajectories are computed.
    check : Method or None
        By what one interval is computed again; None where that is left open.
    parameters : tuple of Parameter
        What is told of each trajectory, in the order of the scenario.
    constants : dict
        Value and unit of the numbers of the propagator that are the same in all, by name.
    """

    name: str
    text: str
    values: dict[str, Any]
    scenario: Scenario
    dataset: Dataset
    method: Method
    check: Method | None
    parameters: tuple[Parameter, ...]
    constants: Mapping[str, tuple[float, str]]
    _draws: tuple[Draw, ...]
    _template: Scenario
    # Keys that are kept in another form than they are written in, as they are written; these are
    # validated anew for each trajectory.
    _plain: dict[str, Any]
    _folder: Path

    @classmethod
    def read(cls, source: Path | str, overrides: tuple[str, ...] | list[str] = ()) -> Recipe:
        """Read a scenario with a key ``dataset``, and check everything that varies.

        Raises
        ------
        ScenarioError
            With what is wrong, each with file, line and the path of its key.
        """
        from diffusim.dataset.proving import proven

        return cls(**proven(Path(source), overrides))

    # --- what there is --------------------------------------------------------------------------

    @cached_property
    def splits(self) -> dict[str, range]:
        """Indices of the trajectories of each split that has any, one split after the other."""
        found, start = dict[str, range](), 0
        for split, count in self.dataset.counts.items():
            found[split] = range(start, start + count)
            start += count
        return found

    @property
    def count(self) -> int:
        """Number of trajectories."""
        return self.dataset.total

    @property
    def grid(self) -> Grid:
        """The grid of all trajectories."""
        return self.scenario.grid

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of a frame."""
        return self.scenario.grid.shape

    @property
    def times(self) -> Array:
        """Frame times in s, or in applications, shape (n,)."""
        return self.scenario.frame_times

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the parameters."""
        return tuple(parameter.name for parameter in self.parameters)

    @property
    def digest(self) -> str:
        """Hash of everything that decides the trajectories and how they are stored."""
        content = {
            "scenario": self.scenario.digest,
            "dataset": self.dataset.model_dump(mode="json"),
            "method": [self.method.word, self.method.model_dump(mode="json")],
            # The files that choices name are told by their content here.
            "template": self._template.digest,
            "options": [[_told(option) for option in draw.options] for draw in self._draws],
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    # --- one trajectory -------------------------------------------------------------------------

    def split_of(self, index: int) -> tuple[str, int]:
        """Return the split of a trajectory and its place there.

        Raises
        ------
        Invalid
            When there is none of that index.
        """
        for split, indices in self.splits.items():
            if index in indices:
                return split, index - indices.start
        raise Invalid(f"there is no trajectory {index}; they are numbered 0 to {self.count - 1}")

    def trajectory(self, index: int) -> Trajectory:
        """Return a trajectory, ready to be computed.

        Raises
        ------
        Invalid
            When there is none of that index.
        """
        split, place = self.split_of(index)
        seed = seed_of(self.scenario.seed, split, place)
        drawn = [draw.drawn(seed, place) for draw in self._draws]
        parameters = {}
        names = iter(self.names)
        for draw, (_, number) in zip(self._draws, drawn, strict=True):
            if draw.told:
                parameters[next(names)] = number
        values = [value for value, _ in drawn]
        return Trajectory(index, split, seed, parameters, self._with(seed, values))

    def _with(self, seed: int, values: list[Any]) -> Scenario:
        """The scenario with a seed, and with a value for each draw."""
        changes: list[tuple[Sequence[str], Any]] = [(("seed",), seed)]
        plain = self._plain
        for draw, value in zip(self._draws, values, strict=True):
            if draw.steps[0] in plain:
                plain = rewritten(plain, draw.steps, value)
            else:
                changes.append((draw.steps, value))
        for key, value in plain.items():
            context = {"folder": self._folder}
            changes.append(((key,), type_of(key).validate_python(value, context=context)))
        return with_values(self._template, changes)

    # --- all of them ----------------------------------------------------------------------------

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of what `rows` tells."""
        return ("index", "split", "seed", *self.names)

    def rows(self) -> Iterator[dict[str, int | str | float]]:
        """Yield a row for each trajectory: its index, split, seed and parameters, codes in words.

        Nothing is computed, and no row is kept.
        """
        for split, indices in self.splits.items():
            for place, index in enumerate(indices):
                seed = seed_of(self.scenario.seed, split, place)
                row: dict[str, int | str | float] = {"index": index, "split": split, "seed": seed}
                told = (draw for draw in self._draws if draw.told)
                for parameter, draw in zip(self.parameters, told, strict=True):
                    _, number = draw.drawn(seed, place)
                    words = parameter.meanings
                    row[parameter.name] = words[int(number)] if words else number
                yield row


def _told(option: Any) -> Any:
    return option.model_dump(mode="json") if hasattr(option, "model_dump") else str(option)
