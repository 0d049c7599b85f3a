"""The card of a dataset: what it is, how it was made, what was checked, how to read it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence

from diffusim.dataset.manifest import LICENCE, Record, versions
from diffusim.dataset.planning import Job
from diffusim.resources import in_words

_CHECKS = {
    "finite": "all values are finite (1) or not (0)",
    "minimum": "least value",
    "maximum": "greatest value",
    "mass_drift": "part of the content that nothing accounts for, worst frame",
    "constant_frames": "frames equal to the one before",
    "checked_frame": "frame at the end of the interval that was computed again",
    "residual": "relative L2 distance of that frame from the same by another method",
    "p_value": "of the counts in that frame, by chi-square",
}
_READING = """\
With The Well's loader:

```python
from the_well.data import WellDataset
from the_well.data.normalization import ZScoreNormalization

train = WellDataset(
    path="{name}", well_split_name="train", use_normalization=True,
    normalization_type=ZScoreNormalization,
)
```

With xarray (`h5netcdf` or `netcdf4` as engine), h5py, and PDEBench's loader of a single file:

```python
import xarray
frames = xarray.open_dataset("{name}/{file}")["{field}"]   # sample, time, {axes}

import h5py
with h5py.File("{name}/{file}") as file:
    frames = file["{field}"][0]                            # time, {axes}
```

Fields are `u[x, y]`: to show one with matplotlib, transpose it and put the origin below. Each file
has the checks of its trajectories in `/checks` and the exact times and parameters, in double
precision, in `/provenance/exact`.
"""


def card_text(
    job: Job, records: Sequence[Record], table: Mapping[str, Mapping[str, float]]
) -> str:  # fmt: skip
    """Return the card as Markdown.

    Parameters
    ----------
    job : Job
        What the dataset is made of.
    records : sequence of Record
        Of all its shards.
    table : mapping
        Its statistics.
    """
    parts = [
        _what(job, records), _how(job), _parameters(job), _checks(records), _statistics(table),
        _files(job, records),
    ]  # fmt: skip
    return "\n".join(line for part in parts for line in part)


def _what(job: Job, records: Sequence[Record]) -> Iterator[str]:
    header = job.header
    counts = {split: len(indices) for split, indices in job.division.splits.items()}
    shown = ", ".join(f"{count} for {split}" for split, count in counts.items())
    size = in_words(sum(record.size for record in records))
    unit = "s" if header.clock == "seconds" else header.clock
    first, last = header.times[0], header.times[-1]
    cells = " x ".join(map(str, header.shape))
    yield f"# {header.title}"
    yield ""
    yield (
        f"{sum(counts.values())} trajectories of {cells} cells and {header.times.size} frames "
        f"({shown}), {size}."
    )
    yield ""
    yield f"* Field: `{header.field}` in {header.unit}"
    if header.maps:
        names = ", ".join(f"`{q.name}` ({q.unit})" for q in header.maps)
        yield f"* Fields that do not change in time: {names}"
    yield f"* Frames from {first:.6g} to {last:.6g} {unit}"
    for axis, centre, pair in zip(header.axes, header.centres, header.sides, strict=True):
        step = centre[1] - centre[0] if centre.size > 1 else 2.0 * centre[0]
        sides = " and ".join(dict.fromkeys(side.words for side in pair))
        yield f"* Cells along {axis}: {centre.size} of {step:.6g} m; sides: {sides}"
    yield f"* Numbers: {'double' if header.double else 'single'} precision"
    yield ""


def _how(job: Job) -> Iterator[str]:
    recipe = job.recipe
    found = ", ".join(f"{name} {number}" for name, number in versions().items())
    check = "another method that suits" if recipe.check is None else f"`{recipe.check.name}`"
    yield "## How it was made"
    yield ""
    yield (
        f"By diffusim, from the scenario below, all frames by the method `{recipe.method.name}`; "
        f"in each trajectory one interval between frames was computed again by {check}. The seed "
        "of a trajectory follows from its split and its place there, so the splits share none."
    )
    yield ""
    yield f"Versions: {found}. Hash of the recipe: `{job.digest}`."
    yield ""
    fence = "`" * 3
    while fence in recipe.text:
        fence += "`"
    yield f"{fence}yaml"
    yield recipe.text.rstrip("\n")
    yield fence
    yield ""


def _parameters(job: Job) -> Iterator[str]:
    told = {parameter.path: parameter for parameter in job.recipe.parameters}
    yield "## What varies"
    yield ""
    if job.recipe.dataset.keys:
        yield "| key of the scenario | as | parameter | unit | codes |"
        yield "| --- | --- | --- | --- | --- |"
        for path, (_, law) in job.recipe.dataset.keys.items():
            shown = law if isinstance(law, str) else json.dumps(law.model_dump(mode="json"))
            cells = [f"`{path}`", shown if len(shown) <= 200 else f"{shown[:200]} ..."]
            if path in told:
                codes = ", ".join(f"{k}: {word}" for k, word in enumerate(told[path].meanings))
                cells += [f"`{told[path].name}`", told[path].unit or "1", codes]
            else:
                cells += ["", "", ""]
            yield "| " + " | ".join(_cell(cell) for cell in cells) + " |"
    else:
        yield "No number of the scenario; what is random is drawn anew for each trajectory."
    if job.header.constants:
        yield ""
        same = ", ".join(f"`{q.name}` {v:.6g} {q.unit}" for q, v in job.header.constants.items())
        yield f"The same in all trajectories: {same}."
    yield ""


def _checks(records: Sequence[Record]) -> Iterator[str]:
    yield "## What was checked"
    yield ""
    yield "| check of each trajectory | least | greatest | |"
    yield "| --- | --- | --- | --- |"
    for name in records[0].checks:
        ranges = [record.checks[name] for record in records]
        lows = [low for low, _ in ranges if low is not None]
        highs = [high for _, high in ranges if high is not None]
        shown = (f"{min(lows):.6g}", f"{max(highs):.6g}") if lows and highs else ("none", "none")
        gaps = "" if len(lows) == len(ranges) else "not finite in some"
        words = "; ".join(filter(None, (_CHECKS.get(name, ""), gaps)))
        yield f"| `{name}` | {shown[0]} | {shown[1]} | {words} |"
    yield ""


def _statistics(table: Mapping[str, Mapping[str, float]]) -> Iterator[str]:
    yield "## Statistics of the training split"
    yield ""
    names = list(table["mean"])
    yield f"| | {' | '.join(names)} |"
    yield f"| --- |{' --- |' * len(names)}"
    for kind, values in table.items():
        cells = [f"{values[name]:.6g}" if name in values else "" for name in names]
        yield f"| {kind} | {' | '.join(cells)} |"
    yield ""
    small = [name for name in names if 0.0 <= table["std"][name] < 1e-4]
    if small:
        yield (
            f"The values of {', '.join(small)} spread by less than 1e-4; The Well's loader "
            "normalises with that number then. Choose a unit in which they are of order one."
        )
        yield ""


def _files(job: Job, records: Sequence[Record]) -> Iterator[str]:
    yield "## How to read it"
    yield ""
    yield _READING.format(
        name=job.recipe.name, file=records[0].file, field=job.header.field,
        axes=", ".join(job.header.axes),
    )  # fmt: skip
    yield "`diffusim dataset verify` re-reads all of it and makes some trajectories again."
    yield ""
    yield LICENCE
    yield ""
    yield "Say here under which terms others may use this dataset."
    yield ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
