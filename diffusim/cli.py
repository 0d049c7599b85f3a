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
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from diffusim.interrupts import Interrupted, Signals

if TYPE_CHECKING:
    from diffusim.comparison import Comparison
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
            with _Progress(quiet) as reporter:
                outcome = conduct.carry_out(
                    ready, out, resume=resume, overwrite=overwrite, reporter=reporter
                )
                if not no_figures:
                    outcome.parts["figures"] = _draw(outcome, reporter)
            _print_table(outcome.comparison, "table")
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


def _draw(outcome: Outcome, reporter: _Progress) -> float:
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
        _print_table(comparison, style)
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
@click.argument("file", type=click.Path(path_type=Path))
def show(file: Path) -> None:
    """Draw the figures of a stored run."""
    with _in_sentences():
        from diffusim import plots

        for path in plots.draw(file):
            click.echo(path)


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


# --- tables and progress ------------------------------------------------------------------------

_COLUMNS: dict[str, Callable[[Any], str]] = {
    "label": str, "limit": str, "reference": str, "l1": "{:.3g}".format, "l2": "{:.3g}".format,
    "linf": "{:.3g}".format, "worst_l2": "{:.3g}".format,
    "expected": lambda value: "" if value is None else f"{value:.3g}",
    "mass_drift": "{:.1g}".format, "minimum": "{:.6g}".format, "maximum": "{:.6g}".format,
    "seconds": "{:.2f}".format, "verdict": str, "reason": str,
}  # fmt: skip


def _print_table(comparison: Comparison, style: str) -> None:
    if style == "json":
        click.echo(json.dumps(comparison.as_dict(), indent=1))
        return
    rows = [
        [text(getattr(row, name)) for name, text in _COLUMNS.items()] for row in comparison.rows
    ]
    heads = [name.replace("_", " ") for name in _COLUMNS]
    if style == "csv":
        import csv
        import io

        csv.writer(text := io.StringIO(), lineterminator="\n").writerows(
            [
                list(_COLUMNS),
                *([getattr(row, name) for name in _COLUMNS] for row in comparison.rows),
            ]
        )
        click.echo(text.getvalue(), nl=False)
    elif not _on_terminal(sys.stdout):
        click.echo("\n".join("\t".join(cells) for cells in [heads, *rows]))
    else:
        _show_table(comparison, rows)


def _show_table(comparison: Comparison, rows: list[list[str]]) -> None:
    """Show on a terminal of eighty columns what matters most; verdicts below, a line each."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    names = list(_COLUMNS)
    shown = ["label", "reference", "l2", "worst_l2", "expected", "mass_drift", "seconds"]
    table = Table(title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for name in shown:
        words = name in ("label", "reference")
        table.add_column(name.replace("_", " "), overflow="fold", no_wrap=not words,
                         justify="left" if words else "right")  # fmt: skip
    for cells in rows:
        table.add_row(*(cells[names.index(name)] for name in shown))
    console = Console(markup=False, highlight=False)
    console.print(comparison.title, style="bold")
    console.print(table)
    for cells in rows:
        cell = dict(zip(names, cells, strict=True))
        reason = f" ({cell['reason']})" if cell["reason"] else ""
        console.print(f"{cell['label']}: {cell['verdict']}{reason}")
        console.print(
            f"  limit {cell['limit']}, l1 {cell['l1']}, linf {cell['linf']}, "
            f"values from {cell['minimum']} to {cell['maximum']}"
        )


def _on_terminal(stream: Any) -> bool:
    return stream is not None and stream.isatty()


class _Progress:
    """A bar on a terminal, a line per tenth elsewhere, nothing for what takes under a second."""

    def __init__(self, quiet: bool) -> None:
        self._quiet = quiet
        self._bar: Any = None

    def __enter__(self) -> _Progress:
        return self

    def __exit__(self, *_what: object) -> None:
        self._close()

    def note(self, text: str) -> None:
        self._close()
        click.echo(text, err=True)

    def stage(self, name: str) -> Callable[[float], None]:
        self._close()
        if self._quiet:
            return lambda _fraction: None
        began = clock.perf_counter()
        told = [0]

        def tell(fraction: float) -> None:
            spent = clock.perf_counter() - began
            if spent < 1.0:
                return
            if fraction >= 1.0 and not told[0]:
                return  # it did not tell its progress, and that it is over will be seen
            if _on_terminal(sys.stderr):
                told[0] = 1
                self._show(name, fraction, spent)
            elif int(10 * fraction) > told[0]:
                told[0] = int(10 * fraction)
                left = spent / fraction - spent
                click.echo(f"{name}: {10 * told[0]} %, {left:.0f} s left", err=True)

        return tell

    def _show(self, name: str, fraction: float, spent: float) -> None:
        if self._bar is None:
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn
            from rich.progress import TimeRemainingColumn as Remaining

            columns = [
                TextColumn("{task.description}"),
                BarColumn(),
                TaskProgressColumn(),
                TextColumn("{task.fields[rate]:.0f} %/s"),
                Remaining(),
            ]
            self._bar = Progress(*columns, console=Console(stderr=True), transient=True)
            self._bar.start()
            self._task = self._bar.add_task(name, total=1.0, rate=0.0)
        self._bar.update(self._task, completed=fraction, rate=100.0 * fraction / spent)

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


if __name__ == "__main__":
    main()
