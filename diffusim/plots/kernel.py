"""A kernel as a picture: its weights, its transfer function, and what it does to an image."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from diffusim import convolve, pictures, store, style
from diffusim.atomic import make_folder
from diffusim.block import Array, Invalid
from diffusim.explanation import Subject
from diffusim.files import named_file, read_image
from diffusim.kernels import densities
from diffusim.kernels.character import Character

# Weights of larger kernels are not written into their cells.
MOST_NUMBERS = 7
PIXELS = 192
# By this, written into the file, a picture is known to be replaceable.
TITLE = "A kernel, drawn by diffusim explain"
REPEATED = 8
KEPT = "What the mask makes of it"
MIRRORS: convolve.Sides = (("reflect", "reflect"), ("reflect", "reflect"))


def draw_kernel(subject: Subject, path: Path, image: Path | str) -> Path:
    """Draw a kernel, its transfer function, cuts through both, and its effect on an image.

    Parameters
    ----------
    subject : Subject
        The kernel.
    path : Path
        Where the picture goes, a PNG file.
    image : Path or str
        A PNG or JPEG file that it is applied to, or ``portrait``; of kernels with one axis, the
        middle row.

    Raises
    ------
    StoreError
        When the picture cannot be written.
    Invalid
        When there is no such image, or it cannot be read; and when the picture's name is none of a
        PNG file, or what has it is no picture of this kind and shall not be lost.
    """
    pictures.must_be_free(path, TITLE)
    try:
        before = read_image(named_file(image), (PIXELS, PIXELS))
    except ValueError as problem:
        raise Invalid(str(problem)) from None
    picture = kernel(subject, before)
    make_folder(path.parent)
    return store.write_bytes(path.parent, path.name, style.png(picture, TITLE))


@style.applied()
def kernel(subject: Subject, image: Array) -> Figure:
    """Return the figure of a kernel, see `draw_kernel`."""
    character = subject.character
    words = "; ".join(character.reading(Character(subject.mask)))
    figure = style.figure(9.6, 5.9, f"{subject.name}, {subject.words}", subtitle=words)
    weights, waves, cut, before, once, often = figure.subplots(2, 3).flat
    _weights(weights, character.kernel)
    _waves(waves, character)
    _cuts(cut, character)
    if subject.kernel.ndim == 1:
        _rows((before, once, often), _applied(subject, image[:, PIXELS // 2]))
    else:
        _images((before, once, often), _applied(subject, image), character.density)
    return figure


def _weights(axes: Axes, kernel: Array) -> None:
    field = kernel if kernel.ndim == 2 else kernel[:, None]
    reach = [0.5 * n for n in field.shape]
    signed = float(np.min(field)) < 0.0
    most = float(np.max(np.abs(field))) or 1.0
    shown = axes.imshow(
        field.T, origin="lower", extent=(-reach[0], reach[0], -reach[1], reach[1]),
        cmap=style.ERROR if signed else style.FIELD, vmin=-most if signed else 0.0, vmax=most,
        aspect="auto" if kernel.ndim == 1 else "equal",
    )  # fmt: skip
    digits = 3 if max(field.shape) <= 3 else 2
    if max(field.shape) <= MOST_NUMBERS:
        for (i, j), weight in np.ndenumerate(field):
            dark = abs(weight) > 0.6 * most if signed else weight < 0.6 * most
            words = f"{weight:.{digits}g}".replace("-", "\N{MINUS SIGN}")
            axes.text(i - reach[0] + 0.5, j - reach[1] + 0.5, words, ha="center", va="center",
                      fontsize=7, color="white" if dark else "black")  # fmt: skip
    axes.set_title("Weights of the moves")
    axes.set_xlabel("moves to the right (cells)")
    axes.set_ylabel("moves up (cells)" if kernel.ndim == 2 else "")
    axes.xaxis.set_major_locator(style.rounded(6, whole=True))
    axes.yaxis.set_major_locator(style.rounded(6, whole=True))
    if kernel.ndim == 1:
        axes.set_yticks([])
    style.colour_bar(shown, axes, "weight", "")


def _waves(axes: Axes, character: Character) -> None:
    theta, values = character.waves
    size = np.abs(values)
    axes.set_title("What becomes of waves, |K|")
    _angles(axes, "x")
    axes.set_xlabel("angle along x (a cell)")
    if values.ndim == 1:
        axes.plot(theta, size, color=style.colour(0))
        axes.set_ylabel("times")
        axes.grid(True)
        return
    shown = axes.imshow(size.T, origin="lower", extent=(-np.pi, np.pi, -np.pi, np.pi),
                        cmap=style.FIELD, vmin=0.0, vmax=float(np.max(size)) or 1.0)  # fmt: skip
    _angles(axes, "y")
    axes.set_ylabel("angle along y (a cell)")
    style.colour_bar(shown, axes, "times", "")


def _angles(axes: Axes, which: str) -> None:
    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_ticks([-np.pi, 0.0, np.pi], ["\N{MINUS SIGN}π", "0", "π"])


def _cuts(axes: Axes, character: Character) -> None:
    """Sums over the other axis of the kernel, beside the Gaussians of the same variance."""
    for axis in range(character.kernel.ndim):
        others = tuple(k for k in range(character.kernel.ndim) if k != axis)
        sums = np.sum(character.kernel, axis=others)
        moves = np.arange(sums.size) - sums.size // 2
        name = "xy"[axis]
        axes.plot(moves, sums, style.marker(axis), color=style.colour(axis), label=f"along {name}")
        if character.covariance is not None and character.drift is not None:
            variance, drift = character.covariance[axis, axis], character.drift[axis]
            if variance > 0.05:
                fine = np.linspace(moves[0] - 0.5, moves[-1] + 0.5, 301)
                bell = np.exp(-((fine - drift) ** 2) / (2.0 * variance))
                # As high as the same curve sampled once a cell and made to sum to one.
                cells = np.arange(-densities.REACH * np.sqrt(variance) - 2,
                                  densities.REACH * np.sqrt(variance) + 2)  # fmt: skip
                total = float(
                    np.sum(np.exp(-((np.rint(cells) - drift % 1.0) ** 2) / (2 * variance)))
                )
                axes.plot(fine, bell / total, color=style.colour(axis), linewidth=0.8,
                          label="Gaussian of its variance" if axis == 0 else "_")  # fmt: skip
    axes.axhline(0.0, color="0.6", linewidth=0.6)
    axes.set_title("Summed over the other axis" if character.kernel.ndim == 2 else "Weights")
    axes.set_xlabel("move (cells)")
    axes.set_ylabel("weight")
    axes.xaxis.set_major_locator(style.rounded(6, whole=True))
    low, high = axes.get_ylim()
    axes.set_ylim(low, high + 0.3 * (high - low))  # room for the legend
    axes.legend(fontsize=7, loc="upper right", ncols=1)


def _applied(subject: Subject, image: Array) -> list[tuple[str, Array]]:
    kernel, sides, collects = subject.kernel, MIRRORS[: image.ndim], subject.collects
    once = convolve.direct(image, kernel, sides, collects=collects)
    if densities.is_density(kernel):
        often = convolve.direct(image, kernel, sides, collects=collects, count=REPEATED)
        return [("Before", image), ("After 1 application", once),
                (f"After {REPEATED} applications", often)]  # fmt: skip
    if abs(float(np.sum(kernel)) - 1.0) <= 1e-9:
        # Still an image, since its mean is kept.
        return [("Before", image), (KEPT, once), ("What it adds", once - image)]
    return [("Before", image), ("What the mask answers", once), ("Its magnitude", np.abs(once))]


def _images(panels: tuple[Axes, ...], pictures: list[tuple[str, Array]], density: bool) -> None:
    for axes, (title, field) in zip(panels, pictures, strict=True):
        as_brightness = density or title in ("Before", KEPT)
        signed = float(np.min(field)) < 0.0 and not as_brightness
        most = float(np.max(np.abs(field))) or 1.0
        axes.imshow(
            field.T, origin="lower", cmap=style.ERROR if signed else "gray",
            vmin=-most if signed else 0.0, vmax=1.0 if as_brightness else most,
        )  # fmt: skip
        axes.set_title(title)
        axes.set_xticks([])
        axes.set_yticks([])


def _rows(panels: tuple[Axes, ...], rows: list[tuple[str, Array]]) -> None:
    for axes, (title, field) in zip(panels, rows, strict=True):
        axes.plot(field, color=style.colour(0), linewidth=0.8)
        axes.set_title(title)
        axes.set_xlabel("cell")
        axes.grid(True)
