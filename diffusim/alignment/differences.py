"""In what the scenarios of two results differ, in few words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from diffusim.store import Header

# What changes the solution; methods, seeds and frames do not.
KEYS = ("propagator", "initial", "grid")
# The number of cells is told in a note of its own.
LEFT_OUT = ("grid.shape",)
UNITS = {
    "diffusivity": "m^2/s", "opens": "s", "closes": "s", "permeability": "m/s", "at": "m",
    "width": "m", "size": "m", "inner": "m", "decay": "1/s", "angle": "degrees",
}  # fmt: skip
MOST = 4


def differences(one: Header, other: Header) -> str:
    """Return what differs between two scenarios, such as ``diffusivity 1.5e-09 and 3e-09 m^2/s``.

    It is empty where nothing does, or where one of both does not tell.
    """
    first, second = one.plain, other.plain
    if not first or not second:
        return ""
    found = [words for key in KEYS for words in _apart(key, first.get(key), second.get(key))]
    if one.name != other.name:
        found.append(f"field {one.name} and {other.name}")
    more = [f"{len(found) - MOST} more"] if len(found) > MOST else []
    return "; ".join([*found[:MOST], *more])


def _apart(path: str, a: Any, b: Any) -> Iterator[str]:
    if a == b or path in LEFT_OUT:
        return
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        if a.get("kind") != b.get("kind"):
            yield f"{path} {a.get('kind')} and {b.get('kind')}"
            return
        for key in [*a, *(key for key in b if key not in a)]:
            yield from _apart(f"{path}.{key}", a.get(key), b.get(key))
        return
    if _are_alike(a) and _are_alike(b) and len(a) == len(b):
        for number, (x, y) in enumerate(zip(a, b, strict=True)):
            yield from _apart(f"{path}.{number}", x, y)
        return
    name = path.removeprefix("propagator.")
    unit = next((UNITS[part] for part in reversed(name.split(".")) if part in UNITS), "")
    numbers = not any(isinstance(value, Mapping) for value in (a, b))
    yield f"{name} {_short(a)} and {_short(b)} {unit if numbers else ''}".rstrip()


def _are_alike(value: Any) -> bool:
    """Whether a value is a list of mappings, such as walls."""
    return isinstance(value, list) and any(isinstance(each, Mapping) for each in value)


def _short(value: Any) -> str:
    if value is None or value == []:
        return "none"
    if isinstance(value, float | int):
        return f"{value:g}"
    if isinstance(value, list) and all(isinstance(v, float | int) for v in value):
        return " x ".join(f"{v:g}" for v in value)
    if isinstance(value, list):
        return f"{len(value)} of them"
    if isinstance(value, Mapping):
        return str(value.get("kind") or ", ".join(f"{k} {_short(v)}" for k, v in value.items()))
    return str(value)
