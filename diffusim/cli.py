"""The command line: verbs, exit codes, and nothing that computes.

Results go to standard output, progress and everything else to standard error. Heavy modules are
imported by the verb that needs them, so that ``--help`` is immediate.
"""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import time as clock
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NoReturn

import click

from diffusim.interrupts import Interrupted, Signals
from diffusim.terminal import Progress, print_convergence, print_table

if TYPE_CHECKING:
    from diffusim.conduct import Outcome

STARTED = clock.perf_counter()
# Read by the libraries when they are first imported, later: threads that wait by spinning slow a
# busy machine down many times over, and at these sizes gain nothing.
for _library in ("OPENBLAS", "OMP", "MKL"):
    os.environ.setdefault(f"{_library}_NUM_THREADS", "1")
FAILED, INVALID, OUT_OF_TOLERANCE = 1, 2, 3
# Set to anything, it shows where in the code an unforeseen failure came from.
TRACEBACK = "DIFFUSIM_TRACEBACK"


@contextmanager
def _in_sentences(kept: str = "") -> Iterator[None]:
    """Turn every failure into a sentence and an exit code; ``kept`` is said of an interruption."""
    try:
        with Signals():
            yield
    except Interrupted as signalled:
        click.echo(f"stopped by {signal.Signals(signalled.number).name}{kept}", err=True)
        # An interrupted compilation leaves LLVM half torn down; an orderly end would crash in it.
        os._exit(128 + signalled.number)
    except MemoryError:
        _fail("there is not enough memory for this; take fewer cells or particles", FAILED)
    except BrokenPipeError:
        # Nobody reads any more; the interpreter must not try again to write when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.exit(FAILED)
    except Exception as problem:
        code = _code_of(problem)
        if code is None and os.environ.get(TRACEBACK):
            raise
        _fail(str(problem) if code is not None else _unforeseen(problem), code or FAILED)


def _unforeseen(problem: Exception) -> str:
    what = f"{type(problem).__name__}: {problem}" if str(problem) else type(problem).__name__
    if isinstance(problem, OSError):
        return f"the system refuses: {problem.strerror or what}"
    return (
        f"unforeseen failure, a mistake of diffusim or of a plug-in ({' '.join(what.split())}); "
        f"{TRACEBACK}=1 shows where"
    )


def _code_of(problem: Exception) -> int | None:
    """The exit code of errors whose classes live in modules that are imported late."""
    codes = {
        "Invalid": INVALID,
        "Unsupported": INVALID,
        "ScenarioError": INVALID,
        "Occupied": INVALID,
        "StoreError": FAILED,
        "Diverged": FAILED,
    }
    names = [kind.__name__ for kind in type(problem).__mro__]
    return next((codes[name] for name in names if name in codes), None)


def _fail(text: str, code: int) -> NoReturn:
    click.echo(text, err=True)
    sys.exit(code)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="diffusim")
def main() -> None:
    """Diffusion in every way physics knows, from one scenario file."""


_scenario = click.argument("scenario", type=click.Path(path_type=Path))
_set = click.option(
    "--set", "overrides", multiple=True, metavar="KEY=VALUE",
    help="Override a key of the scenario, such as grid.shape=[64,64].",
)  # fmt: skip


@main.command()
@click.argument("scenarios", nargs=-1, required=True, type=click.Path(path_type=Path))
@_set
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
    with _in_sentences("; frames up to now are kept, --resume goes on"):
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


@main.command()
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
    with _in_sentences():
        from contextlib import ExitStack

        from diffusim import conduct, store

        with ExitStack() as stack:
            stored = [stack.enter_context(store.load(file)) for file in files]
            comparison = conduct.compare_stored(stored, reference)
            for note in dict.fromkeys(n for s in stored for n in s.extra.get("notes", [])):
                click.echo(note, err=True)
        print_table(comparison, style)
        beyond = tolerance is not None and any(
            not row.worst_l2 <= tolerance for row in comparison.rows if row.verdict != "reference"
        )
        if beyond or not comparison.sound:
            sys.exit(OUT_OF_TOLERANCE)


@main.command()
@_scenario
@_set
def check(scenario: Path, overrides: Sequence[str]) -> None:
    """Say what a scenario means and what it would take, without running it."""
    with _in_sentences():
        from diffusim import advice, experiment

        click.echo(advice.advice(experiment.prepare(scenario, overrides)))


