"""Distributions of a key's values over the trajectories of a dataset.

Every draw is a function of one 64-bit word, so it can be made by itself, in any order; what is
taken in turn is a function of the trajectory's place in its split.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Annotated, Any, ClassVar, Self

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from diffusim.block import Block, Integer, Invalid, listed, unit

# The word for the seed that a trajectory has of its own.
OWN_SEED = "trajectory"
MOST_VALUES = 10**5
_QUANTITY = re.compile(r"\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*(\S.*)?$")

Powers = tuple[int, int, int]


@lru_cache(maxsize=2**12)
def si(value: float | str) -> tuple[float, Powers | None]:
    """Return a number in SI units and its powers of length, time and mass, None without a unit.

    Raises
    ------
    Invalid
        When it is neither a number nor ``<number> <unit>``.

    Examples
    --------
    >>> si("2 cm"), si(3)
    ((0.02, (1, 0, 0)), (3.0, None))
    """
    if not isinstance(value, str):
        return float(value), None
    match = _QUANTITY.match(value)
    if match is None:
        raise Invalid(f"expected a number or '<number> <unit>', found '{value}'")
    if not match[2]:
        return float(match[1]), None
    factor, powers = unit(match[2])
    divisor = round(1 / factor)
    # As quantities do it, so that both come to the same number to the last bit.
    whole = factor < 1 and abs(divisor * factor - 1.0) < 1e-12
    return float(match[1]) / divisor if whole else float(match[1]) * factor, powers


def _bound(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise Invalid(f"expected a number or '<number> <unit>', found {value!r}")
    si(value)
    return value


Bound = Annotated[
    Any,
    BeforeValidator(_bound),
    WithJsonSchema({"anyOf": [{"type": "number"}, {"type": "string"}]}),
]
Pair = Annotated[tuple[Bound, Bound], listed]
Steps = Annotated[tuple[Bound, Bound, Annotated[Integer, Field(ge=1, le=MOST_VALUES)]], listed]


def _numbers(bounds: Sequence[Any]) -> list[float]:
    """Bounds in SI units; those that have a unit must be of one dimension."""
    found = [si(bound) for bound in bounds]
    if len({powers for _, powers in found if powers is not None}) > 1:
        raise Invalid(f"{' and '.join(map(str, bounds))} are not of the same kind")
    return [number for number, _ in found]


def _growing(bounds: Sequence[Any], positive: bool = False) -> list[float]:
    low, high = _numbers(bounds)
    if low > high:
        raise Invalid(f"expected the lower bound first, not {bounds[0]} before {bounds[1]}")
    if positive and low <= 0.0:
        raise Invalid(f"bounds on a logarithmic scale are above zero, not {bounds[0]}")
    return [low, high]


def _fraction(word: int) -> float:
    """A number within (0, 1) from 64 bits, neither end among them."""
    return ((word >> 11) + 0.5) * 2.0**-53


class Distribution(Block):
    """What all distributions share; each has one key, its word.

    ``random`` says whether it needs a random word; where it does not, it goes by turns.
    """

    random: ClassVar[bool] = True

    @property
    def options(self) -> tuple[Any, ...] | None:
        """All values it can take as they are written, None where these are no list."""
        return None

    @property
    def tried(self) -> tuple[Any, ...]:
        """Values as they are written that a key must take if it is to take all."""
        return self.options or ()

    def number(self, word: int) -> float | int:
        """Draw a number in SI units from 64 random bits."""
        raise NotImplementedError

    def place(self, word: int, turn: int) -> int:
        """Which of its options it is, from 64 random bits and the place within the split."""
        raise NotImplementedError


class Uniform(Distribution):
    """Evenly between two bounds."""

    uniform: Pair

    @model_validator(mode="after")
    def _sound(self) -> Self:
        _growing(self.uniform)
        return self

    @property
    def tried(self) -> tuple[Any, ...]:
        """Its bounds."""
        return self.uniform

    def number(self, word: int) -> float:
        """Draw a number in SI units from 64 random bits."""
        low, high = _numbers(self.uniform)
        return min(high, low + (high - low) * _fraction(word))


class Loguniform(Distribution):
    """Evenly in the logarithm between two bounds."""

    loguniform: Pair

    @model_validator(mode="after")
    def _sound(self) -> Self:
        _growing(self.loguniform, positive=True)
        return self

    @property
    def tried(self) -> tuple[Any, ...]:
        """Its bounds."""
        return self.loguniform

    def number(self, word: int) -> float:
        """Draw a number in SI units from 64 random bits."""
        low, high = _numbers(self.loguniform)
        return float(min(high, max(low, low * (high / low) ** _fraction(word))))


class Normal(Distribution):
    """A normal deviate of a mean and a standard deviation, if wanted within bounds.

    Parameters
    ----------
    normal : tuple
        Mean and standard deviation.
    within : tuple, optional
        Bounds; the density between them is that of the normal law, and none is beyond.
    """

    normal: Pair
    within: Pair | None = None

    @model_validator(mode="after")
    def _sound(self) -> Self:
        mean, deviation, *_ = _numbers([*self.normal, *(self.within or ())])
        if deviation < 0.0:
            raise Invalid(f"a standard deviation is not below zero, as {self.normal[1]} is")
        if self.within is not None:
            low, high = _growing(self.within)
            if not low <= mean <= high:
                raise Invalid(f"the mean {self.normal[0]} is not within the bounds", "within")
        return self

    @property
    def tried(self) -> tuple[Any, ...]:
        """Its mean and its bounds."""
        return (self.normal[0], *(self.within or ()))

    def number(self, word: int) -> float:
        """Draw a number in SI units from 64 random bits."""
        from scipy.special import ndtr, ndtri

        mean, deviation = _numbers(self.normal)
        if deviation == 0.0:
            return mean
        if self.within is None:
            return mean + deviation * float(ndtri(_fraction(word)))
        low, high = _numbers(self.within)
        below, above = (float(ndtr((end - mean) / deviation)) for end in (low, high))
        z = float(ndtri(below + (above - below) * _fraction(word)))
        return min(high, max(low, mean + deviation * z))


class Integers(Distribution):
    """A whole number from the first to the last, both among them."""

    integers: Annotated[tuple[Integer, Integer], listed]

    @model_validator(mode="after")
    def _sound(self) -> Self:
        low, high = self.integers
        if not -(2**63) <= low <= high < 2**63:
            raise Invalid(f"expected the lower bound first, not {low} before {high}")
        return self

    @property
    def tried(self) -> tuple[Any, ...]:
        """Its bounds."""
        return self.integers

    def number(self, word: int) -> int:
        """Draw a whole number from 64 random bits."""
        low, high = self.integers
        return low + ((word * (high - low + 1)) >> 64)


class Choice(Distribution):
    """Any of some values, numbers or whole blocks, equally likely."""

    choice: Annotated[tuple[Any, ...], Field(min_length=1, max_length=MOST_VALUES), listed]

    @property
    def options(self) -> tuple[Any, ...]:
        """All values it can take as they are written."""
        return self.choice

    def place(self, word: int, _turn: int) -> int:
        """Which of its options it is, from 64 random bits."""
        return (word * len(self.choice)) >> 64


class InTurn(Distribution):
    """What is taken one after another, and again from the first when all were taken."""

    random: ClassVar[bool] = False

    @property
    def count(self) -> int:
        """Number of its options."""
        raise NotImplementedError

    def place(self, _word: int, turn: int) -> int:
        """Which of its options it is, from the place within the split."""
        return turn % self.count


class Values(InTurn):
    """Values in turn, numbers or whole blocks."""

    values: Annotated[tuple[Any, ...], Field(min_length=1, max_length=MOST_VALUES), listed]

    @property
    def count(self) -> int:
        """Number of its options."""
        return len(self.values)

    @property
    def options(self) -> tuple[Any, ...]:
        """All values it can take as they are written."""
        return self.values


class Linspace(InTurn):
    """So many evenly spaced values between two bounds, both among them, in turn."""

    linspace: Steps

    @model_validator(mode="after")
    def _sound(self) -> Self:
        _numbers(self.linspace[:2])
        return self

    @property
    def count(self) -> int:
        """Number of its options."""
        return self.linspace[2]

    @property
    def options(self) -> tuple[Any, ...]:
        """All values it can take as they are written."""
        low, high, count = self.linspace
        a, b = _numbers((low, high))
        inner = [a + (b - a) * i / (count - 1) for i in range(1, count - 1)]
        # The ends as they are written, so that a wrong unit is seen.
        return (low, *inner, high)[:count]


class Logspace(InTurn):
    """So many values with equal ratios between two bounds, both among them, in turn."""

    logspace: Steps

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if min(_numbers(self.logspace[:2])) <= 0.0:
            raise Invalid("bounds on a logarithmic scale are above zero")
        return self

    @property
    def count(self) -> int:
        """Number of its options."""
        return self.logspace[2]

    @property
    def options(self) -> tuple[Any, ...]:
        """All values it can take as they are written."""
        low, high, count = self.logspace
        a, b = _numbers((low, high))
        inner = [a * math.exp(math.log(b / a) * i / (count - 1)) for i in range(1, count - 1)]
        return (low, *inner, high)[:count]


KINDS: dict[str, type[Distribution]] = {
    "uniform": Uniform, "loguniform": Loguniform, "normal": Normal, "integers": Integers,
    "choice": Choice, "values": Values, "linspace": Linspace, "logspace": Logspace,
}  # fmt: skip
_IN_TURN = ("values", "linspace", "logspace")


def _read(value: Any, words: Sequence[str], bare: str) -> Any:
    """Choose the class by the one key that all of its kind have."""
    if isinstance(value, Distribution):
        return value
    if isinstance(value, list | tuple):
        return KINDS[bare].model_validate({bare: tuple(value)})
    known = ", ".join(words)
    if not isinstance(value, Mapping):
        raise Invalid(f"expected a list of values, or a mapping with one of: {known}")
    found = [word for word in words if word in value]
    if len(found) != 1:
        raise Invalid(f"expected one of: {known}; found {', '.join(map(str, value)) or 'nothing'}")
    return KINDS[found[0]].model_validate(dict(value))


def _drawn(value: Any) -> Any:
    return value if value == OWN_SEED else _read(value, [*KINDS], "choice")


def _stepped(value: Any) -> Any:
    return _read(value, _IN_TURN, "values")


def _schema(words: Sequence[str], *others: dict[str, Any]) -> WithJsonSchema:
    mapping = {"type": "object", "properties": {word: {} for word in words}}
    return WithJsonSchema({"anyOf": [{"type": "array"}, mapping, *others]})


Varied = Annotated[Any, BeforeValidator(_drawn), _schema([*KINDS], {"const": OWN_SEED})]
Swept = Annotated[Any, BeforeValidator(_stepped), _schema(_IN_TURN)]
