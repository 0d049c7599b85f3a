"""Draws: what a key of a scenario is in each trajectory, and what it is called in the dataset."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from zlib import crc32

import numpy as np

from diffusim.dataset.leaves import Changes
from diffusim.scenario import Scenario
from diffusim.segment import random_key
from diffusim.store import layout
from diffusim.variation.distributions import OWN_SEED, Distribution
from diffusim.variation.keys import SPLITS

# Names that mean something else in a file of a dataset.
TAKEN = frozenset({
    *layout.TAKEN, "x", "y", "r", "z", "index", "split", "seed", "kind", "grid_type",
    "dataset_name", "n_trajectories", "n_spatial_dims", "simulation_parameters", "conventions",
    "obstacle", "diffusivity_map", "random",
})  # fmt: skip


def seed_of(seed: int, split: str, place: int) -> int:
    """Return the seed of a trajectory, which no other one of its dataset has.

    Its highest bits are the split and the place within it, the others a hash of these and of the
    scenario's seed; so seeds of different splits are different by construction.

    Parameters
    ----------
    seed : int
        The scenario's.
    split : {"train", "valid", "test"}
        Which split it is in.
    place : int
        Its place within the split, below 2^28.
    """
    number = SPLITS.index(split)
    sequence = np.random.SeedSequence(seed, spawn_key=(crc32(b"dataset"), number, place))
    return number << 61 | place << 33 | int(sequence.generate_state(1, np.uint64)[0]) >> 31


def word_of(seed: int, path: str) -> int:
    """64 random bits for a key of a trajectory, from its own seed and the path of the key."""
    low, high = random_key(seed, f"vary {path}", 0)
    return high << 32 | low


@dataclass(frozen=True)
class Parameter:
    """A number that differs from trajectory to trajectory.

    Parameters
    ----------
    name : str
        Its name in the dataset.
    path : str
        Path of its key in the scenario.
    unit : str
        Its unit, empty where none is declared.
    meanings : tuple of str
        Where its values are no numbers but codes, from 0 on: what each of them means.
    """

    name: str
    path: str
    unit: str = ""
    meanings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Draw:
    """What one key is in each trajectory.

    Parameters
    ----------
    path : str
        Path of the key.
    law : Distribution or str
        What it is drawn from, or the word for the trajectory's own seed.
    stride : int
        For how many trajectories in a row a value that comes by turns is kept.
    options : tuple
        What it can be, as a scenario holds it; empty where it is drawn as a number.
    codes : tuple of float
        The number that tells each option in the dataset.
    coded : bool
        Whether these are places among the options, which are no numbers then.
    model : type, optional
        What a number that is drawn is kept as; a tuple where a key takes one number or several.
    """

    path: str
    law: Distribution | str
    stride: int = 1
    options: tuple[Any, ...] = ()
    codes: tuple[float, ...] = ()
    coded: bool = False
    model: type | None = None

    @property
    def steps(self) -> list[str]:
        """The steps of its path."""
        return self.path.split(".")

    def drawn(self, seed: int, place: int) -> tuple[Any, float]:
        """Return its value in a trajectory and the number that tells it.

        Parameters
        ----------
        seed : int
            The trajectory's own.
        place : int
            Its place within its split.
        """
        if not isinstance(self.law, Distribution):
            return seed, float(seed)
        word = word_of(seed, self.path) if self.law.random else 0
        if not self.options:
            number = self.law.number(word)
            held: Any = float(number) if self.model in (float, tuple) else number
            return (held,) if self.model is tuple else held, float(number)
        which = self.law.place(word, place // self.stride)
        return self.options[which], self.codes[which]

    @property
    def told(self) -> bool:
        """Whether it is a parameter of the dataset; seeds are told by themselves."""
        return self.law != OWN_SEED


def with_values(template: Scenario, values: Iterable[tuple[Sequence[str], Any]]) -> Scenario:
    """Return a copy of a scenario with other values at some paths, without validation.

    Raises
    ------
    LookupError
        When one of them is kept in another form than it is written in.
    """
    changes = Changes()
    for steps, value in values:
        changes.put(steps, value)
    return changes.made(template)  # type: ignore[no-any-return]


def names(paths: Sequence[Sequence[str]], taken: Collection[str]) -> list[str]:
    """Return a name for each path: its last steps, as few as tell it from the others.

    Examples
    --------
    >>> names([["propagator", "diffusivity"], ["walls", "0", "opens"], ["walls", "1", "opens"]], ())
    ['diffusivity', 'walls_0_opens', 'walls_1_opens']
    """
    offers = [[_safe(path[-length:]) for length in range(1, len(path) + 1)] for path in paths]
    found = []
    for number, own in enumerate(offers):
        others = {name for k, offer in enumerate(offers) if k != number for name in offer}
        free = (name for name in own
                if name[0].isalpha() and name not in others and name not in taken)  # fmt: skip
        found.append(next(free, f"varied_{own[-1]}"))
    return found


def _safe(steps: Sequence[str]) -> str:
    return re.sub(r"\W+", "_", "_".join(steps).lower(), flags=re.ASCII) or "_"


def meanings(options: Sequence[Any]) -> tuple[str, ...]:
    """Return a word for each of some options that are no numbers, no two alike.

    Examples
    --------
    >>> meanings(["no-flux", {"kind": "halves", "angle": 3}, {"kind": "halves"}, None])
    ('no-flux', 'halves_1', 'halves_2', 'none')
    """
    words = [_meaning(option) for option in options]
    return tuple(
        word if words.count(word) == 1 else f"{word}_{words[: number + 1].count(word)}"
        for number, word in enumerate(words)
    )


def _meaning(option: Any) -> str:
    word = option.get("kind", "option") if isinstance(option, Mapping) else option
    if isinstance(word, list | tuple):
        word = "option"
    return re.sub(r"[^\w.+-]+", "_", str(word).lower()).strip("_")[:40] or "option"
