"""The key ``dataset`` of a scenario: how many trajectories, what varies, how they are stored."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BeforeValidator,
    Field,
    PlainSerializer,
    SerializeAsAny,
    ValidationInfo,
    WithJsonSchema,
    model_validator,
)

from diffusim.block import Block, Integer, Invalid
from diffusim.methods import Method
from diffusim.phrases import guess
from diffusim.variation.distributions import Distribution, Swept, Varied

SPLITS = ("train", "valid", "test")
# Of a split, so that a seed has room for the place within it.
MOST_TRAJECTORIES = 2**28

Count = Annotated[Integer, Field(ge=0, le=MOST_TRAJECTORIES)]


class Counts(Block):
    """How many trajectories there are in each split; with a sweep, for each of its combinations."""

    train: Annotated[Integer, Field(ge=1, le=MOST_TRAJECTORIES)]
    valid: Count = 0
    test: Count = 0


def _counts(value: Any) -> Any:
    """Divide one number, 80 % for training and 10 % each for the others."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        if not 1 <= value <= MOST_TRAJECTORIES:
            raise Invalid(f"expected 1 to {MOST_TRAJECTORIES} trajectories, found {value}")
        tenth = (value + 5) // 10
        return {"train": value - 2 * tenth, "valid": tenth, "test": tenth}
    return value


_NUMBER_OR_COUNTS = WithJsonSchema({"anyOf": [{"type": "integer"}, Counts.model_json_schema()]})


class Sweep(Block):
    """Values that are gone through systematically.

    Parameters
    ----------
    grid : mapping, optional
        From the path of a key to its values; every combination is taken, the last key changing
        fastest.
    zip : mapping, optional
        Likewise, but all keys go in step; their values are as many.
    """

    grid: dict[str, SerializeAsAny[Swept]] | None = None
    zip: dict[str, SerializeAsAny[Swept]] | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.grid is None) == (self.zip is None) or not self.keys:
            raise Invalid("expected either 'grid' or 'zip', with one key at least")
        if self.zip is not None and len({v.count for v in self.keys.values()}) > 1:
            told = ", ".join(f"{v.count} of {key}" for key, v in self.keys.items())
            raise Invalid(f"keys that go in step have as many values each, not {told}", "zip")
        return self

    @property
    def word(self) -> Literal["grid", "zip"]:
        """Which of the two it is."""
        return "zip" if self.grid is None else "grid"

    @property
    def keys(self) -> dict[str, Any]:
        """From the path of a key to its values."""
        return self.grid or self.zip or {}

    @property
    def count(self) -> int:
        """Number of combinations."""
        counts = [values.count for values in self.keys.values()]
        return counts[0] if self.grid is None else math.prod(counts)

    def strides(self) -> dict[str, int]:
        """After how many combinations each key takes its next value."""
        found, stride = dict[str, int](), 1
        for key, values in reversed(self.keys.items()):
            found[key] = stride
            stride *= values.count if self.grid is not None else 1
        return found


def _method(value: Any, info: ValidationInfo) -> Any:
    # A word may be the label of one of the scenario's methods, which only the scenario knows.
    return value if value is None or isinstance(value, str) else Method.read(value, info.context)


def _told(method: Any) -> Any:
    known = isinstance(method, Method)
    return {"kind": method.word, **method.model_dump(mode="json")} if known else method


AnyMethod = Annotated[
    Any,
    BeforeValidator(_method),
    PlainSerializer(_told),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "object"}, {"type": "null"}]}),
]


class Dataset(Block):
    """A set of trajectories, each of them this scenario with some keys changed.

    Parameters
    ----------
    trajectories : int or mapping, optional
        How many for each split, ``{train:, valid:, test:}``, or one number, of which 10 % each are
        for validation and test. With a sweep, for each of its combinations; default then is 1.
    vary : mapping, optional
        From the path of a key to the distribution of its values; a list means any of them.
    sweep : mapping, optional
        ``{grid: ...}`` or ``{zip: ...}``, from the path of a key to its values.
    method : str or mapping, optional
        A label of the scenario or a method of its own; default the scenario's reference, else its
        first exact method, else its first.
    check : str or mapping, optional
        Another method, by which one frame interval of each trajectory is computed again.
    precision : {"single", "double"}
        Of what is stored.
    compression : {"none", "gzip"}
        Of what is stored; gzip is level 1 with shuffle.
    shard : int
        Trajectories of a file, fewer where they would be more than 96 MiB.
    """

    trajectories: Annotated[Counts | None, BeforeValidator(_counts), _NUMBER_OR_COUNTS] = None
    vary: dict[str, SerializeAsAny[Varied]] = Field(default_factory=dict)
    sweep: Sweep | None = None
    method: AnyMethod = None
    check: AnyMethod = None
    precision: Literal["single", "double"] = "single"
    compression: Literal["none", "gzip"] = "none"
    shard: Annotated[Integer, Field(ge=1, le=2**20)] = 16

    @model_validator(mode="after")
    def _how_many(self) -> Self:
        if self.trajectories is None and self.sweep is None:
            raise Invalid("expected how many trajectories there are", "trajectories")
        if self.total > MOST_TRAJECTORIES:
            raise Invalid(f"{self.total} trajectories are more than {MOST_TRAJECTORIES}")
        return self

    @property
    def counts(self) -> dict[str, int]:
        """Number of trajectories in each split that has any."""
        counts = self.trajectories or Counts(train=1)
        times = self.sweep.count if self.sweep is not None else 1
        own = {split: times * getattr(counts, split) for split in SPLITS}
        return {split: count for split, count in own.items() if count}

    @property
    def total(self) -> int:
        """Number of all trajectories."""
        return sum(self.counts.values())

    @property
    def keys(self) -> dict[str, tuple[tuple[str, ...], Distribution | str]]:
        """From the path of each key that varies to where in this block it stands, and its law."""
        found: dict[str, tuple[tuple[str, ...], Distribution | str]] = {}
        found |= {key: (("vary", key), law) for key, law in self.vary.items()}
        if self.sweep is not None:
            for key, law in self.sweep.keys.items():
                found[key] = (("sweep", self.sweep.word, key), law)
        return found

    def problems(self, labels: Collection[str]) -> Iterator[Invalid]:
        """Yield what is wrong with its paths and methods, given the labels of the scenario."""
        known = [*labels, *Method.words()]
        for key in ("method", "check"):
            word = getattr(self, key)
            if isinstance(word, str) and word not in known:
                message = f"there is no method '{word}' here{guess(word, known)}"
                yield Invalid(f"{message}; known: {', '.join(known)}", key)
        twice = set(self.vary) & set(self.sweep.keys if self.sweep is not None else ())
        for key in twice:
            yield Invalid(f"'{key}' is swept as well; give it one of the two", "vary", key)
        paths = {key: key.split(".") for key in self.keys}
        for key, (place, _) in self.keys.items():
            for other, steps in paths.items():
                if other != key and steps == paths[key][: len(steps)]:
                    yield Invalid(f"'{key}' is a part of '{other}', which varies too", *place)
