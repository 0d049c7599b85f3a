"""The list of a dataset's trajectories as text, a line each, without computing any of them."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from typing import Literal

from diffusim.dataset.recipe import Recipe

Style = Literal["table", "csv", "json"]


def lines(recipe: Recipe, style: Style = "table") -> Iterator[str]:
    """Yield the list of trajectories: a heading, then index, split, seed and parameters of each.

    Parameters
    ----------
    recipe : Recipe
        What is listed.
    style : {"table", "csv", "json"}
        Fields parted by tabs, fields parted by commas, or an object a line without a heading.
    """
    if style != "json":
        yield _joined(list(recipe.columns), style)
    for row in recipe.rows():
        yield json.dumps(row) if style == "json" else _joined([*row.values()], style)


def _joined(fields: list[str | int | float], style: Style) -> str:
    if style == "table":
        return "\t".join(map(str, fields))
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(fields)
    return line.getvalue()
