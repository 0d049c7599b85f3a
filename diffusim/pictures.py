"""Pictures, movies and pages that may be replaced: those that carry the title of who made them."""

from __future__ import annotations

import io
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from diffusim.atomic import StoreError, in_words, safe_name
from diffusim.block import Array, Invalid

# By these, written into them, a report and the figures of a run are known to be replaceable.
MARK = "Report, written by diffusim"
FIGURE = "Figure of a run, drawn by diffusim"
REPORT = "report.html"
# How the files of each kind begin, from their first byte or, of MP4, from their fifth.
MAGIC = {".webp": b"RIFF", ".gif": b"GIF8", ".mp4": b"ftyp"}
# Of WebP, from 0 to 100: at this one text stays sharp.
QUALITY = 80
COLOURS = 256


def must_be_free(path: Path, title: str) -> None:
    """Refuse to replace what has another title than the picture that shall go there.

    Parameters
    ----------
    path : Path
        Where the picture shall go, a PNG file.
    title : str
        What is written into it, such as ``A kernel, drawn by diffusim explain``.

    Raises
    ------
    Invalid
        When the name is none of a PNG file, or what is there shall not be lost.
    """
    _must_be_safe(path)
    if path.suffix != ".png":
        raise Invalid(f"the picture is a PNG file; call it '{path.stem}.png', not '{path.name}'")
    _must_be_own(path, title, title_of(path) == title, "picture")


def must_be_free_for_film(path: Path, title: str) -> None:
    """Refuse to replace what has another title than the movie that shall go there.

    Parameters
    ----------
    path : Path
        Where the movie shall go, a WebP, GIF or MP4 file.
    title : str
        What is written into it.

    Raises
    ------
    Invalid
        When the name is none of a movie, what is there shall not be lost, or nothing here can write
        such a file.
    """
    _must_be_safe(path)
    if path.suffix not in MAGIC:
        raise Invalid(
            f"a movie is a WebP, GIF or MP4 file; call it '{path.stem}.webp', not '{path.name}'"
        )
    if path.suffix == ".mp4" and shutil.which("ffmpeg") is None:
        raise Invalid(
            "an MP4 file takes the program ffmpeg, which is not on the PATH; "
            f"'{path.stem}.webp' and '{path.stem}.gif' take nothing else"
        )
    _must_be_own(path, title, _is_film_of(path, title), "movie")


def must_be_free_for_page(path: Path) -> None:
    """Refuse to replace what is no report.

    Raises
    ------
    Invalid
        When the name is none of an HTML file, or what is there shall not be lost.
    """
    _must_be_safe(path)
    if path.suffix != ".html":
        raise Invalid(f"the report is an HTML file; call it '{path.stem}.html', not '{path.name}'")
    _must_be_own(path, MARK, is_report(path), "report")


def _must_be_safe(path: Path) -> None:
    try:
        safe_name(path.name)
    except StoreError as problem:
        raise Invalid(str(problem)) from None


def _must_be_own(path: Path, title: str, own: bool, noun: str) -> None:
    if path.exists() and not own:
        program = title.rpartition(" by ")[2]
        raise Invalid(f"'{path}' is here already and is no {noun} of {program}; choose another "
                      "name")  # fmt: skip


def title_of(path: Path) -> str | None:
    """Return the title written into a PNG file; None where there is none, or no such file."""
    return _written(path, "Title")


def digest_of(path: Path) -> str | None:
    """Return the digest of the scenario that a PNG file is of; None where it does not tell."""
    return _written(path, "Digest")


def _written(path: Path, key: str) -> str | None:
    from PIL import Image

    try:
        with Image.open(path, formats=["PNG"]) as there:
            return there.info.get(key)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None


# --- what lies beside a result ------------------------------------------------------------------


def is_report(path: Path) -> bool:
    """Return whether a file is a report."""
    try:
        with path.open("rb") as stream:
            return f'<meta name="generator" content="{MARK}">'.encode() in stream.read(4096)
    except OSError:
        return False


