"""Solving from Python: one field, one propagator, one method, all frames at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from diffusim.block import Array, Invalid
from diffusim.channels import channels_of, each
from diffusim.display import run_as_html
from diffusim.grid import Grid
from diffusim.methods import Beginning, Method
from diffusim.propagators import Propagator
from diffusim.records import Record
from diffusim.runs import contents_of, plan, traits_of


@dataclass(frozen=True, eq=False)
class Run:
    """What came out of one method: times, frames and facts.

    Parameters
    ----------
    label : str
        Name of the run.
    times : array
        Frame times in s, or in applications where the propagator counts those, shape (n,).
    frames : array
        Fields, shape (n, nx, ny), or (n, c, nx, ny) for c channels.
    facts : dict
        Kind, limit, steps, seconds and options.
    counts : array, optional
        Integer counts behind the fields.
    accounts : array, optional
        What has come in by each account of an open medium, named in the facts, shape (n, m), or
        (n, c, m).
    arrays : dict
        What else the method or the propagator tells in every frame, by name.
    records : dict
        What was recorded, by the probe's name, shape (r, ...), or (r, c, ...).
    record_times : array, optional
        When, in s or in applications, shape (r,).
    """

    label: str
    times: Array
    frames: Array
    facts: dict[str, Any] = field(default_factory=dict)
    counts: Array | None = None
    accounts: Array | None = None
    arrays: dict[str, Array] = field(default_factory=dict)
    records: dict[str, Array] = field(default_factory=dict)
    record_times: Array | None = None

    def _repr_html_(self) -> str:
        """Return how a notebook shows it."""
        return run_as_html(self)


def solve(
    u: Array,
    propagator: Propagator,
    *,
    grid: Grid,
    times: Sequence[float],
    method: Method | type[Method] | Mapping[str, Any] | str = "modes",
    seed: int = 0,
    record: Record | Mapping[str, Any] | None = None,
) -> Run:
    """Carry a field with one method and return all frames.

    Parameters
    ----------
    u : array
        Initial field of the grid's shape, mean values of the cells; with a first axis before it,
        several channels, each carried by itself.
    propagator : Propagator
        What carries it, such as ``Diffusion(diffusivity=1.5e-9)``.
    grid : Grid
        Where.
    times : sequence of float
        Frame times in s, increasing, none before zero; whole numbers where the propagator counts
        applications.
    seed : int
        What random numbers are keyed by, with the method's name.
    method : Method, str or mapping
        How: ``"ftcs"`` with its defaults, ``{"kind": "walkers", "particles": 10**6}`` as in a
        scenario, or a method's instance.
    record : Record or mapping, optional
        What is recorded at finer times than frames, as in a scenario:
        ``{"every": 3600.0, "probes": {"salt": {"kind": "total"}}}``.

    Raises
    ------
    Unsupported
        When the method cannot carry this.
    Invalid
        When the field, an option, a wall or a probe does not fit the grid.

    Examples
    --------
    >>> import numpy as np, diffusim as ds
    >>> grid = ds.Grid(shape=(4, 4), size=(1.0, 1.0))
    >>> u = np.zeros((4, 4)); u[0, 0] = 1.0
    >>> run = ds.solve(u, ds.Diffusion(diffusivity=1.0), grid=grid, times=[0.0, 10.0])
    >>> bool(np.allclose(run.frames[-1], 1 / 16))
    True
    """
    if np.iscomplexobj(u) and not getattr(propagator, "waves", False):
        raise Invalid("the field is complex; this takes real fields")
    u = np.array(u, dtype=complex if np.iscomplexobj(u) else float)
    channels = channels_of(u, grid)
    if not np.all(np.isfinite(u)):
        raise Invalid("the field holds NaN or infinite numbers")
    if not isinstance(propagator, Propagator):
        raise Invalid("the propagator must be one such as Diffusion(diffusivity=1.5e-9)")
    for problem in propagator.check(grid):
        raise problem
    u = each(lambda part: propagator.prepare(part, grid), u, channels)
    record = Record.model_validate(record) if isinstance(record, Mapping) else record
    for problem in record.problems(propagator, grid, None) if record is not None else ():
        raise Invalid(f"record.{'.'.join(map(str, problem.path))}: {problem.message}")
    course = plan(Method.read(method), propagator, grid, times, traits=traits_of(u, channels),
                  seed=seed, channels=channels,
                  beginning=Beginning(contents_of(u, grid, channels)), record=record)  # fmt: skip
    frames = list(course.frames(u))
    facts = {**course.facts(), "seconds": sum(frame.seconds for frame in frames)}
    arrays = {name: np.stack([frame.extras[name] for frame in frames])
              for name in (frames[0].extras if frames else ())}  # fmt: skip
    fields = np.stack([frame.field for frame in frames])
    counts, accounts = arrays.pop("counts", None), arrays.pop("accounts", None)
    records = {name: np.concatenate([frame.records[name] for frame in frames])
               for name in (frames[0].records if frames else ())}  # fmt: skip
    moments = course.recording.times if course.recording is not None else None
    return Run(course.name, course.times, fields, facts, counts, accounts, arrays, records, moments)
