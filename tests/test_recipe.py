"""Recipes: each trajectory is the scenario that one could have written, told by its index alone."""

from __future__ import annotations

import itertools
import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from shell import ROOT

import diffusim as ds
from diffusim.block import Invalid
from diffusim.dataset.listing import lines
from diffusim.dataset.recipe import Recipe
from diffusim.reading import ScenarioError
from diffusim.scenario import load
from diffusim.variation.keys import SPLITS

BEGIN = """\
title: Tiny
grid: {shape: [8, 6], size: [8 mm, 6 mm], edges: {left: {value: 0.5}, right: {value: 0.0}}}
propagator:
  kind: diffusion
  diffusivity: 1e-9 m^2/s
  walls:
    - {axis: x, at: 4 mm, opens: 1 h}
    - {random: 3, lengths: 2 mm, seed: 1}
initial: {kind: gaussian-field, mean: 1.0, deviation: 0.1, length: 2 mm}
times: {stop: 1 day, frames: 3}
methods: [ftcs, chebyshev, poisson]
seed: 5
dataset:
"""
MANY = """\
  trajectories: {train: 6, valid: 2, test: 2}
  vary:
    propagator.diffusivity: {loguniform: [1e-10 m^2/s, 1e-8 m^2/s]}
    propagator.walls.0.opens: {normal: [6 h, 1 h]}
    propagator.walls.0.permeability: [null, 1e-7 m/s]
    propagator.walls.1.random: {integers: [0, 9]}
    propagator.walls.1.seed: trajectory
    propagator.decay: {values: [0.0, 1e-6 1/s, 2e-6 1/s]}
    initial.mean: {linspace: [0, 2, 3]}
    initial.length: {uniform: [1 mm, 3 mm]}
    grid.edges.left.value: {uniform: [0, 1]}
"""


def written(folder: Path, dataset: str, begin: str = BEGIN) -> Path:
    source = folder / "tiny.yaml"
    source.write_text(begin + dataset, encoding="utf-8")
    return source


def made(folder: Path, dataset: str, begin: str = BEGIN) -> Recipe:
    return Recipe.read(written(folder, dataset, begin))


def refusal(folder: Path, dataset: str, begin: str = BEGIN) -> str:
    with pytest.raises(ScenarioError) as caught:
        made(folder, dataset, begin)
    return str(caught.value)


# --- one trajectory -----------------------------------------------------------------------------


def test_a_trajectory_is_the_scenario_with_its_parameters_written_into_the_file(
    tmp_path: Path,
) -> None:
    recipe = made(tmp_path, MANY)
    paths = {parameter.name: parameter.path for parameter in recipe.parameters}
    assert len(paths) == 8
    for index in range(recipe.count):
        found = recipe.trajectory(index)
        told = dict(found.parameters)
        walls = [None, "1e-7 m/s"][int(told.pop("permeability"))]
        values = {paths[name]: value for name, value in told.items()}
        values |= {"propagator.walls.1.seed": found.seed, "seed": found.seed,
                   "propagator.walls.0.permeability": walls, "dataset": None}  # fmt: skip
        sets = [f"{path}={json.dumps(value)}" for path, value in values.items()]
        wanted, _ = load(tmp_path / "tiny.yaml", sets)
        assert found.scenario == wanted
        assert found.scenario.digest == wanted.digest


def test_a_trajectory_does_not_depend_on_order_process_or_reading(tmp_path: Path) -> None:
    recipe = made(tmp_path, MANY)
    forwards = [recipe.trajectory(index) for index in range(recipe.count)]
    again = pickle.loads(pickle.dumps(made(tmp_path, MANY)))
    assert [again.trajectory(index) for index in reversed(range(recipe.count))] == forwards[::-1]
    assert again.digest == recipe.digest


def test_a_recipe_is_as_small_for_a_hundred_million_trajectories_as_for_ten(tmp_path: Path) -> None:
    few = made(tmp_path, "  trajectories: 10\n  vary: {initial.mean: {uniform: [0, 1]}}\n")
    many = made(tmp_path, "  trajectories: 100000000\n  vary: {initial.mean: {uniform: [0, 1]}}\n")
    assert abs(len(pickle.dumps(many)) - len(pickle.dumps(few))) < 50
    assert next(itertools.islice(many.rows(), 3, None))["index"] == 3
    assert many.trajectory(99_999_999).split == "test"
    with pytest.raises(Invalid, match="numbered 0 to 99999999"):
        many.trajectory(100_000_000)