@main.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path),
              help="Of several runs: their picture; outputs/spread.png")  # fmt: skip
def show(files: Sequence[Path], out: Path | None) -> None:
    """Draw the figures of a stored run; of several, how they spread, in one picture."""
    with _in_sentences():
        from diffusim import plots

        if len(files) == 1:
            for path in plots.draw(files[0]):
                click.echo(path)
            return
        click.echo(plots.draw_together(files, out or Path("outputs", "spread.png")))


@main.command()
@click.argument("kernel", required=False)
@click.option("--normalise", type=click.Choice(["softmax", "sum", "none"]),
              help="How it is made a density; default softmax, unless it is one.")  # fmt: skip
@click.option("--temperature", type=float, help="Of softmax, in units of the kernel's entries.")
@click.option("--image", default="portrait", help="A PNG or JPEG file to apply it to.")
@click.option(
    "--out", type=click.Path(path_type=Path), help="The picture; outputs/explain/NAME.png"
)
@click.option("--no-figure", is_flag=True, help="Draw no picture.")
@click.option("--format", "style", type=click.Choice(["text", "json"]), default="text",
              show_default=True)  # fmt: skip
def explain(
    kernel: str | None,
    normalise: Literal["softmax", "sum", "none"] | None,
    temperature: float | None,
    image: str,
    out: Path | None,
    no_figure: bool,
    style: str,
) -> None:
    """Say what a convolution kernel does, read as a propagator.

    KERNEL is a name, a matrix such as '[[0, 1, 0], [1, 4, 1], [0, 1, 0]]', a mapping such as
    '{kind: gaussian, sigma: 2}', a file of numbers (.npy, .csv, .txt), or a scenario whose
    propagator is a kernel; without it, the names are listed.
    """
    with _in_sentences():
        from diffusim import explanation

        if kernel is None:
            click.echo("\n".join(explanation.NAMES))
            return
        subject = explanation.subject(kernel, normalise, temperature)
        if style == "json":
            click.echo(json.dumps(subject.character.as_dict(), indent=1))
        else:
            click.echo(explanation.explanation(subject))
        if not no_figure:
            from diffusim.plots.kernel import draw_kernel

            path = out or Path("outputs", "explain", f"{subject.name}.png")
            click.echo(draw_kernel(subject, path, image), err=True)


@main.command()
@_scenario
@_set
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
    with _in_sentences():
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


@main.command()
def methods() -> None:
    """Print which methods can carry which propagators, from the code itself."""
    with _in_sentences():
        from diffusim import advice

        click.echo(advice.table_of_methods())


@main.command()
def schema() -> None:
    """Print the JSON Schema of scenarios, for completion in editors."""
    with _in_sentences():
        from diffusim import scenario

        click.echo(json.dumps(scenario.schema(), indent=1))


@main.command()
@click.argument("name", required=False)
def new(name: str | None) -> None:
    """Copy a scenario that comes with diffusim into this folder; without NAME, list them."""
    folders = [Path(__file__).parent / "scenarios", Path(__file__).parent.parent / "scenarios"]
    known = {path.stem: path for folder in reversed(folders) for path in folder.glob("*.yaml")}
    name = name and name.removesuffix(".yaml")
    if name is None:
        for each in sorted(known):
            click.echo(each)
        return
    if name not in known:
        _fail(f"there is no scenario '{name}'; there are {', '.join(sorted(known))}", INVALID)
    target = Path(f"{name}.yaml")
    try:
        with target.open("x", encoding="utf-8") as stream:
            stream.write(known[name].read_text(encoding="utf-8"))
    except FileExistsError:
        _fail(f"'{target}' is here already and stays as it is", INVALID)
    except OSError as problem:
        _fail(f"'{target}' cannot be written: {problem.strerror}", FAILED)
    # What it starts from, and what editors check it by, come with it unless they are here already.
    base = re.search(r"^base: (\S+)$", known[name].read_text(encoding="utf-8"), re.MULTILINE)
    for wanted in (*(base.groups() if base else ()), "diffusim.schema.json"):
        beside = target.with_name(wanted)
        if not beside.exists() and (source := known[name].with_name(wanted)).is_file():
            beside.write_text(source.read_text(encoding="utf-8"), encoding="utf-8")
    click.echo(target)


if __name__ == "__main__":
    main()
