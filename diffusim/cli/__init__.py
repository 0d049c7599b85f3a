"""The command line: verbs, exit codes, and nothing that computes.

Results go to standard output, progress and everything else to standard error. Heavy modules are
imported by the verb that needs them, so that ``--help`` is immediate.
"""

from __future__ import annotations

import os

import click

from diffusim.cli.datasets import dataset
from diffusim.cli.failing import FAILED, INVALID, OUT_OF_TOLERANCE, PARTLY_DONE
from diffusim.cli.knowing import explain, methods, schema
from diffusim.cli.results import compare, converge, show
from diffusim.cli.running import check, new, run

__all__ = ["FAILED", "INVALID", "OUT_OF_TOLERANCE", "PARTLY_DONE", "main"]

# Read by the libraries when they are first imported, later: threads that wait by spinning slow a
# busy machine down many times over, and at these sizes gain nothing.
for _library in ("OPENBLAS", "OMP", "MKL"):
    os.environ.setdefault(f"{_library}_NUM_THREADS", "1")


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="diffusim")
def main() -> None:
    """Diffusion in every way physics knows, from one scenario file."""


for _verb in (run, compare, check, show, explain, converge, dataset, methods, schema, new):
    main.add_command(_verb)
