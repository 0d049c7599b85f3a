"""Convergence: with what power a method approaches the exact result as it is refined.

Particles are refined by their number, steps by their length, grids by their cells. Each run is
compared in the last frame with the exact result of its own limit, and a power is fitted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from diffusim.block import Invalid, Seconds
from diffusim.convergence import crowds, grids, steps
from diffusim.convergence.courses import Stage, truth
from diffusim.convergence.files import TITLE, as_csv, must_be_free, write_table
from diffusim.convergence.results import Convergence, Group, Point, Refinement, Series
from diffusim.experiment import Experiment, prepare
from diffusim.methods import Method
from diffusim.runs import Course

__all__ = [
    "TITLE",
    "Convergence",
    "Group",
    "Point",
    "Refinement",
    "Series",
    "as_csv",
    "converge",
    "must_be_free",
    "write_table",
]

MOST_REPEATS = 1000
# What none of the methods is or does.
_MISSING = {
    "particles": "has particles to refine, as walkers have",
    "dt": "takes steps to refine, as ftcs, rkl2 and adi do",
    "grid": "is exact in the limit lattice, as modes and chebyshev are",
}


def _silent(_name: str) -> Callable[[float], None]:
    return lambda _fraction: None


def converge(
    source: Path,
    refine: Refinement,
    *,
    overrides: Sequence[str] = (),
    only: Sequence[str] = (),
    low: float | str | None = None,
    high: float | str | None = None,
    repeats: int | None = None,
    stage: Stage = _silent,
) -> Convergence:
    """Refine methods of a scenario and fit the power with which they approach the exact result.

    Parameters
    ----------
    source : Path
        The scenario file.
    refine : {"particles", "dt", "grid"}
        What is refined: the number of particles, the length of steps, or the cells.
    overrides : sequence of str
        ``"a.b=c"``, as after ``--set``.
    only : sequence of str
        Labels of methods; all that have this to refine if not given. A grid is refined under an
        exact method, one of the reference's kind if not given.
    low, high : float or str, optional
        Bounds: of the number of particles, of steps in s, or of cells along the longest axis.
    repeats : int, optional
        How often each number of particles is run, with another seed each time; if not given 4, or
        fewer where that would take long.
    stage : callable
        Told the name of each method; what it returns is told the fraction done.

    Raises
    ------
    ScenarioError, Invalid, Unsupported
        When there is nothing to refine, or it cannot be refined like that.
    """
    least, most = _bound(low, "--from", refine), _bound(high, "--to", refine)
    if least is not None and most is not None and least >= most:
        raise Invalid(f"--from must be less than --to, and {least:g} is not less than {most:g}")
    if repeats is not None and refine != "particles":
        raise Invalid(f"--repeats is for particles; nothing is random in refining by {refine}")
    if repeats is not None and not 1 <= repeats <= MOST_REPEATS:
        raise Invalid(f"--repeats: expected 1 to {MOST_REPEATS}, found {repeats}")
    ready = prepare(source, overrides, only)
    if refine == "grid":
        methods = [course.method for course in _exact(ready, only)]
        series = [grids.refined(ready, method, source, overrides, least, most, stage)
                  for method in methods]  # fmt: skip
    elif refine == "dt":
        series = [steps.refined(ready, course, least, most, stage)
                  for course in _chosen(ready, only, refine, _steps)]  # fmt: skip
    else:
        series = [crowds.refined(ready, course, least, most, repeats, stage)
                  for course in _chosen(ready, only, refine, _counts)]  # fmt: skip
    return Convergence(ready.scenario.title, refine, series, ready.scenario.digest)


def _bound(value: float | str | None, name: str, refine: Refinement) -> float | None:
    """Read a bound: a number, or of steps a time with its unit."""
    if value is None:
        return None
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            if refine != "dt":
                raise Invalid(f"{name}: expected a number, found '{value}'") from None
            try:
                value = TypeAdapter(Seconds).validate_python(value)
            except ValidationError as error:
                words = error.errors()[0]["msg"].removeprefix("Value error, ")
                raise Invalid(f"{name}: {words}") from None
    if not 0.0 < value < float("inf"):
        raise Invalid(f"{name}: expected a number greater than zero, found {value:g}")
    return value


def _counts(method: Method) -> bool:
    return crowds.counted_by(method) is not None


def _steps(method: Method) -> bool:
    return method.accuracy is not None and "dt" in type(method).model_fields


def _on_lattice(method: Method) -> bool:
    return method.order is None and not method.statistical and method.limit == "lattice"


def _chosen(
    ready: Experiment, only: Sequence[str], refine: Refinement, suits: Callable[[Method], bool]
) -> list[Course]:
    """The scenario's methods that have this to refine, in their order."""
    names = [method.name for method in ready.scenario.methods]
    courses = {course.name: course for course in ready.courses}
    found = [courses[name] for name in names if suits(courses[name].method)]
    if refine == "particles" and not only:
        found = list({_but_for_numbers(c.method): c for c in reversed(found)}.values())[::-1]
    unfit = [name for name in names if not suits(courses[name].method)]
    if (only and unfit) or not found:
        raise Invalid(
            f"of the methods {', '.join(unfit)} none {_MISSING[refine]}; "
            "see `diffusim methods`, and add one by --set methods=[...]"
        )
    return found


def _but_for_numbers(method: Method) -> str:
    """What a method is, whatever its label and however many particles it has."""
    told = method.model_dump(mode="json", exclude={"label", *crowds.FEWEST})
    return f"{method.word} {sorted(told.items())}"


def _exact(ready: Experiment, only: Sequence[str]) -> list[Course]:
    """What a grid is refined under: the reference, if it is of that kind, or one like it."""
    if only:
        return _chosen(ready, only, "grid", _on_lattice)
    own = [c for c in ready.courses if c.name == ready.reference and _on_lattice(c.method)]
    return own or [truth(ready, "lattice")]
