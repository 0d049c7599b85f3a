"""Leaves of a scenario: a value at a path is found, replaced, and told its unit."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Annotated, Any, get_args

from pydantic import BaseModel, TypeAdapter, WithJsonSchema

from diffusim.scenario import Scenario
from diffusim.variation.distributions import si

Steps = Sequence[str]

# Keys of starts and edges whose numbers are in the field's own unit.
_OF_THE_FIELD = frozenset(
    {"value", "values", "peak", "mean", "deviation", "background", "amplitude", "bounds"}
)


def found(model: Any, steps: Steps) -> Any:
    """Return what a model holds at a path.

    Raises
    ------
    LookupError
        When it holds nothing there, or keeps what was written there in another form.
    """
    for step in steps:
        model = _inside(model, step)
    return model


def _inside(model: Any, step: str) -> Any:
    if isinstance(model, BaseModel):
        if step not in type(model).model_fields:
            raise LookupError(step)
        return getattr(model, step)
    if isinstance(model, tuple | list):
        if not step.isdecimal():
            raise LookupError(step)
        return model[int(step)]
    if isinstance(model, Mapping):
        return model[step]
    raise LookupError(step)


@dataclass
class Changes:
    """Values to be put into a model, as a tree of steps."""

    below: dict[str, Changes | Any] = field(default_factory=dict)

    def put(self, steps: Steps, value: Any) -> None:
        """Add a value at a path."""
        *above, last = steps
        node = self
        for step in above:
            node = node.below.setdefault(step, Changes())
        node.below[last] = value

    def made(self, model: Any) -> Any:
        """Return a copy of a model with these values, sharing the rest, without validation.

        Raises
        ------
        LookupError
            When it holds nothing at a path, or keeps what was written there in another form.
        """
        inner = {}
        for step, change in self.below.items():
            own = _inside(model, step)
            inner[step] = change.made(own) if isinstance(change, Changes) else change
        if isinstance(model, BaseModel):
            # Made anew and not copied, so that nothing that it keeps for itself goes along.
            written = model.model_fields_set | inner.keys()
            return type(model).model_construct(_fields_set=written, **{**model.__dict__, **inner})
        if isinstance(model, Mapping):
            return {**model, **inner}
        return tuple(inner.get(str(number), entry) for number, entry in enumerate(model))


def rewritten(value: Any, steps: Steps, new: Any) -> Any:
    """Return a copy of plain values, as they are written in a file, with another one at a path."""
    if not steps:
        return new
    if isinstance(value, list | tuple):
        entries = list(value)
        entries[int(steps[0])] = rewritten(entries[int(steps[0])], steps[1:], new)
        return entries
    known = value if isinstance(value, Mapping) else {}
    return {**known, steps[0]: rewritten(known.get(steps[0]), steps[1:], new)}


@cache
def type_of(key: str) -> TypeAdapter[Any]:
    """Return what validates one of the keys at the top of a scenario."""
    own = Scenario.model_fields[key]
    kind: Any = Annotated[own.annotation, *own.metadata] if own.metadata else own.annotation
    return TypeAdapter(kind)


def unit_of(scenario: Scenario, steps: Steps, written: Sequence[Any] = ()) -> str:
    """Return the unit of the number at a path, empty where it has none.

    Where the key declares none, it may stand in its values as they are written.
    """
    model: Any = scenario
    told = None
    for step in steps:
        if isinstance(model, BaseModel) and step in type(model).model_fields:
            own = type(model).model_fields[step]
            units = list(_units([own.annotation, *own.metadata]))
            # What lies along the axis of a grid has its unit, that of a series being told last.
            told = units[-1 if scenario.grid.in_time else 0] if units else None
        try:
            model = _inside(model, step)
        except LookupError:
            break
    powers = [si(value)[1] for value in written if isinstance(value, str)]
    if told is None and powers and powers[0] is not None:
        return _named(powers[0])
    last = next(step for step in reversed(steps) if not step.isdecimal())
    if told is None and last in _OF_THE_FIELD and steps[0] in ("initial", "grid"):
        return scenario.field.unit
    return told or ("degree" if last == "angle" else "")


def _named(powers: tuple[int, int, int]) -> str:
    """Write powers of length, time and mass as a unit."""
    parts = list(zip(("m", "s", "kg"), powers, strict=True))
    above = [f"{word}^{p}" if p > 1 else word for word, p in parts if p > 0]
    below = [f"{word}^{-p}" if p < -1 else word for word, p in parts if p < 0]
    return "/".join([" ".join(above) or "1", *below])


def _units(parts: Any) -> Iterator[str]:
    """Yield the units that a type declares, not those within blocks."""
    for part in parts:
        if isinstance(part, WithJsonSchema):
            words = str((part.json_schema or {}).get("description"))
            match = re.fullmatch(r"in ([^\s,]+)(?:, or in (\S+) along a series)?", words)
            if match is not None:
                yield from filter(None, match.groups())
        else:
            yield from _units([*get_args(part), *getattr(part, "__metadata__", ())])


def numbers(scenario: Scenario, steps: Steps) -> Iterator[tuple[tuple[str, ...], float, str]]:
    """Yield path, value and unit of all numbers in a block and in the blocks directly in it."""
    block = found(scenario, steps)
    for key in type(block).model_fields:
        value, path = getattr(block, key), (*steps, key)
        if isinstance(value, BaseModel) and len(path) < 3:
            yield from numbers(scenario, path)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield path, float(value), unit_of(scenario, path)
