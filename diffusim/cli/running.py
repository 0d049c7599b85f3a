"""Verbs that begin with a scenario: run, check, new."""

from __future__ import annotations

import re
import sys
import time as clock
from collections.abc import Sequence
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
)
from diffusim.terminal import Progress, print_table

if TYPE_CHECKING:
    from diffusim.conduct import Outcome

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
@click.option("--no-figures", is_flag=True, help="Draw no figures.")
@click.option("-q", "--quiet", is_flag=True, help="No progress.")
def run(
    scenarios: Sequence[Path],
    overrides: Sequence[str],
    only: Sequence[str],
    out: Path,
    resume: bool,
    overwrite: bool,
    no_figures: bool,
    quiet: bool,
) -> None:
    """Run scenarios: every method, stored, compared and drawn."""
    with in_sentences("; frames up to now are kept, --resume goes on"):
        from diffusim import conduct, experiment

        sound = True
        if len(scenarios) > 1:
            experiment.check_together(scenarios, overrides)
        for source in scenarios:
            began = clock.perf_counter()
            ready = experiment.prepare(source, overrides, only)
            parts = {"start": clock.perf_counter() - (STARTED if source is scenarios[0] else began)}
            with Progress(quiet) as reporter:
                outcome = conduct.carry_out(
                    ready, out, resume=resume, overwrite=overwrite, reporter=reporter
                )
                if not no_figures:
                    outcome.parts["figures"] = _draw(outcome, reporter)
            print_table(outcome.comparison, "table")
            for line in conduct.remarks(ready, outcome.comparison):
                click.echo(line, err=True)
            parts |= outcome.parts
            total = sum(parts.values())
            shown = ", ".join(f"{name} {seconds:.2f}" for name, seconds in parts.items())
            click.echo(f"{total:.2f} s in all: {shown}", err=True)
            click.echo(f"results in {outcome.path.parent}", err=True)
            sound = sound and outcome.comparison.sound
        if not sound:
            sys.exit(OUT_OF_TOLERANCE)


def _draw(outcome: Outcome, reporter: Progress) -> float:
    from diffusim import plots

    began = clock.perf_counter()
    reporter.stage("figures")
    plots.draw(outcome.path, comparison=outcome.comparison)
    return clock.perf_counter() - began


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
        for each in sorted(known):
            click.echo(each)
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
    click.echo(target)
