"""Verbs about results: compare, show, converge."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from diffusim.cli.failing import OUT_OF_TOLERANCE, OVERRIDES, SCENARIO, in_sentences
from diffusim.terminal import Progress, print_convergence, print_note, print_table

if TYPE_CHECKING:
    from diffusim.comparison import Comparison


def _a_number(
    _context: click.Context, _option: click.Parameter, value: float | None
) -> float | None:
    """Refuse what is no number, which no range keeps out."""
    if value is not None and math.isnan(value):
        raise click.BadParameter("nan is no number; give the largest relative L2 error allowed")
    return value


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--reference", metavar="LABEL",
              help="The run to compare with, or 'exact', the analytic solution.")  # fmt: skip
@click.option("--format", "style", type=click.Choice(["table", "csv", "json"]), default="table",
              show_default=True)  # fmt: skip
@click.option("--tolerance", type=click.FloatRange(min=0.0), callback=_a_number,
              help="Exit with 3 if any worst relative L2 error exceeds this.")  # fmt: skip
@click.option("--report", "page", metavar="PATH", type=click.Path(path_type=Path),
              help="Write a page of the comparison there, an HTML file.")  # fmt: skip
def compare(
    files: Sequence[Path],
    reference: str | None,
    style: str,
    tolerance: float | None,
    page: Path | None,
) -> None:
    """Compare the methods in stored runs, of one result or several.

    Frames at times that all have are compared; of one box cut into different cells, means over the
    larger ones. Files that other programs wrote in the same layout are taken as well.
    """
    with in_sentences():
        from contextlib import ExitStack

        from diffusim import alignment, store
        from diffusim.block import Invalid

        if missing := [str(file) for file in files if not file.exists()]:
            raise Invalid(f"there is no file {', no file '.join(missing)}")
        if folders := [file for file in files if file.is_dir()]:
            raise Invalid(" ".join(map(store.folder_in_words, folders)))
        if page is not None:
            from diffusim import report

            report.must_be_free(page)
        with ExitStack() as stack:
            stored = [stack.enter_context(store.load(file)) for file in files]
            aligned = alignment.align(stored)
            comparison = alignment.compare_aligned(aligned, reference)
            told = [note for each in stored for note in each.extra.get("notes", [])]
            notes = list(dict.fromkeys([*told, *comparison.notes]))
            for note in [*notes, *_to_be_judged(comparison, tolerance)]:
                print_note(note)
            if page is not None:
                found = report.of_comparison(aligned, comparison, page, notes=notes)
                click.echo(found, err=True)
        print_table(comparison, style)
        within = tolerance is None or all(row.within(tolerance) for row in comparison.rows)
        if not (within and comparison.sound):
            sys.exit(OUT_OF_TOLERANCE)


def _to_be_judged(comparison: Comparison, tolerance: float | None) -> Iterator[str]:
    """Say what judges runs of which theory tells nothing."""
    from diffusim.verdicts import NOT_JUDGED

    left = [row.label for row in comparison.rows if row.verdict == NOT_JUDGED]
    if left and tolerance is None:
        yield f"not judged: {', '.join(left)}; --tolerance holds all to a largest relative L2 error"


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path),
              help="Folder for the figures; 'figures' beside the run. Of several runs: their "
              "picture; outputs/spread.png")  # fmt: skip
@click.option(
    "--only", multiple=True, metavar="NAME",
    help="Draw this figure only, such as fields or spectrum; may be repeated.",
)  # fmt: skip
@click.option(
    "--movie", type=click.Path(path_type=Path), metavar="FILE",
    help="Draw a movie of all frames instead: .webp or .gif, .mp4 where ffmpeg is.",
)  # fmt: skip
@click.option("--method", metavar="LABEL", help="Of a movie: show this run only.")
@click.option("--fps", type=float, help="Of a movie: frames a second; so many that it takes 6 s.")
@click.option("--seconds", type=float, help="Of a movie: how long it lasts, instead of --fps.")
def show(
    files: Sequence[Path],
    out: Path | None,
    only: Sequence[str],
    movie: Path | None,
    **options: Any,
) -> None:
    """Draw the figures or a movie of a stored run; of several, how they spread, in one picture.

    A movie shows every stored frame equally long, whatever times lie between them.
    """
    _not_together(files, out, only, movie, options)
    with in_sentences():
        if movie is not None:
            _show_movie(files[0], movie, options)
            return
        from diffusim import plots

        if len(files) > 1:
            click.echo(plots.draw_together(files, out or Path("outputs", "spread.png")))
            return
        drawn = plots.draw(files[0], out, only=only)
        for path in drawn:
            click.echo(path)
        for name in only:
            if name not in [path.stem for path in drawn]:
                click.echo(f"there is nothing to show as '{name}' in {files[0]}", err=True)


def _not_together(
    files: Sequence[Path], out: Path | None, only: Sequence[str], movie: Path | None,
    options: dict[str, Any],
) -> None:  # fmt: skip
    """Refuse options that mean nothing beside the others."""
    if movie is None:
        given = [f"--{name}" for name, value in options.items() if value is not None]
        if given:
            raise click.UsageError(f"{', '.join(given)} belongs to a movie; give --movie FILE")
        if only and len(files) > 1:
            raise click.UsageError("--only chooses among the figures of one run; give one file")
    elif len(files) > 1:
        raise click.UsageError("a movie shows one run; give one file")
    elif only or out is not None:
        raise click.UsageError("--movie says what is drawn and where; leave out --only and --out")


def _show_movie(file: Path, out: Path, options: dict[str, Any]) -> None:
    from diffusim.plots.movies import draw_movie

    drawn = draw_movie(
        file, out, method=options["method"], rate=options["fps"], seconds=options["seconds"]
    )
    if drawn.every > 1:
        click.echo(f"one of {drawn.every} frames is shown, {drawn.pictures} in all: more would "
                   "be too large", err=True)  # fmt: skip
    click.echo(drawn.path)


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
            from diffusim import report

            if again := report.anew(path):
                click.echo(f"the page of the run with this picture in it: {again}", err=True)
        if not found.sound:
            sys.exit(OUT_OF_TOLERANCE)