def remove_from(folder: Path) -> None:
    """Remove report and figures of a result that is about to be replaced.

    They would be taken for those of the new one. What nobody here drew stays.

    Parameters
    ----------
    folder : Path
        That of the result.

    Raises
    ------
    StoreError
        When the system refuses.
    """
    figures = [path for path in folder.glob("figures/*.png") if title_of(path) == FIGURE]
    page = folder / REPORT
    for path in [*figures, *([page] if is_report(page) else [])]:
        with in_words("Removing", path):
            path.unlink(missing_ok=True)


def _is_film_of(path: Path, title: str) -> bool:
    """Whether a file is a movie of its kind, with this title in it."""
    try:
        there = path.read_bytes()
    except OSError:
        return False
    return MAGIC[path.suffix] in there[:12] and title.encode() in there


# --- films --------------------------------------------------------------------------------------


def film(frames: Sequence[Array], seconds: float, held: float, kind: str, title: str) -> bytes:
    """Return pictures one after the other as the bytes of a movie that begins anew at its end.

    Parameters
    ----------
    frames : sequence of array
        Red, green and blue from 0 to 255, shape (height, width, 3), from the top down; both
        measures even numbers.
    seconds : float
        How long each is shown.
    held : float
        How much longer the last one is.
    kind : {".webp", ".gif", ".mp4"}
        What it shall be; an MP4 file takes the program ffmpeg.
    title : str
        What is written into it.

    Raises
    ------
    Invalid
        When ffmpeg is not there, or refuses.
    """
    if kind == ".mp4":
        return _by_ffmpeg(frames, seconds, held, title)
    from PIL import Image

    images = [Image.fromarray(frame) for frame in frames]
    # GIF counts hundredths of a second.
    times = [10 * round(100.0 * seconds)] * len(images)
    times[-1] += round(1e3 * held)
    options: dict[str, Any] = {"quality": QUALITY, "method": 0, "xmp": title.encode()}
    if kind == ".gif":
        # One palette for all, or colours would flicker.
        picked = [images[k] for k in np.linspace(0, len(images) - 1, 4).astype(int)]
        montage = np.concatenate([np.asarray(image) for image in picked])
        palette = Image.fromarray(montage).quantize(COLOURS, Image.Quantize.MEDIANCUT)
        images = [image.quantize(palette=palette, dither=Image.Dither.NONE) for image in images]
        options = {"comment": title.encode(), "optimize": False}
    stream = io.BytesIO()
    images[0].save(stream, kind[1:].upper(), save_all=True, append_images=images[1:],
                   duration=times, loop=0, **options)  # fmt: skip
    return stream.getvalue()


def _by_ffmpeg(frames: Sequence[Array], seconds: float, held: float, title: str) -> bytes:
    height, width, _ = frames[0].shape
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "movie.mp4")
        command = [
            "ffmpeg", "-v", "error", "-f", "rawvideo", "-pix_fmt", "rgb24",
            "-s", f"{width}x{height}", "-r", f"{1.0 / seconds:.6g}", "-i", "-", "-an",
            "-pix_fmt", "yuv420p", "-movflags", "+faststart", "-metadata", f"title={title}",
            "-y", str(path),
        ]  # fmt: skip
        pictures = [frame.tobytes() for frame in frames]
        data = b"".join([*pictures, *pictures[-1:] * round(held / seconds)])
        try:
            done = subprocess.run(command, input=data, capture_output=True, check=False)
        except OSError as problem:
            raise Invalid(f"ffmpeg cannot be started: {problem.strerror}") from None
        if done.returncode or not path.exists():
            said = done.stderr.decode(errors="replace").strip().splitlines()
            raise Invalid(f"ffmpeg refuses: {said[-1] if said else 'it does not say why'}")
        return path.read_bytes()