def test_random_starts_differ_from_trajectory_to_trajectory_and_come_again(tmp_path: Path) -> None:
    recipe = made(tmp_path, "  trajectories: 20\n")
    fields = [recipe.trajectory(index).scenario.initial_field() for index in range(20)]
    for a, b in itertools.combinations(fields, 2):
        assert np.all(a != b)
    np.testing.assert_array_equal(fields[7], recipe.trajectory(7).scenario.initial_field())


def test_another_seed_gives_other_trajectories_and_another_digest(tmp_path: Path) -> None:
    source = written(tmp_path, MANY)
    one, other = Recipe.read(source), Recipe.read(source, ["seed=6"])
    assert (
        one.trajectory(0).parameters["diffusivity"] != other.trajectory(0).parameters["diffusivity"]
    )
    assert one.digest != other.digest


def test_one_more_key_or_trajectory_changes_no_other_draw(tmp_path: Path) -> None:
    vary = "  vary:\n    propagator.diffusivity: {loguniform: [1e-10, 1e-8]}\n"
    few = made(tmp_path, "  trajectories: {train: 5, valid: 3}\n" + vary)
    vary += "    initial.deviation: {uniform: [0, 1]}\n"
    more = made(tmp_path, "  trajectories: {train: 9, valid: 4, test: 2}\n" + vary)
    for split in ("train", "valid"):
        for a, b in zip(few.splits[split], more.splits[split], strict=False):
            one, other = few.trajectory(a), more.trajectory(b)
            assert one.seed == other.seed
            assert one.parameters["diffusivity"] == other.parameters["diffusivity"]


def test_splits_follow_one_another_and_share_no_seed(tmp_path: Path) -> None:
    recipe = made(tmp_path, MANY)
    assert recipe.splits == {"train": range(6), "valid": range(6, 8), "test": range(8, 10)}
    found = [recipe.trajectory(index) for index in range(recipe.count)]
    assert [one.split for one in found] == ["train"] * 6 + ["valid"] * 2 + ["test"] * 2
    assert len({one.seed for one in found}) == 10


def test_what_a_block_keeps_for_itself_does_not_go_into_another_trajectory(tmp_path: Path) -> None:
    begin = (
        "grid: {shape: [8, 8], size: [8 mm, 8 mm]}\n"
        "propagator: {kind: kernel, kernel: edge-detector, normalise: softmax, temperature: 1.0}\n"
        "initial: {kind: noise, mean: 1.0, deviation: 0.1}\n"
        "times: {stop: 4, frames: 3}\nmethods: [stencil]\ndataset:\n"
    )
    recipe = made(
        tmp_path,
        "  trajectories: 3\n  vary: {propagator.temperature: {linspace: [1, 8, 3]}}\n",
        begin,
    )
    u = np.eye(8)

    def carried(propagator: Any) -> np.ndarray:
        return ds.solve(u, propagator, grid=recipe.grid, times=[1.0], method="stencil").frames[0]

    for index, temperature in enumerate([1, 4.5, 8]):
        # The recipe's own was used before, when it was proven.
        found = carried(recipe.trajectory(index).scenario.propagator)
        sets = ["dataset=null", f"propagator.temperature={temperature}"]
        np.testing.assert_array_equal(
            found, carried(load(tmp_path / "tiny.yaml", sets)[0].propagator)
        )


# --- sweeps -------------------------------------------------------------------------------------


def test_a_grid_is_every_combination_the_first_key_slowest_for_each_split(tmp_path: Path) -> None:
    recipe = made(
        tmp_path,
        "  trajectories: {train: 2, valid: 1}\n"
        "  sweep: {grid: {initial.mean: [1, 2], initial.deviation: {linspace: [0, 0.2, 3]}}}\n"
        "  vary: {propagator.diffusivity: {loguniform: [1e-10, 1e-8]}}\n",
    )
    once = list(itertools.product([1.0, 2.0], [0.0, 0.1, 0.2]))
    rows = list(recipe.rows())
    assert [(row["mean"], row["deviation"]) for row in rows] == once * 3
    assert [row["split"] for row in rows] == ["train"] * 12 + ["valid"] * 6
    assert len({row["diffusivity"] for row in rows}) == 18


def test_keys_in_step_take_their_values_together(tmp_path: Path) -> None:
    recipe = made(
        tmp_path, "  sweep: {zip: {initial.mean: [1, 2, 3], propagator.decay: [3, 2, 1]}}\n"
    )
    assert recipe.splits == {"train": range(3)}
    assert [(r["mean"], r["decay"]) for r in recipe.rows()] == [(1, 3), (2, 2), (3, 1)]
    assert [recipe.trajectory(i).scenario.propagator.decay for i in range(3)] == [3.0, 2.0, 1.0]


