"""Blocks: what a user may write in a scenario, checked once and never changed afterwards.

A block's fields are its YAML keys, so one class is YAML model, solver option list and schema at
once. Blocks of an open family (methods, propagators) are found by their word, the name of their
file.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
import pkgutil
import re
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Annotated, Any, ClassVar, NoReturn, Self, cast, get_args

import numpy as np
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    GetJsonSchemaHandler,
    ValidationError,
    ValidationInfo,
    WithJsonSchema,
)
from pydantic_core import CoreSchema, InitErrorDetails, PydanticCustomError, core_schema

Array = np.ndarray


class Invalid(ValueError):
    """A value that cannot be used, with the path of the key it stands at."""

    def __init__(self, message: str, *path: str | int) -> None:
        super().__init__(message)
        self.message = message
        self.path = path


class Unsupported(Exception):
    """Something this propagator or method cannot do here, said in words a user can act on."""


class Block(BaseModel):
    """A frozen, strict group of keys; unknown keys are refused."""

    model_config = ConfigDict(
        frozen=True, strict=True, extra="forbid", arbitrary_types_allowed=True, allow_inf_nan=False
    )


# --- numbers, lists and quantities as users write them -----------------------------------------


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _listed(value: Any) -> Any:
    if isinstance(value, list | np.ndarray):
        return tuple(value)
    return (value,) if isinstance(value, int | float | str) else value


Integer = Annotated[int, BeforeValidator(_whole)]
listed = BeforeValidator(_listed)

_Powers = tuple[int, int, int]
_LENGTH, _TIME, _MASS, _ENERGY = (1, 0, 0), (0, 1, 0), (0, 0, 1), (2, -2, 1)
_UNITS: dict[str, tuple[float, _Powers]] = {
    **{prefix + "m": (10.0**power, _LENGTH) for prefix, power in
       (("k", 3), ("", 0), ("d", -1), ("c", -2), ("m", -3), ("u", -6), ("µ", -6), ("n", -9),
        ("p", -12))},
    **{prefix + "s": (10.0**power, _TIME) for prefix, power in
       (("", 0), ("m", -3), ("u", -6), ("µ", -6), ("n", -9), ("p", -12), ("f", -15))},
    "min": (60.0, _TIME), "h": (3600.0, _TIME), "hour": (3600.0, _TIME), "hours": (3600.0, _TIME),
    "day": (86400.0, _TIME), "days": (86400.0, _TIME), "week": (604800.0, _TIME),
    "weeks": (604800.0, _TIME), "yr": (31557600.0, _TIME), "year": (31557600.0, _TIME),
    "years": (31557600.0, _TIME), "kg": (1.0, _MASS), "g": (1e-3, _MASS),
    "Da": (1.66053906892e-27, _MASS),
    "J": (1.0, _ENERGY), "eV": (1.602176634e-19, _ENERGY), "meV": (1.602176634e-22, _ENERGY),
    "keV": (1.602176634e-16, _ENERGY),
}  # fmt: skip
_KINDS = {_LENGTH: "a length", _TIME: "a time", (2, -1, 0): "a diffusivity", (1, -1, 0): "a speed",
          (0, -1, 0): "a rate", _MASS: "a mass", _ENERGY: "an energy"}  # fmt: skip
_QUANTITY = re.compile(r"\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*(\S.*)?$")
_FACTOR = re.compile(r"\s*([*/ ]?)\s*(1|[a-zA-Zµ]+)(?:\^?(-?\d+))?")


def unit(text: str) -> tuple[float, _Powers]:
    """Read a unit such as ``m^2/s``: its factor to SI and its powers of length, time and mass.

    Raises
    ------
    Invalid
        For a word that is no unit known here.

    Examples
    --------
    >>> unit("cm^2/h") == (1e-4 / 3600.0, (2, -1, 0))
    True
    """
    powers: _Powers = (0, 0, 0)
    factor, rest = 1.0, text.replace("²", "^2").replace("³", "^3").strip()
    rest = rest.replace("\u03bc", "\u00b5")  # the Greek letter looks like the sign for micro
    while rest:
        match = _FACTOR.match(rest)
        if match is None or (match[2] != "1" and match[2] not in _UNITS):
            known = ", ".join(sorted(_UNITS))
            raise Invalid(f"'{text}' is no unit known here; units are made of {known}")
        power = int(match[3] or 1) * (-1 if match[1] == "/" else 1)
        scale, own = _UNITS.get(match[2], (1.0, (0, 0, 0)))
        factor *= scale**power if power > 0 else 1.0 / scale**-power
        powers = cast(_Powers, tuple(p + power * q for p, q in zip(powers, own, strict=True)))
        rest = rest[match.end() :]
    return factor, powers


def quantity(si: str) -> tuple[BeforeValidator, WithJsonSchema]:
    """Annotations of a float field that takes SI numbers or strings such as ``"2 cm"``.

    Parameters
    ----------
    si : str
        The SI unit that the field is kept in, which states its dimension.
    """
    _, powers = unit(si)
    expected = f"{_KINDS.get(powers, 'a quantity')} as a number in {si} or as '<number> <unit>'"

    def convert(value: Any) -> Any:
        if not isinstance(value, str):
            return value
        match = _QUANTITY.match(value)
        if match is None:
            raise ValueError(f"expected {expected}, found '{value}'")
        try:
            factor, found = unit(match[2] or "")
        except Invalid as problem:
            raise ValueError(f"expected {expected}; {problem.message}") from None
        if match[2] and found != powers:
            raise ValueError(f"expected {expected}, found '{value}', which is no such quantity")
        # Dividing by a whole factor keeps "1.5 um" and 1.5e-6 the same number to the last bit.
        number = float(match[1])
        divisor = round(1 / factor)
        whole = factor < 1 and abs(divisor * factor - 1.0) < 1e-12
        return number / divisor if whole else number * factor

    pattern = {"anyOf": [{"type": "number"}, {"type": "string"}], "description": f"in {si}"}
    return BeforeValidator(convert), WithJsonSchema(pattern)


Metres = Annotated[float, *quantity("m")]
Seconds = Annotated[float, *quantity("s")]
SquareMetresPerSecond = Annotated[float, *quantity("m^2/s")]
MetresPerSecond = Annotated[float, *quantity("m/s")]
PerSecond = Annotated[float, *quantity("1/s")]
Kilograms = Annotated[float, *quantity("kg")]
Joules = Annotated[float, *quantity("J")]


# --- open families ------------------------------------------------------------------------------


# Every plan asks for members, and to look through the folders takes as long as a small run.
@cache
def _import_files(family: str) -> None:
    package = importlib.import_module(family)
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{family}.{module.name}")


@cache
def _entry_points(family: str, _path: tuple[str, ...]) -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=family)}


class Member(Block):
    """A block of an open family; its word in YAML is the name of the file that defines it.

    A family is opened by ``class Method(Member, family="diffusim.methods")``: every class below it
    that is defined outside that package's own ``__init__``, and is not abstract, registers itself.
    Members from elsewhere are found through entry points whose group has the family's name.
    """

    family: ClassVar[str]
    members: ClassVar[dict[str, type[Member]]]
    word: ClassVar[str]

    def __init_subclass__(cls, family: str | None = None, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)

    @classmethod
    def __pydantic_init_subclass__(cls, family: str | None = None, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        if family is not None:
            cls.family, cls.members = family, {}
        elif cls.__module__ != cls.family and not inspect.isabstract(cls):
            # In a notebook there is no file to be named after.
            file = cls.__module__.rpartition(".")[2]
            own = cls.__name__.lower() if file == "__main__" else file
            cls.word = cls.__dict__.get("word", own)
            other = cls.members.get(cls.word)
            if other is not None and other.__qualname__ != cls.__qualname__:
                raise TypeError(f"{cls.family}: {other!r} and {cls!r} both claim '{cls.word}'")
            cls.members[cls.word] = cls

    @classmethod
    def _outside(cls) -> dict[str, EntryPoint]:
        return _entry_points(cls.family, tuple(sys.path))

    @classmethod
    def _discover(cls) -> None:
        _import_files(cls.family)

    @classmethod
    def find(cls, word: str) -> type[Self]:
        """Return the member with this word, importing only what must be imported to know it.

        Raises
        ------
        Unsupported
            When there is no such member, or the package that brings it cannot be imported.
        """
        cls._discover()
        if word not in cls.members and (point := cls._outside().get(word)) is not None:
            cls._load(point)
        if word not in cls.members:
            near = difflib.get_close_matches(word, cls.words(), 1)
            guess = f" did you mean '{near[0]}'?" if near else ""
            raise Unsupported(f"there is no '{word}' here;{guess} known: {', '.join(cls.words())}")
        return cast(type[Self], cls.members[word])

    @classmethod
    def _load(cls, point: EntryPoint) -> None:
        try:
            found = point.load()
        except (Exception, SystemExit) as problem:  # whatever it does must not be a traceback
            reason = " ".join(f"{type(problem).__name__}: {problem}".split())
            raise Unsupported(
                f"'{point.name}' ({point.value}) cannot be loaded: {reason}"
            ) from problem
        # A module's class has registered itself under the module's name.
        found = cls.members.get(point.name, found)
        if not (isinstance(found, type) and issubclass(found, cls)):
            raise Unsupported(
                f"'{point.name}' ({point.value}) brings no {cls.__name__.lower()} of that name"
            )
        cls.members.setdefault(point.name, found)

    @classmethod
    def read(cls, value: Any, context: Any = None) -> Self:
        """Return the member that a value means: itself, its class, its word, or a mapping.

        Raises
        ------
        pydantic.ValidationError
            When the word is unknown or the options are wrong.
        ValueError
            When the value is none of these.
        """
        if isinstance(value, cls):
            return value
        if isinstance(value, type) and issubclass(value, cls):
            return value()
        noun = cls.__name__.lower()
        if isinstance(value, str):
            value = {"kind": value}
        if not isinstance(value, Mapping):
            raise ValueError(f"expected the name of a {noun} or a mapping with its 'kind'")
        options = dict(value)
        word = options.pop("kind", None)
        if not isinstance(word, str):
            cls._refuse(f"expected a {noun}'s name: {', '.join(cls.words())}", value)
        try:
            found = cls.find(word)
        except Unsupported as reason:
            cls._refuse(str(reason), value)
        return found.model_validate(options, context=context)

    @classmethod
    def _refuse(cls, message: str, value: Any) -> NoReturn:
        error = PydanticCustomError("kind", "{message}", {"message": message})
        details = InitErrorDetails(type=error, loc=("kind",), input=value)
        raise ValidationError.from_exception_data(cls.__name__, [details])

    @classmethod
    def words(cls) -> list[str]:
        """Every word of the family, those from entry points too (without importing them)."""
        cls._discover()
        return sorted({*cls.members, *cls._outside()})

    @classmethod
    def everyone(cls) -> Iterator[tuple[str, type[Self] | Unsupported]]:
        """Each word with its class, or with the reason why its package cannot be loaded."""
        for word in cls.words():
            try:
                yield word, cls.find(word)
            except Unsupported as reason:
                yield word, reason


def with_kind(schema: dict[str, Any]) -> None:
    """Demand in a schema the ``kind`` that Python users need not write."""
    schema["required"] = ["kind", *schema.get("required", [])]


def by_kind(union: Any) -> BeforeValidator:
    """Return what chooses one class of a union of blocks by ``kind``, so that errors speak of it.

    Parameters
    ----------
    union : type
        Blocks, each with the word that stands for it as the type of its field ``kind``.
    """
    kinds = {get_args(kind.model_fields["kind"].annotation)[0]: kind for kind in get_args(union)}
    known = ", ".join(kinds)

    def read(value: Any, info: ValidationInfo) -> Any:
        if isinstance(value, union):
            return value
        word = value.get("kind") if isinstance(value, Mapping) else None
        if word is None:
            raise Invalid(f"expected a mapping with a 'kind', one of: {known}")
        if not isinstance(word, str) or word not in kinds:
            near = difflib.get_close_matches(str(word), kinds, 1)
            hint = f"did you mean '{near[0]}'? " if near else ""
            raise Invalid(f"there is no kind '{word}' here; {hint}known: {known}", "kind")
        return kinds[word].model_validate(dict(value), context=info.context)

    return BeforeValidator(read)


class OneOf:
    """The type of a key that holds a member of a family: ``{kind: word, ...}`` or its word."""

    def __init__(self, family: type[Member]) -> None:
        self.family = family

    def __get_pydantic_core_schema__(self, _source: Any, _handler: Any) -> CoreSchema:
        return core_schema.with_info_plain_validator_function(
            lambda value, info: self.family.read(value, info.context),
            serialization=core_schema.plain_serializer_function_ser_schema(
                lambda member: (
                    {"kind": member.word, **member.model_dump(mode="json")}
                    if isinstance(member, Member)
                    else member
                )
            ),
        )

    def __get_pydantic_json_schema__(
        self, _schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        found = {w: c for w, c in self.family.everyone() if not isinstance(c, Unsupported)}
        choices: list[dict[str, Any]] = [{"enum": list(found)}]
        for word, member in found.items():
            reference = handler(member.__pydantic_core_schema__)
            body = handler.resolve_ref_schema(reference)
            body["properties"] = {"kind": {"const": word}, **body.get("properties", {})}
            body["required"] = ["kind", *body.get("required", [])]
            choices.append(dict(reference))
        return {"anyOf": choices}
