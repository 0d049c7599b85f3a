"""What the sides of a grid do: let nothing through, something, or anything; and when that changes.

An outside value or a prescribed flux may be a number, a formula of the place along the side, or a
table of such in time, ``[[0 s, 1.0], [1 h, "2*y"]]``, each entry holding until the next one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator

from diffusim.block import Array, Block, MetresPerSecond, Seconds, listed
from diffusim.formula import Formula

# Squares of larger numbers and their sums leave the range of numbers.
LARGEST = 1e100
_WITH_UNIT = re.compile(r"[-+]?[\d.]+(?:[eE][-+]?\d+)?\s+[a-zA-Zµ]\S*")


def number_or_formula(value: Any) -> Any:
    """Return a number, or the text of a formula that was checked."""
    if isinstance(value, str):
        if _WITH_UNIT.fullmatch(value.strip()):
            raise ValueError(
                "expected a number alone, in the field's own unit (of fluxes times m/s, of "
                f"sources per s), or a formula; found '{value}'"
            )
        return Formula(value).text
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"expected a number or a formula, found {value!r}")
    if abs(value) > LARGEST:
        raise ValueError(f"expected a number of size {LARGEST:g} at most, found {value:g}")
    return float(value)


NumberOrFormula = Annotated[
    float | str,
    BeforeValidator(number_or_formula),
    WithJsonSchema({"anyOf": [{"type": "number"}, {"type": "string"}]}),
]


def _table(value: Any) -> Any:
    """Bring a number, a formula or a table in time into the form of a table."""
    if isinstance(value, list | tuple) and all(isinstance(p, list | tuple) for p in value):
        return tuple(tuple(pair) for pair in value)
    return ((0.0, value),)


def _growing(table: tuple[tuple[float, float | str], ...]) -> Any:
    starts = [start for start, _ in table]
    if not starts or starts[0] != 0.0 or any(b <= a for a, b in zip(starts, starts[1:])):  # noqa: B905
        raise ValueError("a table in time begins with 0 s, and its times must grow")
    return table


Entry = tuple[Annotated[Seconds, Field(ge=0)], NumberOrFormula]
InTime = Annotated[
    tuple[Annotated[Entry, listed], ...],
    BeforeValidator(_table),
    AfterValidator(_growing),
    WithJsonSchema(
        {
            "anyOf": [{"type": "number"}, {"type": "string"}, {"type": "array"}],
            "description": "a number, a formula of the place, or a table [[time, either], ...]",
        }
    ),
]


def at_time(table: Sequence[tuple[float, float | str]], time: float, **places: Array) -> Array:
    """Return what a table in time holds at a time, worked out where it is a formula.

    Parameters
    ----------
    table : sequence of (float, float or str)
        Entries with growing starts in s.
    time : float
        In s.
    **places : array
        Coordinates in m, by name.

    Raises
    ------
    Invalid
        When a formula has a variable that has no value here.
    """
    entry = next(value for start, value in reversed(table) if start <= time or start == 0.0)
    return Formula(entry)(**places) if isinstance(entry, str) else np.array(float(entry))


Kind = Literal["no-flux", "periodic", "value", "flux", "transfer"]


class Edge(Block):
    """What one side of the grid does.

    Nothing crosses it (``no-flux``), it is joined to the opposite side (``periodic``), or

        value:     u = value on the side;
        flux:      D du/dn = flux, what enters per area and time;
        transfer:  D du/dn = transfer (value - u), n pointing outwards.

    Parameters
    ----------
    value : number, formula or table, optional
        In the field's unit; beside ``transfer`` it is the value outside.
    flux : number, formula or table, optional
        In the field's unit times m/s, into the grid.
    transfer : float, optional
        Transfer coefficient in m/s.

    References
    ----------
    H. S. Carslaw and J. C. Jaeger, *Conduction of Heat in Solids*, 2nd ed., Oxford 1959, section
    1.9.
    """

    kind: Kind = "no-flux"
    value: InTime | None = None
    flux: InTime | None = None
    transfer: Annotated[MetresPerSecond, Field(gt=0, lt=1e12)] | None = None

    @model_validator(mode="before")
    @classmethod
    def _told_by_its_keys(cls, data: Any) -> Any:
        if isinstance(data, Mapping) and "kind" not in data:
            found = [key for key in ("transfer", "flux", "value") if data.get(key) is not None]
            return {**data, "kind": found[0]} if found else data
        return data

    @model_validator(mode="after")
    def _whole(self) -> Self:
        wanted = {"value": {"value"}, "flux": {"flux"}, "transfer": {"transfer", "value"}}
        given = {key for key in ("value", "flux", "transfer") if getattr(self, key) is not None}
        if given != wanted.get(self.kind, set()):
            raise ValueError(
                "expected no-flux, {value: ...}, {flux: ...} or {transfer: ..., value: ...}"
            )
        return self

    @property
    def open(self) -> bool:
        """Whether more or less can leave through it, depending on what is inside."""
        return self.kind in ("value", "transfer")

    @property
    def table(self) -> tuple[tuple[float, float | str], ...]:
        """The value outside or the flux, in time."""
        return self.value or self.flux or ((0.0, 0.0),)

    def events(self) -> tuple[float, ...]:
        """Times in s at which its value or flux changes."""
        return tuple(start for start, _ in self.table[1:])

    def written(self) -> str | dict[str, Any]:
        """Return it as it is written in a scenario."""
        if self.kind in ("no-flux", "periodic"):
            return self.kind
        shown = self.model_dump(mode="json", exclude={"kind"}, exclude_none=True)
        return {
            key: table[0][1] if isinstance(table, list) and len(table) == 1 else table
            for key, table in shown.items()
        }


def edge(value: Any) -> Any:
    """Return what a side is written as in the form that `Edge` takes."""
    if isinstance(value, str):
        if value not in ("no-flux", "periodic"):
            raise ValueError(
                f"expected no-flux, periodic or a mapping with value, flux or transfer, "
                f"found '{value}'"
            )
        return Edge(kind=value)  # type: ignore[arg-type]
    if isinstance(value, Edge | Mapping):
        return value
    raise ValueError("expected no-flux, periodic or a mapping with value, flux or transfer")
