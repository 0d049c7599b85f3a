"""What a study leaves on the disk: a table of all points, and beside it a picture."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from diffusim import pictures
from diffusim.atomic import make_folder, write_text
from diffusim.block import Invalid
from diffusim.convergence.results import COLUMNS, Convergence

# By this, written into the file, a picture is known to be replaceable.
TITLE = "Convergence, drawn by diffusim converge"
HEAD = ",".join(COLUMNS)


def must_be_free(path: Path) -> None:
    """Refuse to replace a picture, or the table beside it, that is none of a study's.

    Raises
    ------
    Invalid
        When the name is none of a PNG file, or what is there shall not be lost.
    """
    pictures.must_be_free(path, TITLE)
    table = path.with_suffix(".csv")
    if table.exists() and not _our_table(table):
        raise Invalid(
            f"'{table}' is here already and is nothing of diffusim converge; choose another name"
        )


def _our_table(path: Path) -> bool:
    try:
        with path.open(encoding="utf-8") as stream:
            return stream.readline().rstrip("\n") == HEAD
    except (OSError, ValueError):
        return False


def as_csv(found: Convergence) -> str:
    """Return all points as comma-separated values, with every digit."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(found.rows())
    return text.getvalue()


def write_table(found: Convergence, path: Path) -> Path:
    """Write all points beside a picture of this name, as comma-separated values.

    Raises
    ------
    StoreError
        When the system refuses.
    """
    make_folder(path.parent)
    return write_text(path.parent, path.with_suffix(".csv").name, as_csv(found))
