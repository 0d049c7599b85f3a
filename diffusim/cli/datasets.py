"""The verb dataset: many trajectories of a scenario, written for those who learn from them."""

from __future__ import annotations

import io
import re
import sys
import time as clock
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from diffusim.cli.failing import (
    INVALID,
    OUT_OF_TOLERANCE,
    OVERRIDES,
    PARTLY_DONE,
    SCENARIO,
    fail,
    in_sentences,
)
from diffusim.terminal import on_terminal

if TYPE_CHECKING:
    from diffusim.dataset.engine import Standing, Written
    from diffusim.dataset.making import Made
    from diffusim.dataset.planning import Job
    from diffusim.dataset.recipe import Recipe

MAKE = "make"
_ALONE = "it makes one trajectory, in this process"
# Options that do not go together, and why.
_APART = {
    "--dry-run": {"--sample": "it makes nothing"},
    "--sample": dict.fromkeys(("--shard", "--workers", "--scheduler", "--resume"), _ALONE),
    "--resume": {"--overwrite": "keep what is there, or replace it"},
    "--shard": {
        "--overwrite": "other parts may be at work there",
        "--scheduler": "its workers take shards from each other anyway",
    },
    "--scheduler": {"--workers": "it has its own"},
}


class _WithDefault(click.Group):
    """A group whose first word may be left out: what is no verb of it is a scenario."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        known = {*self.commands, *ctx.help_option_names}
        return super().parse_args(ctx, [MAKE, *args] if args and args[0] not in known else args)


@click.group(cls=_WithDefault, context_settings={"help_option_names": ["-h", "--help"]})
def dataset() -> None:
    """Make a dataset of many trajectories from a scenario, or verify one.

    `diffusim dataset SCENARIO` is short for `diffusim dataset make SCENARIO`.
    """


def _part(_context: click.Context, _parameter: click.Parameter, text: str | None) -> Any:
    if text is None:
        return None
    found = re.fullmatch(r"(\d{1,9})/(\d{1,9})", text)
    if found is None or not 1 <= int(found[1]) <= int(found[2]):
        raise click.BadParameter(f"expected i/N with i from 1 to N, such as 3/16, found '{text}'")
    return int(found[1]), int(found[2])


@dataset.command(MAKE)
@SCENARIO
@OVERRIDES
@click.option("--workers", type=click.IntRange(1, 4096), metavar="N",
              help="Processes; default one for each processor.")  # fmt: skip
@click.option("--scheduler", metavar="ADDRESS",
              help="Use the workers of a scheduler of Dask: tcp://..., or its file.")  # fmt: skip
@click.option("--shard", "part", metavar="i/N", callback=_part,
              help="Make every N-th shard only, from the i-th on; for arrays of jobs.")  # fmt: skip
@click.option("--resume", is_flag=True, help="Keep whole shards and make the others.")
@click.option("--overwrite", is_flag=True, help="Replace another dataset.")
@click.option("--out", default=None, type=click.Path(path_type=Path),
              help="Folder in which the dataset gets its own [default: outputs]; with --sample, a "
              "file (.hdf5 or .npz).")  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Print which trajectories there would be.")
@click.option("--sample", type=click.IntRange(0), metavar="i",
              help="Make this trajectory only; print its parameters and checks.")  # fmt: skip
@click.option("-q", "--quiet", is_flag=True, help="No progress.")
def make(
    scenario: Path,
    overrides: Sequence[str],
    out: Path | None,
    dry_run: bool,
    sample: int | None,
    part: tuple[int, int] | None,
    quiet: bool,
    **options: Any,
) -> None:
    """Make a dataset: trajectories in shards, statistics, manifest and card."""
    _refuse_together(
        {"--dry-run": dry_run, "--sample": sample is not None, "--shard": part, **{
            f"--{name}": options[name] for name in ("workers", "scheduler", "resume", "overwrite")
        }}
    )  # fmt: skip
    with in_sentences("; shards up to now are kept, --resume goes on"):
        if not dry_run and sample is None and not options["scheduler"] and options["workers"] != 1:
            from diffusim.dataset import server

            server.start()  # before the long imports, which it does at the same time
        from diffusim.dataset.recipe import Recipe

        recipe = Recipe.read(scenario, tuple(overrides))
        if dry_run:
            _print_rows(recipe)
            return
        if sample is not None:
            _one(recipe, sample, out, bool(options["overwrite"]))
            return
        from diffusim.dataset import engine

        with Throughput(quiet) as reporter:
            try:
                written = engine.write(recipe, out or Path("outputs"), shard=part,
                                       reporter=reporter, **options)  # fmt: skip
            except engine.PartlyDone as problem:
                fail(str(problem), PARTLY_DONE)
        _tell(written)


def _refuse_together(given: Mapping[str, object]) -> None:
    """Refuse options of which one would be left unheard, before anything starts."""
    for one, others in _APART.items():
        for other, why in others.items():
            if given[one] and given[other]:
                fail(f"{one} does not go with {other}: {why}", INVALID)


def _tell(written: Written) -> None:
    standing = written.standing
    if standing.made:
        shown = ", ".join(f"{name} {seconds:.2f}" for name, seconds in standing.parts.items())
        click.echo(
            f"{standing.seconds:.2f} s for {_rates(standing)}; seconds of work: {shown}", err=True
        )
    if not written.whole:
        click.echo("other shards are missing yet; the last part, or --resume, gathers", err=True)
    click.echo(f"dataset in {written.folder}")


def _rates(standing: Standing) -> str:
    seconds = max(standing.seconds, 1e-9)
    return (
        f"{standing.made} trajectories, {standing.made / seconds:.4g} trajectories/s, "
        f"{standing.size / seconds / 1e6:.4g} MB/s"
    )


def _print_rows(recipe: Recipe) -> None:
    """Print the list, a line for each trajectory as it comes: it may be long."""
    from diffusim.dataset.listing import lines

    for line in lines(recipe):
        click.echo(line)


# --- one trajectory -----------------------------------------------------------------------------


def _one(recipe: Recipe, index: int, out: Path | None, overwrite: bool) -> None:
    from diffusim import atomic
    from diffusim.dataset.making import Maker
    from diffusim.dataset.planning import planned

    if out is not None and out.suffix not in (".hdf5", ".npz"):
        fail(f"a single trajectory goes to a file .hdf5 or .npz, not to '{out}'", INVALID)
    if out is not None and out.exists() and not overwrite:
        fail(f"'{out}' is here already; --overwrite replaces it", INVALID)
    made = Maker(recipe).make(index)
    told = {"index": made.index, "split": made.split, "seed": made.seed, **made.parameters,
            **made.checks}  # fmt: skip
    for name, value in told.items():
        click.echo(f"{name}\t{value}")
    if out is not None:
        job = planned(recipe, out.parent)
        data = _as_shard(job, made) if out.suffix == ".hdf5" else _as_arrays(job, made)
        atomic.make_folder(out.absolute().parent)
        atomic.write_bytes(out.absolute().parent, out.name, data)
        click.echo(out, err=True)


def _as_shard(job: Job, made: Made) -> bytes:
    from diffusim.dataset.shards import completed
    from diffusim.store.image import Image
    from diffusim.store.layout import Trajectory
    from diffusim.store.shards import Shard

    shard = Shard(Image(), job.header, 1, {"split": made.split, "digest": job.digest})
    shard.add(Trajectory(made.index, made.seed, made.parameters, made.frames, completed(job, made),
                         made.checks))  # fmt: skip
    return bytes(shard.close())


def _as_arrays(job: Job, made: Made) -> bytes:
    import numpy as np

    arrays: dict[str, Any] = {"times": made.times, "frames": made.frames, **made.constants}
    arrays |= {name: np.array(value) for name, value in made.parameters.items()}
    centres = zip(job.header.axes, job.header.centres, strict=True)
    stream = io.BytesIO()
    arrays |= dict(centres)
    np.savez(stream, **arrays)
    return stream.getvalue()


# --- verify -------------------------------------------------------------------------------------


@dataset.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--samples", default=4, show_default=True, type=click.IntRange(0),
              help="How many trajectories are made again and compared bit by bit.")  # fmt: skip
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="Decides which.")
@click.option("--scenario", type=click.Path(path_type=Path),
              help="What it was made of, where that names files.")  # fmt: skip
@click.option("-q", "--quiet", is_flag=True, help="No progress.")
def verify(folder: Path, samples: int, seed: int, scenario: Path | None, quiet: bool) -> None:
    """Read a dataset again, all of it, and make some of its trajectories again."""
    with in_sentences():
        from diffusim.dataset import verifying
        from diffusim.terminal import Progress

        with Progress(quiet) as reporter:
            wrong = list(
                verifying.verify(folder, samples=samples, seed=seed, scenario=scenario,
                                 progress=reporter.stage("verifying"))
            )  # fmt: skip
        for sentence in wrong:
            click.echo(sentence)
        if wrong:
            sys.exit(OUT_OF_TOLERANCE)
        click.echo(f"all is well in {folder}")


# --- progress -----------------------------------------------------------------------------------


class Throughput:
    """How a dataset comes along: a line that changes on a terminal, a line per tenth elsewhere."""

    def __init__(self, quiet: bool) -> None:
        self._quiet = quiet
        self._told = 0
        self._when = clock.perf_counter()
        self._open = False

    def __enter__(self) -> Throughput:
        return self

    def __exit__(self, *_what: object) -> None:
        self._close()

    def note(self, text: str) -> None:
        """Say something on a line of its own."""
        self._close()
        click.echo(text, err=True)

    def advance(self, standing: Standing) -> None:
        """Tell how many trajectories there are, how fast they come and how long it will take."""
        if self._quiet or standing.seconds < 1.0 or not standing.made:
            return
        missing = standing.total - standing.made - standing.kept
        left = missing * standing.seconds / standing.made
        text = f"{100 * standing.done:.0f} %: {_rates(standing)}, {left:.0f} s left"
        if on_terminal(sys.stderr):
            # Cleared to its end, for the line before may have been longer.
            click.echo(f"\r{text}\x1b[K", err=True, nl=False)
            self._open = True
            return
        tenth, now = int(10 * standing.done), clock.perf_counter()
        if tenth > self._told or now - self._when > 30.0:
            self._told, self._when = tenth, now
            click.echo(text, err=True)

    def _close(self) -> None:
        if self._open:
            click.echo("", err=True)
            self._open = False
