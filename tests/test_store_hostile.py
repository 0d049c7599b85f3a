"""Hostile and damaged files are refused in words, and no flipped bit goes unnoticed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from store_samples import (
    SHAPE,
    append,
    plain_header,
    published,
)

from diffusim.store import (
    Folder,
    StoreError,
    digest_of,
    load,
    verify,
)

Figure = Callable[..., None]


FLIPPER = """
import json, sys
from pathlib import Path
import numpy as np
from diffusim.store import StoreError, load
from diffusim.store.stored import problems

def content(path):
    with load(path) as stored:
        arrays = [stored.times, *stored.centres, *stored.faces]
        for run in stored.runs.values():
            arrays += [run.array(name) for name in sorted(run.arrays)] + [run.times]
        texts = [
            stored.title, stored.name, stored.unit, stored.shape, stored.scenario, stored.resolved,
            stored.digest, stored.seed, stored.versions, stored.reference, stored.axes,
            stored.extra, [[k, dict(run.facts)] for k, run in stored.runs.items()],
        ]
        return [(a.dtype.str, a.shape, a.tobytes()) for a in arrays], json.dumps(texts)

good, work = Path(sys.argv[1]), Path(sys.argv[2])
data, wanted = good.read_bytes(), content(good)
for line in sys.stdin:
    bit = int(line)
    flipped = bytearray(data)
    flipped[bit // 8] ^= 1 << bit % 8
    work.write_bytes(flipped)
    if problems(work):
        print("found", flush=True)
    else:
        print("harmless" if content(work) == wanted else "silent", flush=True)
"""


def _replace(file: h5py.File, **options: Any) -> None:
    del file["ftcs/concentration"]
    file["ftcs"].create_dataset("concentration", **options)


def _external(file: h5py.File) -> None:
    _replace(file, shape=(5, 2), dtype="u1", external=[("/etc/passwd", 0, 10)])


def _virtual(file: h5py.File) -> None:
    layout = h5py.VirtualLayout((5, *SHAPE), "f8")
    layout[:] = h5py.VirtualSource("other.hdf5", "u", (5, *SHAPE))
    del file["ftcs/concentration"]
    file["ftcs"].create_virtual_dataset("concentration", layout)


def _link(path: str, link: Any) -> Callable[[h5py.File], None]:
    def apply(file: h5py.File) -> None:
        if path in file:
            del file[path]
        file[path] = link

    return apply


def _cycle(file: h5py.File) -> None:
    file["ftcs/again"] = file["/"]


def _texts(file: h5py.File) -> None:
    _replace(file, shape=(5,), dtype=h5py.string_dtype())


def _references(file: h5py.File) -> None:
    _replace(file, shape=(5,), dtype=h5py.ref_dtype)


def _compound(file: h5py.File) -> None:
    _replace(file, shape=(5,), dtype=[("a", "f8"), ("b", "S4")])


def _array_type(file: h5py.File) -> None:
    file["ftcs/odd"] = np.dtype(("f8", (3,)))


def _shape_bomb(file: h5py.File) -> None:
    _replace(file, shape=(5, 2**20, 2**20), dtype="f8", chunks=(1, 64, 64))


def _fill_bomb(file: h5py.File) -> None:
    _replace(file, shape=(5, 2**13, 2**13), dtype="f8", chunks=(1, 64, 64), fillvalue=1.0)


def _axis_bomb(file: h5py.File) -> None:
    del file["x"]
    file.create_dataset("x", (2**40,), "f8", chunks=(64,))


def _chunk_bomb(file: h5py.File) -> None:
    _replace(file, shape=(5, 8), maxshape=(5, None), dtype="f8", chunks=(1, 2**29 - 1))


def _filter(file: h5py.File) -> None:
    _replace(file, data=np.zeros((5, *SHAPE)), compression="lzf")


def _frames(file: h5py.File) -> None:
    file["ftcs"].attrs["frames"] = 10**9


def _other_shape(file: h5py.File) -> None:
    _replace(file, data=np.zeros((5, 4, 6)))


def _deleted(name: str) -> Callable[[h5py.File], None]:
    def apply(file: h5py.File) -> None:
        del file[name]

    return apply


def _attribute(name: str, value: Any) -> Callable[[h5py.File], None]:
    def apply(file: h5py.File) -> None:
        del file.attrs[name]
        if value is not None:
            file.attrs[name] = value

    return apply


HOSTILE: dict[str, tuple[Callable[[h5py.File], None], str]] = {
    "external storage": (_external, "takes its numbers from other files"),
    "virtual": (_virtual, "takes its numbers from other files"),
    "soft link": (_link("ftcs/counts", h5py.SoftLink("/modes/counts")), "link to somewhere else"),
    "soft link to a group": (_link("modes", h5py.SoftLink("/ftcs")), "link to somewhere else"),
    "external link": (_link("modes", h5py.ExternalLink("x.h5", "/")), "link to somewhere else"),
    "external axis": (_link("time", h5py.ExternalLink("x.h5", "/t")), "link to somewhere else"),
    "cycle": (_cycle, "deeper"),
    "texts": (_texts, "not numbers"),
    "references": (_references, "not numbers"),
    "compound": (_compound, "not numbers"),
    "named type": (_array_type, "neither an array nor a group"),
    "shape bomb": (_shape_bomb, "above 2 GiB"),
    "fill bomb": (_fill_bomb, "but stores 0 bytes"),
    "axis bomb": (_axis_bomb, "but stores 0 bytes"),
    "chunk bomb": (_chunk_bomb, "above 2 GiB"),
    "filter": (_filter, "packed by a filter"),
    "frames": (_frames, "1000000000 written"),
    "other shape": (_other_shape, "does not fit its own axes"),
    "no time": (_deleted("time"), "damaged"),
    "no x": (_deleted("x"), "damaged"),
    "no format": (_attribute("format", None), "no format number"),
    "format 2": (_attribute("format", 2), "install a newer one"),
    "format of text": (_attribute("format", "1"), "damaged"),
    "title of numbers": (_attribute("title", 5.0), "damaged"),
    "no versions": (_attribute("versions", "{"), "damaged"),
}


@pytest.mark.parametrize("trick", HOSTILE)
def test_a_hostile_file_is_refused_in_one_sentence(tmp_path: Path, trick: str) -> None:
    path = published(tmp_path / "salt")
    change, sentence = HOSTILE[trick]
    with h5py.File(path, "r+") as file:
        change(file)
    with pytest.raises(StoreError, match=sentence) as caught:
        load(path)
    assert str(path) in str(caught.value)
    assert verify(path) != []


def test_no_part_of_a_result_is_taken_for_the_whole(tmp_path: Path) -> None:
    path = published(tmp_path / "salt", scenario="x: 1")
    data = path.read_bytes()
    for size in [0, 1, 8, 100, *range(500, len(data), len(data) // 20), len(data) - 1]:
        path.write_bytes(data[:size])
        with pytest.raises(StoreError, match="damaged, cut short or no file of diffusim"):
            load(path)
        with pytest.raises(StoreError, match="damaged, cut short or no file of diffusim"):
            digest_of(path)


def test_missing_files_and_folders_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="There is no file"):
        load(tmp_path / "none.hdf5")
    with pytest.raises(StoreError, match=r"is a folder; there is no run\.hdf5 in it"):
        load(tmp_path)
    result = published(tmp_path)
    with pytest.raises(StoreError, match=r"is a folder; the result in it is .*run\.hdf5"):
        load(result.parent)
    assert "There is no file" in verify(tmp_path / "none.hdf5")[0]


def test_a_closed_result_says_so(tmp_path: Path) -> None:
    with load(published(tmp_path)) as stored:
        run = stored.runs["ftcs"]
    with pytest.raises(StoreError, match="is closed"):
        run.frames[0]


def test_a_reader_sees_a_result_while_another_one_reads(tmp_path: Path) -> None:
    path = published(tmp_path)
    with load(path) as first, load(path) as second:
        assert first.runs["ftcs"].frames[1].tobytes() == second.runs["ftcs"].frames[1].tobytes()


def flips(path: Path, count: int) -> dict[str, int]:
    """Flip one bit of a finished file, many times; what HDF5 dies of counts as found."""
    with Folder.open(path / "good", "d1") as out:
        for label in ("a", "b"):
            append(out.journal(label), 2)
        good = out.publish(plain_header(3), {"a": {"seconds": 0.5, "o": [1]}, "b": {}})
    size = good.stat().st_size
    bits = np.random.default_rng(count).integers(0, 8 * size, count).tolist()
    outcomes: dict[str, int] = {"found": 0, "harmless": 0, "silent": 0}
    while bits:
        job = "".join(f"{bit}\n" for bit in bits)
        command = [sys.executable, "-c", FLIPPER, str(good), str(path / "work")]
        done = subprocess.run(command, input=job, capture_output=True, text=True, check=False)
        lines = done.stdout.split()
        died = done.returncode != 0
        assert done.returncode <= 0, done.stderr
        for outcome in [*lines, *["found"] * died]:
            outcomes[outcome] += 1
        bits = bits[len(lines) + died :]
    assert sum(outcomes.values()) == count
    return outcomes


def test_no_flipped_bit_goes_unnoticed(tmp_path: Path) -> None:
    outcomes = flips(tmp_path, 40)
    assert outcomes["silent"] == 0
    assert outcomes["found"] > 20


@pytest.mark.proof
def test_none_of_600_flipped_bits_goes_unnoticed(tmp_path: Path, figure: Figure) -> None:
    outcomes = flips(tmp_path, 600)
    figure("flipped bits that went unnoticed, of 600", outcomes["silent"], limit="0")
    figure("flipped bits in unused bytes, of 600", outcomes["harmless"])
    assert outcomes["silent"] == 0
