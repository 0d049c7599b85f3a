"""Trajectories of a recipe, made one after the other, without a disk.

What trajectories have in common is made once: while only the start varies, the medium is planned
once and its views are kept. Where a medium has modes and neither changes in time nor exchanges
anything with the outside, all frames of a trajectory come from one transform (`Symbol.frames`).
Everything else is carried by the method's own course, at the speed of its steps.

A trajectory is the same to the last bit whatever was made before it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from diffusim import runs
from diffusim.block import Array, Invalid, Unsupported
from diffusim.dataset import checking
from diffusim.dataset.media import maps
from diffusim.dataset.recipe import Recipe, Trajectory
from diffusim.dataset.starts import start_of
from diffusim.experiment import beginning_of
from diffusim.grid import Grid
from diffusim.methods import ANALYTIC, Method, refusal
from diffusim.methods.modes import Modes
from diffusim.propagators import Propagator
from diffusim.segment import Segment
from diffusim.symbol import Symbol

TYPES = {"single": np.float32, "double": np.float64}


@dataclass(frozen=True, eq=False)
class Made:
    """A trajectory that has been made.

    Parameters
    ----------
    index, split, seed, parameters
        As in `Trajectory`.
    times : (frames,) array
        In s, or in applications.
    frames : (frames, *shape) array
        Of the stored precision. The array is used again for the next trajectory: copy it to keep
        it, unless ``out`` was given.
    constants : dict
        Arrays of the grid's shape that tell the medium: ``diffusivity_map``, ``obstacle`` and what
        walls leave open at first, ``open_x`` and ``open_y``; only what is not the same everywhere.
    checks : dict
        Numbers that tell whether all is well, see `diffusim.dataset.checking`.
    """

    index: int
    split: str
    seed: int
    parameters: dict[str, float]
    times: Array
    frames: Array
    constants: dict[str, Array]
    checks: dict[str, float]


def trajectories(
    source: Recipe | Path | str, indices: Iterable[int] | None = None, out: Array | None = None
) -> Iterator[Made]:
    """Yield trajectories of a recipe, or of a scenario with a key ``dataset``.

    Parameters
    ----------
    source : Recipe, path or str
        The recipe, or the scenario's file.
    indices : iterable of int, optional
        Which of them, in this order; default all.
    out : (trajectories, frames, *shape) array, optional
        Where their frames go, C-contiguous and of the stored precision; default one array that is
        used for all of them in turn.

    Raises
    ------
    ScenarioError
        With everything that is wrong in the file.
    Unsupported, Invalid
        When a trajectory cannot be made, with its number.

    Examples
    --------
    >>> from diffusim.dataset.making import trajectories
    >>> for made in trajectories("scenarios/dataset_aquarium.yaml", range(2)):
    ...     print(made.index, made.split, made.frames.shape, made.frames.dtype)
    0 train (21, 64, 64) float32
    1 train (21, 64, 64) float32
    """
    recipe = source if isinstance(source, Recipe) else Recipe.read(source)
    maker = Maker(recipe)
    for number, index in enumerate(range(recipe.count) if indices is None else indices):
        yield maker.make(index, None if out is None else out[number])


@dataclass(eq=False)
class _Medium:
    """What trajectories in the same medium share."""

    grid: Grid
    propagator: Propagator
    traits: dict[str, str]
    constants: dict[str, Array]
    symbol: Symbol | None
    segments: list[Segment]
    course: runs.Course | None = None


@dataclass(eq=False)
class Maker:
    """Makes trajectories of a recipe, and keeps what they share; not for several threads at once.

    Parameters
    ----------
    recipe : Recipe
        What they are made of.
    """

    recipe: Recipe
    _times: Array = field(init=False)
    _second: checking.Second = field(init=False)
    _medium: _Medium | None = field(default=None, init=False)
    _buffer: Array | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        recipe = self.recipe
        self._times = recipe.times
        single = recipe.dataset.precision == "single"
        second = checking.Second(recipe.method, recipe.check, single)
        # By the scenario as it is written, so that it does not depend on what was made before.
        usual = None
        if recipe.check is None:
            scenario = recipe.scenario
            propagator, grid = scenario.propagator, scenario.grid
            try:
                segments = runs.planned(recipe.method, propagator, grid, self._times).segments
                course = checking.Course(grid, propagator, self._times, propagator.traits(grid),
                                         segments)  # fmt: skip
                usual = second.chosen(course)
            except (Unsupported, Invalid):
                usual = None
        self._second = checking.Second(recipe.method, recipe.check, single, usual)

    @property
    def check(self) -> Method | None:
        """By what one interval of each trajectory is done once more, unless its medium forbids."""
        return self._second.given or self._second.usual

    def make(self, index: int, out: Array | None = None) -> Made:
        """Make a trajectory.

        Parameters
        ----------
        index : int
            Which one.
        out : (frames, *shape) array, optional
            Where its frames go, C-contiguous and of the stored precision; default an array that is
            used again for the next one.

        Raises
        ------
        Unsupported, Invalid
            When it cannot be made, with its number.
        """
        trajectory = self.recipe.trajectory(index)
        try:
            return self._made(trajectory, out)
        except Invalid as problem:
            raise Invalid(f"trajectory {index}: {problem.message}", *problem.path) from None
        except Unsupported as problem:
            raise Unsupported(f"trajectory {index}: {problem}") from None

    def _made(self, trajectory: Trajectory, out: Array | None) -> Made:
        u = start_of(trajectory.scenario)
        medium = self._in(trajectory, u)
        frames = self._room(u, out)
        beside: dict[str, Array] = {}
        if medium.symbol is not None:
            medium.symbol.frames(u, self._times, frames)
        else:
            beside = self._carried(self._course(medium, trajectory, u), u, frames)
        checks = self._checks(medium, trajectory, u, frames, beside)
        return Made(trajectory.index, trajectory.split, trajectory.seed, trajectory.parameters,
                    self._times, frames, medium.constants, checks)  # fmt: skip

    def _room(self, u: Array, out: Array | None) -> Array:
        shape, dtype = (len(self._times), *u.shape), TYPES[self.recipe.dataset.precision]
        if out is not None:
            if out.shape != shape or out.dtype != dtype or not out.flags.c_contiguous:
                raise Invalid(
                    f"frames of shape {shape} and type {np.dtype(dtype)} need an array like that, "
                    f"contiguous; this one has shape {out.shape} and type {out.dtype}"
                )
            return out
        if self._buffer is None or self._buffer.shape != shape:
            self._buffer = np.empty(shape, dtype)
        return self._buffer

    # --- the medium -----------------------------------------------------------------------------

    def _in(self, trajectory: Trajectory, u: Array) -> _Medium:
        """The medium of a trajectory, the last one's if it is the same."""
        grid, propagator = trajectory.scenario.grid, trajectory.scenario.propagator
        last = self._medium
        if not (last and _same(last.grid, grid) and _same(last.propagator, propagator)):
            traits = propagator.traits(grid)
            symbol, segments = self._modes(grid, propagator, traits), list[Segment]()
            last = _Medium(grid, propagator, traits, maps(propagator, grid), symbol, segments)
            self._medium = last
        traits = {**last.traits, **runs.traits_of(u)}
        if not checking.able(self.recipe.method, propagator, traits):
            raise Unsupported(refusal(self.recipe.method, propagator, traits) or "")
        return last

    def _modes(self, grid: Grid, propagator: Propagator, traits: dict[str, str]) -> Symbol | None:
        """The symbol of a medium all of whose frames are one multiplication away from the start."""
        method = self.recipe.method
        changing = any(time < self._times[-1] for time in propagator.events(grid))
        if not isinstance(method, Modes) or propagator.waves or changing:
            return None
        if propagator.accounts(grid) or not checking.able(method, propagator, traits):
            return None
        try:
            symbol: Symbol = propagator.symbol(grid, 0.5 * self._times[-1], method.limit)  # type: ignore[attr-defined]
        except Unsupported:
            return None  # which the plan will say
        return None if symbol.affine or symbol.turn != 1.0 else symbol

    def _course(self, medium: _Medium, trajectory: Trajectory, u: Array) -> runs.Course:
        """The course of a trajectory, over the views of the last one's in the same medium."""
        method, course = self.recipe.method, medium.course
        # What chance draws, and what the books say, belongs to one start.
        anew = method.statistical or method.limit == ANALYTIC
        if course is not None and not anew:
            return course
        course = runs.planned(
            method, medium.propagator, medium.grid, self._times,
            seed=trajectory.seed, beginning=beginning_of(trajectory.scenario, u),
            known=course.segments if course is not None else (),
        )  # fmt: skip
        medium.course, medium.segments = course, course.segments
        return course

    # --- frames ---------------------------------------------------------------------------------

    def _carried(self, course: runs.Course, u: Array, frames: Array) -> dict[str, Array]:
        """Fill frames by a course; what is not finite any more is NaN from there on."""
        beside: dict[str, list[Array]] = {}
        number = 0
        try:
            for number, frame in enumerate(course.frames(u)):
                frames[number] = frame.field
                for name in ("accounts", "counts", "weight"):
                    if name in frame.extras:
                        beside.setdefault(name, []).append(np.array(frame.extras[name]))
        except runs.Diverged:
            frames[number + 1 :] = np.nan
            return {}
        return {name: np.stack(arrays) for name, arrays in beside.items()}

    def _checks(
        self,
        medium: _Medium,
        trajectory: Trajectory,
        u: Array,
        frames: Array,
        beside: dict[str, Array],
    ) -> dict[str, float]:
        grid, course = medium.grid, medium.course
        facts = course.facts() if course is not None else {}
        if medium.propagator.waves:
            first = size = grid.total(np.asarray(frames[0], float))
        else:
            first, size = grid.total(u), grid.total(np.abs(u))
        checks = checking.surveyed(frames, grid, float(facts.get("total", first)), size,
                                   beside.get("accounts"))  # fmt: skip
        traits = {**medium.traits, **runs.traits_of(u)}
        segments = self._segments(medium)
        whole = checking.Course(grid, medium.propagator, self._times, traits, segments)
        return {**checks, **self._second.checked(whole, trajectory.seed, u, frames, beside)}

    def _segments(self, medium: _Medium) -> list[Segment]:
        """What lies between the frames; keys are of no use to a method that checks."""
        if not medium.segments:
            marks = sorted({0.0, *map(float, self._times)})
            views: dict[tuple[Any, ...], Any] = {}
            medium.segments = [
                Segment(medium.grid, medium.propagator, start, stop, 0.0, stop - start, number,
                        (0, 0), views=views)
                for number, (start, stop) in enumerate(zip(marks, marks[1:], strict=False))
            ]  # fmt: skip
        return medium.segments


def _same(one: Any, other: Any) -> bool:
    """Whether two blocks are equal; those that hold arrays only if they are one."""
    if one is other:
        return True
    try:
        return bool(one == other)
    except ValueError:
        return False
