"""What is told of a dataset beside its data: scenario, statistics, manifest; what loads late."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import h5py
import numpy as np
import pytest
from dataset_samples import SALT, WALLS, made, scenario, shards
from shell import diffusim, python

from diffusim import reading
from diffusim.dataset.manifest import Record, Statistics, extremes, of_all
from diffusim.dataset.recipe import Recipe

KINDS = ("mean", "std", "rms", "mean_delta", "std_delta", "rms_delta")


@pytest.fixture
def salt(tmp_path: Path) -> Path:
    return made(tmp_path)


def told(folder: Path) -> tuple[str, str]:
    """The scenario in the card and in a shard."""
    card = (folder / "README.md").read_text().partition("```yaml\n")[2].partition("\n```\n")[0]
    with h5py.File(shards(folder)[0]) as file:
        return card, file["provenance/scenario"][()].decode().rstrip("\n")


# --- the scenario -------------------------------------------------------------------------------


def test_card_and_shards_tell_the_scenario_with_what_was_set(tmp_path: Path) -> None:
    source = scenario(tmp_path)
    words = ("--set", "seed=5", "--set", "title=Sälz 🧂", "--out", tmp_path, "--workers", "1", "-q")
    assert diffusim("dataset", source, *words).code == 0
    folder = tmp_path / "salt"
    values = {**reading.value(SALT, "salt"), "seed": 5, "title": "Sälz 🧂"}
    for text in told(folder):
        assert reading.value(text, "told") == values
        again = scenario(tmp_path, text, "again")
        assert Recipe.read(again).digest == Recipe.read(source, ["seed=5", "title=S"]).digest
    assert json.loads((folder / "manifest.json").read_text())["scenario"] == values
    assert diffusim("dataset", "verify", folder, "-q").code == 0


def test_without_changes_they_tell_the_text_itself(salt: Path) -> None:
    assert told(salt) == (SALT.rstrip(), SALT.rstrip())


def test_what_a_base_says_is_told_too(tmp_path: Path) -> None:
    scenario(tmp_path, SALT, "other")
    folder = made(tmp_path, "base: other.yaml\nseed: 8\n")
    values = {**reading.value(SALT, "salt"), "seed": 8}
    assert [reading.value(text, "told") for text in told(folder)] == [values, values]


# --- statistics ---------------------------------------------------------------------------------


def record(moments: dict[str, float | None], first: int, count: int) -> Record:
    seeds = tuple(range(count))
    return Record("a", "train", (first, first + count - 1), seeds, "", 0, {}, moments, "")


def test_statistics_of_a_small_spread_about_a_large_mean(tmp_path: Path) -> None:
    """Two layers that do not exchange anything, in double precision, in shards of two sizes."""
    text = SALT.replace("{x: periodic, top: {value: 0.5}}", "no-flux")
    text = text.replace("values: [1.0, 0.0]", "values: [1e6, 1000000.01]")
    folder = made(tmp_path, text.replace("  shard: 3", "  shard: 3\n  precision: double"))
    lines = (folder / "stats.yaml").read_text().splitlines()
    found = dict(zip((k.rstrip(":") for k in lines[::2]), lines[1::2], strict=True))
    frames = []
    for path in sorted(folder.glob("data/train/*.hdf5")):
        with h5py.File(path) as file:
            frames.append(file["concentration"][...])
    u = np.concatenate(frames)
    for kind, values in {"": u, "_delta": np.diff(u, axis=1)}.items():
        exact = [Fraction(value) for value in values.ravel().tolist()]
        mean = sum(exact) / len(exact)
        spread = sum((value - mean) ** 2 for value in exact) / len(exact)
        for word, value in {"mean": float(mean), "std": float(spread) ** 0.5,
                            "rms": float(spread + mean**2) ** 0.5}.items():  # fmt: skip
            number = float(found[f"{word}{kind}"].partition(":")[2])
            # A mean value of 1e6 is known to 1e-10, of which the spread, 5e-3, knows little.
            assert number == pytest.approx(value, rel=1e-10, abs=1e-15), (word, kind)


def test_moments_of_parts_of_different_size_are_those_of_the_whole() -> None:
    rng = np.random.default_rng(4)
    u = rng.normal(3.0, 1.0, (5, 4, 6)) + np.arange(5.0)[:, None, None]
    own = [
        {"u_mean": float(each.mean()), "u_variance": float(each.var()),
         "u_mean_of_changes": float(np.diff(each, axis=0).mean()),
         "u_variance_of_changes": float(np.diff(each, axis=0).var())}
        for each in u
    ]  # fmt: skip
    statistics = Statistics()
    statistics.add(record(of_all(own[:3]), 0, 3))
    statistics.add(record(of_all(own[3:]), 3, 2))
    table = statistics.table("u", [], 4)
    du = np.diff(u, axis=1)
    wanted = [u.mean(), u.std(), np.sqrt(np.mean(u**2)), du.mean(), du.std()]
    assert [table[kind]["u"] for kind in KINDS[:5]] == pytest.approx(wanted, rel=1e-13)


def test_maps_have_no_changes_and_neither_has_a_single_frame() -> None:
    statistics = Statistics()
    moments = dict.fromkeys(("mean", "variance", "mean_of_changes", "variance_of_changes"), 1.0)
    statistics.add(record({f"{n}_{k}": v for n in "um" for k, v in moments.items()}, 0, 2))
    assert {kind: [*v] for kind, v in statistics.table("u", ["m"], 3).items()} == {
        **dict.fromkeys(KINDS[:3], ["u", "m"]), **dict.fromkeys(KINDS[3:], ["u"])
    }  # fmt: skip
    assert [*statistics.table("u", [], 1)["mean_delta"]] == []


def test_what_is_not_finite_or_overflows_is_told_as_not_known() -> None:
    for mean in (np.nan, np.inf, 1e308):
        own = {"u_mean": mean, "u_variance": 1.0}
        parts = of_all([own, {"u_mean": -mean / 2, "u_variance": 1.0}])
        assert parts["u_variance"] is None
        assert (parts["u_mean"] is None) == (not np.isfinite(mean))
        statistics = Statistics()
        statistics.add(record({**parts, "u_mean_of_changes": 0.0}, 0, 2))
        table = statistics.table("u", [], 2)
        assert np.isnan(table["std"]["u"])
        assert np.isnan(table["std_delta"]["u"])
    assert extremes([{"a": 1.0, "b": np.nan}, {"a": -2.0, "b": 0.0}]) == {
        "a": (-2.0, 1.0), "b": (None, None)
    }  # fmt: skip


def test_maps_and_field_stand_in_the_statistics(tmp_path: Path) -> None:
    folder = made(tmp_path, WALLS)
    first = (folder / "stats.yaml").read_text().partition("std:")[0]
    assert [line.split(":")[0].strip() for line in first.splitlines()] == [
        *("mean", "concentration", "diffusivity_map", "open_x", "open_y")
    ]
    assert diffusim("dataset", "verify", folder, "-q").code == 0


# --- the manifest -------------------------------------------------------------------------------


def changed(folder: Path, **changes: object) -> tuple[int, str, str]:
    """Verify a dataset whose manifest says something else; None leaves a key out."""
    path = folder / "manifest.json"
    manifest = {**json.loads(path.read_text()), **changes}
    path.write_text(json.dumps({k: v for k, v in manifest.items() if v is not None}))
    return diffusim("dataset", "verify", folder, "-q")


@pytest.mark.parametrize(
    ("key", "value"),
    [("shards", []), ("shards", [{}]), ("versions", None), ("versions", []), ("field", 3),
     ("files", None), ("scenario", "text")],
)  # fmt: skip
def test_verify_finds_a_manifest_that_cannot_be_read(salt: Path, key: str, value: object) -> None:
    code, out, err = changed(salt, **{key: value})
    assert (code, err) == (3, "")
    assert "manifest.json cannot be read: it is damaged or no manifest" in out


@pytest.mark.parametrize("text", ["", "{}", "[]", "{" * 9, "[" * 100_000, "\udcff"])
def test_verify_finds_a_damaged_manifest(salt: Path, text: str) -> None:
    (salt / "manifest.json").write_text(text, errors="surrogateescape")
    code, out, err = diffusim("dataset", "verify", salt, "-q")
    assert (code, err) == (3, "")
    assert "cannot be read" in out


def test_verify_stops_at_a_wrong_number_of_shards(salt: Path) -> None:
    records = json.loads((salt / "manifest.json").read_text())["shards"]
    code, out, _ = changed(salt, shards=records[:-1])
    assert code == 3
    assert out.splitlines()[-1] == "manifest.json has 5 shards; the scenario makes 6"


def test_a_single_maker_makes_all_samples_of_verify(
    salt: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from diffusim.dataset import verifying

    born: list[object] = []
    original = verifying.Maker
    monkeypatch.setattr(verifying, "Maker", lambda recipe: born.append(1) or original(recipe))
    assert list(verifying.verify(salt, samples=5)) == []
    assert len(born) == 1


# --- what loads late ----------------------------------------------------------------------------


def test_the_server_of_processes_is_there_before_anything_long_is_loaded() -> None:
    program = """if True:
        import sys
        import diffusim.dataset.server
        print([name for name in ("numba", "numpy", "scipy", "h5py") if name in sys.modules])
        from diffusim.dataset import Made, Recipe, Trajectory, trajectories
        import diffusim.dataset
        print(trajectories.__module__, "numba" in sys.modules, dir(diffusim.dataset))
        try:
            diffusim.dataset.nothing
        except AttributeError as error:
            print(error)
    """
    assert python(program).splitlines() == [
        "[]",
        "diffusim.dataset.making True ['Made', 'Recipe', 'Trajectory', 'trajectories']",
        "module 'diffusim.dataset' has no attribute 'nothing'",
    ]