def test_a_long_list_of_numbers_is_taken_as_each_of_them_would_be(tmp_path: Path) -> None:
    vary = "  vary: {initial.length: {linspace: [1 mm, 3 mm, 2001]}}\n"
    recipe = made(tmp_path, "  trajectories: {train: 2002}\n" + vary)
    for index, millimetres in ((0, 1.0), (500, 1.5), (2000, 3.0), (2001, 1.0)):
        found = recipe.trajectory(index)
        assert found.parameters["length"] == pytest.approx(millimetres / 1000, rel=1e-14)
        assert found.scenario.initial.length == (found.parameters["length"],)


# --- what is told -------------------------------------------------------------------------------


def test_parameters_have_names_and_units_and_codes_their_meanings(tmp_path: Path) -> None:
    dataset = MANY + "    propagator.source: {choice: ['0', x, 'x*y']}\n"
    found = {p.name: (p.unit, p.meanings) for p in made(tmp_path, dataset).parameters}
    assert found == {
        "diffusivity": ("m^2/s", ()), "opens": ("s", ()),
        "permeability": ("", ("none", "1e-7_m_s")),
        "walls_1_random": ("", ()), "decay": ("1/s", ()), "mean": ("g/L", ()),
        "length": ("m", ()), "value": ("g/L", ()), "source": ("", ("0", "x", "x_y")),
    }  # fmt: skip


def test_numbers_of_the_propagator_that_do_not_vary_are_told_as_constants(tmp_path: Path) -> None:
    vary = "  trajectories: 3\n  vary: {propagator.decay: {uniform: [0, 1]}}\n"
    assert made(tmp_path, vary).constants == {"diffusivity": (1e-9, "m^2/s")}
    assert "diffusivity" not in made(tmp_path, MANY).constants


def test_a_choice_of_whole_blocks_is_coded_by_their_kinds(tmp_path: Path) -> None:
    recipe = made(
        tmp_path,
        "  trajectories: 40\n  vary:\n    initial:\n"
        "      - {kind: cells, values: [0, 1]}\n      - {kind: uniform, value: 2}\n",
    )
    kinds = [recipe.trajectory(index).scenario.initial.kind for index in range(40)]
    assert [row["initial"] for row in recipe.rows()] == kinds
    assert {"cells", "uniform"} == set(kinds)


def test_the_list_of_trajectories_is_told_in_three_ways(tmp_path: Path) -> None:
    recipe = made(tmp_path, MANY)
    rows = list(recipe.rows())
    table = [line.split("\t") for line in lines(recipe)]
    assert table[0] == list(recipe.columns) == ["index", "split", "seed", *recipe.names]
    assert table[1:] == [[str(value) for value in row.values()] for row in rows]
    assert [json.loads(line) for line in lines(recipe, "json")] == rows
    assert [line.split(",") for line in lines(recipe, "csv")] == table
    assert [row["diffusivity"] for row in rows] == [
        recipe.trajectory(index).parameters["diffusivity"] for index in range(10)
    ]


def test_methods_are_labels_words_or_the_scenario_s_first_exact_one(tmp_path: Path) -> None:
    def method(keys: str) -> tuple[str, str | None]:
        recipe = made(tmp_path, "  trajectories: 3\n" + keys)
        return recipe.method.word, recipe.check and recipe.check.word

    assert method("") == ("chebyshev", None)
    assert method("  method: ftcs\n  check: poisson\n") == ("ftcs", "poisson")
    assert method("  method: {kind: rkl2, stages: 9}\n  check: adi\n") == ("rkl2", "adi")
    assert "did you mean 'ftcs'" in refusal(tmp_path, "  trajectories: 3\n  method: ftc\n")


def test_a_dataset_changes_nothing_in_a_run(tmp_path: Path) -> None:
    source = written(tmp_path, MANY)
    assert load(source)[0].digest == load(source, ["dataset=null"])[0].digest


@pytest.mark.parametrize("name", ["dataset_aquarium", "dataset_walls"])
def test_a_shipped_dataset_is_one_and_has_sixty_four_trajectories(name: str) -> None:
    recipe = Recipe.read(ROOT / "scenarios" / f"{name}.yaml")
    assert {split: len(recipe.splits[split]) for split in SPLITS} == {
        "train": 48, "valid": 8, "test": 8
    }  # fmt: skip
    assert len({recipe.trajectory(index).scenario.digest for index in range(64)}) == 64


# --- refusals -----------------------------------------------------------------------------------

