"""What the tests of the report share: a page taken apart, and what it says of its frames."""

from __future__ import annotations

import io
import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from diffusim.report.packing import Packed, unpacked

EMPTY = {"meta", "img", "input", "br", "link", "hr", "wbr"}


class Page(HTMLParser):
    """A page: its elements with their attributes, what stands in them, and what is wrong."""

    def __init__(self, path: Path) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.wrong: list[str] = []
        self.inside: dict[str, list[str]] = {}
        self._open: list[str] = []
        self.source = path.read_text(encoding="utf-8")
        self.feed(self.source)
        self.close()
        self.wrong += [f"<{tag}> is never closed" for tag in self._open]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in EMPTY:
            self._open.append(tag)
            self.inside.setdefault(tag, []).append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open[-1] != tag:
            self.wrong.append(f"</{tag}> ends {self._open[-1:]}")
        else:
            self._open.pop()

    def handle_data(self, data: str) -> None:
        for tag in set(self._open):
            self.inside[tag][-1] += data

    @property
    def text(self) -> str:
        """What is read: everything but scripts and the look."""
        (body,) = self.inside["body"]
        for script in self.inside["script"]:
            body = body.replace(script, "", 1)
        return " ".join(body.split())

    def attributes(self, name: str) -> list[str]:
        return [str(attributes[name]) for _, attributes in self.elements if name in attributes]

    def scripts(self) -> dict[str, str]:
        """What stands in each script, by its identifier; the one that is run has none."""
        found = [attributes for tag, attributes in self.elements if tag == "script"]
        return {str(a.get("id", "")): text
                for a, text in zip(found, self.inside["script"], strict=True)}  # fmt: skip

    @property
    def data(self) -> dict[str, Any]:
        return json.loads(self.scripts()["data"])

    def levels(self, place: int, kind: str = "frames") -> np.ndarray:
        """The bytes of a run: (frames, planes, cells ...)."""
        run = self.data["runs"][place]
        planes = 1 if kind == "apart" else self.data["planes"]
        way = run["way" if kind == "frames" else kind]
        text = self.scripts()[f"{kind}-{place}"]
        return unpacked(Packed(way, text), (planes, *self.data["shape"]))

    def fields(self, place: int) -> np.ndarray:
        """The frames of a run as the page understands them."""
        spans = np.array([span or (np.nan, np.nan) for span in self.data["runs"][place]["spans"]])
        low, high = (spans[:, k].reshape(-1, *[1] * (1 + len(self.data["shape"]))) for k in (0, 1))
        levels = self.levels(place)
        if self.data["runs"][place]["fine"]:
            levels = np.where(levels > 0, levels + self.levels(place, "fine") / 255.0 - 0.5, 0.0)
        return np.where(levels > 0, low + (high - low) * (levels - 1.0) / 254.0, np.nan)

    def differences(self, place: int) -> np.ndarray:
        """What the page knows of how far a run is from its reference."""
        scales = np.array(self.data["runs"][place]["scales"])
        scales = scales.reshape(-1, *[1] * (1 + len(self.data["shape"])))
        levels = np.where((found := self.levels(place, "apart")) > 0, found, np.nan)
        part = (levels - 1.0) / 254.0 if self.data["planes"] > 1 else (levels - 128.0) / 127.0
        return scales * part


def picture(size: tuple[int, int] = (300, 200), noise: bool = False) -> bytes:
    """Return a figure as PNG: a plain one, or one that cannot be packed."""
    colours = np.random.default_rng(1).integers(0, 256, (*size[::-1], 3)).astype(np.uint8)
    image = Image.fromarray(colours if noise else np.full_like(colours, 40))
    image.save(stream := io.BytesIO(), "PNG", compress_level=0)
    return stream.getvalue()
