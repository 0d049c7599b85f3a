"""What ``explain`` says: a kernel as a density or as a mask, in numbers and in sentences."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from pydantic import BaseModel, ConfigDict, ValidationError

from diffusim import reading
from diffusim.block import Array, Invalid
from diffusim.kernels import How, as_it_moves, collecting, is_density, normalise
from diffusim.kernels.character import Character
from diffusim.kernels.keys import KINDS, NAMES
from diffusim.kernels.keys import Kernel as AnyKernel
from diffusim.kernels.named import Weights
from diffusim.phrases import guess, shown
from diffusim.propagators.kernel import Kernel
from diffusim.scenario import load
from diffusim.shifts import Shifting

SCENARIOS = (".yaml", ".yml")
FILES = (".npy", ".csv", ".txt")
__all__ = ["NAMES", "Subject", "explanation", "subject"]


class _Holder(BaseModel):
    """A place to read a kernel into."""

    model_config = ConfigDict(arbitrary_types_allowed=True)
    kernel: Annotated[Weights, AnyKernel.__metadata__[0]]


class Subject(NamedTuple):
    """A kernel to be explained: what it was, what was made of it, and how."""

    name: str
    mask: Array
    kernel: Array
    how: How
    temperature: float
    collects: bool
    spacing: tuple[float, ...] | None = None

    @property
    def character(self) -> Character:
        """What it does; lengths in m too where the size of a cell is known."""
        return Character(as_it_moves(self.kernel, self.collects), self.spacing)

    @property
    def words(self) -> str:
        """How it is read."""
        made = {"none": "as it is", "sum": "divided by its sum"}
        words = made.get(self.how, f"made a density by softmax at temperature {self.temperature:g}")
        if self.collects == collecting(self.kernel):
            return words
        return f"{words}, by which cells {'collect' if self.collects else 'send'}"


def subject(text: str, how: How | None = None, temperature: float | None = None) -> Subject:
    """Find the kernel that a text means, and make it what is asked for.

    Parameters
    ----------
    text : str
        A name, a file of numbers, a scenario whose propagator is a kernel or applied like one, as
        filters, templates and averages are, or a matrix or mapping as YAML writes them in one line.
    how : {"softmax", "sum", "none"}, optional
        How it is made a density; as a scenario says, or not at all if it is one, else by softmax.

    Raises
    ------
    Invalid
        When there is no such kernel, or it cannot be made what is asked for.
    """
    if Path(text).suffix.lower() in SCENARIOS:
        return _of_scenario(Path(text), how, temperature)
    value: Any = text.strip()
    if Path(text).suffix.lower() in FILES:
        value = {"kind": "array", "path": text}
    elif value[:1] in ("[", "{"):
        value = reading.value(value, "KERNEL")
    try:
        block = _Holder.model_validate({"kernel": value}, context={"folder": Path()}).kernel
    except ValidationError as error:
        raise Invalid(_in_words(error, value)) from None
    mask = block.array(max(block.dimensions))
    own: How = "none" if is_density(mask) else "softmax"
    return _made(_named(text, value), mask, how or own, temperature)


def _in_words(error: ValidationError, value: Any) -> str:
    """The first thing that is wrong, with its key."""
    first = error.errors()[0]
    place = [str(step) for step in first["loc"][1:]]
    words = first["msg"].removeprefix("Value error, ")
    words = re.sub("^(Input|Tuple) should (be|have) (a )?(valid )?", "expected ", words)
    if first["type"] == "extra_forbidden":
        name, keys = place.pop(), list(KINDS[value["kind"]].model_fields)
        near = guess(name, keys) or ";"
        words = f"unknown key '{shown(name)}'{near} known here: {', '.join(keys)}"
    return f"{'.'.join(place)}: {words}" if place else words


def _named(text: str, value: Any) -> str:
    if isinstance(value, dict):
        return (
            Path(str(value["path"])).stem if "path" in value else str(value.get("kind", "kernel"))
        )
    return text if text in NAMES else "kernel"


def _of_scenario(source: Path, how: How | None, temperature: float | None) -> Subject:
    scenario, _ = load(source)
    propagator, grid = scenario.propagator, scenario.grid
    # The moves of a series are times, of which no diffusivity is made.
    spacing = None if grid.in_time else grid.spacing
    if isinstance(propagator, Kernel):
        mask = propagator.kernel.array(len(grid.shape))
        chosen = how or propagator.normalise
        if temperature is None and chosen == "softmax":
            temperature = propagator.temperature
        made = _made(source.stem, mask, chosen, temperature, propagator.applied)
        return made._replace(spacing=spacing)
    if not isinstance(propagator, Shifting):
        raise Invalid(
            f"the propagator of {source} is {propagator.word}, not a kernel and nothing that is "
            "applied like one"
        )
    made = _made(source.stem, propagator.kernel_on(grid, 0.0), how or "none", temperature)
    return made._replace(spacing=spacing, collects=propagator.collects_on(grid, 0.0))


def _made(
    name: str, mask: Array, how: How, temperature: float | None, applied: str | None = None
) -> Subject:
    if temperature is not None and how != "softmax":
        raise Invalid(f"a temperature means something for softmax only, not for {how}")
    heat = 1.0 if temperature is None else temperature
    kernel = normalise(mask, how, heat)
    return Subject(name, mask, kernel, how, heat, collecting(kernel, applied))


def explanation(subject: Subject) -> str:
    """Everything that ``diffusim explain`` prints."""
    return "\n".join(_lines(subject))


def _lines(subject: Subject) -> Iterator[str]:
    character = subject.character
    size = " x ".join(map(str, subject.kernel.shape))
    yield f"{subject.name}: {size} cells, {subject.words}"
    yield ""
    for sentence in character.reading(Character(subject.mask)):
        yield f"  {sentence}"
    yield ""
    for name, value in _facts(character):
        yield f"  {name:<25}{value}"
    if character.density and subject.how != "none" and not is_density(subject.mask):
        yield ""
        yield "as a mask, without being made a density, it"
        for sentence in Character(subject.mask).reading():
            yield f"  {sentence}"


def _facts(character: Character) -> Iterator[tuple[str, str]]:
    yield "sum", f"{character.total:.6g}"
    if character.density:
        assert character.drift is not None
        assert character.covariance is not None
        assert character.diffusivity is not None
        assert character.entropy is not None
        yield "drift", f"{_vector(character.drift)} cells an application"
        yield "covariance", f"{_matrix(character.covariance)} cells^2"
        yield "equivalent D", f"{_matrix(0.5 * character.covariance)} cells^2 an application"
        if character.spacing is not None:
            yield "", f"{_matrix(character.diffusivity)} m^2 an application"
        if character.angle is not None and character.spreads is not None:
            most, least = (f"{s:.4g}" for s in (character.spreads[0], character.spreads[-1]))
            yield (
                "principal spreads",
                f"{most} cells at {character.angle:.4g} degrees, {least} across",
            )
        yield (
            "entropy",
            (
                f"{character.entropy:.4g} of at most {character.most_entropy:.4g} bits, "
                f"as open as {2.0**character.entropy:.4g} equal places"
            ),
        )
        moves = ", ".join(f"{move.words} {move.probability:.4g}" for move in character.moves())
        yield "likeliest moves", moves
    waves = ", ".join(f"{axis} {size:.4g}" for axis, size in character.alternating.items())
    yield "even field times", f"{abs(character.total):.4g}"
    yield "alternating cells times", waves
    for name, extreme in (
        ("strongest wave", character.largest),
        ("weakest wave", character.smallest),
    ):
        angles = ", ".join(f"{angle / math.pi:.3g} pi" for angle in extreme.angles)
        yield name, f"times {extreme.magnitude:.4g} at ({angles}) a cell"


def _vector(values: Array) -> str:
    return f"({', '.join(f'{v:.4g}' for v in values)})"


def _matrix(values: Array) -> str:
    return f"[{'; '.join(', '.join(f'{v:.4g}' for v in row) for row in values)}]"
