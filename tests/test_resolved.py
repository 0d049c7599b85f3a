"""What ``check`` prints of a scenario: keys that can be set as they are told."""

from __future__ import annotations

from pathlib import Path

import pytest

from diffusim.advice import advice
from diffusim.experiment import prepare

FILTER = """
grid: {shape: [16, 12], size: [16 m, 12 m], edges: periodic}
propagator: {kind: filter, mask: MASK}
initial: {kind: collage, pieces: PIECES,
  on: {kind: gaussian-field, mean: 1, deviation: 0.2, length: 3}}
times: {at: [0, 1]}
methods: [modes]
"""
PIECE = "{path: portrait, at: [4 m, 5 m], width: 6 m}"
DISC, OTHER = "{kind: disc, wavelength: 5 m}", "{kind: gaussian, sigma: 1 m}"


def told(folder: Path, mask: str) -> list[str]:
    path = folder / "filter.yaml"
    path.write_text(FILTER.replace("MASK", mask).replace("PIECES", f"[{PIECE}]"))
    printed = advice(prepare(path)).partition("In SI units:")[2].partition("\n\n")[0]
    return [line.strip().partition(":")[0] for line in printed.splitlines()]


def test_one_block_in_place_of_a_list_is_told_without_a_number_and_can_be_set_so(
    tmp_path: Path,
) -> None:
    keys = told(tmp_path, DISC)
    assert "propagator.mask.wavelength" in keys
    again = prepare(tmp_path / "filter.yaml", ["propagator.mask.wavelength=7 m"])
    assert "propagator.mask.wavelength: 7.0" in advice(again)


@pytest.mark.parametrize("mask", [f"[{DISC}]", f"[{DISC}, {OTHER}]"])
def test_the_entries_of_a_list_are_told_by_their_numbers_and_can_be_set_so(
    mask: str, tmp_path: Path
) -> None:
    keys = told(tmp_path, mask)
    assert "propagator.mask.0.wavelength" in keys
    assert ("propagator.mask.1.sigma" in keys) == (OTHER in mask)
    assert "initial.pieces.0.width" in keys
    again = prepare(tmp_path / "filter.yaml", ["propagator.mask.0.wavelength=7 m"])
    assert "propagator.mask.0.wavelength: 7.0" in advice(again)


def test_the_kind_of_a_block_is_told_first(tmp_path: Path) -> None:
    keys = told(tmp_path, DISC)
    for block in ("propagator.", "propagator.mask.", "initial.", "initial.on.", "methods.0."):
        inside = [key for key in keys if key.startswith(block)]
        assert inside[0] == f"{block}kind"
