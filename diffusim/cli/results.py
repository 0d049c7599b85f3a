"""Verbs about results: compare, show, converge."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import click

from diffusim.cli.failing import OUT_OF_TOLERANCE, OVERRIDES, SCENARIO, in_sentences
from diffusim.terminal import Progress, print_convergence, print_table


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--reference", metavar="LABEL", help="The run to compare with.")
@click.option("--format", "style", type=click.Choice(["table", "csv", "json"]), default="table",
              show_default=True)  # fmt: skip
@click.option(
    "--tolerance", type=float, help="Exit with 3 if any worst relative L2 error exceeds this."
)
def compare(
    files: Sequence[Path], reference: str | None, style: str, tolerance: float | None
) -> None:
    """Compare the methods in stored runs."""
    with in_sentences():
        from contextlib import ExitStack

        from diffusim import alignment, store

        with ExitStack() as stack:
            stored = [stack.enter_context(store.load(file)) for file in files]
            comparison = alignment.compare_stored(stored, reference)
            for note in dict.fromkeys(n for s in stored for n in s.extra.get("notes", [])):
                click.echo(note, err=True)
        print_table(comparison, style)
        beyond = tolerance is not None and any(
            not row.worst_l2 <= tolerance for row in comparison.rows if row.verdict != "reference"
        )
        if beyond or not comparison.sound:
            sys.exit(OUT_OF_TOLERANCE)


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path),
              help="Of several runs: their picture; outputs/spread.png")  # fmt: skip
def show(files: Sequence[Path], out: Path | None) -> None:
    """Draw the figures of a stored run; of several, how they spread, in one picture."""
    with in_sentences():
        from diffusim import plots

        if len(files) == 1:
            for path in plots.draw(files[0]):
                click.echo(path)
            return
        click.echo(plots.draw_together(files, out or Path("outputs", "spread.png")))


@click.command()
@SCENARIO
@OVERRIDES
@click.option("--refine", required=True, type=click.Choice(["particles", "dt", "grid"]),
              help="What to refine: the number of particles, the steps, or the cells.")  # fmt: skip
@click.option("--method", "only", multiple=True, metavar="LABEL",
              help="Refine this method only; may be repeated.")  # fmt: skip
@click.option("--from", "low", metavar="LEAST",
              help="Fewest particles, shortest step (in s or as '1 min'), or fewest cells along "
              "the longest axis.")  # fmt: skip
@click.option("--to", "high", metavar="MOST", help="Most particles, longest step, most cells.")
@click.option(
    "--repeats",
    type=int,
    help="Seeds for each number of particles; 4, or fewer where it takes long.",
)
@click.option(
    "--out", type=click.Path(path_type=Path),
    help="The picture, all points beside it as .csv; outputs/NAME/converge-WHAT.png",
)  # fmt: skip
@click.option("--no-figure", is_flag=True, help="Draw no picture; the points are still written.")
@click.option("--format", "style", type=click.Choice(["table", "csv", "json"]), default="table",
              show_default=True)  # fmt: skip
@click.option("-q", "--quiet", is_flag=True, help="No progress.")
def converge(
    scenario: Path,
    refine: Literal["particles", "dt", "grid"],
    out: Path | None,
    no_figure: bool,
    style: str,
    quiet: bool,
    **options: Any,
) -> None:
    """Show with what power methods approach the exact result as they are refined."""
    with in_sentences():
        from diffusim import convergence

        path = out or Path("outputs", scenario.stem, f"converge-{refine}.png")
        convergence.must_be_free(path)
        with Progress(quiet) as reporter:
            found = convergence.converge(scenario, refine, stage=reporter.stage, **options)
        print_convergence(found, style)
        click.echo(convergence.write_table(found, path), err=True)
        if not no_figure:
            from diffusim.plots.convergence import draw_convergence

            click.echo(draw_convergence(found, path), err=True)
        if not found.sound:
            sys.exit(OUT_OF_TOLERANCE)