LINE = BEGIN.count("\n") + 3
WRONG: dict[str, tuple[str, str, str]] = {
    "an unknown key": (
        "propagator.difusivity: [1]",
        "propagator.difusivity",
        "did you mean 'diffusivity'?",
    ),
    "an unknown block": ("propagatr.diffusivity: [1]", "propagatr", "did you mean 'propagator'?"),
    "a wall that is not there": (
        "propagator.walls.2.at: [0]",
        "propagator.walls.2.at",
        "has 2 entries from 0 on",
    ),
    "a key of a number": (
        "propagator.diffusivity.seed: trajectory",
        "propagator.diffusivity.seed",
        "holds no 'seed'",
    ),
    "a bound out of range": (
        "propagator.diffusivity: {uniform: [-1, 1]}",
        "propagator.diffusivity",
        "greater than or equal to 0",
    ),
    "an upper bound out of range": (
        "initial.exponent: {uniform: [0, 1]}",
        "initial.exponent",
        "has no 'exponent'",
    ),
    "another quantity": (
        "propagator.diffusivity: {uniform: [1 m, 2 m]}",
        "propagator.diffusivity",
        "expected a diffusivity",
    ),
    "one choice of several": ("initial.length: [2 mm, 3 mm, 4 s]", "initial.length", "found '4 s'"),
    "a wall off its face": (
        "propagator.walls.0.at: [3 mm, 3.5 mm]",
        "propagator.walls.0.at",
        "is not on a face",
    ),
    "halves of whole numbers": (
        "propagator.walls.1.random: {uniform: [0, 9]}",
        "propagator.walls.1.random",
        "whole number",
    ),
    "the shape": (
        "grid.shape: [[8, 6], [6, 8]]",
        "dataset.vary.grid.shape",
        "the grid does not vary",
    ),
    "the frames": ("times.stop: {uniform: [1, 2]}", "dataset.vary.times.stop", "the same frames"),
    "a method": (
        "methods.0.dt: {uniform: [1, 2]}",
        "dataset.vary.methods.0.dt",
        "by dataset.method",
    ),
    "kinds of sides": ("grid.edges: [no-flux, periodic]", "grid.edges", "of the same kinds"),
    "a start of channels": (
        "initial: [{kind: image, path: portrait, channels: rgb}]",
        "initial",
        "a single channel",
    ),
    "a start that cannot be": (
        "initial.length: {uniform: [0.1 mm, 2 mm]}",
        "initial.length",
        "which no field can tell",
    ),
    "a wave": (
        "initial: [{kind: packet, centre: [4 mm, 3 mm], width: 2 mm}]",
        "initial.kind",
        "this start is a wave",
    ),
    "an empty step": (
        "propagator..x: [1]",
        "dataset.vary.propagator..x",
        "expected the path of a key",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_vary_is_told_at_its_line_before_anything_runs(
    name: str, tmp_path: Path
) -> None:
    key, path, words = WRONG[name]
    told = refusal(tmp_path, f"  trajectories: 4\n  vary:\n    {key}\n")
    assert f"tiny.yaml:{LINE}:" in told
    assert f": {path}: " in told or f"with {path}" in told
    assert words in told


def test_a_scenario_without_a_dataset_says_so(tmp_path: Path) -> None:
    assert "missing key 'dataset'" in refusal(tmp_path, "", BEGIN.removesuffix("dataset:\n"))


def test_a_key_cannot_vary_inside_one_that_varies_nor_twice(tmp_path: Path) -> None:
    inside = (
        "  trajectories: 3\n  vary: {initial: [{kind: uniform, value: 1}], initial.value: [2]}\n"
    )
    assert "'initial.value' is a part of 'initial'" in refusal(tmp_path, inside)
    twice = "  vary: {initial.mean: [1]}\n  sweep: {grid: {initial.mean: [2]}}\n"
    assert "'initial.mean' is swept as well" in refusal(tmp_path, twice)


def test_all_slips_are_told_at_once(tmp_path: Path) -> None:
    vary = "  trajectories: 3\n  vary:\n    initial.deviation: {uniform: [-1, 1]}\n"
    told = refusal(tmp_path, vary + "    propagator.walls.0.at: [3.5 mm, 3 mm, 2.2 mm]\n")
    assert "initial.deviation: expected a number greater than or equal to 0" in told
    assert "propagator.walls.0.at: 0.0035 m is not on a face" in told


def test_a_value_from_which_the_method_cannot_start_is_told(tmp_path: Path) -> None:
    def told(values: str) -> str:
        method = "  trajectories: 3\n  method: {kind: walkers, particles: 100}\n"
        return refusal(tmp_path, method + f"  vary:\n    initial.mean: {{values: {values}}}\n")

    # Of several the value is told, of the first one only the method.
    assert f"tiny.yaml:{LINE + 1}:5: dataset.method: walkers cannot start" in told("[1, -5]")
    assert told("[1, -5]").endswith("(with initial.mean: -5)")
    assert f"tiny.yaml:{LINE - 1}:11: dataset.method: walkers cannot start" in told("[-5, 1]")
