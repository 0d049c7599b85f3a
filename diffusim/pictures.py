"""Pictures that may be replaced: those that carry the title of whoever drew them."""

from __future__ import annotations

from pathlib import Path

from diffusim.atomic import StoreError, safe_name
from diffusim.block import Invalid


def must_be_free(path: Path, title: str) -> None:
    """Refuse to replace what has another title than the picture that shall go there.

    Parameters
    ----------
    path : Path
        Where the picture shall go.
    title : str
        What is written into it, such as ``A kernel, drawn by diffusim explain``.

    Raises
    ------
    Invalid
        When the name is none of a PNG file, or what is there shall not be lost.
    """
    try:
        safe_name(path.name)
    except StoreError as problem:
        raise Invalid(str(problem)) from None
    if path.suffix != ".png":
        raise Invalid(f"the picture is a PNG file; call it '{path.stem}.png', not '{path.name}'")
    if path.exists() and title_of(path) != title:
        program = title.rpartition(" by ")[2]
        raise Invalid(f"'{path}' is here already and is no picture of {program}; choose another "
                      "name")  # fmt: skip


def title_of(path: Path) -> str | None:
    """Return the title written into a PNG file; None where there is none, or no such file."""
    from PIL import Image

    try:
        with Image.open(path, formats=["PNG"]) as there:
            return there.info.get("Title")
    except (OSError, ValueError, SyntaxError):
        return None
