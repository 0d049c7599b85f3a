"""Verbs that begin with a scenario: run, check, new."""

from __future__ import annotations

import re
import sys
import time as clock
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from diffusim.cli.failing import (
    FAILED,
    INVALID,
    OUT_OF_TOLERANCE,
    OVERRIDES,
    SCENARIO,
    fail,
    in_sentences,
    in_words,
)
from diffusim.terminal import Progress, print_table

if TYPE_CHECKING:
    from diffusim.conduct import Outcome
    from diffusim.experiment import Experiment
    from diffusim.live import View

STARTED = clock.perf_counter()
PACKAGE = Path(__file__).parents[1]


@click.command()
@click.argument("scenarios", nargs=-1, required=True, type=click.Path(path_type=Path))
@OVERRIDES
@click.option(
    "--only", multiple=True, metavar="METHOD", help="Run this method only; may be repeated."
)
@click.option("--out", default="outputs", type=click.Path(path_type=Path), show_default=True,
              help="Folder for results; each scenario gets a folder of its own in it.")  # fmt: skip
@click.option("--resume", is_flag=True, help="Go on with an interrupted run, if there is one.")
@click.option("--overwrite", is_flag=True, help="Replace a finished result of another scenario.")
@click.option("--no-figures", is_flag=True, help="Draw no figures and write no report.")
@click.option("--live", is_flag=True, help="Show each frame in the terminal as it is computed.")
@click.option("-q", "--quiet", is_flag=True, help="No progress.")
def run(
    scenarios: Sequence[Path],
    overrides: Sequence[str],
    only: Sequence[str],
    out: Path,
    resume: bool,
    overwrite: bool,
    no_figures: bool,
    live: bool,
    quiet: bool,
) -> None:
    """Run scenarios: every method, stored, compared and drawn."""
    with in_sentences("; frames up to now are kept, --resume goes on"):
        from diffusim import conduct, experiment

        sound = whole = True
        if len(scenarios) > 1:
            experiment.check_together(scenarios, overrides)
        for source in scenarios:
            began = clock.perf_counter()
            ready = experiment.prepare(source, overrides, only)
            parts = {"start": clock.perf_counter() - (STARTED if source is scenarios[0] else began)}
            with _reporter(ready, quiet, live) as reporter:
                outcome = conduct.carry_out(
                    ready, out, resume=resume, overwrite=overwrite, reporter=reporter
                )
                if not no_figures:
                    whole = _shown(outcome, parts, reporter) and whole
            print_table(outcome.comparison, "table")
            for line in conduct.remarks(ready, outcome.comparison):
                click.echo(line, err=True)
            parts |= outcome.parts
            total = sum(parts.values())
            shown = ", ".join(f"{name} {seconds:.2f}" for name, seconds in parts.items())
            click.echo(f"{total:.2f} s in all: {shown}", err=True)
            click.echo(f"results in {outcome.path.parent}", err=True)
            sound = sound and outcome.comparison.sound
        if not (sound and whole):
            sys.exit(FAILED if sound else OUT_OF_TOLERANCE)


def _reporter(ready: Experiment, quiet: bool, live: bool) -> Progress | View:
    """Whom a run tells how far it has come: a bar, or a view of its frames."""
    if not live:
        return Progress(quiet)
    from diffusim.live import View, can_be_shown

    if not can_be_shown():
        click.echo("--live takes a terminal to draw on, which standard error is not here; the run "
                   "goes on without it", err=True)  # fmt: skip
        return Progress(quiet)
    scenario = ready.scenario
    return View(scenario.field.unit, scenario.propagator.clock, len(ready.channels))


def _shown(outcome: Outcome, parts: Mapping[str, float], reporter: Progress | View) -> bool:
    """Draw the figures and write the report; return whether both are there.

    The run is finished by then: nothing that fails here takes its table and its verdict away.
    """
    drawn: list[Path] = []

    def draw() -> None:
        from diffusim import plots

        drawn.extend(plots.draw(outcome.path, comparison=outcome.comparison))

    def write() -> None:
        from diffusim import report

        report.beside(outcome.path, outcome.comparison, {**parts, **outcome.parts}, drawn)

    return all([_done("figures", "not all figures are drawn", draw, outcome, reporter),
                _done("report", "no report is written", write, outcome, reporter)])  # fmt: skip


def _done(
    part: str, undone: str, work: Callable[[], None], outcome: Outcome, reporter: Progress | View
) -> bool:
    """Do a part of what follows a run; what fails becomes a note."""
    began = clock.perf_counter()
    reporter.stage(part)
    try:
        work()
    except BrokenPipeError:
        raise
    except Exception as problem:
        reporter.note(f"{undone}: {in_words(problem)}")
        return False
    finally:
        outcome.parts[part] = clock.perf_counter() - began
    return True


@click.command()
@SCENARIO
@OVERRIDES
def check(scenario: Path, overrides: Sequence[str]) -> None:
    """Say what a scenario means and what it would take, without running it."""
    with in_sentences():
        from diffusim import advice, experiment

        click.echo(advice.advice(experiment.prepare(scenario, overrides)))


@click.command()
@click.argument("name", required=False)
def new(name: str | None) -> None:
    """Copy a scenario that comes with diffusim into this folder; without NAME, list them."""
    folders = [PACKAGE / "scenarios", PACKAGE.parent / "scenarios"]
    known = {path.stem: path for folder in reversed(folders) for path in folder.glob("*.yaml")}
    name = name and name.removesuffix(".yaml")
    if name is None:
        with in_sentences():
            click.echo("\n".join(sorted(known)))
        return
    if name not in known:
        fail(f"there is no scenario '{name}'; there are {', '.join(sorted(known))}", INVALID)
    target = Path(f"{name}.yaml")
    try:
        with target.open("x", encoding="utf-8") as stream:
            stream.write(known[name].read_text(encoding="utf-8"))
    except FileExistsError:
        fail(f"'{target}' is here already and stays as it is", INVALID)
    except OSError as problem:
        fail(f"'{target}' cannot be written: {problem.strerror}", FAILED)
    # What it starts from, and what editors check it by, come with it unless they are here already.
    base = re.search(r"^base: (\S+)$", known[name].read_text(encoding="utf-8"), re.MULTILINE)
    for wanted in (*(base.groups() if base else ()), "diffusim.schema.json"):
        beside = target.with_name(wanted)
        if not beside.exists() and (source := known[name].with_name(wanted)).is_file():
            beside.write_text(source.read_text(encoding="utf-8"), encoding="utf-8")
    with in_sentences():
        click.echo(target)
