"""Verbs that tell what there is: explain, methods, schema."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

import click

from diffusim.cli.failing import in_sentences


@click.command()
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
    propagator is a kernel, a filter, a template or an average; without it, the names are listed.
    """
    with in_sentences():
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


@click.command()
def methods() -> None:
    """Print which methods can carry which propagators, from the code itself."""
    with in_sentences():
        from diffusim import advice

        click.echo(advice.table_of_methods())


@click.command()
def schema() -> None:
    """Print the JSON Schema of scenarios, for completion in editors."""
    with in_sentences():
        from diffusim import scenario

        click.echo(json.dumps(scenario.schema(), indent=1))
