"""Failures in sentences with an exit code, and the arguments that several verbs share."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import click

from diffusim.interrupts import Interrupted, Signals

FAILED, INVALID, OUT_OF_TOLERANCE, PARTLY_DONE = 1, 2, 3, 4
# Set to anything, it shows where in the code an unforeseen failure came from.
TRACEBACK = "DIFFUSIM_TRACEBACK"

SCENARIO = click.argument("scenario", type=click.Path(path_type=Path))
OVERRIDES = click.option(
    "--set", "overrides", multiple=True, metavar="KEY=VALUE",
    help="Override a key of the scenario, such as grid.shape=[64,64].",
)  # fmt: skip


@contextmanager
def in_sentences(kept: str = "") -> Iterator[None]:
    """Turn every failure into a sentence and an exit code; ``kept`` is said of an interruption."""
    try:
        with Signals():
            yield
    except Interrupted as signalled:
        click.echo(f"stopped by {signal.Signals(signalled.number).name}{kept}", err=True)
        # An interrupted compilation leaves LLVM half torn down; an orderly end would crash in it.
        os._exit(128 + signalled.number)
    except MemoryError:
        fail("there is not enough memory for this; take fewer cells or particles", FAILED)
    except BrokenPipeError:
        # Nobody reads any more; the interpreter must not try again to write when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.exit(FAILED)
    except Exception as problem:
        code = _code_of(problem)
        if code is None and os.environ.get(TRACEBACK):
            raise
        fail(in_words(problem), code or FAILED)


def in_words(problem: Exception) -> str:
    """Return a failure as a sentence."""
    return str(problem) if _code_of(problem) is not None else _unforeseen(problem)


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


def fail(text: str, code: int) -> NoReturn:
    """Say what is wrong and end with an exit code."""
    click.echo(text, err=True)
    sys.exit(code)
